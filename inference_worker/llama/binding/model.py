"""A model in memory: weights, one context, and the steps run on them.

Everything but `vocabulary` and `sampler` belongs to one thread at a time. Knows nothing of queries, queues or asyncio.
"""

import ctypes
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeAlias

import llama_cpp.llama_cpp as lc
import msgspec
import numpy as np
import numpy.typing as npt
import structlog

from contract.errors import SettingsError
from contract.runtime.resources import free_bytes
from inference_worker.llama.binding.loaded_files import LoadedFiles
from inference_worker.llama.binding.row_gaps import rows_between
from inference_worker.llama.binding.sampler import Sampler
from inference_worker.llama.binding.step_batch import StepBatch
from inference_worker.llama.binding.untouched import opened_untouched
from inference_worker.llama.binding.vocabulary import Vocabulary, load_template
from inference_worker.llama.binding.weights import has_state, load_weights, metadata, shape_of, window_of
from inference_worker.llama.kv_memory import DecodeError, NoRoomError
from inference_worker.llama.kv_size import Shape, row_tokens
from inference_worker.llama.run_options import RunOptions
from inference_worker.llama.sequence import Span

_NO_ROOM: Final = 1
_BYTES = ctypes.POINTER(ctypes.c_uint8)
_GGML_TYPE_BF16: Final = 30  # the library does not name it
_KV_TYPES: Final = {"f16": lc.GGML_TYPE_F16, "bf16": _GGML_TYPE_BF16}

Saved: TypeAlias = npt.NDArray[np.uint8]

log = structlog.get_logger(__name__)


