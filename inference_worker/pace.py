"""How many tokens the model reads in a given time, learned from the steps before. Knows no clock of its own."""

from typing import Final

_FIRST_GUESS_S_PER_TOKEN: Final = 0.02
"""A large model on a small machine: the first step of an unknown model must not take half a minute."""

_LEAST_S_PER_TOKEN: Final = 1e-6

_FULL_WEIGHT_TOKENS: Final = 128
"""Short steps pay more for each token than long ones, and tell less of them."""


class Pace:
    """Follows the seconds that a token takes: they grow with the depth of a document."""

    def __init__(self) -> None:
        self._s_per_token = _FIRST_GUESS_S_PER_TOKEN

    def note(self, tokens: int, took_s: float) -> None:
        """Learn from one step that read `tokens`."""
        weight = min(tokens / _FULL_WEIGHT_TOKENS, 1.0)
        self._s_per_token += weight * (took_s / tokens - self._s_per_token)

    def tokens_in(self, seconds: float) -> int:
        """How many tokens can be read in `seconds`."""
        return int(seconds / max(self._s_per_token, _LEAST_S_PER_TOKEN)) if seconds > 0 else 0
