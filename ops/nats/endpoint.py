"""Where the embedded nats-server listens: on this machine as it is, elsewhere with a certificate."""

import re
from pathlib import Path
from typing import Final, NamedTuple

from contract.errors import SettingsError
from contract.tls import is_loopback
from ops.settings import NatsSettings
from ops.supervisor import ports
from ops.supervisor.ports import Address

USUAL_PORT: Final = 4222
SERVER_PICKS: Final = -1
_BUS_URL: Final = re.compile(r"(nats|tls)://[^\s/@:]+:\d{1,5}|(nats|tls)://\[[0-9a-fA-F:]+\]:\d{1,5}")
_LOOPBACK: Final = "127.0.0.1"
_EVERYWHERE: Final = ("0.0.0.0", "::")


class Certificate(NamedTuple):
    """What the server shows, and the authority that its clients believe: files in PEM."""

    chain: Path
    key: Path
    authority: Path

    def render(self) -> dict[str, str]:
        """As nats-server reads it."""
        return {"cert_file": str(self.chain), "key_file": str(self.key)}


class Door(NamedTuple):
    """The addresses of clients and of monitoring, and the certificate that clients are shown."""

    address: Address = Address(_LOOPBACK, USUAL_PORT)
    monitor: Address = Address(_LOOPBACK, SERVER_PICKS)
    certificate: Certificate | None = None
    public_url: str | None = None
    """Where publishers find it, if not where this machine's own processes do."""

    def url(self, port: int) -> str:
        """Where this machine's own processes find the server that listens on `port`."""
        host = _LOOPBACK if self.address.host in _EVERYWHERE else self.address.host
        return f"{'tls' if self.certificate else 'nats'}://{Address(host, port)}"


def door(settings: NatsSettings) -> Door:
    """What the settings say; raises SettingsError where passwords would be told in the clear."""
    address = Address(settings.host, settings.nats_port or USUAL_PORT)
    monitor = ports.parse(settings.monitor, "DOCQA_NATS_MONITOR")
    certificate = _certificate(settings)
    if certificate is None and not is_loopback(address.host):
        raise SettingsError(
            f"DOCQA_NATS_HOST: passwords would come to {settings.host} in the clear: name a certificate with "
            "DOCQA_NATS_CERT, DOCQA_NATS_KEY and DOCQA_NATS_CA, or listen on 127.0.0.1."
        )
    return Door(address, _picked(monitor), certificate, public_url(settings))


def public_url(settings: NatsSettings) -> str | None:
    """What publishers are told; raises SettingsError for what is no address of a bus."""
    url = settings.public_url
    if url and not _BUS_URL.fullmatch(url):
        # Not shown: it may hold a password.
        raise SettingsError("DOCQA_NATS_PUBLIC_URL: expected nats://HOST:PORT or tls://HOST:PORT, and nothing else.")
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
    """Port 0 is how our settings ask for any port; nats-server says -1."""
    return address if address.port else address._replace(port=SERVER_PICKS)
