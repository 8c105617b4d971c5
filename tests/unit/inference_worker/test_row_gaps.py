import pytest

from inference_worker.llama.binding.row_gaps import rows_between


def anyone(_row: int) -> bool:
    return True


@pytest.mark.parametrize(
    ("rows", "taken"),
    [
        ([3], []),
        ([2, 3, 4], []),
        ([0, 2], [1]),
        ([0, 1, 4, 5], [2, 3]),
        ([0, 1, 3, 5, 6, 7], [2, 4]),
    ],
)
def test_short_gaps_are_closed(rows: list[int], taken: list[int]) -> None:
    assert rows_between(rows, anyone) == taken


@pytest.mark.parametrize("rows", [[0, 3], [0, 7], [0, 1, 5, 6]])
def test_a_gap_longer_than_what_lies_beside_it_stays(rows: list[int]) -> None:
    assert rows_between(rows, anyone) == []


def test_a_gap_stays_when_one_of_its_rows_can_not_come() -> None:
    assert rows_between([0, 1, 4, 5, 7], lambda row: row != 3) == [6]
