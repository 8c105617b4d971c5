"""A process that searches long texts, and how it is asked: one question at a time, in frames of msgpack.

Started with the first long text, and again after it ended; it ends by itself when the worker's end of the pipe closes.
"""

import asyncio
import contextlib
import sys
from typing import Final

import msgspec
import structlog

from contract.errors import EngineError
from contract.evidence import Features, Scored, Sentence
from inference_worker.answering.found import Found, cite_context

_LENGTH_BYTES: Final = 8
_ENDS_WITHIN_S: Final = 2.0

log = structlog.get_logger(__name__)


class RankRequest(msgspec.Struct, array_like=True):
    """A question and the text to search."""

    question: str
    text: str


class Ranked(msgspec.Struct, array_like=True):
    """What was found, without the text."""

    sentences: list[Sentence]
    ranked: list[Scored]
    features: Features


class RankingProcess:
    """Asks the process; questions wait for each other."""

    def __init__(self, embedding_model: str, threads: int) -> None:
        """`embedding_model`: as DOCQA_EMBEDDING_MODEL names it."""
        self._arguments = (embedding_model, str(threads))
        self._process: asyncio.subprocess.Process | None = None
        self._turn = asyncio.Lock()
        self._exchanges: set[asyncio.Task[Ranked]] = set()

    @property
    def pid(self) -> int | None:
        """Of the process, while there is one."""
        return self._process.pid if self._process else None

    async def find(self, question: str, text: str) -> Found:
        """As `PreparedTexts.find`. Raises EngineError when the process ends before it answers."""
        exchange = asyncio.create_task(self._exchange(RankRequest(question, text)), name="rank a long text")
        self._exchanges.add(exchange)
        exchange.add_done_callback(self._exchanges.discard)
        # If the caller is cancelled the exchange still runs to its end, so that frames stay in step.
        ranked = await asyncio.shield(exchange)
        return Found(text, ranked.sentences, ranked.ranked, ranked.features, cite_context(text))

    async def close(self) -> None:
        """End the process."""
        for exchange in list(self._exchanges):
            exchange.cancel()
        if (process := self._process) is None:
            return
        self._process = None
        if process.stdin:
            process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), _ENDS_WITHIN_S)
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    async def _exchange(self, request: RankRequest) -> Ranked:
        async with self._turn:
            body = await asyncio.to_thread(msgspec.msgpack.encode, request)
            try:
                reply = await self._sent(body)
            except (OSError, asyncio.IncompleteReadError) as error:
                log.warning("the process that ranks long texts ended", reason=str(error))
                await self._end_broken()
                raise EngineError("The process that searches long texts ended before it answered.") from None
            return await asyncio.to_thread(msgspec.msgpack.decode, reply, type=Ranked)

    async def _sent(self, body: bytes) -> bytes:
        process = self._process or await self._start()
        if not process.stdin or not process.stdout:
            raise OSError("the process has no pipes")
        process.stdin.write(len(body).to_bytes(_LENGTH_BYTES, "big"))
        process.stdin.write(body)
        await process.stdin.drain()
        length = int.from_bytes(await process.stdout.readexactly(_LENGTH_BYTES), "big")
        return await process.stdout.readexactly(length)

    async def _start(self) -> asyncio.subprocess.Process:
        module = "inference_worker.tools.rank"
        # Without the worker's environment: it has passwords, and the process reads others' texts.
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", module, *self._arguments),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env={},
        )
        return self._process

    async def _end_broken(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
