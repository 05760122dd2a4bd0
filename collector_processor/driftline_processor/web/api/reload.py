"""``POST /-/reload``: check the file of the configuration whole, and use it."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from driftline_processor.access.routes import Guarded, principal_of
from driftline_processor.config.reload import ReloadError
from driftline_processor.web.answers import FiniteJSON
from driftline_processor.web.site import Site


def routes(site: Site) -> list[BaseRoute]:
    """Return the route."""

    def reload(request: Request) -> Response:
        sender = principal_of(request.scope)
        try:
            reloaded = site.reload(sender.audited_name, sender.login)
        except ReloadError as refused:
            answer = {"error": str(refused), "problems": [*refused.problems]}
            return FiniteJSON(answer, status_code=refused.status)
        return FiniteJSON(
            {"changed": [*reloaded.changed], "needs_restart": [*reloaded.waiting], "sha256": reloaded.digest or None}
        )

    return [Guarded("/-/reload", reload, methods=["POST"], may="admin", parameters="")]
