"""What ends a benchmark before it has a result: one sentence for the user."""


class BenchError(Exception):
    """The benchmark can't go on."""
