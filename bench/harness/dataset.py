"""Articles of paragraphs with their questions, from a SQuAD file or built in."""

import json
from pathlib import Path
from typing import Any

import msgspec

from bench.harness.documents import DOCUMENTS
from bench.harness.errors import BenchError


class Asked(msgspec.Struct, frozen=True):
    """A question and its reference answers (none for the built-in documents)."""

    question: str
    references: tuple[str, ...] = ()


class Paragraph(msgspec.Struct, frozen=True):
    """A text and the questions about it."""

    text: str
    asked: tuple[Asked, ...]


class Article(msgspec.Struct, frozen=True):
    """Paragraphs that form a longer document when joined."""

    paragraphs: tuple[Paragraph, ...]

    @property
    def text(self) -> str:
        return "\n\n".join(paragraph.text for paragraph in self.paragraphs)

    @property
    def asked(self) -> list[Asked]:
        return [asked for paragraph in self.paragraphs for asked in paragraph.asked]


def articles(dataset: Path | None) -> list[Article]:
    """The articles of a file, or the built-in ones; raises BenchError for a file in another format."""
    if dataset is None:
        return [Article((Paragraph(text, tuple(map(Asked, questions))),)) for text, questions in DOCUMENTS]
    try:
        return [_article(article) for article in json.loads(dataset.read_bytes())["data"]]
    except OSError as error:
        raise BenchError(f"Cannot read {dataset}: {error.strerror}.") from None
    except (ValueError, KeyError, TypeError):
        raise BenchError(f"{dataset} is not in SQuAD's format (data, paragraphs, context, qas, question).") from None


def _article(article: dict[str, Any]) -> Article:
    return Article(
        tuple(
            Paragraph(paragraph["context"], tuple(_asked(asked) for asked in paragraph["qas"]))
            for paragraph in article["paragraphs"]
        )
    )


def _asked(asked: dict[str, Any]) -> Asked:
    return Asked(asked["question"], tuple(answer["text"] for answer in asked.get("answers", [])))
