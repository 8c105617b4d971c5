"""Searches the fastest way to run a model without changing what it answers.

Greedy: quantisations first, then one option after another on the best one. A full grid would take an hour and find the
same, since the options depend little on each other. A difference counts once it is beyond noise; among equals the
candidate closest to the source file's output is taken. Knows models by `measure` only.
"""

import math
import statistics
from collections.abc import Callable, Iterable, Mapping
from typing import Final, TypeAlias

import msgspec

from contract.errors import DocQAError, EngineError
from inference_worker.llama.run_options import RunOptions
from inference_worker.model_files.choice import AS_IS, Candidate, Speed, Tried, Verdict
from inference_worker.tuning import noise
from inference_worker.tuning.trials import Measurement

Measure = Callable[[Candidate], Measurement]
"""Compares one candidate with the source file and times it; raises EngineError where it can't."""

CLOSE: Final = 1.3
"""Candidates within this of the fastest are measured again before one is dropped: single runs err by a tenth."""
PROMISING: Final = 0.97
"""A change whose first run takes more than this part of the usual time is not run again."""
MOST_FORMS: Final = 3
"""How many quantizations are compared over several runs."""


class TuningError(DocQAError):
    """None of the candidates could be run."""


Change: TypeAlias = Mapping[str, object]


class Space(msgspec.Struct, frozen=True, kw_only=True):
    """What is searched: quantisations under the options of the start, then changes, one after another."""

    quantizations: list[str]
    """In the order of preference among those that are equally fast."""
    start: RunOptions
    changes_of_two: list[Change]
    """Tried on the two best quantisations: which is better may depend on them."""
    changes_of_one: list[Change]

    @property
    def expected_runs(self) -> int:
        """About how many runs it takes, for a progress bar."""
        forms = min(len(self.quantizations), MOST_FORMS)
        settling = noise.LEAST_RUNS * (forms + 3)
        return len(self.quantizations) + (forms + 1) * len(self.changes_of_two) + len(self.changes_of_one) + settling


class Field:
    """All candidates that were tried, with their results."""

    def __init__(self, measure: Measure, gate_kl: float) -> None:
        self._measure = measure
        self._gate_kl = gate_kl
        self._entries: dict[Candidate, _Entry] = {}

    def run(self, candidate: Candidate) -> None:
        """Measure it once more, unless it is known that it can't be chosen."""
        entry = self._entries.setdefault(candidate, _Entry(candidate))
        if not entry.is_out:
            try:
                entry.add(self._measure(candidate), self._gate_kl)
            except EngineError as error:
                entry.fail(str(error))

    def refuse(self, candidate: Candidate, reason: str) -> None:
        """Record a candidate that is not tried at all."""
        self._entries[candidate] = entry = _Entry(candidate)
        entry.verdict, entry.reason = "no room", reason

    def seconds(self, candidate: Candidate) -> float:
        """Its best time for the mix; infinite where it can't be chosen."""
        return self._entries[candidate].seconds

    def typical_s(self, candidate: Candidate) -> float:
        """The median of its times for the mix; infinite where it can't be chosen."""
        return statistics.median(self.runs_s(candidate) or [math.inf])

    def runs_s(self, candidate: Candidate) -> list[float]:
        """Its times for the mix, in the order of the runs; empty where it can't be chosen."""
        entry = self._entries[candidate]
        return [] if entry.is_out else [speed.mix_s for speed in entry.speeds]

    def kl(self, candidate: Candidate) -> float:
        """Its divergence from the source file, in nats; infinite where that is not known."""
        kl = self._entries[candidate].kl
        return math.inf if kl is None else kl

    def mark_equal(self, candidates: Iterable[Candidate]) -> None:
        """Record that these are equally fast, as far as can be measured."""
        for candidate in candidates:
            self._entries[candidate].is_equal = True

    def fastest(self, candidates: Iterable[Candidate] | None = None) -> list[Candidate]:
        """Those that can be chosen, the fastest first."""
        among = self._entries if candidates is None else candidates
        return sorted((each for each in among if not self._entries[each].is_out), key=self.seconds)

    def reasons(self) -> str:
        """The reason for each candidate that can't be chosen."""
        out = (entry for entry in self._entries.values() if entry.is_out)
        return "; ".join(f"{entry.candidate.quantization}: {entry.reason}" for entry in out)

    def table(self, chosen: Candidate) -> list[Tried]:
        """All that was tried: the fastest first, then what was refused."""
        entries = sorted(self._entries.values(), key=lambda entry: entry.seconds)
        return [entry.tried(_verdict(entry, self._entries[chosen])) for entry in entries]


