"""AMX is used where its probe says that it works, and the probe runs once for a build."""

import sys
from pathlib import Path

import pytest

from inference_worker.llama.run_options import RunOptions
from inference_worker.model_files import amx

WITH = RunOptions(threads=2)
WITHOUT = RunOptions(threads=2, extra_buffers=False)
WORKS, SAYS_OTHER_THINGS, CRASHES = "", "raise SystemExit(1)", "import os; os.kill(os.getpid(), 11)"


@pytest.fixture
def given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(amx, "has_amx", lambda: True)
    return tmp_path / "model.gguf"


def probe_with(program: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(amx, "_PROBE", (sys.executable, "-c", program))


@pytest.mark.parametrize(
    ("program", "found"),
    [(WORKS, WITH), (SAYS_OTHER_THINGS, WITHOUT), (CRASHES, WITHOUT)],
    ids=["works", "odd", "crash"],
)
def test_the_probe_decides_once(program: str, found: RunOptions, given: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    probe_with(program, monkeypatch)
    assert amx.checked(WITH, given, given.parent) == found
    probe_with(CRASHES if found == WITH else WORKS, monkeypatch)
    assert amx.checked(WITH, given, given.parent) == found


def test_a_folder_that_can_not_be_written_costs_nothing_but_the_next_probe(
    given: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    probe_with(WORKS, monkeypatch)
    given.write_bytes(b"a file, not a folder")
    assert amx.checked(WITH, given, given) == WITH


def test_without_amx_and_without_extra_buffers_nothing_is_probed(given: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    probe_with(CRASHES, monkeypatch)
    assert amx.checked(WITHOUT, given, given.parent) == WITHOUT
    monkeypatch.setattr(amx, "has_amx", lambda: False)
    assert amx.checked(WITH, given, given.parent) == WITH
