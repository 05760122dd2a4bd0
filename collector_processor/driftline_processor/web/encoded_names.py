"""Names in paths: a slash within a name is written %2F, and it stays apart from the slashes between names.

A server decodes a path before it is routed, so that the model ``a/drift`` would be the page ``drift`` of a model ``a``.
Where the server gives the path as it came, too, an encoded slash is therefore another character while routes match.
"""

from __future__ import annotations

import re
from urllib.parse import unquote

from starlette.types import ASGIApp, Receive, Scope, Send

SLASH = "\udc2f"
"""Stands for an encoded slash. Half a surrogate: no path that is decoded has one."""

_PLACES = ("/models/", "/api/v1/models/")
"""Beginnings of the paths that hold names."""

_ENCODED = re.compile("%2f", re.IGNORECASE)


class EncodedSlashes:
    """Keep the encoded slashes of a path apart while it is routed."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on with another path where it holds an encoded slash."""
        await self._app({**scope, "path": routed_path(scope)} if scope["type"] == "http" else scope, receive, send)


def routed_path(scope: Scope) -> str:
    """Return the path of a request by which it is routed: with :data:`SLASH` for each encoded slash.

    >>> routed_path({"path": "/models/a/drift", "raw_path": b"/models/a%2Fdrift"}) == f"/models/a{SLASH}drift"
    True
    >>> routed_path({"path": "/models/a/drift"})
    '/models/a/drift'
    """
    path: str = scope["path"]
    raw_path = (scope.get("raw_path") or b"").decode("latin-1").partition("?")[0]
    return unquote(_ENCODED.sub(SLASH, raw_path)) if raw_path.startswith(_PLACES) else path


def with_slashes(path: str) -> str:
    """Return a routed path, or a name out of one, as it is written without encoding."""
    return path.replace(SLASH, "/")
