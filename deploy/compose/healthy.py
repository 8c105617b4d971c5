#!/opt/docqa/bin/python -IS
"""Says whether a service answers 200: the health check of the containers, with no shell and no curl in the image.

`healthy /run/docqa/docqa.sock /health/live` over a Unix socket, `healthy 127.0.0.1:9109 /health/ready` over TCP.
"""

import http.client
import socket
import sys

WITHIN_S = 4.0


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: str) -> None:
        # Not the path: it would become the Host header, which has no slashes.
        super().__init__("localhost")
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(WITHIN_S)
        self.sock.connect(self._path)


def main() -> int:
    """Exit status: 0 for a 200, 1 with the reason otherwise."""
    where, path = sys.argv[1:]
    connection = UnixConnection(where) if where.startswith("/") else http.client.HTTPConnection(where, timeout=WITHIN_S)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        text = answer.read(500).decode(errors="replace").strip()
    except (OSError, http.client.HTTPException) as error:
        sys.stdout.write(f"{where}: {error}\n")
        return 1
    sys.stdout.write(f"{answer.status} {text}\n")
    return 0 if answer.status == http.client.OK else 1


if __name__ == "__main__":
    sys.exit(main())
