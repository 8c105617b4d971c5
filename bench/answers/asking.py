"""Puts a data set's questions to a running stack, in one style, and collects what comes back."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from bench.answers import measures
from bench.answers.datasets import Question
from bench.answers.puts import Put
from bench.harness.errors import BenchError
from bench.harness.http_client import Connections, get, post
from bench.targets.stack import StackOptions, running

AT_ONCE: Final = 8
MAX_TOKENS: Final = 96
_WITHIN_S: Final = 600.0
_POLL_S: Final = 0.2
_ENVIRONMENT: Final = {
    "DOCQA_TUNE": "off", "DOCQA_JOB_DEADLINE_S": "600", "DOCQA_READ": "auto", "DOCQA_STYLE": "auto",
}  # fmt: skip


class Asked(msgspec.Struct, frozen=True):
    """A question, the texts that it is put to, and what came back."""

    question: Question
    texts: dict[str, str]
    answer: str
    """Its own words: without a quote behind them."""
    whole: str
    """The answer as a user gets it."""
    citations: list[dict[str, Any]]
    support: float
    answer_from: str
    is_marked: bool
    """Whether it says that the document does not hold the answer."""
    prompt_tokens: int
    completion_tokens: int
    took_s: float

    @property
    def is_right(self) -> bool:
        """Whether it holds a reference; where the data set names whole sentences, whether it says what they say."""
        if measures.contains(self.answer, self.question.references):
            return True
        return bool(self.question.sentences) and self.answer_from == "model" and any(self.citations_right)

    @property
    def is_cited_exactly(self) -> bool:
        texts = ((self.texts.get(one.get("document", ""), ""), one) for one in self.citations)
        return all(text[one["start"] : one["end"]] == one["quote"] for text, one in texts)

    @property
    def citations_right(self) -> list[bool]:
        """Of each citation: does it hold the answer, or is it one of the sentences that the data set names?"""
        named = (*self.question.references, *self.question.sentences)
        return [measures.contains(one["quote"], named) for one in self.citations]


class System(NamedTuple):
    """A running stack with one model."""

    uds: str
    connections: Connections

    async def ask(self, put: Sequence[Put], style: str) -> list[Asked]:
        """All of the questions, some at a time, in their order."""
        room = asyncio.Semaphore(AT_ONCE)

        async def one(asked: Put) -> Asked:
            async with room:
                return await _ask(self.connections, style, asked)

        return list(await asyncio.gather(*map(one, put)))


@contextlib.asynccontextmanager
async def system(model: Path | None, engine: str, **environment: str) -> AsyncIterator[System]:
    """A stack of one's own for the time of a block; without `model` the bundled one."""
    named = {"MODEL_PATH": str(model.parent), "MODEL_NAME": model.name} if model else {}
    options = StackOptions(
        engine=engine,  # type: ignore[arg-type]  # a choice of the command's
        delays_s=(0.0,),
        queue_size=64,
        environment={**_ENVIRONMENT, **named, **environment},
    )
    async with running(options) as stack:
        yield System(stack.uds, Connections(stack.uds))


async def _ask(connections: Connections, style: str, put: Put) -> Asked:
    body = msgspec.json.encode({"query": put.question.text, **put.source, "style": style, "max_tokens": MAX_TOKENS})
    began_s = time.monotonic()
    reply = await connections.exchange(post("/api/query", body), _WITHIN_S)
    content = msgspec.json.decode(reply.body)
    while reply.status == 202 or content.get("status") in ("queued", "running"):
        await asyncio.sleep(_POLL_S)
        reply = await connections.exchange(get(f"/api/jobs/{content['id']}"), _WITHIN_S)
        content = msgspec.json.decode(reply.body)
    if reply.status != 200 or "answer" not in content:
        raise BenchError(f"A question was not answered: {content.get('detail') or reply.status}")
    usage = content["usage"]
    return Asked(
        put.question, dict(put.texts), own_words(content), content["answer"], content.get("citations") or [],
        content.get("support") or 0.0, content.get("answer_from", "model"), content.get("answerable") is False,
        usage["prompt_tokens"], usage["completion_tokens"], time.monotonic() - began_s,
    )  # fmt: skip


def own_words(content: dict[str, Any]) -> str:
    """The answer without the quote that was appended to a written one, which the document supports better."""
    answer: str = content["answer"]
    if content.get("answer_from") != "both":
        return answer
    end = len(answer)
    for one in reversed(content["citations"]):
        if one.get("answer_end") != end or answer[one["answer_start"] : end] != " ".join(one["quote"].split()):
            break
        end = max(0, one["answer_start"] - 1)
    return answer[:end].rstrip()


def right_of(found: Iterable[Asked]) -> list[bool]:
    """Of each answer: is it right by its own words?"""
    return [one.is_right for one in found]
