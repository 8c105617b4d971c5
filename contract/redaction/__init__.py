"""Finds and replaces secrets in a text; the detectors are one file a kind."""
