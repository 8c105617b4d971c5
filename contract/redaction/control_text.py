"""Makes control characters and chat templates' control tokens harmless: they steer terminals, readers and models.

Removed: control characters (a form feed and the like become a newline), characters that reverse the direction of
writing, and invisible tags. Zero-width joiners and spaces, which some scripts need, are removed only between two ASCII
characters, where they hide a word from a search but not from a reader; a single soft hyphen stays
(`contract.redaction.detectors.soft_hyphens`). A chat template's control token gets a space after its first character:
it looks the same to people, and no tokenizer reads it as its token.
"""

import re
from bisect import bisect_right
from itertools import accumulate
from typing import NamedTuple

from contract.redaction.detectors.pattern import Pattern
from contract.redaction.detectors.soft_hyphens import SOFT_HYPHEN, joined
from contract.redaction.detectors.text import Text

CONTROL_CHARACTER = "control-character"
CONTROL_TOKEN = "control-token"  # noqa: S105  # a kind's name

_BAR = "\uff5c"
"""DeepSeek encloses its tokens in this full-width bar."""

_TOKENS = (
    r"<\|[0-9A-Za-z_ .:-]{1,48}\|>"
    rf"|<{_BAR}[^<>\n]{{1,64}}{_BAR}>"
    r"|<</?SYS>>|</?s>|\[/?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS|TOOL_CONTENT|gMASK|IMG)\]"
    r"|</?(?:start_of_turn|end_of_turn|start_of_image|bos|eos|pad|unk|sop|eop|endoftext|tool_call|tool_response|"
    r"fim_prefix|fim_middle|fim_suffix|im_start|im_end|BOS_TOKEN|EOS_TOKEN|unused[0-9]{1,3}|extra_id_[0-9]{1,3})>"
)
_UNSEEN = "\u034f\u180e\u200b-\u200d\u2060\ufeff"
_UNSEEN_BYTES = r"(?:\xcd\x8f|\xe1\xa0\x8e|\xe2\x80[\x8b-\x8d]|\xe2\x81\xa0|\xef\xbb\xbf)"
# What may have to change, in UTF-8: C0 except tab and newlines, DEL, C1, bidirectional controls, tags.
_ANY = Pattern(
    r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|\xc2[\x80-\x9f]|\xe2\x80[\xaa-\xae]|\xe2\x81[\xa6-\xa9]|\xf3\xa0[\x80\x81]|"
    rf"[!-~](?:\xc2\xad)?{_UNSEEN_BYTES}|[!-~]\xc2\xad\xc2\xad|" + _TOKENS
)
_ENDS = re.compile("[\x0b\x0c\x1c-\x1e\x85]")
# The first group is kept: the flags of England, Scotland and Wales are written with tags.
_CONTROLS = re.compile(
    "(\U0001f3f4[\U000e0061-\U000e007a]{3,6}\U000e007f)|[\x00-\x08\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]|[\U000e0000-\U000e007f]"
)
_TOKEN = re.compile(_TOKENS)
_PARTING = re.compile(f"(?<=[!-~])(?!{SOFT_HYPHEN}[!-~])[{_UNSEEN}{SOFT_HYPHEN}]+(?=[!-~])")
"""Invisible characters inside a word, except a single soft hyphen: that marks where a word may be hyphenated."""
_TOKEN_BYTES = Pattern(_TOKENS)


class Harmless(NamedTuple):
    """A text without control characters and control tokens, and how many of each were changed."""

    text: str
    controls: int
    tokens: int


def is_harmless(text: Text) -> bool:
    """True if a text surely needs no change; False if it may."""
    view = joined(text.source)
    return text.searcher(_ANY)(0) is None and not (view and _TOKEN_BYTES.is_in(view.text.source))


def make_harmless(text: str) -> Harmless:
    """Removes control characters and breaks up control tokens; doing it again changes nothing."""
    text, ends = _ENDS.subn("\n", text)
    kept = 0

    def keep_flag(match: "re.Match[str]") -> str:
        nonlocal kept
        kept += match[1] is not None
        return match[1] or ""

    text, controls = _CONTROLS.subn(keep_flag, text)
    text, parting = _PARTING.subn("", text)
    text, tokens = _part_tokens(text)
    return Harmless(text, ends + controls - kept + parting, tokens)


def _part_tokens(text: str) -> tuple[str, int]:
    """Break up tokens and count them. One between full-width bars may contain another one, hence the second pass."""
    text, tokens = _TOKEN.subn(_part, text)
    if tokens and _BAR in text:
        text, inner = _TOKEN.subn(_part, text)
        tokens += inner
    hidden = SOFT_HYPHEN in text
    while hidden:
        text, inner = _part_hidden(text)
        tokens += inner
        hidden = inner > 0
    return text, tokens


def _part_hidden(text: str) -> tuple[str, int]:
    """The same for tokens that contain soft hyphens."""
    pieces = text.split(SOFT_HYPHEN)
    places = list(accumulate(map(len, pieces[:-1])))
    parts: list[str] = []
    end = 0
    tokens = [match.start() for match in _TOKEN.finditer("".join(pieces))]
    for start in tokens:
        first = start + bisect_right(places, start) + 1
        parts += (text[end:first], " ")
        end = first
    return "".join((*parts, text[end:])), len(tokens)


def _part(token: "re.Match[str]") -> str:
    return f"{token[0][0]} {token[0][1:]}"
