"""`docqa spaces`: creates shared spaces of documents, and grants and revokes access to them and to folders of root."""

import json
from pathlib import Path
from typing import Any, Final

import click

from contract.grants_file import Access, Grant
from contract.runtime.terminal import echo
from contract.settings import load
from contract.topology import HTTP_PUBLISHER
from ops.documents import grants
from ops.options import data_dir_option, environment_with, json_option
from ops.settings import UpSettings

_MAY: Final = {"read": "read", "write": "read and write"}

_space = click.argument("space")
_client = click.argument("client")
_publisher = click.option(
    "--publisher", default=HTTP_PUBLISHER, show_default=True, help="Whose client it is: a direct publisher, or http."
)


@click.group("spaces")
def command() -> None:
    """Create shared spaces, and say who may read and write them.

    A client's own space needs none of this. The library heeds a change at once, also for work that waits.
    """


@command.command("create")
@_space
@data_dir_option
@json_option
def create(space: str, data_dir: Path | None, as_json: bool) -> None:
    """Create the shared space SPACE; only the one user of a system without tokens may read it yet."""
    with grants.changing(_path(data_dir)) as changed:
        changed.create(space)
    echo(json.dumps({"space": space}) if as_json else f"Created the space {space}.")


@command.command("grant")
@_space
@_client
@click.option("--access", type=click.Choice(["read", "write"]), default="read", show_default=True)
@_publisher
@data_dir_option
@json_option
def grant(space: str, client: str, access: Access, publisher: str, data_dir: Path | None, as_json: bool) -> None:
    """Let CLIENT read (or also write) SPACE: a shared space, `root`, or a folder of it such as `root/clients/smith`."""
    with grants.changing(_path(data_dir)) as changed:
        given = changed.grant(publisher, client, space, access)
    echo(json.dumps(_described(given)) if as_json else f"{client} may {_MAY[access]} {given.space}.")


@command.command("revoke")
@_space
@_client
@_publisher
@data_dir_option
@json_option
def revoke(space: str, client: str, publisher: str, data_dir: Path | None, as_json: bool) -> None:
    """Take back what CLIENT may do in SPACE."""
    with grants.changing(_path(data_dir)) as changed:
        gone = changed.revoke(publisher, client, space)
    echo(json.dumps(_described(gone)) if as_json else f"{client} may no longer read {gone.space}.")


@command.command("list")
@data_dir_option
@json_option
def list_spaces(data_dir: Path | None, as_json: bool) -> None:
    """List all shared spaces and granted folders of root, with who may use them."""
    found = grants.read(_path(data_dir)).by_space()
    if as_json:
        spaces = [{"space": space, "grants": [_described(one) for one in given]} for space, given in found.items()]
        echo(json.dumps({"spaces": spaces}))
        return
    for space, given in found.items():
        who = ", ".join(f"{one.publisher}/{one.client} ({one.access})" for one in given)
        echo(f"{space}: {who or 'no grants'}")
    if not found:
        echo("There are no shared spaces: `docqa spaces create NAME` makes one.")


def _path(data_dir: Path | None) -> Path:
    return grants.path_of(load(UpSettings, environment_with(DOCQA_DATA_DIR=data_dir)).data_dir)


def _described(one: Grant) -> dict[str, Any]:
    return {"publisher": one.publisher, "client": one.client, "space": one.space, "access": one.access}
