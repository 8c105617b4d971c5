"""The configuration for the nats-servers of an external cluster, with the accounts of the embedded server.

The file is the same for all servers of the cluster: each gets its own name on its command line.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from contract.address import Address
from contract.errors import SettingsError
from contract.tls import is_loopback
from ops.nats import config as nats_config
from ops.nats.endpoint import Certificate

CLUSTER: Final = "docqa"
_DRAINS_WITHIN: Final = "30s"
_DRAINS_AFTER: Final = "3s"
"""The least that nats-server accepts. A server in lame duck mode moves its clients to the others gradually."""


class Node(NamedTuple):
    """The addresses and the store of a server, and all servers of the cluster as HOST:PORT (itself may be included)."""

    clients: Address
    monitor: Address
    routes: Address
    others: Sequence[str]
    store: Path
    certificate: Certificate | None = None


def render(
    node: Node,
    passwords: Mapping[str, str],
    max_request_size_mb: int,
    publishers: Mapping[str, str] = MappingProxyType({}),
) -> str:
    """The text of the configuration; raises SettingsError if passwords or jobs would travel unencrypted."""
    _check(node)
    config = {
        "listen": str(node.clients),
        "http": str(node.monitor),
        **nats_config.storing(node.store, max_request_size_mb),
        **nats_config.letting_in(passwords, publishers),
        # A single server would wait for a majority for ever.
        **({"cluster": _cluster(node)} if len(node.others) > 1 else {}),
        "lame_duck_duration": _DRAINS_WITHIN,
        "lame_duck_grace_period": _DRAINS_AFTER,
    }
    if node.certificate:
        config["tls"] = node.certificate.render()
    return nats_config.written(config)


def _cluster(node: Node) -> dict[str, Any]:
    cluster: dict[str, Any] = {
        "name": CLUSTER,
        "listen": str(node.routes),
        "routes": [f"nats://{other}" for other in node.others],
        # Clients use the names in their settings, which the certificate contains, not addresses advertised by servers.
        "no_advertise": True,
    }
    if node.certificate:
        # Servers trust each other by this certificate alone: its authority must sign nothing else.
        cluster["tls"] = {**node.certificate.render(), "ca_file": str(node.certificate.authority), "verify": True}
    return cluster


def _check(node: Node) -> None:
    if node.certificate is None:
        for name, address in (("--listen", node.clients), ("--listen-routes", node.routes)):
            if not is_loopback(address.host):
                raise SettingsError(f"{name}: passwords would come to {address} in the clear: give --certificates too.")
