"""Whether a server could listen on a TCP address now."""

import socket

from contract.address import Address


def listen_error(address: Address) -> str | None:
    """Why no server could listen on this address now; None if one could."""
    try:
        with socket.socket(socket.AF_INET6 if ":" in address.host else socket.AF_INET) as probe:
            # As servers do: a port with connections in TIME_WAIT counts as free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            probe.listen(1)
    except OSError as error:
        return error.strerror or str(error)
    return None
