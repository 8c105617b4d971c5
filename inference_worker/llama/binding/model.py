"""The only file that knows llama.cpp: a GGUF's weights and vocabulary, one context, and the steps run on them.

Everything but `tokenize` and `sampler` belongs to one thread at a time. Knows nothing of queries, queues or asyncio.
"""

import ctypes
import functools
import hashlib
import secrets
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeAlias

import llama_cpp
import llama_cpp.llama_cpp as lc
import msgspec
import numpy as np
import numpy.typing as npt
import structlog

from contract.errors import EngineError, SettingsError
from contract.runtime.resources import available_cores, free_bytes
from inference_worker.llama.chat_template import PromptTemplate
from inference_worker.llama.kv_memory import DecodeError, NoRoomError
from inference_worker.llama.kv_size import Shape, row_tokens
from inference_worker.llama.loaded_files import LoadedFiles
from inference_worker.llama.row_gaps import rows_between
from inference_worker.llama.run_options import RunOptions
from inference_worker.llama.sequence import Span
from inference_worker.llama.tokenizer_parts import parts_of

_LOG_ERROR = 4
_NO_ROOM = 1
_BYTES = ctypes.POINTER(ctypes.c_uint8)
_GREEDY_BELOW: Final = 1e-4
"""Below this, logits divided by the temperature overflow a float."""

_GGML_TYPE_BF16 = 30  # the library does not name it
_KV_TYPES: Final = {"f16": lc.GGML_TYPE_F16, "bf16": _GGML_TYPE_BF16}

QUANTIZATIONS: Final = {
    "q4_0": lc.LLAMA_FTYPE_MOSTLY_Q4_0,
    "q4_1": lc.LLAMA_FTYPE_MOSTLY_Q4_1,
    "iq4_nl": lc.LLAMA_FTYPE_MOSTLY_IQ4_NL,
    "q4_k_m": lc.LLAMA_FTYPE_MOSTLY_Q4_K_M,
    "q5_k_m": lc.LLAMA_FTYPE_MOSTLY_Q5_K_M,
    "q6_k": lc.LLAMA_FTYPE_MOSTLY_Q6_K,
    "q8_0": lc.LLAMA_FTYPE_MOSTLY_Q8_0,
    "f16": lc.LLAMA_FTYPE_MOSTLY_F16,
    "bf16": lc.LLAMA_FTYPE_MOSTLY_BF16,
}
"""The quantizations that a file can be converted to, by the names that operators know."""

Saved: TypeAlias = npt.NDArray[np.uint8]

log = structlog.get_logger(__name__)


def library_version() -> str:
    """The release of llama-cpp-python, with which a tuning choice was measured."""
    return str(llama_cpp.__version__)


def library_build() -> str:
    """Another text for each time that the library's kernels were compiled, safe in a file's name."""
    kernels = sorted((Path(llama_cpp.__file__).parent / "lib").glob("libggml-cpu*.so*"))
    facts = [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in kernels]
    return hashlib.sha256(repr((llama_cpp.__version__, facts)).encode()).hexdigest()[:12]


def quantize(source: Path, target: Path, kind: str) -> None:
    """Convert `source` to `kind`, one of QUANTIZATIONS; raises EngineError. `target` may be left half-written."""
    _start_library()
    params = lc.llama_model_quantize_default_params()
    params.ftype = QUANTIZATIONS[kind]
    params.nthread = available_cores()
    params.allow_requantize = True
    if lc.llama_model_quantize(bytes(source), bytes(target), ctypes.byref(params)) != 0:
        raise EngineError(f"llama.cpp can't convert {source.name} to {kind}.")


