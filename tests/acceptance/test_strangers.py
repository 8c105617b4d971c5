"""Without any token: the Unix socket is its group's, TCP is this machine's own, and no page on another site gets in."""

import asyncio

import pytest

from tests.support.client import problem
from tests.support.stack import Beside, Stack

LOCAL = ("localhost", "localhost:8000", "127.0.0.1", "127.0.0.1:1", "[::1]:8000")


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8000", "localhost.evil.example", "192.0.2.1", ""])
@pytest.mark.parametrize("path", ["/api/query", "/health", "/metrics", "/schema", "/nowhere"])
async def test_over_tcp_a_request_that_means_another_host_is_421(echo: Stack, host: str, path: str) -> None:
    async with echo.client(tcp=True) as client:
        for method in ("GET", "POST"):
            problem(await client.http.request(method, path, headers={"Host": host}), 421, "misdirected")


@pytest.mark.parametrize("host", LOCAL)
async def test_over_tcp_this_machines_own_names_are_answered(echo: Stack, host: str) -> None:
    async with echo.client(tcp=True) as client:
        client.http.headers["Host"] = host
        assert (await client.http.get("/health")).status_code == 200
        assert (await client.ask("Who?")).status_code == 200


async def test_on_the_unix_socket_any_name_will_do(echo: Stack) -> None:
    async with echo.client() as client:
        assert (await client.http.get("/health", headers={"Host": "docqa.example"})).status_code == 200


async def test_a_page_on_another_site_is_never_allowed_to_ask(echo: Stack) -> None:
    """Its browser says where it comes from. JSON makes it ask first (a preflight); the answer allows nothing."""
    asks_first = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}
    answers = []
    async with echo.client(tcp=True) as client:
        for said in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": "null"}):
            answers += [
                await client.http.options("/api/query", headers={**said, **asks_first}),
                await client.http.get("/health", headers=said),
            ]
            for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
                headers = {**said, "Content-Type": kind}
                answers.append(await client.http.post("/api/query", content=b'{"query":"Who?"}', headers=headers))
        for answer in answers:
            problem(answer, 403, "cross-site")
    assert not [name for answer in answers for name in answer.headers if name.startswith("access-control-")]


async def test_a_page_on_another_site_brings_in_no_document_by_a_form(echo: Stack) -> None:
    """A form with a file is a request that browsers send without asking first."""
    async with echo.client(tcp=True) as client:
        for said in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "same-site"}):
            sent = await client.http.post("/api/documents", files={"file": ("x.txt", b"A lamp.")}, headers=said)
            problem(sent, 403, "cross-site")
        assert (await client.http.get("/api/documents", params={"name": "x.txt"})).json()["total"] == 0


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_a_start_on_another_address_without_a_token_is_refused_in_one_sentence(echo: Stack, host: str) -> None:
    ingress = Beside(echo, "ingress", "ingress", _at(echo, host))
    ingress.start()
    assert ingress.ends() == 2
    [sentence] = ingress.output().splitlines()
    assert sentence.startswith("docqa ingress: DOCQA_HOST: ")
    assert "no token is set" in sentence
    assert not (echo.folder / "open").exists()


async def test_with_a_token_it_listens_there_and_takes_any_name(echo: Stack) -> None:
    ingress = Beside(echo, "ingress", "ingress", {**_at(echo, "0.0.0.0"), "DOCQA_TOKEN": "t" * 32})
    ingress.start()
    try:
        async with echo.client(uds=echo.folder / "open") as client:
            for _ in range(200):
                if (echo.folder / "open").exists():
                    break
                await asyncio.sleep(0.05)
            answer = await client.http.get("/health/live", headers={"Host": "docqa.example"})
        assert answer.status_code == 200
        ingress.stop()
    finally:
        ingress.destroy()


def _at(stack: Stack, host: str) -> dict[str, str]:
    return {"DOCQA_UDS": str(stack.folder / "open"), "DOCQA_HOST": host, "DOCQA_PORT": "0"}
