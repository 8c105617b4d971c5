"""Commands in the documentation that are run as they stand: blocks of `sh` that follow `<!-- tested -->`."""

import re
from pathlib import Path
from typing import Final

DOCS: Final = Path(__file__).parents[2] / "docs"
SYSTEMD_PAGE: Final = Path(__file__).parents[2] / "deploy" / "systemd" / "README.md"

_BLOCK = re.compile(r"<!-- tested -->\s*```sh\n(?P<text>.*?)```", re.DOTALL)
_NEXT_HEADING = re.compile(r"^#+ ", re.MULTILINE)


def commands_below(page: Path, heading: str) -> str:
    """The one block between a heading and the next one, of whatever level."""
    text = page.read_text(encoding="utf-8").partition(f"\n{heading}\n")[2]
    assert text, f"{page.name} has no heading {heading}"
    [found] = _BLOCK.finditer(_outside_of_blocks(text))
    return found["text"]


def _outside_of_blocks(text: str) -> str:
    """Up to the next heading: a comment in a block looks like one."""
    inside = [match.span() for match in _BLOCK.finditer(text)]
    for heading in _NEXT_HEADING.finditer(text):
        if not any(start <= heading.start() < end for start, end in inside):
            return text[: heading.start()]
    return text
