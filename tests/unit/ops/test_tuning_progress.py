"""How far a tuning is, as `docqa status` and `docqa watch` say it."""

import pytest

from ops.models.tuning_progress import in_words

SAID = {
    "waiting": "tunes the model when idle, 25% done",
    "running": "tuning the model: 25%, tries q8_0",
    "done": "tuned: q8_0 from the next start",
    "used": "tuned: runs as q8_0",
    "failed": "not tuned: the worker's log says why",
    "of a later release": "",
}


@pytest.mark.parametrize(("state", "words"), SAID.items())
def test_every_state_has_words(state: str, words: str) -> None:
    assert in_words({"tuning": {"state": state, "done": 0.25, "form": "q8_0"}}) == words


def test_before_its_first_moment_it_has_no_figure() -> None:
    assert in_words({"tuning": {"state": "waiting", "done": 0.0, "form": ""}}) == "tunes the model when idle"


@pytest.mark.parametrize("worker", [{}, {"tuning": None}])
def test_a_worker_that_needs_none_says_nothing(worker: dict[str, object]) -> None:
    assert in_words(worker) == ""
