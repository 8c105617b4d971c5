"""Questions per second: shared documents, separate documents, and one question at a time."""

import time
from collections.abc import Iterable
from typing import Any, Final

import msgspec

from bench.harness.latency import Latencies
from bench.harness.promises import Promise
from bench.harness.table import Table
from bench.peers import questions, spread, step_share
from bench.peers.contest import Terms, absences
from bench.peers.line_up import AS_IS, LLAMA_CPP_SERVER, LLAMA_SERVER, NATIVE, OURS
from bench.peers.questions import Reply
from bench.peers.step_share import Steps
from bench.peers.system import ALL_WITHIN_S, System

MAX_TOKENS: Final = 32
SLOW_WITHIN_S: Final = 30.0
"""llama_cpp.server answers one question after another: its rate is measured over this time."""
SAME_PROMPTS_WITHIN: Final = 0.01
"""A system may count a begin-of-text token that another does not."""
OWN_SHARE: Final = 0.02
"""The largest share of a step that may be spent in Python."""
_QUICK_DOCUMENTS: Final = 2
_QUICK_EACH: Final = 2
_KINDS: Final = ("answers_per_s", "tokens_per_s", "p50_ms", "p99_ms", "prompt_tokens", "cached_tokens", "unanswered")


class Speed(msgspec.Struct, frozen=True, kw_only=True):
    """One workload. The targets are for ours and ours as-is against llama-server, in questions per second."""

    name: str
    documents: int
    each: int
    in_flight: int
    bar: float
    as_is_bar: float
    native_bar: float
    native_as_is_bar: float
    others: tuple[str, ...] = (AS_IS, NATIVE, LLAMA_SERVER)

    async def measure(self, terms: Terms) -> dict[str, Any]:
        """Alternate between systems, each from a fresh start; all get the same questions in the same order."""
        documents, each = self.documents, self.each
        if terms.quick:
            documents, each = min(documents, _QUICK_DOCUMENTS), min(each, _QUICK_EACH)

        async def play(system: System, number: int) -> dict[str, Any]:
            tasks = questions.questions(terms.articles, documents, each, MAX_TOKENS, terms.rng(number))
            within_s = SLOW_WITHIN_S if system.name == LLAMA_CPP_SERVER else ALL_WITHIN_S
            before = await _steps(system)
            began_s = time.monotonic()
            replies = await system.ask_all(tasks, min(self.in_flight, terms.line_up.slots), within_s)
            return {**_round(replies, time.monotonic() - began_s), **await _own_share(system, before)}

        played = await terms.line_up.by_turns(self.name, terms.line_up.among(*self.others), terms.rounds, play)
        return {
            "systems": {name: _over(rounds) for name, rounds in played.rounds.items()},
            "ratios": _ratios(played.rounds, LLAMA_SERVER),
            "native_ratios": _ratios(played.rounds, NATIVE),
            "left_out": played.left_out,
        }

    def verdict(self, found: dict[str, Any]) -> list[Promise]:
        bars = ((OURS, self.bar), (AS_IS, self.as_is_bar))
        held = [self._bar(found["ratios"][name], name, bar) for name, bar in bars if name in found["ratios"]]
        native = ((OURS, self.native_bar), (AS_IS, self.native_as_is_bar))
        ratios = found.get("native_ratios", {})
        held += [self._bar(ratios[name], name, bar, NATIVE) for name, bar in native if name in ratios]
        return [
            *self._answered(found), *self._same_prompts(found), *absences(self.name, found), *held,
            *self._own_share(found),
        ]  # fmt: skip

    def table(self, found: dict[str, Any]) -> Table:
        # Results of before the native one have no such column.
        native = found.get("native_ratios")
        heads = (
            "system", "questions/s", *(["÷ native"] if native else []), "÷ llama-server", "tokens/s", "p50 ms",
            "p99 ms", "prompt tokens", "cached",
        )  # fmt: skip
        quotients = [*([native] if native else []), found["ratios"]]
        rows = [_row(name, row, [ratios.get(name) for ratios in quotients]) for name, row in found["systems"].items()]
        return Table(f"{self.name}: {self.in_flight} in flight", heads, rows, _note(found))

    def _bar(self, ratio: dict[str, Any], name: str, bar: float, peer: str = LLAMA_SERVER) -> Promise:
        words = f"{spread.in_words(ratio)} times as many questions a second."
        return Promise(f"{self.name}: {name} at least {bar:g} times {peer}", ratio["median"] >= bar, words, is_bar=True)

    def _own_share(self, found: dict[str, Any]) -> list[Promise]:
        """The share of ours; other systems do not report llama.cpp's time."""
        if not (share := found["systems"].get(OURS, {}).get("own_share")):
            return []
        words = f"{spread.in_words(share, '.1%')} of the steps' time passes outside of llama.cpp."
        return [Promise(f"{self.name}: Python's share of a step", share["median"] <= OWN_SHARE, words, is_bar=True)]

    def _answered(self, found: dict[str, Any]) -> list[Promise]:
        ours = {name: row["unanswered"]["max"] for name, row in found["systems"].items() if name in (OURS, AS_IS)}
        words = ", ".join(f"{name}: {count:g} unanswered in the worst round" for name, count in ours.items())
        return (
            [Promise(f"{self.name}: every question is answered", not any(ours.values()), f"{words}.")] if ours else []
        )

    def _same_prompts(self, found: dict[str, Any]) -> list[Promise]:
        """Fairness: all systems read the same prompts. Systems that did not answer all questions are left out."""
        whole = {name: row for name, row in found["systems"].items() if not row["unanswered"]["max"]}
        tokens = {name: sum(row["prompt_tokens"]["rounds"]) for name, row in whole.items()}
        if len(tokens) < 2:
            return []
        same = max(tokens.values()) - min(tokens.values()) <= SAME_PROMPTS_WITHIN * max(tokens.values())
        words = ", ".join(f"{name} read {count:.0f} tokens" for name, count in tokens.items())
        return [Promise(f"{self.name}: all read the same prompts", same, f"{words}.")]


