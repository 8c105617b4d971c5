"""What a service does at its start: reads what the environment asks for beside its settings."""

from collections.abc import Mapping
from typing import Final

from contract.errors import SettingsError
from contract.runtime.tracing import NO_TRACER, Tracer

_ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")


def tracer_from(environment: Mapping[str, str], service: str) -> Tracer:
    """What OpenTelemetry's own variables ask for; off without an endpoint. Raises SettingsError."""
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
