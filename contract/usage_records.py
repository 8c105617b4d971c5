"""Usage counters and how they are stored: answers by day and client, and the proxy's budget by day.

Workers write it, `docqa usage` reads it. Pure. A day is a day in UTC.
"""

from datetime import UTC, date, datetime, time, timedelta
from typing import TypeVar

import msgspec

from contract.messages import Usage

T = TypeVar("T")


class Answers(msgspec.Struct, frozen=True, omit_defaults=True):
    """Number of answers of one backend, with the tokens of their prompts and completions."""

    answers: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0

    @property
    def tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens

    def __add__(self, other: "Answers") -> "Answers":
        return Answers(
            self.answers + other.answers,
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
        )


class ClientDay(msgspec.Struct, frozen=True, omit_defaults=True):
    """One client's answers in one day, by backend."""

    local: Answers = Answers()
    proxy: Answers = Answers()
    cache: Answers = Answers()
    lost_tokens: int = 0
    """Tokens charged for proxy calls that returned no answer."""

    def __add__(self, other: "ClientDay") -> "ClientDay":
        return ClientDay(
            self.local + other.local,
            self.proxy + other.proxy,
            self.cache + other.cache,
            self.lost_tokens + other.lost_tokens,
        )


class BudgetDay(msgspec.Struct, frozen=True, kw_only=True):
    """The proxy's tokens of one day: those charged, and the most that unfinished calls may be charged."""

    limit_tokens: int | None = None
    """The limit when a call was last admitted; None: no limit."""
    charged_tokens: int = 0
    reserved_tokens: int = 0

    @property
    def used_tokens(self) -> int:
        """A call that never ends, because its worker was killed, counts with the most it may have cost."""
        return self.charged_tokens + self.reserved_tokens


def answers_of(usage: Usage) -> Answers:
    """The counters for one answer."""
    return Answers(1, usage.prompt_tokens, usage.completion_tokens)


def day_of(moment: datetime) -> str:
    """The day in UTC as YYYY-MM-DD, with which keys begin."""
    return moment.astimezone(UTC).date().isoformat()


def end_of(day: str) -> datetime:
    """The end of a day, in UTC."""
    return datetime.combine(date.fromisoformat(day) + timedelta(days=1), time(), UTC)


def client_key(day: str, owner: str) -> str:
    """The key of a client's day; `owner` is `<publisher>.<client>`."""
    return f"{day}.{owner}"


def encode(kept: ClientDay | BudgetDay) -> bytes:
    return msgspec.json.encode(kept)


def decode(value: bytes | None, kind: type[T]) -> T:
    """Decode a stored record; a missing or unreadable one counts as an empty day."""
    try:
        return msgspec.json.decode(value, type=kind) if value else kind()
    except msgspec.DecodeError:
        return kind()
