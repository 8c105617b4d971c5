"""The routes of OpenAI's API, with its own form of refusals."""

from litestar import Router
from litestar.exceptions import HTTPException

from contract.errors import BadMessageError, BusUnavailableError, NotProvisionedError
from ingress.api.openai import errors
from ingress.api.openai.chat import chat
from ingress.api.openai.embeddings import embed
from ingress.api.openai.files import file_content, files, one_file
from ingress.api.openai.models import list_models, read_model
from ingress.api.openai.responses import respond
from ingress.auth.authenticate import authenticator
from ingress.auth.rate_limiter import Limiter
from ingress.problems import Problem
from ingress.services import Services


def create_openai(services: Services, limiter: Limiter) -> Router:
    """The routes for those who may ask; refusals have OpenAI's form."""
    return Router(
        "/v1",
        route_handlers=[chat, respond, embed, list_models, read_model, files, one_file, file_content],
        before_request=authenticator(services.keyring, "query", limiter, errors.response_of),
        exception_handlers={
            Problem: errors.on_problem,
            BadMessageError: errors.on_bad_message,
            BusUnavailableError: errors.on_bus_unavailable,
            NotProvisionedError: errors.on_bus_unavailable,
            HTTPException: errors.on_http_exception,
            Exception: errors.on_unexpected,
        },
    )
