"""Disaster recovery: the numbered commands of docs/operations.md, run as they stand, on a fresh clone."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import httpx
import pytest

from contract.settings import KNOWN_NAMES
from tests.deploy.support.places import ROOT
from tests.support import processes
from tests.support.client import Client
from tests.support.page import DOCS, commands_below
from tests.support.stack import Options, Stack, running

WAITING: Final = 3
WITHIN_S: Final = 540
UP: Final = ".venv/bin/docqa up\n"
UP_BESIDE: Final = """.venv/bin/docqa up --ready-file "$PWD/ready.json" >up.log 2>&1 </dev/null &
until [ -s ready.json ]; do kill -0 $!; sleep 0.2; done
"""
"""The page says "in a terminal of its own"."""

pytestmark = [pytest.mark.slow, pytest.mark.model, pytest.mark.timeout(600)]


@pytest.fixture
def elsewhere() -> Iterator[Path]:
    """The new machine. Short: a Unix socket's path ends at 107 bytes."""
    folder = Path(tempfile.mkdtemp(prefix="dq"))
    yield folder
    processes.end_by_force(folder)
    shutil.rmtree(folder, ignore_errors=True)


async def test_the_commands_of_the_page_bring_everything_back_on_a_fresh_clone(elsewhere: Path) -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("what is to be cloned must be a git checkout")
    jobs = await lost(elsewhere)
    printed = run_the_page(elsewhere)
    assert f"Restored {WAITING} in DOCQA_JOBS" in printed
    assert list((elsewhere / "own-models").glob("*.gguf"))
    transport = httpx.AsyncHTTPTransport(uds=str(elsewhere / "data" / "docqa.sock"))
    async with httpx.AsyncClient(transport=transport, base_url="http://docqa") as http:
        ended = [await Client(http).finished(job, timeout_s=60) for job in jobs]
    assert [job["status"] for job in ended] == ["done"] * WAITING
    assert len(list((elsewhere / "backups").glob("docqa-*.tar"))) == 2


async def lost(elsewhere: Path) -> list[str]:
    """Jobs of a system of which nothing is left but its backup and the snapshot of its model."""
    with running(Options(queue_size=20, slots=1, echo_delay_s=60)) as former:
        async with former.client() as client:
            jobs = [await client.submit(f"Question {number}?", max_tokens=2) for number in range(WAITING)]
        docqa(former, "backup", "create", "--to", f"{elsewhere}/backups")
        docqa(former, "models", "snapshot", "--to", f"{elsewhere}/models")
        former.kill_up()
    return jobs


def docqa(stack: Stack, *arguments: str) -> None:
    command = [sys.executable, "-m", "ops", *arguments, "--data-dir", str(stack.folder / "data")]
    subprocess.run(command, env=stack.environment, check=True, capture_output=True, timeout=120)


def run_the_page(elsewhere: Path) -> str:
    """What the commands print; with another source, other folders, a free port, and `docqa up` in the background."""
    lines = commands_below(DOCS / "operations.md", "## Disaster recovery")
    replaced = {
        "SOURCE": str(ROOT),
        "/srv/docqa": f"{elsewhere}/data",
        "/srv/models": f"{elsewhere}/own-models",
        "/mnt/": f"{elsewhere}/",
        UP: UP_BESIDE,
    }
    for written, here in replaced.items():
        assert written in lines
        lines = lines.replace(written, here)
    with (elsewhere / "printed").open("w+", encoding="utf-8") as printed:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", lines],
            env=environment(elsewhere),
            cwd=elsewhere,
            stdin=subprocess.DEVNULL,
            stdout=printed,
            stderr=subprocess.STDOUT,
            timeout=WITHIN_S,
            check=False,
        )
        printed.seek(0)
        text = printed.read()
    assert done.returncode == 0, text
    return text


def environment(elsewhere: Path) -> dict[str, str]:
    """This user's own, for caches and for where packages come from; no settings, nothing of this checkout's."""
    kept = {name: value for name, value in os.environ.items() if name not in KNOWN_NAMES and name != "VIRTUAL_ENV"}
    path = os.environ["PATH"].replace(f"{Path(sys.executable).parent}:", "")
    return {**kept, "PATH": path, processes.MARK: str(elsewhere), "DOCQA_PORT": "0", "DOCQA_TUNE": "off"}
