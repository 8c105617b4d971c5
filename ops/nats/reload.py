"""Brings a changed list of publishers to the nats-server that runs on a data folder, without cutting anybody else.

The server reads its configuration again on SIGHUP: who was let in stays connected, but for whom was removed.
"""

import asyncio
import contextlib
import http.client
import json
import os
import signal
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

import psutil

from contract.errors import DocQAError
from contract.runtime.files import write_atomically
from ops.nats import accounts as nats_accounts
from ops.nats import config as nats_config
from ops.nats.credentials import ROLES, Credentials
from ops.nats.publishers import PublisherList

CONFIG_NAME: Final = "nats-server.conf"
_TAKEN_IN_WITHIN_S: Final = 5.0
_POLL_S: Final = 0.02


class RunningServer(NamedTuple):
    """A nats-server that runs on this folder."""

    pid: int
    monitoring: str


class ReloadError(DocQAError):
    """The running nats-server did not take in the new list of publishers: it will at its next start."""


async def apply(folder: Path, credentials: Credentials, publishers: PublisherList) -> bool:
    """Let the running server know all publishers; False when none runs, and the next one will read the list.

    The caller holds the list. Raises ReloadError.
    """
    server = find_running(folder)
    if server is None:
        return False
    accounts = nats_accounts.render({role: credentials.read(role) for role in ROLES}, publishers.passwords())
    former = _replace(folder / CONFIG_NAME, accounts)
    await _read_again(server)
    if accounts.keys() - former:
        # What an account imports that is new at one reading leads nowhere until the next (nats-server 2.15.1).
        await _read_again(server)
    return True


def find_running(folder: Path) -> RunningServer | None:
    """The server writes a file of its ports; a killed one leaves it behind, so that the process is looked at too."""
    config = (folder / CONFIG_NAME).resolve()
    for path in folder.glob("nats-server_*.ports"):
        pid = int(path.stem.rpartition("_")[2])
        with contextlib.suppress(psutil.Error, OSError, json.JSONDecodeError):
            if any(Path(argument).resolve() == config for argument in psutil.Process(pid).cmdline()):
                return RunningServer(pid, json.loads(path.read_bytes())["monitoring"][0])
    return None


def _replace(config: Path, accounts: Mapping[str, Any]) -> set[str]:
    """Write other accounts into the configuration; the names of the former ones."""
    text = config.read_text("utf-8")
    write_atomically(config, nats_config.with_accounts(text, accounts).encode(), mode=0o600)
    return set(nats_config.read(text)["accounts"])


async def _read_again(server: RunningServer) -> None:
    try:
        before = await _loaded_at(server)
        os.kill(server.pid, signal.SIGHUP)
        deadline = time.monotonic() + _TAKEN_IN_WITHIN_S
        while await _loaded_at(server) == before:
            if time.monotonic() > deadline:
                raise ReloadError
            await asyncio.sleep(_POLL_S)
    except (OSError, http.client.HTTPException):
        raise ReloadError from None


async def _loaded_at(server: RunningServer) -> str:
    """When the server took in its configuration."""
    return str((await asyncio.to_thread(_varz, server.monitoring))["config_load_time"])


def _varz(monitoring: str) -> Any:
    connection = http.client.HTTPConnection(urlsplit(monitoring).netloc, timeout=5)
    with contextlib.closing(connection):
        connection.request("GET", "/varz")
        return json.load(connection.getresponse())
