"""Bind ports, with an error that names the process that uses them."""

from __future__ import annotations

import errno
import socket

from driftline_processor.config.values import Address

_HOLDERS = {
    4317: ", probably by an OpenTelemetry Collector, Jaeger or another driftline",
    4318: ", probably by an OpenTelemetry Collector, Jaeger or another driftline",
    8780: ", probably by another driftline",
}


class PortInUse(Exception):  # noqa: N818 - what the message says
    """An address cannot be bound. The message names the likely process and the key to change."""

    def __init__(self, address: Address, key: str, reason: str) -> None:
        self.address = address
        if _is_in_use(address):
            holder = _HOLDERS.get(address.port, " by another program")
            free = f"{address.host}:{address.port + 10000 if address.port < 55536 else 0}"
            message = (
                f"{address} is in use{holder}; stop that program, or change {key}, "
                f"for example to '{free}' (0: any free port)"
            )
        else:
            message = f"{address} cannot be used to listen ({reason}); change {key}"
        super().__init__(message)


def bind(address: Address, key: str) -> list[socket.socket]:
    """Bind ``address``: one socket, or two for a ``localhost`` of both IP versions. Port 0 is any free port.

    ``key``: the configuration key, for the message. Raises PortInUse.
    """
    sockets: list[socket.socket] = []
    port = address.port
    try:
        families = _families(address.host)
        for family in families:
            try:
                listener = _listen(address.host, port, family)
            except OSError as error:
                if error.errno == errno.EADDRNOTAVAIL and (sockets or family != families[-1]):
                    continue  # localhost resolves to IPv6 on a machine without IPv6
                raise
            sockets.append(listener)
            port = port or listener.getsockname()[1]
    except OSError as error:
        for listener in sockets:
            listener.close()
        raise PortInUse(address, key, error.strerror or str(error)) from None
    return sockets


def _listen(host: str, port: int, family: socket.AddressFamily) -> socket.socket:
    dual = host == "::" and socket.has_dualstack_ipv6()
    return socket.create_server((host, port), family=family, backlog=2048, dualstack_ipv6=dual)


def check_free(address: Address, key: str) -> None:
    """Raise PortInUse if :func:`bind` would; for servers that bind by themselves with poorer messages."""
    if address.port:
        for listener in bind(address, key):
            listener.close()


def _families(host: str) -> list[socket.AddressFamily]:
    addresses = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    return list(dict.fromkeys(family for family, *_ in addresses))


def _is_in_use(address: Address) -> bool:
    try:
        bound = _listen(address.host, address.port, _families(address.host)[0])
    except OSError as error:
        return error.errno == errno.EADDRINUSE
    bound.close()
    return False
