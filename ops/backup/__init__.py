"""Backups of the message bus: created, verified, pruned, restored."""
