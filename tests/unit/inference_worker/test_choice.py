"""A stored choice, and the machine that it holds for."""

from pathlib import Path

import msgspec
import pytest

from inference_worker.llama.run_options import RunOptions
from inference_worker.model_files import choice
from inference_worker.model_files.choice import Candidate, Choice, Speed, Tried
from inference_worker.model_files.machine import Machine, this_machine

X86 = "processor : 0\nvendor_id : AuthenticAMD\nmodel name : AMD EPYC\nflags : fpu avx512_bf16 avx2\n\nprocessor : 1\n"
ARM = "processor : 0\nFeatures : fp asimd bf16\nCPU implementer : 0x41\nCPU part : 0xd40\n\nprocessor : 1\n"
OLD = "processor : 0\nmodel name : Old\nflags : fpu sse2\n"

MACHINE = Machine(cpu="AMD EPYC", flags_sha256="0", multiplies_bf16=False, cores=2)
FLASH, PLAIN = RunOptions(threads=2, flash_attention=True), RunOptions(threads=2)


def tried(quantization: str, options: RunOptions, mix_s: float) -> Tried:
    speed = Speed(prefill_tokens_per_s=1.0, decode_tokens_per_s=1.0, mix_s=mix_s)
    return Tried(candidate=Candidate(quantization=quantization, options=options), verdict="slower", speed=speed)


CHOICE = Choice(
    model="Tiny",
    model_sha256="00",
    library="1.0",
    machine=MACHINE,
    chosen=Candidate(quantization="q8_0", options=PLAIN),
    tried=[tried("q8_0", PLAIN, 20.0), tried("as-is", PLAIN, 33.0), tried("as-is", FLASH, 30.0)],
    measured_at="2026-11-24T00:00:00+00:00",
)


def test_the_pace_of_questions_is_that_of_the_mix_that_was_timed() -> None:
    assert CHOICE.questions_per_s == choice.QUESTIONS_IN_MIX / 20
    assert msgspec.structs.replace(CHOICE, tried=[]).questions_per_s == 0


def test_a_stored_choice_is_read_as_it_was(tmp_path: Path) -> None:
    choice.save(CHOICE, tmp_path / "choice.json")
    assert choice.load(tmp_path / "choice.json") == CHOICE


@pytest.mark.parametrize("content", [None, b"", b"{", b'{"chosen": 1}'])
def test_a_choice_that_can_not_be_read_is_none(tmp_path: Path, content: bytes | None) -> None:
    """One of an older version, for instance: measuring again costs a minute, a start that fails costs more."""
    if content is not None:
        (tmp_path / "choice.json").write_bytes(content)
    assert choice.load(tmp_path / "choice.json") is None


def test_a_forced_quantization_has_the_options_that_were_fastest_for_it() -> None:
    assert CHOICE.options_for("as-is") == FLASH
    assert CHOICE.options_for("q8_0") == PLAIN
    assert CHOICE.options_for("q6_k") == PLAIN


def test_flash_attention_is_not_taken_for_what_may_be_noise() -> None:
    close = msgspec.structs.replace(CHOICE, tried=[tried("as-is", PLAIN, 31.0), tried("as-is", FLASH, 30.0)])
    assert close.options_for("as-is") == PLAIN


@pytest.mark.parametrize(
    ("text", "cpu", "multiplies_bf16"),
    [(X86, "AuthenticAMD AMD EPYC", True), (ARM, "0x41 0xd40", True), (OLD, "Old", False), ("", "unknown", False)],
)
def test_a_machine_is_known_by_its_processor(tmp_path: Path, text: str, cpu: str, multiplies_bf16: bool) -> None:
    (tmp_path / "cpuinfo").write_text(text)
    machine = this_machine(cpuinfo=tmp_path / "cpuinfo")
    assert (machine.cpu, machine.multiplies_bf16) == (cpu, multiplies_bf16)


@pytest.mark.parametrize("change", [{"flags_sha256": "1"}, {"cores": 4}, {"gpu_layers": 99}])
def test_other_flags_another_number_of_cores_or_a_gpu_make_another_machine(change: dict[str, object]) -> None:
    assert msgspec.structs.replace(MACHINE, **change).key != MACHINE.key
