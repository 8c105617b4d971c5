"""What a client's own questions used, by day, as workers count it."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec
from litestar import Response, Router, get

from contract.errors import BusError
from contract.topology import HTTP_PUBLISHER, private_space
from contract.usage_records import ClientDay, client_key, day_of, decode
from ingress import problems
from ingress.api.routes import JSON
from ingress.auth.authenticate import authenticator
from ingress.auth.rate_limiter import Limiter
from ingress.services import HttpRequest, HttpResponse, Services, services_of

DAYS: Final = 14


class UsageDay(msgspec.Struct, frozen=True):
    """A day in UTC: answers, and the tokens of their prompts and completions."""

    day: str
    answers: int
    tokens: int


class UsageReply(msgspec.Struct, frozen=True):
    """The last days, oldest first, and whose they are; `user` is the name in DOCQA_USER_HEADER, where it counts."""

    days: list[UsageDay]
    client: str
    user: str | None = None


@get("/usage")
async def usage(request: HttpRequest) -> HttpResponse:
    """The last 14 days of this client."""
    today = datetime.now(UTC)
    days = [day_of(today - timedelta(days=back)) for back in reversed(range(DAYS))]
    try:
        found = await asyncio.gather(*[_read(services_of(request), day, request.user.client) for day in days])
    except BusError:
        raise problems.bus_unavailable("The bus did not answer: ask again in a few seconds.") from None
    return Response(msgspec.json.encode(UsageReply(found, request.user.client, request.user.user)), media_type=JSON)


async def _read(services: Services, day: str, client: str) -> UsageDay:
    entry = await services.bus.usage.get(client_key(day, private_space(HTTP_PUBLISHER, client)))
    kept = decode(entry.value if entry else None, ClientDay)
    every = kept.local + kept.proxy + kept.cache
    return UsageDay(day, every.answers, every.tokens)


def create_usage(services: Services) -> Router:
    """The route for those who may ask."""
    return Router("/api", route_handlers=[usage], before_request=authenticator(services.keyring, "query", Limiter()))
