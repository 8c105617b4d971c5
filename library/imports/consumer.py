"""Takes imports off the bus, keeps their deliveries alive while they are done, and acks what is settled.

A version or a failure is stored before the ack, so that an import that comes again finds it.
"""

import asyncio
import contextlib
import time
from typing import Final

import nats.errors
import structlog
from nats.aio.msg import Msg
from nats.js import JetStreamContext
from nats.js.errors import Error as JetStreamError
from nats.js.errors import NotFoundError, ServiceUnavailableError

from contract import topology
from contract.bus.client import Bus
from contract.errors import BadMessageError, BadNameError
from contract.library_messages import ImportWork, decode_request
from contract.topology import ImportName, LibraryAddress
from library import metrics
from library.access import Access
from library.condition import PASSES_WITHIN_S, Condition
from library.imports.importer import Importer, TryAgainError
from library.imports.pace import Pace
from library.store.records import Import
from library.store.sqlite import SqliteStore

PULL_S: Final = 2.0
"""How long the server keeps a pull request open; a pull that a restart of the server swallowed is missed as long."""
BACK_OFF_S: Final = 1.0
_PART: Final = "imports"
_GONE: Final = (ServiceUnavailableError, NotFoundError)
_MISSING: Final = "its stream or consumer is missing"

log = structlog.get_logger(__name__)


class Consumer:
    """Does up to `slots` imports at a time."""

    def __init__(
        self,
        bus: Bus,
        store: SqliteStore,
        importer: Importer,
        access: Access,
        pace: Pace,
        ack_wait_s: float,
        slots: int,
        condition: Condition | None = None,
    ) -> None:
        self._condition = condition or Condition()
        self._bus = bus
        self._store = store
        self._importer = importer
        self._access = access
        self._pace = pace
        self._ack_wait_s = ack_wait_s
        self._free = asyncio.Semaphore(slots)
        self._running: dict[str, asyncio.Task[None]] = {}
        self._is_stopping = False
        self._last_error = ""

    async def run(self) -> None:
        """Take imports until `stop` or until cancelled; then give back what runs."""
        try:
            await self._take()
        finally:
            await self._give_back_all()

    async def _take(self) -> None:
        pulls: JetStreamContext.PullSubscription | None = None
        while not self._is_stopping:
            await self._free.acquire()
            try:
                pulls = pulls or await self._bus.js.pull_subscribe_bind(
                    topology.LIBRARY_DURABLE, topology.IMPORTS_STREAM
                )
                (message,) = await pulls.fetch(1, timeout=PULL_S)
            except TimeoutError:
                self._free.release()
                self._are_taken()
            except (nats.errors.Error, JetStreamError, OSError) as error:
                self._free.release()
                self._report(_MISSING if isinstance(error, _GONE) else str(error) or type(error).__name__)
                await asyncio.sleep(BACK_OFF_S)
            else:
                self._are_taken()
                self._begin(message)

    def _report(self, error: str) -> None:
        """Once for each kind: a message bus that an older version set up has no imports for as long as it runs."""
        sentence = f"No documents can be taken off the message bus ({error}): `docqa nats` sets it up."
        self._condition.failing(_PART, sentence, shown_after_s=PASSES_WITHIN_S)
        if error != self._last_error:
            log.warning("no imports can be taken", error=error)
            self._last_error = error

    def _are_taken(self) -> None:
        self._last_error = ""
        self._condition.well(_PART)

    def stop(self) -> None:
        """Take nothing more; `run` ends within PULL_S."""
        self._is_stopping = True

    def forget(self, document: str) -> None:
        """Break off what is being read of a document that was erased."""
        for subject, task in self._running.items():
            if f".{document}." in subject:
                task.cancel()

    def _begin(self, message: Msg) -> None:
        task = asyncio.create_task(self._hold(message), name=message.subject)
        self._running[message.subject] = task
        metrics.RUNNING.set(len(self._running))

    async def _hold(self, message: Msg) -> None:
        keeping = asyncio.create_task(self._keep(message), name="keep an import alive")
        try:
            await self._do(message)
        except TryAgainError as error:
            log.warning("an import comes again", reason=str(error))
            await _say(message.nak(error.delay_s))
        except asyncio.CancelledError:
            await _say(message.nak())
        except OSError as error:
            log.warning("an import comes again", reason=str(error))
            await _say(message.nak(10 * BACK_OFF_S))
        # It must not end the consumer.
        except Exception:
            log.exception("an import comes again after an unexpected error")
            await _say(message.nak(10 * BACK_OFF_S))
        finally:
            keeping.cancel()
            self._running.pop(message.subject, None)
            metrics.RUNNING.set(len(self._running))
            self._free.release()

    async def _do(self, message: Msg) -> None:
        try:
            name = ImportName.from_subject(message.subject)
            work = decode_request(ImportWork, message.data)
        except (BadNameError, BadMessageError) as error:
            log.warning("an import that can't be understood is dropped", error=str(error))
            await _say(message.term())
            return
        if work.v > 1:
            raise TryAgainError("it was written by a newer version", 10 * BACK_OFF_S)
        began_s = time.monotonic()
        with self._pace.working(name.document):
            if self._may_write(name, work):
                await self._importer.run(name, _import(name, work))
            else:
                await asyncio.to_thread(self._refuse, _import(name, work))
        log.info("import settled", document=name.document, seconds=round(time.monotonic() - began_s, 2))
        await _say(message.ack())

    def _may_write(self, name: ImportName, work: ImportWork) -> bool:
        return self._access.rights(LibraryAddress("put", name.publisher, name.client)).can_write(work.space)

    def _refuse(self, work: Import) -> None:
        if self._store.begin(work) is not None:
            self._store.fail(work.document, work.generation, "space-gone", "Its space may not be written to any more.")

    async def _keep(self, message: Msg) -> None:
        while True:
            await asyncio.sleep(self._ack_wait_s / 3)
            await _say(message.in_progress())

    async def _give_back_all(self) -> None:
        tasks = list(self._running.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _import(name: ImportName, work: ImportWork) -> Import:
    return Import(
        document=name.document,
        generation=name.generation,
        publisher=name.publisher,
        client=name.client,
        space=work.space,
        name=work.name,
        sha256=work.sha256,
        size_bytes=work.size_bytes,
        media_type=work.media_type,
        parent=work.parent,
    )


async def _say(word: "asyncio.Future[None] | object") -> None:
    """A lost word makes the import come again: it then finds itself settled."""
    with contextlib.suppress(nats.errors.Error, JetStreamError, OSError, TimeoutError):
        await word  # type: ignore[misc]  # one of the message's coroutines
