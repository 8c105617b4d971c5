"""uvicorn, with the shutdown that this service needs: waiting requests are answered first, and `serve` returns.

The service manager is notified when requests are served, regularly while the event loop runs, and on shutdown.
"""

import asyncio
import contextlib
import signal
import socket
from collections.abc import Awaitable, Callable, Iterator
from types import FrameType
from typing import Final

import uvicorn

from contract.runtime.systemd import Notifier
from ingress.server.bounded_protocol import BoundedProtocol

GRACE_S: Final = 10
"""Connections still open this long after the shutdown began are closed."""

_SIGNALS = (signal.SIGTERM, signal.SIGINT)

_TICKS_PER_S: Final = 10
"""How often uvicorn's main loop calls on_tick."""


class Server(uvicorn.Server):
    """Serves until a signal, then calls `on_exit` before it waits for open connections."""

    def __init__(
        self,
        app: object,
        on_exit: Callable[[], None],
        notifier: Notifier,
        until_useful: Callable[[], Awaitable[object]],
    ) -> None:
        """`until_useful` is awaited before the first connection is accepted; it must always end soon."""
        super().__init__(
            uvicorn.Config(
                app,  # type: ignore[arg-type]  # uvicorn's type is its own protocol of ASGI
                http=BoundedProtocol,
                ws="none",
                loop="uvloop",
                lifespan="on",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_graceful_shutdown=GRACE_S,
            )
        )
        self._on_exit = on_exit
        self._notifier = notifier
        self._until_useful = until_useful
        # Twice within the manager's limit, and at least once in a second.
        self._alive_every = max(1, int(min(notifier.watchdog_s / 2, 1.0) * _TICKS_PER_S))

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        # The sockets listen already: clients that connect meanwhile wait in the backlog and are not refused.
        await self._until_useful()
        await super().startup(sockets)
        self._notifier.ready()

    async def on_tick(self, counter: int) -> bool:
        if counter % self._alive_every == 0:
            self._notifier.alive()
        return await super().on_tick(counter)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        # uvicorn's own raises the signal again after its shutdown: nothing after serve() would run.
        loop = asyncio.get_running_loop()
        for number in _SIGNALS:
            loop.add_signal_handler(number, self.handle_exit, number, None)
        try:
            yield
        finally:
            for number in _SIGNALS:
                loop.remove_signal_handler(number)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._notifier.stopping()
        self._on_exit()
        super().handle_exit(sig, frame)

    def stop(self) -> None:
        """End as a signal would."""
        self.handle_exit(signal.SIGTERM, None)

    async def serve_on(self, sockets: list[socket.socket]) -> None:
        await self.serve(sockets=sockets)
