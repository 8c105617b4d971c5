"""What is asked, as it is read: articles of paragraphs with their questions, from a SQuAD file or the project's own."""

import json
from pathlib import Path
from typing import Any

import msgspec

from bench.harness.documents import DOCUMENTS
from bench.harness.errors import BenchError


class Asked(msgspec.Struct, frozen=True):
    """A question, and the answers that count as right (none for the project's own documents)."""

    question: str
    references: tuple[str, ...] = ()


class Paragraph(msgspec.Struct, frozen=True):
    """A text and what is asked about it."""

    text: str
    asked: tuple[Asked, ...]


class Article(msgspec.Struct, frozen=True):
    """Paragraphs that belong together: joined they are a document of some length."""

    paragraphs: tuple[Paragraph, ...]

    @property
    def text(self) -> str:
        return "\n\n".join(paragraph.text for paragraph in self.paragraphs)

    @property
    def asked(self) -> list[Asked]:
        return [asked for paragraph in self.paragraphs for asked in paragraph.asked]


def articles(dataset: Path | None) -> list[Article]:
    """Of the file, or the project's own; raises BenchError for a file that is not in the format."""
    if dataset is None:
        return [Article((Paragraph(text, tuple(map(Asked, questions))),)) for text, questions in DOCUMENTS]
    try:
        return [_article(article) for article in json.loads(dataset.read_bytes())["data"]]
    except OSError as error:
        raise BenchError(f"Can't read {dataset}: {error.strerror}.") from None
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
