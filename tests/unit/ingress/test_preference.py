"""How a client wants its answer."""

import pytest
from litestar import Request
from litestar.types import HTTPScope

from ingress.api.preference import MAX_KEY_CHARS, Preference
from ingress.problems import Problem


def preference(*headers: tuple[str, str]) -> Preference:
    raw = [(name.encode(), value.encode("latin-1")) for name, value in headers]
    scope: HTTPScope = {"type": "http", "headers": raw, "state": {}}  # type: ignore[typeddict-item]  # all it looks at
    return Preference.of(Request(scope))


def prefer(*values: str) -> Preference:
    return preference(*(("prefer", value) for value in values))


def test_without_headers_the_client_waits_as_long_as_the_settings_say() -> None:
    assert prefer() == Preference()
    assert prefer().waits
    assert not prefer().returns_later


@pytest.mark.parametrize(
    ("values", "respond_async", "wait_s"),
    [
        (["respond-async"], True, None),
        (["Respond-Async"], True, None),
        (["wait=10"], False, 10),
        (["WAIT=0"], False, 0),
        (["respond-async, wait=10"], True, 10),
        (["wait=10,respond-async"], True, 10),
        (["respond-async", "wait=10"], True, 10),
        (["wait=5, wait=9"], False, 5),
        (["return=minimal", "handling=lenient, wait=7"], False, 7),
        (["wait=-1"], False, None),
        (["wait=1.5"], False, None),
        (["wait=soon"], False, None),
        (["wait="], False, None),
        (["wait=9999999999"], False, None),
        (["respond-asynchronously"], False, None),
        ([""], False, None),
        ([",,"], False, None),
        (["\xff"], False, None),
    ],
)
def test_prefer_is_a_list_and_what_is_not_understood_is_passed_over(
    values: list[str], respond_async: bool, wait_s: float | None
) -> None:
    assert prefer(*values) == Preference(respond_async, wait_s)


def test_who_wants_an_answer_at_once_waits_only_when_a_wait_is_named() -> None:
    assert not prefer("respond-async").waits
    assert prefer("respond-async, wait=3").waits
    assert prefer("respond-async").returns_later


@pytest.mark.parametrize(
    ("accept", "events"),
    [
        ("text/event-stream", True),
        ("Text/Event-Stream; q=0.9", True),
        ("application/json, text/event-stream", True),
        ("application/json;q=0.5, text/event-stream", True),
        ("text/event-stream;level=1;q=0.001", True),
        ("application/json", False),
        ("application/json, text/event-stream;q=0", False),
        ("application/json, text/event-stream; q=0.0", False),
        ("text/event-stream;q=0.5, application/json", False),
        ("text/event-stream;q=0.5, application/json;q=0.6", False),
        ("*/*", False),
    ],
)
def test_events_are_sent_to_who_accepts_them_by_name(accept: str, events: bool) -> None:
    assert preference(("accept", accept)).events is events


def test_a_key_makes_the_client_one_who_returns_later() -> None:
    keyed = preference(("idempotency-key", "8e03978e-40d5-43dd-bc93-6894a57f9324"))
    assert keyed.key == "8e03978e-40d5-43dd-bc93-6894a57f9324"
    assert keyed.returns_later
    assert keyed.waits


@pytest.mark.parametrize("key", ["", " ", "a b", "\xe9", "k" * (MAX_KEY_CHARS + 1), "a\x7f"])
def test_a_key_that_can_be_none_is_refused_by_its_headers_name(key: str) -> None:
    with pytest.raises(Problem, match="Idempotency-Key") as refused:
        preference(("idempotency-key", key))
    assert refused.value.status == 400
