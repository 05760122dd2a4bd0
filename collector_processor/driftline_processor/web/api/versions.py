"""``GET /api/v1/models/{name}/versions``: challengers beside the champion."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import Response

from driftline_processor.present.evaluation_json import json_of
from driftline_processor.queries.overview import ModelView

from .answers import FiniteJSON
from .parameters import find_model


def versions(request: Request, known: Sequence[ModelView]) -> Response:
    """Answer with what is known of every version beside the champion; [] where there is one version only."""
    model = find_model(request, known)
    return FiniteJSON(
        {
            "model": model.key.model,
            "environment": model.key.environment,
            "champion": model.versions[0].champion.name if model.versions else None,
            "challengers": [json_of(one) for one in model.versions],
        }
    )
