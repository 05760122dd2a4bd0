"""Read the forms that people submit: few short fields, with the name of the person who logged in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import parse_qsl, urlsplit

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse

from driftline_processor.access.routes import FORM_TOKEN, check_form_token, principal_of, readable, require_covered
from driftline_processor.core.decode.untrusted_json import UnreadableJson, load_json
from driftline_processor.core.nearest_names import near
from driftline_processor.present.names import handle
from driftline_processor.present.wording import short
from driftline_processor.queries.model_view import ModelView
from driftline_processor.queries.state_snapshot import StateSnapshot

LONGEST = 500
"""Upper limit of characters per field."""


async def read_form(request: Request, names: Sequence[str], required: Mapping[str, str]) -> dict[str, str]:
    """Return the fields of a form; ``by`` is the person who logged in.

    Raises 400 if a field is unknown, missing or too long, 403 if the form is not from a page of this session, or names
    another person.

    Args:
        request: Its body is the form, or a JSON object of texts.
        names: Names of the fields.
        required: Name of a required field → how to write it.
    """
    principal = principal_of(request.scope)
    text = await _text_of(request)
    form = _of_json(text) if request.headers.get("content-type", "").startswith("application/json") else None
    form = dict(parse_qsl(text)) if form is None else form
    check_form_token(request, form.get(FORM_TOKEN, ""))
    if unknown := [name for name in form if name not in (*names, FORM_TOKEN)]:
        raise HTTPException(400, f"{unknown[0][:80]!r} is not a field; {near(unknown[0][:80], names)}")
    fields = {name: form.get(name, "").strip() for name in names}
    if "by" in fields:
        if fields["by"] not in ("", principal.name):
            raise HTTPException(
                403,
                f"by: '{short(fields['by'], 60)}' is not who logged in, '{short(principal.name, 60)}'; remove 'by'",
            )
        fields["by"] = principal.name
    for name, fix in required.items():
        if not fields[name]:
            raise HTTPException(400, f"{name}: {fix}")
    if long := [name for name, text in fields.items() if len(text) > LONGEST]:
        raise HTTPException(400, f"{long[0]}: has more than {LONGEST} characters")
    return fields


def find_model(request: Request, snapshot: StateSnapshot, name: str) -> Sequence[ModelView]:
    """Return the versions and environments of a model by its name or handle.

    Raises 404, and 401 or 403 unless the sender has the capability of the route for the model.
    """
    models = snapshot.versions_of(name) or snapshot.versions_of(handle(name))
    if not models:
        names = [handle(model) for model in readable(request, (view.key.model for view in snapshot.models))]
        raise HTTPException(404, f"there is no model '{short(name, 80)}'; {near(name, names)}")
    require_covered(request, models[0].key.model)
    return models


def return_to_page(request: Request, address: str) -> RedirectResponse:
    """Redirect a browser to the page from which it sent a form; ``address``: if that is unknown."""
    try:
        referer = urlsplit(request.headers.get("referer", ""))
    except ValueError:  # an invalid Referer header
        referer = urlsplit("")
    path = "/" + referer.path.lstrip("/\\")  # an address that begins with two slashes leads to another host
    here = f"{path}?{referer.query}".rstrip("?") if referer.netloc == request.url.netloc else address
    return RedirectResponse(here, 303)


def _of_json(text: str) -> dict[str, str]:
    """Return the texts of a JSON object. Raises 400."""
    try:
        fields = load_json(text.encode())
    except UnreadableJson:
        raise HTTPException(400, "the body is not JSON; send an object of texts, or a form") from None
    if not isinstance(fields, dict) or not all(isinstance(value, str) for value in fields.values()):
        raise HTTPException(400, "the body must be a JSON object whose values are texts")
    return fields


async def _text_of(request: Request) -> str:
    """Return the body of a form. Raises 413 if it is longer than these fields can be."""
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > 16 * LONGEST:
            raise HTTPException(413, f"each field may have at most {LONGEST} characters")
    return body.decode("utf-8", "replace")
