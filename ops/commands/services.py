"""`docqa ingress`, `docqa worker`, `docqa library`: run one service in the foreground, on this folder's message bus."""

import os
import sys
from pathlib import Path
from typing import NoReturn

import click

from contract.settings import load
from ops.nats import address
from ops.options import data_dir_option, environment_with, ready_file_option
from ops.settings import UpSettings


@click.command("ingress")
@data_dir_option
@ready_file_option
def ingress(data_dir: Path | None, ready_file: Path | None) -> None:
    """Run only the ingress, on the Unix socket and on DOCQA_HOST:DOCQA_PORT.

    Without DOCQA_NATS_URL it connects to the message bus that `docqa nats` runs on the same data folder.
    """
    become("ingress", "ingress", data_dir, ready_file)


@click.command("worker")
@data_dir_option
@ready_file_option
def worker(data_dir: Path | None, ready_file: Path | None) -> None:
    """Run only a worker; several may share the queue.

    Without DOCQA_NATS_URL it connects to the message bus that `docqa nats` runs on the same data folder.
    """
    become("inference_worker", "worker", data_dir, ready_file)


@click.command("library")
@data_dir_option
@ready_file_option
def library(data_dir: Path | None, ready_file: Path | None) -> None:
    """Run only the library: it keeps, reads and finds documents. One for each data folder.

    Without DOCQA_NATS_URL it connects to the message bus that `docqa nats` runs on the same data folder.
    """
    become("library", "library", data_dir, ready_file)


def become(module: str, role: str, data_dir: Path | None, ready_file: Path | None) -> NoReturn:
    """Replace this process by `python -m MODULE`; raises SettingsError."""
    environment = environment_with(DOCQA_DATA_DIR=data_dir)
    settings = load(UpSettings, environment)
    environment["DOCQA_UDS"] = str(settings.socket_path)
    if not environment.get("DOCQA_NATS_URL"):
        environment |= address.environment_for(settings.data_dir, role) or named_port(settings)
    arguments = [sys.executable, "-m", module, *(["--ready-file", str(ready_file)] if ready_file else [])]
    os.execve(sys.executable, arguments, environment)  # noqa: S606  # the process that a service manager watches


def named_port(settings: UpSettings) -> dict[str, str]:
    """The bus address if its data folder belongs to another user: systemd services share only the port number."""
    return {"DOCQA_NATS_URL": f"nats://127.0.0.1:{settings.nats_port}"} if settings.nats_port else {}
