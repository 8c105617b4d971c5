"""Obeying `Retry-After` costs nothing against hammering, in simulated loads by the hundred."""

import random

import pytest

from tests.support.simulated_queue import Figures, Load, Simulation, median

SEEDS = range(9)
MODEL_S = 2.4
"""One answer of the bundled model while seven others are written beside it; alone it takes a quarter of that."""


def burst(clients: int, job_s: float, **members: object) -> Load:
    return Load(arrivals_s=[0.0] * clients, jobs_s=[job_s] * clients, **members)  # type: ignore[arg-type]


def model_burst(clients: int, seed: int) -> Load:
    lengths = random.Random(seed)
    jobs_s = [MODEL_S * lengths.uniform(0.6, 1.4) for _ in range(clients)]
    return Load(arrivals_s=[0.0] * clients, jobs_s=jobs_s, speed=lambda running: 8 * (running / 8) ** 0.3)


def mixed_burst(seed: int) -> Load:
    lengths = random.Random(seed)
    return Load(arrivals_s=[0.0] * 50, jobs_s=[lengths.choice([0.3, 0.3, 1.0, 4.0]) for _ in range(50)])


def steady(seed: int) -> Load:
    """Slightly more than the slots can do, of jobs of half a second to one and a half."""
    lengths, at_s, arrivals_s = random.Random(seed), 0.0, []
    for _ in range(150):
        at_s += lengths.expovariate(10)
        arrivals_s.append(at_s)
    return Load(arrivals_s=arrivals_s, jobs_s=[lengths.uniform(0.5, 1.5) for _ in range(150)])


def load_of(name: str, seed: int) -> tuple[Load, float]:
    """A load, and its true pace."""
    match name:
        case "jobs of 1 s":
            return burst(50, 1.0), 8.0
        case "jobs of 2 s":
            return burst(50, 2.0), 4.0
        case "a queue of four times the slots":
            return burst(120, 1.0, capacity=32), 8.0
        case "24 to the model":
            return model_burst(24, seed), 8 / MODEL_S
        case "48 to the model":
            return model_burst(48, seed), 8 / MODEL_S
        case "mixed lengths":
            return mixed_burst(seed), 8 / 1.4
        case "a steady overload":
            return steady(seed), 8.0
        case "a third never comes back":
            return burst(50, 1.0, never_back=0.33), 8.0
        case "one of 20 s":
            return Load(arrivals_s=[0.0] * 60, jobs_s=[20.0, *[1.0] * 59]), 8.0
    raise AssertionError(name)


def obey_to_hammer(name: str, expected: float = 1.0) -> tuple[float, Figures]:
    """The median ratio of times until all are answered, and the medians of those who obey.

    `expected`: the pace that is expected at first, as a part of the true one.
    """
    ratios, obeying = [], []
    for seed in SEEDS:
        load, pace = load_of(name, seed)
        runs = [Simulation(load, seed, expected=pace * expected, obey=obey).run() for obey in (True, False)]
        ratios.append(runs[0].total_s / runs[1].total_s)
        obeying.append(runs[0])
    fields = {field: median([getattr(run, field) for run in obeying]) for field in Figures.__struct_fields__}
    return median(ratios), Figures(**fields)


@pytest.mark.parametrize(
    ("name", "vain_tries"),
    [
        ("jobs of 1 s", 0.5),
        ("jobs of 2 s", 0.7),
        ("a queue of four times the slots", 0.5),
        ("24 to the model", 0.5),
        ("48 to the model", 0.7),
        ("mixed lengths", 0.5),
        ("a steady overload", 0.5),
        ("one of 20 s", 0.7),
    ],
)
def test_obeying_takes_no_longer_than_hammering_and_few_tries_are_in_vain(name: str, vain_tries: float) -> None:
    ratio, obeying = obey_to_hammer(name)
    assert ratio <= 1.15
    assert obeying.vain_tries <= vain_tries
    assert obeying.error_s <= 1.1 or obeying.error <= 0.25


@pytest.mark.parametrize("name", ["jobs of 1 s", "24 to the model", "48 to the model", "mixed lengths"])
@pytest.mark.parametrize("expected", [1.5, 3.0])
def test_a_pace_that_is_expected_too_fast_costs_tries_but_no_time(name: str, expected: float) -> None:
    ratio, obeying = obey_to_hammer(name, expected)
    assert ratio <= 1.15
    assert obeying.vain_tries <= 2


def test_in_a_queue_of_four_times_the_slots_no_slot_is_idle_while_somebody_waits_outside() -> None:
    assert obey_to_hammer("a queue of four times the slots")[1].idle <= 0.05


def test_in_a_first_burst_of_which_a_third_never_comes_back_the_others_take_a_third_more_at_most() -> None:
    assert obey_to_hammer("a third never comes back")[0] <= 1.35


def test_once_it_was_seen_that_a_third_never_comes_back_its_places_go_to_others() -> None:
    bursts = [burst_s for burst_s in (0.0, 12.0, 24.0) for _ in range(50)]
    load = Load(arrivals_s=bursts, jobs_s=[1.0] * 150, never_back=0.33)
    ratios = [
        Simulation(load, seed, expected=8, obey=True).run().total_s
        / Simulation(load, seed, expected=8, obey=False).run().total_s
        for seed in SEEDS
    ]
    assert median(ratios) <= 1.1


def test_one_client_that_hammers_beside_twenty_that_obey_does_not_make_their_times_grow() -> None:
    for seed in SEEDS:
        load = burst(30, 1.0)
        alone = Simulation(load, seed, expected=8, obey=True).run()
        beside = Simulation(load, seed, expected=8, obey=True, hammering=1).run()
        assert beside.told_s <= 1.2 * alone.told_s
