"""The interface of a contest: it measures one property, judges it, and shows it as a table."""

import random
from typing import Any, Protocol

import msgspec

from bench.harness.dataset import Article
from bench.harness.promises import Promise
from bench.harness.table import Table
from bench.peers.line_up import LineUp


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """The parameters that all contests of a run share."""

    line_up: LineUp
    articles: list[Article]
    rounds: int
    seed: int
    questions: int | None
    """Sample size for contests that take a sample; None for their default."""
    burst: int
    quick: bool

    def rng(self, number: int = 0) -> random.Random:
        """A generator that gives the same for every system, and something else in every round."""
        return random.Random(f"{self.seed}/{number}")


class Contest(Protocol):
    """One workload of `docqa bench peers`."""

    async def measure(self, terms: Terms) -> dict[str, Any]:
        """The figures to store; `left_out` has the systems that could not take part."""

    def verdict(self, found: dict[str, Any]) -> list[Promise]:
        """Its performance targets, as far as they were measured."""

    def table(self, found: dict[str, Any]) -> Table:
        """The figures for people."""


def absences(name: str, found: dict[str, Any]) -> list[Promise]:
    """A target that could not be measured counts as missed."""
    return [
        Promise(f"{name}: {system} takes part", False, why, is_bar=True) for system, why in found["left_out"].items()
    ]
