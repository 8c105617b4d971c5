"""The nats-server: the one that runs, or the one that `docqa` would start; its version and whether it syncs always."""

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
from ops.nats.endpoint import USUAL_PORT
from ops.nats.server import find_program
from ops.preflight.context import Scene, answer
from ops.preflight.finding import Finding, failure, ok, warning
from ops.supervisor.keeper import StartError

_VERSION: Final = re.compile(r"v?(\d+)\.(\d+)\.(\d+)")
_OLDEST: Final = ".".join(map(str, OLDEST_SERVER))
_SYNC_CURE: Final = "Set `jetstream { sync_interval: always }` in its configuration: without it a power cut loses jobs."


def check(scene: Scene, monitoring: str | None) -> list[Finding]:
    """`monitoring`: where a server that somebody else runs shows its state; an embedded one's is found."""
    if url := scene.environment.get("DOCQA_NATS_URL"):
        return [found for server in tls.servers(url) for found in _elsewhere(server, monitoring)]
    monitoring = monitoring or embedded_monitoring(scene.settings.data_dir)
    if monitoring and (varz := read(monitoring, "/varz")):
        return [judge_version(varz.get("version", ""), "running"), judge_sync(varz)]
    return _embedded()


def _elsewhere(url: str, monitoring: str | None) -> list[Finding]:
    info = banner(url)
    if not info:
        return [failure("nats-server", f"nothing answers at {url}", "Start it, or mend DOCQA_NATS_URL.")]
    found = [judge_version(str(info.get("version", "")), f"at {url}")]
    if not info.get("jetstream"):
        found.append(failure("jetstream", f"is off at {url}", "Switch it on: jobs are kept there."))
    varz = read(monitoring, "/varz") if monitoring else {}
    if varz:
        return [*found, judge_sync(varz)]
    where = f"{monitoring} does not answer" if monitoring else "a server that is not ours shows it on its monitoring"
    return [*found, warning("sync_always", f"not seen: {where}", "Name it: --nats-monitoring http://HOST:8222")]


def _embedded() -> list[Finding]:
    try:
        program = find_program()
    except StartError as error:
        return [failure("nats-server", str(error).rstrip("."), "Run `make setup`.")]
    done = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
    # Written as a start writes it: what is told is what would be in force.
    always = nats_config.storing(Path("/"), 1)["jetstream"]["sync_interval"] == "always"
    return [
        judge_version(done.stdout, f"would start {program}"),
        ok("sync_always", "written into its configuration")
        if always
        else failure("sync_always", "is not in its configuration", _SYNC_CURE),
    ]


def judge_version(text: str, where: str) -> Finding:
    found = _VERSION.search(text)
    if not found:
        return failure("nats-server", f"{where}, and does not say which version it is", "Use nats-server itself.")
    version = ".".join(found.groups())
    if tuple(int(part) for part in found.groups()[:2]) < OLDEST_SERVER:
        return failure(
            "nats-server",
            f"{version} ({where}) is older than {_OLDEST}: it loses acknowledged jobs on a power cut",
            f"Upgrade it to {_OLDEST} or newer.",
        )
    return ok("nats-server", f"{version} ({where})")


def judge_sync(varz: Mapping[str, Any]) -> Finding:
    config = (varz.get("jetstream") or {}).get("config") or {}
    if config.get("sync_always"):
        return ok("sync_always", "in force: an accepted job is on the disk")
    return failure("sync_always", "is off: acknowledged jobs are lost on a power cut", _SYNC_CURE)


def embedded_monitoring(data_dir: Path) -> str | None:
    """Where the bus of this data folder shows its state, if it runs."""
    for path in address.bus_folder(data_dir).glob("*.ports"):
        try:
            return str(msgspec.json.decode(path.read_bytes())["monitoring"][0])
        except (OSError, msgspec.DecodeError, LookupError, TypeError):
            continue
    return None


def read(monitoring: str, path: str) -> dict[str, Any]:
    """A page of nats-server's monitoring; empty when it does not answer."""
    try:
        place = urlsplit(monitoring)
        found = msgspec.json.decode(answer(place.hostname or "127.0.0.1", place.port or 8222, path))
    except (ValueError, msgspec.DecodeError):
        return {}
    return found if isinstance(found, dict) else {}


def banner(url: str) -> dict[str, Any]:
    """What a nats-server says first, before any password: its version and what it offers. Empty without one."""
    try:
        place = urlsplit(url)
        with socket.create_connection((place.hostname or "", place.port or USUAL_PORT), timeout=2.0) as connection:
            connection.settimeout(2.0)
            line = connection.makefile("rb").readline(65_536)
        verb, _, said = line.partition(b" ")
        found = msgspec.json.decode(said) if verb == b"INFO" else {}
    except (OSError, ValueError, msgspec.DecodeError):
        return {}
    return found if isinstance(found, dict) else {}
