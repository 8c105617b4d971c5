"""The addresses of the embedded nats-server: on the loopback without TLS, on others with a certificate only."""

import re
from pathlib import Path
from typing import Final, NamedTuple

from contract.address import Address, parse_address
from contract.errors import SettingsError
from contract.tls import is_loopback
from ops.settings import NatsSettings

USUAL_PORT: Final = 4222
SERVER_PICKS: Final = -1
_BUS_URL: Final = re.compile(r"(nats|tls)://[^\s/@:]+:\d{1,5}|(nats|tls)://\[[0-9a-fA-F:]+\]:\d{1,5}")
_LOOPBACK: Final = "127.0.0.1"
_EVERYWHERE: Final = ("0.0.0.0", "::")


class Certificate(NamedTuple):
    """The server's certificate and key, and the authority that its clients trust: files in PEM."""

    chain: Path
    key: Path
    authority: Path

    def render(self) -> dict[str, str]:
        """As nats-server configures it."""
        return {"cert_file": str(self.chain), "key_file": str(self.key)}


class Endpoint(NamedTuple):
    """The addresses for clients and for monitoring, and the certificate shown to clients."""

    address: Address = Address(_LOOPBACK, USUAL_PORT)
    monitor: Address = Address(_LOOPBACK, SERVER_PICKS)
    certificate: Certificate | None = None
    public_url: str | None = None
    """The address for publishers, if it is not the one for this machine's own processes."""

    def url(self, port: int) -> str:
        """The URL for this machine's own processes of the server that listens on `port`."""
        host = _LOOPBACK if self.address.host in _EVERYWHERE else self.address.host
        return f"{'tls' if self.certificate else 'nats'}://{Address(host, port)}"


def endpoint_of(settings: NatsSettings) -> Endpoint:
    """The endpoint that the settings describe; raises SettingsError if passwords would be sent unencrypted."""
    address = Address(settings.host, settings.nats_port or USUAL_PORT)
    monitor = parse_address(settings.monitor, "DOCQA_NATS_MONITOR")
    certificate = _certificate(settings)
    if certificate is None and not is_loopback(address.host):
        raise SettingsError(
            f"DOCQA_NATS_HOST: passwords would come to {settings.host} in the clear: set DOCQA_NATS_CERT, "
            "DOCQA_NATS_KEY and DOCQA_NATS_CA, or listen on 127.0.0.1."
        )
    return Endpoint(address, _picked(monitor), certificate, public_url(settings))


def public_url(settings: NatsSettings) -> str | None:
    """The address for publishers; raises SettingsError for anything but a NATS address."""
    url = settings.public_url
    if url and not _BUS_URL.fullmatch(url):
        # The value is not shown, because it may contain a password.
        raise SettingsError("DOCQA_NATS_PUBLIC_URL: expected nats://HOST:PORT or tls://HOST:PORT, nothing else.")
    return url


def _certificate(settings: NatsSettings) -> Certificate | None:
    files = {"DOCQA_NATS_CERT": settings.cert, "DOCQA_NATS_KEY": settings.key, "DOCQA_NATS_CA": settings.ca}
    for name, path in files.items():
        if path is None and (settings.cert or settings.key):
            raise SettingsError(f"{name}: a certificate needs all of {', '.join(files)}.")
        if path and not path.is_file():
            raise SettingsError(f"{name}: there is no file {path}.")
    if not (settings.cert and settings.key and settings.ca):
        return None
    return Certificate(settings.cert.absolute(), settings.key.absolute(), settings.ca.absolute())


def _picked(address: Address) -> Address:
    """Translate our port 0 (pick any) to nats-server's -1."""
    return address if address.port else address._replace(port=SERVER_PICKS)
