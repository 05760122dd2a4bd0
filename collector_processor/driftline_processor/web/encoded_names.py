"""Names in paths: an encoded slash (%2F) within a name stays distinct from the slashes between names.

A server decodes the path before routing, so that the model ``a/drift`` would become the page ``drift`` of the model
``a``. If the server also provides the raw path, an encoded slash is another character while routes are matched.
"""

from __future__ import annotations

import re
from urllib.parse import unquote

from starlette.types import ASGIApp, Receive, Scope, Send

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
