"""``GET /v1/outcomes/uploads/{name}``: what has come of a file of outcomes that is sent in parts."""

from __future__ import annotations

from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from driftline_processor.core.render import iso_time
from driftline_processor.runtime.uploads import Upload

SHOWN_PARTS = 10_000


def routes(found: Callable[[str], Upload | None]) -> list[BaseRoute]:
    """Return the route. ``found``: the upload of a name, None where nothing of it has come."""

    async def upload(request: Request) -> Response:
        name = request.path_params["name"]
        known = found(name)
        if known is None:
            return JSONResponse({"error": "nothing of this upload has come; begin with ?part=0"}, status_code=404)
        return JSONResponse(
            {
                "upload": name,
                "parts": known.parts,
                "next": known.next,
                "accepted": known.accepted,
                "rejected": known.rejected,
                "received": iso_time(known.received),
                "parts_with_rejected": list(known.faulty[:SHOWN_PARTS]),
            }
        )

    return [Route("/v1/outcomes/uploads/{name:path}", upload, methods=["GET"])]
