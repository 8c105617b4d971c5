"""The shell scripts: they pass the checkers, explain wrong calls, and run one at a time."""

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy.support.checkers import check
from tests.deploy.support.places import DEPLOY, SYSTEMD
from tests.support import processes
from tests.support.waiting import until

DEPLOYS = SYSTEMD / "deploy_units.sh"
STARTS = DEPLOY / "bin" / "start-docqa.sh"
SCRIPTS = [DEPLOYS, STARTS, *sorted(SYSTEMD.glob("lib/*.sh"))]


def test_shellcheck_finds_nothing() -> None:
    assert check("shellcheck", "--external-sources", DEPLOYS, STARTS) == ""


def test_every_script_is_formatted() -> None:
    assert check("shfmt", "--diff", "--indent", "2", *SCRIPTS) == ""


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [(["--what"], "there is no option --what"), (["--purge"], "--purge goes with --uninstall only")],
)
def test_a_wrong_call_is_told_in_a_sentence(arguments: list[str], sentence: str) -> None:
    done = subprocess.run([DEPLOYS, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.rstrip().endswith(f"deploy_units.sh: {sentence}")


def test_a_switch_that_is_neither_true_nor_false_is_told_and_not_taken_for_no() -> None:
    environment = {**os.environ, "ENSURE_USER": "yes"}
    done = subprocess.run([DEPLOYS], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == "deploy_units.sh: ENSURE_USER is 'yes': set it to true or to false\n"


def test_a_checkout_that_is_updated_while_the_script_runs_does_not_meet_it(tmp_path: Path) -> None:
    shutil.copytree(SYSTEMD, tmp_path / "deploy/systemd")
    script = tmp_path / "deploy/systemd" / DEPLOYS.name
    # What the script calls to show its usage writes to the script.
    updates = tmp_path / "bin" / "cat"
    updates.parent.mkdir()
    updates.write_text(f"#!/bin/sh\necho 'echo read on' >>{script}\necho usage\n")
    updates.chmod(0o755)
    environment = {"PATH": f"{updates.parent}:{os.environ['PATH']}"}
    done = subprocess.run([script, "--help"], env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "usage\n")
    assert script.read_text(encoding="utf-8").endswith("echo read on\n")


class ByHand:
    """`start-docqa.sh` on a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ready_file = folder / "ready.json"

    def start(self) -> subprocess.Popen[str]:
        here = {"DOCQA_LOCK": str(self.folder / "lock"), "DOCQA_SETTINGS": str(self.folder / "none")}
        places = ["--data-dir", str(self.folder / "data"), "--uds", str(self.folder / "sock")]
        return subprocess.Popen(
            [STARTS, *places, "--http", "127.0.0.1:0", "--engine", "echo", "--ready-file", str(self.ready_file)],
            env=processes.environment(self.folder, here),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )


@pytest.fixture
def by_hand() -> Iterator[ByHand]:
    """A Unix socket's path ends at 107 bytes: pytest's own folders are too long."""
    folder = Path(tempfile.mkdtemp(prefix="dq"))
    yield ByHand(folder)
    processes.end_by_force(folder)
    shutil.rmtree(folder)


def test_by_hand_there_is_one_at_a_time_and_a_killed_one_is_in_nobodys_way(by_hand: ByHand) -> None:
    with contextlib.ExitStack() as started:
        first = started.enter_context(by_hand.start())
        until(by_hand.ready_file.exists, "the first one is ready")
        second = started.enter_context(by_hand.start())
        assert second.wait(20) == 75
        assert second.stderr
        assert f"another one runs (process {first.pid})" in second.stderr.read()
        os.kill(first.pid, signal.SIGKILL)
        first.wait(20)
        by_hand.ready_file.unlink()
        third = started.enter_context(by_hand.start())
        until(by_hand.ready_file.exists, "the third one is ready")
        third.terminate()
        assert third.wait(40) == 0
