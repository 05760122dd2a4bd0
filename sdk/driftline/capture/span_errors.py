"""Errors on spans."""

from __future__ import annotations

from opentelemetry.semconv.attributes.exception_attributes import EXCEPTION_TYPE
from opentelemetry.trace import Span, Status, StatusCode

from driftline.tables.text import sendable


def record_error(span: Span, error: BaseException, kind: str, *, discreet: bool) -> None:
    """Record an exception on a span; only its type if ``discreet``, because a message often contains a value.

    An exception that ends a task or the process, such as ``CancelledError`` or ``SystemExit``, is only a status. The
    description of the status is the message alone: the type is in ``error.type``.
    """
    if isinstance(error, Exception) and not discreet:
        span.record_exception(error)
        span.set_status(Status(StatusCode.ERROR, sendable(str(error)) or None))
        return
    if isinstance(error, Exception):
        span.add_event("exception", {EXCEPTION_TYPE: kind})
    span.set_status(Status(StatusCode.ERROR))


def error_type(error: BaseException) -> str:
    """Return the full name of an exception's class; builtins have no module."""
    kind = type(error)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
