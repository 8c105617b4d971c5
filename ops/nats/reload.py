"""Applies a changed list of publishers to the nats-server that runs on a data folder.

The server reads its configuration again on SIGHUP: only the connections of removed publishers are closed.
"""

import asyncio
import contextlib
import json
import os
import signal
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import psutil

from contract.errors import DocQAError
from contract.runtime.files import write_atomically
from ops.nats import accounts as nats_accounts
from ops.nats import config as nats_config
from ops.nats import monitoring
from ops.nats.credentials import ROLES, Credentials
from ops.nats.monitoring import MonitoringError
from ops.nats.publishers import PublisherList

CONFIG_NAME: Final = "nats-server.conf"
_APPLIED_WITHIN_S: Final = 5.0
_POLL_S: Final = 0.02


class RunningServer(NamedTuple):
    """A nats-server that is running on this folder."""

    pid: int
    monitoring: str


class ReloadError(DocQAError):
    """The running nats-server did not apply the new list of publishers: it will at its next start."""


async def apply(folder: Path, credentials: Credentials, publishers: PublisherList) -> bool:
    """Apply the list to the running server; False if none is running: the next one reads the list when it starts.

    The caller has locked the list. Raises ReloadError.
    """
    server = find_running(folder)
    if server is None:
        return False
    accounts = nats_accounts.render({role: credentials.read(role) for role in ROLES}, publishers.passwords())
    former = _replace(folder / CONFIG_NAME, accounts)
    await _reload(server)
    if accounts.keys() - former:
        # Imports of a new account take effect at the second reload only (nats-server 2.15.1).
        await _reload(server)
    return True


def find_running(folder: Path) -> RunningServer | None:
    """The server found by its ports file; a killed one leaves that file behind, so the process is checked too."""
    config = (folder / CONFIG_NAME).resolve()
    for path in folder.glob("nats-server_*.ports"):
        pid = int(path.stem.rpartition("_")[2])
        with contextlib.suppress(psutil.Error, OSError, json.JSONDecodeError):
            if any(Path(argument).resolve() == config for argument in psutil.Process(pid).cmdline()):
                return RunningServer(pid, json.loads(path.read_bytes())["monitoring"][0])
    return None


def _replace(config: Path, accounts: Mapping[str, Any]) -> set[str]:
    """Write new accounts into the configuration; returns the names of the old ones."""
    text = nats_config.from_bytes(config.read_bytes())
    write_atomically(config, nats_config.to_bytes(nats_config.with_accounts(text, accounts)), mode=0o600)
    return set(nats_config.read(text)["accounts"])


async def _reload(server: RunningServer) -> None:
    try:
        before = await _loaded_at(server)
        os.kill(server.pid, signal.SIGHUP)
        deadline = time.monotonic() + _APPLIED_WITHIN_S
        while await _loaded_at(server) == before:
            if time.monotonic() > deadline:
                raise ReloadError
            await asyncio.sleep(_POLL_S)
    except (OSError, MonitoringError):
        raise ReloadError from None


async def _loaded_at(server: RunningServer) -> str:
    """When the server last loaded its configuration."""
    return str((await asyncio.to_thread(monitoring.page, server.monitoring, "/varz")).get("config_load_time"))
