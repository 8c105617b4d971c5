"""The only file that knows llama.cpp: a GGUF, its vocabulary, one context, and what a step runs on them.

Everything but `tokenize` and `sampler` belongs to one thread at a time. Knows nothing of queries, queues or asyncio.
"""

import ctypes
import functools
import hashlib
import secrets
import time
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
from inference_worker.llama.row_gaps import rows_between
from inference_worker.llama.run_options import RunOptions
from inference_worker.llama.sequence import Span

_LOG_ERROR = 4
_NO_ROOM = 1
_NO_TOKEN = -1
_BYTES = ctypes.POINTER(ctypes.c_uint8)
_GREEDY_BELOW: Final = 1e-4
"""Colder than this, logits divided by the temperature leave what a float holds."""

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
"""What a file can be turned into, by the name that operators know."""

Saved: TypeAlias = npt.NDArray[np.uint8]

log = structlog.get_logger(__name__)


def library_version() -> str:
    """The release of the library that a choice was measured with."""
    return str(llama_cpp.__version__)


def library_build() -> str:
    """Another text for each time that the library's kernels were compiled, safe in a file's name."""
    kernels = sorted((Path(llama_cpp.__file__).parent / "lib").glob("libggml-cpu*.so*"))
    facts = [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in kernels]
    return hashlib.sha256(repr((llama_cpp.__version__, facts)).encode()).hexdigest()[:12]


def quantize(source: Path, target: Path, kind: str) -> None:
    """Write `source` anew as `kind`, one of QUANTIZATIONS; raises EngineError. `target` may be left half-written."""
    _start_library()
    params = lc.llama_model_quantize_default_params()
    params.ftype = QUANTIZATIONS[kind]
    params.nthread = available_cores()
    params.allow_requantize = True
    if lc.llama_model_quantize(bytes(source), bytes(target), ctypes.byref(params)) != 0:
        raise EngineError(f"llama.cpp can't turn {source.name} into {kind}.")


class Sampler:
    """Draws tokens for one sequence, with a state of its own."""

    def __init__(self, temperature: float, top_p: float, seed: int | None) -> None:
        """`temperature` 0 takes the likeliest token; without a `seed` every sampler draws differently."""
        self._chain: Any = None
        self.is_greedy = temperature < _GREEDY_BELOW
        if self.is_greedy:
            return
        self._chain = lc.llama_sampler_chain_init(lc.llama_sampler_chain_default_params())
        self._add(lc.llama_sampler_init_temp(temperature))
        self._add(lc.llama_sampler_init_top_p(top_p, 1))
        # The largest 32-bit number means "any seed" to llama.cpp, which would not be repeatable.
        drawn = secrets.randbits(32) if seed is None else seed
        self._add(lc.llama_sampler_init_dist(drawn % lc.LLAMA_DEFAULT_SEED))

    def sample(self, context: Any, place: int) -> int:
        return int(lc.llama_sampler_sample(self._chain, context, place))

    def close(self) -> None:
        """Free the chain; safe to repeat."""
        chain, self._chain = self._chain, None
        if chain is not None:
            lc.llama_sampler_free(chain)

    def _add(self, sampler: Any) -> None:
        # The chain frees what it holds.
        lc.llama_sampler_chain_add(self._chain, sampler)


