"""GET /health over the Unix socket with the standard library alone: `docqa up` polls it while it starts."""

import contextlib
import http.client
import json
import socket
from pathlib import Path
from typing import Any, Final

_TIMEOUT_S: Final = 5.0


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("docqa", timeout=_TIMEOUT_S)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(_TIMEOUT_S)
        self.sock.connect(str(self._path))


def probe(path: Path) -> dict[str, Any]:
    """The body of /health; empty if nothing answers."""
    with contextlib.closing(_UnixConnection(path)) as connection:
        try:
            connection.request("GET", "/health")
            found: dict[str, Any] = json.load(connection.getresponse())
        except (OSError, http.client.HTTPException, ValueError):
            return {}
    return found
