"""TCP addresses: parsing, formatting, and whether a server could listen on one."""

import socket
from typing import NamedTuple

from contract.errors import SettingsError


class Address(NamedTuple):
    """A host and a port; port 0 lets the system pick one."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse(text: str, name: str) -> Address:
    """Read HOST:PORT (IPv6 in brackets); raises SettingsError that names the option."""
    host, colon, port = text.rpartition(":")
    if not (colon and host and port.isascii() and port.isdecimal() and int(port) <= 65_535):
        raise SettingsError(f"{name}: {text!r} is not HOST:PORT, as in 127.0.0.1:8000.")
    return Address(host.removeprefix("[").removesuffix("]"), int(port))


def listen_error(address: Address) -> str | None:
    """Why no server could listen on this address now; None if one could."""
    try:
        with socket.socket(socket.AF_INET6 if ":" in address.host else socket.AF_INET) as probe:
            # As servers do: a port with connections in TIME_WAIT counts as free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            probe.listen(1)
    except OSError as error:
        return error.strerror or str(error)
    return None
