"""The messages: what is refused in which words, and what travels unharmed."""

import contextlib
import json
from typing import Any, get_args

import hypothesis.strategies as st
import msgspec
import pytest
from hypothesis import HealthCheck, example, given, settings

from contract.errors import BadMessageError, NewerVersionError, UnreadableResultError
from contract.messages import (
    VERSION,
    Answer,
    DeadLetter,
    Failure,
    FailureCode,
    Query,
    Question,
    Result,
    Timings,
    Turn,
    Usage,
    WorkerAnnouncement,
    body_hash,
    decode_announcement,
    decode_query,
    decode_question,
    decode_result,
    encode,
    query_of,
)

DEEP = 100_000

readable = st.text(alphabet=st.characters(exclude_categories=["Cs"]))
numbers = st.floats(allow_nan=False, allow_infinity=False)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | numbers | readable,
    lambda children: st.lists(children) | st.dictionaries(readable, children),
    max_leaves=5,
)
questions = st.builds(
    Query,
    query=readable.filter(str.strip),
    context=readable,
    max_tokens=st.integers(1, 32_768),
    temperature=st.floats(0, 2),
    top_p=st.floats(0, 1, exclude_min=True),
    seed=st.none() | st.integers(0, 2**32 - 1),
    stop=st.lists(readable.filter(lambda stop: 0 < len(stop) <= 256), max_size=8),
    deadline_s=st.none() | st.floats(0, 86_400, exclude_min=True),
)
answers = st.builds(
    Answer,
    id=readable,
    answer=readable,
    finish_reason=st.sampled_from(["stop", "length"]),
    model=readable,
    usage=st.builds(Usage, st.integers(0, 2**40), st.integers(0, 2**40), st.integers(0, 2**40)),
    timings=st.builds(Timings, numbers, numbers, numbers, numbers),
)
failures = st.builds(Failure, id=readable, code=st.sampled_from(get_args(FailureCode)), detail=readable)


def refusal_of(body: Any) -> str:
    with pytest.raises(BadMessageError) as refused:
        decode_question(body if isinstance(body, bytes) else json.dumps(body).encode())
    return str(refused.value)


WRONG_VALUES: dict[str, list[Any]] = {
    "query": [None, 5, [], {}, True, ""],
    "context": [7, ["a"], {}],
    "max_tokens": [0, -1, 32_769, 10**30, 1e300, "many", "128", 1.5, True],
    "temperature": [-0.1, 2.1, "hot"],
    "top_p": [0, 1.1, "all"],
    "seed": [-1, 2**32, 2**70, "x", 0.5],
    "stop": ["", "x" * 257, ["x"] * 9, {}, 5],
    "deadline_s": [0, -1, 86_401, "soon"],
}


@pytest.mark.parametrize(
    ("field", "value"), [(field, value) for field, values in WRONG_VALUES.items() for value in values]
)
def test_a_wrong_value_is_refused_in_a_sentence_that_begins_with_its_field(field: str, value: Any) -> None:
    assert refusal_of({"query": "Who?"} | {field: value}).startswith((f"Field `{field}`: ", f"Field `{field}[0]`: "))


@pytest.mark.parametrize("stop", ["", "x" * 257, 5, None])
def test_a_wrong_element_is_named_with_its_place(stop: Any) -> None:
    assert refusal_of({"query": "Who?", "stop": ["fine", stop]}).startswith("Field `stop[1]`: expected ")


@pytest.mark.parametrize("field", [name for name in Question.__struct_fields__ if name != "query"])
def test_an_optional_field_takes_null_as_if_it_were_left_out(field: str) -> None:
    body = json.dumps({"query": "Who?", field: None}).encode()
    assert decode_question(body) == Question(query="Who?")
    assert decode_query(body) == Query(query="Who?")


def test_one_stop_string_needs_no_list() -> None:
    assert decode_question(b'{"query":"Who?","stop":"END"}') == Question(query="Who?", stop=["END"])


@pytest.mark.parametrize(("number", "whole"), [("128.0", 128), ("1.28e2", 128), ("1E0", 1)])
def test_a_whole_float_is_a_whole_number(number: str, whole: int) -> None:
    body = b'{"query":"Who?","max_tokens":%b,"seed":7.0}' % number.encode()
    for question in (decode_question(body), decode_query(body)):
        assert (question.max_tokens, question.seed) == (whole, 7)
        assert isinstance(question.max_tokens, int)


@pytest.mark.parametrize("body", [b'{"query":"Who?"}', b'{"query":"Who?","stop":null}'])
def test_a_byte_order_mark_is_passed_over(body: bytes) -> None:
    assert decode_question(b"\xef\xbb\xbf" + body) == Question(query="Who?")
    assert decode_query(b"\xef\xbb\xbf" + body) == Query(query="Who?")


def test_a_byte_order_mark_inside_of_a_text_stays() -> None:
    assert decode_question('{"query":"\ufeffWho?"}'.encode()).query == "\ufeffWho?"


