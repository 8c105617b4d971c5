"""The coefficients of ranking and support: numbers in `coefficients.json`, fitted by `python -m bench.answers.fit`."""

import json
from functools import cache
from importlib.resources import files
from typing import Any


@cache
def stored() -> dict[str, Any]:
    """All of the file."""
    found: dict[str, Any] = json.loads(files("contract.evidence").joinpath("coefficients.json").read_bytes())
    return found


def forget() -> None:
    """Read the file anew: it was written."""
    for cached in (stored, ranking, support, written):
        cached.cache_clear()


@cache
def ranking(*, with_cosines: bool) -> tuple[float, ...]:
    """A weight for each of `ranking.FEATURES`."""
    named: dict[str, float] = stored()["ranking"]["with_cosines" if with_cosines else "words_only"]
    return tuple(named.values())


@cache
def support(*, with_cosines: bool) -> dict[str, float]:
    """A weight for each of `support.Features` that counts, and the `constant`."""
    named: dict[str, float] = stored()["support"]["with_cosines" if with_cosines else "words_only"]
    return named


@cache
def written() -> dict[str, float]:
    """A weight for each feature of a written answer, and the `constant` (`python -m bench.answers.fit_written`)."""
    named: dict[str, float] = stored()["written"]
    return named


def answerable_from(*, with_cosines: bool) -> float:
    """The support from which on a question counts as answerable."""
    bound: float = stored()["support"]["answerable_from"]["with_cosines" if with_cosines else "words_only"]
    return bound


def quote_margin() -> float:
    """How far behind the best sentence's score a quote's next one may be."""
    margin: float = stored()["quote"]["margin"]
    return margin
