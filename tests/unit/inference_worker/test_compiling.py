"""What answers while llama.cpp is still being compiled: quotes at once, and the model once it can be loaded."""

import asyncio
from pathlib import Path

import pytest

from contract.bus import Bus
from contract.errors import EngineError
from contract.messages import Query
from inference_worker.answering.grounded import Grounded
from inference_worker.backends import hint_for, needs_tuning, open_backend
from inference_worker.engines import compiling as module
from inference_worker.engines.base import Completion, Engine
from inference_worker.engines.compiling import CompilingEngine
from inference_worker.settings import WorkerSettings

LEASE = "The rent is 950 euros a month. The tenant may end this lease by giving two months' notice."
QUESTION = Query(query="How much notice must the tenant give?", context=LEASE)


@pytest.fixture
def marker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file that is there while the compiler runs; llama.cpp can't be imported in these tests."""
    monkeypatch.setattr(module, "is_installed", lambda: False)
    monkeypatch.setattr(module, "_LOOKS_EVERY_S", 0.01)
    file = tmp_path / "compiling"
    file.touch()
    return file


async def completed(engine: Engine, query: Query) -> Completion:
    return [event async for event in engine.generate(query, "http.me") if isinstance(event, Completion)][-1]


async def test_a_question_on_a_document_is_answered_by_its_sentence(marker: Path) -> None:
    settings = WorkerSettings(llama_compiling=marker, embedding_model="off")
    engine = await asyncio.to_thread(open_backend, settings, Bus())
    assert isinstance(engine, Grounded)
    assert not engine.needs_slot(QUESTION)
    completion = await completed(engine, QUESTION)
    await engine.close()
    assert completion.text == "The tenant may end this lease by giving two months' notice."
    assert "still being compiled" in hint_for(settings)
    assert not needs_tuning(settings)


def test_the_worker_starts_again_once_llama_can_be_loaded_and_the_compiler_has_ended(
    marker: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = CompilingEngine(marker, "model", 2, 0)
    monkeypatch.setattr(module, "is_installed", lambda: True)
    assert engine.blocker is None
    marker.unlink()
    assert engine.blocker


async def test_what_is_to_be_written_waits_and_fails_with_the_compiler(marker: Path) -> None:
    engine = CompilingEngine(marker, "model", 2, 0)
    writing = asyncio.create_task(completed(engine, QUESTION))
    done, _ = await asyncio.wait([writing], timeout=0.05)
    assert not done
    marker.unlink()
    with pytest.raises(EngineError, match="could not be compiled"):
        await writing
    assert engine.blocker is None
