"""How the commands reach a running system over HTTP: which target is a socket, which a URL, and which needs no proxy.

A proxy of the environment is used for other machines only: on the loopback it would read questions and tokens.
"""

from functools import partial
from typing import Any
from urllib.parse import urlsplit

import httpx

from contract import environment_proxy
from contract.errors import DocQAError
from contract.tls import is_loopback


def client(target: str, token: str | None, timeout: httpx.Timeout) -> httpx.Client:
    """A client for a URL or the path of a Unix socket; raises DocQAError for anything else."""
    return httpx.Client(transport=_direct(target, httpx.HTTPTransport), **_options(target, token, timeout))


def timeout(seconds: float) -> httpx.Timeout:
    """For a request, with a shorter one for its connection."""
    return httpx.Timeout(seconds, connect=5)


def async_client(target: str, token: str | None, timeout: httpx.Timeout, at_once: int = 10) -> httpx.AsyncClient:
    """The same for `at_once` requests at a time."""
    limits = httpx.Limits(max_connections=at_once + 1, max_keepalive_connections=at_once + 1)
    transport = _direct(target, partial(httpx.AsyncHTTPTransport, limits=limits))
    return httpx.AsyncClient(transport=transport, limits=limits, **_options(target, token, timeout))


def _direct(target: str, transport: Any) -> Any:
    """A transport that ignores the environment's proxies, for sockets and the loopback; None for other machines."""
    if not _is_url(target):
        return transport(uds=target)
    if is_loopback(_host(target)):
        return transport()
    environment_proxy.check()
    return None


def _options(target: str, token: str | None, timeout: httpx.Timeout) -> dict[str, Any]:
    return {
        "base_url": target if _is_url(target) else "http://docqa",
        "headers": {"Authorization": f"Bearer {token}"} if token else None,
        "timeout": timeout,
    }


def _is_url(target: str) -> bool:
    return "://" in target


def _host(target: str) -> str:
    """The host of a URL; raises DocQAError for what is none."""
    try:
        parts = urlsplit(target)
        host, is_http = parts.hostname, parts.scheme in ("http", "https")
        httpx.URL(target)
        _ = parts.port
    except (ValueError, httpx.InvalidURL):
        host, is_http = None, False
    if not host or not is_http:
        raise DocQAError(
            f"--target: {target!r} is neither the path of a Unix socket nor a URL such as http://127.0.0.1:8000 or "
            "http://[::1]:8000."
        )
    return host
