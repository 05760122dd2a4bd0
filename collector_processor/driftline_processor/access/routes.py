"""Routes that name the capability they need, and the middleware that identifies the sender.

A route of another class than :class:`Guarded` does not start, see :func:`check_routes`.
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, Literal, cast

from starlette.datastructures import Headers, QueryParams
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from driftline_processor.config.capabilities import Capability
from driftline_processor.core.nearest_names import near
from driftline_processor.receipts import Signal

from .access import Access
from .principal import CURRENT_SENDER, NOBODY, Principal, Sending

Need = Capability | Literal["anyone"]
"""What a route requires; ``anyone``: also somebody who did not log in, because it shows nothing about a model."""

FORM_TOKEN: Final = "form_token"
"""Name of the field of a form against cross-site requests; as a header ``x-driftline-form-token``."""

_PRINCIPAL: Final = "driftline.principal"
_ACCESS: Final = "driftline.access"
_NEED: Final = "driftline.need"
_SLASH: Final = "\udc2f"  # the placeholder of an encoded slash in a path, see web/place.py
_SAFE: Final = ("GET", "HEAD", "OPTIONS")

SLOW: Final = 1.0
"""Seconds before the answer to a wrong token, from an address with many wrong ones."""


class Authentication:
    """Identifies the sender of each request."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app, self._access = app, access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on a request with its sender."""
        if scope["type"] == "http":
            scope[_ACCESS] = self._access
            scope[_PRINCIPAL] = principal = self._access.identify(Headers(scope=scope).get, address_of(scope))
            CURRENT_SENDER.set(principal)
            if principal.refusal and self._access.attempts.wait(address_of(scope)):
                await asyncio.sleep(SLOW)
        await self._app(scope, receive, send)


def principal_of(scope: Scope) -> Principal:
    """Return the sender of a request."""
    return cast(Principal, scope.get(_PRINCIPAL, NOBODY))


def form_token_of(request: Request) -> str:
    """Return the token that the forms of a page contain for the sender of a request; "" if they did not log in."""
    principal = principal_of(request.scope)
    if not principal.ambient:
        return ""
    access = cast(Access, request.scope[_ACCESS])
    return access.form_token(request.headers.get, principal)


