"""Makes control characters and chat templates' control tokens harmless: they steer terminals, readers and models.

Control characters go (one that ends a page or a line becomes a line's end), and so do those that turn the direction
of writing around and those that write what nobody sees. Joiners and spaces without width, which scripts need, go only
between two ASCII signs: there they part a word for a search, and for no reader; a soft hyphen alone stays
(`contract.redaction.detectors.soft_hyphens`). A chat template's control token gets a
space after its first sign: people read it as before, and no tokenizer takes it for its token.
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
"""DeepSeek writes its tokens between these, which look like bars."""

_TOKENS = (
    r"<\|[0-9A-Za-z_ .:-]{1,48}\|>"
    rf"|<{_BAR}[^<>\n]{{1,64}}{_BAR}>"
    r"|<</?SYS>>|</?s>|\[/?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS|TOOL_CONTENT|gMASK|IMG)\]"
    r"|</?(?:start_of_turn|end_of_turn|start_of_image|bos|eos|pad|unk|sop|eop|endoftext|tool_call|tool_response|"
    r"fim_prefix|fim_middle|fim_suffix|im_start|im_end|BOS_TOKEN|EOS_TOKEN|unused[0-9]{1,3}|extra_id_[0-9]{1,3})>"
)
_UNSEEN = "\u034f\u180e\u200b-\u200d\u2060\ufeff"
_UNSEEN_BYTES = r"(?:\xcd\x8f|\xe1\xa0\x8e|\xe2\x80[\x8b-\x8d]|\xe2\x81\xa0|\xef\xbb\xbf)"
# The same in bytes: C0 but tab and line ends, DEL, C1, embeddings and overrides of direction, isolates, tags.
_ANY = Pattern(
    r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|\xc2[\x80-\x9f]|\xe2\x80[\xaa-\xae]|\xe2\x81[\xa6-\xa9]|\xf3\xa0[\x80\x81]|"
    rf"[!-~](?:\xc2\xad)?{_UNSEEN_BYTES}|[!-~]\xc2\xad\xc2\xad|" + _TOKENS
)
_ENDS = re.compile("[\x0b\x0c\x1c-\x1e\x85]")
# The flags of England, Scotland and Wales are written with tags.
_CONTROLS = re.compile(
    "(\U0001f3f4[\U000e0061-\U000e007a]{3,6}\U000e007f)|[\x00-\x08\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]|[\U000e0000-\U000e007f]"
)
_TOKEN = re.compile(_TOKENS)
_PARTING = re.compile(f"(?<=[!-~])(?!{SOFT_HYPHEN}[!-~])[{_UNSEEN}{SOFT_HYPHEN}]+(?=[!-~])")
"""A soft hyphen alone is where a word may be parted at a line's end."""
_TOKEN_BYTES = Pattern(_TOKENS)


class Harmless(NamedTuple):
    """A text that steers nothing, and how many characters and tokens of it were changed."""

    text: str
    controls: int
    tokens: int


def is_harmless(text: Text) -> bool:
    """Whether nothing in a text may have to be changed."""
    view = joined(text.source)
    return text.searcher(_ANY)(0) is None and not (view and _TOKEN_BYTES.is_in(view.text.source))


def make_harmless(text: str) -> Harmless:
    """What comes of it is harmless."""
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
    """The text without tokens, and how many there were: between bars may stand another."""
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
    """The same for tokens that soft hyphens part."""
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
