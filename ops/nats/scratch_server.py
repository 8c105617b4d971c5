"""A private nats-server for the time of a block: to verify a backup, to build a store, to read one."""

import contextlib
import os
import secrets
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

from contract.address import Address
from contract.bus import Bus
from contract.errors import BusUnavailableError
from contract.runtime.files import make_folder, write_atomically
from contract.settings import SECRET_NAMES, BusSettings, QueueSettings, Secret
from ops.nats import config as nats_config
from ops.nats import encryption
from ops.nats.admin import logged_in
from ops.nats.credentials import ROLES
from ops.nats.endpoint import SERVER_PICKS, Endpoint
from ops.nats.server import STOPS_WITHIN_S, find_program
from ops.supervisor.process import Child, Program, ended_on_error, spawn
from ops.supervisor.supervisor import until_written

_LISTENS_WITHIN_S: Final = 120.0
"""The server reads its whole store before it listens."""
_STOPS_AFTER_ERROR_WITHIN_S: Final = 1.0
"""Short: a server in the middle of an interrupted restore would wait for its end."""
_LARGEST_REQUEST_MB: Final = 32


@contextlib.asynccontextmanager
async def serving(
    place: Path, settings: QueueSettings, store: Path, data_dir: Path | None = None
) -> AsyncIterator[Bus]:
    """An admin connection to a server on `store`; its other files are in `place`, which is removed at the end.

    `data_dir` is given for a store that other processes may use: its lock is held. Raises StartError or BusError.
    """
    make_folder(place, 0o700)
    encryption.check_key(store, settings)
    passwords = {role: secrets.token_hex(16) for role in ROLES}
    try:
        child = await spawn(_program(place, settings, store, passwords, data_dir or place))
        async with ended_on_error(child, _STOPS_AFTER_ERROR_WITHIN_S):
            url = await _url(place, child)
            login = BusSettings(nats_url=url, nats_password=Secret(passwords["admin"]))
            async with logged_in(login) as bus:
                yield bus
        await child.stop(STOPS_WITHIN_S)
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _program(place: Path, settings: QueueSettings, store: Path, passwords: dict[str, str], data_dir: Path) -> Program:
    text = nats_config.render(
        folder=place,
        endpoint=Endpoint(Address("127.0.0.1", SERVER_PICKS)),
        passwords=passwords,
        max_request_size_mb=_LARGEST_REQUEST_MB,
        encryption=encryption.jetstream(settings),
        store=store,
    )
    config = place / "nats-server.conf"
    write_atomically(config, nats_config.to_bytes(text), mode=0o600)
    environment = {name: value for name, value in os.environ.items() if name not in SECRET_NAMES}
    environment |= encryption.environment(settings)
    return Program("nats-server", [find_program(), "--config", str(config)], environment, data_dir)


async def _url(place: Path, child: Child) -> str:
    found = await until_written(place / f"nats-server_{child.pid}.ports", child, _LISTENS_WITHIN_S)
    if not found["nats"]:
        raise BusUnavailableError("A private nats-server started, but listens nowhere: try again.")
    return str(found["nats"][0])
