"""The commands of `docqa bench`, one a file."""
