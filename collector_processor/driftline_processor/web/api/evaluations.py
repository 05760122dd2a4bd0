"""``/api/v1``: models, evaluations as they are now or were at a time, lineage, and the outcomes of an id, as
JSON.

``/api/v1``: what the pages show, as JSON. The shapes are in docs/reference/http-api.md.

Errors are ``{"error": "a sentence"}``. An unknown value is ``null``, never 0.

``GET /api/v1/models/{name}/outcomes?id=`` and ``GET /api/v1/models/{name}/evaluations?as_of=``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from driftline_processor.core.estimate.track_record import with_track_records
from driftline_processor.core.evaluation import Evaluation
from driftline_processor.core.wording import iso_time
from driftline_processor.exporters.openlineage import run_event
from driftline_processor.ingest.completeness import Balance
from driftline_processor.present import evaluation_json
from driftline_processor.present.numbers import finite
from driftline_processor.present.states import compared, drifted, overall
from driftline_processor.queries.history import History, RecordedOutcome
from driftline_processor.queries.overview import ModelView, View

from .parameters import find_model, moment, no_window, number, read_flag

MOST_EVALUATIONS = 1000


def models(known: Sequence[ModelView], hints: Sequence[str]) -> Response:
    """Answer ``GET /api/v1/models``: every model with its newest closed and its open window, in brief.

    ``hints``: those of no model.
    """
    return JSONResponse({"models": [_model(model) for model in known], "hints": list(hints)})


def evaluations(request: Request, known: Sequence[ModelView]) -> Response:
    """Answer ``GET /api/v1/models/{name}/evaluations``: windows of one name, newest last.

    ``?curves=true``: with what is drawn of the performance. ``?slices=false``: without single slices.
    """
    wanted = read_window_request(request, known)
    chosen = wanted.model.windows.get(wanted.window, [])[-wanted.limit :]
    windows = [wanted.rendered(one) for one in _recorded(wanted.model, wanted.window, chosen)]
    concept, delay = evaluation_json.concept_to_json(wanted.model.concept), wanted.model.outcome_delay.to_json()
    return wanted.answer(windows, concept=concept, outcome_delay=delay)


def _recorded(model: ModelView, window: str, chosen: Sequence[Evaluation]) -> list[Evaluation]:
    """Return what was chosen, with what came of estimates when labels arrived."""
    whole = model.windows.get(window, [])
    return with_track_records(whole, len(whole) - len(chosen))


def lineage(request: Request, known: Sequence[ModelView], now: int) -> Response:
    """Answer ``GET /api/v1/models/{name}/openlineage``: closed windows as OpenLineage run events, newest last."""
    wanted = read_window_request(request, known)
    chosen = wanted.model.windows.get(wanted.window, [])[-wanted.limit :]
    return JSONResponse([run_event(evaluation, now) for evaluation in chosen if evaluation.closed])


class WindowRequest(NamedTuple):
    """The windows of a model that a request asks for."""

    model: ModelView
    window: str
    limit: int
    curves: bool
    slices: bool

    def rendered(self, evaluation: Evaluation) -> dict[str, Any]:
        """Return a window as it was asked for."""
        return evaluation_json.to_json(evaluation, self.curves, self.slices)

    def answer(self, windows: Sequence[Mapping[str, Any]], **more: Any) -> Response:
        """Answer with windows; ``more``: what else there is to say of all of them."""
        of = self.model.key
        named = {"model": of.model, "version": of.version, "environment": of.environment, "window": self.window}
        return JSONResponse({**named, "timezone": self.model.timezone, **more, "windows": windows})


def read_window_request(request: Request, known: Sequence[ModelView]) -> WindowRequest:
    """Return what a request for windows asks for. Raises 400 or 404 with a sentence."""
    model = find_model(request, known)
    window = request.query_params.get("window") or next(iter(model.windows), "")
    if window and window not in model.windows:
        raise no_window(model, window)
    limit = number(request, "limit", 100, MOST_EVALUATIONS)
    return WindowRequest(model, window, limit, read_flag(request, "curves", False), read_flag(request, "slices", True))


def _model(model: ModelView) -> dict[str, Any]:
    baseline = model.baseline
    return {
        "model": model.key.model,
        "version": model.key.version,
        "environment": model.key.environment,
        "task": model.task.kind,
        "classes": list(model.task.classes),
        "positive_class": model.task.positive_class,
        "rows": model.rows,
        "distributed": model.distributed,
        "completeness": None if model.balance is None else _completeness(model.balance),
        "first": iso_time(model.first) if model.received else None,
        "last": iso_time(model.last) if model.received else None,
        "received": iso_time(model.received) if model.received else None,
        "by_class": model.by_class,
        "outcomes": model.outcomes,
        "pending": model.pending,
        "pending_since": iso_time(model.pending_since) if model.pending else None,
        "timezone": model.timezone,
        "concept": evaluation_json.concept_to_json(model.concept),
        "baseline": None
        if baseline is None
        else {
            "source": baseline.source,
            "own": baseline.own,
            "other_version": baseline.other_version or None,
            "digest": baseline.digest,
            "rows": baseline.rows,
            "features": list(baseline.features),
            "learned": baseline.learned,
            "needed": baseline.needed,
        },
        "outcome_delay": model.outcome_delay.to_json(),
        "hints": list(model.hints),
        "windows": {
            name: {
                "closed": _brief(next((e for e in reversed(known) if e.closed), None)),
                "open": _brief(next((e for e in reversed(known) if not e.closed), None)),
                "measured": _brief(model.measured(name)),
                "rows": [evaluation.rows for evaluation in known[-40:]],
            }
            for name, known in model.windows.items()
        },
    }


def _completeness(balance: Balance) -> dict[str, Any]:
    """Rows that arrived, of the predictions that were counted in a stretch of time."""
    return {
        "value": finite(balance.completeness),
        "rows": balance.rows,
        "counted": balance.counted,
        "start": iso_time(balance.start),
        "end": iso_time(balance.end),
    }


def _brief(evaluation: Evaluation | None) -> dict[str, Any] | None:
    """A window without its features: what a table of models shows of it."""
    if evaluation is None:
        return None
    psi = evaluation.score.methods.get("psi") if evaluation.score else None
    return {
        "start": iso_time(evaluation.window.start),
        "end": iso_time(evaluation.window.end),
        "rows": evaluation.rows,
        "distributed": evaluation.distributed,
        "closed": evaluation.closed,
        "state": overall(evaluation),
        "drift": {
            "drifted": drifted(evaluation),
            "compared": compared(evaluation),
            "share": finite(evaluation.share),
            "weighted_share": finite(evaluation.weighted_share),
            "incident": {part: iso_time(since) for part, since in evaluation.incident.items()},
            "score_psi": None if psi is None else finite(psi.value),
        },
        "performance": {
            name: {"value": finite(metric.value), "rows": metric.rows, "source": metric.source}
            for name, metric in evaluation.realized.items()
        },
        "outcomes": {"rows": evaluation.outcome_rows, "coverage": finite(evaluation.coverage)},
        "explanation": None if evaluation.explanation is None else evaluation.explanation.sentence or None,
    }


def outcome_history_routes(view: View, history: History) -> list[BaseRoute]:
    """Return the route of what was said."""

    def outcomes(request: Request) -> Response:
        model, id = find_model(request, view.models()), request.query_params.get("id", "")
        if not id:
            raise HTTPException(400, "name the prediction, as in ?id=A-1001")
        told = history.outcomes(model.key.model, id)
        return JSONResponse({"model": model.key.model, "id": id, "outcomes": [_outcome_json(one) for one in told]})

    return [Route("/api/v1/models/{name:path}/outcomes", outcomes)]


def evaluations_as_of(request: Request, view: View, history: History) -> Response:
    """Answer ``GET /api/v1/models/{name}/evaluations?as_of=``: closed windows as they were evaluated then."""
    wanted, as_of = read_window_request(request, view.models()), moment(request, "as_of")
    known = history.evaluations(wanted.model.key, wanted.window, as_of, wanted.limit)
    windows = with_track_records([one.evaluation for one in known], 0)
    told = [
        {**wanted.rendered(one), "believed": iso_time(stored.stored_at)}
        for one, stored in zip(windows, known, strict=True)
    ]
    return wanted.answer(told, as_of=iso_time(as_of))


def _outcome_json(one: RecordedOutcome) -> dict[str, Any]:
    return {
        "time": iso_time(one.time),
        "received": iso_time(one.received),
        "environment": one.environment,
        "prediction_time": None if one.prediction_time is None else iso_time(one.prediction_time),
        "actual": one.actual,
        "item": one.item,
        "value": one.value,
        "weight": one.weight,
        "slices": dict(one.slices),
        "retracted": one.retracted,
        "belongs_to": [
            {
                "version": mine.version,
                "environment": mine.environment,
                "time": iso_time(mine.time),
                "counts": mine.counts,
            }
            for mine in one.belongs_to
        ],
    }
