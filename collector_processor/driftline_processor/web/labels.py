"""``GET /api/v1/models/{name}/label-next``: which predictions somebody should look at next, as JSON or CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta

from driftline.instants import instant
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from driftline_processor.core.labels.next import REASONS, Reason
from driftline_processor.runtime.label_queue import LabelQueue, Queue
from driftline_processor.runtime.view import View

from .api import find
from .times import iso

MOST = 10_000
LAST = timedelta(days=1)
"""How far back rows are looked for where nobody says since when: what is asked every day is drawn from once."""

_DAY = 86_400 * 10**9


def routes(view: View, queue: LabelQueue, clock: Callable[[], int]) -> list[BaseRoute]:
    """Return the route. ``clock``: unix nanoseconds; its day is the seed where nobody names one."""

    def label_next(request: Request) -> Response:
        model, asked, now = find(request, view.models()), request.query_params, clock()
        until = _instant(asked.get("until"), max(model.last, 0) + 1, "until")
        since = _instant(asked.get("since"), until - LAST // timedelta(microseconds=1) * 1_000, "since")
        most, seed = _number(asked.get("limit", "100"), MOST, "limit"), asked.get("seed", str(now // _DAY))
        found = queue.next(model.key, since, until, most, _number(seed, 2**32 - 1, "seed"), tuple(_reasons(asked)))
        if asked.get("format") == "csv":
            return PlainTextResponse(_csv(found), media_type="text/csv")
        return JSONResponse(
            {
                "model": model.key.model,
                "version": model.key.version,
                "environment": model.key.environment,
                "candidates": found.candidates,
                "seed": found.seed,
                "rows": [
                    {
                        "id": row.id,
                        "time": iso(row.time),
                        "score": row.score,
                        "predicted": row.predicted,
                        "slices": dict(row.slices),
                        "reasons": dict(row.reasons),
                        "weight": 1 / row.probability,
                    }
                    for row in found.rows
                ],
            }
        )

    return [Route("/api/v1/models/{name:path}/label-next", label_next)]


def _csv(found: Queue) -> str:
    """A file that can be filled in and sent back to ``POST /v1/outcomes``, whose columns these are."""
    text = io.StringIO()
    sheet = csv.writer(text, lineterminator="\n")
    sheet.writerow(["id", "prediction_time", "weight", "actual"])
    for row in found.rows:
        sheet.writerow([row.id, row.time, repr(1 / row.probability), ""])  # unix nanoseconds: a text has fewer digits
    return text.getvalue()


def _reasons(asked: Mapping[str, str]) -> Iterator[Reason]:
    named = asked.get("by", ",".join(REASONS)).split(",")
    for name in filter(None, (one.strip() for one in named)):
        known = next((reason for reason in REASONS if reason == name), None)
        if known is None and name != "random":
            raise HTTPException(400, f"by={name[:40]} is not known; write some of {', '.join(REASONS)}, or random")
        if known is not None:
            yield known


def _instant(said: str | None, default: int, name: str) -> int:
    if said is None:
        return default
    try:
        return instant(said)
    except ValueError:
        raise HTTPException(400, f"{name} is a time, as in ?{name}=2026-03-01T00:00:00Z") from None


def _number(said: str, most: int, name: str) -> int:
    if not said.isdecimal() or not (name == "seed" or int(said) >= 1) or int(said) > most:
        raise HTTPException(400, f"{name} is a whole number up to {most:,}")
    return int(said)