class Guarded(Route):
    """A route that only senders with a capability may use.

    A sender whose capability is restricted to some models may use it if the path names one of them, as ``{name}`` or
    ``{model}``. ``by_model``: the handler itself restricts its answer to these models.

    Args:
        path: The path, with parameters.
        endpoint: The handler.
        may: The required capability.
        methods: HTTP methods; default: GET.
        by_model: True if the handler checks the model, by :func:`require`.
        form: True if the handler reads a form, whose token it checks (``web/api/forms.py``).
        parameters: Names of the query parameters, each followed by ``*`` if it may be repeated; another parameter is
            refused, since the answer would be that of another question. None: every parameter is accepted, as by pages,
            whose links may contain more.
    """

    def __init__(
        self,
        path: str,
        endpoint: Callable[..., Any],
        *,
        may: Need,
        methods: Sequence[str] | None = None,
        by_model: bool = False,
        form: bool = False,
        parameters: str | None = None,
    ) -> None:
        super().__init__(path, endpoint, methods=methods)
        self.may: Need = may
        self.by_model, self.form = by_model, form
        self.parameters = None if parameters is None else tuple(parameters.split())

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or raise 401, 403 or 400."""
        scope[_NEED] = self.may
        is_supported = not self.methods or scope["method"] in self.methods
        if self.may != "anyone" and is_supported:
            principal = principal_of(scope)
            model = None if self.by_model else _model_of(scope)
            if self.by_model:
                if not principal.may_some(self.may):
                    raise refused(principal, self.may)
            elif not principal.may(self.may, model):
                raise refused(principal, self.may, model)
            if principal.ambient and scope["method"] not in _SAFE and not self.form:
                check_form_token(Request(scope), None)
        if self.parameters is not None and is_supported:
            _check_parameters(Request(scope).query_params, self.parameters)
        await super().handle(scope, receive, send)


def _check_parameters(query: QueryParams, parameters: Sequence[str]) -> None:
    """Raise 400 for a parameter that is unknown, or that is repeated although only one value is used."""
    names = [name.removesuffix("*") for name in parameters]
    for name in query:
        if name not in names:
            fix = near(name[:80], names) if names else "this address has no parameters"
            raise HTTPException(400, f"{name[:80]!r} is not a parameter of this address; {fix}")
        if name in parameters and len(values := query.getlist(name)) > 1:
            raise HTTPException(400, f"{name} is given {len(values)} times; send one value")


def may_send(principal: Principal, signal: Signal) -> Sending:
    """Return what a sender may send in a request. Raises 401 or 403 if nothing of this signal."""
    if principal.ambient:
        raise HTTPException(401, "a browser's session cannot send OTLP; send a token as 'Authorization: Bearer TOKEN'")
    sending = principal.sendings.get(signal)
    if sending is None:
        raise refused(principal, "ingest")
    return sending


def require(request: Request, capability: Capability, model: str) -> None:
    """Raise 401 or 403 unless the sender has a capability for a model."""
    principal = principal_of(request.scope)
    if not principal.may(capability, model):
        raise refused(principal, capability, model)


def require_covered(request: Request, model: str) -> None:
    """Raise 401 or 403 unless the sender has the capability of the route for a model.

    The path of a request can name a model by a shorter name, whose pattern may differ from that of the model.
    """
    need = request.scope.get(_NEED, "anyone")
    if need != "anyone":
        require(request, need, model)


def readable(request: Request, models: Iterable[str]) -> list[str]:
    """Return the models whose results the sender may read, each once."""
    may = principal_of(request.scope).may
    return [model for model in dict.fromkeys(models) if may("read", model)]


def check_form_token(request: Request, field: str | None) -> None:
    """Raise 403 if a browser sends a request that does not come from a page of this processor.

    A program that sends a token in a header needs none, because no other site can make a browser send that header.

    Args:
        request: The request.
        field: The form's token, if there is a form.
    """
    principal = principal_of(request.scope)
    if not principal.ambient:
        return
    given = field or request.headers.get("x-driftline-form-token", "")
    if not hmac.compare_digest(given.encode(), form_token_of(request).encode()):
        raise HTTPException(
            403, "the form is not from a page of this session; open the page again, and send the form once more"
        )


def refused(principal: Principal, capability: Capability, model: str | None = None) -> HTTPException:
    """Return the error of a request that its sender may not make: 401 if they did not log in, else 403."""
    if principal.refusal:
        return HTTPException(401, principal.refusal, {"www-authenticate": 'Bearer error="invalid_token"'})
    if not principal.named:
        return HTTPException(401, _log_in_sentence(capability), {"www-authenticate": "Bearer"})
    return HTTPException(403, _sentence(principal, capability, model))


def _log_in_sentence(capability: Capability) -> str:
    return (
        f"this needs a log-in with the capability '{capability}'; log in at /login, or send a token as "
        "'Authorization: Bearer TOKEN'"
    )


def _sentence(principal: Principal, capability: Capability, model: str | None) -> str:
    if not principal.may_some(capability):
        return f"'{principal.name:.60}' does not have the capability '{capability}'; add it under auth, in 'may'"
    patterns = ", ".join(pattern for one in principal.permissions if capability in one.may for pattern in one.models)
    about = "this is about several models" if model is None else f"'{model:.60}' is not among them"
    return f"'{principal.name:.60}' has the capability '{capability}' only for the models {patterns:.200}; {about}"


def check_routes(routes: Iterable[BaseRoute]) -> None:
    """Raise TypeError for a route that does not name its capability."""
    for route in routes:
        if isinstance(route, Mount) and route.path == "/static":
            continue  # styles and scripts, the same for everybody
        if not isinstance(route, Guarded):
            raise TypeError(f"the route {getattr(route, 'path', route)} names no capability; make it a Guarded route")


def _model_of(scope: Scope) -> str | None:
    """Return the model that the path of a request names, or None."""
    parameters = scope.get("path_params", {})
    for name in ("name", "model"):
        if name in parameters:
            return str(parameters[name]).replace(_SLASH, "/")
    return None


def address_of(scope: Scope) -> str:
    """Return the address of the other end of a connection, "" if unknown."""
    client = scope.get("client")
    return client[0] if client else ""
