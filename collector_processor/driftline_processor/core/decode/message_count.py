"""Count the messages of a request before the generated classes make objects of them.

Two bytes are an empty span, of which the generated classes make 200.
"""

from __future__ import annotations

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError, Message

_REPEATED = tuple(range(1, 14))
"""Numbers of the fields, in any message of OTLP, that repeat or hold what repeats: spans, events, points, exemplars."""

_ROWS, _DEEPEST, _BYTES = 2, 8, 7
"""Depths at which rows and the deepest parts of OTLP lie; the number of the field that holds the bytes of a value."""


def _outline() -> type[Message]:
    """Return a class that reads any message as the bytes of its fields."""
    file = descriptor_pb2.FileDescriptorProto(name="driftline/wire.proto", package="driftline.wire", syntax="proto3")
    message = file.message_type.add(name="Outline")
    kind = descriptor_pb2.FieldDescriptorProto
    for number in _REPEATED:
        message.field.add(name=f"field_{number}", number=number, type=kind.TYPE_BYTES, label=kind.LABEL_REPEATED)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    made: type[Message] = message_factory.GetMessageClass(pool.FindMessageTypeByName("driftline.wire.Outline"))
    return made


_Outline = _outline()


def count_messages(body: bytes, most: int, columns: bool = True) -> int:
    """Count resources, scopes and rows of a request, and what a large row holds; stop beyond ``most``.

    ``columns``: whether field 7, wherever it stands, is the bytes of a column, which may look like anything. In metrics
    it is a sum, or the attributes of a point.

    >>> count_messages(b"\\x0a\\x00" * 500_000, 1_000_000)
    500000
    """
    counted, waiting = 0, [(body, 0)]
    while waiting:
        data, depth = waiting.pop()
        try:
            outline = _Outline.FromString(data)
        except DecodeError:
            continue  # a text or a number: what is no message is refused, or kept, by who reads it whole
        for field, parts in outline.ListFields():
            if columns and field.number == _BYTES:
                continue
            counted += len(parts)
            if counted > most:
                return counted  # before millions of empty parts are objects
            if depth < _DEEPEST:
                # 2**16: bytes of a row, or of a part of one, whose parts are counted, too
                waiting += [(part, depth + 1) for part in parts if depth < _ROWS or len(part) > 2**16]
    return counted
