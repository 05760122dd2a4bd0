"""Web applications: the trace of a request, declared routes, and a warning about missing routes."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from driftline.declared_models import read_declarations
from driftline.faults import FAULTS, logger
from opentelemetry import context, propagate, trace

from driftline_integrations.instrumentation.instrumentor import with_providers

if TYPE_CHECKING:
    from contextvars import Token

    from opentelemetry.propagators.textmap import TextMapPropagator

    from .route_plan import RoutePlan


FIELDS: dict[TextMapPropagator, frozenset[bytes]] = {}
"""Names of the trace headers of the current propagator, in lower case."""


def join_trace(header: Callable[[str], str]) -> Token[context.Context] | None:
    """Make the trace of a request current if there is no other web instrumentation.

    Returns the token for ``context.detach``; None if there is nothing to detach.

    Args:
        header: Returns the value of a header by its lower-case name, "" for none.
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
    """Return the names of the trace headers, computed once per propagator."""
    propagator = propagate.get_global_textmap()
    if propagator not in FIELDS:
        FIELDS.clear()
        FIELDS[propagator] = frozenset(name.lower().encode() for name in propagator.fields)
    return map(bytes.decode, FIELDS[propagator])


def instrument_as_declared(app: Any, instrument: Callable[..., Any]) -> None:
    """Instrument an application with the routes that ``DRIFTLINE_CONFIG`` declares. Logs mistakes, never raises.

    A model whose routes have mistakes is skipped, as for any other mistake.
    """
    file = read_declarations()
    for declaration in file.declared:
        try:
            instrument(with_providers(declaration.model), app, routes=declaration.routes, outcomes=declaration.outcomes)
        except (TypeError, ValueError) as error:
            logger.error("driftline: %s: models.%s.%s", declaration.source, declaration.model.name, error)
            file.leave_out(declaration)
        except Exception as fault:
            FAULTS.swallow("instrument", fault)


@dataclass(frozen=True, slots=True)
class ServedRoute:
    """A route of an application.

    Attributes:
        methods: HTTP methods; None for all.
        opaque: True if any path below ``path`` may exist, because the mounted object does not list its routes.
    """

    methods: frozenset[str] | None
    path: str
    opaque: bool = False


class MappedRoutes:
    """The mapped routes of one application, compared with its served routes.

    Args:
        served: Returns the routes of the application.
        meets: Returns True if a request can match a mapped path and a served route.
    """

    def __init__(self, served: Callable[[], Iterable[ServedRoute]], meets: Callable[[str, ServedRoute], bool]) -> None:
        self._served = served
        self._meets = meets
        self._plans: list[RoutePlan] = []
        self._is_checked = False
        _applications.add(self)

    def add(self, plan: RoutePlan) -> None:
        """Add a mapped route; the next check includes it."""
        self._plans = [*(other for other in self._plans if other.path != plan.path or not plan.replaces(other)), plan]
        plan.refused = self.look
        self._is_checked = False

    def close(self) -> None:
        """Remove the mapped routes from the check."""
        _applications.discard(self)

    def look(self) -> None:
        """Warn about mapped routes that no application has, once each per process. Never raises.

        The file maps its routes on every application, so it suffices that one application has the route.
        """
        if self._is_checked:
            return
        self._is_checked = True
        try:
            for plan in self._plans:
                if not any(application._has(plan) for application in list(_applications)):
                    self._tell(plan)
        except Exception as fault:
            FAULTS.swallow("routes", fault)

    def _has(self, plan: RoutePlan) -> bool:
        """Return True if this application maps and serves the route."""
        return any(other.path == plan.path and plan.replaces(other) for other in self._plans) and any(
            (served.methods is None or plan.method in served.methods) and self._meets(plan.path, served)
            for served in self._served()
        )

    def _tell(self, plan: RoutePlan) -> None:
        route = f"{plan.method} {plan.path}"
        if not FAULTS.once(f"absent {plan.model.name} {route}"):
            return
        served = [_text(route, plan.method) for route in self._served() if not route.opaque]
        # 0.65: ratio of `difflib`: "POST /v1/predict" and "POST /predict" have 0.9, "GET /redoc" has 0.61
        near = difflib.get_close_matches(route, served, 3, 0.65)
        logger.warning(
            "driftline: %s: no application in this process has the route %r, so its requests are not recorded; %s; "
            "write the route as the method and the path that clients call, including prefixes and mounts, such as %r",
            plan.model.name,
            route,
            f"similar routes are {', '.join(map(repr, near))}" if near else "there is no similar route",
            near[0] if near else "POST /v1/predict",
        )


_applications: WeakSet[MappedRoutes] = WeakSet()


def _text(served: ServedRoute, method: str) -> str:
    methods = served.methods or {method}
    return f"{method if method in methods else min(methods)} {served.path}"
