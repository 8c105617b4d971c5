"""`docqa ingress`: the ingress alone, in the foreground."""

from pathlib import Path

import click

from ops.options import data_dir_option, ready_file_option
from ops.run_part import become


@click.command("ingress")
@data_dir_option
@ready_file_option
def command(data_dir: Path | None, ready_file: Path | None) -> None:
    """Run the ingress alone, on the Unix socket and on DOCQA_HOST:DOCQA_PORT.

    Without DOCQA_NATS_URL it connects to the bus that `docqa nats` runs on the same data folder.
    """
    become("ingress", "ingress", data_dir, ready_file)