class Model:
    """A model in memory, with `rows` sequences of `context_tokens` each; a step takes `step_tokens`."""

    def __init__(self, path: Path, options: RunOptions, rows: int, context_tokens: int = 0) -> None:
        """Load `path`; `context_tokens` 0 is as many as the model knows and the memory holds.

        Raises SettingsError when llama.cpp can't load it, or when it can't hold a conversation.
        """
        began_s = time.monotonic()
        _start_library()
        self.name = path.stem
        self.rows = rows
        self.step_tokens = options.step_tokens
        self._weights = _load_weights(path, options)
        self._vocab = lc.llama_model_get_vocab(self._weights)
        self._vocab_size = int(lc.llama_vocab_n_tokens(self._vocab))
        self.template = self._load_template()
        self.shape = _shape(self._weights)
        self.context_tokens = row_tokens(self.shape, rows, context_tokens, free_bytes())
        self._context = _open_context(self._weights, options, rows, self.context_tokens)
        self._memory = lc.llama_get_memory(self._context)
        self._is_split = options.kv_layout == "split" and not _has_state(self._weights)
        self._batch = _Batch(options.step_tokens + rows)
        self._pieces: dict[int, bytes] = {}
        self.library_s = 0.0
        """Seconds that the steps have passed inside of llama.cpp: the rest of them is ours."""
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
        """Tokens of `text`, with no marks added; only with `parse_special` does it make control tokens.

        May run on any thread.
        """
        raw = text.encode()
        room = len(raw) + 2
        tokens = (lc.llama_token * room)()
        count = lc.llama_tokenize(self._vocab, raw, len(raw), tokens, room, False, parse_special)
        if count < 0:
            raise EngineError("The model could not read the text as tokens.")
        return tokens[:count]

    def tokens_within(self, tokens: list[int], size_bytes: int) -> int:
        """How many of the first `tokens` lie wholly within their text's first `size_bytes`."""
        ends = np.cumsum(self.token_bytes[tokens])
        return int(np.searchsorted(ends, size_bytes, side="right"))

    def opening(self) -> list[int]:
        """The token that the vocabulary wants before any text, if any."""
        if not lc.llama_vocab_get_add_bos(self._vocab):
            return []
        return [int(lc.llama_vocab_bos(self._vocab))]

    def piece(self, token: int) -> bytes:
        """The bytes of a token, not always whole characters; nothing for a control token."""
        piece = self._pieces.get(token)
        if piece is None:
            piece = self._pieces[token] = self._render(token, special=False)
        return piece

    def ends_answer(self, token: int) -> bool:
        """True for the tokens by which the model ends its turn."""
        return bool(lc.llama_vocab_is_eog(self._vocab, token))

    def decode(self, spans: list[Span]) -> list[int]:
        """Run one step over all `spans`, at most `step_tokens` + `rows` tokens; raises NoRoomError or DecodeError.

        Returns for each span the place of its last token's logits, valid until the next step.
        """
        company = self._company(spans)
        together = sorted((*spans, *company), key=lambda span: span.row) if company else spans
        places = self._batch.fill(together)
        code = self._timed(lc.llama_decode, self._context, self._batch.raw)
        if code == _NO_ROOM:
            raise NoRoomError
        if code != 0:
            raise DecodeError(f"The model could not run a step (llama_decode returned {code}).")
        if not company:
            return places
        self._dismiss(company)
        place_of = {span.row: place for span, place in zip(together, places, strict=True)}
        return [place_of[span.row] for span in spans]

    def logits(self, place: int) -> npt.NDArray[np.float32]:
        """The logits at `place`, one for each token of the vocabulary: a view, valid until the next step."""
        pointer = self._timed(lc.llama_get_logits_ith, self._context, place)
        return np.ctypeslib.as_array(pointer, (self._vocab_size,))

    def all_logits(self, tokens: list[int]) -> npt.NDArray[np.float32]:
        """The logits after each of `tokens`, read from the start in one row. Drops all sequences."""
        self.clear()
        rows = []
        for start in range(0, len(tokens), self.step_tokens):
            part = tokens[start : start + self.step_tokens]
            self._batch.fill([Span(0, start, part, wants_logits=True)])
            self._batch.wants_all_logits(len(part))
            if (code := lc.llama_decode(self._context, self._batch.raw)) != 0:
                raise DecodeError(f"The model could not run a step (llama_decode returned {code}).")
            rows += [self.logits(place).copy() for place in range(len(part))]
        self.clear()
        return np.stack(rows)

    def sampler(self, temperature: float, top_p: float, seed: int | None) -> Sampler:
        """A sampler for one sequence, for its owner to close. May be made on any thread."""
        return Sampler(temperature, top_p, seed)

    def sample(self, sampler: Sampler, place: int) -> int:
        """Draw the next token from the logits at `place`."""
        # llama.cpp's own greedy sampler first copies the whole vocabulary into a list of candidates.
        if sampler.is_greedy:
            return int(self.logits(place).argmax())
        return int(self._timed(sampler.sample, self._context, place))

    def save(self, row: int) -> Saved:
        """A copy of all that the row's cells hold, to be restored into any row of this model."""
        size = self._timed(lc.llama_state_seq_get_size, self._context, row)
        saved = np.empty(size, np.uint8)
        self._timed(lc.llama_state_seq_get_data, self._context, saved.ctypes.data_as(_BYTES), size, row)
        return saved

    def restore(self, row: int, saved: Saved, length: int) -> bool:
        """Let the row hold the first `length` tokens of what was saved; False, and an empty row, when it can't be."""
        data = saved.ctypes.data_as(_BYTES)
        read = self._timed(lc.llama_state_seq_set_data, self._context, data, saved.size, row)
        if read == 0:
            self.forget(row)
            return False
        return self.truncate(row, length)

    def truncate(self, row: int, length: int) -> bool:
        """Keep the row's first `length` tokens; False, and an empty row, for a model that can't go back."""
        if self._timed(lc.llama_memory_seq_rm, self._memory, row, length, -1):
            return True
        self.forget(row)
        return False

    def forget(self, row: int) -> None:
        """Drop one sequence from the memory."""
        self._timed(lc.llama_memory_seq_rm, self._memory, row, -1, -1)

    def clear(self) -> None:
        """Drop all sequences, also after a failed step."""
        lc.llama_memory_clear(self._memory, True)

    def close(self) -> None:
        """Free everything. The model can't be used afterwards."""
        lc.llama_free(self._context)
        lc.llama_model_free(self._weights)

    def _company(self, spans: list[Span]) -> list[Span]:
        """One token for each idle row that a round is faster with; it means nothing, and is dropped after the step."""
        if not self._is_split or any(len(span.tokens) > 1 for span in spans):
            return []
        deepest = max(span.position for span in spans)
        held = [int(lc.llama_memory_seq_pos_max(self._memory, row)) + 1 for row in range(self.rows)]
        # All rows of a pass are computed as deep as the deepest one.
        rows = rows_between([span.row for span in spans], lambda row: held[row] <= deepest)
        return [Span(row, held[row], spans[0].tokens, wants_logits=False) for row in rows]

    def _dismiss(self, company: list[Span]) -> None:
        for span in company:
            if not self.truncate(span.row, span.position):
                raise DecodeError("The model could not take back a token.")

    def _timed(self, call: Callable[..., Any], *arguments: Any) -> Any:
        """Call llama.cpp, and count the time."""
        began_s = time.perf_counter()
        try:
            return call(*arguments)
        finally:
            self.library_s += time.perf_counter() - began_s

    def _load_template(self) -> PromptTemplate:
        source = lc.llama_model_chat_template(self._weights, None)
        if not source:
            raise SettingsError(f"MODEL_NAME: {self.name} has no chat template; name a model made for instructions.")
        bos, eos = lc.llama_vocab_bos(self._vocab), lc.llama_vocab_eos(self._vocab)
        return PromptTemplate(source.decode(), bos_token=self._mark(bos), eos_token=self._mark(eos))

    def _mark(self, token: int) -> str:
        return "" if token == _NO_TOKEN else self._render(token, special=True).decode()

    def _token_bytes(self) -> npt.NDArray[np.int32]:
        """How many bytes of text each token of the vocabulary stands for, as rendered."""
        rendered = (len(self._render(token, special=True)) for token in range(self._vocab_size))
        return np.fromiter(rendered, np.int32, self._vocab_size)

    def _longest_token_bytes(self) -> int:
        """No token stands for more bytes of text than this, read both as rendered and as stored."""
        rendered = int(self.token_bytes.max())
        if lc.llama_vocab_type(self._vocab) == lc.LLAMA_VOCAB_TYPE_BPE:
            return rendered
        # SentencePiece stores a space as three bytes, which a text may hold as they are.
        stored = (len(lc.llama_vocab_get_text(self._vocab, token) or b"") for token in range(self._vocab_size))
        return max(rendered, *stored)

    def _render(self, token: int, special: bool) -> bytes:
        size = 64
        while True:
            buffer = ctypes.create_string_buffer(size)
            length = lc.llama_token_to_piece(self._vocab, token, buffer, size, 0, special)
            if length >= 0:
                return buffer.raw[:length]
            size = -length


