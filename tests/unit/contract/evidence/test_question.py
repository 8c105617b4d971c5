"""What a question asks for."""

import pytest

from contract.evidence import needs_whole_document
from contract.evidence.question import asked_kind


@pytest.mark.parametrize(
    ("question", "kind"),
    [
        ("Who signed?", "person"),
        ("When does it end?", "date"),
        ("In what year was it built?", "date"),
        ("How many pages are there?", "number"),
        ("What percentage is due?", "number"),
        ("Where do I park?", "place"),
        ("Why is it closed?", "other"),
        ("What is it?", "other"),
        ("黑豹队丢了多少分？", "number"),
        ("Когда он родился?", "date"),
        ("متى ولد؟", "date"),
    ],
)
def test_the_asked_kind(question: str, kind: str) -> None:
    assert asked_kind(question) == kind


@pytest.mark.parametrize(
    "question",
    [
        "Summarize this document.",
        "Please summarise the contract in three points",
        "Translate the text into French",
        "What is this document about?",
        "Compare both offers",
        "List all deadlines",
        "Give me a short summary",
        "Fasse den Text zusammen",
        "总结这份文件",
    ],
)
def test_no_sentence_can_answer(question: str) -> None:
    assert needs_whole_document(question)


@pytest.mark.parametrize("question", ["When does the lease end?", "Who is the landlord?", "What is the main entrance?"])
def test_a_sentence_can_answer(question: str) -> None:
    assert not needs_whole_document(question)
