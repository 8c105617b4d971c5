"""What a question asks for, and what refuses to answer it."""

import pytest

from contract.evidence import is_refusal, needs_whole_document
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


@pytest.mark.parametrize(
    "answer",
    [
        "The document does not say.",
        "The document doesn't mention the rent.",
        "The text does not provide any information about this.",
        "There is no mention of a deposit in the contract.",
        "There is no information about that.",
        "This is not mentioned in the passage.",
        "I cannot answer this question based on the provided context.",
        "I'm sorry, but I cannot find the answer in the document.",
        "Sorry, I don't know.",
        "I could not find this.",
        "It is not specified in the given text.",
        "The answer is not stated.",
        "Unanswerable",
        "Not mentioned.",
        "N/A",
        "The context provides no information on the price.",
        "The provided information does not include a date.",
        "It cannot be determined from the text.",
        "The passage never states who won.",
        "Unfortunately, the article does not specify the year. It only describes the war.",
        "Das Dokument enthält keine Angabe dazu.",
        "Le document ne le précise pas.",
        "El documento no lo menciona.",
        "В документе это не указано.",
        "文档中没有提到。",
        "لا يذكر النص ذلك.",
    ],
)
def test_refusals_are_recognised(answer: str) -> None:
    assert is_refusal(answer)


@pytest.mark.parametrize(
    "answer",
    [
        "The rent is 900 euros.",
        "No information may be passed to third parties.",
        "The tenant does not have to pay a deposit.",
        "Dogs are not allowed.",
        "The tenant may not mention the price to anybody.",
        "The document does not mention the deposit, but it says that the rent is 900 euros a month.",
        "No.",
        "Nobody won the match.",
        "It is not included in the rent.",
        "",
    ],
)
def test_answers_are_no_refusals(answer: str) -> None:
    assert not is_refusal(answer)
