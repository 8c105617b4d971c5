"""What is counted of questions and answers, and how it is kept: by day and client, and the proxy's budget by day.

Workers write it, `docqa usage` reads it. Pure. A day is a day in UTC.
"""

from datetime import UTC, date, datetime, time, timedelta
from typing import TypeVar

import msgspec

from contract.messages import Usage

T = TypeVar("T")


class Answers(msgspec.Struct, frozen=True, omit_defaults=True):
    """Answers of one kind, and the tokens that their prompts and they themselves have."""

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
    """What one client was answered in one day, by who answered."""

    local: Answers = Answers()
    proxy: Answers = Answers()
    cache: Answers = Answers()
    lost_tokens: int = 0
    """What calls of the proxy are counted to have cost that came to no answer."""

    def __add__(self, other: "ClientDay") -> "ClientDay":
        return ClientDay(
            self.local + other.local,
            self.proxy + other.proxy,
            self.cache + other.cache,
            self.lost_tokens + other.lost_tokens,
        )


class BudgetDay(msgspec.Struct, frozen=True, kw_only=True):
    """The proxy's tokens of one day: what was charged, and what calls that have not ended may be charged at most."""

    limit_tokens: int | None = None
    """What it was when a call was last let in; None: without a limit."""
    charged_tokens: int = 0
    reserved_tokens: int = 0

    @property
    def used_tokens(self) -> int:
        """A call that never ends, since its worker was killed, counts as what it may have cost at most."""
        return self.charged_tokens + self.reserved_tokens


def answers_of(usage: Usage) -> Answers:
    """One answer."""
    return Answers(1, usage.prompt_tokens, usage.completion_tokens)


def day_of(moment: datetime) -> str:
    """The day in UTC, as keys begin with it."""
    return moment.astimezone(UTC).date().isoformat()


def end_of(day: str) -> datetime:
    """When a day is over, in UTC."""
    return datetime.combine(date.fromisoformat(day) + timedelta(days=1), time(), UTC)


def client_key(day: str, owner: str) -> str:
    """The key of a client's day; `owner` is `<publisher>.<client>`."""
    return f"{day}.{owner}"


def encode(kept: ClientDay | BudgetDay) -> bytes:
    return msgspec.json.encode(kept)


def decode(value: bytes | None, kind: type[T]) -> T:
    """What is kept; nothing, or what can't be read, is a day on which nothing was."""
    try:
        return msgspec.json.decode(value, type=kind) if value else kind()
    except msgspec.DecodeError:
        return kind()
