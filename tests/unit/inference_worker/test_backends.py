"""Who answers, as the settings say."""

from pathlib import Path
from typing import Literal

import msgspec
import pytest

from contract import answer_choice
from contract.answer_choice import EVIDENCE_TOKENS, AnswerChoice
from contract.bus import Bus
from contract.errors import SettingsError
from inference_worker.backends import (
    answers_hint_for,
    evidence_tokens,
    expected_pace,
    hint_for,
    is_better_quoted,
    needs_tuning,
    open_backend,
)
from inference_worker.engines.base import Engine
from inference_worker.engines.echo import EchoEngine
from inference_worker.settings import Policy, WorkerSettings

URL = "https://api.example.com/v1"
LARGER_THAN_ANY = EchoEngine.max_prompt_bytes


def opened(**settings: object) -> Engine:
    asked = {"engine": "echo", "proxy_url": URL, "proxy_model": "far", "proxy_context_tokens": 1000}
    return open_backend(WorkerSettings(**(asked | settings)), Bus())  # type: ignore[arg-type]  # by name


@pytest.mark.parametrize(
    ("settings", "model", "max_prompt_bytes"),
    [
        ({}, "echo", LARGER_THAN_ANY),
        ({"backend": "local"}, "echo", LARGER_THAN_ANY),
        ({"backend": "proxy"}, "far", 128_000),
        ({"enable_local_model": False}, "far", 128_000),
        ({"enable_local_model": False, "backend": "local-then-proxy"}, "far", 128_000),
        ({"backend": "local-then-proxy"}, "echo", LARGER_THAN_ANY),
        ({"backend": "proxy-then-local"}, "far", LARGER_THAN_ANY),
    ],
)
async def test_the_policy_says_who_answers_and_what_fits(
    settings: dict[str, object], model: str, max_prompt_bytes: int
) -> None:
    engine = opened(**settings, slots=3)
    assert (engine.model_name, engine.max_prompt_bytes, engine.slots) == (model, max_prompt_bytes, 3)
    await engine.close()


async def test_a_prompt_that_fits_only_the_proxy_is_announced_as_fitting() -> None:
    engine = opened(backend="local-then-proxy", proxy_context_tokens=10_000_000)
    assert engine.max_prompt_bytes == 1_280_000_000 > LARGER_THAN_ANY
    assert engine.context_tokens == 10_000_000
    await engine.close()


def test_what_an_engine_takes_for_an_answer_is_expected_from_the_start_where_it_is_known() -> None:
    assert expected_pace(WorkerSettings(engine="echo", echo_delay_s=2, slots=8)) == 4
    assert expected_pace(WorkerSettings(engine="echo", slots=8)) == 0
    assert expected_pace(WorkerSettings(enable_local_model=False)) == 0


@pytest.mark.parametrize("policy", ["proxy", "local-then-proxy", "proxy-then-local"])
@pytest.mark.parametrize(("missing", "name"), [("proxy_url", "COPILOT_API_URL"), ("proxy_model", "DOCQA_PROXY_MODEL")])
def test_a_proxy_without_an_address_or_a_model_stops_the_start_with_one_sentence(
    policy: str, missing: str, name: str
) -> None:
    with pytest.raises(SettingsError, match=rf"^{name}: [^\n]*\.$"):
        opened(backend=policy, **{missing: None})


def test_without_the_local_model_and_an_address_nobody_could_answer_and_the_start_says_so() -> None:
    with pytest.raises(SettingsError, match=r"^COPILOT_API_URL: the proxy is to answer and has no address"):
        open_backend(WorkerSettings(enable_local_model=False), Bus())


def test_settings_that_leave_nobody_to_answer_contradict_each_other() -> None:
    with pytest.raises(SettingsError, match=r"^DOCQA_BACKEND: "):
        WorkerSettings(backend="local", enable_local_model=False)


def test_where_the_proxy_alone_answers_no_model_is_looked_for() -> None:
    assert hint_for(WorkerSettings(backend="proxy")) == ""


@pytest.mark.parametrize(
    ("settings", "is_tuned"),
    [
        ({}, True),
        ({"tune": "off"}, False),
        ({"engine": "echo"}, False),
        ({"model_quantization": "as-is"}, False),
        ({"backend": "proxy", "proxy_url": "http://localhost/v1"}, False),
    ],
)
def test_a_model_that_was_not_measured_here_is_tuned_when_idle(
    settings: dict[str, object], is_tuned: bool, tmp_path: Path
) -> None:
    elsewhere = WorkerSettings(model_cache=tmp_path / "cache", data_dir=tmp_path / "data")
    assert needs_tuning(msgspec.structs.replace(elsewhere, **settings)) == is_tuned


@pytest.mark.parametrize(("style", "quotes"), [("quote", True), ("write", False)])
def test_auto_is_what_was_measured_for_the_model(
    tmp_path: Path, style: Literal["quote", "write"], *, quotes: bool
) -> None:
    (tmp_path / "own.gguf").write_bytes(b"GGUF own")
    settings = WorkerSettings(model_path=tmp_path, model_name="own.gguf", model_cache=tmp_path / "cache")
    assert not is_better_quoted(settings)
    assert "docqa models compare" in answers_hint_for(settings)
    choice = AnswerChoice(
        model="own.gguf", style=style, written_right=0.5, quoted_right=0.5, questions=9, dataset="d", measured_at="now"
    )
    answer_choice.keep(tmp_path / "own.gguf", settings.model_cache, choice)
    assert is_better_quoted(settings) is quotes
    assert answers_hint_for(settings) == ""


@pytest.mark.parametrize(
    ("read", "measured", "tokens"),
    [("auto", 250, 250), ("auto", None, None), ("evidence", None, 400), ("whole", 250, None), ("700", 250, 700)],
)
def test_a_model_reads_what_was_measured_to_be_better_unless_it_is_told(
    tmp_path: Path, read: str, measured: int | None, tokens: int | None
) -> None:
    (tmp_path / "own.gguf").write_bytes(b"GGUF own")
    settings = WorkerSettings(model_path=tmp_path, model_name="own.gguf", model_cache=tmp_path / "cache", read=read)
    assert evidence_tokens(settings) == {"whole": None, "700": 700}.get(read, EVIDENCE_TOKENS)
    choice = AnswerChoice(
        model="own.gguf", style="write", written_right=0.5, quoted_right=0.5, questions=9, dataset="d",
        measured_at="now", evidence_tokens=measured,
    )  # fmt: skip
    answer_choice.keep(tmp_path / "own.gguf", settings.model_cache, choice)
    assert evidence_tokens(settings) == tokens


@pytest.mark.parametrize(("policy", "is_cut"), [("local-then-proxy", True), ("proxy-then-local", False)])
def test_what_a_small_model_reads_bounds_no_larger_one_that_is_asked_first(policy: Policy, *, is_cut: bool) -> None:
    assert (evidence_tokens(WorkerSettings(backend=policy, proxy_url=URL)) is not None) is is_cut


def test_of_the_bundled_model_it_is_known() -> None:
    assert is_better_quoted(WorkerSettings(model_cache=Path("/nowhere")))
    assert answers_hint_for(WorkerSettings(model_cache=Path("/nowhere"))) == ""
