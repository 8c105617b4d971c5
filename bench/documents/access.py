"""Whether another's document, space or path can be told from one that does not exist: by status, body, or time."""

import re
import statistics
import time
from collections.abc import Mapping
from typing import Any, Final

import httpx

_NOBODYS: Final = "00000000-0000-4000-8000-000000000000"
_MISSING_SPACE: Final = "winter"
THEIR_SPACE: Final = "summer"
_OWN_WORD: Final = "harbour"
_THEIR_WORD: Final = "quinquereme"
_MISSING_WORD: Final = "quinquerame"
_MEANING: Final = re.compile(r"'(score|cosine)': [-\d.e]+")
"""Of a query, whose own words differ; `coverage`, which would tell of others' words, stays."""
_ID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

Request = tuple[str, str, dict[str, Any]]


def pairs(theirs: str) -> dict[str, tuple[Request, Request]]:
    """Under the name of what is asked: for another's, and for what does not exist."""

    def on(document: str, space: str, word: str) -> dict[str, Request]:
        return {
            "status": ("GET", f"/api/documents/{document}", {}),
            "text": ("GET", f"/api/documents/{document}/text", {}),
            "original": ("GET", f"/api/documents/{document}/original", {}),
            "erase": ("DELETE", f"/api/documents/{document}", {}),
            "replace": ("PUT", f"/api/documents/{document}", {"files": {"file": ("a.txt", b"mine")}}),
            "search in a document": ("POST", "/api/search", {"json": {"query": word, "documents": [document]}}),
            "search in a space": ("POST", "/api/search", {"json": {"query": word, "space": space}}),
            "search in all": ("POST", "/api/search", {"json": {"query": f"{_OWN_WORD} {word}"}}),
            "list of a space": ("GET", "/api/documents", {"params": {"space": space}}),
            "question": ("POST", "/api/query", {"json": {"query": word, "documents": [document], "style": "quote"}}),
        }

    there, nowhere = on(theirs, THEIR_SPACE, _THEIR_WORD), on(_NOBODYS, _MISSING_SPACE, _MISSING_WORD)
    return {name: (there[name], nowhere[name]) for name in there}


async def differences(owner: httpx.AsyncClient, other: httpx.AsyncClient, tries: int) -> dict[str, dict[str, Any]]:
    """By what is asked: the medians in milliseconds, taken in turns, and whether status and body are the same."""
    theirs = await _brought_in(owner, "theirs.txt", f"The {_THEIR_WORD} lies in the dock. " * 400)
    await _brought_in(other, "own.txt", f"The {_OWN_WORD} is wide.")
    return {name: await _compared(other, pair, tries) for name, pair in pairs(theirs).items()}


async def _brought_in(http: httpx.AsyncClient, name: str, text: str) -> str:
    reply = await http.post("/api/documents", files={"file": (name, text.encode())})
    document = str(reply.json()["id"])
    while (status := (await http.get(f"/api/documents/{document}")).json()).get("vectors") != "ready":
        if status.get("state") == "failed":
            raise RuntimeError(status["detail"])
    return document


async def _compared(http: httpx.AsyncClient, pair: tuple[Request, Request], tries: int) -> dict[str, Any]:
    taken_ms: tuple[list[float], list[float]] = ([], [])
    seen: tuple[set[str], set[str]] = (set(), set())
    for number in range(tries):
        # Which comes first changes, so that neither is always the warmer one.
        for side in ((0, 1), (1, 0))[number % 2]:
            began_s = time.perf_counter()
            response = await http.request(pair[side][0], pair[side][1], **pair[side][2])
            taken_ms[side].append((time.perf_counter() - began_s) * 1000)
            seen[side].add(_without_names(response, pair[side]))
    there, nowhere = map(statistics.median, taken_ms)
    return {
        "tries": tries,
        "others_ms": round(there, 3),
        "missing_ms": round(nowhere, 3),
        "difference_ms": round(abs(there - nowhere), 3),
        "alike": seen[0] == seen[1],
    }


def _without_names(response: httpx.Response, request: Request) -> str:
    """Status and body, without what the asker wrote itself, ids of requests, and times."""
    body: Any = response.json()
    said = {key: value for key, value in body.items() if not _is_time(key)} if isinstance(body, Mapping) else body
    text = _MEANING.sub("", _ID.sub("ID", f"{response.status_code} {said}"))
    for word in (_MISSING_SPACE, THEIR_SPACE, _THEIR_WORD, _MISSING_WORD):
        text = text.replace(word, "WORD")
    return text


def _is_time(key: str) -> bool:
    return key.endswith(("_ms", "_s")) or key in ("request_id", "instance", "job_id")
