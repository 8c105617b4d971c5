"""Processes started, watched and stopped: what `docqa up` does with its parts. Knows nothing of what they do."""
