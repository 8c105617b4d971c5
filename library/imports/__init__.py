"""The way of a document from the spool into the store."""