class Sampler:
    """Samples tokens for one sequence, with a random state of its own."""

    def __init__(self, temperature: float, top_p: float, seed: int | None) -> None:
        """`temperature` 0 takes the likeliest token; without a `seed` every sampler has a random one."""
        self._chain: Any = None
        self.is_greedy = temperature < _GREEDY_BELOW
        if self.is_greedy:
            return
        self._chain = lc.llama_sampler_chain_init(lc.llama_sampler_chain_default_params())
        self._add(lc.llama_sampler_init_temp(temperature))
        self._add(lc.llama_sampler_init_top_p(top_p, 1))
        # To llama.cpp the largest 32-bit number means "any seed".
        drawn = secrets.randbits(32) if seed is None else seed
        self._add(lc.llama_sampler_init_dist(drawn % lc.LLAMA_DEFAULT_SEED))

    def sample(self, context: Any, index: int) -> int:
        """The next token from the logits at `index`."""
        return int(lc.llama_sampler_sample(self._chain, context, index))

    def close(self) -> None:
        """Free the chain; safe to repeat."""
        chain, self._chain = self._chain, None
        if chain is not None:
            lc.llama_sampler_free(chain)

    def _add(self, sampler: Any) -> None:
        # The chain frees its samplers.
        lc.llama_sampler_chain_add(self._chain, sampler)


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
        _start_library()
        self.name = path.stem
        self.rows = rows
        self.step_tokens = options.step_tokens
        self.files = LoadedFiles(path)
        self._weights = _load_weights(path, options)
        self._vocab = lc.llama_model_get_vocab(self._weights)
        self._vocab_size = int(lc.llama_vocab_n_tokens(self._vocab))
        self._splits_by_regex = lc.llama_vocab_type(self._vocab) == lc.LLAMA_VOCAB_TYPE_BPE
        self._warn_of_default_tokenizer()
        self.template = _load_template(self._weights, self.name)
        self.shape = shape or _shape(self._weights)
        self.context_tokens = row_tokens(self.shape, rows, context_tokens, free_bytes())
        self._context = _open_context(self._weights, options, rows, self.context_tokens)
        self._memory = lc.llama_get_memory(self._context)
        self._is_split = options.kv_layout == "split" and not _has_state(self._weights)
        self._batch = _Batch(options.step_tokens + rows)
        self._pieces: dict[int, bytes] = {}
        self.library_s = 0.0
        """Seconds of the steps spent inside llama.cpp; the rest of a step is ours."""
        self.token_bytes = self._token_bytes()
        self.longest_token_bytes = self._longest_token_bytes()
        log.info(
            "model loaded",
            model=self.name,
            seconds=round(time.monotonic() - began_s, 2),
            rows=rows,
            context_tokens=self.context_tokens,
            **msgspec.structs.asdict(options),
        )

    def tokenize(self, text: str, parse_special: bool) -> list[int]:
        """Tokens of `text`, with nothing added before or after; control tokens only with `parse_special`.

        May run on any thread. Raises EngineError.
        """
        if self._splits_by_regex:
            return [token for part in parts_of(text) for token in self._tokenize(part, parse_special)]
        return self._tokenize(text, parse_special)

    def _tokenize(self, text: str, parse_special: bool) -> list[int]:
        raw = text.encode()
        room = len(raw) + 2
        tokens = (lc.llama_token * room)()
        count = lc.llama_tokenize(self._vocab, raw, len(raw), tokens, room, False, parse_special)
        if count < 0:
            raise EngineError("The text could not be tokenized.")
        return tokens[:count]

    def tokens_within(self, tokens: list[int], size_bytes: int) -> int:
        """How many of the first `tokens` lie wholly within their text's first `size_bytes`."""
        ends = np.cumsum(self.token_bytes[tokens])
        return int(np.searchsorted(ends, size_bytes, side="right"))

    def begin_tokens(self) -> list[int]:
        """The token that the vocabulary wants before any text; none where it names one that it does not have."""
        token = int(lc.llama_vocab_bos(self._vocab))
        wants_token = lc.llama_vocab_get_add_bos(self._vocab)
        return [token] if wants_token and 0 <= token < self._vocab_size else []

    def piece(self, token: int) -> bytes:
        """The bytes of a token, not always whole characters; empty for a control token."""
        piece = self._pieces.get(token)
        if piece is None:
            piece = self._pieces[token] = self._render(token, special=False)
        return piece

    def ends_answer(self, token: int) -> bool:
        """True for the tokens that end the model's turn."""
        return bool(lc.llama_vocab_is_eog(self._vocab, token))

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
        return np.ctypeslib.as_array(pointer, (self._vocab_size,))

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

    def sampler(self, temperature: float, top_p: float, seed: int | None) -> Sampler:
        """A sampler for one sequence; the caller closes it. May be made on any thread."""
        return Sampler(temperature, top_p, seed)

    def sample(self, sampler: Sampler, index: int) -> int:
        """Sample the next token from the logits at `index`."""
        # llama.cpp's own greedy sampler first copies the whole vocabulary into a list of candidates.
        if sampler.is_greedy:
            return int(self.logits(index).argmax())
        return int(self._timed(sampler.sample, self._context, index))

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

    def _warn_of_default_tokenizer(self) -> None:
        """llama.cpp reports this too, among many other warnings, which are not shown."""
        if self._splits_by_regex and _metadata(self._weights, "tokenizer.ggml.pre") is None:
            log.warning(
                "the model's file does not name its pre-tokenizer (tokenizer.ggml.pre): answers may be worse than the "
                "model's own; convert the model again with a current llama.cpp",
                model=self.name,
            )

    def _token_bytes(self) -> npt.NDArray[np.int32]:
        """How many bytes of text each token of the vocabulary renders to."""
        rendered = (len(self._render(token, special=True)) for token in range(self._vocab_size))
        return np.fromiter(rendered, np.int32, self._vocab_size)

    def _longest_token_bytes(self) -> int:
        """The most bytes of text in one token, both as rendered and as stored."""
        rendered = int(self.token_bytes.max())
        if lc.llama_vocab_type(self._vocab) == lc.LLAMA_VOCAB_TYPE_BPE:
            return rendered
        # SentencePiece stores a space as three bytes, which a text may hold as they are.
        stored = (len(lc.llama_vocab_get_text(self._vocab, token) or b"") for token in range(self._vocab_size))
        return max(rendered, *stored)

    def _render(self, token: int, special: bool) -> bytes:
        return _render(self._vocab, token, special=special)


