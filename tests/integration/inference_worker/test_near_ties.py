"""How close a choice between two tokens was, asked of the real model."""

from contextlib import closing

import pytest

from contract.worker_tools import Pair
from inference_worker.llama.binding.model import Model
from inference_worker.llama.run_options import RunOptions
from inference_worker.model_files.locate import bundled_model
from inference_worker.tools.near_ties import fork

DOCUMENT = "The kettle in the hall holds two litres. It was bought in May."


@pytest.mark.model
def test_the_favourite_is_ahead_of_what_nobody_would_say_and_a_tie_with_itself_is_none() -> None:
    path = bundled_model()
    assert path
    with closing(Model(path, RunOptions(threads=2), 1, 1024)) as model:
        ends = [token for token in range(len(model.vocabulary.token_bytes)) if model.vocabulary.ends_answer(token)]
        question = "How much does the kettle hold?"
        found = fork(model, Pair(question, DOCUMENT, "The kettle in the hall", "The kettle in the xylophone"), ends)
        ended = fork(model, Pair(question, DOCUMENT, "The kettle", "The"), ends)
    assert found.common_tokens == 4
    assert (found.first, found.behind_nats) == (" hall", found.gap_nats)
    assert found.gap_nats > 3
    assert ended.second == ""
    assert ended.behind_nats > 0.1
