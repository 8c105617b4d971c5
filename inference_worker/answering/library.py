"""Finds evidence in the library's documents, for one client at a time. The library decides what the client may read."""

import asyncio
from bisect import bisect_right
from typing import Final, TypeVar

import msgspec
from msgspec import UNSET

from contract.bus import Bus
from contract.bus.library_client import ask
from contract.documents import Page
from contract.errors import DocumentRefusedError, LibraryRefusedError, LibraryUnavailableError
from contract.evidence import Sentence, SentenceIndex, split_sentences
from contract.library_messages import TextReply, TextRequest
from contract.messages import Citation, Query
from contract.search_messages import Hit, SearchReply, SearchRequest
from contract.topology import LibraryOperation
from inference_worker.answering.found import Cite, Found, found_in

PASSAGES: Final = 8
RANKED: Final = 8
_QUERY_CHARS: Final = 8192
_GAP: Final = "\n\n"

T = TypeVar("T", bound=msgspec.Struct)


class Library:
    """Asks the library for the worker's jobs."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def find(self, query: Query, owner: str) -> Found:
        """The passages that answer best, in their documents' order, and their sentences ranked together.

        `owner` is `<publisher>.<client>`. Raises DocumentRefusedError or LibraryUnavailableError.
        """
        request = SearchRequest(
            query=query.query[:_QUERY_CHARS],
            documents=query.documents or [],
            space=query.space or "",
            path=query.path or "",
            limit=PASSAGES,
        )
        reply = await self._ask("search", owner, request, SearchReply)
        if not reply.hits and reply.not_ready:
            raise DocumentRefusedError("document-not-ready", "The document is still being read: ask again soon.")
        found = _joined(query.query, reply.hits)
        features = found.features._replace(absent=float(reply.names_absent))
        return found._replace(features=features, documents=frozenset(hit.document for hit in reply.hits))

    async def read(self, query: Query, owner: str, document: str, max_chars: int) -> Found:
        """A document from its beginning, as far as `max_chars`, for a question that needs it whole."""
        parts: list[TextReply] = []
        start: int | None = 0
        while start is not None and start < max_chars:
            request = TextRequest(document=document, start=start, end=max_chars)
            parts.append(await self._ask("read", owner, request, TextReply))
            start = parts[-1].next
        found = await asyncio.to_thread(_whole, query.query, parts)
        return found._replace(documents=frozenset({document}))

    async def _ask(self, operation: LibraryOperation, owner: str, request: msgspec.Struct, reply: type[T]) -> T:
        publisher, _, client = owner.partition(".")
        try:
            return await ask(self._bus, operation, publisher, client, request, reply)
        except LibraryRefusedError as error:
            if error.code == "library-unavailable":
                raise LibraryUnavailableError(str(error)) from None
            raise DocumentRefusedError(error.code, str(error)) from None


def _whole(question: str, parts: list[TextReply]) -> Found:
    text = "".join(part.text for part in parts)
    words = SentenceIndex(text, split_sentences(text))
    return found_in(words, question, None, _cite_document(parts, text), RANKED)


def _joined(question: str, hits: list[Hit]) -> Found:
    """The passages as one text. A sentence that two passages hold counts once."""
    ordered = sorted(hits, key=lambda hit: (hit.name, hit.document, hit.start))
    names = list(dict.fromkeys(hit.document for hit in ordered))
    starts: list[int] = []
    sentences: list[Sentence] = []
    documents: list[int] = []
    cosines: list[float | None] = []
    seen: set[tuple[str, int, int]] = set()
    text = ""
    for number, hit in enumerate(ordered):
        starts.append(len(text) + len(_GAP) if text else 0)
        text = f"{text}{_GAP}{hit.text}" if text else hit.text
        for found in sorted(hit.sentences, key=lambda sentence: sentence.start):
            if (hit.document, found.start, found.end) not in seen:
                seen.add((hit.document, found.start, found.end))
                shift = starts[-1] - hit.start
                sentences.append(Sentence(found.start + shift, found.end + shift, block=number))
                documents.append(names.index(hit.document))
                cosines.append(found.cosine)
    known = [cosine for cosine in cosines if cosine is not None]
    words = SentenceIndex(text, sentences, documents if len(names) > 1 else None)
    similar = known if len(known) == len(cosines) and known else None
    return found_in(words, question, similar, _cite_hits(ordered, starts, text), RANKED)


def _cite_hits(hits: list[Hit], starts: list[int], text: str) -> Cite:
    def cite(start: int, end: int, score: float) -> Citation:
        number = bisect_right(starts, start) - 1
        hit, shift = hits[number], hits[number].start - starts[number]
        page = next((one.page for one in hit.sentences if one.start <= start + shift < one.end and one.page), hit.page)
        return Citation(
            document=hit.document,
            version=hit.version,
            name=hit.name,
            page=page or None,
            start=start + shift,
            end=end + shift,
            quote=text[start:end],
            score=score,
        )

    return cite


def _cite_document(parts: list[TextReply], text: str) -> Cite:
    first, pages = parts[0], [page for part in parts for page in part.pages]

    def cite(start: int, end: int, score: float) -> Citation:
        return Citation(
            document=first.document,
            version=first.version,
            name=first.name,
            page=_page_at(pages, start),
            start=start,
            end=end,
            quote=text[start:end],
            score=score,
        )

    return cite


def _page_at(pages: list[Page], start: int) -> int | None:
    return next((page.number for page in pages if page.start <= start < page.end), None)


def names_documents(query: Query) -> bool:
    """Whether the question is about documents of the library."""
    return any(value is not UNSET and value for value in (query.documents, query.space, query.path))
