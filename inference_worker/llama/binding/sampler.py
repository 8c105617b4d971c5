"""Samples a sequence's next token from logits, by llama.cpp's samplers. Knows nothing of the model."""

import secrets
from typing import Any, Final

import llama_cpp.llama_cpp as lc
import numpy as np
import numpy.typing as npt

from inference_worker.llama.binding.grammar import Grammar

_GREEDY_BELOW: Final = 1e-4
"""Below this, logits divided by the temperature overflow a float."""


class Sampler:
    """Samples tokens for one sequence, with a random state of its own."""

    def __init__(self, temperature: float, top_p: float, seed: int | None, grammar: Grammar | None = None) -> None:
        """`temperature` 0 takes the likeliest token; without a `seed` every sampler has a random one.

        Owns `grammar`, which holds the answer to a form, from now on.
        """
        self._chain: Any = None
        self._grammar = grammar
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

    def formed(self, guess: int, logits: npt.NDArray[np.float32]) -> int:
        """`guess`, or another token where the answer's form wants one."""
        return guess if self._grammar is None else self._grammar.take(guess, logits, self._chain)

    def close(self) -> None:
        """Free the chain and the grammar; safe to repeat."""
        if self._grammar:
            self._grammar.close()
        chain, self._chain = self._chain, None
        if chain is not None:
            lc.llama_sampler_free(chain)

    def _add(self, sampler: Any) -> None:
        # The chain frees its samplers.
        lc.llama_sampler_chain_add(self._chain, sampler)
