"""An evaluation as HTML for a cell of a notebook: the verdict first, then ten columns and the performance, drawn.

It is one element with a style sheet of its own, without scripts, in light and dark; every text is escaped.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from hashlib import blake2s
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup
from msgspec import Struct

from driftline_processor.core.evaluation import ColumnDrift, Estimate, Evaluation, MetricValue
from driftline_processor.core.wording import printable, short
from driftline_processor.evaluation.files.evaluate import EvaluationResult
from driftline_processor.present import numbers, states, titles, verdicts
from driftline_processor.present.sentences.findings import finding_sentence
from driftline_processor.present.sentences.window import column_name, drift_words
from driftline_processor.present.states import newest_judged
from driftline_processor.present.times import window_name
from driftline_processor.present.units import keep_units_of_page

from .drawings import interval_range, metric_interval, share_bars
from .frames import columns_of

MOST_FEATURES = 10
MOST_METRICS = 10
MOST_WINDOWS = 12
MOST_NOTES = 20

LIGHT = (
    "--ground: #fff; --ink: #17201d; --quiet: #5c6863; --edge: #dfe4e1; --same: #4a7fb5; --drift: #d9632b; "
    "--drift-ink: #a8441a; --was: #26302c; --bad: #b3361f; --right: #2f6f9f;"
)
DARK = (
    "--ground: #181d1b; --ink: #e4ebe8; --quiet: #9aa8a2; --edge: #2e3a36; --same: #6ea3d8; --drift: #f08b4f; "
    "--drift-ink: #f08b4f; --was: #e4ebe8; --bad: #ff8f73; --right: #7fb4e0;"
)
"""Colours of the two themes: blue and orange, which everybody tells apart."""


class MetricRow(Struct, frozen=True):
    """A metric of a window: ``found`` from outcomes, or estimated without them."""

    title: str
    found: MetricValue | Estimate
    baseline: float | None
    comparison: str
    state: str
    drawing: Markup


def report_html(result: EvaluationResult, notes: Sequence[str] = ()) -> str:
    """Return what an evaluation found as one HTML element.

    Args:
        result: The evaluation of each window.
        notes: Sentences about what was guessed, left out or could not be used.
    """
    evaluations = result.evaluations
    newest = newest_judged(evaluations)
    predictions, features = columns_of(newest)
    metrics = metric_rows(newest)
    page = _template().render(
        id=_element_id(result),
        dark=DARK,
        light=LIGHT,
        model=short(result.key.model),
        version=short(result.key.version),
        verdict=result.verdict,
        evaluation=newest,
        timezone=result.timezone,
        windows=evaluations[-MOST_WINDOWS:] if len(evaluations) > 1 else (),
        more_windows=max(0, len(evaluations) - MOST_WINDOWS),
        columns=[*predictions, *features[:MOST_FEATURES]],
        more_features=max(0, len(features) - MOST_FEATURES),
        performance=metrics[:MOST_METRICS],
        more_metrics=max(0, len(metrics) - MOST_METRICS),
        notes=notes[:MOST_NOTES],
        more_notes=max(0, len(notes) - MOST_NOTES),
    )
    return keep_units_of_page(page)


def metric_rows(evaluation: Evaluation) -> list[MetricRow]:
    """Return the metrics of a window, as outcomes showed them; without outcomes, as they are estimated.

    Args:
        evaluation: The window.
    """
    metrics: dict[str, MetricValue | Estimate] = {**evaluation.realized} or {**evaluation.estimated}
    changes = evaluation.realized_changes if evaluation.realized else evaluation.estimated_changes
    rows = []
    for name in titles.metric_names(metrics):
        value = metrics[name]
        reference = evaluation.reference.get(name)
        baseline = value.reference if isinstance(value, Estimate) else None if reference is None else reference.value
        drawing = metric_interval(value.value, value.low, value.high, baseline, interval_range(name))
        change = changes.get(name)
        state_cells = ("", "") if change is None else (states.state_word(change.state, change.reason), change.state)
        rows.append(MetricRow(titles.metric_title(name), value, baseline, *state_cells, drawing))
    return rows


def _element_id(result: EvaluationResult) -> str:
    """Return a name of the element that no other of a notebook has, and the same result always."""
    identity = (
        result.key,
        result.verdict,
        [(evaluation.window, evaluation.rows, evaluation.share) for evaluation in result.evaluations],
    )
    return f"driftline-{blake2s(repr(identity).encode(), digest_size=4).hexdigest()}"


@cache
def _template() -> Template:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.globals |= {
        "numbers": numbers,
        "states": states,
        "verdicts": verdicts,
        "finding_sentence": finding_sentence,
        "drift_words": drift_words,
        "column_name": lambda column: short(column_name(column)),
        "share_bars": share_bars,
        "psi": lambda column: titles.method_value(column, "psi").removeprefix("PSI "),
        "missing": _missing,
        "window_name": window_name,
        "printable": printable,
        "method_value": titles.method_value,
    }
    environment.filters["capitalize_first"] = lambda words: words[:1].upper() + words[1:]
    return environment.get_template("report.html")


def _missing(column: ColumnDrift) -> str:
    was, now = column.missing_was or 0.0, column.missing_now or 0.0
    return numbers.shares(was, now) if was or now else ""
