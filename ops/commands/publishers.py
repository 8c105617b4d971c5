"""`docqa publishers`: adds, lists and removes direct NATS publishers."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Final

import click

from contract.errors import SettingsError
from contract.runtime.files import make_folder
from contract.runtime.terminal import echo
from contract.settings import load
from ops.nats import address, endpoint, reload
from ops.nats.publishers import PublisherList
from ops.options import data_dir_option, environment_with, json_option
from ops.settings import NatsSettings

_USUAL_URL: Final = "nats://127.0.0.1:4222"

_name = click.argument("name")


@click.group("publishers")
def command() -> None:
    """Add, list and remove direct NATS publishers; each has an account of its own.

    Changes apply to a running message bus at once, without closing other connections. docs/protocol.md describes what a
    publisher does.
    """


@command.command("add")
@_name
@data_dir_option
@json_option
def add(name: str, data_dir: Path | None, as_json: bool) -> None:
    """Allow NAME to publish; prints the path of its credentials."""
    settings = _settings(data_dir)
    folder = _made(settings.data_dir)
    url = endpoint.public_url(settings) or address.recorded(folder) or _USUAL_URL
    is_applied = asyncio.run(_changed(folder, lambda publishers: publishers.add(name, url)))
    described = _describe(address.publishers(folder), name)
    if as_json:
        echo(json.dumps({**described, "applied": is_applied}))
    else:
        echo(f"{name} may publish{_when(is_applied)}. Its credentials: {described['credentials']}")


@command.command("list")
@data_dir_option
@json_option
def list_all(data_dir: Path | None, as_json: bool) -> None:
    """List all publishers."""
    publishers = address.publishers(_settings(data_dir).data_dir)
    names = publishers.names()
    if as_json:
        echo(json.dumps({"publishers": [_describe(publishers, name) for name in names]}))
    else:
        echo("\n".join(names) or "There are no direct publishers: `docqa publishers add NAME` adds one.")


@command.command("remove")
@_name
@data_dir_option
@json_option
def remove(name: str, data_dir: Path | None, as_json: bool) -> None:
    """Remove NAME; jobs that it has published are still answered."""
    is_applied = asyncio.run(_changed(_made(_settings(data_dir).data_dir), lambda publishers: publishers.remove(name)))
    if as_json:
        echo(json.dumps({"name": name, "applied": is_applied}))
    else:
        echo(f"{name} may no longer publish{_when(is_applied)}.")


async def _changed(data_dir: Path, change: Callable[[PublisherList], object]) -> bool:
    """Change the list, then apply it to the message bus; False if none is running."""
    publishers = address.publishers(data_dir)
    async with publishers.locked():
        change(publishers)
        return await reload.apply(address.bus_folder(data_dir), address.credentials(data_dir), publishers)


def _settings(option: Path | None) -> NatsSettings:
    environment = environment_with(DOCQA_DATA_DIR=option)
    if environment.get("DOCQA_NATS_URL"):
        raise SettingsError(
            "DOCQA_NATS_URL names an external message bus: its operator adds the account there, as docs/protocol.md "
            "describes."
        )
    return load(NatsSettings, environment)


def _made(folder: Path) -> Path:
    make_folder(folder, 0o700)
    return folder


def _describe(publishers: PublisherList, name: str) -> dict[str, str]:
    publisher = publishers.read(name)
    return {"name": name, "url": publisher.url, "user": publisher.user, "credentials": str(publishers.path(name))}


def _when(is_applied: bool) -> str:
    return " from now on" if is_applied else " once the bus is started"
