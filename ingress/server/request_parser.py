"""An HTTP/1.1 parser that ignores offers to upgrade: such a request is parsed like any other, body included.

Java's HttpClient and `curl --http2` send `Upgrade: h2c` with the first request. RFC 9110, 7.8: a server may ignore it.
llhttp instead ends the message at its head, and takes the body for bytes of the new protocol.
"""

from typing import Any

import httptools


class RequestParser:
    """Wraps httptools' parser, with the same callbacks on `protocol`."""

    def __init__(self, protocol: Any) -> None:
        self._protocol = protocol
        self._parser = httptools.HttpRequestParser(self)
        self._is_in_known_head = False
        """True while a head is parsed whose headers the protocol has already received."""
        self._framing: list[bytes] = []
        """The header lines that say how long the body is."""

    def feed_data(self, data: bytes) -> None:
        """Raises HttpParserError."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            rest = data[upgrade.args[0] :]
            self._parser = httptools.HttpRequestParser(self)
            self._is_in_known_head = True
            self._parser.feed_data(b"\r\n".join([b"POST / HTTP/1.1", *self._framing, b"", b""]))
            self._is_in_known_head = False
            if rest:
                self.feed_data(rest)

    def get_http_version(self) -> str:
        return str(self._parser.get_http_version())

    def get_method(self) -> bytes:
        return bytes(self._parser.get_method())

    def should_keep_alive(self) -> bool:
        return bool(self._parser.should_keep_alive())

    def should_upgrade(self) -> bool:
        return False

    def on_message_begin(self) -> None:
        if not self._is_in_known_head:
            self._framing = []
            self._protocol.on_message_begin()

    def on_url(self, url: bytes) -> None:
        if not self._is_in_known_head:
            self._protocol.on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._is_in_known_head:
            return
        if name.lower() in (b"content-length", b"transfer-encoding"):
            self._framing.append(name + b": " + value)
        self._protocol.on_header(name, value)

    def on_headers_complete(self) -> None:
        if not self._is_in_known_head:
            self._protocol.on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._protocol.on_body(body)

    def on_message_complete(self) -> None:
        # At an upgrade the message isn't complete yet: its body follows.
        if not self._parser.should_upgrade():
            self._protocol.on_message_complete()
