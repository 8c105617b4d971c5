"""Which file is run for the one that the settings name, and with which options."""

from pathlib import Path

import msgspec
import pytest

from contract.errors import EngineError, SettingsError
from inference_worker.llama.binding.library import library_version
from inference_worker.llama.run_options import RunOptions
from inference_worker.model_files import plan
from inference_worker.model_files.choice import AS_IS, Candidate, Choice
from inference_worker.model_files.machine import this_machine
from inference_worker.model_files.plan import plan_model
from inference_worker.model_files.quantized import ModelFolder
from inference_worker.settings import WorkerSettings

TUNED = RunOptions(threads=1, flash_attention=True, step_tokens=512)


def write(source: Path, target: Path, kind: str) -> None:
    target.write_bytes(source.read_bytes() + kind.encode())


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> WorkerSettings:
    """A model's folder with a file that is never loaded, an empty cache and an empty data folder."""
    monkeypatch.setattr(plan, "quantize", write)
    given = tmp_path / "Tiny.Q4_1.gguf"
    given.write_bytes(b"GGUF given")
    return WorkerSettings(
        model_path=tmp_path, model_name=given.name, model_cache=tmp_path / "cache", data_dir=tmp_path / "data"
    )


def given_file(settings: WorkerSettings) -> Path:
    assert settings.model_path
    assert settings.model_name
    return settings.model_path / settings.model_name


def keep(settings: WorkerSettings, root: Path, quantization: str, options: RunOptions = TUNED) -> ModelFolder:
    """What a tuning would leave in `root`."""
    folder = ModelFolder(root, given_file(settings), library_version())
    if quantization != AS_IS:
        folder.make(quantization, write)
    folder.path.mkdir(parents=True, exist_ok=True)
    folder.keep_choice(
        Choice(
            model="Tiny.Q4_1",
            model_sha256=folder.given_sha256,
            library=folder.library,
            machine=this_machine(settings.gpu_layers),
            chosen=Candidate(quantization=quantization, options=options),
            tried=[],
            measured_at="2026-11-24T00:00:00+00:00",
        )
    )
    return folder


def changed(settings: WorkerSettings, **change: object) -> WorkerSettings:
    return msgspec.structs.replace(settings, **change)


def test_without_a_choice_the_given_file_runs_at_once_and_a_hint_names_the_command(settings: WorkerSettings) -> None:
    found = plan_model(settings)
    assert found.path == given_file(settings)
    assert f"`docqa models tune --model {found.path}`" in found.hint


def test_the_bundled_model_is_tuned_without_naming_it(settings: WorkerSettings) -> None:
    found = plan_model(changed(settings, model_path=None, model_name=None))
    assert "it is tuned while the worker is idle; `docqa models tune` does it now" in found.hint
    off = plan_model(changed(settings, model_path=None, model_name=None, tune="off"))
    assert off.hint.endswith("runs as it is: `docqa models tune` tunes it.")


def test_a_choice_is_what_runs(settings: WorkerSettings) -> None:
    folder = keep(settings, settings.model_cache, "q8_0")
    found = plan_model(settings)
    assert (found.path, found.options, found.hint) == (folder.made("q8_0"), TUNED, "")


@pytest.mark.parametrize(("quantization", "name"), [("q8_0", "Copy-as-q8_0"), (AS_IS, "Copy")])
def test_the_same_file_under_another_name_answers_with_its_own_name(
    settings: WorkerSettings, quantization: str, name: str
) -> None:
    folder = keep(settings, settings.model_cache, quantization)
    given = given_file(settings)
    (given.parent / "Copy.gguf").write_bytes(given.read_bytes())
    found = plan_model(changed(settings, model_name="Copy.gguf"))
    assert found.name == name
    assert found.path == (folder.made("q8_0") if quantization != AS_IS else given.parent / "Copy.gguf")


def test_a_forced_quantization_is_named_after_the_given_file(settings: WorkerSettings) -> None:
    assert plan_model(changed(settings, model_quantization="q6_k")).name == "Tiny.Q4_1-as-q6_k"


def test_the_data_folders_own_choice_goes_before_the_shared_one(settings: WorkerSettings) -> None:
    keep(settings, settings.model_cache, "q8_0")
    own = keep(settings, settings.data_dir / "models", "q6_k")
    assert plan_model(settings).path == own.made("q6_k")


def test_a_choice_whose_file_is_gone_leaves_the_given_file(settings: WorkerSettings) -> None:
    made = keep(settings, settings.model_cache, "q8_0").made("q8_0")
    assert made
    made.unlink()
    found = plan_model(settings)
    assert found.path == given_file(settings)
    assert found.hint


def test_as_is_switches_it_off_and_keeps_what_was_measured_of_the_options(settings: WorkerSettings) -> None:
    keep(settings, settings.model_cache, "q8_0")
    found = plan_model(changed(settings, model_quantization="as-is"))
    assert (found.path, found.options, found.hint) == (given_file(settings), TUNED, "")


def test_a_name_forces_a_quantization_and_makes_its_file_once(settings: WorkerSettings) -> None:
    forced = changed(settings, model_quantization="q6_k")
    found = plan_model(forced)
    assert found.path.name == "Tiny.Q4_1-as-q6_k.gguf"
    made_ns = found.path.stat().st_mtime_ns
    assert plan_model(forced).path.stat().st_mtime_ns == made_ns


def test_a_quantization_that_nobody_knows_is_refused_with_those_that_are_known(settings: WorkerSettings) -> None:
    with pytest.raises(SettingsError, match=r"^MODEL_QUANTIZATION: q9 is not known; there are auto, as-is, .*q8_0"):
        plan_model(changed(settings, model_quantization="q9"))


def test_a_quantization_that_can_not_be_made_is_refused_in_one_sentence_and_leaves_nothing(
    settings: WorkerSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(source: Path, target: Path, kind: str) -> None:
        target.write_bytes(b"GG")
        raise EngineError("llama.cpp can't turn Tiny into q6_k.")

    monkeypatch.setattr(plan, "quantize", fail)
    with pytest.raises(SettingsError, match=r"^MODEL_QUANTIZATION: llama.cpp can't turn .* set it to `as-is`"):
        plan_model(changed(settings, model_quantization="q6_k"))
    assert not [path for path in settings.model_cache.rglob("*") if path.name.startswith("q6_k")]


def test_a_cache_that_can_not_be_written_is_named(settings: WorkerSettings, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError, match=r"^DOCQA_MODEL_CACHE: can't write into .*/file/cache"):
        plan_model(changed(settings, model_quantization="q6_k", model_cache=tmp_path / "file" / "cache"))


def test_the_operators_threads_go_before_the_measured_ones(settings: WorkerSettings) -> None:
    keep(settings, settings.model_cache, "q8_0")
    assert plan_model(changed(settings, threads=3)).options == msgspec.structs.replace(TUNED, threads=3)


def test_a_choice_without_a_gpu_does_not_hold_with_one(settings: WorkerSettings) -> None:
    keep(settings, settings.model_cache, "q8_0")
    found = plan_model(changed(settings, gpu_layers=99))
    assert found.path == given_file(settings)
    assert found.options.gpu_layers == 99
