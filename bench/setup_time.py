"""How long a user waits: from an empty clone without any cache to the first quote, and to the model's first own words.

    python3 bench/setup_time.py [--out bench/results/setup.json]

Needs no environment, since making one is what it measures: only Python's own library, git and what `make up` needs.
"""

import argparse
import contextlib
import json
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

_ROOT: Final = Path(__file__).resolve().parent.parent
_QUESTION: Final = "How much notice must the tenant give?"
_CONTEXT: Final = "The tenant may end this lease at any time by giving two months notice in writing."
_STEP: Final = re.compile(r"^(Starting )?\d of \d")
_DETAIL: Final = re.compile(r"[;,]? ?[(;,].*")
"""Of a step's line, what is no name of the step."""
_READY: Final = "Goblin DocQA answers at"
_WITHIN_S: Final = 3600.0
_TICKS: Final = os.sysconf("SC_CLK_TCK")


class Clock:
    """Stamps what happens with the seconds since the start and the CPU seconds that a process tree has used."""

    def __init__(self, root_pid: int) -> None:
        self._root_pid = root_pid
        self._began_s = time.monotonic()
        self.stamps: list[tuple[str, float, float]] = []

    def stamp(self, name: str) -> None:
        self.stamps.append((name, time.monotonic() - self._began_s, _cpu_s(self._root_pid)))

    def steps(self) -> list[dict[str, Any]]:
        """Each step from its own stamp to the next one's."""
        pairs = zip(self.stamps, self.stamps[1:], strict=False)
        return [
            {"step": name, "wall_s": round(until_s - at_s, 1), "cpu_s": round(until_cpu_s - cpu_s, 1)}
            for (name, at_s, cpu_s), (_, until_s, until_cpu_s) in pairs
        ]


def main() -> int:
    """Exit status 1 when no answer came."""
    arguments = _arguments()
    with tempfile.TemporaryDirectory(prefix="docqa-setup-") as name:
        folder = Path(name)
        clone = folder / "clone"
        subprocess.run(["git", "clone", "--quiet", "--no-hardlinks", str(arguments.source), str(clone)], check=True)
        result = _measured(clone, _environment(folder))
        text = json.dumps(result, indent=2) + "\n"
        if arguments.out:
            arguments.out.write_text(text, encoding="utf-8")
        sys.stdout.write(text)
    return 0 if result["written"] else 1


def _measured(clone: Path, environment: Mapping[str, str]) -> dict[str, Any]:
    load_before = os.getloadavg()[0]
    with _up(clone, environment) as make:
        clock = Clock(make.pid)
        clock.stamp("begin")
        is_ready = _follow(make, clock)
        quote = _answer(clone, environment, "quote") if is_ready else ""
        clock.stamp("the first answer that the model writes")
        written = _answer(clone, environment, "write") if quote else ""
        clock.stamp("end")
    steps = clock.steps()
    return {
        "benchmark": "setup",
        "what": "`make up` in an empty clone without caches, then one question to be quoted and one to be written",
        "commit": _said_by("git", "-C", str(clone), "rev-parse", "--short", "HEAD"),
        "machine": {
            "cpu": _cpu_name(),
            "cores": len(os.sched_getaffinity(0)),
            "python": platform.python_version(),
            "compiler": _said_by("c++", "--version").partition("\n")[0],
            "load_before": round(load_before, 2),
        },
        "quote_wall_s": round(sum(step["wall_s"] for step in steps[:-1]), 1),
        "wall_s": round(sum(step["wall_s"] for step in steps), 1),
        "cpu_s": round(sum(step["cpu_s"] for step in steps), 1),
        "steps": steps,
        "quote": quote,
        "written": written,
    }


@contextlib.contextmanager
def _up(clone: Path, environment: Mapping[str, str]) -> Iterator["subprocess.Popen[str]"]:
    """`make up`, for the time of a block."""
    make = subprocess.Popen(
        ["make", "up"],
        cwd=clone,
        env=dict(environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        yield make
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(make.pid, signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            make.wait(60)


def _follow(make: "subprocess.Popen[str]", clock: Clock) -> bool:
    """Stamp each step that it reports; True once it is ready."""
    assert make.stdout is not None  # noqa: S101  # for the type checker: it is a pipe
    for line in make.stdout:
        sys.stderr.write(line)
        if _STEP.match(line):
            clock.stamp(_DETAIL.sub("", line.strip()))
        if line.startswith(_READY):
            clock.stamp("the first quote")
            return True
    return False


def _answer(clone: Path, environment: Mapping[str, str], style: str) -> str:
    """Waits for as long as the model is not there yet."""
    asked = [str(clone / ".venv/bin/docqa"), "ask", _QUESTION, "--context", _CONTEXT, "--style", style]
    return _said_by(*asked, environment=environment)


def _environment(folder: Path) -> dict[str, str]:
    """Everything that could have been kept from another time is elsewhere, and empty."""
    folders = {
        "HOME": "home",
        "UV_CACHE_DIR": "uv",
        "PIP_CACHE_DIR": "pip",
        "XDG_CACHE_HOME": "cache",
        "XDG_DATA_HOME": "data",
    }
    for name in folders.values():
        (folder / name).mkdir()
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("DOCQA_", "MODEL_", "VIRTUAL_"))}
    return {**kept, **{name: str(folder / where) for name, where in folders.items()}, "DOCQA_PORT": "0"}


def _cpu_s(root_pid: int) -> float:
    """CPU seconds of a process, of all that it has waited for, and of what lives below it."""
    found, waiting = 0.0, [root_pid]
    while waiting:
        pid = waiting.pop()
        with contextlib.suppress(OSError, ValueError):
            fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
            found += sum(map(int, fields[11:15])) / _TICKS
            for task in Path(f"/proc/{pid}/task").iterdir():
                waiting += map(int, (task / "children").read_text(encoding="ascii").split())
    return found


def _said_by(*command: str, environment: Mapping[str, str] | None = None) -> str:
    if not shutil.which(command[0]):
        return ""
    done = subprocess.run(
        command, env=dict(environment) if environment else None, capture_output=True, text=True, timeout=_WITHIN_S
    )
    return done.stdout.strip()


def _cpu_name() -> str:
    names = re.findall(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(encoding="utf-8"), re.MULTILINE)
    return names[0] if names else platform.machine()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", default=_ROOT, help="What is cloned. [default: this checkout]")
    parser.add_argument("--out", type=Path, help="Where the result is stored, as JSON.")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
