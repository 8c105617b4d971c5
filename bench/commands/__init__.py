"""The commands of `docqa bench`, one per file."""
