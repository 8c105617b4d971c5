"""Progress messages of `docqa`: a spinner on a terminal, plain lines elsewhere.

Progress and warnings go to stderr, so that stdout contains only the requested output.
"""

import logging
import sys
from types import TracebackType
from typing import TYPE_CHECKING, Self

import structlog

from contract.runtime.terminal import echo, rich_console

if TYPE_CHECKING:
    from rich.status import Status


class Console:
    """One spinner at a time, with lines above it."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self._status: Status | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.rest()

    @property
    def is_live(self) -> bool:
        """True where the current step replaces the one before on the screen."""
        return not self._quiet and sys.stderr.isatty()

    def work(self, text: str) -> None:
        """Show the current step."""
        if self._quiet:
            return
        if not sys.stderr.isatty():
            echo(text, err=True)
        elif self._status:
            self._status.update(text)
        else:
            self._status = _spinner(text)

    def say(self, text: str) -> None:
        if not self._quiet:
            self._line(text)

    def warn(self, text: str) -> None:
        self._line(text)

    def rest(self) -> None:
        """Remove the spinner: no step is running."""
        if self._status:
            self._status.stop()
            self._status = None

    def _line(self, text: str) -> None:
        if self._status:
            self._status.console.print(text, markup=False, highlight=False)
        else:
            echo(text, err=True)


def silence_logs() -> None:
    """Keep the log lines of libraries off the user's screen."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    logging.disable(logging.ERROR)


def _spinner(text: str) -> "Status":
    status = rich_console(stderr=True).status(text)
    status.start()
    return status
