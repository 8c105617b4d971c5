"""Texts that come with questions: prepared once, short ones on threads, long ones in a process of their own."""

import asyncio
import os
import signal

import pytest

from contract.errors import EngineError
from contract.evidence import Sentence, split_sentences
from inference_worker.answering import texts as texts_module
from inference_worker.answering.prepared import PreparedTexts
from inference_worker.answering.ranking_process import RankingProcess
from inference_worker.answering.texts import Texts

LEASE = "The rent is 950 euros a month. Pets need consent. The notice period is two months."
QUESTION = "How long is the notice period?"
ANSWER = "The notice period is two months."


def long_text() -> str:
    return "\n\n".join(f"Clause {number} is about something else." for number in range(2500)) + f"\n\n{ANSWER}"


def test_the_same_question_on_the_same_text_is_found_again_without_work() -> None:
    prepared = PreparedTexts(lambda: None)
    found = prepared.find(QUESTION, LEASE)
    assert prepared.known(QUESTION, LEASE) is found
    assert prepared.known("Another?", LEASE) is None
    assert prepared.known(QUESTION, "Another text.") is None


def test_a_text_is_cut_once_for_all_questions(monkeypatch: pytest.MonkeyPatch) -> None:
    cut: list[str] = []

    def counted(text: str) -> list[Sentence]:
        cut.append(text)
        return split_sentences(text)

    monkeypatch.setattr("inference_worker.answering.prepared.split_sentences", counted)
    prepared = PreparedTexts(lambda: None)
    for question in ("What is the rent?", QUESTION):
        prepared.find(question, LEASE)
    assert cut == [LEASE]


def test_the_oldest_texts_are_forgotten_first() -> None:
    prepared = PreparedTexts(lambda: None, kept_characters=2 * len(LEASE))
    for text in (LEASE, LEASE.upper(), LEASE.lower()):
        prepared.find(QUESTION, text)
    assert prepared.known(QUESTION, LEASE) is None
    assert prepared.known(QUESTION, LEASE.lower())


async def test_a_long_text_is_searched_in_a_process_that_finds_the_same() -> None:
    text = long_text()
    assert len(text) > texts_module.LONG_CHARACTERS
    apart, here = Texts(lambda: None, process=RankingProcess("off", 1)), Texts(lambda: None)
    found, expected = await asyncio.gather(apart.find(QUESTION, text), here.find(QUESTION, text))
    await asyncio.gather(apart.close(), here.close())
    assert found.ranked == expected.ranked
    assert found.features == expected.features
    assert list(found.sentences) == list(expected.sentences)
    assert found.citations(found.ranked)[0].quote == ANSWER


async def test_a_question_that_is_given_up_leaves_the_next_one_its_own_answer() -> None:
    texts, text = Texts(lambda: None, process=RankingProcess("off", 1)), long_text()
    given_up = asyncio.create_task(texts.find("What is clause 7 about?", text))
    await asyncio.sleep(0)
    given_up.cancel()
    found = await texts.find(QUESTION, text)
    await texts.close()
    assert found.citations(found.ranked)[0].quote == ANSWER


async def test_a_process_that_is_killed_fails_its_question_and_the_next_one_has_another() -> None:
    process, text = RankingProcess("off", 1), long_text()
    await process.find(QUESTION, text)
    assert process.pid
    os.kill(process.pid, signal.SIGSTOP)
    asked = asyncio.create_task(process.find(QUESTION, text))
    await asyncio.sleep(0)
    os.kill(process.pid, signal.SIGKILL)
    with pytest.raises(EngineError, match="ended before it answered"):
        await asked
    assert (await process.find(QUESTION, text)).ranked
    await process.close()