class _Batch:
    """llama.cpp's arrays for one step: our own memory, which is written by slices."""

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
        """Lay the spans one after another; return the place of each one's last token."""
        start, places = 0, []
        for span in spans:
            end = start + len(span.tokens)
            self._tokens[start:end] = span.tokens
            self._positions[start:end] = range(span.position, span.position + len(span.tokens))
            self._rows[start:end] = span.row
            self._wants_logits[start:end] = 0
            self._wants_logits[end - 1] = span.wants_logits
            places.append(end - 1)
            start = end
        self.raw.n_tokens = start
        return places

    def wants_all_logits(self, count: int) -> None:
        self._wants_logits[:count] = 1


def _load_weights(path: Path, options: RunOptions) -> Any:
    params = lc.llama_model_default_params()
    params.n_gpu_layers = options.gpu_layers
    params.use_extra_bufts = options.extra_buffers
    weights = lc.llama_model_load_from_file(bytes(path), params)
    if not weights:
        raise SettingsError(f"MODEL_NAME: llama.cpp can't load {path}; the log says why. Name another model.")
    return weights


def _shape(weights: Any) -> Shape:
    return Shape(
        trained_tokens=int(lc.llama_model_n_ctx_train(weights)),
        layers=int(lc.llama_model_n_layer(weights)),
        heads=int(lc.llama_model_n_head(weights)),
        kv_heads=int(lc.llama_model_n_head_kv(weights)),
        embedding=int(lc.llama_model_n_embd(weights)),
    )


def _has_state(weights: Any) -> bool:
    """True for a model that folds what it read into one state: no token can be taken back."""
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
    """Load the kernels that fit this processor, where the library was built for any: it has none of its own then."""
    if any(folder.glob("libggml-cpu-*.so")):
        # Found through libllama: a wheel holds copies where there were links, and another copy has a list of its own.
        load = lc._lib.ggml_backend_load_all_from_path
        load.argtypes, load.restype = [ctypes.c_char_p], None
        load(bytes(folder))


def _log(level: int, text: bytes, _user_data: Any) -> None:
    """Pass llama.cpp's errors on; its chatter is dropped."""
    if level == _LOG_ERROR:
        log.error("llama.cpp", text=text.decode(errors="replace").strip())


# llama.cpp keeps only the address: the object must live as long as the process.
_log_callback = lc.llama_log_callback(_log)
