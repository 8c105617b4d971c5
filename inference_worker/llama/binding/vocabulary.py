"""A model's vocabulary: text to tokens, tokens to text, and the chat template with its marks. For any thread."""

import ctypes
from typing import Any

import llama_cpp.llama_cpp as lc
import numpy as np
import numpy.typing as npt

from contract.errors import EngineError, SettingsError
from inference_worker.llama.binding.grammar import Grammar
from inference_worker.llama.binding.tokenizer_parts import parts_of
from inference_worker.llama.chat_template import PromptTemplate


class Vocabulary:
    """The tokens of loaded weights, which must outlive it."""

    def __init__(self, weights: Any) -> None:
        self._vocab = lc.llama_model_get_vocab(weights)
        self.size = int(lc.llama_vocab_n_tokens(self._vocab))
        self.splits_by_regex = lc.llama_vocab_type(self._vocab) == lc.LLAMA_VOCAB_TYPE_BPE
        """True for a tokenizer that llama.cpp runs by regular expressions."""
        self._pieces: dict[int, bytes] = {}
        self.token_bytes = self._token_bytes()
        self.longest_token_bytes = self._longest_token_bytes()

    def tokenize(self, text: str, parse_special: bool) -> list[int]:
        """Tokens of `text`, with nothing added before or after; control tokens only with `parse_special`.

        Raises EngineError.
        """
        if self.splits_by_regex:
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

    def grammar(self, schema: dict[str, Any]) -> Grammar:
        """A grammar for one answer; the caller closes it. Raises AnswerFormError."""
        return Grammar(self._vocab, schema)

    def begin_tokens(self) -> list[int]:
        """The token that the vocabulary wants before any text; none where it names one that it does not have."""
        token = int(lc.llama_vocab_bos(self._vocab))
        wants_token = lc.llama_vocab_get_add_bos(self._vocab)
        return [token] if wants_token and 0 <= token < self.size else []

    def piece(self, token: int) -> bytes:
        """The bytes of a token, not always whole characters; empty for a control token."""
        piece = self._pieces.get(token)
        if piece is None:
            piece = self._pieces[token] = _render(self._vocab, token, special=False)
        return piece

    def ends_answer(self, token: int) -> bool:
        """True for the tokens that end the model's turn."""
        return bool(lc.llama_vocab_is_eog(self._vocab, token))

    def _token_bytes(self) -> npt.NDArray[np.int32]:
        """How many bytes of text each token of the vocabulary renders to."""
        rendered = (len(_render(self._vocab, token, special=True)) for token in range(self.size))
        return np.fromiter(rendered, np.int32, self.size)

    def _longest_token_bytes(self) -> int:
        """The most bytes of text in one token, both as rendered and as stored."""
        rendered = int(self.token_bytes.max())
        if self.splits_by_regex:
            return rendered
        # SentencePiece stores a space as three bytes, which a text may hold as they are.
        stored = (len(lc.llama_vocab_get_text(self._vocab, token) or b"") for token in range(self.size))
        return max(rendered, *stored)


def load_template(weights: Any, name: str) -> PromptTemplate:
    """The chat template in the model's file; raises SettingsError if there is none."""
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
