"""A limit per address for a port whose server does not show its connections to Python, as grpcio.

Such a server closes new connections above its maximum, whoever has the others. So some are closed earlier: first those
of the address with the most connections, the longest silent one first. The sockets are found among the open files of
the process, which works on Linux; elsewhere, only the maximum of the server exists.
"""

from __future__ import annotations

import logging
import os
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from msgspec import Struct

_EVERY = 0.1
"""Seconds between checks, or more, so that a check of thousands of connections uses at most a tenth of a core."""

_log = logging.getLogger("driftline")


class _Seen(Struct, frozen=True):
    """A connection: its file, the address and port of its client, and the milliseconds since it last sent something."""

    file: int
    peer: tuple[str, int]
    silent: int


class PortConnections:
    """The connections of a port, of which a quarter of the maximum is kept free for new ones.

    Args:
        port: The port of this processor.
        most: The maximum of the server.
    """

    def __init__(self, port: int, most: int) -> None:
        self._port, self._most = port, most
        self._logged_at: float | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="driftline-grpc-connections", daemon=True)

    def start(self) -> None:
        """Start the thread that checks the connections."""
        if sys.platform == "linux":
            self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join()

    def close_surplus(self) -> None:
        """Close the connections above three quarters of the maximum."""
        kept = self._most * 3 // 4
        files = os.listdir("/proc/self/fd")
        if len(files) <= kept:
            return
        seen = [connection for file in files if (connection := self._look_at(int(file))) is not None]
        surplus = len(seen) - kept
        if surplus <= 0:
            return
        counts, ranked = Counter[str](), list[tuple[int, int, _Seen]]()
        for connection in sorted(seen, key=lambda one: one.silent):
            counts[connection.peer[0]] += 1
            ranked.append((counts[connection.peer[0]], connection.silent, connection))
        # the highest ranks first, so that the address with the most connections loses its most silent ones
        for _, _, connection in sorted(ranked, key=lambda one: one[:2], reverse=True)[:surplus]:
            with suppress(OSError), _socket_of(connection.file) as one:
                if _peer_of(one) == connection.peer:  # the file is not another one meanwhile
                    one.shutdown(socket.SHUT_RDWR)
        self._say(len(seen), *counts.most_common(1)[0])

    def _look_at(self, file: int) -> _Seen | None:
        """Return the connection of a file; None if it is not a connection to this port."""
        with suppress(OSError), _socket_of(file) as one:
            if one.family in (socket.AF_INET, socket.AF_INET6) and one.getsockname()[1] == self._port:
                return _Seen(file, _peer_of(one), _silent_milliseconds(one))
        return None

    def _say(self, count: int, address: str, most: int) -> None:
        now = time.monotonic()
        # 60.0: seconds between log lines about closed connections
        if self._logged_at is None or now - self._logged_at >= 60.0:
            self._logged_at = now
            _log.warning(
                "%d connections to port %d are open, %d of them from %s; silent ones of the address with the most are "
                "closed, so that others can connect; for more connections, raise the limit on open files (ulimit -n)",
                count, self._port, most, address.removeprefix("::ffff:"),
            )  # fmt: skip

    def _watch(self) -> None:
        pause = _EVERY
        while not self._stopping.wait(pause):
            began = time.thread_time()
            try:
                self.close_surplus()
            except OSError:
                pass  # no file is left to look with, which the HTTP ports log
            except Exception:
                _log.exception("the connections of port %d could not be checked; driftline will retry", self._port)
            pause = max(_EVERY, 9 * (time.thread_time() - began))


@contextmanager
def _socket_of(file: int) -> Iterator[socket.socket]:
    """Yield the socket of a file that something else owns. Raises OSError if it is not a socket."""
    copy = os.dup(file)
    try:
        one = socket.socket(fileno=copy)
    except OSError:
        os.close(copy)
        raise
    with one:
        yield one


def _peer_of(one: socket.socket) -> tuple[str, int]:
    """Return address and port of the client. Raises OSError for a socket that listens."""
    address, port = one.getpeername()[:2]
    return address, port


def _silent_milliseconds(one: socket.socket) -> int:
    """Return the field ``tcpi_last_data_recv`` of Linux's ``struct tcp_info``."""
    return int.from_bytes(one.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 56)[52:], sys.byteorder)
