"""Secrets that stand across two fields."""

import pytest

from contract.messages import Query, Turn
from contract.sanitize import sanitize_question, without_split_secrets

KEYS = {
    "openai": "sk-proj-aB3dE5fG7hJ9kL1mN3pQ5rS7tU9vW1xY3zA5bC7d",
    "aws": "AKIAZ7VRSQ5TJN2XMPLB",
    "github": "ghp_a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8",
}
LONGEST_LEFT = 7
"""What the beginning of a key is known by (`sk-proj`), and no more."""


def cleaned(**fields: object) -> Query:
    query, _ = sanitize_question(Query(**fields))  # type: ignore[arg-type]  # by name
    return query


def left_of(key: str, text: str) -> int:
    """The longest part of the key that is still there."""
    parts = (key[start:end] for start in range(len(key)) for end in range(start + 1, len(key) + 1))
    return max((len(part) for part in parts if part in text), default=0)


@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
@pytest.mark.parametrize("share", [0.2, 0.4, 0.6, 0.8])
def test_neither_half_of_a_secret_is_left_however_it_is_split(key: str, share: float) -> None:
    cut = round(len(key) * share)
    head, tail = f"The key: {key[:cut]}", f"{key[cut:]} ends it."
    for query in (
        cleaned(query=tail, context=head),
        cleaned(query=head, context=tail),
        cleaned(query=head, stop=[tail]),
        cleaned(query="Who?", stop=[head, tail]),
        cleaned(query=tail, messages=[Turn("user", head)]),
        cleaned(query=tail, messages=[Turn("user", head), Turn("assistant", "Go on.")]),
        cleaned(query="Who?", messages=[Turn("system", head), Turn("user", tail)]),
        cleaned(query="Who?", context=tail, messages=[Turn("assistant", head)]),
    ):
        said = "|".join((*(turn.content for turn in query.turns), query.context, query.query, *query.stop))
        assert left_of(key, said) <= LONGEST_LEFT, said
        assert "The key: [REDACTED:" in said
        assert " ends it." in said


@pytest.mark.parametrize(
    "question",
    [
        Query(query="Who?", context="It was Ada.", stop=["\n", "END"]),
        Query(query="Who?"),
        Query(query="4111 is what?", context="The house number is 12"),
        Query(query="x" * 10_000, context="y" * 10_000),
    ],
)
def test_a_question_without_secrets_stays_as_it_is(question: Query) -> None:
    assert without_split_secrets(question) is question


def test_a_secret_at_a_fields_edge_keeps_its_kind() -> None:
    query, counts = sanitize_question(Query(query="What is it?", context=f"It is {KEYS['aws']}"))
    assert query.context.startswith("It is [REDACTED:aws")
    assert query.query == "What is it?"
    assert sum(counts.values()) == 1


def test_only_the_edges_are_looked_at() -> None:
    key = KEYS["openai"]
    question = Query(query="Who?", context=f"{key} " + "word " * 2000)
    assert without_split_secrets(question) is question
