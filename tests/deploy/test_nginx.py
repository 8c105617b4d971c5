"""nginx as it is shipped, in front of the ingress: what passes, what is refused, and what a restart does."""

import asyncio
import json
import re
import subprocess
from collections.abc import AsyncIterator, Iterator

import httpx
import pytest

from tests.acceptance.test_events import EVENTS, events_of
from tests.deploy.support import debian
from tests.deploy.support.checkers import check
from tests.deploy.support.front import NAME, Front, front
from tests.support.client import Client, problem, retry_after_s
from tests.support.ledger import Ledger, queue_is_empty, stored_results
from tests.support.stack import Options, Stack, running
from tests.support.waiting import eventually

QUEUE_SIZE = 10
CLIENTS = 8
RESTARTS = 3


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    debian.ensure_root()
    debian.ensure("nginx-light")
    patience = {"DOCQA_SYNC_WAIT_S": "80", "DOCQA_STYLE": "write"}
    with running(Options(queue_size=QUEUE_SIZE, slots=4, engine="llama", environment=patience)) as stack:
        yield stack


@pytest.fixture(scope="module")
def nginx(stack: Stack) -> Iterator[Front]:
    with front(stack) as nginx:
        yield nginx


@pytest.fixture
async def client(nginx: Front) -> AsyncIterator[httpx.AsyncClient]:
    async with nginx.client() as client:

        async def is_served() -> bool:
            return bool((await client.get("/health")).json()["status"] == "healthy")

        await eventually(is_served, "the ingress behind nginx sees a worker", every_s=0.5)
        yield client


