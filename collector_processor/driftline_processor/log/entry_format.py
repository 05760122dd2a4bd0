"""The format of log entries, and the search for entries between damaged bytes.

An entry is a head of 32 bytes, the headers as JSON, and the request as received::

    magic 4 | headers 4 | body 4 | kind 1 | readers 1 | zero 2 | received 8 | checksum 8

Numbers are little-endian. The checksum (xxh3, 64 bits) covers everything else of the entry. It is seeded with the salt
of the file, so that a sender cannot forge bytes that look like an entry. The magic marks the next entry after damaged
bytes.
"""

from __future__ import annotations

import json
import struct
from typing import Literal

import xxhash
from msgspec import Struct

from driftline_processor.access.principal import UNRESTRICTED, Sending
from driftline_processor.receipts import Signal

Headers = tuple[tuple[str, str], ...]
"""Names and values of forwarded headers."""

MAGIC = b"dLr\xa5"
"""Start of an entry; the last byte is not ASCII, so that texts rarely match."""

_HEAD = struct.Struct("<4sIIBBHq")
_CHECKSUM = struct.Struct("<Q")
HEAD_BYTES = _HEAD.size + _CHECKSUM.size
"""Bytes of an entry before its headers."""

_KINDS: tuple[Signal | Literal["blank"], ...] = ("blank", "traces", "logs", "metrics")
"""Kinds of entries, by their number in the file. A blank replaces an erased entry."""

FOR_ANALYSIS, FOR_DESTINATIONS = 1, 2
"""Readers of an entry, as bits of one byte."""

MOST_BODY = 64 << 20
"""Maximum bytes of a body; a larger number means a damaged head. Receivers accept 20 MiB."""

_MOST_HEADERS = 1 << 20

_COPIED = 64 << 10
"""Bytes of a body up to which copying is cheaper than a separate part in a write."""


class Entry(Struct, frozen=True):
    """A request in the log.

    Attributes:
        signal: The OTLP signal.
        body: The bytes of the protobuf message, decompressed.
        received: Unix nanoseconds.
        headers: Headers that may be forwarded.
        readers: Bits of :data:`FOR_ANALYSIS` and :data:`FOR_DESTINATIONS`.
        to: Its only destination, "" for every interested one.
        sending: What its sender may send.
    """

    signal: Signal
    body: bytes
    received: int
    headers: Headers = ()
    readers: int = FOR_ANALYSIS
    to: str = ""
    sending: Sending = UNRESTRICTED


class Stored(Struct, frozen=True):
    """An entry with its position.

    Attributes:
        position: Position of its first byte in the log.
        following: Position of the first byte after it.
    """

    position: int
    following: int
    entry: Entry


class FoundEntries(Struct):
    """The entries in a range of bytes.

    Attributes:
        stored: The entries in order.
        following: Position up to which bytes were used.
        gaps: Positions of the first byte, and after the last byte, of each range without an entry.
        sound: Position after the last undamaged entry or blank.
    """

    stored: list[Stored]
    following: int
    gaps: list[tuple[int, int]] = []
    sound: int = 0

    @property
    def damaged(self) -> int:
        """Return the number of skipped bytes without an entry."""
        return sum(end - first for first, end in self.gaps)

    def skip(self, first: int, end: int) -> None:
        """Note a range without an entry."""
        if end > first:
            self.gaps.append((first, end))


def encode(entry: Entry, salt: int = 0) -> bytes:
    """Return the bytes of an entry; ``salt``: of its file.

    >>> kept = encode(Entry("traces", b"spans", 7, (("tenant", "a"),)))
    >>> find(kept, 100).stored[0].entry.body
    b'spans'
    """
    return b"".join(encoded(entry, salt))


def encoded(entry: Entry, salt: int = 0) -> tuple[bytes, ...]:
    """Return the bytes in parts, with a large body as one part, so that it is not copied."""
    header_fields: dict[str, object] = {}
    if entry.headers:
        header_fields["headers"] = entry.headers
    if entry.to:
        header_fields["to"] = entry.to
    if entry.sending.rules is not None:
        header_fields["sending"] = entry.sending.rules
    headers = json.dumps(header_fields, separators=(",", ":")).encode() if header_fields else b""
    kind = _KINDS.index(entry.signal)
    head = _HEAD.pack(MAGIC, len(headers), len(entry.body), kind, entry.readers, 0, entry.received)
    before = b"".join((head, _checksum(salt, head, headers, entry.body), headers))
    return (before, entry.body) if len(entry.body) > _COPIED else (before + entry.body,)


