"""Backups of all that the bus holds: made, tried, kept, brought back."""
