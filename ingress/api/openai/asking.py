"""What all routes here that ask share: the body, the job, its answer at once or as it grows, the response's headers."""

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from typing import Any, TypeVar

import msgspec
from litestar import Response
from litestar.response import ServerSentEvent
from litestar.response.sse import ServerSentEventMessage

from contract.messages import Answer
from contract.runtime.tracing import traceparent_of
from ingress.api.following import ending_of, followed, waited_for
from ingress.api.openai.chat_request import ChatRequest, decode, question_of
from ingress.api.openai.errors import JSON
from ingress.api.openai.models import space_of
from ingress.api.openai.sources import Shown, shown
from ingress.api.openai.text_stream import Grown, answer_of, grown
from ingress.api.preference import Preference
from ingress.api.routes import prepared, require_json
from ingress.jobs.admission import Asked, location_of
from ingress.jobs.waiting import unless_hung_up
from ingress.middleware.audit import record_of
from ingress.problems import Problem
from ingress.services import HttpRequest, HttpResponse, Services, services_of

T = TypeVar("T", bound=msgspec.Struct)


async def read_body(request: HttpRequest, kind: type[T]) -> T:
    """The request's body as `kind`; raises Problem or BadMessageError."""
    require_json(request)
    body = await request.body()
    record_of(request.scope).asked(len(body))
    return decode(body, kind)


async def asked_for(request: HttpRequest, wanted: ChatRequest) -> Asked:
    """The chat as a job to publish; raises Problem or BadMessageError."""
    services = services_of(request)
    space = space_of(wanted.model, services, request.user.client)
    question, key = question_of(wanted, space), Preference.of(request).key
    with services.tracer.span(f"POST {request.url.path}", traceparent_of(request.headers), "server") as trace:
        return await prepared(request, services, question, key, trace)


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


def sources_for(request: HttpRequest, asked: Asked) -> Callable[[Answer], Shown]:
    """What this client gets to see of its answer's citations; their links open the page under the name it asked by."""
    sources, page = services_of(request).settings.openai_sources, str(request.base_url)
    return lambda answer: shown(answer, sources, is_json=asked.query.asks_for_json, page=page)


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


def reply(asked: Asked, body: Mapping[str, Any]) -> HttpResponse:
    """A whole answer."""
    return Response(msgspec.json.encode(body), media_type=JSON, headers=headers_of(asked))


def headers_of(asked: Asked) -> dict[str, str]:
    """Where the job is found under /api/jobs, and its id as clients log it."""
    return {"Location": location_of(asked.job.job_id), "X-Request-Id": asked.job.job_id}
