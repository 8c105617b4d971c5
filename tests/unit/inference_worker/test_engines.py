"""Which engine the settings open."""

import subprocess
import sys

import pytest

from contract.errors import SettingsError
from inference_worker.backends import open_engine
from inference_worker.engines.echo import EchoEngine
from inference_worker.settings import WorkerSettings


def test_the_echo_engine_starts_without_llama_cpp() -> None:
    script = (
        "import sys; from inference_worker.backends import open_engine;"
        "from inference_worker.settings import WorkerSettings;"
        "open_engine(WorkerSettings(engine='echo'));"
        "assert not {'llama_cpp', 'jinja2', 'numpy'} & set(sys.modules), sorted(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_slots_and_delay_reach_the_echo_engine() -> None:
    engine = open_engine(WorkerSettings(engine="echo", slots=3))
    assert isinstance(engine, EchoEngine)
    assert engine.slots == 3


def test_a_missing_llama_cpp_is_said_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "inference_worker.llama.binding.model", None)
    with pytest.raises(SettingsError, match=r"^DOCQA_ENGINE: .*install goblin-docqa\[llama\]\.$"):
        open_engine(WorkerSettings())
