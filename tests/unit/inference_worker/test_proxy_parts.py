"""What the proxy's engine is made of, without a network: the address, the request, the tries, the breaker."""

import unicodedata
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contract.errors import ProxyError, SettingsError
from contract.messages import Query
from contract.redaction.custom_rules import OwnRule
from contract.redaction.redactor import Redactor
from contract.settings import Secret
from inference_worker.proxy.api_client import Remote, target_of
from inference_worker.proxy.errors import ApiError
from inference_worker.proxy.request import Request, request_for
from inference_worker.proxy.retries import FAILURES, MOST, OPEN_S, Breaker, Tries, retry_after_s

URL = "https://api.example.com/v1/chat/completions"
OUTAGE = ApiError("Down.", is_passing=True)


@pytest.mark.parametrize(
    ("given_url", "url"),
    [
        ("https://api.example.com/v1", URL),
        ("https://api.example.com/v1/", URL),
        (URL, URL),
        ("https://api.example.com/v1?api-version=1#x", f"{URL}?api-version=1"),
        ("http://127.0.0.1:8080/v1", "http://127.0.0.1:8080/v1/chat/completions"),
        ("http://[::1]:8080", "http://[::1]:8080/chat/completions"),
        ("http://localhost/v1", "http://localhost/v1/chat/completions"),
    ],
)
def test_an_address_leads_to_the_chat_completions(given_url: str, url: str) -> None:
    assert target_of(given_url, allow_http=False).url == url


@pytest.mark.parametrize(
    ("url", "words"),
    [
        (None, "has no address"),
        ("", "has no address"),
        ("api.example.com/v1", "expected https://HOST/PATH"),
        ("ftp://api.example.com", "expected https://HOST/PATH"),
        ("https://", "expected https://HOST/PATH"),
        ("https://x:y/v1", "expected https://HOST/PATH"),
        ("https://me:s3cret@api.example.com/v1", "COPILOT_API_KEY instead"),
        ("http://api.example.com/v1", "DOCQA_PROXY_ALLOW_HTTP=true"),
        ("http://192.168.1.9/v1", "to 192.168.1.9 in the clear"),
        ("http://localhost.example.com/v1", "in the clear"),
    ],
)
def test_an_address_that_is_none_or_not_private_is_refused_in_one_sentence(url: str | None, words: str) -> None:
    with pytest.raises(SettingsError, match=rf"^COPILOT_API_URL: [^\n]*{words}") as raised:
        target_of(url, allow_http=False)
    assert "s3cret" not in str(raised.value)


def test_plain_http_to_another_machine_may_be_allowed() -> None:
    assert not target_of("http://llama.internal/v1", allow_http=True).is_tls


async def test_certificates_are_checked() -> None:
    remote = Remote(target_of(URL, allow_http=False), Secret("k"), first_byte_s=1, idle_s=1)
    context = remote._http._transport._pool._ssl_context  # type: ignore[attr-defined]  # nothing else tells
    assert context.check_hostname
    assert context.verify_mode.name == "CERT_REQUIRED"
    await remote.close()


def requested(model: str = "m", url: str = URL, **fields: Any) -> Request:
    return request_for(Query(**({"query": "Who?"} | fields)), model, url)


def test_the_same_question_has_the_same_fingerprint_and_the_deadline_does_not_matter() -> None:
    assert requested(deadline_s=3.0).fingerprint == requested().fingerprint


@pytest.mark.parametrize(
    "other",
    [
        {"query": "Who else?"},
        {"context": "x"},
        {"max_tokens": 7},
        {"temperature": 0.1},
        {"top_p": 0.9},
        {"seed": 0},
        {"stop": ["x"]},
        {"model": "n"},
        {"url": "https://other.example.com"},
    ],
    ids=lambda other: next(iter(other)),
)
def test_all_that_may_change_an_answer_changes_the_fingerprint(other: dict[str, Any]) -> None:
    assert requested(**other).fingerprint != requested().fingerprint


@pytest.mark.parametrize(
    ("fields", "is_repeatable"),
    [({}, True), ({"temperature": 0.7}, False), ({"temperature": 0.7, "seed": 1}, True)],
)
def test_a_sampled_answer_is_repeatable_with_a_seed_only(fields: dict[str, Any], is_repeatable: bool) -> None:
    assert requested(**fields).is_repeatable is is_repeatable


@settings(max_examples=50)
@given(st.text(min_size=1, max_size=300).filter(lambda text: text.strip()))
def test_no_way_to_cut_a_prompt_into_bytes_makes_more_tokens_than_are_reserved(text: str) -> None:
    request = requested(query=text, max_tokens=9)
    for form in ("NFC", "NFD", "NFKC", "NFKD"):
        assert len(unicodedata.normalize(form, text).encode()) < request.most_prompt_tokens
    assert request.most_tokens == request.most_prompt_tokens + 9


