"""`docqa worker`: a worker alone, in the foreground."""

from pathlib import Path

import click

from ops.options import data_dir_option, ready_file_option
from ops.run_part import become


@click.command("worker")
@data_dir_option
@ready_file_option
def command(data_dir: Path | None, ready_file: Path | None) -> None:
    """Run a worker alone; several may share the queue.

    Without DOCQA_NATS_URL it connects to the bus that `docqa nats` runs on the same data folder.
    """
    become("inference_worker", "worker", data_dir, ready_file)
