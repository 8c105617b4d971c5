"""An HTTP client of the product, in the words of its users."""

from typing import Any

import httpx

from tests.support.waiting import eventually

FINISHED = ("done", "failed")


class Client:
    """Asks questions over one connection pool and looks after jobs."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self.http = http

    async def ask(self, query: str, **fields: Any) -> httpx.Response:
        """A POST that waits for its answer."""
        return await self.http.post("/api/query", json={"query": query, **fields})

    async def post(self, query: str, **fields: Any) -> httpx.Response:
        """A POST that does not wait."""
        return await self.http.post("/api/query", json={"query": query, **fields}, headers={"Prefer": "respond-async"})

    async def submit(self, query: str, **fields: Any) -> str:
        """The id of a job that must be accepted."""
        response = await self.post(query, **fields)
        assert response.status_code == 202, response.text
        return located_id(response)

    async def job(self, job_id: str) -> dict[str, Any]:
        response = await self.http.get(f"/api/jobs/{job_id}")
        assert response.status_code == 200, response.text
        body: dict[str, Any] = response.json()
        return body

    async def finished(self, job_id: str, timeout_s: float = 30.0) -> dict[str, Any]:
        """The job once it is done or failed."""

        async def probe() -> dict[str, Any] | None:
            job = await self.job(job_id)
            return job if job["status"] in FINISHED else None

        return await eventually(probe, f"job {job_id} finished", timeout_s)

    async def health(self) -> dict[str, Any]:
        """What /health says, with the HTTP status as `http_status`."""
        response = await self.http.get("/health")
        return {**response.json(), "http_status": response.status_code}


def located_id(response: httpx.Response) -> str:
    """The job id at the end of the Location header."""
    path = response.headers["location"]
    assert "/api/jobs/" in path
    return str(path).rsplit("/", 1)[1]


def problem(response: httpx.Response, status: int, kind: str = "") -> dict[str, Any]:
    """The RFC 9457 body of a refusal, after a look at its form."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"].startswith("application/problem+json")
    body: dict[str, Any] = response.json()
    assert body["status"] == status
    assert body["type"].rsplit("/", 1)[-1].rsplit(":", 1)[-1] == (kind or body["type"].rsplit("/", 1)[-1])
    assert body["type"] not in ("", "about:blank")
    assert body["detail"].strip()
    return body


def retry_after_s(response: httpx.Response) -> int:
    """Whole seconds, at least one."""
    text = response.headers["retry-after"]
    assert text.isdigit()
    assert int(text) >= 1
    return int(text)
