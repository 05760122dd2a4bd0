"""``GET /api/v1/models/{name}/versions``: challengers beside the champion, and how the page words them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from driftline_processor.core.versions import Comparison, SideBySide
from driftline_processor.present.evaluation_json import json_of
from driftline_processor.present.versions import LOSS_WORDS, VERDICT_WORDS, about, interval, value
from driftline_processor.queries.overview import ModelView

from .parameters import find_model


def versions(request: Request, known: Sequence[ModelView]) -> Response:
    """Answer with what is known of every version beside the champion; [] where there is one version only."""
    model = find_model(request, known)
    return JSONResponse(
        {
            "model": model.key.model,
            "environment": model.key.environment,
            "champion": model.versions[0].champion.name if model.versions else None,
            "challengers": [json_of(one) for one in model.versions],
        }
    )


@dataclass(frozen=True, slots=True)
class ComparisonCells:
    """A comparison as a line of the page. ``state``: its colour."""

    loss: str
    champion: str
    challenger: str
    difference: str
    verdict: str
    state: str
    rows: str


def comparison_cells(found: SideBySide) -> list[ComparisonCells]:
    """Return a line for each loss, the one that decides first."""
    return [_cells(one) for one in found.comparisons.values()]


def _cells(one: Comparison) -> ComparisonCells:
    rows = f"{one.rows:,} {'of both' if one.paired else 'in all'}"
    if one.rows_needed is not None:
        rows += f", about {about(one.rows_needed):,} needed"
    state = {"worse": "drift", "better": "ok", "not_yet": "too_few_rows"}[one.verdict]
    return ComparisonCells(
        LOSS_WORDS.get(one.loss, one.loss),
        value(one.loss, one.champion),
        value(one.loss, one.challenger),
        interval(one),
        VERDICT_WORDS[one.verdict],
        state,
        rows,
    )
