"""Becomes one of the project's own processes, with what it needs to find the bus of this data folder."""

import os
import sys
from pathlib import Path
from typing import NoReturn

from contract.settings import load
from ops import bus_address
from ops.options import environment_with
from ops.settings import UpSettings


def become(module: str, role: str, data_dir: Path | None, ready_file: Path | None) -> NoReturn:
    """Replace this process by `python -m MODULE`; raises SettingsError."""
    environment = environment_with(DOCQA_DATA_DIR=data_dir)
    settings = load(UpSettings, environment)
    environment["DOCQA_UDS"] = str(settings.socket_path)
    if not environment.get("DOCQA_NATS_URL"):
        environment |= bus_address.environment_for(settings.data_dir, role) or named_port(settings)
    arguments = [sys.executable, "-m", module, *(["--ready-file", str(ready_file)] if ready_file else [])]
    os.execve(sys.executable, arguments, environment)  # noqa: S606  # the process that a service manager watches


def named_port(settings: UpSettings) -> dict[str, str]:
    """Where the bus is when its data folder is another user's: the services of systemd share the port's name only."""
    return {"DOCQA_NATS_URL": f"nats://127.0.0.1:{settings.nats_port}"} if settings.nats_port else {}