def check_vocabulary(path: Path) -> None:
    """Have llama.cpp read all but the weights; raises the SettingsError that loading the model would raise."""
    _start_library()
    weights = _load_weights(path, RunOptions(), vocabulary_only=True)
    try:
        _load_template(weights, path.stem)
    finally:
        lc.llama_model_free(weights)


def _load_template(weights: Any, name: str) -> PromptTemplate:
    source = lc.llama_model_chat_template(weights, None)
    if not source:
        raise SettingsError(f"MODEL_NAME: {name} has no chat template; name a model made for instructions.")
    vocab = lc.llama_model_get_vocab(weights)
    marks = [_mark(vocab, int(token)) for token in (lc.llama_vocab_bos(vocab), lc.llama_vocab_eos(vocab))]
    return PromptTemplate(source.decode(errors="replace"), bos_token=marks[0], eos_token=marks[1])


def _mark(vocab: Any, token: int) -> str:
    is_known = 0 <= token < lc.llama_vocab_n_tokens(vocab)
    return _render(vocab, token, special=True).decode(errors="replace") if is_known else ""


def _render(vocab: Any, token: int, *, special: bool) -> bytes:
    size = 64
    while True:
        buffer = ctypes.create_string_buffer(size)
        length = lc.llama_token_to_piece(vocab, token, buffer, size, 0, special)
        if length >= 0:
            return buffer.raw[:length]
        size = -length


class _Batch:
    """llama.cpp's arrays for one step, in memory of our own that is written by slices."""

    def __init__(self, size: int) -> None:
        self._tokens = np.zeros(size, np.int32)
        self._positions = np.zeros(size, np.int32)
        self._rows = np.zeros(size, np.int32)
        self._row_counts = np.ones(size, np.int32)
        self._wants_logits = np.zeros(size, np.int8)
        address = self._rows.ctypes.data
        # One row for each token: an array of pointers into `_rows`.
        self._row_pointers = np.arange(address, address + 4 * size, 4, dtype=np.uintp)
        self.raw = lc.llama_batch(
            n_tokens=0,
            token=self._tokens.ctypes.data_as(ctypes.POINTER(lc.llama_token)),
            embd=None,
            pos=self._positions.ctypes.data_as(ctypes.POINTER(lc.llama_pos)),
            n_seq_id=self._row_counts.ctypes.data_as(ctypes.POINTER(ctypes.c_int32)),
            seq_id=self._row_pointers.ctypes.data_as(ctypes.POINTER(ctypes.POINTER(lc.llama_seq_id))),
            logits=self._wants_logits.ctypes.data_as(ctypes.POINTER(ctypes.c_int8)),
        )

    def fill(self, spans: list[Span]) -> list[int]:
        """Lay the spans one after another; return the index of each one's last token."""
        start, indices = 0, []
        for span in spans:
            end = start + len(span.tokens)
            self._tokens[start:end] = span.tokens
            self._positions[start:end] = range(span.position, span.position + len(span.tokens))
            self._rows[start:end] = span.row
            self._wants_logits[start:end] = 0
            self._wants_logits[end - 1] = span.wants_logits
            indices.append(end - 1)
            start = end
        self.raw.n_tokens = start
        return indices

    def wants_all_logits(self, count: int) -> None:
        self._wants_logits[:count] = 1


