"""Puts a data set's questions to a running stack, in one style, and measures what comes back."""

import asyncio
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from bench.answers import measures
from bench.answers.datasets import Article, Question
from bench.answers.measures import share_of
from bench.harness.errors import BenchError
from bench.harness.http_client import Connections, get, post
from bench.targets.stack import StackOptions, running

AT_ONCE: Final = 8
MAX_TOKENS: Final = 96
_WITHIN_S: Final = 600.0
_POLL_S: Final = 0.2
_ENVIRONMENT: Final = {"DOCQA_TUNE": "off", "DOCQA_JOB_DEADLINE_S": "600", "DOCQA_READ": "auto"}


class Asked(msgspec.Struct, frozen=True):
    """A question, the text that it is put to, and what came back."""

    question: Question
    context: str
    answer: str
    """Its own words: without a quote behind them."""
    citations: list[dict[str, Any]]
    support: float
    prompt_tokens: int
    completion_tokens: int
    took_s: float

    @property
    def is_right(self) -> bool:
        return measures.contains(self.answer, self.question.references)

    @property
    def is_cited_exactly(self) -> bool:
        return all(self.context[one["start"] : one["end"]] == one["quote"] for one in self.citations)


def pairs(articles: Sequence[Article], *, whole: bool) -> list[tuple[Question, str]]:
    """Each question that has an answer, with its whole article or its own passage."""
    return [
        (question, article.text if whole else passage.text)
        for article in articles
        for passage in article.passages
        for question in passage.questions
        if question.references
    ]


async def asked(model: Path | None, style: str, put: Sequence[tuple[Question, str]], engine: str) -> dict[str, Any]:
    """The figures of one model and style over these questions."""
    environment = {**_ENVIRONMENT, **({"MODEL_PATH": str(model.parent), "MODEL_NAME": model.name} if model else {})}
    options = StackOptions(engine=engine, delays_s=(0.0,), queue_size=64, environment=environment)  # type: ignore[arg-type]  # a choice of the command's
    async with running(options) as stack:
        connections, room = Connections(stack.uds), asyncio.Semaphore(AT_ONCE)

        async def one(question: Question, context: str) -> Asked:
            async with room:
                return await _ask(connections, style, question, context)

        began_s = time.monotonic()
        found = await asyncio.gather(*(one(*pair) for pair in put))
        return figures(found, time.monotonic() - began_s)


async def _ask(connections: Connections, style: str, question: Question, context: str) -> Asked:
    body = msgspec.json.encode({"query": question.text, "context": context, "style": style, "max_tokens": MAX_TOKENS})
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
        question, context, own_words(content), content.get("citations") or [], content.get("support") or 0.0,
        usage["prompt_tokens"], usage["completion_tokens"], time.monotonic() - began_s,
    )  # fmt: skip


def own_words(content: dict[str, Any]) -> str:
    """The answer without the quote that was appended to a written one, which the document supports better."""
    answer: str = content["answer"]
    if content.get("answer_from") != "both":
        return answer
    quoted = "\n".join(" ".join(one["quote"].split()) for one in content["citations"])
    return answer.removesuffix(quoted).rstrip()


def figures(found: Sequence[Asked], elapsed_s: float) -> dict[str, Any]:
    """The measures of answers to questions that have one."""
    right = [one.is_right for one in found]
    return {
        "questions": len(found),
        "right": dict(share_of(right)._asdict()),
        "f1": round(statistics.fmean(measures.f1(one.answer, one.question.references) for one in found), 4),
        "words_median": statistics.median(len(one.answer.split()) for one in found),
        "citations_in_text": round(statistics.fmean(one.is_cited_exactly for one in found), 4),
        "risk_coverage_area": measures.risk_coverage_area([one.support for one in found], right),
        "seconds_median": round(statistics.median(one.took_s for one in found), 3),
        "answers_per_s": round(len(found) / elapsed_s, 3),
        "tokens_read_mean": round(statistics.fmean(one.prompt_tokens for one in found), 1),
        "tokens_written_mean": round(statistics.fmean(one.completion_tokens for one in found), 1),
    }
