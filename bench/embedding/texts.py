"""Texts and questions to embed, out of files in SQuAD's format, cut into sentences in the plainest way."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

_ENDS: Final = re.compile(r"(?<=[.!?\u061f])\s+|(?<=[\u3002\uff01\uff1f])|\n")


class Question(NamedTuple):
    """A question on an article."""

    id: str
    text: str
    answers: list[str]
    """Any of them is right."""


class Article(NamedTuple):
    """A text, its sentences in order, and questions on it."""

    sentences: list[str]
    questions: list[Question]


def articles(file: Path) -> list[Article]:
    """All of a file; questions without an answer are left out."""
    return [_article(entry) for entry in json.loads(file.read_bytes())["data"]]


def sentences(text: str) -> list[str]:
    """Cut after full stops, question and exclamation marks: enough to measure an embedder with."""
    return [sentence.strip() for sentence in _ENDS.split(text) if sentence and sentence.strip()]


def _article(entry: dict[str, Any]) -> Article:
    texts = [sentence for paragraph in entry["paragraphs"] for sentence in sentences(paragraph["context"])]
    return Article(texts, [question for paragraph in entry["paragraphs"] for question in _questions(paragraph)])


def _questions(paragraph: dict[str, Any]) -> Iterator[Question]:
    for entry in paragraph["qas"]:
        if answers := [answer["text"] for answer in entry["answers"]]:
            yield Question(entry["id"], entry["question"], answers)
