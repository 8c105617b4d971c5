"""The proxies that the environment names for outgoing HTTP: HTTP_PROXY, HTTPS_PROXY, ALL_PROXY. Connects to nothing."""

from typing import Final
from urllib.parse import urlsplit
from urllib.request import getproxies

from contract.errors import SettingsError

_SCHEMES: Final = ("http", "https", "all")


def check() -> None:
    """Raises SettingsError for the first variable that an HTTP client here cannot use: SOCKS, or not a URL at all."""
    proxies = getproxies()
    for scheme in _SCHEMES:
        if (value := proxies.get(scheme)) and not _is_usable(value):
            # The value is not shown, because it may contain a password.
            raise SettingsError(
                f"{scheme.upper()}_PROXY: expected http://HOST:PORT (SOCKS proxies are not supported): correct it, or "
                "unset it."
            )


def _is_usable(value: str) -> bool:
    try:
        parts = urlsplit(value if "://" in value else f"http://{value}")
        has_port = parts.port is None or parts.port > 0
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname) and has_port and value.isprintable()
