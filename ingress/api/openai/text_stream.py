"""The text of one job as it grows, for streams that can take nothing back."""

import contextlib
import time
from collections.abc import AsyncGenerator, Callable

import msgspec
from msgspec import UNSET

from contract.messages import Answer, Failure, Result, TokenEvent
from ingress import problems
from ingress.api.following import KEEP_ALIVE_S, Ended, Happening, Restarted, Waiting
from ingress.jobs.admission import location_of
from ingress.jobs.positions import Position
from ingress.problems import Problem


class StillWaiting(msgspec.Struct, frozen=True):
    """Nothing has come for a while: a comment keeps the connection open."""


Grown = str | StillWaiting | Answer


async def grown(
    job_id: str, happenings: AsyncGenerator[Happening, None], clock: Callable[[], float] = time.monotonic
) -> AsyncGenerator[Grown, None]:
    """Each further piece of text, then the answer; what was yielded is a beginning of its text.

    Raises Problem for a job that fails, and for one that was begun anew and then says something else.
    """
    text, sent_s = _SentText(), clock()
    async with contextlib.aclosing(happenings) as open_ones:
        async for happening in open_ones:
            match happening:
                case TokenEvent() if happening.evidence is UNSET:
                    if piece := text.add(happening):
                        yield piece
                        sent_s = clock()
                case Restarted():
                    text.restart()
                case Waiting() | Position():
                    # A position that changes every second must not keep the comment from being sent.
                    if clock() - sent_s > KEEP_ALIVE_S - 1:
                        yield StillWaiting()
                        sent_s = clock()
                case Ended():
                    answer = answer_of(job_id, happening.result)
                    if rest := text.rest(answer.answer):
                        yield rest
                    yield answer


def answer_of(job_id: str, result: Result | None) -> Answer:
    """The answer that a job ended with; raises Problem for anything else."""
    match result:
        case Answer():
            return result
        case Failure():
            raise problems.failed(result)
        case None:
            detail = f"The service is stopping, and the job goes on: {location_of(job_id)} will have its answer."
            headers = {"Retry-After": "5", "Location": location_of(job_id)}
            raise Problem(503, "stopping", "The service is stopping", detail, headers=headers)


class _SentText:
    """What was sent, and what the present attempt has made so far."""

    def __init__(self) -> None:
        self._sent = ""
        self._made = ""
        self._next_index: int | None = 0
        """None once a piece was lost: then the rest comes with the answer."""

    def restart(self) -> None:
        self._made, self._next_index = "", 0

    def add(self, piece: TokenEvent) -> str:
        """What can be sent for a piece."""
        if piece.index != self._next_index:
            self._next_index = None
            return ""
        self._next_index += 1
        self._made += piece.text
        return self._send(self._made)

    def rest(self, text: str) -> str:
        """What is missing of the whole text."""
        if not text.startswith(self._sent):
            raise _changed()
        return self._send(text)

    def _send(self, text: str) -> str:
        if not text.startswith(self._sent[: len(text)]):
            raise _changed()
        piece = text[len(self._sent) :]
        self._sent += piece
        return piece


def _changed() -> Problem:
    detail = "The answer broke off, and the next attempt says something else: ask again."
    return Problem(502, "answer-changed", "The answer was restarted", detail)
