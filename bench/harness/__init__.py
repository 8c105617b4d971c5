"""What every benchmark uses: a stack under load, its processes, the queries sent and the ledger of what became of them."""
