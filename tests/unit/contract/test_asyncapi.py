"""What programs read about the bus, docs/asyncapi.json and docs/schemas/, is what the code does."""

import json
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import msgspec
import pytest

from contract.errors import BadMessageError
from contract.messages import Answer, Failure, Query, decode_query, decode_result, encode
from contract.topology import JobName
from docs import asyncapi
from docs.asyncapi import MESSAGES
from docs.generate import FOLDER, generated

NAMES = sorted(asyncapi.schemas())
JOB = JobName("alice", "c1", "0192f0c1-2d3e-7a4b-8c5d-6e7f8091a2b3")

WRONG_QUERIES = [
    {},
    {"query": ""},
    {"query": 1},
    {"query": "Who?", "max_tokens": 0},
    {"query": "Who?", "max_tokens": 1.5},
    {"query": "Who?", "temperature": 2.1},
    {"query": "Who?", "top_p": 0},
    {"query": "Who?", "stop": ["x"] * 9},
    {"query": "Who?", "stop": [""]},
    {"query": "Who?", "deadline_s": 0},
    {"query": "Who?", "seed": -1},
    {"query": "Who?", "v": 0},
    [],
]
RIGHT_QUERIES: list[dict[str, Any]] = [
    {"query": "Who?"},
    {"query": "Who?", "seed": None, "deadline_s": 0.5, "stop": []},
    {"query": "Who?", "a field of a newer version": True},
]


def validator(name: str) -> Any:
    return jsonschema_rs.validator_for(asyncapi.schemas()[name])


def references(found: object) -> Iterator[str]:
    match found:
        case {"$ref": str(reference)}:
            yield reference
        case dict():
            for value in found.values():
                yield from references(value)
        case list():
            for value in found:
                yield from references(value)


@pytest.mark.parametrize("path", generated(), ids=str)
def test_a_generated_file_is_as_the_code_makes_it(path: Any) -> None:
    assert (FOLDER / path).read_text(encoding="utf-8") == generated()[path], "run `make docs`"


def test_no_file_of_another_name_lies_beside_them() -> None:
    schemas = {path.relative_to(FOLDER) for path in (FOLDER / "schemas").iterdir()}
    assert schemas == {path for path in generated() if path.parts[0] == "schemas"}


@pytest.mark.parametrize("name", NAMES)
def test_each_schema_is_one_by_the_draft_that_it_names(name: str) -> None:
    jsonschema_rs.meta.validate(asyncapi.schemas()[name])


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: message.name)
def test_an_example_is_decoded_by_the_code_and_valid_by_its_schema(message: asyncapi.Message) -> None:
    body = encode(message.example)
    assert msgspec.json.decode(body, type=message.kind) == message.example
    validator(message.name).validate(json.loads(body))


@pytest.mark.parametrize("query", RIGHT_QUERIES, ids=str)
def test_what_the_worker_takes_is_valid(query: dict[str, Any]) -> None:
    decode_query(json.dumps(query).encode())
    validator("query").validate(query)


@pytest.mark.parametrize("query", WRONG_QUERIES, ids=str)
def test_what_the_worker_buries_is_invalid(query: object) -> None:
    with pytest.raises(BadMessageError):
        decode_query(json.dumps(query).encode())
    assert not validator("query").is_valid(query)


def test_a_result_is_an_answer_or_a_failure_and_never_both() -> None:
    kinds = {message.kind: message.example for message in MESSAGES if message.kind in (Answer, Failure)}
    for kind, example in kinds.items():
        body = json.loads(encode(example))
        validator("result").validate(body)
        assert isinstance(decode_result(encode(example)), kind)
        assert [name for name in ("answer", "failure") if validator(name).is_valid(body)] == [kind.__name__.lower()]
    assert not validator("result").is_valid({"status": "running", "id": JOB.job_id})


def test_the_documents_references_lead_somewhere() -> None:
    document = asyncapi.document()
    for reference in references(document):
        place: Any = document
        for step in reference.removeprefix("#/").split("/"):
            assert step in place, reference
            place = place[step]


def test_the_documents_addresses_are_the_topologys_subjects() -> None:
    values = {"publisher": JOB.publisher, "client": JOB.client, "job_id": JOB.job_id}
    channels = asyncapi.document()["channels"]
    found = {name: channels[name]["address"].format(**values) for name in ("jobs", "results", "tokens", "cancel")}
    assert found == {
        "jobs": JOB.subject,
        "results": JOB.results_subject,
        "tokens": JOB.tokens_subject,
        "cancel": JOB.cancel_subject,
    }


def test_every_message_on_the_bus_is_in_the_document() -> None:
    document = asyncapi.document()
    used = {reference.rsplit("/", 1)[1] for reference in references(document["channels"])}
    assert used == set(document["components"]["messages"])
    assert {message.kind.__name__ for message in MESSAGES} <= set(document["components"]["schemas"])
    assert Query.__name__ in document["components"]["schemas"]
