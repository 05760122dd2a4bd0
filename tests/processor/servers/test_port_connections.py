"""Connections of a server that does not show them: the surplus of the busiest address is closed, and nothing else."""

from __future__ import annotations

import errno
import os
import select
import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest
from driftline_processor.servers.port_connections import PortConnections, _silent_milliseconds

from tests.support.waiting import wait_until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")

MOST = 12
KEPT = 9
"""A quarter is kept free for new connections."""

HOST, OTHER, THIRD = "127.0.0.2", "127.0.0.3", "127.0.0.4"


class Accepting:
    """A port whose connections are accepted by this process."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        self.port = int(self._listener.getsockname()[1])

    def connect(self, source: str) -> tuple[socket.socket, socket.socket]:
        """Return both ends of a new connection, that of the client first."""
        client = socket.create_connection(("127.0.0.1", self.port), timeout=20, source_address=(source, 0))
        return self._stack.enter_context(client), self._stack.enter_context(self._listener.accept()[0])


@contextmanager
def accepting() -> Iterator[Accepting]:
    with ExitStack() as stack:
        yield Accepting(stack)


def closed(pairs: list[tuple[socket.socket, socket.socket]]) -> list[int]:
    """Return the numbers of the connections that are closed."""
    readable = select.select([client for client, _ in pairs], [], [], 0)[0]
    return [number for number, (client, _) in enumerate(pairs) if client in readable]


def test_the_address_with_the_most_connections_loses_its_most_silent_ones() -> None:
    with accepting() as port:
        quiet = port.connect(OTHER), port.connect(THIRD)  # silent for longest, but few
        crowd = [port.connect(HOST) for _ in range(KEPT)]
        silent = [end for _, end in crowd]
        wait_until(lambda: min(map(_silent_milliseconds, silent)) >= 50)
        for active in (0, 8):
            crowd[active][0].sendall(b"still here")
            wait_until(lambda active=active: _silent_milliseconds(silent[active]) < _silent_milliseconds(silent[1]))  # type: ignore[misc]
        PortConnections(port.port, MOST).close_surplus()
        assert closed([*quiet]) == []
        assert len(closed(crowd)) == 2
        assert not {0, 8} & {*closed(crowd)}


def test_three_quarters_of_the_maximum_may_stay_idle() -> None:
    with accepting() as port:
        pairs = [port.connect(HOST) for _ in range(KEPT)]
        PortConnections(port.port, MOST).close_surplus()
        assert closed(pairs) == []


def test_connections_of_other_ports_are_not_counted_and_stay() -> None:
    with accepting() as port, accepting() as other:
        pairs, others = [port.connect(HOST) for _ in range(KEPT)], [other.connect(HOST) for _ in range(MOST)]
        PortConnections(port.port, MOST).close_surplus()
        assert closed(pairs) == closed(others) == []


def test_the_busiest_address_is_logged_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    with accepting() as port:
        pairs = [port.connect(HOST) for _ in range(KEPT + 2)]
        connections = PortConnections(port.port, MOST)
        connections.close_surplus()
        pairs[0][1].close()
        connections.close_surplus()
    [line] = [record.getMessage() for record in caplog.records if record.name == "driftline"]
    assert line.startswith(f"{KEPT + 2} connections to port {port.port} are open, {KEPT + 2} of them from {HOST}; ")


def test_where_no_file_is_left_it_looks_again_and_logs_nothing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    looks = list[PortConnections]()

    def look(connections: PortConnections) -> None:
        looks.append(connections)
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr(PortConnections, "close_surplus", look)
    connections = PortConnections(1, MOST)
    connections.start()
    wait_until(lambda: len(looks) > 2)
    connections.stop()
    assert caplog.records == []
