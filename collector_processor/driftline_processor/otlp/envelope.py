"""Split, merge and filter OTLP requests without decoding their records.

All three requests have one shape: groups per resource, groups per scope, records (spans, metrics, log records).
Records stay bytes. Because every field on the way is repeated, the concatenation of two requests is one request, so
merging is ``b"".join``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from driftline.semconv import events

from .message_classes import Message, message_classes

_OURS = {
    name.encode()
    for name in (events.ML_PREDICTION, events.DRIFTLINE_PREDICTION_BATCH, events.ML_OUTCOME, events.DRIFTLINE_BASELINE)
}
_PREFIXES = {name.partition(b".")[0] + b"." for name in _OURS}

_FRAME = 6
"""Bytes of a tag and a length below 2**35, the maximum overhead per level of nesting."""

_CLASSES = message_classes(
    "driftline",
    {
        "Request": {"groups": (1, "repeated Group")},
        "Group": {"resource": (1, "bytes"), "scopes": (2, "repeated Scope"), "schema_url": (3, "bytes")},
        "Scope": {"scope": (1, "bytes"), "records": (2, "repeated bytes"), "schema_url": (3, "bytes")},
        "Record": {"event_name": (12, "bytes")},
        "Closed": {"groups": (1, "repeated bytes")},
    },
)
"""The common shape, in which resources, scopes and records are bytes. Other fields (deprecated ones, and those of a
later OTLP) are preserved."""

_Request, _Record, _Closed = (_CLASSES[name] for name in ("Request", "Record", "Closed"))


def split_request(body: bytes, limit: int) -> Iterator[bytes]:
    """Yield requests of at most ``limit`` bytes with all records of ``body``, in order.

    A larger record is sent alone, and the destination decides about it.
    """
    if len(body) <= limit:
        yield body
        return
    piece, size = _Request(), 0
    for group in _Request.FromString(body).groups:
        resource, piece_group = _without(group, "scopes"), None
        for scope in group.scopes:
            name, piece_scope = _without(scope, "records"), None
            envelope = resource.ByteSize() + name.ByteSize() + 2 * _FRAME
            for record in scope.records:
                needed = len(record) + _FRAME + (envelope if piece_scope is None else 0)
                if size and size + needed > limit:
                    yield piece.SerializeToString()
                    piece, size, piece_group, piece_scope = _Request(), 0, None, None
                    needed = len(record) + _FRAME + envelope
                if piece_group is None:
                    piece_group = piece.groups.add()
                    piece_group.CopyFrom(resource)
                if piece_scope is None:
                    piece_scope = piece_group.scopes.add()
                    piece_scope.CopyFrom(name)
                piece_scope.records.append(record)
                size += needed
    if size:
        yield piece.SerializeToString()


def records_of(body: bytes) -> Iterator[bytes]:
    """Yield one request per record; their concatenation is equivalent to the body."""
    for group in _Request.FromString(body).groups:
        resource = _without(group, "scopes")
        for scope in group.scopes:
            name = _without(scope, "records")
            for record in scope.records:
                next_request = _Request()
                next_request.groups.add().CopyFrom(resource)
                next_request.groups[0].scopes.add().CopyFrom(name)
                next_request.groups[0].scopes[0].records.append(record)
                yield bytes(next_request.SerializeToString())


def drop_groups(body: bytes, unwanted: Callable[[bytes], bool]) -> bytes:
    """Return a request without unwanted groups; the same bytes if there are none, b"" if all are unwanted."""
    request = _Closed.FromString(body)
    groups = [group for group in request.groups if not unwanted(group)]
    if len(groups) == len(request.groups):
        return body
    if not groups:
        return b""
    del request.groups[:]
    request.groups.extend(groups)
    return bytes(request.SerializeToString())


def groups_of(body: bytes) -> list[bytes]:
    """Return the groups of a request, one per resource, as bytes."""
    return list(_Closed.FromString(body).groups)


def has_records_of_ours(body: bytes) -> bool:
    """Return False if a logs request certainly has none of our events; a quick check."""
    return any(prefix in body for prefix in _PREFIXES)


def keep_logs(body: bytes, is_own: bool) -> bytes:
    """Return a logs request with only our events (``is_own``) or only the others; the same bytes if that is all."""
    if not has_records_of_ours(body):
        return b"" if is_own else body
    return _keep(body, lambda record: (_Record.FromString(record).event_name in _OURS) == is_own)


def _keep(body: bytes, is_kept: Callable[[bytes], bool]) -> bytes:
    request = _Request.FromString(body)
    dropped = False
    for group in request.groups:
        for scope in group.scopes:
            records = [record for record in scope.records if is_kept(record)]
            if len(records) < len(scope.records):
                dropped = True
                del scope.records[:]
                scope.records.extend(records)
    if not dropped:
        return body
    for group in request.groups:
        _remove(group.scopes, lambda scope: not scope.records)
    _remove(request.groups, lambda group: not group.scopes)
    return bytes(request.SerializeToString())


def _remove(messages: Message, unwanted: Callable[[Message], bool]) -> None:
    for i in reversed(range(len(messages))):
        if unwanted(messages[i]):
            del messages[i]


def _without(message: Message, field: str) -> Message:
    """Return a copy of ``message`` without ``field``; unknown fields stay."""
    copy = type(message)()
    copy.CopyFrom(message)
    copy.ClearField(field)
    return copy
