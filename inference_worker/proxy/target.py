"""Where the proxy's API is, and that texts may go there: under TLS, or to this machine."""

from typing import Final
from urllib.parse import SplitResult, urlsplit, urlunsplit

import msgspec

from contract.errors import SettingsError
from contract.tls import is_loopback

_COMPLETIONS: Final = "/chat/completions"


class Target(msgspec.Struct, frozen=True):
    """The address of the API's chat completions; `host` is what is said of it."""

    url: str
    host: str
    is_tls: bool


def target_of(url: str | None, *, allow_http: bool) -> Target:
    """Raises SettingsError, with a sentence that does not show the address: it may hold a password."""
    if not url:
        raise SettingsError(
            "COPILOT_API_URL: the proxy is to answer and has no address: name an OpenAI-compatible API, "
            "as in https://api.example.com/v1."
        )
    parts = _parsed(url)
    is_tls = parts.scheme == "https"
    if not is_tls and not allow_http and not is_loopback(parts.hostname):
        raise SettingsError(
            f"COPILOT_API_URL: texts and the key would go to {parts.hostname} in the clear: write https://, or set "
            "DOCQA_PROXY_ALLOW_HTTP=true where the network in between is your own."
        )
    path = parts.path.rstrip("/")
    whole = path if path.endswith(_COMPLETIONS) else path + _COMPLETIONS
    return Target(urlunsplit((parts.scheme, parts.netloc, whole, parts.query, "")), str(parts.hostname), is_tls)


def _parsed(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        is_whole = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        is_whole = False
    if not is_whole:
        raise SettingsError("COPILOT_API_URL: expected https://HOST/PATH, as in https://api.example.com/v1.")
    if parts.username or parts.password:
        raise SettingsError("COPILOT_API_URL: it holds a password: put the key into COPILOT_API_KEY instead.")
    return parts
