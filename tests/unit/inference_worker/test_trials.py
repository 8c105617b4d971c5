"""A trial in a process of its own: whatever becomes of it, the tuning goes on with a sentence."""

import sys
from pathlib import Path

import pytest

from inference_worker.llama.run_options import RunOptions
from inference_worker.model_files.choice import AS_IS, Candidate
from inference_worker.model_files.quantized import ModelFolder
from inference_worker.tuning import shipped_kl
from inference_worker.tuning.trials import Measurement, TrialError, Trials

CANDIDATE = Candidate(quantization=AS_IS, options=RunOptions())


@pytest.fixture
def trials(tmp_path: Path) -> Trials:
    given = tmp_path / "Tiny.gguf"
    given.write_bytes(b"GGUF\x03")
    return Trials(given, ModelFolder(tmp_path / "cache", given, "1.0"), tmp_path, limit_s=20.0)


@pytest.fixture
def in_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A script that is run in place of the trial."""
    script = tmp_path / "trial"
    script.touch(0o755)
    monkeypatch.setattr(sys, "executable", str(script))
    return script


def test_a_file_that_can_not_be_loaded_is_a_sentence(trials: Trials) -> None:
    with pytest.raises(TrialError, match=r"llama.cpp can't load .*Tiny\.gguf"):
        trials.measure(CANDIDATE)


def test_a_process_that_is_killed_is_a_sentence(trials: Trials, in_its_place: Path) -> None:
    in_its_place.write_text("#!/bin/sh\necho GGML_ASSERT failed >&2\nkill -9 $$\n")
    with pytest.raises(TrialError, match=r"^The process ended with status -9: GGML_ASSERT failed$"):
        trials.measure(CANDIDATE)


def test_one_that_takes_too_long_is_ended(trials: Trials, in_its_place: Path) -> None:
    in_its_place.write_text("#!/bin/sh\nexec sleep 60\n")
    trials.limit_s = 0.2
    with pytest.raises(TrialError, match=r"^It took longer than 0 s\.$"):
        trials.measure(CANDIDATE)


def test_what_a_failed_trial_made_is_removed(trials: Trials, in_its_place: Path, tmp_path: Path) -> None:
    in_its_place.write_text(f"#!/bin/sh\necho half > {tmp_path}/q8_0.part\nexit 1\n")
    with pytest.raises(TrialError):
        trials.measure(Candidate(quantization="q8_0", options=RunOptions()))
    assert not (tmp_path / "q8_0.part").exists()


def test_what_is_said_is_compared_once_for_candidates_that_differ_in_speed_alone(
    trials: Trials, in_its_place: Path, tmp_path: Path
) -> None:
    reply = '{"type":"Measurement","kl":0.01,"speed":{"prefill_tokens_per_s":1,"decode_tokens_per_s":1,"mix_s":1}}'
    in_its_place.write_text(f"#!/bin/sh\ncat >> {tmp_path}/asked\necho '{reply}'\n")
    for tokens in (128, 256):
        candidate = Candidate(quantization=AS_IS, options=RunOptions(step_tokens=tokens))
        assert trials.measure(candidate).kl == 0.01
    asked = (tmp_path / "asked").read_text()
    assert asked.count('"measures_kl":true') == asked.count('"measures_kl":false') == 1


def test_a_form_that_is_known_to_say_other_things_is_not_even_made(
    tmp_path: Path, in_its_place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_its_place.write_text(f"#!/bin/sh\ncat >> {tmp_path}/asked\nexit 1\n")
    given = tmp_path / "Tiny.gguf"
    given.write_bytes(b"GGUF\x03")
    monkeypatch.setattr(shipped_kl, "of", lambda given_sha256: {("q4_0", False, "f16", 0): 0.37})
    trials = Trials(given, ModelFolder(tmp_path / "cache", given, "1.0"), tmp_path)
    assert trials.measure(Candidate(quantization="q4_0", options=RunOptions(threads=2))) == Measurement(kl=0.37)
    assert not (tmp_path / "asked").exists()
