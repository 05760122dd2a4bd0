"""``GET /api/v1/models/{name}/retraining`` and ``/training-runs``: the value of retraining."""

from __future__ import annotations

import math
from contextlib import suppress
from datetime import timedelta

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from driftline_processor.access.routes import Guarded
from driftline_processor.config.values import parse_duration
from driftline_processor.core.retraining.decision import LOSSES, RetrainTerms
from driftline_processor.present.names import handle
from driftline_processor.present.retraining import answer_json, gain_json
from driftline_processor.queries.model_view import ModelView
from driftline_processor.queries.retraining import gains_of_model, weigh_model
from driftline_processor.queries.state_snapshot import StateSnapshot
from driftline_processor.web.answers import FiniteJSON
from driftline_processor.web.parameters import find_model, no_window
from driftline_processor.web.site import Site

_LONGEST_CURRENCY = 16


def routes(site: Site) -> list[BaseRoute]:
    """Return the routes."""
    return [
        Guarded(
            "/api/v1/models/{name:path}/retraining",
            lambda request: retraining(request, site.state.snapshot),
            may="read",
            parameters="version environment window metric value cost currency horizon predictions recovered",
        ),
        Guarded(
            "/api/v1/models/{name:path}/training-runs",
            lambda request: training_runs(request, site.state.snapshot),
            may="read",
            parameters="version environment",
        ),
    ]


def retraining(request: Request, snapshot: StateSnapshot) -> Response:
    """Answer whether retraining pays off, with every factor; inconclusive without ``value`` or a cost."""
    models = _versions(request, snapshot)
    window = request.query_params.get("window", "")
    if window and not any(window in model.windows for model in models):
        raise no_window(models[0], window)
    model, answer = weigh_model(models, _terms(request), window)
    return FiniteJSON(answer_json(answer, model.key))


def training_runs(request: Request, snapshot: StateSnapshot) -> Response:
    """Return the training runs of a model, oldest first, each with its effect on performance."""
    models = _versions(request, snapshot)
    metric, gains = gains_of_model(models)
    return FiniteJSON(
        {"model": models[0].key.model, "loss": metric or None, "training_runs": [gain_json(gain) for gain in gains]}
    )


def _versions(request: Request, snapshot: StateSnapshot) -> list[ModelView]:
    """Return the versions and environments that a request selects; by default all of the model."""
    model = find_model(request, snapshot)
    same = list(snapshot.versions_of(handle(model.key.model)))
    for part in ("version", "environment"):
        if part in request.query_params:
            handle_asked = request.query_params[part]
            same = [view for view in same if handle(getattr(view.key, part)) == handle_asked]
    return same


def _terms(request: Request) -> RetrainTerms:
    query_params = request.query_params
    metric = query_params.get("metric", "")
    if metric and metric not in LOSSES:
        raise HTTPException(400, f"metric must be a mean over predictions: one of {', '.join(LOSSES)}")
    currency = query_params.get("currency", "")
    if len(currency) > _LONGEST_CURRENCY:
        raise HTTPException(400, "currency must be a short text, as in ?currency=EUR")
    return RetrainTerms(
        metric=metric,
        value=_amount(request, "value", "0.25"),
        cost=_amount(request, "cost", "120"),
        currency=currency,
        horizon=_days(query_params.get("horizon", "30d")),
        predictions=_amount(request, "predictions", "100000"),
        share=_amount(request, "recovered", "0.5", maximum=1.0),
    )


def _amount(request: Request, name: str, example: str, maximum: float = 1e15) -> float | None:
    text = request.query_params.get(name, "")
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value <= maximum:
        raise HTTPException(400, f"{name} must be a number from 0 to {maximum:g}, as in ?{name}={example}")
    return value


def _days(text: str) -> float:
    with suppress(ValueError):
        if (days := parse_duration(text, "d", "h") / timedelta(days=1)) > 0:
            return days
    raise HTTPException(400, "horizon must be a number of hours, days or weeks, as in ?horizon=30d")
