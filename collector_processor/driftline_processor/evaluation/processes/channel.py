"""A connection between two processes of one processor: whole messages over a pair of sockets.

A message is pickled. Its large parts, which are columns and vectors, follow as they are and are not copied into it.
Both ends belong to one processor: nobody else can connect.
"""

from __future__ import annotations

import dataclasses
import io
import pickle
import socket
import struct
from collections.abc import Iterable
from functools import cache
from typing import Any

import pyarrow as pa

LARGE = 1 << 16
"""Bytes from which on a part of a message is sent beside it: below, to copy it costs less than another part."""

MOST_PARTS = 65_536
"""Parts of one message at most: more are no message."""

_HEAD = struct.Struct("<I")
"""Number of parts; the length of each follows."""

_LENGTH = struct.Struct("<Q")

_AT_ONCE = 64
"""Parts that are given to the system in one call; each takes an entry of its limit of 1,024."""


class _Pickler(pickle.Pickler):
    """Writes data classes with slots as their values: as Python does, both ends take half as long again."""

    def reducer_override(self, value: Any) -> Any:
        kind = type(value)
        if dataclasses.is_dataclass(kind) and "__slots__" in vars(kind):
            return _made, (kind, tuple(getattr(value, name) for name in _names(kind)))
        return NotImplemented


@cache
def _names(kind: type) -> tuple[str, ...]:
    return tuple(field.name for field in dataclasses.fields(kind))


def _made(kind: type, values: tuple[Any, ...]) -> Any:
    instance: Any = object.__new__(kind)
    for name, value in zip(_names(kind), values, strict=True):
        object.__setattr__(instance, name, value)
    return instance


class BrokenChannelError(Exception):
    """The other process has ended, does not answer in time, or says what is no message."""


class Channel:
    """One end of a connection.

    Args:
        connection: A stream socket.
        most: Bytes of one message that is received, at most.

    >>> ends = socket.socketpair()
    >>> with ends[0], ends[1]:
    ...     one, other = map(Channel, ends)
    ...     one.send(("windows", [1, 2]))
    ...     other.receive()
    ('windows', [1, 2])
    """

    def __init__(self, connection: socket.socket, most: int = 1 << 30) -> None:
        self._socket, self._most = connection, most

    def fileno(self) -> int:
        """Return the number of the socket, for those who wait for several."""
        return self._socket.fileno()

    def set_patience(self, seconds: float | None) -> None:
        """Wait so long for the other end to take or give some bytes; None: for ever."""
        self._socket.settimeout(seconds)

    def send(self, message: object) -> None:
        """Send a message. Raises BrokenChannelError."""
        large: list[pickle.PickleBuffer] = []

        def beside(part: pickle.PickleBuffer) -> bool:
            if part.raw().nbytes < LARGE:
                return True
            large.append(part)
            return False

        small = io.BytesIO()
        _Pickler(small, protocol=5, buffer_callback=beside).dump(message)
        parts = [small.getbuffer(), *(part.raw() for part in large)]
        lengths = b"".join(_LENGTH.pack(part.nbytes) for part in parts)
        try:
            self._send_all([memoryview(_HEAD.pack(len(parts)) + lengths), *parts])
        except OSError as error:
            raise BrokenChannelError(f"cannot be told anything ({error})") from error

    def receive(self) -> Any:
        """Wait for a message, and return it. Raises BrokenChannelError."""
        try:
            [count] = _HEAD.unpack(self._exactly(_HEAD.size))
            if not 0 < count <= MOST_PARTS:
                raise BrokenChannelError("says what is no message")
            lengths = [length for (length,) in _LENGTH.iter_unpack(self._exactly(count * _LENGTH.size))]
            if sum(lengths) > self._most:
                raise BrokenChannelError(f"says more than {self._most:,} bytes at once")
            small, *large = [self._exactly(length) for length in lengths]
        except OSError as error:
            raise BrokenChannelError(f"does not answer ({error})") from error
        try:
            return pickle.loads(small, buffers=large)
        except Exception as error:  # whatever such bytes lead to
            raise BrokenChannelError(f"says what cannot be read ({type(error).__name__}: {error})") from error

    def close(self) -> None:
        """Close this end; the other end is told."""
        self._socket.close()

    def _send_all(self, parts: Iterable[memoryview]) -> None:
        left = [part.cast("B") for part in parts if part.nbytes]
        while left:
            sent = self._socket.sendmsg(left[:_AT_ONCE])
            while left and sent >= left[0].nbytes:
                sent -= left.pop(0).nbytes
            if sent:
                left[0] = left[0][sent:]

    def _exactly(self, length: int) -> bytearray:
        buffer = bytearray(length)
        view, have = memoryview(buffer), 0
        while have < length:
            received = self._socket.recv_into(view[have:])
            if not received:
                raise BrokenChannelError("has ended")
            have += received
        return buffer


def pack_table(table: pa.Table) -> pickle.PickleBuffer:
    """Return a table as one part of a message."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return pickle.PickleBuffer(sink.getvalue())


def unpack_table(part: Any) -> pa.Table:
    """Return the table that was packed; its columns are the bytes of the message."""
    return pa.ipc.open_stream(pa.py_buffer(part)).read_all()
