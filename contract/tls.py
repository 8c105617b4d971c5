"""How the bus is reached: on this machine as it is, elsewhere under TLS, with a certificate that names the host.

Pure, but for the file of the certificate authority. `contract.bus` connects.
"""

import ipaddress
import ssl
from pathlib import Path
from typing import Final
from urllib.parse import SplitResult, urlsplit

from contract.errors import SettingsError

_SCHEMES: Final = ("nats", "tls")


def servers(urls: str) -> list[str]:
    """The servers of one bus, as DOCQA_NATS_URL names them: one, or a cluster's with commas between them."""
    return [url.strip() for url in urls.split(",")]


def tls_context(urls: str, ca: Path | None) -> ssl.SSLContext | None:
    """What to connect to the servers with; None on this machine, where TLS is not needed.

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
    """True for a host that is this machine, whatever a name server says."""
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
        # An SSLError is an OSError too, and its text names lines of OpenSSL.
        reason = "not a certificate in PEM" if isinstance(error, ssl.SSLError) else error.strerror
        raise SettingsError(f"DOCQA_NATS_CA: can't use {ca}: {reason}.") from None
