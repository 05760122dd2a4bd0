"""``GET /v1/snapshots/{model}``: rows with their features and outcomes as one Parquet file."""

from __future__ import annotations

import json

from driftline.tables.table import ModelKey
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from driftline_processor.access.routes import Guarded
from driftline_processor.web.downloads import Download, download_folder
from driftline_processor.web.parameters import moment, read_flag
from driftline_processor.web.site import Site

PARQUET = "application/vnd.apache.parquet"
SAID = "Driftline-Snapshot"
"""Header that describes the content of the file in JSON."""


def routes(site: Site) -> list[BaseRoute]:
    """Return the route. Errors are ``{"error": "a sentence"}``."""

    async def snapshot(request: Request) -> Response:
        query_params = request.query_params
        since, until = moment(request, "since"), moment(request, "until")
        key = ModelKey(
            request.path_params["model"], query_params.get("version", ""), query_params.get("environment", "")
        )
        labelled = read_flag(request, "labelled", False)
        folder = download_folder()
        path = folder.path / "rows.parquet"
        finished = None
        try:
            written = await run_in_threadpool(site.state.queries.exports.write, path, key, since, until, labelled)
            if written is not None:
                place = key.model, key.environment
                await run_in_threadpool(site.note_rows, request, "a snapshot", written.rows, *place)
            finished = written
        finally:
            if finished is None:
                folder.close()
        if finished is None:
            raise HTTPException(
                404, f"no rows of {key.model[:80]!r} are stored from this period; /api/v1/models lists the models"
            )
        return Download(folder, path.name, PARQUET, {SAID: json.dumps(finished.summary())})

    return [
        Guarded(
            "/v1/snapshots/{model:path}",
            snapshot,
            may="read_rows",
            parameters="version environment since until labelled",
        )
    ]
