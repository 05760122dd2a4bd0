"""Message classes of protobuf with only the fields that are read; others are preserved as unknown fields."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

Message = Any
"""A generated protobuf message; its class is created at run time."""

_Field = descriptor_pb2.FieldDescriptorProto


def message_classes(package: str, messages: Mapping[str, Mapping[str, tuple[int, str]]]) -> dict[str, type[Message]]:
    """Return the classes of messages by name.

    Args:
        package: Name of their package.
        messages: The fields of each message: number and type, which is a type of protobuf or the name of a message,
            after ``repeated`` for a list. A map is a list of messages with the fields ``key`` (1) and ``value`` (2).

    >>> classes = message_classes("example", {"Row": {"id": (1, "string"), "scores": (2, "repeated double")}})
    >>> classes["Row"](id="A-1", scores=[0.5]).SerializeToString()
    b'\\n\\x03A-1\\x11\\x00\\x00\\x00\\x00\\x00\\x00\\xe0?'
    """
    file = descriptor_pb2.FileDescriptorProto(name=f"{package}.proto", package=package, syntax="proto2")
    for name, fields in messages.items():
        message = file.message_type.add(name=name)
        for field_name, (number, declared) in fields.items():
            field = message.field.add(name=field_name, number=number)
            label, kind = declared.split() if " " in declared else ("optional", declared)
            field.label = _Field.Label.Value(f"LABEL_{label.upper()}")
            if kind in messages:
                field.type, field.type_name = _Field.TYPE_MESSAGE, f".{package}.{kind}"
            else:
                field.type = _Field.Type.Value(f"TYPE_{kind.upper()}")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{package}.{name}")) for name in messages}