def _load_weights(path: Path, options: RunOptions, *, vocabulary_only: bool = False) -> Any:
    params = lc.llama_model_default_params()
    params.n_gpu_layers = options.gpu_layers
    params.use_extra_bufts = options.extra_buffers
    params.vocab_only = vocabulary_only
    _last_errors.clear()
    weights = lc.llama_model_load_from_file(bytes(path), params)
    if not weights:
        why = _last_errors[0].rpartition("error loading model: ")[2].rstrip(".") if _last_errors else "the log says why"
        raise SettingsError(f"MODEL_NAME: llama.cpp can't load {path}: {why}. Name another model.")
    return weights


def _metadata(weights: Any, key: str) -> str | None:
    """A text or number of the file's header as text; None for a key that it does not have."""
    buffer = ctypes.create_string_buffer(1024)
    length = lc.llama_model_meta_val_str(weights, key.encode(), buffer, len(buffer))
    return buffer.value.decode(errors="replace") if length >= 0 else None


def _shape(weights: Any) -> Shape:
    architecture = _metadata(weights, "general.architecture")

    def length(name: str) -> int:
        text = _metadata(weights, f"{architecture}.attention.{name}") or ""
        return int(text) if text.isdecimal() else 0

    return Shape(
        trained_tokens=int(lc.llama_model_n_ctx_train(weights)),
        layers=int(lc.llama_model_n_layer(weights)),
        heads=int(lc.llama_model_n_head(weights)),
        kv_heads=int(lc.llama_model_n_head_kv(weights)),
        embedding=int(lc.llama_model_n_embd(weights)),
        key_length=length("key_length"),
        value_length=length("value_length"),
    )


def _has_state(weights: Any) -> bool:
    """True for a model whose memory is one state (recurrent): no token can be dropped from it."""
    return bool(lc.llama_model_is_recurrent(weights) or lc.llama_model_is_hybrid(weights))


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
    context = lc.llama_init_from_model(weights, params)
    if not context:
        raise SettingsError(
            f"DOCQA_SLOTS: no memory for {rows} slots of {row_tokens} tokens; set fewer slots, "
            "or DOCQA_CONTEXT_TOKENS to a smaller number."
        )
    return context


@functools.cache
def _start_library() -> None:
    lc.llama_log_set(_log_callback, None)
    _load_variant(Path(llama_cpp.__file__).parent / "lib")
    lc.llama_backend_init()


@functools.cache
def _load_variant(folder: Path) -> None:
    """Load the kernels for this processor, where the library was built for any: then it contains none itself."""
    if any(folder.glob("libggml-cpu-*.so")):
        # Called through libllama: a wheel holds copies instead of links, and each copy has its own list of kernels.
        load = lc._lib.ggml_backend_load_all_from_path
        load.argtypes, load.restype = [ctypes.c_char_p], None
        load(bytes(folder))


def _log(level: int, text: bytes, _user_data: Any) -> None:
    """Log llama.cpp's errors; the rest is dropped."""
    if level == _LOG_ERROR:
        words = text.decode(errors="replace").strip()
        _last_errors.append(words)
        log.error("llama.cpp", text=words)


_last_errors: deque[str] = deque(maxlen=8)
"""What llama.cpp logged since the last load began: a call of it says no more than that it failed."""


# llama.cpp keeps only the address: the object must live as long as the process.
_log_callback = lc.llama_log_callback(_log)