def test_nginx_itself_finds_nothing_to_say(nginx: Front) -> None:
    done = subprocess.run(nginx.command("-t"), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert all(line.endswith(("syntax is ok", "test is successful")) for line in done.stderr.splitlines())


def test_gixy_finds_nothing(nginx: Front) -> None:
    assert json.loads(check("gixy", "--format", "json", nginx.configuration)) == []


async def test_a_question_is_answered_under_tls_with_the_headers_that_lock_a_browser_up(
    client: httpx.AsyncClient,
) -> None:
    response = await Client(client).ask("What is a goblin?", max_tokens=4)
    assert response.status_code == 200, response.text
    assert response.json()["status"] == "done"
    assert "max-age=" in response.headers["strict-transport-security"]
    assert response.headers["x-content-type-options"] == "nosniff"
    assert "default-src 'none'" in response.headers["content-security-policy"]
    assert response.headers.get("server") == "nginx"


async def test_plain_http_is_sent_to_tls(nginx: Front) -> None:
    async with httpx.AsyncClient(trust_env=False) as client:
        response = await client.get(f"http://127.0.0.1:{nginx.plain_port}/schema?x=1")
    assert (response.status_code, response.headers["location"]) == (301, f"https://{NAME}/schema?x=1")


async def test_the_first_tokens_event_comes_through_before_the_last_token_is_made(client: httpx.AsyncClient) -> None:
    query = {"query": "Tell a long story about a goblin and a lamp.", "max_tokens": 64}
    async with client.stream("POST", "/api/query", json=query, headers=EVENTS) as response:
        events = events_of(response)
        name, _ = await anext(events)
        assert name == "token"
        assert (await client.get(response.headers["location"])).json()["status"] == "running"
        names = [name async for name, _ in events]
    assert names[-1] == "result"
    assert names.count("token") > 4


async def test_a_body_above_the_limit_is_refused_as_a_problem(client: httpx.AsyncClient) -> None:
    response = await client.post("/api/query", json={"query": "?", "context": "x" * 2**20})
    problem(response, 413, "body-too-large")
    assert response.headers["x-content-type-options"] == "nosniff"


async def test_the_largest_body_that_the_ingress_takes_gets_through_to_it(client: httpx.AsyncClient) -> None:
    """What a bound of nginx below ours would hide: the ingress itself says that no model can hold that."""
    overhead = len(json.dumps({"query": "?", "context": ""}))
    body = json.dumps({"query": "?", "context": "x" * (2**20 - overhead)})
    response = await client.post("/api/query", content=body, headers={"Content-Type": "application/json"})
    assert problem(response, 413)["type"] == "prompt-too-long"


async def test_a_large_document_gets_through_to_the_ingress_and_nginx_stores_nothing_of_it(
    nginx: Front, client: httpx.AsyncClient
) -> None:
    """64 MiB of a file that nobody can read: what is tried is the way of its bytes."""
    content = b"%PDF-1.7 " + b"\0" * 2**26
    headers = {"Content-Type": "application/pdf", "Content-Disposition": 'attachment; filename="large.pdf"'}
    response = await client.post("/api/documents", content=content, headers=headers)
    assert response.status_code == 202, response.text
    question = await client.post("/api/query", json={"query": "?", "context": "x" * 2**19, "max_tokens": 1})
    assert question.status_code < 500, question.text
    assert "temporary file" not in (nginx.folder / "logs" / "error.log").read_text(encoding="utf-8")


async def test_the_page_and_its_files_come_under_tls_with_the_policy_of_the_page(client: httpx.AsyncClient) -> None:
    page = await client.get("/")
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    assert "default-src 'self'" in page.headers["content-security-policy"]
    file = re.search(r'(?:src|href)="(/?page/[^"]+)"', page.text)
    assert file, page.text[:500]
    assert (await client.get(f"/{file[1].lstrip('/')}")).status_code == 200


async def test_a_client_can_not_name_its_user_through_nginx(nginx: Front, client: httpx.AsyncClient) -> None:
    """Where the ingress believes the header on its socket: nginx takes out what was sent."""
    for header in ("X-User", "x-user", "X_User"):
        response = await client.get("/api/usage", headers={header: "alice"})
        assert (response.json()["client"], "user" in response.json()) == ("local", True), response.text
        assert response.json()["user"] is None
    async with httpx.AsyncClient(transport=httpx.AsyncHTTPTransport(uds=str(nginx.door.path))) as inside:
        response = await inside.get("http://docqa/api/usage", headers={"X-User": "alice"})
    assert response.json()["client"] == "user-alice"


async def test_a_chat_of_openai_s_api_streams_through(client: httpx.AsyncClient) -> None:
    models = (await client.get("/v1/models")).json()["data"]
    body = {
        "model": models[0]["id"],
        "messages": [{"role": "user", "content": "Who?"}],
        "max_tokens": 4,
        "stream": True,
    }
    async with client.stream("POST", "/v1/chat/completions", json=body) as response:
        lines = [line async for line in response.aiter_lines() if line.startswith("data: ")]
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/event-stream")
    assert len(lines) > 2
    assert lines[-1] == "data: [DONE]"


async def test_the_ingresss_refusal_of_a_full_queue_passes_with_its_retry_after(
    stack: Stack, nginx: Front, client: httpx.AsyncClient
) -> None:
    async with stack.bus() as bus:
        many = [Client(client).post(f"Question {n}?", max_tokens=64) for n in range(QUEUE_SIZE + 6)]
        refused = [response for response in await asyncio.gather(*many) if response.status_code == 429]
        assert refused
        for response in refused:
            assert problem(response, 429, "queue-full")["capacity"] == QUEUE_SIZE
            assert retry_after_s(response) <= 60
        await queue_is_empty(bus)


async def test_an_address_that_comes_too_often_is_refused_by_nginx_and_others_are_not(nginx: Front) -> None:
    async with nginx.client("127.0.0.77") as hasty, nginx.client("127.0.0.78") as other:
        responses = await asyncio.gather(*[hasty.get("/health/live") for _ in range(60)])
        refused = [response for response in responses if response.status_code == 429]
        assert refused
        problem(refused[0], 429, "rate-limited")
        assert retry_after_s(refused[0]) == 1
        assert refused[0].headers["x-content-type-options"] == "nosniff"
        assert (await other.get("/health/live")).status_code == 200


async def test_metrics_are_nobodys_business(client: httpx.AsyncClient) -> None:
    for path in ("/metrics", "/metrics/", "//metrics", "/api/../metrics", "/%6detrics", "/page/../metrics"):
        # As a whole address: what begins with two slashes would name a host.
        problem(await client.get(f"{str(client.base_url).removesuffix('/')}{path}"), 404)


async def test_the_log_has_the_request_by_its_id_and_not_a_word_of_it(nginx: Front, client: httpx.AsyncClient) -> None:
    response = await Client(client).ask("What does the lamp cost?", max_tokens=2)
    request_id = response.headers["x-request-id"]

    async def line() -> dict[str, object] | None:
        return next((line for line in nginx.log() if line["request_id"] == request_id), None)

    found = await eventually(line, "the request is in the log")
    assert (found["method"], found["path"], found["status"]) == ("POST", "/api/query", 200)
    assert str(found["trace"]).startswith(f"00-{request_id}-")
    assert "lamp" not in (nginx.folder / "logs" / "goblin-docqa.json").read_text(encoding="utf-8")


async def test_restarts_of_the_ingress_under_load_lose_nothing_and_refuse_nobody(stack: Stack, nginx: Front) -> None:
    ledger, over = Ledger(), asyncio.Event()

    async def ask_on(number: int) -> None:
        async with nginx.client(f"127.0.1.{number + 1}") as http:
            while not over.is_set():
                response = await Client(http).ask("Once more?", max_tokens=1)
                # 503 with a place to look at: the bus did not say in time whether it has the job.
                assert response.status_code in (200, 202, 429), response.text
                ledger.note(response)
                await asyncio.sleep(0.05)

    async with stack.bus() as bus:
        already = (await stored_results(bus)).keys()
        clients = [asyncio.create_task(ask_on(number)) for number in range(CLIENTS)]
        for _ in range(RESTARTS):
            await has_more(ledger, len(ledger.accepted) + CLIENTS)
            await asyncio.to_thread(nginx.door.restart)
        await has_more(ledger, len(ledger.accepted) + CLIENTS)
        over.set()
        await asyncio.gather(*clients)
        await queue_is_empty(bus)
        results = (await stored_results(bus)).keys() - already
    assert results == ledger.accepted


async def has_more(ledger: Ledger, than: int) -> None:
    async def probe() -> bool:
        return len(ledger.accepted) > than

    await eventually(probe, "the clients' questions are accepted")
