"""The whole application, composed in two expressions."""

import structlog
from litestar import Litestar
from litestar.datastructures import State
from litestar.exceptions import HTTPException

from contract.errors import BadMessageError, BusUnavailableError, NotProvisionedError, StoreFullError
from ingress import problems
from ingress.api.documents import create_documents, create_root
from ingress.api.health import create_health
from ingress.api.openai.errors import on_http_exception
from ingress.api.openai.routes import create_openai
from ingress.api.openapi import show_schema
from ingress.api.page import create_page
from ingress.api.routes import create_api
from ingress.api.usage import create_usage
from ingress.asgi import App
from ingress.auth.rate_limiter import Limiter
from ingress.middleware.audit import Audited
from ingress.middleware.forwarded import Forwarded
from ingress.middleware.head_as_get import HeadAsGet
from ingress.middleware.local_host import LocalHostOnly
from ingress.middleware.metrics import Counted
from ingress.middleware.same_site import SameSiteOnly
from ingress.services import Services


def create_asgi(services: Services, metrics_address: tuple[str, int]) -> App:
    """The ingress as it is served: the application inside its middleware."""
    app: App = SameSiteOnly(create_app(services))
    if services.keyring.anybody:
        app = LocalHostOnly(app, metrics_address)
    if services.audit_log:
        # Only the audit log needs the client's address.
        app = Forwarded(Audited(app, services.audit_log))
    return HeadAsGet(Counted(app, metrics_address))


def create_app(services: Services) -> Litestar:
    """The ingress as a Litestar application."""
    limit = services.settings.max_body_bytes
    # One for both: requests to either API count against the same rate.
    limiter = Limiter()
    return Litestar(
        route_handlers=[
            create_api(services, limiter),
            create_openai(services, limiter),
            create_documents(services),
            create_root(services),
            create_usage(services),
            create_health(services),
            show_schema,
            create_page(),
        ],
        exception_handlers={
            problems.Problem: problems.on_problem,
            BadMessageError: problems.on_bad_message,
            BusUnavailableError: problems.on_bus_unavailable,
            NotProvisionedError: problems.on_bus_unavailable,
            StoreFullError: problems.on_store_full,
            HTTPException: on_http_exception,
            Exception: problems.on_unexpected,
        },
        request_max_body_size=limit,
        state=State({"services": services, "max_body_bytes": limit, "log": structlog.get_logger("ingress")}),
        # /schema is a route of our own: JSON, self-contained, nothing from a CDN.
        openapi_config=None,
        logging_config=None,
    )
