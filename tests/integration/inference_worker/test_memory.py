"""The memory of a loaded model: rows take it as they are used. With the bundled model and the default rows."""

import re
from contextlib import closing
from pathlib import Path

import pytest

from inference_worker.llama.binding.model import Model
from inference_worker.llama.run_options import RunOptions
from inference_worker.llama.sequence import Span
from inference_worker.model_files.locate import bundled_model

pytestmark = pytest.mark.model

ROWS, TOKENS = 8, 8192


def anonymous_bytes() -> int:
    """This process's memory that no file backs; only pages that were written to count."""
    found = re.search(r"^RssAnon:\s+(\d+) kB$", Path("/proc/self/status").read_text(encoding="ascii"), re.MULTILINE)
    assert found
    return int(found[1]) * 1024


def test_rows_take_memory_as_they_are_used() -> None:
    path = bundled_model()
    assert path
    before = anonymous_bytes()
    with closing(Model(path, RunOptions(threads=2, extra_buffers=False), ROWS, TOKENS)) as model:
        all_rows = ROWS * TOKENS * model.shape.token_bytes
        opened = anonymous_bytes() - before
        model.decode([Span(0, 0, list(range(1000, 1064)), wants_logits=True)])
        used = anonymous_bytes() - before
        saved = model.save(0)
        assert all(model.restore(row, saved, 64) for row in range(1, ROWS))
        restored = anonymous_bytes() - before
    assert all_rows == 1_509_949_440
    assert opened < all_rows / 8
    assert used < all_rows / 4
    assert restored < all_rows / 2
