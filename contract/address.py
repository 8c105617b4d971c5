"""TCP addresses as text: HOST:PORT, with an IPv6 host in brackets. Opens nothing."""

import socket
from typing import NamedTuple

from contract.errors import SettingsError

_LARGEST_PORT = 65_535


class Address(NamedTuple):
    """A host (IPv6 without brackets) and a port; port 0 lets the system pick one."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_address(text: str, name: str) -> Address:
    """Read HOST:PORT (IPv6 in brackets); raises SettingsError that names the option or setting."""
    host, colon, port = text.rpartition(":")
    if not (colon and host and port.isascii() and port.isdecimal() and int(port) <= _LARGEST_PORT):
        raise SettingsError(f"{name}: {text!r} is not HOST:PORT, as in 127.0.0.1:8000.")
    if host.startswith("[") and host.endswith("]"):
        return Address(host[1:-1], int(port))
    if ":" in host:
        raise SettingsError(f"{name}: {text!r} is not HOST:PORT: write an IPv6 host in brackets, as in [::1]:8000.")
    return Address(host, int(port))


def address_of(listener: socket.socket) -> str:
    """The address of a listening socket: a path for a Unix socket, HOST:PORT for TCP."""
    name = listener.getsockname()
    return name if isinstance(name, str) else str(Address(*name[:2]))
