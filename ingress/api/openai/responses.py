"""`/v1/responses`: the same jobs in the form of OpenAI's newer API, text alone, nothing stored."""

import contextlib
from collections.abc import AsyncGenerator, Callable
from typing import Any

import msgspec
from litestar import Response, post
from litestar.response.sse import ServerSentEventMessage

from contract.messages import Answer
from ingress.api.openai.asking import answered, asked_for, read_body, reply, sources_for, streamed, texts_of
from ingress.api.openai.errors import body_of, response_of
from ingress.api.openai.responses_request import ResponsesRequest, chat_of
from ingress.api.openai.responses_response import Draft, Events
from ingress.api.openai.sources import Shown
from ingress.api.openai.text_stream import StillWaiting
from ingress.api.routes import CLIENT_CLOSED_REQUEST
from ingress.jobs.admission import Asked
from ingress.jobs.waiting import HungUpError
from ingress.problems import Problem
from ingress.services import HttpRequest, HttpResponse, Services, services_of


@post("/responses", status_code=200)
async def respond(request: HttpRequest) -> HttpResponse:
    """Answer an input, whole or as a stream."""
    try:
        return await _respond(request, services_of(request))
    except Problem as problem:
        return response_of(problem)
    except HungUpError:
        return Response(b"", status_code=CLIENT_CLOSED_REQUEST)


async def _respond(request: HttpRequest, services: Services) -> HttpResponse:
    wanted: ResponsesRequest = await read_body(request, ResponsesRequest)
    asked = await asked_for(request, chat_of(wanted))
    draft = Draft.of(asked.job.job_id, wanted)
    if wanted.stream:
        shown = sources_for(request, asked)
        return await streamed(request, asked, _events(services, asked, Events(draft), shown))
    answer = await answered(request, services, asked)
    extra = sources_for(request, asked)(answer)
    return reply(asked, draft.whole(answer, extra))


async def _events(
    services: Services, asked: Asked, events: Events, shown: Callable[[Answer], Shown]
) -> AsyncGenerator[ServerSentEventMessage, None]:
    is_first = True
    async with contextlib.aclosing(texts_of(services, asked)) as pieces:
        async for piece in pieces:
            if isinstance(piece, StillWaiting):
                yield ServerSentEventMessage(comment="waiting", data=None)
                continue
            if isinstance(piece, Problem):
                yield _sent(events.failed(body_of(piece)["error"]))
                return
            if is_first:
                for event in events.first():
                    yield _sent(event)
                is_first = False
            if isinstance(piece, str):
                yield _sent(events.text(piece))
                continue
            extra = shown(piece)
            if extra.added:
                yield _sent(events.text(extra.added))
            for event in events.last(piece, extra):
                yield _sent(event)


def _sent(event: dict[str, Any]) -> ServerSentEventMessage:
    return ServerSentEventMessage(event=event["type"], data=msgspec.json.encode(event).decode())
