"""GET requests to the monitoring port of a nats-server. Knows HTTP and JSON; what a page means, its callers know."""

import contextlib
import http.client
import json
from typing import Any, Final
from urllib.parse import urlsplit

from contract.errors import DocQAError

_USUAL_PORT: Final = 8222
_ANSWERS_WITHIN_S: Final = 5.0


class MonitoringError(DocQAError):
    """The monitoring port of nats-server does not answer."""


def page(url: str, path: str, within_s: float = _ANSWERS_WITHIN_S) -> dict[str, Any]:
    """The JSON object at `path` (`/healthz`, `/jsz`, `/varz`) of the server's monitoring; raises MonitoringError."""
    try:
        found = json.loads(_get(url, path, within_s))
    except (OSError, http.client.HTTPException, ValueError):
        raise MonitoringError from None
    if not isinstance(found, dict):
        raise MonitoringError
    return found


def _get(url: str, path: str, within_s: float) -> bytes:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "127.0.0.1", parts.port or _USUAL_PORT, timeout=within_s)
    with contextlib.closing(connection):
        connection.request("GET", path)
        return connection.getresponse().read()
