"""The error that ends a benchmark before it has a result: one sentence for the user."""


class BenchError(Exception):
    """The benchmark cannot continue."""
