"""Holds one sequence's answer to the form of a JSON schema: llama.cpp's grammar, made of the schema.

Knows tokens and logits; the schema was checked by `contract.answer_schema`.
"""

import ctypes
from typing import Any, Final

import llama_cpp.llama_cpp as lc
import msgspec
import numpy as np
import numpy.typing as npt
from llama_cpp.llama_grammar import json_schema_to_gbnf

from contract.errors import AnswerFormError

MAX_GRAMMAR_CHARS: Final = 200_000
_LIKELIEST: Final = 1024
"""Tokens that are tried before the whole vocabulary is, which takes many times as long."""
_CANDIDATE: Final = np.dtype([("id", np.int32), ("logit", np.float32), ("p", np.float32)])

Candidates = npt.NDArray[np.void]


class Grammar:
    """The state of one answer."""

    def __init__(self, vocab: Any, schema: dict[str, Any]) -> None:
        """`schema` `{}`: any JSON object. Raises AnswerFormError where no grammar can be made of it."""
        self._end = int(lc.llama_vocab_eos(vocab))
        self._grammar = lc.llama_sampler_init_grammar(vocab, grammar_of(schema).encode(), b"root")
        if not self._grammar:
            raise AnswerFormError

    def take(self, guess: int, logits: npt.NDArray[np.float32], chain: Any = None) -> int:
        """`guess` where the form takes it, else the likeliest token that it takes, or one drawn by `chain`.

        The end of the answer where it takes none. The token counts as said.
        """
        token = guess if self._takes(guess) else self._another(logits, chain)
        if token is None:
            return self._end
        # Only what was just found to be taken: llama.cpp ends the process over anything else.
        lc.llama_sampler_accept(self._grammar, token)
        return token

    def close(self) -> None:
        """Free the grammar; safe to repeat."""
        grammar, self._grammar = self._grammar, None
        if grammar is not None:
            lc.llama_sampler_free(grammar)

    def _takes(self, token: int) -> bool:
        one = _candidates(np.array([token], np.int32), np.zeros(1, np.float32))
        self._apply(one)
        return bool(np.isfinite(one["logit"][0]))

    def _another(self, logits: npt.NDArray[np.float32], chain: Any) -> int | None:
        count = min(_LIKELIEST, len(logits))
        likeliest = np.argpartition(logits, -count)[-count:].astype(np.int32)
        for tokens in (likeliest, np.arange(len(logits), dtype=np.int32)):
            found = self._best(tokens, logits[tokens]) if chain is None else self._drawn(tokens, logits[tokens], chain)
            if found is not None:
                return found
        return None

    def _best(self, tokens: npt.NDArray[np.int32], logits: npt.NDArray[np.float32]) -> int | None:
        candidates = _candidates(tokens, logits)
        self._apply(candidates)
        best = int(candidates["logit"].argmax())
        return int(candidates["id"][best]) if np.isfinite(candidates["logit"][best]) else None

    def _drawn(self, tokens: npt.NDArray[np.int32], logits: npt.NDArray[np.float32], chain: Any) -> int | None:
        candidates = _candidates(tokens, logits)
        self._apply(candidates)
        taken = np.ascontiguousarray(candidates[np.isfinite(candidates["logit"])])
        if not len(taken):
            return None
        array = _array(taken)
        lc.llama_sampler_apply(chain, ctypes.byref(array))
        return int(array.data[array.selected].id)

    def _apply(self, candidates: Candidates) -> None:
        """Give what the form does not take a logit of minus infinity."""
        lc.llama_sampler_apply(self._grammar, ctypes.byref(_array(candidates)))


def grammar_of(schema: dict[str, Any]) -> str:
    """The grammar in llama.cpp's notation; raises AnswerFormError."""
    try:
        text: str = json_schema_to_gbnf(msgspec.json.encode(schema or {"type": "object"}).decode())
    except (AssertionError, KeyError, RecursionError, TypeError, ValueError):
        raise AnswerFormError from None
    if len(text) > MAX_GRAMMAR_CHARS:
        raise AnswerFormError
    return text


def _candidates(tokens: npt.NDArray[np.int32], logits: npt.NDArray[np.float32]) -> Candidates:
    candidates = np.zeros(len(tokens), _CANDIDATE)
    candidates["id"], candidates["logit"] = tokens, logits
    return candidates


def _array(candidates: Candidates) -> Any:
    pointer = candidates.ctypes.data_as(ctypes.POINTER(lc.llama_token_data))
    return lc.llama_token_data_array(data=pointer, size=len(candidates), selected=-1, sorted=False)