def test_values_that_a_newer_version_added_to_an_enumeration_are_carried_on() -> None:
    done = b"""{"status":"done","id":"1","answer":"Yes.","finish_reason":"tool","model":"m","backend":"quote",
        "usage":{"prompt_tokens":1,"completion_tokens":1},"answer_from":"both",
        "timings":{"queued_ms":1,"prefill_ms":1,"decode_ms":1,"total_ms":3}}"""
    answer = decode_result(done)
    assert isinstance(answer, Answer)
    assert (answer.finish_reason, answer.backend) == ("tool", "quote")
    failure = decode_result(b'{"status":"failed","id":"1","code":"document-gone","detail":"It was removed."}')
    assert isinstance(failure, Failure)
    assert failure.code == "document-gone"
    letter = DeadLetter(
        subject="s", reason="document-gone", detail="d", attempts=1, headers={}, size_bytes=1, sha256="0"
    )
    assert msgspec.json.decode(encode(letter), type=DeadLetter).reason == "document-gone"


@pytest.mark.parametrize("query", [" ", "\n\t", "\u00a0\u2003"])
def test_a_blank_query_is_refused_by_name(query: str) -> None:
    assert refusal_of({"query": query}) == "Field `query` is blank: ask a question."


def test_a_missing_field_is_named() -> None:
    assert refusal_of({"context": "A lease."}) == "The body: object missing required field `query`."


@pytest.mark.parametrize("name", ["contxt", "v", "id", "client"])
def test_over_http_an_unknown_field_is_refused_by_name(name: str) -> None:
    assert refusal_of({"query": "Who?", name: 1}) == f"The body: object contains unknown field `{name}`."


def test_on_the_bus_an_unknown_field_is_ignored() -> None:
    assert decode_query(b'{"v":1,"query":"Who?","tenant":{"id":[1,2]}}') == Query(query="Who?")


@pytest.mark.parametrize("body", [b"", b" ", b"{", b"nonsense", b"{'query':'x'}", b'{"query":NaN}', b'{"query":"a"}}'])
def test_what_is_not_json_is_refused_as_such(body: bytes) -> None:
    assert refusal_of(body).startswith("The body is not JSON: ")


@pytest.mark.parametrize("body", [b'{"query":"\xff"}', b'{"query":"\xc3"}', b'{"query":"\xed\xa0\x80"}'])
def test_what_is_not_utf8_is_refused_as_such(body: bytes) -> None:
    assert refusal_of(body) == "The body is not JSON: it is not UTF-8."


def test_an_escaped_lone_surrogate_is_refused() -> None:
    assert refusal_of(b'{"query":"\\ud800"}').startswith("The body is not JSON: ")


@pytest.mark.parametrize("body", [b"null", b"3", b'"query"', b"[]", b"true"])
def test_json_that_is_no_object_is_refused(body: bytes) -> None:
    assert refusal_of(body).startswith("The body: expected `object`, got ")


@pytest.mark.parametrize(
    "body",
    [
        b"[" * DEEP,
        b'{"a":' * DEEP,
        b'{"query":"x","unknown":' + b"[" * DEEP + b"]" * DEEP + b"}",
        b'{"query":"x","stop":' + b"[" * DEEP + b"]" * DEEP + b"}",
        b'{"unknown":' + b'{"a":' * DEEP + b"1" + b"}" * DEEP + b',"query":"x"}',
    ],
    ids=["arrays", "objects", "an unknown field", "a known field", "objects in an unknown field"],
)
def test_deep_nesting_is_refused(body: bytes) -> None:
    with pytest.raises(BadMessageError):
        decode_question(body)
    with pytest.raises(BadMessageError):
        decode_query(body)


@pytest.mark.parametrize("body", [b'{"v":3}', b'{"v":3,"query":5}', b'{"v":99,"query":"Who?","max_tokens":"many"}'])
def test_a_newer_version_is_told_before_anything_else_is_looked_at(body: bytes) -> None:
    with pytest.raises(NewerVersionError):
        decode_query(body)


@pytest.mark.parametrize("version", ["0", "-1", '"2"', "1.5", "null", "[]"])
def test_a_version_that_is_none_is_refused_by_name(version: str) -> None:
    with pytest.raises(BadMessageError, match=r"^Field `v`: "):
        decode_query(b'{"v":%b,"query":"Who?"}' % version.encode())


def test_what_a_client_leaves_out_has_defaults() -> None:
    question = decode_question(b'{"query":"Who?"}')
    assert question == Question(query="Who?")
    assert (question.context, question.max_tokens, question.temperature, question.deadline_s) == ("", 128, 0.0, None)


def test_a_query_carries_its_version_and_all_its_fields() -> None:
    body = json.loads(encode(Query(query="Who?")))
    assert body["v"] == VERSION
    newer = {"style", "documents", "space", "path", "job_class", "messages", "response_format"}
    assert body.keys() == {*Question.__struct_fields__, "v"} - newer


