"""A nats-server for the time of a block, that nobody else reaches: to try a backup, to make a store, to read one."""

import contextlib
import os
import secrets
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

from contract.bus import Bus, connected
from contract.errors import BusUnavailableError
from contract.runtime.files import make_folder, write_atomically
from contract.settings import SECRET_NAMES, BusSettings, QueueSettings, Secret
from ops.nats import config as nats_config
from ops.nats import encryption
from ops.nats.credentials import ROLES
from ops.nats.endpoint import SERVER_PICKS, Door
from ops.nats.server import STOPS_WITHIN_S, find_program
from ops.supervisor.keeper import until_written
from ops.supervisor.ports import Address
from ops.supervisor.process import Child, Program, ended_on_error, spawn

_LISTENS_WITHIN_S: Final = 120.0
"""A large store is read before."""
_BREAKS_OFF_WITHIN_S: Final = 1.0
"""After an error: a server in the middle of a restore that was broken off waits for its end."""
_LARGEST_REQUEST_MB: Final = 32


@contextlib.asynccontextmanager
async def serving(
    place: Path, settings: QueueSettings, store: Path, data_dir: Path | None = None
) -> AsyncIterator[Bus]:
    """A bus as its admin, on `store`; what else the server needs is kept in `place`, and removed at the end.

    `data_dir` is named for a store that others may use: its lock is held. Raises StartError or BusError.
    """
    _make(place)
    encryption.claim(store, settings)
    passwords = {role: secrets.token_hex(16) for role in ROLES}
    try:
        child = await spawn(_program(place, settings, store, passwords, data_dir or place))
        async with ended_on_error(child, _BREAKS_OFF_WITHIN_S):
            url = await _url(place, child)
            login = BusSettings(nats_url=url, nats_password=Secret(passwords["admin"]))
            async with connected(login, "admin") as bus:
                yield bus
        await child.stop(STOPS_WITHIN_S)
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _make(place: Path) -> None:
    make_folder(place, 0o700)


def _program(place: Path, settings: QueueSettings, store: Path, passwords: dict[str, str], data_dir: Path) -> Program:
    text = nats_config.render(
        folder=place,
        door=Door(Address("127.0.0.1", SERVER_PICKS)),
        passwords=passwords,
        max_request_size_mb=_LARGEST_REQUEST_MB,
        encryption=encryption.jetstream(settings),
        store=store,
    )
    config = place / "nats-server.conf"
    write_atomically(config, text.encode(), mode=0o600)
    environment = {name: value for name, value in os.environ.items() if name not in SECRET_NAMES}
    environment |= encryption.environment(settings)
    return Program("nats-server", [find_program(), "--config", str(config)], environment, data_dir)


async def _url(place: Path, child: Child) -> str:
    found = await until_written(place / f"nats-server_{child.pid}.ports", child, _LISTENS_WITHIN_S)
    if not found["nats"]:
        raise BusUnavailableError("A nats-server for this work started and listens nowhere: try again.")
    return str(found["nats"][0])
