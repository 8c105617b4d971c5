"""Everything that a command prints goes through here: nothing in it can steer the terminal that shows it.

Answers, file names, a model's metadata and messages of other programs may contain escape sequences. Knows text and
streams; what is printed, its callers know.
"""

import re
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

import click

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType
    from rich.segment import Segment

_REPLACEMENT: Final = "\N{REPLACEMENT CHARACTER}"
_STEERING: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # C0 (but tab and line feed), DEL, C1
    "\N{LEFT-TO-RIGHT EMBEDDING}-\N{RIGHT-TO-LEFT OVERRIDE}"
    "\N{LEFT-TO-RIGHT ISOLATE}-\N{POP DIRECTIONAL ISOLATE}"
    "\ud800-\udfff]"  # bytes of arguments and file names that are not UTF-8
)


def printable(text: str) -> str:
    """The text with each character that steers a terminal replaced; a carriage return before a line feed goes."""
    return _STEERING.sub(_REPLACEMENT, text.replace("\r\n", "\n"))


def echo(text: object = "", *, err: bool = False, nl: bool = True) -> None:
    """Print a line of text to stdout, or to stderr."""
    click.echo(printable(str(text)), err=err, nl=nl)


def rich_console(**options: Any) -> "Console":
    """A console of rich whose tables, bars and texts print nothing that steers the terminal but its own styles."""
    # Imported here, because rich is slow to import and plain output does not need it.
    import rich.console
    from rich.segment import Segment

    class _Console(rich.console.Console):
        def render(self, renderable: "RenderableType", options: "ConsoleOptions | None" = None) -> "Iterable[Segment]":
            for text, style, control in super().render(renderable, options):
                yield Segment(text if control else printable(text), style, control)

    return _Console(**options)


def print_exactly() -> None:
    """Let stdout and stderr take any text: what their encoding lacks is written as an escape."""
    for stream in (sys.stdout, sys.stderr):
        if reconfigure := getattr(stream, "reconfigure", None):
            reconfigure(errors="backslashreplace")
