"""What every benchmark uses: a stack under load, its processes, the queries sent, the ledger of their results."""
