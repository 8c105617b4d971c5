"""The start that all services share: the command line, settings, logs, metrics and traces; not what they then do."""

import argparse
import contextlib
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final, TypeVar

import structlog

from contract import settings
from contract.errors import (
    AlreadyRunningError,
    ConnectionLostError,
    EngineBlockedError,
    SettingsError,
    StoreReplacedError,
)
from contract.runtime import logs
from contract.runtime.metrics import show_process
from contract.runtime.tracing import NO_TRACER, Tracer
from contract.settings import ServiceSettings

_ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")

START_AGAIN_STATUS: Final = 71
"""Of a service that must be started again: it was cut off from the bus for good, or its model's file was replaced."""

log = structlog.get_logger(__name__)

S = TypeVar("S", bound=ServiceSettings)


def run_service(role: str, description: str, run: Callable[[Path | None], None]) -> int:
    """Parse the command line and call `run` with the path of the ready file, which may be None.

    Returns the exit status: 0 after a signal, 2 with a sentence on stderr when the service can't start, and
    START_AGAIN_STATUS when it must be started again.
    """
    parser = argparse.ArgumentParser(prog=f"docqa {role}", description=description)
    parser.add_argument("--ready-file", type=Path, help="write addresses and process id here, as JSON, once ready")
    arguments = parser.parse_args()
    try:
        run(arguments.ready_file)
    except (SettingsError, AlreadyRunningError) as error:
        print(f"docqa {role}: {error}", file=sys.stderr)  # noqa: T201  # the one sentence that a start gives up with
        return 2
    except (ConnectionLostError, EngineBlockedError, StoreReplacedError) as error:
        log.error(str(error))  # the sentence says it all
        return START_AGAIN_STATUS
    return 0


@contextlib.contextmanager
def prepared(kind: type[S], role: str, environment: Mapping[str, str]) -> Iterator[tuple[S, Tracer]]:
    """The service's settings and its tracer, with logs and process metrics set up; raises SettingsError."""
    loaded = settings.load(kind, environment)
    logs.configure(loaded.environment, role)
    show_process(role)
    with contextlib.closing(tracer_from(environment, role)) as tracer:
        yield loaded, tracer


def tracer_from(environment: Mapping[str, str], service: str) -> Tracer:
    """The tracer that OpenTelemetry's own variables ask for; off without an endpoint. Raises SettingsError."""
    endpoint = next((name for name in _ENDPOINTS if environment.get(name)), None)
    is_disabled = environment.get("OTEL_SDK_DISABLED", "").lower() == "true"
    if endpoint is None or is_disabled or environment.get("OTEL_TRACES_EXPORTER") == "none":
        return NO_TRACER
    try:
        from contract.runtime.otel import OtelTracer
    except ModuleNotFoundError:
        raise SettingsError(
            f"{endpoint}: traces need the extra `otel` (pip install 'goblin-docqa[otel]'), or unset it."
        ) from None
    return OtelTracer(service)
