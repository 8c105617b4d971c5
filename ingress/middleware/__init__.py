"""What every request passes: audit, metrics, forwarded addresses, the check of the Host header."""
