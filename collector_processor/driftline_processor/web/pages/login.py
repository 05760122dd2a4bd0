"""The page ``/login``: log in with a token, or at the OpenID Connect provider; ``/logout`` ends the session."""

from __future__ import annotations

import asyncio
import math
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_address
from typing import Final
from urllib.parse import parse_qsl, quote, urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import BaseRoute

from driftline_processor.access.access import Access
from driftline_processor.access.oidc import OidcLogin, OidcUnavailableError
from driftline_processor.access.principal import Login
from driftline_processor.access.routes import FORM_TOKEN, Guarded, address_of, check_form_token, principal_of
from driftline_processor.access.sessions import HOURS, cookie_value
from driftline_processor.web.page import Page
from driftline_processor.web.site import Site

LONGEST: Final = 4_096
"""Maximum bytes of the form: a token and the address of a page."""


_AGAIN: Final = '<!doctype html><meta http-equiv="refresh" content="0"><title>Driftline</title>'
"""The same address again, as a request of this site, with which a browser sends the cookie."""


def routes(site: Site) -> list[BaseRoute]:
    """Return the routes of logging in and out."""
    access = site.access
    waiting = ThreadPoolExecutor(2, "driftline-oidc")  # a provider that hangs blocks no other request
    provider = OidcLogin(lambda: site.access.auth.oidc, site.links.public_url)

    def page(request: Request, problem: str = "") -> Response:
        context = {
            "next": _own_page(request.query_params.get("next", "")),
            "problem": problem,
            "has_tokens": access.has_tokens,
            "oidc": access.auth.oidc is not None,
            # Where others have tokens, a link on another site would log a person in as somebody else.
            "by_link": access.local is not None,
            "local": access.local if is_loopback(address_of(request.scope)) else None,
        }
        return site.answer(request, Page("login.html", context))

    def note(request: Request, name: str, how: Login) -> None:
        site.state.audit("login", by=name, how=how, subject=address_of(request.scope), words="somebody logged in")

    async def show(request: Request) -> Response:
        return await run_in_threadpool(page, request)

    async def log_in(request: Request) -> Response:
        body = b""
        async for piece in request.stream():
            body += piece
            if len(body) > LONGEST:
                raise HTTPException(413, f"the form has more than {LONGEST:,} bytes; send a token and 'next' only")
        form = dict(parse_qsl(body.decode("utf-8", "replace")))
        address, token = address_of(request.scope), form.get("token", "").strip()
        holder, session, wait = access.by_token(token), access.start_session(token), access.attempts.wait(address)
        if session is None and wait:  # a right token is never refused: others may share the address
            raise HTTPException(
                429, f"too many failed log-ins; try again in {math.ceil(wait)} s", {"retry-after": str(math.ceil(wait))}
            )
        if holder is None or session is None:
            access.attempts.fail(address)
            answer = await run_in_threadpool(page, request, "this token is unknown, or was replaced")
            answer.status_code = 401
            return answer
        await run_in_threadpool(note, request, holder.name, "session")
        return _with_session(RedirectResponse(_own_page(form.get("next", "")), 303), access, session)

    async def log_out(request: Request) -> Response:
        form = dict(parse_qsl((await request.body())[:LONGEST].decode("utf-8", "replace")))
        check_form_token(request, form.get(FORM_TOKEN, ""))
        answer = RedirectResponse("/login", 303)
        answer.delete_cookie(access.cookie, path="/", secure=access.secure, httponly=True, samesite="strict")
        return answer

    def check_provider() -> None:
        if access.auth.oidc is None:
            raise HTTPException(404, "there is no OpenID Connect provider in the configuration (auth.oidc)")

    async def to_provider(request: Request) -> Response:
        check_provider()
        try:
            following = _own_page(request.query_params.get("next", ""))
            attempt = await asyncio.get_running_loop().run_in_executor(waiting, provider.begin, following)
        except OidcUnavailableError as away:
            raise HTTPException(503, str(away)) from None
        answer = RedirectResponse(attempt.address, 303)
        # Lax, because the provider's redirect comes from another site.
        answer.set_cookie(
            access.attempt_cookie,
            access.sessions.issue("attempt", attempt.claims, 600.0),
            max_age=600,
            path="/",
            secure=access.secure,
            httponly=True,
            samesite="lax",
        )
        return answer

    async def from_provider(request: Request) -> Response:
        check_provider()
        claims = access.sessions.read(cookie_value(request.headers.get("cookie", ""), access.attempt_cookie), "attempt")
        if claims is None:
            raise HTTPException(400, "this log-in has expired or was begun in another browser; begin again at /login")
        try:
            query = dict(request.query_params)
            person = await asyncio.get_running_loop().run_in_executor(waiting, provider.finish, query, claims)
        except OidcUnavailableError as away:
            raise HTTPException(503, str(away)) from None
        except ValueError as wrong:
            access.attempts.fail(address_of(request.scope))
            raise HTTPException(401, str(wrong)) from None
        answer = RedirectResponse(_own_page(str(claims.get("next", ""))), 303)
        answer.delete_cookie(access.attempt_cookie, path="/", secure=access.secure, httponly=True, samesite="lax")
        await run_in_threadpool(note, request, person.name, "oidc")
        return _with_session(answer, access, access.start_session_of(person.name, person.groups))

    return [
        Guarded("/login", show, may="anyone"),
        Guarded("/login", log_in, may="anyone", methods=["POST"]),
        Guarded("/logout", log_out, may="anyone", methods=["POST"]),
        Guarded("/login/oidc", to_provider, may="anyone"),
        Guarded("/login/oidc/callback", from_provider, may="anyone"),
    ]


def to_login(request: Request) -> Response | None:
    """Return the answer to a browser that must log in to see a page; None for programs.

    A link on another site sends no cookie, because the cookie is ``SameSite=Strict``. So the same page is opened again,
    once, as a request of this site.
    """
    if request.method not in ("GET", "HEAD") or "text/html" not in request.headers.get("accept", ""):
        return None
    if request.headers.get("sec-fetch-site") == "cross-site":
        return HTMLResponse(_AGAIN, headers={"Cache-Control": "no-store"})
    if principal_of(request.scope).named:
        return None
    here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return RedirectResponse(f"/login?next={quote(here, safe='')}", 303)


def _with_session(answer: Response, access: Access, session: str) -> Response:
    answer.set_cookie(
        access.cookie,
        session,
        max_age=HOURS * 3600,
        path="/",
        secure=access.secure,
        httponly=True,
        samesite="strict",
    )
    return answer


def is_loopback(address: str) -> bool:
    """Return True for an address of this machine."""
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return False


def _own_page(address: str) -> str:
    """Return a path of this site: ``/`` for anything else, such as ``//evil.test``.

    >>> _own_page("/models/churn?window=1d"), _own_page("//evil.test"), _own_page("https://evil.test")
    ('/models/churn?window=1d', '/', '/')
    """
    try:
        parts = urlsplit(address)
    except ValueError:
        return "/"
    plain = address.startswith("/") and not address.startswith("//") and "\\" not in address and address.isprintable()
    return address if plain and not parts.scheme and not parts.netloc else "/"
