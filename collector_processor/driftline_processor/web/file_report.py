"""The report of `driftline evaluate`: the evaluation of files as the report of a running processor.

Also a postmortem as one self-contained HTML file.
"""

from __future__ import annotations

from html import escape

from markdown_it import MarkdownIt

from driftline_processor.core.evaluation import Evaluation
from driftline_processor.core.verdict.record import Record
from driftline_processor.evaluation.files.evaluate import EvaluationResult
from driftline_processor.present.sentences.sample import sample_sentence
from driftline_processor.queries.model_view import BaselineView, ModelView, importance_of

from .inline_style import content_security_policy, style
from .pages.report import report
from .place import place_of
from .selection import select


def postmortem_html(text: str) -> str:
    """Return a Markdown postmortem as an HTML document; markup in the text is escaped."""
    title = text.partition("\n")[0].removeprefix("# ").replace("\\", "")
    body = MarkdownIt("commonmark", {"html": False}).enable("table").render(text)
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(content_security_policy())}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<style>{style()}</style></head><body><main class="card">\n{body}</main></body></html>\n'
    )


def file_report(result: EvaluationResult, now: int) -> str:
    """Return the evaluation of files as one HTML document; ``now``: time of creation, unix nanoseconds."""
    model = model_view(result)
    note = "" if result.sample is None else sample_sentence(*result.sample)
    return report(select(place_of(model), [model]), now, note=note)


def model_view(result: EvaluationResult) -> ModelView:
    """Return the evaluation of files as the model of a processor."""
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
        record=Record.of(result.evaluations),
        timezone=result.timezone,
    )
