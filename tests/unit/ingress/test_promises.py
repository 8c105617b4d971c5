"""Promised times: the k-th refused client gets the time at which the k-th slot becomes free."""

from hypothesis import given
from hypothesis import strategies as st

from ingress.jobs.promises import KEPT_S, LONGEST_S, MOST, Promises


def told(promises: Promises, count: int, pace: float, now_s: float = 0.0) -> list[int]:
    return [promises.promise(f"client {number}", pace, now_s) for number in range(count)]


def everybody_comes() -> Promises:
    promises = Promises()
    for number in range(300):
        promises.promise(f"earlier {number}", 100.0, 0.0)
        promises.keep(f"earlier {number}")
    return promises


def test_the_kth_refused_client_is_told_when_the_kth_place_from_now_is_free() -> None:
    assert told(Promises(), 6, pace=2.0) == [1, 1, 2, 2, 3, 3]


def test_less_than_a_tenth_of_a_second_beyond_a_whole_one_is_cut_off() -> None:
    assert told(Promises(), 1, pace=1 / 3.09) == [3]
    assert told(Promises(), 1, pace=1 / 3.2) == [4]


def test_clients_that_are_outside_are_known_by_when_they_are_due() -> None:
    promises = everybody_comes()
    told(promises, 3, pace=1.0)
    assert promises.outstanding_s(0.5) == [0.5, 1.5, 2.5]


def test_a_client_that_hammers_makes_nobody_wait_longer() -> None:
    promises = everybody_comes()
    for step in range(500):
        promises.promise("hammer", 1.0, step / 1000)
    assert promises.promise("patient", 1.0, 0.5) == 2


def test_a_client_that_comes_too_early_is_told_the_rest_of_its_time() -> None:
    promises = everybody_comes()
    told(promises, 10, pace=1.0)
    assert promises.promise("client 9", 1.0, 4.0) == 6


def test_who_came_in_time_and_found_no_place_keeps_its_rank() -> None:
    promises = everybody_comes()
    told(promises, 10, pace=1.0)
    assert promises.promise("client 0", 1.0, 1.5) == 1
    assert promises.promise("late", 1.0, 1.5) == 11


def test_an_accepted_client_waits_no_more_and_the_others_move_up() -> None:
    promises = everybody_comes()
    told(promises, 4, pace=1.0)
    promises.keep("client 0")
    assert promises.promise("new", 1.0, 0.0) == 4


def test_a_told_time_that_nobody_came_for_expires() -> None:
    promises = Promises()
    told(promises, 8, pace=8.0)
    assert promises.promise("new", 8.0, 1.0 + KEPT_S + 0.1) == 1


def test_of_clients_that_never_come_as_many_count_as_lately_came() -> None:
    promises = Promises()
    for second in range(200):
        promises.promise(f"lost {second}", 100.0, 10.0 * second)
        if second % 2:
            promises.keep(f"lost {second}")
    assert told(promises, 21, pace=1.0, now_s=10_000.0)[20] in (10, 11, 12)
    assert 0.4 < promises.come_back < 0.6


def test_a_promise_is_kept_for_the_quarter_that_clients_add_to_long_times() -> None:
    promises = everybody_comes()
    assert told(promises, 1, pace=1 / 40) == [40]
    assert promises.promise("client 0", 1 / 40, 49.0) == 40
    assert len(promises) == 1


def test_one_job_of_two_minutes_among_short_ones_is_told_a_minute_at_most() -> None:
    assert told(Promises(), 3, pace=1 / 120) == [60, 60, 60]


def test_the_number_of_promises_is_bounded() -> None:
    promises = Promises()
    told(promises, MOST, pace=10_000.0)
    assert promises.promise("one more", 10_000.0, 0.0) == LONGEST_S


@given(st.lists(st.tuples(st.integers(0, 20), st.floats(0.001, 1000), st.floats(0, 100), st.booleans()), max_size=100))
def test_told_times_are_whole_seconds_from_one_to_sixty_whatever_happens(
    events: list[tuple[int, float, float, bool]],
) -> None:
    promises, now_s = Promises(), 0.0
    for client, pace, later_s, is_accepted in events:
        now_s += later_s
        assert 1 <= promises.promise(str(client), pace, now_s) <= LONGEST_S
        if is_accepted:
            promises.keep(str(client))
        assert 0 < promises.come_back <= 1


@given(st.lists(st.floats(0, 30), min_size=1, max_size=200), st.floats(0.001, 1000))
def test_promises_of_clients_that_never_come_again_are_forgotten(arrivals: list[float], pace: float) -> None:
    promises, now_s = Promises(), 0.0
    for number, later_s in enumerate(arrivals):
        now_s += later_s
        promises.promise(f"client {number}", pace, now_s)
        assert len(promises) <= MOST
    assert promises.outstanding_s(now_s + 1.3 * LONGEST_S + KEPT_S + 1) == []
    assert len(promises) == 0
