"""Messages between processes arrive whole, and what is none is refused."""

from __future__ import annotations

import pickle
import socket
import struct
import threading
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pytest
from driftline_processor.core.windows.window import Window
from driftline_processor.evaluation.processes.channel import (
    LARGE,
    BrokenChannelError,
    Channel,
    pack_table,
    unpack_table,
)

Ends = tuple[socket.socket, Channel]


@pytest.fixture
def ends() -> Iterator[Ends]:
    one, other = socket.socketpair()
    yield one, Channel(other, most=1 << 24)
    one.close()
    other.close()


def test_large_vectors_and_tables_arrive_and_can_be_changed(ends: Ends) -> None:
    raw, channel = ends
    sums = np.arange(LARGE, dtype=np.float64)
    table = pa.table({"part": ["a", None, "c"] * 40_000, "value": np.arange(120_000.0)})
    message = (sums, pack_table(table), Window("1h", 1, 2), {"few": np.arange(3)})
    sender = threading.Thread(target=Channel(raw).send, args=(message,))
    sender.start()
    got, packed, window, few = channel.receive()
    sender.join()
    assert (got == sums).all()
    got[0] = 7.0
    assert unpack_table(packed).equals(table)
    assert window == Window("1h", 1, 2)
    assert few["few"].tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (b"", "has ended"),
        (struct.pack("<I", 2) + b"\0", "has ended"),
        (struct.pack("<I", 0), "no message"),
        (struct.pack("<I", 1 << 30), "no message"),
        (struct.pack("<IQ", 1, 1 << 40), "bytes at once"),
        (struct.pack("<IQ", 1, 4) + b"abcd", "cannot be read"),
        (struct.pack("<IQ", 1, 30) + b"abcd", "has ended"),
    ],
)
def test_what_is_no_message_is_said(ends: Ends, said: bytes, why: str) -> None:
    raw, channel = ends
    raw.sendall(said)
    raw.shutdown(socket.SHUT_WR)
    with pytest.raises(BrokenChannelError, match=why):
        channel.receive()


def test_nobody_waits_for_ever(ends: Ends) -> None:
    raw, channel = ends
    channel.set_patience(0.01)
    raw.sendall(struct.pack("<IQ", 1, 30))
    with pytest.raises(BrokenChannelError, match="does not answer"):
        channel.receive()
    with pytest.raises(BrokenChannelError, match="cannot be told"):
        channel.send(np.zeros(1 << 22))


def test_a_message_that_is_read_makes_the_same_object(ends: Ends) -> None:
    raw, channel = ends
    Channel(raw).send(pickle.PickleBuffer(b"x" * LARGE))
    assert bytes(channel.receive()) == b"x" * LARGE
