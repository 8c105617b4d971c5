"""An answer as /v1/responses gives it: one object, or the events of a stream. Pure: knows no job's way."""

import time
from typing import Any

import msgspec

from contract.messages import Answer
from ingress.api.openai.chat_response import finish_of, grounds_of
from ingress.api.openai.responses_request import ResponsesRequest
from ingress.api.openai.sources import Shown

Json = dict[str, Any]


class Draft(msgspec.Struct, frozen=True):
    """One response, before and after its text is there."""

    job_id: str
    wanted: ResponsesRequest
    created_s: int

    @classmethod
    def of(cls, job_id: str, wanted: ResponsesRequest) -> "Draft":
        return cls(job_id, wanted, int(time.time()))

    def begun(self) -> Json:
        """The object while it is being made."""
        return self._object("in_progress", [], None, None)

    def whole(self, answer: Answer, extra: Shown) -> Json:
        """The object with its answer."""
        is_cut = finish_of(answer) == "length"
        status = "incomplete" if is_cut else "completed"
        details = {"reason": "max_output_tokens"} if is_cut else None
        message = self.message(status, [self.part(answer.answer + extra.added, extra)])
        return {**self._object(status, [message], details, _usage(answer)), **grounds_of(answer)}

    def message(self, status: str, content: list[Json]) -> Json:
        """The one item of the output."""
        members = {"id": f"msg_{self.job_id}", "type": "message", "status": status}
        return {**members, "role": "assistant", "content": content}

    def part(self, text: str, extra: Shown | None = None) -> Json:
        """The one part of the message."""
        annotations = [
            {"type": "url_citation", **one["url_citation"], "citation": one["citation"]}
            for one in (extra.annotations if extra else [])
        ]
        return {"type": "output_text", "text": text, "annotations": annotations, "logprobs": []}

    def _object(self, status: str, output: list[Json], details: Json | None, usage: Json | None) -> Json:
        wanted = self.wanted
        return {
            "id": f"resp_{self.job_id}",
            "object": "response",
            "created_at": self.created_s,
            "status": status,
            "error": None,
            "incomplete_details": details,
            "instructions": wanted.instructions or None,
            "max_output_tokens": wanted.max_output_tokens,
            "metadata": {},
            "model": wanted.model,
            "output": output,
            "parallel_tool_calls": False,
            "previous_response_id": None,
            "store": False,
            "temperature": wanted.temperature or 0.0,
            "text": {"format": {"type": "text"}},
            "tool_choice": "none",
            "tools": [],
            "top_p": 1.0 if wanted.top_p is None else wanted.top_p,
            "usage": usage,
        }


class Events:
    """The events of one stream, numbered in their order."""

    def __init__(self, draft: Draft) -> None:
        self._draft = draft
        self._number = 0

    def first(self) -> list[Json]:
        """What comes before the text."""
        draft = self._draft
        return [
            self._event("response.created", response=draft.begun()),
            self._event("response.in_progress", response=draft.begun()),
            self._event("response.output_item.added", output_index=0, item=draft.message("in_progress", [])),
            self._of_part("response.content_part.added", part=draft.part("")),
        ]

    def text(self, text: str) -> Json:
        return self._of_part("response.output_text.delta", delta=text, logprobs=[])

    def last(self, answer: Answer, extra: Shown) -> list[Json]:
        """What comes after it."""
        draft, text = self._draft, answer.answer + extra.added
        whole, part = draft.whole(answer, extra), draft.part(text, extra)
        return [
            self._of_part("response.output_text.done", text=text, logprobs=[]),
            self._of_part("response.content_part.done", part=part),
            self._event("response.output_item.done", output_index=0, item=whole["output"][0]),
            self._event(f"response.{whole['status']}", response=whole),
        ]

    def failed(self, error: Json) -> Json:
        members = {name: error.get(name) for name in ("code", "message", "param")}
        return self._event("error", **members)

    def _of_part(self, kind: str, **members: Any) -> Json:
        place = {"item_id": f"msg_{self._draft.job_id}", "output_index": 0, "content_index": 0}
        return self._event(kind, **place, **members)

    def _event(self, kind: str, **members: Any) -> Json:
        number, self._number = self._number, self._number + 1
        return {"type": kind, "sequence_number": number, **members}


def _usage(answer: Answer) -> Json:
    used = answer.usage
    return {
        "input_tokens": used.prompt_tokens,
        "input_tokens_details": {"cached_tokens": used.cached_tokens},
        "output_tokens": used.completion_tokens,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": used.prompt_tokens + used.completion_tokens,
    }
