"""Which texts count as English: by letters and function words, whatever they are about."""

import pytest

from contract.evidence.language import is_english

ENGLISH = [
    "When is the rent due?",
    "Who may end the agreement, and how?",
    "The tenant's deposit is repaid within thirty days.",
    "What does Kündigungsfrist mean?",
    "WHO PAYS THE PLUMBER?",
]
OTHER = [
    "Wann ist die Miete fällig?",
    "Was war in Berlin?",
    "Quel est le loyer ?",
    "¿Cuánto es la renta?",
    "Qual è il canone?",
    "Wat is de huur?",
    "Vad är hyran?",
    "Hvad er lejen?",
    "Jaki jest czynsz?",
    "Когда нужно платить?",
    "租金是多少?",
    "متى يدفع الإيجار؟",
    "賃料 of the house は いくらですか。",
]
UNDECIDED = ["", "2024-11-28", "Clara Novak", "notice period", "Miete", "Paljonko vuokra on?", "§ 4.2", "€ 1,200"]


@pytest.mark.parametrize("text", ENGLISH)
def test_english(text: str) -> None:
    assert is_english(text) is True


@pytest.mark.parametrize("text", OTHER)
def test_another_language(text: str) -> None:
    assert is_english(text) is False


@pytest.mark.parametrize("text", UNDECIDED)
def test_too_little_to_say(text: str) -> None:
    assert is_english(text) is None
