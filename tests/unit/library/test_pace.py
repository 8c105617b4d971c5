"""When a refused upload is asked to come back."""

from library.imports.pace import MOST_S, Pace


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def test_with_a_free_place_it_is_soon() -> None:
    assert Pace(2, Clock()).next_free_s() == 1


def test_it_is_what_is_left_of_the_usual_time() -> None:
    clock = Clock()
    pace = Pace(1, clock)
    for _ in range(100):
        with pace.working("a"):
            clock.now_s += 60
    with pace.working("b"):
        clock.now_s += 20
        assert pace.next_free_s() == 40


def test_one_that_takes_longer_than_usual_is_half_done_and_all_is_bounded() -> None:
    clock = Clock()
    pace = Pace(1, clock)
    with pace.working("a"):
        clock.now_s += 100
        assert pace.next_free_s() == 50
        clock.now_s += 10**6
        assert pace.next_free_s() == MOST_S
