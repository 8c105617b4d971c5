"""What the library keeps on the disk."""
