"""Runs the worker's tools as child processes and shows their progress. The kernel ends them with this process."""

import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from typing import IO, Any, Final

from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from contract import worker_tools
from contract.errors import DocQAError
from contract.runtime.terminal import echo, rich_console
from contract.worker_tools import Began, Chosen, Failed, Trying, Working
from ops.console import Console
from ops.models.tuning_table import description
from ops.supervisor import parent_death

_CLEANS_UP_WITHIN_S: Final = 20.0


def watch(arguments: list[str], *, quiet: bool) -> Chosen:
    """Run a tuning; returns its reply. Raises DocQAError with its sentence."""
    with tempfile.TemporaryFile() as words, _running(arguments, words) as lines, _progress(quiet) as progress:
        task, tenths = progress.add_task("Preparing", total=1.0), _Tenths(quiet=quiet)
        for line in lines:
            match worker_tools.decode(line):
                case Began(model=model):
                    if not quiet:
                        echo(f"Measuring the fastest way to run {model} here: some minutes for a small one.", err=True)
                case Trying(candidate=candidate, done=done):
                    progress.update(task, completed=done, description=description(candidate))
                    tenths.show(done, description(candidate))
                case Chosen() as chosen:
                    progress.update(task, completed=1.0, description="Done")
                    return chosen
                case Failed(sentence=sentence):
                    raise DocQAError(sentence)
        raise DocQAError(_last(words) or "The tuning exited without a choice.")


@contextlib.contextmanager
def _running(arguments: list[str], words: IO[bytes]) -> Iterator[IO[bytes]]:
    """The lines that the tuning prints; it is ended with the block."""
    program = worker_tools.command("tune", *arguments)
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", str(parent_death.__file__), str(os.getpid()), *program],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=words,
        # Ctrl-C in a terminal reaches this process first, which then lets the tuning clean up.
        start_new_session=True,
    )
    with process:
        try:
            assert process.stdout  # noqa: S101  # for the type checker: it is a pipe
            yield process.stdout
        finally:
            _end(process)


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(_CLEANS_UP_WITHIN_S)
    except subprocess.TimeoutExpired:
        process.kill()


def _progress(quiet: bool) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TimeElapsedColumn(),
        console=rich_console(stderr=True),
        transient=True,
        disable=quiet or not sys.stderr.isatty(),
    )


class _Tenths:
    """Progress where there is no terminal: a line for each tenth."""

    def __init__(self, *, quiet: bool) -> None:
        self._is_silent = quiet or sys.stderr.isatty()
        self._next = 0.0

    def show(self, done: float, what: str) -> None:
        if not self._is_silent and done >= self._next:
            self._next = done + 0.1
            echo(f"{done:4.0%}  {what}", err=True)


def _last(words: IO[bytes]) -> str:
    words.seek(0)
    return words.read().decode(errors="replace").strip().rpartition("\n")[2]


def run(arguments: list[str], environment: Mapping[str, str], *, quiet: bool) -> dict[str, Any]:
    """Run the snapshot tool; returns its reply's fields. Raises DocQAError with its sentence."""
    program = worker_tools.command("model_snapshots", *arguments)
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", str(parent_death.__file__), str(os.getpid()), *program],
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    with process, Console(quiet=quiet) as console:
        for line in process.stdout or ():
            match worker_tools.decode(line):
                case Working(what=what, path=path):
                    console.work(f"{what.capitalize()} {path}")
                case Failed(sentence=sentence):
                    raise DocQAError(sentence)
                case reply:
                    return worker_tools.as_json(reply)
    raise DocQAError("The model tool exited without a result; see its log.")
