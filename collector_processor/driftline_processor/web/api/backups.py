"""``POST /v1/backups``: a backup of the whole state as one tar file, while the processor runs."""

from __future__ import annotations

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import BaseRoute

from driftline_processor.access.routes import Guarded, principal_of
from driftline_processor.maintenance.backup import BackupError
from driftline_processor.receipts import StorageOutage
from driftline_processor.servers.http_body import retry_later
from driftline_processor.web.site import Site

TAR = "application/x-tar"


def routes(site: Site) -> list[BaseRoute]:
    """Return the route. Errors are ``{"error": "a sentence"}``."""

    async def back_up(request: Request) -> Response:
        sender = principal_of(request.scope)
        try:
            blocks = await run_in_threadpool(site.state.backups.blocks)
            await run_in_threadpool(
                site.state.audit,
                "backed_up",
                by=sender.audited_name,
                how=sender.login,
                words="a backup of the state was read, with all rows",
            )
        except BackupError as error:
            return JSONResponse({"error": str(error)}, 409 if error.busy else 507)
        except StorageOutage as outage:
            return retry_later(outage)
        # as it is: the client would have to unpack it, and the database is compressed already
        return StreamingResponse(blocks, media_type=TAR, headers={"Content-Encoding": "identity"})

    return [Guarded("/v1/backups", back_up, methods=["POST"], may="admin", parameters="")]
