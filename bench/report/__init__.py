"""How a result is shown: HTML report, plots, tables in the terminal, a live display."""