CONTESTS: Final = (
    Speed(
        name="shared-documents", documents=4, each=8, in_flight=8, bar=2.0, as_is_bar=1.05,
        native_bar=4.0,
        native_as_is_bar=2.2, others=(AS_IS, NATIVE, LLAMA_SERVER, LLAMA_CPP_SERVER),
    ),
    Speed(name="own-documents", documents=16, each=1, in_flight=8, bar=1.7, as_is_bar=1.05,
          native_bar=1.8, native_as_is_bar=1.0),
    Speed(name="one-at-a-time", documents=8, each=1, in_flight=1, bar=1.4, as_is_bar=1.0,
          native_bar=1.4, native_as_is_bar=1.0),
)  # fmt: skip


def bar_of(contest: str, system: str) -> float:
    """The target of `system` in a contest."""
    found = next(speed for speed in CONTESTS if speed.name == contest)
    return found.as_is_bar if system == AS_IS else found.bar


def _round(replies: list[Reply], elapsed_s: float) -> dict[str, Any]:
    answered = [reply for reply in replies if reply.status == 200]
    took = Latencies(reply.took_s for reply in answered)
    return {
        "answers_per_s": len(answered) / elapsed_s,
        "tokens_per_s": sum(reply.tokens for reply in answered) / elapsed_s,
        "p50_ms": took.percentile_ms(50),
        "p99_ms": took.percentile_ms(99),
        "prompt_tokens": sum(reply.prompt_tokens for reply in answered),
        "cached_tokens": sum(reply.cached_tokens for reply in answered),
        "unanswered": len(replies) - len(answered),
    }


async def _steps(system: System) -> Steps | None:
    return await step_share.probe(system.worker_metrics) if system.worker_metrics else None


async def _own_share(system: System, before: Steps | None) -> dict[str, float]:
    after = await _steps(system)
    return {"own_share": after.own_share_since(before)} if before and after else {}


def _over(rounds: list[dict[str, Any]]) -> dict[str, Any]:
    kinds = [*_KINDS, *(["own_share"] if "own_share" in rounds[0] else [])]
    return {kind: spread.over(seen[kind] for seen in rounds) for kind in kinds}


def _ratios(rounds: dict[str, list[dict[str, Any]]], peer: str) -> dict[str, Any]:
    """Ratios to `peer` per round, since a slow moment of the machine affects both sides."""
    theirs = rounds.get(peer, [])
    found = {name: list(_quotients(seen, theirs)) for name, seen in rounds.items() if name != peer}
    return {name: spread.over(quotients) for name, quotients in found.items() if quotients}


def _quotients(ours: list[dict[str, Any]], theirs: list[dict[str, Any]]) -> Iterable[float]:
    both = zip(ours, theirs, strict=False)
    return (one["answers_per_s"] / other["answers_per_s"] for one, other in both if other["answers_per_s"])


def _row(name: str, row: dict[str, Any], ratios: list[dict[str, Any] | None]) -> tuple[str, ...]:
    return (
        name,
        spread.in_words(row["answers_per_s"]),
        *(spread.in_words(ratio) if ratio else "-" for ratio in ratios),
        *(f"{row[kind]['median']:.0f}" for kind in _KINDS[1:6]),
    )


def _note(found: dict[str, Any]) -> str:
    left = {name: row["unanswered"]["median"] for name, row in found["systems"].items() if row["unanswered"]["max"]}
    parts = [f"{name} left {count:.0f} unanswered in the median round." for name, count in left.items()]
    if LLAMA_CPP_SERVER in left:
        parts.append(f"{LLAMA_CPP_SERVER} is cut off after {SLOW_WITHIN_S:.0f} s a round.")
    return " ".join([*parts, *(f"{name} is left out: {why}" for name, why in found["left_out"].items())])
