"""Which of the parameters of a chat completion a model takes. Hosted ones differ, and say so only when they refuse.

Pure. What limits an answer is called by its other name; what only steers the choice of tokens is left out, since a
model that refuses it has one way to choose. Stop strings are never left out: the answer would be another one.
"""

from collections.abc import Mapping, Set
from typing import Any, Final

_OTHER_NAMES: Final = {"max_tokens": "max_completion_tokens"}
_DISPENSABLE: Final = frozenset({"temperature", "top_p", "seed"})

REFUSABLE: Final = _DISPENSABLE | _OTHER_NAMES.keys()
"""Without these a question can still be asked."""


def spelled(asked: Mapping[str, Any], refused: Set[str]) -> dict[str, Any]:
    """What is asked, as a model wants it that refused these parameters."""
    named = {_OTHER_NAMES.get(name, name) if name in refused else name: value for name, value in asked.items()}
    return {name: value for name, value in named.items() if name not in refused}
