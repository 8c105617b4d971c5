"""Cuts a text for llama.cpp's tokenizers that split by regular expressions, which recurse once for each character.

One word of 40,000 letters overflows the stack and ends the process. So no stretch without a change between blank and
other characters reaches the tokenizer whole: it is cut where a token may end a little sooner, and means the same.
"""

import re
from typing import Final

MAX_RUN_CHARS: Final = 2000
"""Some kilobytes of stack for each character would fit a thread's 8 MiB; words and code are far shorter."""

_LONG_RUN: Final = re.compile(rf"\S{{{MAX_RUN_CHARS}}}|\s{{{MAX_RUN_CHARS}}}")


def parts_of(text: str) -> list[str]:
    """The text in parts, to be tokenized one by one; joined they are the text."""
    cuts = [match.end() for match in _LONG_RUN.finditer(text)]
    return [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True) if start < end]
