"""Decides how to connect to the bus: plain on this machine, under TLS with a verified host name elsewhere.

Pure except for reading the certificate authority's file. `contract.bus` connects.
"""

import ipaddress
import ssl
from pathlib import Path
from typing import Final
from urllib.parse import SplitResult, urlsplit

from contract.errors import SettingsError

_SCHEMES: Final = ("nats", "tls")


def servers(urls: str) -> list[str]:
    """The servers in DOCQA_NATS_URL: one, or a cluster's separated by commas."""
    return [url.strip() for url in urls.split(",")]


def tls_context(urls: str, ca: Path | None) -> ssl.SSLContext | None:
    """The TLS context for the servers; None on this machine, where TLS is not needed.

    Raises SettingsError with a sentence: passwords and documents go to another machine under TLS or not at all.
    """
    addresses = [_parsed(url) for url in servers(urls)]
    if ca:
        return _trusting(ca)
    schemes = {address.scheme for address in addresses}
    if schemes == {"tls"}:
        return ssl.create_default_context()
    if len(schemes) > 1:
        raise SettingsError("DOCQA_NATS_URL: some servers are tls:// and some are not: write them all alike.")
    for address in addresses:
        if not is_loopback(address.hostname):
            raise SettingsError(
                f"DOCQA_NATS_URL: the password would go to {address.hostname} in the clear: name the authority of the "
                "server's certificate with DOCQA_NATS_CA, or write tls:// where this system knows it."
            )
    return None


def is_loopback(host: str | None) -> bool:
    """True for a loopback address or `localhost`; asks no name server."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False


def _parsed(url: str) -> SplitResult:
    try:
        address = urlsplit(url if "://" in url else f"nats://{url}")
        if address.scheme in _SCHEMES and address.hostname and address.port != 0:
            return address
    except ValueError:
        pass
    # Not shown: it may hold a password.
    raise SettingsError("DOCQA_NATS_URL: expected nats://HOST:PORT or tls://HOST:PORT, several with commas.")


def _trusting(ca: Path) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca)
    except (OSError, ssl.SSLError) as error:
        # An SSLError is an OSError too, but its text is OpenSSL's own.
        reason = "not a certificate in PEM" if isinstance(error, ssl.SSLError) else error.strerror
        raise SettingsError(f"DOCQA_NATS_CA: can't use {ca}: {reason}.") from None
