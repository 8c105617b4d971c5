"""Citations for clients of OpenAI's API: as numbered lines under the text, and as annotations with offsets in it.

What is added here is taken out of an assistant's turn when a client sends it back, so that conversations begin alike.
"""

import re
from typing import Any, Final, Literal
from urllib.parse import urlencode

import msgspec

from contract.messages import Answer, Citation

Sources = Literal["both", "text", "annotations", "off"]

NOT_SAID: Final = "The documents don't seem to say this."
_HEAD: Final = "Sources:"
_SHOWN_CHARS: Final = 240
_ADDED: Final = re.compile(rf"(?:\n\n{re.escape(NOT_SAID)})?(?:\n\n{_HEAD}(?:\n\[[0-9]+\] [^\n]*)+)?\s*\Z")
_SILENT: Final = re.compile(r"the documents? (?:does not|do not|doesn't|don't) seem to say this", re.IGNORECASE)


class Shown(msgspec.Struct, frozen=True):
    """What follows an answer's text, and the annotations of both together."""

    added: str
    annotations: list[dict[str, Any]]


def shown(answer: Answer, sources: Sources, *, is_json: bool, page: str = "/") -> Shown:
    """What a client gets to see of an answer's citations. To JSON nothing is added.

    `page`: the address of the page, where a citation's link opens its passage.
    """
    in_text = sources in ("both", "text") and not is_json
    added, spans = _lines(answer) if in_text else ("", [])
    if sources not in ("both", "annotations"):
        return Shown(added, [])
    whole = (0, len(answer.answer))
    lines = spans or [whole] * len(answer.citations)
    places = [_supported(one) or line for one, line in zip(answer.citations, lines, strict=True)]
    return Shown(added, [_annotation(one, span, page) for one, span in zip(answer.citations, places, strict=True)])


def without_sources(text: str) -> str:
    """An assistant's turn as the model wrote it."""
    return _ADDED.sub("", text, count=1)


def _lines(answer: Answer) -> tuple[str, list[tuple[int, int]]]:
    """The lines, and where in the whole text each of them is, in code points."""
    text = answer.answer
    if answer.answerable is False and not _SILENT.search(text):
        text += f"\n\n{NOT_SAID}"
    is_quote = answer.answer_from == "quote"
    if not answer.citations or (is_quote and not any(citation.name for citation in answer.citations)):
        return text[len(answer.answer) :], []
    text += f"\n\n{_HEAD}"
    spans = []
    for number, citation in enumerate(answer.citations, 1):
        start = len(text) + 1
        # What the text quotes needs no repetition.
        parts = [_named(citation), *([] if is_quote else [_quoted(citation)])]
        text += f"\n[{number}] {': '.join(filter(None, parts))}"
        spans.append((start, len(text)))
    return text[len(answer.answer) :], spans


def _supported(citation: Citation) -> tuple[int, int] | None:
    """The part of the answer that a citation supports; older workers don't name it."""
    start, end = citation.answer_start, citation.answer_end
    return None if start is None or end is None else (start, end)


def _named(citation: Citation) -> str:
    # A document's name may have any character: one of a line's own would begin another line.
    name = " ".join(citation.name.split())
    page = f", page {citation.page}" if citation.page else ""
    return f"{name}{page}" if name else ""


def _quoted(citation: Citation) -> str:
    quote = " ".join(citation.quote.split())
    return f"“{quote[:_SHOWN_CHARS]}…”" if len(quote) > _SHOWN_CHARS else f"“{quote}”"


def _annotation(citation: Citation, span: tuple[int, int], page: str) -> dict[str, Any]:
    """OpenAI's `url_citation`, whose members clients know, with the citation's own members beside."""
    where = {"version": citation.version, "start": citation.start, "end": citation.end}
    place = urlencode({"document": citation.document, **where, "page": citation.page or ""})
    url = f"{page}#passage?{place}" if citation.document else ""
    own = msgspec.to_builtins(citation)
    return {
        "type": "url_citation",
        "url_citation": {"start_index": span[0], "end_index": span[1], "title": citation.name, "url": url},
        "citation": own,
    }
