"""What is compared: each contest measures one thing, judges it, and tells it as a table."""

import random
from typing import Any, Protocol

import msgspec

from bench.harness.dataset import Article
from bench.harness.promises import Promise
from bench.harness.table import Table
from bench.peers.line_up import LineUp


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """What all contests of a run have in common."""

    line_up: LineUp
    articles: list[Article]
    rounds: int
    seed: int
    questions: int | None
    """How many are asked, where a contest takes a sample; None for its own number."""
    burst: int
    quick: bool

    def rng(self, number: int = 0) -> random.Random:
        """Draws the same for every system, and something else in every round."""
        return random.Random(f"{self.seed}/{number}")


class Contest(Protocol):
    """One workload of `docqa bench peers`."""

    async def measure(self, terms: Terms) -> dict[str, Any]:
        """What is stored of it; `left_out` says who could not take part."""

    def verdict(self, found: dict[str, Any]) -> list[Promise]:
        """Its bars, as far as what they compare was measured."""

    def table(self, found: dict[str, Any]) -> Table:
        """What was found, for people."""


def absences(name: str, found: dict[str, Any]) -> list[Promise]:
    """A bar that could not be measured is missed, not passed over."""
    return [
        Promise(f"{name}: {system} takes part", False, why, is_bar=True) for system, why in found["left_out"].items()
    ]