def test_a_query_without_a_style_is_what_older_workers_read_byte_for_byte() -> None:
    """So that a keyed retry across an upgrade finds its job."""
    body = encode(query_of(decode_question(b'{"query":"Who?","context":"It was Ada."}')))
    assert body == (
        b'{"query":"Who?","context":"It was Ada.","max_tokens":128,"temperature":0.0,"top_p":1.0,"seed":null,"stop":[],'
        b'"deadline_s":null,"v":1}'
    )


def test_a_query_with_a_style_is_of_version_2_so_that_an_older_worker_gives_it_back() -> None:
    query = query_of(decode_question(b'{"query":"Who?","style":"quote"}'))
    assert query.v == 2
    assert decode_query(encode(query)).style == "quote"


def test_a_query_of_a_class_is_of_version_2_and_its_field_is_called_class() -> None:
    question = decode_question(b'{"query": "Who?", "class": "batch"}')
    assert question.job_class == "batch"
    assert json.loads(encode(query_of(question)))["class"] == "batch"
    assert query_of(question).v == 2


def test_a_class_that_is_none_is_refused_by_name() -> None:
    with pytest.raises(BadMessageError, match="Field `class`"):
        decode_question(b'{"query": "Who?", "class": "urgent"}')


@given(st.binary() | json_values.map(lambda value: json.dumps(value).encode()))
@example(b'{"query":"x","max_tokens":1e' + b"9" * 5000 + b"}")
@example(b'{"query":"x","seed":' + b"9" * 5000 + b"}")
@example(b'{"v":' + b"1" * 50_000 + b',"query":"x"}')
@example(b"\xef\xbb\xbf{}")
@example(b"\x00")
def test_bytes_of_any_kind_are_read_or_refused_and_nothing_else(body: bytes) -> None:
    for decode in (decode_question, decode_query, decode_result, decode_announcement):
        with contextlib.suppress(BadMessageError, NewerVersionError, UnreadableResultError):
            decode(body)


@settings(max_examples=50, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.sampled_from([*Query.__struct_fields__, "other"]), json_values))
def test_objects_with_any_values_are_read_or_refused_with_a_full_stop(fields: dict[str, Any]) -> None:
    try:
        decode_question(json.dumps(fields).encode())
    except BadMessageError as error:
        assert str(error).endswith(".")  # noqa: PT017 - not every such object is refused


@given(questions)
def test_a_query_comes_back_as_it_was(query: Query) -> None:
    assert decode_query(encode(query)) == query


@given(answers | failures)
def test_a_result_comes_back_as_it_was(result: Result) -> None:
    assert decode_result(encode(result)) == result


def test_the_status_of_a_result_tells_its_kind() -> None:
    failure = json.loads(encode(Failure(id="1", code="cancelled", detail="Why.")))
    assert failure == {
        "status": "failed",
        "id": "1",
        "code": "cancelled",
        "detail": "Why.",
        "attempts": 0,
        "dead_letter": False,
    }
    with pytest.raises(UnreadableResultError):
        decode_result(b'{"status":"other"}')


def test_an_announcement_comes_back_as_it_was() -> None:
    announcement = WorkerAnnouncement(
        id="1",
        model="echo",
        slots=4,
        busy=1,
        held=2,
        jobs_per_s=0.5,
        tokens_per_s=12.25,
        memory_bytes=2**31,
        context_tokens=8192,
        max_prompt_bytes=100_000,
    )
    assert decode_announcement(encode(announcement)) == announcement


def test_a_dead_letter_holds_the_query_that_a_replay_needs() -> None:
    letter = DeadLetter(
        subject="docqa.jobs.http.local.x",
        reason="engine-error",
        detail="It broke.",
        attempts=3,
        headers={"traceparent": "00-0-0-00"},
        size_bytes=20,
        sha256="ab",
        query=Query(query="Who?", stop=["."]),
    )
    assert msgspec.json.decode(encode(letter), type=DeadLetter) == letter


def test_a_bodys_hash_is_its_sha256() -> None:
    assert body_hash(b"") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_a_conversation_and_a_form_are_of_version_2_and_count_in_the_hash() -> None:
    plain = query_of(decode_question(b'{"query":"Who?"}'))
    chat = query_of(decode_question(b'{"query":"Who?","messages":[{"role":"user","content":"Hello."}]}'))
    form = query_of(decode_question(b'{"query":"Who?","response_format":{"type":"json_object"}}'))
    assert (plain.v, chat.v, form.v) == (1, 2, 2)
    assert len({body_hash(encode(query)) for query in (plain, chat, form)}) == 3
    assert decode_query(encode(chat)).turns == [Turn("user", "Hello.")]
    assert decode_query(encode(form)).asks_for_json


def test_a_schema_without_its_type_and_one_that_can_not_be_used_are_refused_by_name() -> None:
    assert "`response_format`" in refusal_of({"query": "Who?", "response_format": {"type": "json_schema"}})
    schema = {"schema": {"$ref": "https://example.com/schema"}}
    body = {"query": "Who?", "response_format": {"type": "json_schema", "json_schema": schema}}
    assert refusal_of(body).startswith("Field `response_format`: schema: `$ref`")
