"""Documents on their way to the library: uploads read as they come, spooled to disk, published as work."""
