"""What FastAPI and Flask share where a request arrives: the trace it belongs to, and the models that no code names."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from driftline.faults import FAULTS, logger
from driftline.settings_file import contents
from opentelemetry import context, propagate, trace

from .providers import through
from .routes import Mistakes

if TYPE_CHECKING:
    from contextvars import Token

    from opentelemetry.propagators.textmap import TextMapPropagator

FIELDS: dict[TextMapPropagator, frozenset[bytes]] = {}
"""The headers that say which trace a request belongs to, in small letters, of the propagator that was last asked."""


def join_trace(header: Callable[[str], str]) -> Token[context.Context] | None:
    """Make the trace current that a request belongs to, where nothing else does: no web instrumentation is there.

    ``header``: the value of a header by its lower-case name, "" for none. Return what ``context.detach`` wants, None
    where there is nothing to detach.
    """
    try:
        carrier = {name: text for name in _fields() if (text := header(name))}
        if not carrier or trace.get_current_span().get_span_context().is_valid:
            return None
        return context.attach(propagate.extract(carrier))
    except Exception as fault:
        FAULTS.swallow("parent", fault)
        return None


def _fields() -> Iterable[str]:
    """Return the names of those headers; worked out once per propagator."""
    propagator = propagate.get_global_textmap()
    if propagator not in FIELDS:
        FIELDS.clear()
        FIELDS[propagator] = frozenset(name.lower().encode() for name in propagator.fields)
    return map(bytes.decode, FIELDS[propagator])


def instrument_as_declared(app: Any, instrument: Callable[..., Any]) -> None:
    """Instrument an application with the routes that ``DRIFTLINE_CONFIG`` declares, log mistakes, never raise.

    A model whose routes have mistakes is left out, as any other with a mistake is.
    """
    file = contents()
    for one in file.declared:
        try:
            instrument(through(one.model), app, routes=one.routes, outcomes=one.outcomes)
        except Mistakes as mistakes:
            for mistake in mistakes.each:
                logger.error("driftline: %s: models.%s.%s", one.source, one.model.name, mistake)
            file.leave_out(one)
        except (TypeError, ValueError) as error:
            logger.error("driftline: %s: models.%s.%s", one.source, one.model.name, error)
            file.leave_out(one)
        except Exception as fault:
            FAULTS.swallow("instrument", fault)