class _Entry:
    def __init__(self, candidate: Candidate) -> None:
        self.candidate = candidate
        self.speeds: list[Speed] = []
        self.verdict: Verdict | None = None
        self.reason = ""
        self.kl: float | None = None
        self.is_equal = False

    @property
    def is_out(self) -> bool:
        return self.verdict is not None

    @property
    def fastest(self) -> Speed | None:
        """Other work on the machine can only slow a run down: the fastest run says most about the candidate."""
        return min(self.speeds, key=lambda speed: speed.mix_s, default=None)

    @property
    def seconds(self) -> float:
        return self.fastest.mix_s if self.fastest and not self.is_out else math.inf

    def add(self, measured: Measurement, gate_kl: float) -> None:
        self.kl = measured.kl
        if measured.kl is not None and measured.kl > gate_kl:
            self.verdict, self.reason = "too different", f"KL above {gate_kl:g}"
        elif measured.speed:
            self.speeds.append(measured.speed)

    def fail(self, reason: str) -> None:
        self.verdict, self.reason = "failed", reason

    def tried(self, verdict: Verdict) -> Tried:
        return Tried(
            candidate=self.candidate,
            verdict=verdict,
            kl=self.kl,
            speed=self.fastest,
            runs=len(self.speeds),
            reason=self.reason,
        )


def _verdict(entry: _Entry, chosen: _Entry) -> Verdict:
    if entry is chosen:
        return "chosen"
    return entry.verdict or ("equal" if entry.is_equal or entry.seconds <= chosen.seconds else "slower")


class Search:
    """One search over a field. `report` gets each candidate before its run, and the share that is done (0 to 1)."""

    def __init__(self, field: Field, space: Space, report: Callable[[Candidate, float], None]) -> None:
        self._field = field
        self._space = space
        self._report = report
        self._done = 0

    def best(self) -> Candidate:
        """The fastest candidate, the simplest one of equals; raises TuningError when none could be run."""
        forms = self._close_forms()
        for change in self._space.changes_of_two:
            forms = [self._improved(form, change) for form in forms]
        best = self._settled(forms)
        for change in self._space.changes_of_one:
            best = self._improved(best, change)
        self._try_given_file()
        return best

    def _close_forms(self) -> list[Candidate]:
        """The quantisations that may be the fastest, measured once each."""
        start = [Candidate(quantization=each, options=self._space.start) for each in self._space.quantizations]
        for candidate in start:
            self._run(candidate)
        fastest = self._field.fastest(start)
        if not fastest:
            raise TuningError(f"No candidate can be used ({self._field.reasons()}).")
        limit_s = CLOSE * self._field.seconds(fastest[0])
        return [each for each in fastest if self._field.seconds(each) <= limit_s][:MOST_FORMS]

    def _improved(self, leader: Candidate, change: Change) -> Candidate:
        """The leader with the change, if that is faster beyond noise."""
        options = msgspec.structs.replace(leader.options, **change)
        challenger = msgspec.structs.replace(leader, options=options)
        if challenger == leader:
            return leader
        self._run(challenger)
        if self._field.typical_s(challenger) > PROMISING * self._field.typical_s(leader):
            return leader
        return challenger if self._equals([leader, challenger]) == [challenger] else leader

    def _try_given_file(self) -> None:
        """Also where it is not the fastest: MODEL_QUANTIZATION=as-is runs it with what is fastest for it."""
        if AS_IS in self._space.quantizations:
            given = Candidate(quantization=AS_IS, options=self._space.start)
            for change in self._space.changes_of_two:
                given = self._improved(given, change)

    def _settled(self, forms: list[Candidate]) -> Candidate:
        """Of the candidates as fast as the fastest one, the one with the least divergence from the source file."""
        equals = self._equals(forms)
        if not equals:
            raise TuningError(f"No candidate can be used ({self._field.reasons()}).")
        self._field.mark_equal(equals)
        return min(equals, key=lambda each: (self._field.kl(each), self._trouble(each)))

    def _equals(self, candidates: list[Candidate]) -> list[Candidate]:
        """Run all in turns until each is slower than the fastest beyond noise, or as fast; those that are as fast."""
        left, turns_s = list(candidates), {each: list[float]() for each in candidates}
        while len(left) > 1:
            for candidate in left:
                self._run(candidate)
                turns_s[candidate] += self._field.runs_s(candidate)[-1:]
            left = [each for each in left if self._field.runs_s(each)]
            if not left:
                break
            fastest = min(left, key=lambda each: statistics.median(turns_s[each]))
            found = {each: noise.compare(turns_s[each], turns_s[fastest]) for each in left if each != fastest}
            left = [each for each in left if found.get(each) != "slower"]
            if "unclear" not in found.values():
                break
        return left

    def _trouble(self, candidate: Candidate) -> tuple[int, int]:
        usual, options = msgspec.structs.asdict(self._space.start), msgspec.structs.asdict(candidate.options)
        changes = sum(options[name] != value for name, value in usual.items())
        return self._space.quantizations.index(candidate.quantization), changes

    def _run(self, candidate: Candidate) -> None:
        self._report(candidate, min(self._done / self._space.expected_runs, 0.99))
        self._done += 1
        self._field.run(candidate)
