"""Starlette and FastAPI applications: their classes, and the routes that they have, those that are mounted included."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import Any

from starlette.applications import Starlette
from starlette.routing import Router
from starlette.staticfiles import StaticFiles

from .absent import Mapped, Served

_FILES = frozenset(("GET", "HEAD"))


def application_classes() -> list[type[Starlette]]:
    """Return the classes whose ``__init__`` makes applications; FastAPI's does not call Starlette's."""
    try:
        from fastapi.applications import FastAPI
    except ImportError:
        return [Starlette]
    return [Starlette, FastAPI]


def mapped_of(router: Router) -> Mapped:
    """Return what remembers the mapped routes of an application."""

    def served() -> Iterator[Served]:
        yield from served_by(router.routes)
        if router.default != router.not_found:  # somebody's own answer to whatever has no route
            yield Served(None, "", opaque=True)

    return Mapped(served, meets)


def served_by(routes: Iterable[Any], prefix: str = "") -> Iterator[Served]:
    """Yield what routes answer; of what does not say what it answers, that anything may be there.

    >>> from starlette.routing import Mount, Route
    >>> [one.path for one in served_by([Mount("/v1", routes=[Route("/predict", print, methods=["POST"])])])]
    ['/v1/predict']
    """
    spread = getattr(sys.modules.get("fastapi.routing"), "iter_route_contexts", iter)  # included routers, as of 0.137
    for one in spread(list(routes)):
        route, path = getattr(one, "original_route", one), getattr(one, "path", None)
        within = getattr(route, "routes", None)
        if within:
            yield from served_by(within, prefix + (path or ""))
        elif hasattr(route, "endpoint") and path is not None:
            if hasattr(route, "methods"):  # else it is for websockets
                yield Served(None if one.methods is None else frozenset(one.methods), prefix + path)
        elif isinstance(getattr(route, "app", None), StaticFiles):
            yield Served(_FILES, prefix + (path or ""), opaque=True)
        else:
            yield Served(None, prefix + (path or ""), opaque=True)


def meets(mapped: str, served: Served) -> bool:
    """Say whether some request is for a mapped path and for one that is served; in doubt it is.

    >>> meets("/models/churn/predict", Served(None, "/models/{name}/predict")), meets("/a", Served(None, "/a/"))
    (True, False)
    """
    own, theirs = mapped.split("/"), served.path.rstrip("/").split("/") if served.opaque else served.path.split("/")
    for mine, other in zip(own, theirs, strict=False):
        if ":path}" in mine or ":path}" in other:
            return True
        if mine != other and "{" not in mine and "{" not in other:
            return False
    return len(own) == len(theirs) or (served.opaque and len(own) > len(theirs))
