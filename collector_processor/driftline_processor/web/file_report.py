"""The report of `driftline evaluate`: what was judged of files, on the pages that a running processor has."""

from __future__ import annotations

from collections.abc import Mapping

from driftline_processor.core.evaluation import Evaluation
from driftline_processor.evaluation.files.evaluate import EvaluationResult
from driftline_processor.queries.overview import BaselineView, ModelView, importance_of

from .pages import data, drift, feature, overview, performance, versions
from .place import place_of
from .report import MakePage, report
from .selection import select

PAGES: Mapping[str, MakePage] = {
    "": overview.page,
    "performance": performance.page,
    "drift": drift.page,
    "data": data.page,
    "versions": versions.page,
}
"""The pages that need nothing but what was judged: no row of anybody's is in them."""


def file_report(result: EvaluationResult, now: int) -> str:
    """Return what was judged of files as one HTML document; ``now``: when it is written, unix nanoseconds."""
    model = model_view(result)
    return report(select(place_of(model), [model]), PAGES, feature.page, now)


def model_view(result: EvaluationResult) -> ModelView:
    """Return what was judged of files as a model that a processor has seen."""
    windows: dict[str, list[Evaluation]] = {}
    for evaluation in result.evaluations:
        windows.setdefault(evaluation.window.name, []).append(evaluation)
    first = next(iter(windows.values()), [])
    baseline = result.baseline
    return ModelView(
        key=result.key,
        task=baseline.task,
        rows=sum(evaluation.rows for evaluation in first),
        first=min((evaluation.window.start for evaluation in first), default=0),
        last=max((evaluation.window.end for evaluation in first), default=0),
        received=0,
        outcomes=sum(evaluation.outcome_rows for evaluation in first),
        baseline=BaselineView(
            *("config", baseline.digest, baseline.pane.rows, tuple(baseline.bins.features)),
            importance=importance_of(baseline),
        ),
        outcome_delay=result.delay,
        windows=windows,
        concept=result.concept,
        versions=result.versions,
        verdict=result.verdict,
        timezone=result.timezone,
    )
