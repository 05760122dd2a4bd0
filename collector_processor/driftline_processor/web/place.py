"""Addresses of the pages of a model: the part that links keep, and names in paths.

An encoded slash (%2F) within a name stays distinct from the slashes between names. A server decodes the path before
routing, so that the model ``a/drift`` would become the page ``drift`` of the model ``a``. If the server also provides
the raw path, an encoded slash is another character while routes are matched.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, unquote, urlencode

from msgspec import Struct
from msgspec.structs import replace
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from driftline_processor.core.evaluation import Evaluation
from driftline_processor.present.names import handle
from driftline_processor.present.wording import iso_time
from driftline_processor.queries.model_view import ModelView

TABS = {
    "": "Overview",
    "performance": "Performance",
    "drift": "Drift",
    "data": "Data",
    "predictions": "Predictions",
    "versions": "Versions",
    "incidents": "Incidents",
    "scorecard": "Scorecard",
}
"""End of the address → page of a model."""


class Place(Struct, frozen=True):
    """The parameters in the address of a model's page.

    Attributes:
        model: Handle of its name (:func:`~driftline_processor.present.names.handle`).
        version: Handle of the version, None if the address has none.
        environment: Handle of the environment, None if the address has none.
        window: Length of the windows, "" = the most informative one.
        at: A time in the selected window, in ISO 8601 or unix time; "" = the newest closed one.
        since: Begin of the range: a time, ``-30d`` = 30 days before the newest window, or ``all``; "" = the windows of
            a default timeline.
        until: End of the range, in the same forms.
        slices: ``key=value`` each.
    """

    model: str
    version: str | None = None
    environment: str | None = None
    window: str = ""
    at: str = ""
    since: str = ""
    until: str = ""
    slices: tuple[str, ...] = ()

    def address(self, page: str = "", target: str = "", **changes: Any) -> str:
        """Return the address of a page of the model with the parameters of this place.

        Args:
            page: The end of its path, one of :data:`TABS` or :func:`feature_page`.
            target: The id of an element on it, see :func:`anchor`.
            **changes: Fields of the place to replace, and parameters of that page only.
        """
        own_parameters = {name: value for name, value in changes.items() if name not in Place.__struct_fields__}
        place = replace(self, **{name: value for name, value in changes.items() if name not in own_parameters})
        query = urlencode([*place.parameters(), *((name, value) for name, value in own_parameters.items() if value)])
        path = f"/models/{quote(place.model, safe='')}" + (f"/{page}" if page else "")
        return path + (f"?{query}" if query else "") + (f"#{quote(target, safe='')}" if target else "")

    def parameters(self) -> list[tuple[str, str]]:
        """Return name and value of the query parameters of this place, also for forms."""
        pairs = [
            ("version", self.version),
            ("environment", self.environment),
            ("window", self.window),
            ("at", self.at),
            ("from", self.since),
            ("to", self.until),
            *(("slice", slice_text) for slice_text in self.slices),
        ]
        return [(name, value) for name, value in pairs if value or (name == "version" and value == "")]

    def slice_values(self) -> dict[str, str]:
        """Return key → value of the slices. Raises 400 if a slice has no value."""
        slices = {}
        for slice_text in self.slices:
            key, equals, value = slice_text.partition("=")
            if not key or not equals:
                raise HTTPException(
                    400, f"slice must be a key and a value, as in ?slice=country=NL, not {slice_text[:80]!r}"
                )
            slices[key] = value
        return slices


def read_place(request: Request) -> Place:
    """Return the place of a request's address."""
    query_params = request.query_params
    return Place(
        model=with_slashes(request.path_params["name"]),
        version=query_params.get("version"),
        environment=query_params.get("environment"),
        window=query_params.get("window", ""),
        at=query_params.get("at", ""),
        since=query_params.get("from", ""),
        until=query_params.get("to", ""),
        slices=tuple(filter(None, query_params.getlist("slice"))),
    )


def place_of(model: ModelView, window: str = "", evaluation: Evaluation | None = None) -> Place:
    """Return the place of a version of a model, and of one window of it."""
    key, start = model.key, "" if evaluation is None else iso_time(evaluation.window.start)
    return Place(handle(key.model), handle(key.version) or None, handle(key.environment) or None, window, start)


def feature_page(name: str) -> str:
    """Return the end of the path of a feature's page.

    >>> feature_page("wind speed")
    'features/wind%20speed'
    """
    return f"features/{quote(handle(name), safe='')}"


def anchor(kind: str, name: str) -> str:
    """Return the id of a feature's or metric's element: short and without spaces.

    >>> anchor("feature", "wind speed")
    'feature-wind_speed'
    """
    return f"{kind}-{'_'.join(handle(name).split())}"


def api_address(model: ModelView, resource: str, asked: Mapping[str, str]) -> str:
    """Return the API address of a resource of one version of a model."""
    key = {"version": handle(model.key.version), "environment": handle(model.key.environment)}
    query = urlencode({name: value for name, value in {**key, **asked}.items() if value})
    return f"/api/v1/models/{quote(handle(model.key.model), safe='')}/{resource}" + (f"?{query}" if query else "")


SLASH = "\udc2f"
"""Placeholder of an encoded slash: a lone surrogate, which no decoded path contains."""

_PLACES = ("/models/", "/api/v1/models/")
"""Prefixes of the paths that contain names."""

_ENCODED = re.compile("%2f", re.IGNORECASE)


class EncodedSlashes:
    """Middleware that keeps the encoded slashes of a path distinct during routing."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Forward a request with the path of :func:`routed_path`."""
        await self._app({**scope, "path": routed_path(scope)} if scope["type"] == "http" else scope, receive, send)


def routed_path(scope: Scope) -> str:
    """Return the path of a request for routing, with :data:`SLASH` for each encoded slash.

    >>> routed_path({"path": "/models/a/drift", "raw_path": b"/models/a%2Fdrift"}) == f"/models/a{SLASH}drift"
    True
    >>> routed_path({"path": "/models/a/drift"})
    '/models/a/drift'
    """
    path: str = scope["path"]
    raw_path = (scope.get("raw_path") or b"").decode("latin-1").partition("?")[0]
    return unquote(_ENCODED.sub(SLASH, raw_path)) if raw_path.startswith(_PLACES) else path


def with_slashes(path: str) -> str:
    """Return a routed path or a name from it with plain slashes."""
    return path.replace(SLASH, "/")
