"""Logging for every service: JSON lines on stderr in production, readable text otherwise; never a query's text."""

import logging
import sys

import structlog

from contract.settings import Environment
from contract.topology import JobName


def configure(environment: Environment, service: str) -> None:
    """Send structlog's and other libraries' records to stderr in one format."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(processor=_renderer(environment), foreign_pre_chain=shared)
    )
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    logging.getLogger("httpx").setLevel(logging.WARNING)
    structlog.contextvars.bind_contextvars(service=service)


def about_job(job: JobName, traceparent: str | None) -> None:
    """Add the job to every later log line of this task and of the tasks that it starts."""
    named = {"job": job.key, "client": job.client}
    structlog.contextvars.bind_contextvars(**named, **({"traceparent": traceparent} if traceparent else {}))


def _renderer(environment: Environment) -> structlog.typing.Processor:
    if environment == "production":
        return structlog.processors.JSONRenderer()
    return structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