def test_one_sign_that_some_tokenizers_write_out_is_reserved_for_as_written_out() -> None:
    assert requested(query="\ufdfa" * 100).most_prompt_tokens >= 512 + 33 * 100


def test_a_secret_that_only_the_wording_brings_together_is_not_sent() -> None:
    body = msgspec.json.decode(requested(query="AKIAZ7VRSQ5TJN2XMPLB?", stop=["ghp_" + "aB1" * 12]).body())
    assert "AKIA" not in body["messages"][1]["content"]
    assert "ghp_" not in body["stop"][0]


def test_a_deployments_own_rule_holds_for_the_message_that_is_sent_as_a_whole() -> None:
    redactor = Redactor((), [OwnRule("badge", "Question: (G-[0-9]{6})", 1), OwnRule("house", "Goblin Lane")])
    query = Query(query="G-123456?", context="A list.", stop=["Goblin Lane"])
    body = msgspec.json.decode(request_for(query, "m", URL, redactor).body())
    assert "Question: [REDACTED:badge]?" in body["messages"][1]["content"]
    assert body["stop"] == ["[REDACTED:house]"]


def test_waits_grow_at_random_and_tries_end() -> None:
    tries = Tries(None)
    waits = [tries.next_wait_s(OUTAGE) for _ in range(MOST - 1)]
    assert all(0 <= wait <= 0.5 * 2**number for number, wait in enumerate(waits, 1))
    with pytest.raises(ProxyError, match=f"It was tried {MOST} times"):
        tries.next_wait_s(OUTAGE)


def test_a_wait_that_is_asked_for_is_kept_and_spread() -> None:
    waits = {Tries(60).next_wait_s(ApiError("Busy.", is_passing=True, retry_after_s=10)) for _ in range(20)}
    assert all(10 <= wait <= 12.75 for wait in waits)
    assert len(waits) > 1


def test_no_try_is_waited_for_past_the_deadline() -> None:
    with pytest.raises(ProxyError, match="the job has to end before"):
        Tries(5).next_wait_s(ApiError("Busy.", is_passing=True, retry_after_s=10))


@pytest.mark.parametrize(("is_replayable"), [True, False])
def test_what_does_not_pass_is_not_tried_again(is_replayable: bool) -> None:
    with pytest.raises(ProxyError) as raised:
        Tries(60).next_wait_s(ApiError("No.", is_replayable=is_replayable))
    assert raised.value.is_replayable is is_replayable


@pytest.mark.parametrize(
    ("header", "wait_s"), [(None, None), ("7", 7.0), (" 0 ", 0.0), ("soon", None), ("-1", None), ("\u0667", None)]
)
def test_retry_after_is_whole_seconds_or_nothing(header: str | None, wait_s: float | None) -> None:
    assert retry_after_s(header) == wait_s


def test_retry_after_may_be_a_date() -> None:
    in_a_minute = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
    assert 55 < (retry_after_s(in_a_minute) or 0) <= 60
    assert retry_after_s("Wed, 21 Oct 2015 07:28:00 GMT") == 0


class Clock:
    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def fail(breaker: Breaker, error: ApiError = OUTAGE) -> None:
    with pytest.raises(ApiError), breaker.guarded():
        raise error


def opened(clock: Clock) -> Breaker:
    breaker = Breaker(now_s=clock)
    for _ in range(FAILURES):
        assert breaker.wait_s() == 0
        fail(breaker)
    return breaker


def test_a_breaker_opens_after_failures_in_a_row_and_lets_one_try_when_its_time_is_over() -> None:
    clock = Clock()
    breaker = opened(clock)
    assert breaker.wait_s() == OPEN_S
    clock.now_s += OPEN_S
    assert breaker.wait_s() == 0
    with breaker.guarded():
        assert breaker.wait_s() > 0
        breaker.succeeded()
    assert breaker.wait_s() == 0
    fail(breaker)
    assert breaker.wait_s() == 0


def test_a_probe_that_fails_opens_it_again_and_one_that_is_cancelled_leaves_the_next_one_to_try() -> None:
    clock = Clock()
    breaker = opened(clock)
    clock.now_s += OPEN_S
    with pytest.raises(KeyboardInterrupt), breaker.guarded():
        raise KeyboardInterrupt
    assert breaker.wait_s() == 0
    fail(breaker)
    assert breaker.wait_s() == OPEN_S


@pytest.mark.parametrize(
    "error", [ApiError("No."), ApiError("Busy.", is_passing=True, retry_after_s=1)], ids=["refused", "busy"]
)
def test_an_api_that_refuses_is_there(error: ApiError) -> None:
    breaker = Breaker(now_s=Clock())
    for _ in range(FAILURES - 1):
        fail(breaker)
    fail(breaker, error)
    fail(breaker)
    assert breaker.wait_s() == 0
