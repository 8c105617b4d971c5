"""The parts of `docqa bench documents`: each with the system that it needs, measured by itself."""

import asyncio
import contextlib
import json
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import httpx
import msgspec

from bench.answers.datasets import Article
from bench.documents import access, finding, pace, texts
from bench.documents.kills import under_kills
from bench.documents.library import Documents, documents_of
from bench.documents.memory import Memory
from bench.harness.errors import BenchError
from bench.targets.processes import clean_environment, folder
from bench.targets.stack import Stack, StackOptions, running
from contract.documents import LIBRARY_FOLDER
from contract.embedding import DEFAULT

DISTINCT_SENTENCES: Final = 5000
PASSAGES_A_FILE: Final = 62.5
_EMBEDDING_THREADS: Final = 2
_REST_S: Final = 3.0
_READ_FIRST: Final = b"The embedder is loaded by now."


class Sizes(msgspec.Struct, frozen=True, kw_only=True):
    """How much is measured."""

    seed: int
    files: int
    pages: int
    contracts: int
    kills: int
    killed_documents: int
    tries: int
    datasets: dict[str, list[Article]]
    """By name; the first one is also looked for among all passages."""
    environment: dict[str, str]

    @property
    def articles(self) -> list[Article]:
        return next(iter(self.datasets.values()), [])

    @property
    def passages(self) -> int:
        return int(self.files * PASSAGES_A_FILE)


Part = Callable[[Sizes], Awaitable[dict[str, Any] | None]]


@contextlib.asynccontextmanager
async def _system(sizes: Sizes, **options: Any) -> AsyncIterator[tuple[Stack, Documents]]:
    environment = {"DOCQA_LIBRARY_QUEUE": "500", **sizes.environment, **options.pop("environment", {})}
    started = StackOptions(**{"delays_s": (0.0,), "environment": environment, **options})
    async with running(started) as stack, documents_of(stack.uds) as documents:
        yield stack, documents


async def reading(sizes: Sizes) -> dict[str, Any]:
    """A long PDF, and the library's memory before it and meanwhile."""
    async with _system(sizes) as (stack, documents):
        memory = Memory(stack.pids)
        await documents.with_vectors(await documents.bring_in("first.txt", _READ_FIRST))
        at_rest = await memory.sampled(asyncio.create_task(asyncio.sleep(_REST_S)))
        task = asyncio.create_task(pace.reading(documents, sizes.seed, sizes.pages))
        meanwhile = await memory.sampled(task)
        return {**await task, "memory_at_rest": at_rest, "memory_while_reading": meanwhile}


async def beside(sizes: Sizes) -> dict[str, Any]:
    """Vectors that are made while the bundled model answers."""
    async with _system(sizes, engine="llama", queue_size=64) as (_, documents):
        return await pace.beside_questions(documents, sizes.seed)


async def recall(sizes: Sizes) -> dict[str, Any] | None:
    """Each data set's paragraphs alone."""
    found = {}
    for name, articles in sizes.datasets.items():
        async with _system(sizes) as (_, documents):
            found[name] = await finding.recall(documents, articles)
    return found or None


async def contracts(sizes: Sizes) -> dict[str, Any]:
    """Contracts of one template."""
    async with _system(sizes) as (_, documents):
        return await finding.contracts_found(documents, sizes.seed, sizes.contracts)


async def search(sizes: Sizes) -> dict[str, Any]:
    """Among so many passages that were put into the store: the time of a search, and a data set's paragraphs."""
    async with folder() as work:
        sentences = texts.sentences(sizes.seed, min(DISTINCT_SENTENCES, sizes.passages // 4))
        fill_s = await asyncio.to_thread(_fill, work / "data", sizes, sentences)
        async with _system(sizes, bus_folder=work / "data") as (stack, documents):
            await documents.with_vectors(await documents.bring_in("first.txt", _READ_FIRST))
            at_rest = await Memory(stack.pids).sampled(asyncio.create_task(asyncio.sleep(_REST_S)))
            times = await finding.search_times(documents, sizes.seed, sentences)
            among = await finding.recall(documents, sizes.articles) if sizes.articles else None
    return {
        "files": sizes.files,
        "passages": sizes.passages,
        "distinct_sentences": len(sentences),
        "note": "Passages of four sentences, drawn from a bounded set whose terms and vectors were made once; stored "
        "as those of documents that were read. The data set's paragraphs came in over HTTP.",
        "filled_in_s": fill_s,
        **times,
        "memory_at_rest": at_rest,
        "recall": among,
    }


def _fill(data_dir: Path, sizes: Sizes, sentences: list[str]) -> float:
    """Seconds. Raises BenchError."""
    order = {
        "folder": str(data_dir / LIBRARY_FOLDER),
        "publisher": "http",
        "client": "local",
        "sentences": sentences,
        "documents": sizes.files,
        "passages": sizes.passages,
        "embedder": sizes.environment.get("DOCQA_EMBEDDING_MODEL", DEFAULT),
        "threads": _EMBEDDING_THREADS,
        "seed": sizes.seed,
    }
    began_s = time.monotonic()
    data_dir.mkdir(mode=0o700)
    command = [sys.executable, "-m", "library.filling"]
    done = subprocess.run(
        command, input=json.dumps(order).encode(), env=clean_environment(), capture_output=True, check=False
    )
    if done.returncode:
        raise BenchError(f"The store could not be filled: {done.stderr.decode(errors='replace')[-500:]}")
    return time.monotonic() - began_s


async def kills(sizes: Sizes) -> dict[str, Any] | None:
    """Documents that come in while parts are killed."""
    if not sizes.kills:
        return None
    async with _system(sizes) as (stack, documents):
        return await under_kills(documents, stack.pids, sizes.seed, sizes.killed_documents, sizes.kills)


async def whose(sizes: Sizes) -> dict[str, Any]:
    """Another's documents against missing ones, with two clients that have tokens."""
    async with folder() as work:
        file = work / "tokens.json"
        keys = [await asyncio.to_thread(_token, name, file) for name in ("anna", "bob")]
        async with contextlib.AsyncExitStack() as opened:
            environment = {"DOCQA_TOKENS": str(file)}
            stack, _ = await opened.enter_async_context(_system(sizes, environment=environment))
            for command in (("create", access.THEIR_SPACE), ("grant", access.THEIR_SPACE, "anna")):
                await asyncio.to_thread(_docqa, "spaces", *command, "--data-dir", str(stack.data_dir))
            owner, other = [await opened.enter_async_context(_client(stack.uds, key)) for key in keys]
            return await access.differences(owner, other, sizes.tries)


def _token(name: str, file: Path) -> str:
    return str(json.loads(_docqa("tokens", "create", name, "--file", str(file), "--json"))["token"])


def _docqa(*arguments: str) -> bytes:
    command = [sys.executable, "-m", "ops", *arguments]
    return subprocess.run(command, env=clean_environment(), capture_output=True, check=True).stdout


def _client(uds: str, token: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        transport=httpx.AsyncHTTPTransport(uds=uds),
        base_url="http://localhost",
        headers={"Authorization": f"Bearer {token}"},
        timeout=60,
    )


PARTS: Final = MappingProxyType(
    {
        "reading": reading,
        "recall": recall,
        "contracts": contracts,
        "search": search,
        "kills": kills,
        "whose": whose,
        "beside": beside,
    }
)
"""In the order in which they run."""
