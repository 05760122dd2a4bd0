"""``/api/v1``: what the pages show, as JSON. The shapes are in docs/http-api.md.

Errors are ``{"error": "a sentence"}``. An unknown value is ``null``, never 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from driftline_processor.core import render
from driftline_processor.core.estimate.record import recorded
from driftline_processor.core.evaluation import Evaluation
from driftline_processor.core.openlineage import run_event
from driftline_processor.core.render import iso_time
from driftline_processor.runtime.balance import Balance
from driftline_processor.runtime.view import ModelView

from .queries import find, no_window, number, switch
from .words import compared, drifted, finite, overall

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
    wanted = asked(request, known)
    chosen = wanted.model.windows.get(wanted.window, [])[-wanted.limit :]
    windows = [wanted.rendered(one) for one in _recorded(wanted.model, wanted.window, chosen)]
    concept, delay = render.concept_to_json(wanted.model.concept), wanted.model.outcome_delay.to_json()
    return wanted.answer(windows, concept=concept, outcome_delay=delay)


def _recorded(model: ModelView, window: str, chosen: Sequence[Evaluation]) -> list[Evaluation]:
    """What was chosen, with what came of estimates when labels arrived."""
    whole = model.windows.get(window, [])
    return recorded(whole, len(whole) - len(chosen))


def lineage(request: Request, known: Sequence[ModelView], now: int) -> Response:
    """Answer ``GET /api/v1/models/{name}/openlineage``: closed windows as OpenLineage run events, newest last."""
    wanted = asked(request, known)
    chosen = wanted.model.windows.get(wanted.window, [])[-wanted.limit :]
    return JSONResponse([run_event(evaluation, now) for evaluation in chosen if evaluation.closed])


class Wanted(NamedTuple):
    """Which windows of which model a request asks for, how many, and with what."""

    model: ModelView
    window: str
    limit: int
    curves: bool
    slices: bool

    def rendered(self, evaluation: Evaluation) -> dict[str, Any]:
        """Return a window as it was asked for."""
        return render.to_json(evaluation, self.curves, self.slices)

    def answer(self, windows: Sequence[Mapping[str, Any]], **more: Any) -> Response:
        """Answer with windows; ``more``: what else there is to say of all of them."""
        of = self.model.key
        named = {"model": of.model, "version": of.version, "environment": of.environment, "window": self.window}
        return JSONResponse({**named, "timezone": self.model.timezone, **more, "windows": windows})


def asked(request: Request, known: Sequence[ModelView]) -> Wanted:
    """Return what a request for windows asks for. Raises 400 or 404 with a sentence."""
    model = find(request, known)
    window = request.query_params.get("window") or next(iter(model.windows), "")
    if window and window not in model.windows:
        raise no_window(model, window)
    limit = number(request, "limit", 100, MOST_EVALUATIONS)
    return Wanted(model, window, limit, switch(request, "curves", False), switch(request, "slices", True))


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
        "concept": render.concept_to_json(model.concept),
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
