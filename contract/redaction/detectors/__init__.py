"""The detectors: one file for each way that a secret shows itself in a text."""
