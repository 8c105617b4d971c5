"""Starts and stops the systems that are measured. Knows nothing about the queries."""
