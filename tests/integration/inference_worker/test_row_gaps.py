"""Rows that come along in a round, with the bundled model."""

from collections.abc import Iterator

import numpy as np
import pytest

from inference_worker.llama.binding.model import Model
from inference_worker.llama.run_options import RunOptions
from inference_worker.llama.sequence import Span
from inference_worker.model_files.locate import locate_model

pytestmark = pytest.mark.model

TEXTS = ["The café was opened in 1962.", "The rent is 750 euros a month.", "It looks for comets in Chile."]
NEAR = 0.05
"""Rows that are computed together add their floats in another order."""


@pytest.fixture(scope="module")
def model() -> Iterator[Model]:
    model = Model(locate_model(None, None), RunOptions(threads=1), rows=3, context_tokens=256)
    yield model
    model.close()


@pytest.fixture
def texts(model: Model) -> list[list[int]]:
    """Of one length each: the middle row may be no deeper than the others."""
    model.clear()
    texts = [model.vocabulary.tokenize(text, parse_special=False)[:7] for text in TEXTS]
    for row, tokens in enumerate(texts):
        model.decode([Span(row, 0, tokens, wants_logits=True)])
    return texts


def logits_alone(model: Model, tokens: list[int]) -> np.ndarray:
    model.clear()
    return model.logits(model.decode([Span(0, 0, tokens, wants_logits=True)])[0]).copy()


def test_a_round_with_a_gap_gives_each_row_its_own_logits(model: Model, texts: list[list[int]]) -> None:
    next_tokens = {0: texts[1][0], 2: texts[0][0]}
    places = model.decode([Span(row, 7, [token], wants_logits=True) for row, token in next_tokens.items()])
    together = [model.logits(place).copy() for place in places]
    for (row, token), logits in zip(next_tokens.items(), together, strict=True):
        assert np.allclose(logits, logits_alone(model, [*texts[row], token]), atol=NEAR)


def test_an_idle_row_that_came_along_holds_what_it_held(model: Model, texts: list[list[int]]) -> None:
    model.decode([Span(row, 7, [texts[1][0]], wants_logits=True) for row in (0, 2)])
    place = model.decode([Span(1, 7, [texts[2][0]], wants_logits=True)])[0]
    assert np.allclose(model.logits(place), logits_alone(model, [*texts[1], texts[2][0]]), atol=NEAR)


def test_an_empty_row_that_came_along_is_empty_afterwards(model: Model, texts: list[list[int]]) -> None:
    model.forget(1)
    model.decode([Span(row, 7, [texts[1][0]], wants_logits=True) for row in (0, 2)])
    place = model.decode([Span(1, 0, texts[1], wants_logits=True)])[0]
    assert np.allclose(model.logits(place), logits_alone(model, texts[1]), atol=NEAR)
