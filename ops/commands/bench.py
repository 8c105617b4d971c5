"""`docqa bench`: hands over to the bench, which runs as a program of its own."""

import os
import sys
from importlib.util import find_spec
from typing import Final

import click

from contract.errors import DocQAError

_NEEDED: Final = "hdrh"
"""Of the extra `bench`."""


@click.command(
    "bench", context_settings={"ignore_unknown_options": True, "help_option_names": []}, add_help_option=False
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def command(arguments: tuple[str, ...]) -> None:
    """Measure the system from outside."""
    run_bench(*arguments)


def run_bench(*arguments: str) -> None:
    """Become the bench. Raises DocQAError where it is not installed."""
    if not find_spec(_NEEDED):
        raise DocQAError("The benchmarks need more than running does: `make setup`, or install goblin-docqa[bench].")
    os.execv(sys.executable, [sys.executable, "-m", "bench", *arguments])  # noqa: S606  # the bench takes over
