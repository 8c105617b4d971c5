"""A server that answers every POST at once with the same body, to measure the load generator itself."""

import argparse
import asyncio
import json
import os
import signal
from pathlib import Path
from typing import Final, cast

import uvloop

from contract.runtime.files import write_atomically

_BODY: Final = b'{"id":"","status":"done","answer":"yes","usage":{"completion_tokens":1}}'
_RESPONSE: Final = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (
    len(_BODY),
    _BODY,
)


class Instant(asyncio.Protocol):
    """Answers each header block: the generator's requests arrive whole, one at a time per connection."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are not subclasses of asyncio's.
        self._transport = cast(asyncio.WriteTransport, transport)

    def data_received(self, data: bytes) -> None:
        if b"\r\n\r\n" in data:
            self._transport.write(_RESPONSE)


async def _serve(uds: Path, ready_file: Path) -> None:
    loop, over = asyncio.get_running_loop(), asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, over.set)
    server = await loop.create_unix_server(Instant, str(uds), backlog=4096)
    write_atomically(ready_file, json.dumps({"uds": str(uds), "pid": os.getpid()}).encode())
    await over.wait()
    server.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--uds", type=Path, required=True)
    parser.add_argument("--ready-file", type=Path, required=True)
    arguments = parser.parse_args()
    uvloop.run(_serve(arguments.uds, arguments.ready_file))
