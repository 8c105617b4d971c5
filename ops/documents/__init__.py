"""What `docqa documents` does: files found and uploaded, several at a time, and followed until they are read."""
