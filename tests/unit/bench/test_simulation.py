"""The model of the system: the laws of queues that it must obey, and the measured figures that it must meet."""

import random
from pathlib import Path

import pytest
from click.testing import CliRunner

from bench.simulation import command, fit
from bench.simulation.events import Arrivals, System, simulate
from bench.simulation.plan import ceilings, plan

RESULTS = Path(__file__).parents[3] / "bench" / "results"


def system(**changes: object) -> System:
    given = {"workers": 1, "slots": 4, "queue": 1000, "work": lambda draw: 1.0, "speed": float}
    return System(**{**given, **changes})  # type: ignore[arg-type]


def test_a_closed_loop_answers_what_its_slots_can() -> None:
    seen = simulate(system(workers=3), Arrivals(clients=50, for_s=200))
    assert seen.answered_per_s == pytest.approx(12, rel=0.01)
    assert seen.refused_share == 0


def test_one_slot_with_exponential_work_waits_as_the_formula_for_it_says() -> None:
    """M/M/1: at half load a job takes twice its work in all."""
    one = system(slots=1, work=lambda draw: draw.expovariate(1.0))
    seen = simulate(one, Arrivals(per_s=0.5, for_s=40_000))
    mean = sum(seen.latencies_s) / len(seen.latencies_s)
    assert mean == pytest.approx(2.0, rel=0.1)


def test_a_full_queue_loses_what_the_formula_for_it_says() -> None:
    """Erlang's loss formula: two erlangs on two slots without a queue lose two fifths."""
    seen = simulate(system(slots=2, queue=2), Arrivals(per_s=2.0, for_s=20_000))
    assert seen.refused_share == pytest.approx(0.4, abs=0.02)


def test_who_obeys_retry_after_gets_in_without_many_tries() -> None:
    """A burst at a rate that is borne in the mean: two tries are enough for most."""
    seen = simulate(system(queue=8), Arrivals(per_s=3.0, for_s=2000, come_back=True))
    assert seen.answered_per_s == pytest.approx(3.0, rel=0.05)
    assert seen.refused_share < 0.4
    assert set(seen.told_s) <= set(range(1, 61))


def test_the_same_seed_gives_the_same_run() -> None:
    arrivals = Arrivals(per_s=3.0, for_s=100)
    drawn = system(work=lambda draw: draw.expovariate(1.0))
    assert simulate(drawn, arrivals, 7) == simulate(drawn, arrivals, 7)
    assert simulate(drawn, arrivals, 7) != simulate(drawn, arrivals, 8)


def test_more_rows_in_a_step_do_more_and_each_of_them_less() -> None:
    model = fit.Model(alone_s=1.0, full_per_s=3.0, spread=2.0, accept_s=0.0)
    speeds = [model.speed(busy) for busy in range(1, model.slots + 1)]
    assert speeds[0] == 1
    assert speeds[-1] == pytest.approx(3.0)
    assert speeds == sorted(speeds)
    assert model.work(random.Random(1)) > 0


def test_the_model_meets_the_stored_figures() -> None:
    """To a fifth: half a minute's answers vary by a tenth by chance (`docqa bench simulate --check`)."""
    assert [check for check in fit.checks(RESULTS) if abs(check.error) > 2 * fit.WITHIN] == []


def test_what_is_nearest_to_its_ceiling_is_named() -> None:
    model, bears = fit.fitted(RESULTS), ceilings(RESULTS)
    few, many = plan(model, bears, 3, 4.0), plan(model, bears, 100, 340.0)
    assert few.bottleneck.part == "workers"
    assert many.bottleneck.part == "bus: workers' sweeps"


def test_the_command_prints_a_row_for_each_plan_and_one_sentence_where_results_are_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    told = CliRunner().invoke(command.command, ["--workers", "2", "--rate", "3", "--json"])
    assert told.exit_code == 0, told.output
    assert '"workers": 2' in told.output
    monkeypatch.setattr(command, "RESULTS", tmp_path)
    failed = CliRunner().invoke(command.command, ["--check"])
    assert "are not those that the model is fitted to" in str(failed.exception)
