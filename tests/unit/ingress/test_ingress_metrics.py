"""Counting responses around an application that answers as the test says."""

from typing import Any

import pytest
from prometheus_client import REGISTRY

from ingress.middleware.metrics import Counted

METRICS_ADDRESS = ("127.0.0.1", 9108)


class Answering:
    """An ASGI application with one status for everything; notes which paths it saw."""

    def __init__(self, status: int | None) -> None:
        self.status = status
        self.paths: list[str] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.paths.append(scope["path"])
        scope["path_template"] = "/a/{b:str}"
        if self.status is None:
            raise ZeroDivisionError
        await send({"type": "http.response.start", "status": self.status})
        await send({"type": "http.response.body"})


def scope(method: str = "GET", path: str = "/a/1", server: tuple[str, int | None] = ("/sock", None)) -> dict[str, Any]:
    return {"type": "http", "method": method, "path": path, "raw_path": path.encode(), "server": server}


async def nothing(*_: Any) -> None:
    pass


async def counted(app: Answering, asked: dict[str, Any], method: str, status: int) -> float:
    """How many requests of this kind one call counts."""
    labels = {"method": method, "endpoint": "/a/{b:str}", "status_code": str(status)}

    def value() -> float:
        return REGISTRY.get_sample_value("goblin_docqa_requests_total", labels) or 0.0

    before = value()
    try:
        await Counted(app, METRICS_ADDRESS)(asked, nothing, nothing)
    except ZeroDivisionError:
        assert app.status is None
    return value() - before


@pytest.mark.parametrize(
    ("method", "label", "answer", "status"),
    [("GET", "GET", 200, 200), ("POST", "POST", 429, 429), ("BREW", "OTHER", 405, 405), ("GET", "GET", None, 500)],
)
async def test_a_response_is_counted_by_method_route_and_status(
    method: str, label: str, answer: int | None, status: int
) -> None:
    assert await counted(Answering(answer), scope(method), label, status) == 1


async def test_refusals_for_want_of_room_are_counted_apart() -> None:
    def refused() -> float:
        return REGISTRY.get_sample_value("docqa_requests_429_total") or 0.0

    before = refused()
    await counted(Answering(429), scope(), "GET", 429)
    await counted(Answering(503), scope(), "GET", 503)
    assert refused() == before + 1


async def test_on_the_metrics_address_there_are_metrics_only() -> None:
    app = Answering(200)
    for path in ("/metrics", "/api/query", "/health"):
        await Counted(app, METRICS_ADDRESS)(scope(path=path, server=METRICS_ADDRESS), nothing, nothing)
    await Counted(app, METRICS_ADDRESS)(scope(path="/health", server=("127.0.0.1", 8000)), nothing, nothing)
    assert app.paths == ["/metrics", "/only-metrics-are-here", "/only-metrics-are-here", "/health"]


async def test_what_is_not_http_passes_uncounted() -> None:
    seen = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["type"])

    await Counted(app, METRICS_ADDRESS)({"type": "lifespan"}, nothing, nothing)
    assert seen == ["lifespan"]
