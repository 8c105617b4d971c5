"""Draws the questions of a round: documents, questions and their order. The same seed gives the same round."""

import itertools
import random
from typing import Final

import msgspec

from bench.harness.dataset import Article
from bench.harness.errors import BenchError

NO_ANSWER: Final = 0
"""In place of a status: the connection broke or timed out."""


class Task(msgspec.Struct, frozen=True):
    """A question about a document (or of general knowledge, without one); always at temperature 0."""

    query: str
    context: str
    max_tokens: int
    references: tuple[str, ...] = ()


class Reply(msgspec.Struct, frozen=True):
    """What the client received. `moments_s`: the times of the answer's pieces, counted from the sending."""

    status: int
    took_s: float
    text: str = ""
    tokens: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    moments_s: tuple[float, ...] = ()


MAX_DOCUMENT_CHARS: Final = 6000
"""A much longer article would be a workload of its own."""
CHARS_PER_TOKEN: Final = 4.3
"""Estimate for English text with the bundled model's tokenizer; answers report the exact number."""


def questions(articles: list[Article], documents: int, each: int, max_tokens: int, rng: random.Random) -> list[Task]:
    """`each` questions on each of `documents` whole articles, in random order; fewer if the data set has no more."""
    fitting = [article for article in articles if len(article.text) <= MAX_DOCUMENT_CHARS and article.asked]
    if not fitting:
        raise BenchError(f"The data set has no document of at most {MAX_DOCUMENT_CHARS} characters with a question.")
    tasks = [
        Task(asked.question, article.text, max_tokens, asked.references)
        for article in rng.sample(fitting, min(documents, len(fitting)))
        for asked in rng.sample(article.asked, min(each, len(article.asked)))
    ]
    rng.shuffle(tasks)
    return tasks


def pairs(articles: list[Article], documents: int, max_tokens: int, rng: random.Random) -> list[tuple[Task, Task]]:
    """Two questions on each of `documents` documents."""
    drawn = questions(articles, documents, 2, max_tokens, rng)
    drawn.sort(key=lambda task: task.context)
    both = [(first, second) for first, second in itertools.pairwise(drawn) if first.context == second.context]
    rng.shuffle(both)
    return both


def paragraphs(articles: list[Article], max_tokens: int) -> list[Task]:
    """Every question with its own paragraph, in the order of the data set."""
    return [
        Task(asked.question, paragraph.text, max_tokens, asked.references)
        for article in articles
        for paragraph in article.paragraphs
        for asked in paragraph.asked
    ]


def misplaced(articles: list[Article], max_tokens: int, rng: random.Random) -> list[Task]:
    """Every question with a paragraph of another article."""
    if len(articles) < 2:
        raise BenchError("Questions cannot be asked about a wrong document: the data set has one article only.")
    tasks = []
    for number, article in enumerate(articles):
        others = [
            paragraph for other in (*articles[:number], *articles[number + 1 :]) for paragraph in other.paragraphs
        ]
        tasks += [Task(asked.question, rng.choice(others).text, max_tokens) for asked in article.asked]
    return tasks


def long_document(articles: list[Article], tokens: int, rng: random.Random) -> str:
    """Articles joined to about `tokens` tokens."""
    parts, wanted_chars = list[str](), int(tokens * CHARS_PER_TOKEN)
    shuffled = rng.sample(articles, len(articles))
    for article in itertools.cycle(shuffled):
        parts.append(article.text)
        if sum(map(len, parts)) >= wanted_chars:
            return "\n\n".join(parts)[:wanted_chars]
    raise BenchError("The data set has no document.")
