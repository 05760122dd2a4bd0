"""Routes that somebody maps and no application has: no request ever comes to them, so nothing else would say so.

An application is looked at once, by the first request that predicts nothing: by then it has the routes that it is made
of, and a request that predicts pays nothing for it.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING
from weakref import WeakSet

from driftline.faults import FAULTS, logger

if TYPE_CHECKING:
    from .route_plan import RoutePlan

_LIKE = 0.65
"""Of ``difflib``: "POST /v1/predict" is 0.9 like "POST /predict", and "GET /redoc" 0.61."""


@dataclass(frozen=True, slots=True)
class Served:
    """A route that an application has. ``methods``: None for all of them.

    ``opaque``: anything may be beneath ``path``, since what is mounted there does not say.
    """

    methods: frozenset[str] | None
    path: str
    opaque: bool = False


class Mapped:
    """The mapped routes of one application, and those that it has.

    ``served``: gives the routes that it has. ``meets``: whether a request can be for a mapped path and for one of them.
    """

    def __init__(self, served: Callable[[], Iterable[Served]], meets: Callable[[str, Served], bool]) -> None:
        self._served = served
        self._meets = meets
        self._plans: dict[tuple[str, str], RoutePlan] = {}
        self._looked = False
        _known.add(self)

    def add(self, plan: RoutePlan) -> None:
        """Remember a mapped route; the next occasion is one to look again."""
        self._plans[plan.method, plan.path] = plan
        plan.refused = self.look
        self._looked = False

    def close(self) -> None:
        """Speak for no mapped route any more."""
        _known.discard(self)

    def look(self) -> None:
        """Warn of mapped routes that no application has, each once per process. Never raises.

        The file maps its routes on every application that is made, so one that has a route speaks for all.
        """
        if self._looked:
            return
        self._looked = True
        try:
            for plan in list(self._plans.values()):
                if not any(one._has(plan) for one in list(_known)):
                    self._tell(plan)
        except Exception as fault:
            FAULTS.swallow("routes", fault)

    def _has(self, plan: RoutePlan) -> bool:
        """Say whether the route is mapped here, and there."""
        own = self._plans.get((plan.method, plan.path))
        if own is None or own.model.name != plan.model.name:
            return False
        return any(
            (served.methods is None or plan.method in served.methods) and self._meets(plan.path, served)
            for served in self._served()
        )

    def _tell(self, plan: RoutePlan) -> None:
        route = f"{plan.method} {plan.path}"
        if not FAULTS.once(f"absent {plan.model.name} {route}"):
            return
        served = [_text(one, plan.method) for one in self._served() if not one.opaque]
        near = difflib.get_close_matches(route, served, 3, _LIKE)
        logger.warning(
            "driftline: %s: no application of this process has the route %r, so nothing of it is recorded; %s: "
            "name the method and the path that clients of the application call, prefixes and mounts included, "
            "such as %r",
            plan.model.name,
            route,
            f"the nearest that it has: {', '.join(map(repr, near))}" if near else "it has none that is like it",
            near[0] if near else "POST /v1/predict",
        )


_known: WeakSet[Mapped] = WeakSet()


def _text(served: Served, method: str) -> str:
    methods = served.methods or {method}
    return f"{method if method in methods else min(methods)} {served.path}"
