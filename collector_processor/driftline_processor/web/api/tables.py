"""``GET /v1/tables``: the days of the tables of results, and the tables of a day as Parquet files in one tar file."""

from __future__ import annotations

import tarfile
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any

import xxhash
from msgspec.json import encode
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from driftline_processor.access.routes import Guarded, principal_of
from driftline_processor.policy.alert_history import alert_histories, alert_json
from driftline_processor.present.names import handle
from driftline_processor.present.result_schema import SCHEMA_VERSION, TABLES, alert_row
from driftline_processor.process_folder import ProcessFolder
from driftline_processor.queries.model_view import ModelView
from driftline_processor.queries.result_tables import ResultFiles, utc_day
from driftline_processor.web.answers import FiniteJSON
from driftline_processor.web.downloads import Download, download_folder
from driftline_processor.web.parameters import unknown_model
from driftline_processor.web.site import Site

from .backups import TAR

FILE = "tables.tar"


def routes(site: Site) -> list[BaseRoute]:
    """Return the routes. Errors are ``{"error": "a sentence"}``."""

    def days(request: Request) -> Response:
        models = _models(request, site)
        alerts = {day: _digest(rows) for day, rows in _alerts(models, site).items()}
        windows = site.state.queries.results.revisions((model.key for model in models), _windows(request, models))
        revisions = {
            day: f"{SCHEMA_VERSION}:{windows.get(day, '')}:{alerts.get(day, '')}"
            for day in sorted(windows.keys() | alerts.keys())
        }
        return FiniteJSON({"days": {day.isoformat(): revision for day, revision in revisions.items()}})

    async def tables(request: Request) -> Response:
        try:
            day = date.fromisoformat(request.path_params["day"])
        except ValueError:
            raise HTTPException(400, "the day must be a date, as in /v1/tables/2026-03-01") from None
        models = _models(request, site)
        folder = await run_in_threadpool(_write, site, models, day, _windows(request, models))
        return Download(folder, FILE, TAR, {})

    return [
        Guarded("/v1/tables", days, may="read", by_model=True, parameters="model* window*"),
        Guarded("/v1/tables/{day}", tables, may="read", by_model=True, parameters="model* window*"),
    ]


def _models(request: Request, site: Site) -> Sequence[ModelView]:
    """Return the models of ``?model=``, by default all, that the sender may read. Raises 404 for an unknown one."""
    may, wanted = principal_of(request.scope).may, request.query_params.getlist("model")
    readable = [model for model in site.models if may("read", model.key.model)]
    handles = {handle(model.key.model) for model in readable}
    for name in wanted:
        if handle(name) not in handles:
            raise unknown_model(request, name, site.state.snapshot)
    chosen = {handle(name) for name in wanted} or handles
    return [model for model in readable if handle(model.key.model) in chosen]


def _windows(request: Request, models: Iterable[ModelView]) -> Sequence[str]:
    """Return the names of windows of ``?window=``; empty = all. Raises 404 for an unknown one."""
    wanted = request.query_params.getlist("window")
    known = {name: None for model in models for name in model.windows}
    for name in wanted:
        if name not in known:
            raise HTTPException(
                404, f"no model has windows of {name[:80]!r}; there are {', '.join(known) or 'none yet'}"
            )
    return wanted


def _alerts(models: Iterable[ModelView], site: Site) -> Mapping[date, list[dict[str, Any]]]:
    """Return the rows of alerts by the UTC day on which they were opened, oldest first."""
    names = {model.key.model for model in models}
    rows = [alert_row(alert_json(one)) for one in alert_histories(site.state.alerts) if one.alert.model in names]
    by_day: dict[date, list[dict[str, Any]]] = {}
    for row in sorted(rows, key=lambda row: (row["first_seen"], row["id"])):
        by_day.setdefault(utc_day(row["first_seen"] * 1_000), []).append(row)
    return by_day


def _write(site: Site, models: Sequence[ModelView], day: date, windows: Sequence[str]) -> ProcessFolder:
    """Write the tables of a day into a tar file, and return its folder. Raises 507 if the disk is full."""
    try:
        folder = download_folder()
        try:
            site.state.queries.results.write(models, day, folder.path, windows)
            alerts = ResultFiles(folder.path, ["alerts"])
            alerts.add({"alerts": _alerts(models, site).get(day, [])})
            alerts.close()
            with tarfile.open(folder.path / FILE, mode="w") as archive:
                for table in TABLES:
                    archive.add(folder.path / f"{table}.parquet", f"{table}.parquet")
        except BaseException:
            folder.close()
            raise
    except OSError as error:
        raise HTTPException(507, f"the tables cannot be written to a temporary file: {error.strerror}") from None
    return folder


def _digest(rows: Sequence[Mapping[str, Any]]) -> str:
    return xxhash.xxh3_64_hexdigest(encode(rows))
