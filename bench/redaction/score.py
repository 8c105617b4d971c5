"""Scores findings in the generated texts: secrets covered completely, false findings, harmless texts left alone."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import msgspec

from bench.redaction.corpus import Case
from bench.redaction.redactors import OURS, Span


class Tally(msgspec.Struct):
    """Counts for the texts of one kind: completely covered secrets, findings that touch one, and false findings."""

    cases: int = 0
    found: int = 0
    touching: int = 0
    astray: int = 0

    def add(self, case: Case, spans: Sequence[Span]) -> None:
        self.cases += 1
        if case.secret is None:
            self.found += not spans
            self.astray += len(spans)
            return
        start = case.text.index(case.secret)
        end = start + len(case.secret)
        self.found += _covers(spans, start, end)
        touching = sum(span.start < end and start < span.end for span in spans)
        self.touching += touching
        self.astray += len(spans) - touching


def _covers(spans: Sequence[Span], start: int, end: int) -> bool:
    for span in sorted(spans, key=lambda span: span.start):
        if span.start <= start < span.end:
            start = span.end
    return start >= end


def scored(cases: Sequence[Case], found: dict[str, list[list[Span]]]) -> dict[str, Any]:
    """Per finder: `recall` by kind, `left_alone` by sort of harmless text, overall `precision`."""
    return {name: _scored(cases, spans) for name, spans in found.items()}


def _scored(cases: Sequence[Case], found: list[list[Span]]) -> dict[str, Any]:
    kinds: dict[str, Tally] = {}
    sorts: dict[str, Tally] = {}
    for case, spans in zip(cases, found, strict=True):
        (sorts if case.secret is None else kinds).setdefault(case.kind, Tally()).add(case, spans)
    tallies = [*kinds.values(), *sorts.values()]
    touching, astray = sum(tally.touching for tally in tallies), sum(tally.astray for tally in tallies)
    return {
        "recall": {kind: round(tally.found / tally.cases, 3) for kind, tally in kinds.items()},
        "precision_by_kind": {
            kind: round(tally.touching / (tally.touching + tally.astray), 3) if tally.touching else None
            for kind, tally in kinds.items()
        },
        "left_alone": {sort: round(tally.found / tally.cases, 3) for sort, tally in sorts.items()},
        "precision": round(touching / (touching + astray), 3) if touching else 0.0,
    }


def named(cases: Sequence[Case], found: list[list[Span]]) -> dict[str, float]:
    """The share of findings with the right kind, for ours only, since the names are ours."""
    right: Counter[str] = Counter()
    given: Counter[str] = Counter()
    for case, spans in zip(cases, found, strict=True):
        for span in spans:
            given[span.kind] += 1
            right[span.kind] += case.kind == span.kind and case.secret == case.text[span.start : span.end]
    return {
        kind: round(right[kind] / given[kind], 3)
        for kind in {case.kind for case in cases if case.secret}
        if given[kind]
    }


def behind(scores: dict[str, Any], peer: str) -> list[str]:
    """The kinds and sorts in which a peer is better."""
    our, their = scores[OURS], scores[peer]
    worse = [
        f"{name} ({our[what][name]:.0%}, {peer} {share:.0%})"
        for what in ("recall", "left_alone")
        for name, share in their[what].items()
        if share > our[what][name]
    ]
    if their["precision"] > our["precision"]:
        worse.append(f"what is found is secret ({our['precision']:.1%}, {peer} {their['precision']:.1%})")
    return worse
