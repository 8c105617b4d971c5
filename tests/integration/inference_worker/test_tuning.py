"""The tuning with the real model: what its candidates say, and that nothing half-written is left when it is ended."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from inference_worker.llama.binding.library import library_version
from inference_worker.llama.run_options import RunOptions
from inference_worker.model_files.choice import AS_IS, Candidate, Choice, Tried
from inference_worker.model_files.locate import locate_model
from inference_worker.model_files.machine import this_machine
from inference_worker.model_files.quantized import ModelFolder
from inference_worker.tuning import shipped_kl
from inference_worker.tuning.quality import GATE_KL
from inference_worker.tuning.trials import Trials

pytestmark = pytest.mark.model

GIVEN = locate_model(None, None)


@pytest.fixture
def folder(tmp_path: Path) -> ModelFolder:
    return ModelFolder(tmp_path / "cache", GIVEN, library_version())


def candidate(quantization: str) -> Candidate:
    return Candidate(quantization=quantization, options=RunOptions(threads=2))


@pytest.mark.slow
def test_the_gate_holds_the_form_that_says_the_same_and_drops_the_one_that_does_not(
    folder: ModelFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    shipped = shipped_kl.of(folder.given_sha256)
    monkeypatch.setattr(shipped_kl, "of", lambda given_sha256: {})
    before = hashlib.sha256(GIVEN.read_bytes()).hexdigest()
    with folder.locked() as unfinished:
        trials = Trials(GIVEN, folder, unfinished)
        # Whichever comes first is compared with the source file.
        near, far, given = (trials.measure(candidate(name)) for name in ("q8_0", "q4_0", AS_IS))
        trials.keep("q8_0")
    assert given.kl == pytest.approx(0, abs=1e-5)
    assert near.kl is not None
    assert near.kl == pytest.approx(shipped["q8_0", False, "f16", 0], rel=0.2)
    assert near.kl < GATE_KL
    assert near.speed
    assert near.speed.mix_s > 0
    assert far.kl is not None
    assert far.kl == pytest.approx(shipped["q4_0", False, "f16", 0], rel=0.2)
    assert far.kl > 10 * GATE_KL
    assert far.speed is None
    assert [path.suffix for path in sorted(folder.path.iterdir())] == [".gguf", ".sha256", ""]
    assert hashlib.sha256(GIVEN.read_bytes()).hexdigest() == before


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_tuning_that_is_ended_half_way_leaves_nothing_that_a_start_would_find(
    folder: ModelFolder, number: signal.Signals
) -> None:
    command = [
        sys.executable,
        "-m",
        "inference_worker.tools.tune",
        "--root",
        str(folder.path.parent),
        "--only",
        "q8_0",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as tuning:
        until_written(folder.path / "unfinished", tuning)
        tuning.send_signal(number)
    until_unlocked(folder)
    folder.clear_leftovers()
    assert [path.name for path in folder.path.iterdir()] == ["lock"]
    assert folder.made("q8_0") is None


def test_in_the_background_it_ends_with_the_worker_that_started_it(tmp_path: Path) -> None:
    init = "1"
    command = [sys.executable, "-m", "inference_worker.tools.tune", "--root", str(tmp_path), "--background", init]
    assert subprocess.run(command, stdout=subprocess.DEVNULL, check=False).returncode == 1
    assert not list(tmp_path.iterdir())


def test_a_stored_choice_is_shown_at_once_and_listed(folder: ModelFolder) -> None:
    folder.path.mkdir(parents=True)
    chosen = candidate(AS_IS)
    folder.keep_choice(
        Choice(
            model=GIVEN.stem,
            model_sha256=folder.given_sha256,
            library=folder.library,
            machine=this_machine(),
            chosen=chosen,
            tried=[Tried(candidate=chosen, verdict="chosen")],
            measured_at="2026-11-24T00:00:00+00:00",
        )
    )
    cache = str(folder.path.parent)
    assert docqa(cache, "tune", "--json")["choice"]["chosen"]["quantization"] == AS_IS
    [listed] = docqa(cache, "list", "--json")["models"]
    assert (listed["model"], listed["choice"]["measured_at"][:10]) == (GIVEN.name, "2026-11-24")


def test_what_can_not_be_tried_is_told_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(subprocess.CalledProcessError) as failed:
        docqa(str(tmp_path), "tune", "--only", "q9")
    assert failed.value.stderr.startswith("docqa: --only, --without: q9 is not tried; there are as-is, ")
    assert failed.value.stderr.count("\n") == 1


def docqa(cache: str, *arguments: str) -> Any:
    """What `docqa models` prints, as JSON."""
    kept = {name: text for name, text in os.environ.items() if not name.startswith(("DOCQA_", "MODEL_"))}
    done = subprocess.run(
        [sys.executable, "-m", "ops", "models", *arguments],
        env={**kept, "DOCQA_MODEL_CACHE": cache, "DOCQA_DATA_DIR": f"{cache}/data"},
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


def until_written(unfinished: Path, tuning: "subprocess.Popen[bytes]") -> None:
    while not any(unfinished.glob("q8_0.*")):
        assert tuning.poll() is None
        time.sleep(0.01)


def until_unlocked(folder: ModelFolder) -> None:
    """The trial's process ends shortly after its parent; it holds no lock, so its file is the only sign."""
    with folder.locked():
        pass
