"""The `docqa` command: what a person runs."""
