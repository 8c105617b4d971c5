"""Judges a new release: smoke test, canary, verdict."""
