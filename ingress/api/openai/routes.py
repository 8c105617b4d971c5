"""The routes of OpenAI's API. A chat is a job like any other question: admitted, waited for, cancelled alike."""

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from typing import Any, Final

import msgspec
from litestar import Response, Router, post
from litestar.exceptions import HTTPException
from litestar.response import ServerSentEvent
from litestar.response.sse import ServerSentEventMessage

from contract.errors import BadMessageError, BusUnavailableError, NotProvisionedError
from contract.messages import Answer
from contract.runtime.tracing import traceparent_of
from ingress.api.following import ending_of, followed, waited_for
from ingress.api.openai import errors
from ingress.api.openai.chat_request import ChatRequest, decode, question_of
from ingress.api.openai.chat_response import Chunks, Head, completion
from ingress.api.openai.errors import JSON, body_of, response_of
from ingress.api.openai.models import list_models, read_model, space_of
from ingress.api.openai.sources import shown
from ingress.api.openai.text_stream import Grown, StillWaiting, answer_of, grown
from ingress.api.preference import Preference
from ingress.api.routes import CLIENT_CLOSED_REQUEST, prepared, require_json
from ingress.auth.authenticate import authenticator
from ingress.auth.rate_limiter import Limiter
from ingress.jobs.admission import Asked, location_of
from ingress.jobs.waiting import HungUpError, unless_hung_up
from ingress.middleware.audit import record_of
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
    space = space_of(wanted.model, services, request.user.client)
    question = question_of(wanted, space)
    key = Preference.of(request).key
    parent = traceparent_of(request.headers)
    with services.tracer.span("POST /v1/chat/completions", parent, "server") as trace:
        asked = await prepared(request, services, question, key, trace)
        head = Head.of(asked.job.job_id, wanted.model)
        if wanted.stream:
            chunks = Chunks(head, includes_usage=wanted.includes_usage)
            return await streamed(request, asked, _chunks(services, asked, chunks))
        answer = await answered(request, services, asked)
        extra = shown(answer, services.settings.openai_sources, is_json=asked.query.asks_for_json)
        return reply(asked, completion(head, answer, extra))


async def read_body(request: HttpRequest, kind: type[msgspec.Struct]) -> Any:
    """The request's body as `kind`; raises Problem or BadMessageError."""
    require_json(request)
    body = await request.body()
    record_of(request.scope).asked(len(body))
    return decode(body, kind)


async def answered(request: HttpRequest, services: Services, asked: Asked) -> Answer:
    """The job's answer, waited for until its deadline; raises Problem, or HungUpError once the client has hung up."""
    with services.replies.expect(asked.job) as reply:
        admitted = await services.admission.submit(asked)
        result = admitted.stored_result
        if result is None:
            deadline_s = services.deadline_s(asked.query)
            result = await waited_for(
                services, asked, admitted, reply, request.receive, deadline_s, returns_later=asked.is_keyed
            )
    asked.record.ended(ending_of(result))
    return answer_of(asked.job.job_id, result)


async def streamed(
    request: HttpRequest, asked: Asked, events: AsyncGenerator[ServerSentEventMessage, None]
) -> HttpResponse:
    """A response that begins with the first event: what goes wrong before it is a Problem, and so a status."""
    try:
        first = await unless_hung_up(request.receive, anext(events))
    except BaseException:
        await events.aclose()
        raise
    return ServerSentEvent(_from(first, events), headers=headers_of(asked))


async def _from(
    first: ServerSentEventMessage, others: AsyncGenerator[ServerSentEventMessage, None]
) -> AsyncIterator[ServerSentEventMessage]:
    async with contextlib.aclosing(others) as open_ones:
        yield first
        async for event in open_ones:
            yield event


async def _chunks(services: Services, asked: Asked, chunks: Chunks) -> AsyncGenerator[ServerSentEventMessage, None]:
    is_first = True
    async for piece in texts_of(services, asked):
        if isinstance(piece, StillWaiting):
            yield ServerSentEventMessage(comment="waiting", data=None)
            continue
        if isinstance(piece, Problem):
            yield data(body_of(piece))
            return
        if is_first:
            yield data(chunks.first())
            is_first = False
        if isinstance(piece, str):
            yield data(chunks.text(piece))
            continue
        extra = shown(piece, services.settings.openai_sources, is_json=asked.query.asks_for_json)
        if extra.added:
            yield data(chunks.text(extra.added))
        for chunk in chunks.last(piece, extra):
            yield data(chunk)
    yield DONE


async def texts_of(services: Services, asked: Asked) -> AsyncGenerator[Grown | Problem, None]:
    """What grows of a job's answer; a Problem is raised before anything was yielded, and yielded as the last after it.

    Closing the generator closes the job's own.
    """
    has_begun = False
    happenings = followed(services, asked, returns_later=asked.is_keyed)
    try:
        async with contextlib.aclosing(grown(asked.job.job_id, happenings)) as pieces:
            async for piece in pieces:
                has_begun = True
                yield piece
    except Problem as problem:
        if not has_begun:
            raise
        yield problem


def data(body: Mapping[str, Any]) -> ServerSentEventMessage:
    return ServerSentEventMessage(data=msgspec.json.encode(body).decode())


def reply(asked: Asked, body: Mapping[str, Any]) -> HttpResponse:
    return Response(msgspec.json.encode(body), media_type=JSON, headers=headers_of(asked))


def headers_of(asked: Asked) -> dict[str, str]:
    """Where the job is found under /api/jobs, and its id as clients log it."""
    return {"Location": location_of(asked.job.job_id), "X-Request-Id": asked.job.job_id}


def create_openai(services: Services, limiter: Limiter) -> Router:
    """The routes for those who may ask; refusals have OpenAI's form."""
    return Router(
        "/v1",
        route_handlers=[chat, list_models, read_model],
        before_request=authenticator(services.keyring, "query", limiter, response_of),
        exception_handlers={
            Problem: errors.on_problem,
            BadMessageError: errors.on_bad_message,
            BusUnavailableError: errors.on_bus_unavailable,
            NotProvisionedError: errors.on_bus_unavailable,
            HTTPException: errors.on_http_exception,
            Exception: errors.on_unexpected,
        },
    )
