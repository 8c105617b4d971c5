"""What of a JSON schema an answer is held to."""

from typing import Any

import pytest

from contract.answer_schema import MAX_DEPTH, MAX_NODES, answer_schema
from contract.errors import BadMessageError

PERSON = {
    "title": "Person",
    "description": "Somebody.",
    "type": "object",
    "properties": {"name": {"type": "string", "description": "Of the person."}, "age": {"type": ["integer", "null"]}},
    "required": ["name"],
    "additionalProperties": False,
    "$schema": "https://json-schema.org/draft/2020-12/schema",
}


def test_what_restricts_is_kept_and_words_about_it_are_not() -> None:
    assert answer_schema(PERSON) == {
        "type": "object",
        "properties": {"name": {"type": "string"}, "age": {"type": ["integer", "null"]}},
        "required": ["name"],
        "additionalProperties": False,
    }


def test_it_is_kept_as_it_is_when_read_again() -> None:
    once = answer_schema({**PERSON, "$defs": {"one": {"enum": ["a", 1, None]}}, "anyOf": [{"$ref": "#/$defs/one"}]})
    assert answer_schema(once) == once


def test_large_bounds_are_passed_over() -> None:
    assert answer_schema({"type": "string", "minLength": 1, "maxLength": 10**9}) == {"type": "string", "minLength": 1}


def nested(depth: int) -> dict[str, Any]:
    return {"type": "array", "items": nested(depth - 1)} if depth else {"type": "string"}


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "text"},
        {"type": []},
        {"$ref": "https://example.com/a"},
        {"$ref": "#/$defs/missing"},
        {"$ref": 1},
        {"properties": []},
        {"properties": {"a": 1}},
        {"properties": {"a": {}}, "required": ["b"]},
        {"enum": []},
        {"enum": [{"a": 1}]},
        {"const": "a\nb"},
        {"const": "a" * 201},
        {"anyOf": {}},
        {"allOf": [{}, {}]},
        {"not": {}},
        {"type": "string", "maxLength": "long"},
        {"type": "array", "minItems": -1},
        {"type": "array", "items": True},
        nested(MAX_DEPTH + 1),
        {"properties": {str(number): {} for number in range(MAX_NODES)}},
    ],
)
def test_what_can_not_be_kept_to_is_refused(schema: dict[str, Any]) -> None:
    with pytest.raises(BadMessageError, match="Field `response_format`: schema"):
        answer_schema(schema)
