"""The sockets that the ingress serves, and the lock that allows one ingress per Unix socket.

A socket inherited from systemd's socket activation is served as it is. Otherwise the Unix socket is made here: a
stale file is replaced, a live one never. The lock belongs to the serving process and ends with it.
"""

import contextlib
import ipaddress
import os
import socket
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import msgspec

from contract.address import address_of
from contract.errors import AlreadyRunningError, SettingsError
from contract.runtime.lock import locked
from ingress.settings import IngressSettings

BACKLOG: Final = 2048
_FIRST_INHERITED_FD = 3


class Listeners(msgspec.Struct, frozen=True):
    """Open, listening sockets: those of the API, and the one that serves metrics only."""

    api: list[socket.socket]
    metrics: socket.socket

    @property
    def all(self) -> list[socket.socket]:
        return [*self.api, self.metrics]

    def address(self, family: socket.AddressFamily) -> str | None:
        """The address of the first API socket of this family, as text."""
        return next((address_of(listener) for listener in self.api if listener.family == family), None)


@contextlib.contextmanager
def listening(settings: IngressSettings, inherited: int) -> Iterator[Listeners]:
    """Open all sockets, or use `inherited` many from systemd for the API, for the time of a block.

    Raises AlreadyRunningError or SettingsError.
    """
    with contextlib.ExitStack() as stack:
        if inherited:
            fds = range(_FIRST_INHERITED_FD, _FIRST_INHERITED_FD + inherited)
            api = [stack.enter_context(socket.socket(fileno=fd)) for fd in fds]
        else:
            api = [
                stack.enter_context(unix_listener(settings.uds)),
                stack.enter_context(tcp_listener(settings.host, settings.port, "DOCQA_PORT")),
            ]
        metrics_host, metrics_port = split_address(settings.metrics_addr, "DOCQA_METRICS_ADDR")
        metrics = stack.enter_context(tcp_listener(metrics_host, metrics_port, "DOCQA_METRICS_ADDR"))
        for open_socket in (*api, metrics):
            open_socket.setblocking(False)
        yield Listeners(api, metrics)


def count_inherited(environment: Mapping[str, str], pid: int) -> int:
    """How many listening sockets systemd handed to this very process (sd_listen_fds(3)); raises SettingsError."""
    if environment.get("LISTEN_PID") != str(pid):
        return 0
    count = environment.get("LISTEN_FDS", "0")
    if not count.isdecimal():
        raise SettingsError(f"LISTEN_FDS: expected a number, got {count!r}.")
    return int(count)


@contextlib.contextmanager
def unix_listener(path: Path) -> Iterator[socket.socket]:
    """Listen on `path`, accessible to the group, under a lock beside it; the file is removed when the block ends."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(f"DOCQA_UDS: can't make the folder {path.parent}: {error.strerror}.") from None
    with held_lock(path.with_name(f"{path.name}.lock")):
        _remove_if_stale(path)
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
            umask = os.umask(0o117)
            try:
                listener.bind(str(path))
            except OSError as error:
                raise SettingsError(f"DOCQA_UDS: can't listen on {path}: {error.strerror}.") from None
            finally:
                os.umask(umask)
            listener.listen(BACKLOG)
            inode = path.stat().st_ino
            try:
                yield listener
            finally:
                _remove_if_ours(path, inode)


@contextlib.contextmanager
def held_lock(path: Path) -> Iterator[None]:
    """Hold the ingress's lock on `path` for the time of a block.

    Raises AlreadyRunningError that names the holder, and SettingsError where the lock can't be opened.
    """
    with contextlib.ExitStack() as held:
        try:
            held.enter_context(locked(path, f"Another ingress (process {{holder}}) holds {path}: stop it first."))
        except OSError as error:
            raise SettingsError(f"DOCQA_UDS: can't open the lock {path}: {error.strerror}.") from None
        yield


def tcp_listener(host: str, port: int, setting: str) -> socket.socket:
    """Listen on TCP; raises SettingsError that names the setting."""
    with contextlib.ExitStack() as on_failure:
        try:
            family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
            listener = on_failure.enter_context(socket.socket(family, kind, protocol))
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen(BACKLOG)
        except OSError as error:
            raise SettingsError(f"{setting}: can't listen on {host}:{port}: {error.strerror}.") from None
        on_failure.pop_all()
    return listener


def split_address(address: str, setting: str) -> tuple[str, int]:
    """Split HOST:PORT; raises SettingsError that names the setting."""
    host, _, port = address.rpartition(":")
    if not port.isdecimal() or int(port) > 65_535:
        raise SettingsError(f"{setting}: expected HOST:PORT, got {address!r}.")
    return host.strip("[]") or "127.0.0.1", int(port)


def _remove_if_stale(path: Path) -> None:
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise SettingsError(f"DOCQA_UDS: {path} is there and is not a socket: name another path or remove it.")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()
            return
        except OSError as error:
            raise SettingsError(f"DOCQA_UDS: {path} is there and can't be probed: {error.strerror}.") from None
    raise AlreadyRunningError(f"Another process serves {path}: stop it first.")


def _remove_if_ours(path: Path, inode: int) -> None:
    with contextlib.suppress(FileNotFoundError):
        if path.stat().st_ino == inode:
            path.unlink()


def refuse_open_listeners(listeners: Listeners) -> None:
    """Raises SettingsError when another machine could connect without a token."""
    for listener in listeners.api:
        if listener.family != socket.AF_UNIX and not ipaddress.ip_address(listener.getsockname()[0]).is_loopback:
            raise SettingsError(
                f"DOCQA_HOST: {address_of(listener)} is reachable from other machines and no token is set: "
                "set DOCQA_TOKEN or DOCQA_TOKENS, or listen on 127.0.0.1."
            )
