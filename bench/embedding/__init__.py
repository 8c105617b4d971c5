"""Measures the embedder, and the constants that it is made with."""
