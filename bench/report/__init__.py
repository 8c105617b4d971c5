"""Shows a result: HTML report, plots, tables in the terminal, a live display."""
