"""The service that takes questions over HTTP, sanitizes them, and puts them on the bus."""
