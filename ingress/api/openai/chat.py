"""`/v1/chat/completions`: a conversation is a job like any other question."""

import contextlib
from collections.abc import AsyncGenerator, Callable, Mapping
from typing import Any, Final

import msgspec
from litestar import Response, post
from litestar.response.sse import ServerSentEventMessage

from contract.messages import Answer
from ingress.api.openai.asking import answered, asked_for, read_body, reply, sources_for, streamed, texts_of
from ingress.api.openai.chat_request import ChatRequest
from ingress.api.openai.chat_response import Chunks, Head, completion
from ingress.api.openai.errors import body_of, response_of
from ingress.api.openai.sources import Shown
from ingress.api.openai.text_stream import StillWaiting
from ingress.api.routes import CLIENT_CLOSED_REQUEST
from ingress.jobs.admission import Asked
from ingress.jobs.waiting import HungUpError
from ingress.problems import Problem
from ingress.services import HttpRequest, HttpResponse, Services, services_of

DONE: Final = ServerSentEventMessage(data="[DONE]")


@post("/chat/completions", status_code=200)
async def chat(request: HttpRequest) -> HttpResponse:
    """Answer a conversation, whole or as a stream."""
    try:
        return await _chat(request, services_of(request))
    except Problem as problem:
        # Refusals must stay cheap under overload, and Litestar's exception handling is slow.
        return response_of(problem)
    except HungUpError:
        return Response(b"", status_code=CLIENT_CLOSED_REQUEST)


async def _chat(request: HttpRequest, services: Services) -> HttpResponse:
    wanted: ChatRequest = await read_body(request, ChatRequest)
    asked = await asked_for(request, wanted)
    head = Head.of(asked.job.job_id, wanted.model)
    if wanted.stream:
        chunks = Chunks(head, includes_usage=wanted.includes_usage)
        shown = sources_for(request, asked)
        return await streamed(request, asked, _chunks(services, asked, chunks, shown))
    answer = await answered(request, services, asked)
    extra = sources_for(request, asked)(answer)
    return reply(asked, completion(head, answer, extra))


async def _chunks(
    services: Services, asked: Asked, chunks: Chunks, shown: Callable[[Answer], Shown]
) -> AsyncGenerator[ServerSentEventMessage, None]:
    is_first = True
    async with contextlib.aclosing(texts_of(services, asked)) as pieces:
        async for piece in pieces:
            if isinstance(piece, StillWaiting):
                yield ServerSentEventMessage(comment="waiting", data=None)
                continue
            if isinstance(piece, Problem):
                yield _sent(body_of(piece))
                return
            if is_first:
                yield _sent(chunks.first())
                is_first = False
            if isinstance(piece, str):
                yield _sent(chunks.text(piece))
                continue
            extra = shown(piece)
            if extra.added:
                yield _sent(chunks.text(extra.added))
            for chunk in chunks.last(piece, extra):
                yield _sent(chunk)
    yield DONE


def _sent(body: Mapping[str, Any]) -> ServerSentEventMessage:
    return ServerSentEventMessage(data=msgspec.json.encode(body).decode())