def blank(size: int, salt: int = 0) -> bytes:
    """Return an empty entry of ``size`` bytes that overwrites an erased one.

    >>> len(blank(100)), find(blank(100), 0).stored
    (100, [])
    """
    body = bytes(size - HEAD_BYTES)
    head = _HEAD.pack(MAGIC, 0, len(body), 0, 0, 0, 0)
    return b"".join((head, _checksum(salt, head, b"", body), body))


def find(buffer: bytes, position: int, salt: int = 0, whole: bool = True) -> FoundEntries:
    """Return the entries in ``buffer``.

    Args:
        buffer: Bytes of the log, normally from the start of an entry.
        position: Position of the first byte in the log.
        salt: Salt of the file.
        whole: True if nothing follows. Otherwise a truncated entry at the end is left for the next read.
    """
    entries_found = FoundEntries([], position)
    offset, end = 0, len(buffer)
    view = memoryview(buffer)
    while offset < end:
        size = _size(view, offset)
        if size is None or offset + size > end:
            if size is not None and not whole:
                break
            begin = _next_entry(buffer, view, offset + 1, salt, whole)
            if begin is None:
                if whole:
                    entries_found.skip(position + offset, position + end)
                    offset = end
                break
            entries_found.skip(position + offset, position + begin)
            offset = begin
            continue
        entry = _entry(view, offset, size, salt)
        if entry is None:  # its head looks valid, so only this entry is lost if another one follows it
            follows = offset + size == end or _size(view, offset + size) is not None
            begin = offset + size if follows else (_next_entry(buffer, view, offset + 1, salt, True) or end)
            entries_found.skip(position + offset, position + begin)
            offset = begin
            continue
        if isinstance(entry, Entry):
            entries_found.stored.append(Stored(position + offset, position + offset + size, entry))
        offset += size
        entries_found.sound = position + offset
    entries_found.following = position + offset
    return entries_found


def _size(view: memoryview, offset: int) -> int | None:
    """Return the size of the entry at an offset; None if there is no entry."""
    if len(view) - offset < HEAD_BYTES or view[offset : offset + 4] != MAGIC:
        return None
    _, headers, body, kind, _, _, _ = _HEAD.unpack_from(view, offset)
    if headers > _MOST_HEADERS or body > MOST_BODY or kind >= len(_KINDS):
        return None
    return HEAD_BYTES + int(headers) + int(body)


def _next_entry(buffer: bytes, view: memoryview, offset: int, salt: int, whole: bool) -> int | None:
    """Return the offset of the next undamaged entry; if bytes follow, also of one that may be truncated at the end."""
    while (offset := buffer.find(MAGIC, offset)) >= 0:
        size = _size(view, offset)
        if size is not None and offset + size <= len(view) and _entry(view, offset, size, salt) is not None:
            return offset
        if size is not None and offset + size > len(view) and not whole:
            return offset
        offset += 1
    return None


def _entry(view: memoryview, offset: int, size: int, salt: int) -> Entry | Literal["blank"] | None:
    """Decode an entry; None if it is damaged."""
    head = view[offset : offset + _HEAD.size]
    _, headers, _, kind, readers, _, received = _HEAD.unpack_from(head)
    begin = offset + HEAD_BYTES
    header, body = view[begin : begin + headers], view[begin + headers : offset + size]
    if view[offset + _HEAD.size : begin] != _checksum(salt, head, header, body):
        return None
    signal = _KINDS[kind]
    if signal == "blank":
        return "blank"
    if not headers:
        return Entry(signal, bytes(body), received, readers=readers)
    header_fields = json.loads(bytes(header))
    travelling = tuple((str(name), str(value)) for name, value in header_fields.get("headers", ()))
    rules = header_fields.get("sending")
    sending = UNRESTRICTED if rules is None else Sending({name: tuple(models) for name, models in rules.items()})
    return Entry(signal, bytes(body), received, travelling, readers, header_fields.get("to", ""), sending)


def _checksum(salt: int, *parts: bytes | memoryview) -> bytes:
    digest = xxhash.xxh3_64(seed=salt)
    for part in parts:
        digest.update(part)
    return _CHECKSUM.pack(digest.intdigest())
