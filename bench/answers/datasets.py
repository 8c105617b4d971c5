"""Questions with reference answers, as articles of passages: from SQuAD 1.1 and 2.0, ClapNQ, and the project's own."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

from bench.harness.errors import BenchError

OTHER_WORDS: Final = Path(__file__).parent / "data" / "other_words.txt"
_NO_ANSWER: Final = Path(__file__).parent / "data" / "no_answer.txt"


class Question(msgspec.Struct, frozen=True):
    """What is asked about a passage, and what counts as right."""

    text: str
    references: tuple[str, ...]
    """Any of them is a right answer; none: the passage does not hold one."""
    sentences: tuple[str, ...] = ()
    """The sentences that answer, where the data set names whole sentences."""


class Passage(msgspec.Struct, frozen=True):
    """A paragraph, or a short document, with its questions."""

    text: str
    questions: tuple[Question, ...]


class Article(msgspec.Struct, frozen=True):
    """Passages that belong together."""

    title: str
    passages: tuple[Passage, ...]

    @property
    def text(self) -> str:
        return "\n\n".join(passage.text for passage in self.passages)


def read(path: Path) -> list[Article]:
    """The articles of a file; raises BenchError if it can't be read or is in none of the formats."""
    try:
        content = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise BenchError(f"Can't read {path}: {error}.") from None
    try:
        if path.suffix == ".jsonl":
            return [_clapnq(json.loads(line)) for line in content.splitlines() if line.strip()]
        if path.suffix == ".txt":
            return list(_own(content))
        return [_squad(number, article) for number, article in enumerate(json.loads(content)["data"])]
    except (ValueError, KeyError, TypeError):
        raise BenchError(
            f"{path} is neither in SQuAD's format (data, paragraphs, context, qas, question, answers) "
            "nor in ClapNQ's (lines with question, passage, sentences, gold_sentences)."
        ) from None


def without_answer() -> list[Article]:
    """The project's own documents with questions that none of their sentences answers, plausible ones."""
    asked = {article.title: article.passages[0].questions for article in _own(_NO_ANSWER.read_text(encoding="utf-8"))}
    return [
        Article(article.title, (Passage(article.text, tuple(Question(one.text, ()) for one in asked[article.title])),))
        for article in read(OTHER_WORDS)
    ]


def _squad(number: int, article: dict[str, Any]) -> Article:
    passages = tuple(
        Passage(paragraph["context"], tuple(_squad_question(asked) for asked in paragraph["qas"]))
        for paragraph in article["paragraphs"]
    )
    return Article(article.get("title") or f"article {number + 1}", passages)


def _squad_question(asked: dict[str, Any]) -> Question:
    answers = [] if asked.get("is_impossible") else asked.get("answers", [])
    return Question(asked["question"], tuple(dict.fromkeys(answer["text"] for answer in answers)))


def _clapnq(row: dict[str, Any]) -> Article:
    gold = row.get("gold_sentences") or []
    sentences = tuple(row["sentences"][at] if isinstance(at, int) else at for at in gold)
    question = Question(row["question"], tuple(filter(None, [row.get("answer")])) if sentences else (), sentences)
    return Article(f"{row['title']} ({row['id']})", (Passage(row["passage"], (question,)),))


def _own(content: str) -> Iterator[Article]:
    """The project's own format: a line is a sentence, `? ` asks about the line above, `== ` begins a document."""
    for document in content.split("\n== ")[1:]:
        title, _, body = document.partition("\n")
        lines = [line for line in body.splitlines() if not line.startswith("#")]
        kept = [line for line in lines if not line.startswith("? ")]
        asked, last = [], ""
        for line in lines:
            if line.startswith("? "):
                asked.append(Question(line[2:], (last,), (last,)))
            else:
                last = line
        yield Article(title, (Passage(f"{title}\n\n" + "\n".join(kept).strip(), tuple(asked)),))