class Model:
    """A model in memory, with `rows` sequences of `context_tokens` each; a step takes `step_tokens`."""

    def __init__(
        self, path: Path, options: RunOptions, rows: int, context_tokens: int = 0, shape: Shape | None = None
    ) -> None:
        """Load `path`; `context_tokens` 0 is as many as the model was trained for and the memory holds.

        `shape` is the one in the file's header, which can say more than llama.cpp hands on.

        Raises SettingsError when llama.cpp can't load it, or when it has no usable chat template.
        """
        began_s = time.monotonic()
        self.name = path.stem
        self.rows = rows
        self.step_tokens = options.step_tokens
        self.files = LoadedFiles(path)
        self._weights = load_weights(path, options)
        self.vocabulary = Vocabulary(self._weights)
        if self.vocabulary.splits_by_regex:
            _warn_of_default_tokenizer(self._weights, self.name)
        self.template = load_template(self._weights, self.name)
        self.shape = shape or shape_of(self._weights)
        self.context_tokens = row_tokens(self.shape, rows, context_tokens, free_bytes())
        self._context = _open_context(self._weights, options, rows, self.context_tokens)
        self._memory = lc.llama_get_memory(self._context)
        self.can_cut = not has_state(self._weights) and not window_of(self._weights)
        """False: tokens can't be dropped from the end of a row, or what they covered is gone."""
        self._is_split = options.kv_layout == "split" and not has_state(self._weights)
        self._batch = StepBatch(options.step_tokens + rows)
        self.library_s = 0.0
        """Seconds of the steps spent inside llama.cpp; the rest of a step is ours."""
        log.info(
            "model loaded",
            model=self.name,
            seconds=round(time.monotonic() - began_s, 2),
            rows=rows,
            context_tokens=self.context_tokens,
            **msgspec.structs.asdict(options),
        )
        if not self.can_cut:
            log.info(
                "the model has a sliding window or a state: what it has read is reused up to a document's end, "
                "and in no shorter part",
                model=self.name,
            )

    def decode(self, spans: list[Span]) -> list[int]:
        """Run one step over all `spans`, at most `step_tokens` + `rows` tokens; raises NoRoomError or DecodeError.

        Returns for each span the index of its last token's logits, valid until the next step.
        """
        filler = self._filler(spans)
        together = sorted((*spans, *filler), key=lambda span: span.row) if filler else spans
        indices = self._batch.fill(together)
        code = self._timed(lc.llama_decode, self._context, self._batch.raw)
        if code == _NO_ROOM:
            raise NoRoomError
        if code != 0:
            raise DecodeError(f"The model could not run a step (llama_decode returned {code}).")
        if not filler:
            return indices
        self._drop_filler(filler)
        index_of = {span.row: index for span, index in zip(together, indices, strict=True)}
        return [index_of[span.row] for span in spans]

    def logits(self, index: int) -> npt.NDArray[np.float32]:
        """The logits at `index`, one for each token of the vocabulary: a view, valid until the next step."""
        pointer = self._timed(lc.llama_get_logits_ith, self._context, index)
        return np.ctypeslib.as_array(pointer, (self.vocabulary.size,))

    def all_logits(self, tokens: list[int]) -> npt.NDArray[np.float32]:
        """The logits after each of `tokens`, evaluated from position 0 in one row. Drops all sequences."""
        self.clear()
        rows = []
        for start in range(0, len(tokens), self.step_tokens):
            part = tokens[start : start + self.step_tokens]
            self._batch.fill([Span(0, start, part, wants_logits=True)])
            self._batch.wants_all_logits(len(part))
            if (code := lc.llama_decode(self._context, self._batch.raw)) != 0:
                raise DecodeError(f"The model could not run a step (llama_decode returned {code}).")
            rows += [self.logits(index).copy() for index in range(len(part))]
        self.clear()
        return np.stack(rows)

    def sampler(
        self, temperature: float, top_p: float, seed: int | None, schema: dict[str, Any] | None = None
    ) -> Sampler:
        """A sampler for one sequence; the caller closes it. May be made on any thread.

        `schema`: the JSON schema of the answer. Raises AnswerFormError where it can't be kept to.
        """
        grammar = None if schema is None else self.vocabulary.grammar(schema)
        return Sampler(temperature, top_p, seed, grammar)

    def sample(self, sampler: Sampler, index: int) -> int:
        """Sample the next token from the logits at `index`."""
        # llama.cpp's own greedy sampler first copies the whole vocabulary into a list of candidates.
        logits = self.logits(index)
        guess = int(logits.argmax()) if sampler.is_greedy else int(self._timed(sampler.sample, self._context, index))
        return sampler.formed(guess, logits)

    def save(self, row: int) -> Saved:
        """A copy of the row's KV cache, which can be restored into any row of this model."""
        size = self._timed(lc.llama_state_seq_get_size, self._context, row)
        saved = np.empty(size, np.uint8)
        self._timed(lc.llama_state_seq_get_data, self._context, saved.ctypes.data_as(_BYTES), size, row)
        return saved

    def restore(self, row: int, saved: Saved, length: int) -> bool:
        """Restore the first `length` saved tokens into the row; False, and an empty row, when that fails."""
        data = saved.ctypes.data_as(_BYTES)
        read = self._timed(lc.llama_state_seq_set_data, self._context, data, saved.size, row)
        if read == 0:
            self.forget(row)
            return False
        return self.truncate(row, length)

    def truncate(self, row: int, length: int) -> bool:
        """Keep the row's first `length` tokens; False, and an empty row, for a model that can't drop the rest."""
        if self._timed(lc.llama_memory_seq_rm, self._memory, row, length, -1):
            return True
        self.forget(row)
        return False

    def forget(self, row: int) -> None:
        """Empty one row."""
        self._timed(lc.llama_memory_seq_rm, self._memory, row, -1, -1)

    def clear(self) -> None:
        """Empty all rows, also after a failed step."""
        lc.llama_memory_clear(self._memory, True)

    def close(self) -> None:
        """Free everything. The model can't be used afterwards."""
        lc.llama_free(self._context)
        lc.llama_model_free(self._weights)

    def _filler(self, spans: list[Span]) -> list[Span]:
        """One token for each idle row that makes a decode step faster (`row_gaps`); it is dropped after the step."""
        if not self._is_split or any(len(span.tokens) > 1 for span in spans):
            return []
        deepest = max(span.position for span in spans)
        held = [int(lc.llama_memory_seq_pos_max(self._memory, row)) + 1 for row in range(self.rows)]
        # All rows of a pass are computed as deep as the deepest one.
        rows = rows_between([span.row for span in spans], lambda row: held[row] <= deepest)
        return [Span(row, held[row], spans[0].tokens, wants_logits=False) for row in rows]

    def _drop_filler(self, filler: list[Span]) -> None:
        for span in filler:
            if not self.truncate(span.row, span.position):
                raise DecodeError("The model could not drop a token from its KV cache.")

    def _timed(self, call: Callable[..., Any], *arguments: Any) -> Any:
        """Call llama.cpp, and add the time to `library_s`."""
        began_s = time.perf_counter()
        try:
            return call(*arguments)
        finally:
            self.library_s += time.perf_counter() - began_s


def _open_context(weights: Any, options: RunOptions, rows: int, row_tokens: int) -> Any:
    params = lc.llama_context_default_params()
    params.n_ctx = rows * row_tokens
    params.n_seq_max = rows
    params.kv_unified = options.kv_layout == "unified"
    params.n_batch = options.step_tokens + rows
    params.n_ubatch = options.step_tokens
    params.n_threads = params.n_threads_batch = options.threads
    params.type_k = params.type_v = _KV_TYPES[options.kv_type]
    params.flash_attn_type = (
        lc.LLAMA_FLASH_ATTN_TYPE_ENABLED if options.flash_attention else lc.LLAMA_FLASH_ATTN_TYPE_DISABLED
    )
    context = opened_untouched(lambda: lc.llama_init_from_model(weights, params))
    if not context:
        raise SettingsError(
            f"DOCQA_SLOTS: no memory for {rows} slots of {row_tokens} tokens; set fewer slots, "
            "or DOCQA_CONTEXT_TOKENS to a smaller number."
        )
    return context


def _warn_of_default_tokenizer(weights: Any, name: str) -> None:
    """llama.cpp reports this too, among many other warnings, which are not shown."""
    if metadata(weights, "tokenizer.ggml.pre") is None:
        log.warning(
            "the model's file does not name its pre-tokenizer (tokenizer.ggml.pre): answers may be worse than the "
            "model's own; convert the model again with a current llama.cpp",
            model=name,
        )
