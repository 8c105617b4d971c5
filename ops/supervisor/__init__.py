"""Starts, supervises and stops processes for `docqa up` and `docqa nats`. Knows nothing about what they do."""
