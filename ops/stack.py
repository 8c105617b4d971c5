"""Which TCP addresses `docqa up` gives to its children."""

from typing import Final

from contract.errors import SettingsError
from ops.nats.endpoint import SERVER_PICKS, USUAL_PORT, Door
from ops.settings import UpSettings
from ops.supervisor import ports
from ops.supervisor.ports import Address

_LOOPBACK: Final = "127.0.0.1"
_INGRESS_METRICS_PORT: Final = 9108
_WORKER_METRICS_PORT: Final = 9109


def http(settings: UpSettings) -> Address:
    """Where questions come in over TCP; raises SettingsError when that can't be."""
    address = Address(settings.host, settings.port)
    if address.port and (trouble := ports.trouble(address)):
        raise SettingsError(
            f"Can't listen on {address}: {trouble}; name another, or let --http {_LOOPBACK}:0 pick one."
        )
    return address


def bus(settings: UpSettings) -> Door:
    """The embedded bus's: who lets a port be picked runs beside others, and must not meet them on the usual one."""
    return Door(Address(_LOOPBACK, SERVER_PICKS if settings.port == 0 else USUAL_PORT))


def metrics(settings: UpSettings) -> tuple[Address, Address]:
    """The ingress's and the worker's. A named address is the ingress's, and the worker takes the next port."""
    if settings.metrics_addr:
        named = ports.parse(settings.metrics_addr, "DOCQA_METRICS_ADDR")
        return named, named._replace(port=named.port and min(named.port + 1, 65_535))
    if settings.port == 0:
        return Address(_LOOPBACK, 0), Address(_LOOPBACK, 0)
    return _free_or_any(_INGRESS_METRICS_PORT), _free_or_any(_WORKER_METRICS_PORT)


def _free_or_any(port: int) -> Address:
    wanted = Address(_LOOPBACK, port)
    return wanted if ports.trouble(wanted) is None else Address(_LOOPBACK, 0)
