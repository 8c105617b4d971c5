"""The parts of every benchmark: queries, load, samples of the system, the ledger of results, promises."""
