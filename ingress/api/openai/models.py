"""Models by name: the plain one, and one for each space that the client may read."""

from typing import Any, Final

import msgspec
from litestar import Response, get, route
from litestar.params import FromPath

from contract import topology
from contract.library_messages import SpacesReply, SpacesRequest
from contract.topology import private_space
from ingress.api.openai.errors import JSON, no_such_model
from ingress.problems import Problem
from ingress.services import HttpRequest, HttpResponse, Services, services_of

PLAIN: Final = "docqa"
OWN: Final = "my-documents"
"""The caller's own space, whose full name says nothing to a user."""
_OWNER: Final = "docqa"


def space_of(model: str, services: Services, client: str) -> str | None:
    """The space that a model's name stands for, None for the plain model; raises Problem for an unknown name."""
    if model == PLAIN or model in {worker.model for worker in services.fleet.live()}:
        return None
    kind, _, space = model.partition("/")
    if kind != PLAIN or not space:
        raise no_such_model(model)
    return private_space(topology.HTTP_PUBLISHER, client) if space == OWN else space


@get("/models")
async def list_models(request: HttpRequest) -> HttpResponse:
    """All models that this client may use."""
    models = [_model(name) for name in await _names(request)]
    return Response(msgspec.json.encode({"object": "list", "data": models}), media_type=JSON)


@route("/models/{name:path}", http_method=["GET"], status_code=200)
async def read_model(request: HttpRequest, name: FromPath[str]) -> HttpResponse:
    """One of them."""
    wanted = str(name).removeprefix("/")
    if wanted not in await _names(request):
        raise no_such_model(wanted)
    return Response(msgspec.json.encode(_model(wanted)), media_type=JSON)


async def _names(request: HttpRequest) -> list[str]:
    services = services_of(request)
    try:
        reply = await services.library.ask("spaces", request.user.client, SpacesRequest(), SpacesReply)
    except Problem:
        # The plain model needs no library.
        return [PLAIN]
    return [PLAIN, *(f"{PLAIN}/{OWN if space.is_own else space.name}" for space in reply.spaces)]


def _model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": _OWNER}
