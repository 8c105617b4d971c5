"""How often the right document is found, and how soon."""

import random
from collections.abc import Mapping, Sequence
from typing import Final

from bench.answers.contracts import contracts
from bench.answers.datasets import Article
from bench.documents.library import Documents

_QUERIES: Final = 200
_QUERY_WORDS: Final = 6


async def recall(documents: Documents, articles: list[Article]) -> dict[str, float]:
    """How often a question's own paragraph is the first document, or among the first five."""
    files = {
        f"p{at}-{on}.txt": passage.text.encode()
        for at, article in enumerate(articles)
        for on, passage in enumerate(article.passages)
    }
    ids = await documents.bring_all_in(files.items())
    await documents.all_settled(ids.values())
    for one in ids.values():
        await documents.with_vectors(one)
    return await recall_of(documents, articles, ids)


async def recall_of(documents: Documents, articles: list[Article], ids: Mapping[str, str]) -> dict[str, float]:
    """The same for paragraphs that are there already."""
    first = five = asked = 0
    for at, article in enumerate(articles):
        for on, passage in enumerate(article.passages):
            for question in (one for one in passage.questions if one.references):
                hits, _ = await documents.search(question.text, limit=20)
                found = list(dict.fromkeys(hit["document"] for hit in hits))
                asked += 1
                first += found[:1] == [ids[f"p{at}-{on}.txt"]]
                five += ids[f"p{at}-{on}.txt"] in found[:5]
    return {"questions": asked, "recall_at_1": first / max(asked, 1), "recall_at_5": five / max(asked, 1)}


async def contracts_found(documents: Documents, seed: int, count: int) -> dict[str, float]:
    """How often the contract whose party a question names comes first, of contracts that differ in little else."""
    made = contracts(seed, count)
    ids = await documents.bring_all_in((f"{article.title}.txt", article.text.encode()) for article in made)
    await documents.all_settled(ids.values())
    right = asked = 0
    for article in made:
        for question in article.passages[0].questions:
            hits, _ = await documents.search(question.text)
            asked += 1
            right += bool(hits) and hits[0]["document"] == ids[f"{article.title}.txt"]
    return {"contracts": count, "questions": asked, "right_document_first": right / max(asked, 1)}


async def search_times(documents: Documents, seed: int, sentences: Sequence[str]) -> dict[str, float]:
    """Of queries with words of sentences that are in the store."""
    drawn = random.Random(seed)
    asked = [" ".join(drawn.sample(drawn.choice(sentences).rstrip(".").split(), _QUERY_WORDS)) for _ in range(_QUERIES)]
    took_ms = sorted([(await documents.search(query))[1] * 1000 for query in asked])
    return {
        "queries": _QUERIES,
        "search_p50_ms": took_ms[len(took_ms) // 2],
        "search_p95_ms": took_ms[int(len(took_ms) * 0.95)],
    }
