"""Checks the addresses that a start would listen on: free, held by the running stack, or held by another program."""

import contextlib
import http.client
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Final

import psutil

from contract.address import Address, parse_address
from ops.nats import address as bus_address
from ops.nats.endpoint import USUAL_PORT
from ops.preflight import bus
from ops.preflight.context import Context
from ops.preflight.finding import Finding, failure, ok, warning
from ops.supervisor import ports

_LOOPBACK: Final = "127.0.0.1"
_ANSWERS_WITHIN_S: Final = 2.0
_METRICS: Final = {"ingress metrics": 9108, "worker metrics": 9109}
_SOCKET_PATH_BYTES: Final = 107
_PICKS_ANOTHER: Final = "`docqa up` picks another port; `docqa {part}` alone would not start: set {setting}."

IsOurs = Callable[[Address], bool]


def check(context: Context, *, is_activated: bool) -> list[Finding]:
    """`is_activated`: systemd provides the socket, so no TCP port is opened for questions."""
    settings = context.settings
    found = check_socket(settings.socket_path, bool(context.health))
    if not is_activated and settings.port:
        http = Address(settings.host, settings.port)
        found.append(
            check_port(
                "port", http, _when(context, _is_ingress), f"Set DOCQA_PORT, or stop the program that uses {http}."
            )
        )
    found += [_metrics(name, port, context) for name, port in _METRICS.items()]
    if not context.environment.get("DOCQA_NATS_URL"):
        found.append(_bus_port(settings.data_dir, settings.nats_port))
    return found


def check_port(name: str, address: Address, is_ours: IsOurs, cure: str, *, must_be_free: bool = True) -> Finding:
    error = ports.listen_error(address)
    if error is None:
        return ok(name, f"{address} is free")
    if is_ours(address):
        return ok(name, f"{address} is held by the running stack")
    detail = f"{address}: {error}{held_by(address)}"
    return failure(name, detail, cure) if must_be_free else warning(name, detail, cure)


def check_socket(path: Path, is_answered: bool) -> list[Finding]:
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
        return [failure("socket", f"{path} is not a socket", "Move it, or set DOCQA_UDS to another path.")]
    if not is_answered:
        return [
            warning(
                "socket",
                f"{path} exists, but nothing answers on it",
                "A start replaces it. Under systemd: systemctl restart goblin-docqa.socket goblin-docqa.service",
            )
        ]
    if mode & stat.S_IRWXO:
        return [warning("socket", f"{path} is open to everybody ({_octal(mode)})", f"chmod 0660 {path}")]
    return [ok("socket", f"{path} is held by the running stack ({_octal(mode)})")]


def _octal(mode: int) -> str:
    return f"{stat.S_IMODE(mode):04o}"


def _when(context: Context, is_ours: IsOurs) -> IsOurs:
    """Only if a stack answers on this socket: the ports of a stack on another folder are not available."""
    return lambda address: bool(context.health) and is_ours(address)


def _metrics(name: str, port: int, context: Context) -> Finding:
    part = name.partition(" ")[0]
    address = Address(_LOOPBACK, port)
    if named := context.environment.get("DOCQA_METRICS_ADDR"):
        # It is the ingress's; `docqa up` gives the worker the next port.
        address = parse_address(named, "DOCQA_METRICS_ADDR")
        address = address if part == "ingress" else address._replace(port=min(address.port + 1, 65_535))
    cure = _PICKS_ANOTHER.format(part=part, setting="DOCQA_METRICS_ADDR")
    return check_port(name, address, _when(context, _shows_metrics), cure, must_be_free=False)


def _bus_port(data_dir: Path, port: int | None) -> Finding:
    """A configured port must be free; if the usual one is not, `docqa up` lets the bus pick another."""
    ours = bus_address.recorded(data_dir)
    cure = _PICKS_ANOTHER.format(part="ingress", setting="DOCQA_NATS_URL to the right message bus")
    named_cure = f"Stop the program that uses it, or set DOCQA_NATS_PORT to another port than {port}."

    def is_ours(address: Address) -> bool:
        return ours is not None and ours.partition("://")[2] == str(address) and bool(bus.banner(ours))

    address = Address(_LOOPBACK, port or USUAL_PORT)
    return check_port("bus port", address, is_ours, named_cure if port else cure, must_be_free=bool(port))


def _is_ingress(address: Address) -> bool:
    return b'"queue_depth"' in _get(address, "/health")


def _shows_metrics(address: Address) -> bool:
    return b"docqa_" in _get(address, "/metrics")


def _get(address: Address, path: str) -> bytes:
    """The body that an HTTP server on this machine sends for `path`; empty if none answers."""
    connection = http.client.HTTPConnection(_reachable(address.host), address.port, timeout=_ANSWERS_WITHIN_S)
    with contextlib.closing(connection):
        try:
            connection.request("GET", path)
            return connection.getresponse().read()
        except (OSError, http.client.HTTPException, ValueError):
            return b""


def _reachable(host: str) -> str:
    return {"0.0.0.0": _LOOPBACK, "::": "::1"}.get(host, host)  # to connect to, not to listen on


def held_by(address: Address) -> str:
    """The program that listens there, if this user may see it."""
    try:
        for held in psutil.net_connections("tcp"):
            if held.status == psutil.CONN_LISTEN and held.laddr and held.laddr.port == address.port and held.pid:
                return f" (held by {psutil.Process(held.pid).name()}, process {held.pid})"
    except (psutil.Error, OSError):
        pass
    return ""
