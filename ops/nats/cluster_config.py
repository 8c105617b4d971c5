"""The configuration of one nats-server of a cluster, which somebody else runs: it has the embedded one's accounts.

The file is the same for all servers of the cluster: each is told its own name on its command line.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from contract.errors import SettingsError
from contract.tls import is_loopback
from ops.nats import config as nats_config
from ops.nats.endpoint import Certificate
from ops.supervisor.ports import Address

CLUSTER: Final = "docqa"
_LEAVES_WITHIN: Final = "30s"
_LEAVES_AFTER: Final = "3s"
"""The least that nats-server takes. One that is asked to go sends its clients to the others, a little apart."""


class Node(NamedTuple):
    """Where a server listens, stores, and finds the others (as HOST:PORT, itself may be among them)."""

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
    """The configuration's text; raises SettingsError where passwords or jobs would travel in the clear."""
    _check(node)
    config = {
        "listen": str(node.clients),
        "http": str(node.monitor),
        **nats_config.storing(node.store, max_request_size_mb),
        **nats_config.letting_in(passwords, publishers),
        # One alone would wait for a majority for ever.
        **({"cluster": _cluster(node)} if len(node.others) > 1 else {}),
        "lame_duck_duration": _LEAVES_WITHIN,
        "lame_duck_grace_period": _LEAVES_AFTER,
    }
    if node.certificate:
        config["tls"] = node.certificate.render()
    return nats_config.written(config)


def _cluster(node: Node) -> dict[str, Any]:
    cluster: dict[str, Any] = {
        "name": CLUSTER,
        "listen": str(node.routes),
        "routes": [f"nats://{other}" for other in node.others],
        # Clients go where their settings say, by names that the certificate knows: not to addresses told by servers.
        "no_advertise": True,
    }
    if node.certificate:
        # Servers believe each other by this certificate alone: its authority must sign for nobody else.
        cluster["tls"] = {**node.certificate.render(), "ca_file": str(node.certificate.authority), "verify": True}
    return cluster


def _check(node: Node) -> None:
    if node.certificate is None:
        for name, address in (("--listen", node.clients), ("--listen-routes", node.routes)):
            if not is_loopback(address.host):
                raise SettingsError(f"{name}: passwords would come to {address} in the clear: name --certificates too.")
