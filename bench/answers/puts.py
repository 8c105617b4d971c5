"""What questions are put to: their passage, their article, its document in a library, all documents, a wrong one."""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from bench.answers.datasets import Article, Question
from bench.documents.library import Documents

SCOPES: Final = ("passage", "article", "document", "space")
"""Where a question has its answer."""
REFUSED: Final = ("other_article", "no_answer")
"""Where it has none: another article, or its own passage, which does not answer it."""
_MOST_DOCUMENTS: Final = 100


class Put(NamedTuple):
    """A question with what it is put to."""

    question: Question
    source: dict[str, Any]
    """The fields of the request that name it."""
    texts: Mapping[str, str]
    """What may be cited, under the document's id; "" is the context."""


class Library(NamedTuple):
    """The articles as documents of a system."""

    ids: Sequence[str]
    """In the order of the articles."""
    texts: Mapping[str, str]


async def brought_in(documents: Documents, articles: Sequence[Article]) -> Library:
    """Each article as a text file; at most as many as one question can name."""
    kept = articles[:_MOST_DOCUMENTS]
    ids = await documents.bring_all_in((f"{at}.txt", article.text.encode()) for at, article in enumerate(kept))
    await documents.all_settled(ids.values())
    for document in ids.values():
        await documents.with_vectors(document)
    texts = await asyncio.gather(*(documents.text(document) for document in ids.values()))
    return Library([ids[f"{at}.txt"] for at in range(len(kept))], dict(zip(ids.values(), texts, strict=True)))


def put_to(scope: str, articles: Sequence[Article], library: Library | None = None) -> list[Put]:
    """The questions of one scope; with an answer in it, or without for those of `REFUSED`."""
    ways: dict[str, Callable[[], Iterator[Put]]] = {
        "passage": lambda: _passages(articles, answered=True),
        "article": lambda: _articles(articles),
        "document": lambda: _documents(articles, library, alone=True),
        "space": lambda: _documents(articles, library, alone=False),
        "other_article": lambda: _others(articles),
        "no_answer": lambda: _passages(articles, answered=False),
    }
    return list(ways[scope]())


def _of_context(question: Question, context: str) -> Put:
    return Put(question, {"context": context}, {"": context})


def _passages(articles: Sequence[Article], *, answered: bool) -> Iterator[Put]:
    for article in articles:
        for passage in article.passages:
            for question in passage.questions:
                if bool(question.references) is answered:
                    yield _of_context(question, passage.text)


def _asked(article: Article) -> Iterator[Question]:
    return (one for passage in article.passages for one in passage.questions if one.references)


def _articles(articles: Sequence[Article]) -> Iterator[Put]:
    for article in articles:
        yield from (_of_context(question, article.text) for question in _asked(article))


def _others(articles: Sequence[Article]) -> Iterator[Put]:
    """To an article far from their own, which most likely does not hold the answer."""
    for at, article in enumerate(articles):
        other = articles[(at + max(1, len(articles) // 2)) % len(articles)]
        if other is not article:
            yield from (_of_context(question, other.text) for question in _asked(article))


def _documents(articles: Sequence[Article], library: Library | None, *, alone: bool) -> Iterator[Put]:
    if library is None:
        return
    for article, document in zip(articles, library.ids, strict=False):
        named = [document] if alone else list(library.ids)
        for question in _asked(article):
            yield Put(question, {"documents": named}, library.texts)
