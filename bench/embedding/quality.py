"""How often the best sentences of an article hold the answer, by cosines alone, and what 8 bits lose."""

import re
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from bench.embedding.float_form import FloatForm
from bench.embedding.texts import Article
from contract.embedding import Embedders, Packed, cosines, similarities
from contract.embedding.integer import Calibration, IntegerEmbedder
from contract.embedding.vectors import unit

_BEST: Final = 3
_NO_LETTER: Final = re.compile(r"\W+")


def found(embedders: Embedders, articles: Sequence[Article], others: Sequence[Article] | None = None) -> dict[str, Any]:
    """The part of the questions whose answer is in the best sentence, in the best two, and three, of its article.

    `others`: the same articles in another language, whose questions are asked in place of the articles' own.
    """
    asked = {question.id: question.text for article in others or articles for question in article.questions}
    hits, count = np.zeros(_BEST), 0
    for article in articles:
        vectors = embedders.embed_passages(article.sentences)
        for question in article.questions:
            if question.id in asked:
                likeness = similarities(embedders.embed_query(asked[question.id]), vectors)
                ranks = np.argsort(likeness)[::-1][:_BEST]
                hits += np.cumsum([_holds(article.sentences[rank], question.answers) for rank in ranks]) > 0
                count += 1
    return {"questions": count, "best": [round(float(part), 3) for part in hits / max(1, count)]}


def losses(embedder: IntegerEmbedder, sentences: Sequence[str]) -> dict[str, float]:
    """Cosines between vectors and what they are made of: float32 to 8-bit arithmetic, and to packed vectors."""
    model = embedder.model
    centre, exact = np.array(Calibration.of(model).centre, np.float32), FloatForm(model)
    wanted = np.array([exact.measure(model.passage, sentence)[0] for sentence in sentences])
    vectors = embedder.embed_passages(sentences)
    plain = (unit(vectors * np.linalg.norm(wanted - centre, axis=1)[:, None] + centre) * wanted).sum(axis=1)
    centred = (unit(wanted - centre) * vectors).sum(axis=1)
    packed = np.abs(np.array(cosines(vectors[0], Packed.of(vectors))) - cosines(vectors[0], vectors))
    return {
        "cosine_to_float32_mean": round(float(plain.mean()), 4),
        "cosine_to_float32_least": round(float(plain.min()), 4),
        "centred_cosine_mean": round(float(centred.mean()), 4),
        "centred_cosine_least": round(float(centred.min()), 4),
        "packed_cosine_error_most": round(float(packed.max()), 4),
    }


def _holds(sentence: str, answers: Sequence[str]) -> bool:
    return any(_plain(answer) in _plain(sentence) for answer in answers)


def _plain(text: str) -> str:
    return _NO_LETTER.sub(" ", text.lower()).strip()
