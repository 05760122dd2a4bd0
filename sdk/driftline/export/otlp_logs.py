"""Encode log records as OTLP: an ``ExportLogsServiceRequest`` with one resource and one scope.

opentelemetry-proto ``logs/v1/logs.proto`` and ``common/v1/common.proto``, version 1. The stock encoder copies every
byte nine times through nested messages, and it requires the unstable ``opentelemetry._logs``; this encoder copies it
once (adr/0006-the-sdk-sends-by-itself.md).
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

Parts = list[bytes]
"""A message as pieces, in order. Lengths are computed from the pieces, so a column is copied once, at the end."""

INFO, ERROR = 9, 17
"""``SeverityNumber`` of events, and of events about a failure (OpenTelemetry: semantic conventions for events)."""

_FIXED64 = struct.Struct("<Q")
_DOUBLE = struct.Struct("<d")
_WRAP = 1 << 64


def log_record(
    event: str,
    time: int,
    attributes: Mapping[str, Any],
    body: str | None = None,
    observed: int | None = None,
    severity: int = INFO,
) -> Parts:
    """Return one LogRecord.

    Args:
        event: Name of the event.
        time: Unix nanoseconds.
        attributes: Values that :func:`any_value` accepts, by name.
        body: Text of the record; None without a body.
        observed: Unix nanoseconds. Default: ``time``.
        severity: ``SeverityNumber``, from 1 to 24.

    >>> b"".join(log_record("ml.outcome", 1, {})).hex()
    '0901000000000000001009590100000000000000620a6d6c2e6f7574636f6d65'
    """
    stamp = _FIXED64.pack(time % _WRAP)
    parts = [b"\x09", stamp, bytes((0x10, severity))]
    if body is not None:
        parts += _field(0x2A, any_value(body))
    for key, value in attributes.items():
        parts += _field(0x32, _key_value(key, value))
    if observed is not None:
        stamp = _FIXED64.pack(observed % _WRAP)
    return [*parts, b"\x59", stamp, *_field(0x62, [event.encode()])]


def request(resource: Mapping[str, Any], scope: tuple[str, str], schema_url: str, records: Iterable[Parts]) -> bytes:
    """Return an ``ExportLogsServiceRequest`` of log records. ``scope``: name and version."""
    about: Parts = []
    for key, value in resource.items():
        about += _text_entry(key, value) if value.__class__ is str else _field(0x0A, _key_value(key, value))
    logs = [_scope(*scope)]
    for record in records:
        logs += _field(0x12, record)
    logs += _field(0x1A, [schema_url.encode()])
    return b"".join(_field(0x0A, [*_field(0x0A, about), *_field(0x12, logs)]))


def any_value(value: Any) -> Parts:
    """Return an AnyValue: text, bool, int64, double, bytes, or a sequence or mapping of those.

    Raises ``TypeError`` for anything else.

    >>> any_value("a"), any_value(True), b"".join(any_value(-1)).hex()
    ([b'\\n\\x01', b'a'], [b'\\x10\\x01'], '18ffffffffffffffffff01')
    """
    if isinstance(value, str):
        return _field(0x0A, [value.encode("utf-8", "replace")])
    if isinstance(value, bool):
        return [b"\x10\x01" if value else b"\x10\x00"]
    if isinstance(value, int):
        return [b"\x18", _varint(value % _WRAP)]
    if isinstance(value, float):
        return [b"\x21", _DOUBLE.pack(value)]
    if isinstance(value, bytes):
        return _field(0x3A, [value])
    parts: Parts = []
    if isinstance(value, Mapping):
        for key, element in value.items():
            parts += (
                _bytes_entry(key, element) if element.__class__ is bytes else _field(0x0A, _key_value(key, element))
            )
        return _field(0x32, parts)
    if isinstance(value, list | tuple):
        for element in value:
            parts += _field(0x0A, any_value(element))
        return _field(0x2A, parts)
    raise TypeError(f"{value!r} is not an attribute value; use a string, a number, a bool, bytes, a list or a mapping")


def _key_value(key: str, value: Any) -> Parts:
    return [_key(key), *_field(0x12, any_value(value))]


@lru_cache(maxsize=256)
def _text_entry(key: str, value: str) -> Parts:
    """Return field 1 with a text attribute; cached, because a resource is the same in every request."""
    return [b"".join(_field(0x0A, _key_value(key, value)))]


@lru_cache(maxsize=16)
def _scope(name: str, version: str) -> bytes:
    return b"".join(_field(0x0A, [*_field(0x0A, [name.encode()]), *_field(0x12, [version.encode()])]))


def _bytes_entry(key: str, value: bytes) -> Parts:
    """Return ``_field(0x0A, _key_value(key, value))`` for bytes, in one step: a record has one per column."""
    head, size = _key(key), len(value)
    inner = b"\x3a" + _varint(size)
    outer = head + b"\x12" + _varint(len(inner) + size)
    return [b"\x0a" + _varint(len(outer) + len(inner) + size) + outer + inner, value]


@lru_cache(maxsize=4096)
def _key(key: str) -> bytes:
    """Return the encoded key of an attribute; cached, because every record has the same keys."""
    return b"".join(_field(0x0A, [key.encode("utf-8", "replace")]))


def _field(tag: int, parts: Parts) -> Parts:
    return [bytes((tag,)) + _varint(sum(map(len, parts))), *parts]


@lru_cache(maxsize=4096)
def _varint(value: int) -> bytes:
    if value < 0x80:
        return bytes((value,))
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
