"""The addresses that a start would listen on: free, ours already, or somebody else's."""

import stat
from collections.abc import Callable
from pathlib import Path
from typing import Final

import psutil

from ops.nats import address as bus_address
from ops.nats.endpoint import USUAL_PORT
from ops.preflight import bus
from ops.preflight.context import Scene, answer
from ops.preflight.finding import Finding, failure, ok, warning
from ops.supervisor import ports
from ops.supervisor.ports import Address

_LOOPBACK: Final = "127.0.0.1"
_METRICS: Final = {"ingress metrics": 9108, "worker metrics": 9109}
_SOCKET_PATH_BYTES: Final = 107
_PICKS_ANOTHER: Final = "`docqa up` picks another; `docqa {part}` alone would not start: set {setting}."

IsOurs = Callable[[Address], bool]


def check(scene: Scene, *, is_activated: bool) -> list[Finding]:
    """`is_activated`: the socket comes from systemd, so that no TCP port is opened for questions."""
    settings = scene.settings
    found = judge_socket(settings.socket_path, bool(scene.health))
    if not is_activated and settings.port:
        door = Address(settings.host, settings.port)
        found.append(judge_port("port", door, _when(scene, _is_ingress), f"Set DOCQA_PORT, or end what holds {door}."))
    found += [_metrics(name, port, scene) for name, port in _METRICS.items()]
    if not scene.environment.get("DOCQA_NATS_URL"):
        found.append(_bus_port(settings.data_dir, settings.nats_port))
    return found


def judge_port(name: str, address: Address, is_ours: IsOurs, cure: str, *, must_be_free: bool = True) -> Finding:
    trouble = ports.trouble(address)
    if trouble is None:
        return ok(name, f"{address} is free")
    if is_ours(address):
        return ok(name, f"{address} is held by the running stack")
    detail = f"{address}: {trouble}{held_by(address)}"
    return failure(name, detail, cure) if must_be_free else warning(name, detail, cure)


def judge_socket(path: Path, is_answered: bool) -> list[Finding]:
    if len(str(path).encode()) > _SOCKET_PATH_BYTES:
        return [
            failure("socket", f"{path} is longer than {_SOCKET_PATH_BYTES} bytes", "Set DOCQA_UDS to a shorter one.")
        ]
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return [ok("socket", f"{path} is free")]
    except OSError as error:
        return [failure("socket", f"{path}: {error.strerror}", "Run this as the user who runs docqa.")]
    if not stat.S_ISSOCK(mode):
        return [failure("socket", f"{path} is no socket", "Move it away, or set DOCQA_UDS to another path.")]
    if not is_answered:
        return [
            warning(
                "socket",
                f"{path} is there and nobody answers on it",
                "A start replaces it. Under systemd: systemctl restart goblin-docqa.socket goblin-docqa.service",
            )
        ]
    if mode & stat.S_IRWXO:
        return [warning("socket", f"{path} is open to everybody ({_octal(mode)})", f"chmod 0660 {path}")]
    return [ok("socket", f"{path} is held by the running stack ({_octal(mode)})")]


def _octal(mode: int) -> str:
    return f"{stat.S_IMODE(mode):04o}"


def _when(scene: Scene, is_ours: IsOurs) -> IsOurs:
    """Only beside a stack that answers on this socket: a stack on another folder holds its ports against this one."""
    return lambda address: bool(scene.health) and is_ours(address)


def _metrics(name: str, port: int, scene: Scene) -> Finding:
    part = name.partition(" ")[0]
    address = Address(_LOOPBACK, port)
    if named := scene.environment.get("DOCQA_METRICS_ADDR"):
        # It names the ingress's; `docqa up` gives the worker the next one.
        address = ports.parse(named, "DOCQA_METRICS_ADDR")
        address = address if part == "ingress" else address._replace(port=min(address.port + 1, 65_535))
    cure = _PICKS_ANOTHER.format(part=part, setting="DOCQA_METRICS_ADDR")
    return judge_port(name, address, _when(scene, _shows_metrics), cure, must_be_free=False)


def _bus_port(data_dir: Path, port: int | None) -> Finding:
    """A port that is named must be free; the usual one may be anybody's, `docqa up` then lets the bus pick."""
    ours = bus_address.noted(data_dir)
    cure = _PICKS_ANOTHER.format(part="ingress", setting="DOCQA_NATS_URL to the bus that is meant")
    named_cure = f"End what holds it, or set DOCQA_NATS_PORT to another than {port}."

    def is_ours(address: Address) -> bool:
        return ours is not None and ours.partition("://")[2] == str(address) and bool(bus.banner(ours))

    address = Address(_LOOPBACK, port or USUAL_PORT)
    return judge_port("bus port", address, is_ours, named_cure if port else cure, must_be_free=bool(port))


def _is_ingress(address: Address) -> bool:
    return b'"queue_depth"' in answer(_reachable(address.host), address.port, "/health")


def _shows_metrics(address: Address) -> bool:
    return b"docqa_" in answer(_reachable(address.host), address.port, "/metrics")


def _reachable(host: str) -> str:
    return {"0.0.0.0": _LOOPBACK, "::": "::1"}.get(host, host)  # asked about, not listened on


def held_by(address: Address) -> str:
    """Who listens there, as far as this user may see it."""
    try:
        for held in psutil.net_connections("tcp"):
            if held.status == psutil.CONN_LISTEN and held.laddr and held.laddr.port == address.port and held.pid:
                return f" (held by {psutil.Process(held.pid).name()}, process {held.pid})"
    except (psutil.Error, OSError):
        pass
    return ""
