"""The smoke test's document: brought in, read, found, asked about, erased, gone."""

import asyncio
import secrets
import time
from typing import Final

from ops.release.probe import Answer, Probe

_POLLS_EVERY_S: Final = 0.25
_QUERY: Final = "When is the rent of the mill due?"
_DUE: Final = "The rent of the mill is due on the ninth working day."


async def try_document(probe: Probe, deadline_s: float) -> tuple[bool, str]:
    """Whether all of it worked, and what was seen. The document has a name of its own and is erased in any case."""
    name = f"smoke-{secrets.token_hex(8)}.txt"
    accepted = await probe.upload(name, f"{name}\n\n{_DUE}\n".encode())
    if accepted.status not in (200, 202):
        return False, f"not accepted: {accepted.error_text}"
    document = str(accepted.document["id"])
    try:
        problem = await _use(probe, document, deadline_s)
    finally:
        erased = await _erased(probe, document, deadline_s)
    if problem or erased:
        return False, problem or erased
    gone = await probe.get(f"/api/documents/{document}"), await probe.search(_QUERY, document)
    if any(answer.status != 404 for answer in gone):
        return False, f"erased, and still there: {', '.join(answer.error_text for answer in gone)}"
    return True, "a document was read, found, asked about and erased"


async def _use(probe: Probe, document: str, deadline_s: float) -> str:
    """What went wrong; empty: nothing."""
    status = await _read(probe, document, deadline_s)
    if status.document.get("state") != "ready":
        return f"not read: {status.document.get('detail') or status.document.get('state') or status.error_text}"
    found = await probe.search(_QUERY, document)
    if not any(_DUE in hit["text"] for hit in found.document.get("hits", [])):
        return f"not found: {found.error_text}"
    question = {"query": _QUERY, "documents": [document], "style": "quote"}
    answer = await probe.ask(question, max(deadline_s - time.monotonic(), 1.0))
    if answer.document.get("status") != "done":
        return f"not answered: {answer.error_text}"
    if not any(one["document"] == document for one in answer.document.get("citations", [])):
        return "answered without a citation of it"
    return ""


async def _read(probe: Probe, document: str, deadline_s: float) -> Answer:
    while True:
        status = await probe.get(f"/api/documents/{document}")
        if status.document.get("state") not in ("queued", "reading") or time.monotonic() > deadline_s:
            return status
        await asyncio.sleep(_POLLS_EVERY_S)


async def _erased(probe: Probe, document: str, deadline_s: float) -> str:
    """Erase it; why that did not come to its end, or nothing."""
    while True:
        reply = await probe.delete(f"/api/documents/{document}")
        if reply.status in (200, 404):
            return ""
        if reply.status != 202 or time.monotonic() > deadline_s:
            return f"not erased: {reply.document.get('state') or reply.error_text}"
        await asyncio.sleep(_POLLS_EVERY_S)
