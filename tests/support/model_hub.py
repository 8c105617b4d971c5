"""A fake model hub: lists a repository's files, redirects to a store on another port, and misbehaves on demand."""

import contextlib
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

REPOSITORY = "owner/tiny-GGUF"


class Hub:
    """The files under their paths; what was asked for is noted."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.token = ""
        """Needed for everything, if set."""
        self.breaks_off_after: list[int] = []
        """How many bytes of each following download come before the connection ends."""
        self.wrong_hash = False
        self.ranges: list[str] = []
        self.shown_to_store: list[str | None] = []
        self.url = self.store_url = ""

    def listing(self) -> list[dict[str, object]]:
        return [{"type": "directory", "path": "more"}, *(self._entry(path) for path in self.files)]

    def sha256(self, path: str) -> str:
        return "0" * 64 if self.wrong_hash else hashlib.sha256(self.files[path]).hexdigest()

    def _entry(self, path: str) -> dict[str, object]:
        size = len(self.files[path])
        return {"type": "file", "path": path, "size": size, "lfs": {"oid": self.sha256(path), "size": size}}


@contextlib.contextmanager
def serving() -> Iterator[Hub]:
    """A hub and its store, each on a free port."""
    hub = Hub()
    with _server(_hub_handler(hub)) as hub.url, _server(_store_handler(hub)) as hub.store_url:
        yield hub


@contextlib.contextmanager
def _server(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


class _Quiet(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _hub_handler(hub: Hub) -> type[BaseHTTPRequestHandler]:
    class Handler(_Quiet):
        def do_GET(self) -> None:
            if hub.token and self.headers["Authorization"] != f"Bearer {hub.token}":
                return self.answer(401)
            path = self.path.partition("?")[0]
            if path == f"/api/models/{REPOSITORY}/tree/main":
                return self.answer(200, json.dumps(hub.listing()).encode())
            name = path.removeprefix(f"/{REPOSITORY}/resolve/main/")
            if name not in hub.files:
                return self.answer(404)
            tag = f'"{hub.sha256(name)}"'
            return self.answer(302, Location=f"{hub.store_url}/{name}", X_Linked_Etag=tag)

    return Handler


def _store_handler(hub: Hub) -> type[BaseHTTPRequestHandler]:
    class Handler(_Quiet):
        def do_GET(self) -> None:
            hub.shown_to_store.append(self.headers["Authorization"])
            body, asked = hub.files[self.path[1:]], self.headers["Range"]
            tag = f'"{hashlib.sha256(body).hexdigest()[:8]}"'
            start = 0
            if asked and self.headers["If-Range"] in (None, tag):
                hub.ranges.append(asked)
                found = re.fullmatch(r"bytes=(\d+)-", asked)
                assert found
                start = int(found[1])
            self.send_response(206 if start else 200)
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
            self.send_header("ETag", tag)
            self.send_header("Content-Length", str(len(body) - start))
            self.end_headers()
            last = start + hub.breaks_off_after.pop(0) if hub.breaks_off_after else len(body)
            self.wfile.write(body[start:last])
            if last < len(body):
                self.close_connection = True
                self.connection.close()

    return Handler
