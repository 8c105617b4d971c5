"""The work that candidates are compared by, with a real model: short questions on a long document, eight at a time.

Timed in pieces of one document, and added up to the mix: what takes seconds here takes minutes there.
"""

import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Final

from inference_worker.llama.run_options import RunOptions
from inference_worker.llama.sequence import Span
from inference_worker.model_files.choice import QUESTIONS_IN_MIX, Speed
from inference_worker.tuning.quality import TEXT

if TYPE_CHECKING:
    from inference_worker.llama.binding.model import Model

ANSWER_TOKENS: Final = 32
ROWS: Final = 8
DOCUMENTS: Final = QUESTIONS_IN_MIX // ROWS
"""Documents in the mix: ROWS questions each, ANSWER_TOKENS per answer."""
DOCUMENT_TOKENS: Final = 640
QUESTION_TOKENS: Final = 24
TIMED_STEPS: Final = 12
"""Decode steps that are timed; further ones are as fast."""
ROW_TOKENS: Final = 768
"""Room for a document, a question and an answer."""


def time_mix(model: "Model", options: RunOptions) -> Speed:
    """Do the work for one document. `model` has ROWS rows of ROW_TOKENS and was opened with `options`.

    Raises DecodeError.
    """
    text = model.vocabulary.tokenize(TEXT, parse_special=False)
    tokens = (text * (1 + ROW_TOKENS // len(text)))[:ROW_TOKENS]
    seconds_of = _stopwatch(options)
    # In use, a document is prefilled while other rows hold others; with a unified KV cache that costs time.
    _read(model, 0, tokens, 0, DOCUMENT_TOKENS // 4)
    _share(model, DOCUMENT_TOKENS // 4)
    model.forget(0)
    read_s = seconds_of(partial(_read, model, 0, tokens, 0, DOCUMENT_TOKENS))
    share_s = seconds_of(partial(_share, model, DOCUMENT_TOKENS))
    ask_s = seconds_of(partial(_ask, model, tokens))
    answered = DOCUMENT_TOKENS + QUESTION_TOKENS
    step_s = statistics.median(
        seconds_of(partial(_answer, model, tokens, at)) for at in range(answered, answered + TIMED_STEPS)
    )
    return Speed(
        prefill_tokens_per_s=(DOCUMENT_TOKENS + ROWS * QUESTION_TOKENS) / (read_s + ask_s),
        decode_tokens_per_s=ROWS / step_s,
        mix_s=DOCUMENTS * (read_s + share_s + ask_s + step_s * ANSWER_TOKENS),
    )


def _stopwatch(options: RunOptions) -> Callable[[Callable[[], None]], float]:
    """Estimates how long a piece of work takes when nothing else runs on the machine.

    CPU time shared by the threads: beside a test run the same work took from 9 to 18 seconds by the clock on the wall,
    and from 2.4 to 2.6 by this one. What a GPU does only the wall's clock sees.
    """

    def now() -> float:
        return time.perf_counter() if options.gpu_layers else time.process_time() / options.threads

    def seconds_of(work: Callable[[], None]) -> float:
        began_s = now()
        work()
        return now() - began_s

    return seconds_of


def _read(model: "Model", row: int, tokens: list[int], start: int, end: int) -> None:
    for at in range(start, end, model.step_tokens):
        part = tokens[at : min(end, at + model.step_tokens)]
        model.decode([Span(row, at, part, wants_logits=at + len(part) == end)])


def _share(model: "Model", length: int) -> None:
    """Copy the first row into all others, as the engine does for queries on one document."""
    saved = model.save(0)
    for row in range(1, ROWS):
        model.forget(row)
        model.restore(row, saved, length)


def _ask(model: "Model", tokens: list[int]) -> None:
    for row in range(ROWS):
        _read(model, row, tokens, DOCUMENT_TOKENS, DOCUMENT_TOKENS + QUESTION_TOKENS)


def _answer(model: "Model", tokens: list[int], at: int) -> None:
    """One more token in each row."""
    model.decode([Span(row, at, [tokens[at]], wants_logits=True) for row in range(ROWS)])
