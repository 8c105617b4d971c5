"""The only file that knows llama.cpp: a GGUF, its vocabulary, one context, and what a step runs on them.

Everything but `tokenize` and `sampler` belongs to one thread at a time. Knows nothing of queries, queues or asyncio.
"""

import ctypes
import functools
import secrets
import time
from pathlib import Path
from typing import Any, Final

import llama_cpp.llama_cpp as lc
import numpy as np
import structlog

from contract.errors import EngineError, SettingsError
from inference_worker.prompt import PromptTemplate
from inference_worker.sequence import Span

_BATCH_TOKENS: Final = 128
"""Larger steps read no faster on a CPU, and whoever cancels waits for the end of a step."""

_MOST_CONTEXT_TOKENS: Final = 32_768
"""Models made for 128 thousand tokens would take many gigabytes for them."""

_LOG_ERROR = 4
_NO_TOKEN = -1
_GREEDY_BELOW: Final = 1e-4
"""Colder than this, logits divided by the temperature leave what a float holds."""

log = structlog.get_logger(__name__)


class DecodeError(EngineError):
    """The model could not run a step."""


class Sampler:
    """A chain of llama.cpp's samplers with a state of its own, for one sequence."""

    def __init__(self, temperature: float, top_p: float, seed: int | None) -> None:
        """`temperature` 0 takes the likeliest token; without a `seed` every sampler draws differently."""
        self._chain: Any = lc.llama_sampler_chain_init(lc.llama_sampler_chain_default_params())
        if temperature < _GREEDY_BELOW:
            self._add(lc.llama_sampler_init_greedy())
            return
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
    """A model in memory, with room for `rows` sequences of `context_tokens`; a step takes `batch_tokens`."""

    rows = 1
    batch_tokens = _BATCH_TOKENS

    def __init__(self, path: Path, threads: int) -> None:
        """Load `path`; raises SettingsError when llama.cpp can't, or when it can't hold a conversation."""
        began_s = time.monotonic()
        _start_library()
        self.name = path.stem
        self._weights = _load_weights(path)
        self._vocab = lc.llama_model_get_vocab(self._weights)
        self.template = self._load_template()
        self._context = _open_context(self._weights, threads)
        self._memory = lc.llama_get_memory(self._context)
        self._batch = _Batch(_BATCH_TOKENS)
        self.context_tokens = int(lc.llama_n_ctx_seq(self._context))
        self.longest_token_bytes = self._longest_token_bytes()
        log.info("model loaded", model=self.name, threads=threads, seconds=round(time.monotonic() - began_s, 2))

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

    def opening(self) -> list[int]:
        """The token that the vocabulary wants before any text, if any."""
        if not lc.llama_vocab_get_add_bos(self._vocab):
            return []
        return [int(lc.llama_vocab_bos(self._vocab))]

    def piece(self, token: int) -> bytes:
        """The bytes of a token, not always whole characters; nothing for a control token."""
        return self._render(token, special=False)

    def ends_answer(self, token: int) -> bool:
        """True for the tokens by which the model ends its turn."""
        return bool(lc.llama_vocab_is_eog(self._vocab, token))

    def decode(self, spans: list[Span]) -> list[int]:
        """Run one step over all `spans`, at most `batch_tokens` together; raises DecodeError.

        Returns for each span the place of its last token's logits, valid until the next step.
        """
        places = self._batch.fill(spans)
        code = lc.llama_decode(self._context, self._batch.raw)
        if code != 0:
            raise DecodeError(f"The model could not run a step (llama_decode returned {code}).")
        return places

    def sampler(self, temperature: float, top_p: float, seed: int | None) -> Sampler:
        """A sampler for one sequence, for its owner to close. May be made on any thread."""
        return Sampler(temperature, top_p, seed)

    def sample(self, sampler: Sampler, place: int) -> int:
        """Draw the next token from the logits at `place`."""
        return sampler.sample(self._context, place)

    def forget(self, row: int) -> None:
        """Drop one sequence from the memory."""
        lc.llama_memory_seq_rm(self._memory, row, -1, -1)

    def clear(self) -> None:
        """Drop all sequences, also after a failed step."""
        lc.llama_memory_clear(self._memory, True)

    def close(self) -> None:
        """Free everything. The model can't be used afterwards."""
        self._batch.close()
        lc.llama_free(self._context)
        lc.llama_model_free(self._weights)

    def _load_template(self) -> PromptTemplate:
        source = lc.llama_model_chat_template(self._weights, None)
        if not source:
            raise SettingsError(f"MODEL_NAME: {self.name} has no chat template; name a model made for instructions.")
        bos, eos = lc.llama_vocab_bos(self._vocab), lc.llama_vocab_eos(self._vocab)
        return PromptTemplate(source.decode(), bos_token=self._mark(bos), eos_token=self._mark(eos))

    def _mark(self, token: int) -> str:
        return "" if token == _NO_TOKEN else self._render(token, special=True).decode()

    def _longest_token_bytes(self) -> int:
        """No token stands for more bytes of text than this, read both as rendered and as stored."""
        count = lc.llama_vocab_n_tokens(self._vocab)
        rendered = max(len(self._render(token, special=True)) for token in range(count))
        if lc.llama_vocab_type(self._vocab) == lc.LLAMA_VOCAB_TYPE_BPE:
            return rendered
        # SentencePiece stores a space as three bytes, which a text may hold as they are.
        return max(rendered, *(len(lc.llama_vocab_get_text(self._vocab, token) or b"") for token in range(count)))

    def _render(self, token: int, special: bool) -> bytes:
        size = 64
        while True:
            buffer = ctypes.create_string_buffer(size)
            length = lc.llama_token_to_piece(self._vocab, token, buffer, size, 0, special)
            if length >= 0:
                return buffer.raw[:length]
            size = -length


