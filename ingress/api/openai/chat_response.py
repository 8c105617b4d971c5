"""An answer as OpenAI's clients read it: one completion, or the chunks of a stream. Pure: knows no job's way."""

import time
from typing import Any, Final

import msgspec

from contract.messages import Answer
from ingress.api.openai.sources import Shown

FINISHES: Final = frozenset({"stop", "length"})


class Head(msgspec.Struct, frozen=True):
    """What every chunk of one answer begins with."""

    job_id: str
    model: str
    created_s: int

    @classmethod
    def of(cls, job_id: str, model: str) -> "Head":
        return cls(job_id, model, int(time.time()))

    def members(self, kind: str) -> dict[str, Any]:
        return {"id": f"chatcmpl-{self.job_id}", "object": kind, "created": self.created_s, "model": self.model}


def completion(head: Head, answer: Answer, extra: Shown) -> dict[str, Any]:
    """The body of a response that is no stream."""
    message: dict[str, Any] = {"role": "assistant", "content": answer.answer + extra.added, "refusal": None}
    if extra.annotations:
        message["annotations"] = extra.annotations
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish_of(answer)}
    return {**head.members("chat.completion"), "choices": [choice], "usage": usage_of(answer), **grounds_of(answer)}


class Chunks:
    """The chunks of one stream, in their order."""

    def __init__(self, head: Head, *, includes_usage: bool) -> None:
        self._head = head
        self._usage: dict[str, Any] = {"usage": None} if includes_usage else {}

    def first(self) -> dict[str, Any]:
        return self._chunk({"role": "assistant", "content": ""})

    def text(self, text: str) -> dict[str, Any]:
        return self._chunk({"content": text})

    def last(self, answer: Answer, extra: Shown) -> list[dict[str, Any]]:
        """What ends the text, and the usage where it is asked for."""
        delta = {"annotations": extra.annotations} if extra.annotations else {}
        chunks = [{**self._chunk(delta, finish_of(answer)), **grounds_of(answer)}]
        if self._usage:
            members = self._head.members("chat.completion.chunk")
            chunks.append({**members, "choices": [], "usage": usage_of(answer)})
        return chunks

    def _chunk(self, delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return {**self._head.members("chat.completion.chunk"), "choices": [choice], **self._usage}


def finish_of(answer: Answer) -> str:
    """A reason that clients know; newer workers may store others."""
    return answer.finish_reason if answer.finish_reason in FINISHES else "stop"


def usage_of(answer: Answer) -> dict[str, Any]:
    used = answer.usage
    return {
        "prompt_tokens": used.prompt_tokens,
        "completion_tokens": used.completion_tokens,
        "total_tokens": used.prompt_tokens + used.completion_tokens,
        "prompt_tokens_details": {"cached_tokens": used.cached_tokens},
    }


def grounds_of(answer: Answer) -> dict[str, Any]:
    """Members beside OpenAI's own: whether the documents hold the answer, and who wrote it."""
    return {"answerable": answer.answerable, "support": answer.support, "answer_from": answer.answer_from}
