"""The proxy's API under TLS: only a named authority is trusted."""

import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trustme

from contract.messages import Query
from contract.settings import Secret
from inference_worker.proxy.api_client import Remote, target_of
from inference_worker.proxy.errors import ApiError
from inference_worker.proxy.request import request_for
from tests.support.openai_api import Api, serving

KEY = "a-key-that-nobody-may-see"


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
async def api(authority: trustme.CA) -> AsyncIterator[Api]:
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    async with serving(tls) as api:
        yield api


def trust(authority: trustme.CA, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority.cert_pem.write_to_path(str(folder / "authority.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(folder / "authority.pem"))


async def answer(url: str) -> str:
    remote = Remote(target_of(url, allow_http=False), Secret(KEY), first_byte_s=5, idle_s=5)
    try:
        request = request_for(Query(query="Who?"), "recorded", url)
        chunks = remote.ask(request.body(), request.most_response_bytes, request.max_tokens)
        return "".join([chunk.text async for chunk in chunks])
    finally:
        await remote.close()


async def test_an_authority_that_is_named_is_believed(
    api: Api, authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trust(authority, tmp_path, monkeypatch)
    assert await answer(api.url) == "It was Ada."
    assert f"authorization: bearer {KEY}" in api.requests[0].decode().lower()


async def test_an_authority_that_is_not_named_is_told_nothing(
    api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trust(trustme.CA(), tmp_path, monkeypatch)
    await _is_not_believed(api.url)
    assert not api.requests


async def test_a_certificate_of_another_host_is_told_nothing(
    api: Api, authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trust(authority, tmp_path, monkeypatch)
    await _is_not_believed(api.url.replace("127.0.0.1", "localhost"))
    assert not api.requests


async def _is_not_believed(url: str) -> None:
    with pytest.raises(ApiError) as raised:
        await answer(url)
    assert "certificate is not one that this system trusts" in str(raised.value)
    assert (raised.value.is_passing, raised.value.may_have_cost) == (False, False)
