"""The report of `driftline evaluate`: what was judged of files, on the pages that a running processor has.

A postmortem as one file of HTML, which needs nothing beside itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

from markdown_it import MarkdownIt

from driftline_processor.core.evaluation import Evaluation
from driftline_processor.evaluation.files.evaluate import EvaluationResult
from driftline_processor.queries.overview import BaselineView, ModelView, importance_of

from .pages import data, drift, feature, overview, performance, versions
from .place import place_of
from .report import MakePage, content_security_policy, report, style
from .selection import select


def postmortem_html(text: str) -> str:
    """Return a postmortem, which is Markdown, as a document of HTML; mark-up in it stays text."""
    title = text.partition("\n")[0].removeprefix("# ").replace("\\", "")
    body = MarkdownIt("commonmark", {"html": False}).enable("table").render(text)
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(content_security_policy())}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<style>{style()}</style></head><body><main class="card">\n{body}</main></body></html>\n'
    )


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
