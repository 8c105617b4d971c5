"""Checks the nats-server that runs, or that `docqa` would start: its version, and that it syncs every job to disk."""

import re
import socket
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from contract import tls
from contract.bus.provision import OLDEST_SERVER
from ops.nats import address
from ops.nats import config as nats_config
from ops.nats import monitoring as nats_monitoring
from ops.nats.endpoint import USUAL_PORT
from ops.nats.monitoring import MonitoringError
from ops.nats.server import find_program
from ops.preflight.context import Context
from ops.preflight.finding import Finding, failure, ok, warning
from ops.supervisor.supervisor import StartError

_ANSWERS_WITHIN_S: Final = 2.0
_VERSION: Final = re.compile(r"v?(\d+)\.(\d+)\.(\d+)")
_OLDEST: Final = ".".join(map(str, OLDEST_SERVER))
_SYNC_CURE: Final = "Set `jetstream { sync_interval: always }` in its configuration: without it a power cut loses jobs."


def check(context: Context, monitoring: str | None) -> list[Finding]:
    """`monitoring`: the monitoring URL of an external server; that of an embedded one is found."""
    if url := context.environment.get("DOCQA_NATS_URL"):
        return [found for server in tls.servers(url) for found in _elsewhere(server, monitoring)]
    monitoring = monitoring or embedded_monitoring(context.settings.data_dir)
    if monitoring and (varz := read(monitoring, "/varz")):
        return [check_version(varz.get("version", ""), "running"), check_sync(varz)]
    return _embedded()


def _elsewhere(url: str, monitoring: str | None) -> list[Finding]:
    info = banner(url)
    if not info:
        return [failure("nats-server", f"nothing answers at {url}", "Start it, or correct DOCQA_NATS_URL.")]
    found = [check_version(str(info.get("version", "")), f"at {url}")]
    if not info.get("jetstream"):
        found.append(failure("jetstream", f"is off at {url}", "Enable it: jobs are stored there."))
    varz = read(monitoring, "/varz") if monitoring else {}
    if varz:
        return [*found, check_sync(varz)]
    reason = f"{monitoring} does not answer" if monitoring else "an external server reports it on its monitoring port"
    return [*found, warning("sync_always", f"unknown: {reason}", "Add --nats-monitoring http://HOST:8222.")]


def _embedded() -> list[Finding]:
    try:
        program = find_program()
    except StartError as error:
        return [failure("nats-server", str(error).rstrip("."), "Run `make setup`.")]
    done = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
    # Rendered as a start would, so that this reports what would be in force.
    always = nats_config.storing(Path("/"), 1)["jetstream"]["sync_interval"] == "always"
    return [
        check_version(done.stdout, f"would start {program}"),
        ok("sync_always", "written into its configuration")
        if always
        else failure("sync_always", "is not in its configuration", _SYNC_CURE),
    ]


def check_version(text: str, where: str) -> Finding:
    found = _VERSION.search(text)
    if not found:
        return failure("nats-server", f"the server {where} reports no version", "Use nats-server itself.")
    version = ".".join(found.groups())
    if tuple(int(part) for part in found.groups()[:2]) < OLDEST_SERVER:
        return failure(
            "nats-server",
            f"{version} ({where}) is older than {_OLDEST}: it loses acknowledged jobs on a power cut",
            f"Upgrade it to {_OLDEST} or newer.",
        )
    return ok("nats-server", f"{version} ({where})")


def check_sync(varz: Mapping[str, Any]) -> Finding:
    config = (varz.get("jetstream") or {}).get("config") or {}
    if config.get("sync_always"):
        return ok("sync_always", "in force: accepted jobs are on disk")
    return failure("sync_always", "is off: acknowledged jobs are lost on a power cut", _SYNC_CURE)


def embedded_monitoring(data_dir: Path) -> str | None:
    """The monitoring URL of this data folder's bus, if it is running."""
    for path in address.bus_folder(data_dir).glob("*.ports"):
        try:
            return str(msgspec.json.decode(path.read_bytes())["monitoring"][0])
        except (OSError, msgspec.DecodeError, LookupError, TypeError):
            continue
    return None


def read(monitoring: str, path: str) -> dict[str, Any]:
    """A page of nats-server's monitoring port; empty if it does not answer."""
    try:
        return nats_monitoring.page(monitoring, path, _ANSWERS_WITHIN_S)
    except MonitoringError:
        return {}


def banner(url: str) -> dict[str, Any]:
    """The INFO line that a nats-server sends before any login; empty if none answers."""
    try:
        place = urlsplit(url)
        with socket.create_connection(
            (place.hostname or "", place.port or USUAL_PORT), timeout=_ANSWERS_WITHIN_S
        ) as connection:
            connection.settimeout(_ANSWERS_WITHIN_S)
            line = connection.makefile("rb").readline(65_536)
        verb, _, said = line.partition(b" ")
        found = msgspec.json.decode(said) if verb == b"INFO" else {}
    except (OSError, ValueError, msgspec.DecodeError):
        return {}
    return found if isinstance(found, dict) else {}
