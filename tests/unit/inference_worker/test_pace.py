"""The pace of full slots: expected, then measured."""

import contextlib
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from inference_worker.jobs.kept_pace import KeptPace
from inference_worker.jobs.pace import Pace


class Clock:
    now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def after(clock: Clock, pace: Pace, seconds: float, together: int, times: int = 1) -> float:
    """The pace after `together` jobs ran side by side for some seconds, as often as told."""
    for _ in range(times):
        with contextlib.ExitStack() as running:
            for _ in range(together):
                running.enter_context(pace.job())
            clock.now_s += seconds
    return pace.jobs_per_s


def test_before_any_job_the_expected_pace_counts_and_without_one_a_job_a_slot_and_second() -> None:
    assert Pace(8, expected=3.3).jobs_per_s == 3.3
    assert Pace(8).jobs_per_s == 8


def test_the_first_jobs_of_a_burst_don_t_look_slow_while_none_has_ended() -> None:
    clock = Clock()
    pace = Pace(8, 4.0, clock)
    with contextlib.ExitStack() as running:
        for _ in range(8):
            running.enter_context(pace.job())
        clock.now_s += 1.9
        assert pace.jobs_per_s == 4.0


def test_a_wrong_expectation_is_corrected_as_jobs_end() -> None:
    clock = Clock()
    assert 3.5 < after(clock, Pace(8, 8.0, clock), 2.0, together=8, times=8) < 4.5
    assert 3.5 < after(clock, Pace(8, 2.0, clock), 2.0, together=8, times=8) < 4.5


def test_an_expectation_is_no_measurement_until_as_many_jobs_as_slots_have_ended_beside_each_other() -> None:
    clock = Clock()
    pace = Pace(8, 4.0, clock)
    after(clock, pace, 1.0, together=1, times=50)
    assert not pace.is_measured
    after(clock, pace, 1.0, together=8)
    assert pace.is_measured


def test_a_pace_once_measured_is_known_after_a_quiet_night() -> None:
    clock = Clock()
    pace = Pace(8, 8.0, clock)
    measured = after(clock, pace, 1.0, together=8, times=4)
    clock.now_s += 8 * 3600
    assert pace.jobs_per_s == measured


def test_single_questions_of_a_day_don_t_change_the_pace_of_full_slots_much() -> None:
    clock = Clock()
    pace = Pace(8, 8.0, clock)
    assert 6 < after(clock, pace, 1.0, together=1, times=100) < 10


def test_one_job_of_two_minutes_among_jobs_of_a_second_changes_the_pace_little() -> None:
    clock = Clock()
    pace = Pace(8, 8.0, clock)
    after(clock, pace, 1.0, together=8, times=8)
    with pace.job():
        assert after(clock, pace, 1.0, together=7, times=120) > 5
    assert pace.jobs_per_s > 5


def test_jobs_that_all_take_far_longer_than_expected_slow_the_pace_before_one_has_ended() -> None:
    clock = Clock()
    pace = Pace(8, 8.0, clock)
    with contextlib.ExitStack() as running:
        for _ in range(8):
            running.enter_context(pace.job())
        clock.now_s += 30
        assert pace.jobs_per_s < 2


@given(
    st.integers(1, 64),
    st.floats(0, 1000),
    st.lists(st.tuples(st.booleans(), st.floats(0, 200)), max_size=60),
)
def test_the_pace_is_always_a_positive_number_and_nothing_is_kept_of_ended_jobs(
    slots: int, expected: float, events: list[tuple[bool, float]]
) -> None:
    clock = Clock()
    pace = Pace(slots, expected, clock)
    running: list[contextlib.ExitStack] = []
    for starts, later_s in events:
        clock.now_s += later_s
        if starts or not running:
            running.append(contextlib.ExitStack())
            running[-1].enter_context(pace.job())
        else:
            running.pop().close()
        assert 0 < pace.jobs_per_s < float("inf")
    for each in running:
        each.close()
    assert not pace._running


def test_the_pace_is_kept_over_a_restart_for_the_same_model_and_slots(tmp_path: Path) -> None:
    path = tmp_path / "pace.json"
    kept = KeptPace(path, "m", 8)
    assert kept.read() == 0
    assert kept.has_changed(3.0)
    kept.write(3.0)
    assert not kept.has_changed(3.1)
    assert KeptPace(path, "m", 8).read() == 3.0
    assert KeptPace(path, "m", 4).read() == 0
    assert KeptPace(path, "other", 8).read() == 0


def test_a_file_that_can_t_be_read_or_written_is_no_pace(tmp_path: Path) -> None:
    path = tmp_path / "pace.json"
    path.write_text("{")
    assert KeptPace(path, "m", 8).read() == 0
    (tmp_path / "file").write_text("")
    KeptPace(tmp_path / "file" / "pace.json", "m", 8).write(2.0)
