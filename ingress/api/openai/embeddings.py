"""`/v1/embeddings`: vectors of the embedder that finds evidence in documents."""

import base64
from typing import Annotated, Any, Final

import msgspec
from litestar import Response, post
from msgspec import Meta

from contract.errors import BadMessageError
from ingress.api.openai.asking import read_body
from ingress.api.openai.errors import JSON, invalid, response_of
from ingress.problems import Problem
from ingress.services import HttpRequest, HttpResponse, services_of

MODEL: Final = "docqa-embedding"
MOST_TEXTS: Final = 2048
_BYTES_PER_TOKEN: Final = 4
"""Typical of English: how many tokens were read is an estimate."""


class EmbeddingsRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The fields that are read. `input_type` `query` is for questions that are compared with passages."""

    input: str | Annotated[list[str], Meta(min_length=1, max_length=MOST_TEXTS)]
    model: Annotated[str, Meta(max_length=300)] = MODEL
    encoding_format: str = "float"
    input_type: str = "passage"
    dimensions: int | None = None


@post("/embeddings", status_code=200)
async def embed(request: HttpRequest) -> HttpResponse:
    """A vector for each text."""
    try:
        return await _embed(request)
    except Problem as problem:
        return response_of(problem)


async def _embed(request: HttpRequest) -> HttpResponse:
    maker = services_of(request).vectors
    if not maker.is_on:
        message = "There is no embedder here: DOCQA_EMBEDDING_MODEL is off."
        raise invalid(message, "model", "model_not_found", 404)
    wanted = await _read(request)
    if wanted.model != MODEL:
        raise invalid(f"Field `model`: the embedder's name is {MODEL}.", "model", "model_not_found", 404)
    texts = [wanted.input] if isinstance(wanted.input, str) else wanted.input
    vectors = await maker.make(texts, are_queries=wanted.input_type == "query")
    if wanted.dimensions not in (None, vectors.shape[1]):
        message = f"Field `dimensions`: vectors here have {vectors.shape[1]}."
        raise invalid(message, "dimensions", "unsupported_parameter")
    encoded = [_encoded(vector, wanted.encoding_format) for vector in vectors]
    rows = [{"object": "embedding", "index": index, "embedding": vector} for index, vector in enumerate(encoded)]
    tokens = sum(len(text.encode()) for text in texts) // _BYTES_PER_TOKEN
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    body = {"object": "list", "data": rows, "model": MODEL, "usage": usage}
    return Response(msgspec.json.encode(body), media_type=JSON)


async def _read(request: HttpRequest) -> EmbeddingsRequest:
    """The request; raises Problem, or BadMessageError."""
    try:
        return await read_body(request, EmbeddingsRequest)
    except BadMessageError as error:
        if not str(error).startswith("Field `input["):
            raise
        # What LangChain sends as it comes: tokens of a vocabulary that is not this embedder's.
        message = "Field `input`: expected texts, not tokens (LangChain: `check_embedding_ctx_length=False`)."
        raise invalid(message, "input") from None


def _encoded(vector: Any, encoding: str) -> str | list[float]:
    if encoding == "base64":
        return base64.b64encode(vector.astype("<f4").tobytes()).decode()
    numbers: list[float] = vector.tolist()
    return numbers