class _Batch:
    """llama.cpp's arrays for one step, wrapped once."""

    def __init__(self, size: int) -> None:
        self.raw = lc.llama_batch_init(size, 0, 1)
        self._tokens = np.ctypeslib.as_array(self.raw.token, (size,))
        self._positions = np.ctypeslib.as_array(self.raw.pos, (size,))
        self._wants_logits = np.ctypeslib.as_array(self.raw.logits, (size,))
        np.ctypeslib.as_array(self.raw.n_seq_id, (size,))[:] = 1

    def fill(self, spans: list[Span]) -> list[int]:
        """Lay the spans one after another; return the place of each one's last token."""
        start, places = 0, []
        for span in spans:
            end = start + len(span.tokens)
            self._tokens[start:end] = span.tokens
            self._positions[start:end] = np.arange(span.position, span.position + len(span.tokens))
            self._wants_logits[start:end] = 0
            self._wants_logits[end - 1] = span.wants_logits
            for place in range(start, end):
                self.raw.seq_id[place][0] = span.row
            places.append(end - 1)
            start = end
        self.raw.n_tokens = start
        return places

    def close(self) -> None:
        lc.llama_batch_free(self.raw)


def _load_weights(path: Path) -> Any:
    params = lc.llama_model_default_params()
    # GCC removes the stores of ggml's tile configuration, and the first AMX multiplication crashes the process
    # (ggml-org/llama.cpp#26954). Without the extra buffer types no weight is laid out for AMX.
    params.use_extra_bufts = b"AMX_INT8 = 1" not in lc.llama_print_system_info()
    weights = lc.llama_model_load_from_file(bytes(path), params)
    if not weights:
        raise SettingsError(f"MODEL_NAME: llama.cpp can't load {path}; the log says why. Name another model.")
    return weights


def _open_context(weights: Any, threads: int) -> Any:
    params = lc.llama_context_default_params()
    params.n_ctx = min(lc.llama_model_n_ctx_train(weights), _MOST_CONTEXT_TOKENS)
    params.n_batch = params.n_ubatch = _BATCH_TOKENS
    params.n_threads = params.n_threads_batch = threads
    # On a CPU it costs two thirds of the decode speed at depth.
    params.flash_attn_type = lc.LLAMA_FLASH_ATTN_TYPE_DISABLED
    context = lc.llama_init_from_model(weights, params)
    if not context:
        raise SettingsError(
            f"MODEL_NAME: no memory for a context of {params.n_ctx} tokens; name a smaller model, or add memory."
        )
    return context


@functools.cache
def _start_library() -> None:
    lc.llama_log_set(_log_callback, None)
    lc.llama_backend_init()


def _log(level: int, text: bytes, _user_data: Any) -> None:
    """Pass llama.cpp's errors on; its chatter is dropped."""
    if level == _LOG_ERROR:
        log.error("llama.cpp", text=text.decode(errors="replace").strip())


# llama.cpp keeps only the address: the object must live as long as the process.
_log_callback = lc.llama_log_callback(_log)
