"""`docqa bench`: the list of benchmarks. Each prints its result and stores it with a description of the machine."""

import asyncio
import json
import sys
import time
from pathlib import Path

import click

from contract.runtime.files import write_atomically
from contract.runtime.terminal import echo

try:
    from bench.commands import (
        answers,
        batch,
        chaos,
        cluster,
        compare,
        documents,
        embedding,
        generator,
        hey,
        load,
        models,
        page,
        peers,
        readers,
        redaction,
        retry,
        scale,
        slo,
        slow_jobs,
        soak,
        spike,
        sweep,
    )
    from bench.simulation import command as simulate
except ModuleNotFoundError as missing:
    sys.exit(f"docqa bench needs the package {missing.name}: install goblin-docqa[bench].")

DEFAULT_OUT = Path("bench/results")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def cli() -> None:
    """Run benchmarks against the system, from outside."""


for _part in (
    spike,
    slow_jobs,
    load,
    retry,
    sweep,
    scale,
    simulate,
    slo,
    hey,
    chaos,
    cluster,
    soak,
    batch,
    peers,
    documents,
    readers,
    redaction,
    embedding,
    answers,
    models,
    generator,
    compare,
    page,
):
    cli.add_command(_part.command)


@cli.command()
@click.option(
    "--out", type=click.Path(path_type=Path), default=DEFAULT_OUT, show_default=True, help="Folder of results."
)
def overhead(out: Path) -> None:
    """The overhead of the message bus, against minimal alternatives."""
    from bench.commands.overhead import measure

    result = {"measured": time.strftime("%Y-%m-%d"), **asyncio.run(measure())}
    text = json.dumps(result, indent=1)
    write_atomically(out / "overhead.json", text.encode() + b"\n")
    echo(text)


if __name__ == "__main__":
    cli(prog_name="docqa bench")
