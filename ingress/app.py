"""The whole application, composed in one expression."""

import structlog
from litestar import Litestar
from litestar.datastructures import State
from litestar.exceptions import HTTPException

from contract.errors import BadMessageError, BusUnavailableError, NotProvisionedError
from ingress import problems
from ingress.routes import Services, create_router


def create_app(services: Services) -> Litestar:
    """The ingress as an ASGI application."""
    limit = services.settings.max_body_bytes
    return Litestar(
        route_handlers=[create_router(services)],
        exception_handlers={
            problems.Problem: problems.on_problem,
            BadMessageError: problems.on_bad_message,
            BusUnavailableError: problems.on_bus_away,
            NotProvisionedError: problems.on_bus_away,
            HTTPException: problems.on_http_exception,
            Exception: problems.on_unexpected,
        },
        request_max_body_size=limit,
        state=State({"services": services, "max_body_bytes": limit, "log": structlog.get_logger("ingress")}),
        # /schema is a route of our own: JSON, self-contained, nothing from a CDN.
        openapi_config=None,
        logging_config=None,
    )
