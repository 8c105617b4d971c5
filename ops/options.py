"""Options that several commands share, and how an option overrides the environment."""

import os
from pathlib import Path
from typing import Final

import click

_FILE: Final = click.Path(path_type=Path)

json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text.")
data_dir_option = click.option(
    "--data-dir", type=_FILE, help="Folder of all stored data. [default: DOCQA_DATA_DIR, else a folder in HOME]"
)
target_option = click.option(
    "--target",
    metavar="URL|SOCKET",
    help="The system to use. [default: the Unix socket of DOCQA_UDS or the data folder]",
)
token_option = click.option(
    "--token", help="Bearer token; visible in the list of processes. [default: DOCQA_TOKEN or DOCQA_TOKEN_FILE]"
)
metrics_option = click.option(
    "--metrics", metavar="URL", multiple=True, help="Metrics page to read instead of the target's own; may be repeated."
)
ready_file_option = click.option(
    "--ready-file", type=_FILE, help="Write the addresses to this file, as JSON, once ready."
)


def environment_with(**overrides: object) -> dict[str, str]:
    """The environment of this process, where given options override their variables."""
    given = {name: str(value) for name, value in overrides.items() if value is not None}
    return {**os.environ, **given}
