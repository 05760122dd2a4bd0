"""Sparklines of a table row: traffic as bars, a metric as a line with its band, the newest window at the right.

A table has many sparklines, so the marks are written as text; only received text is escaped.
"""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup, escape

from driftline_processor.core.evaluation import Evaluation, MetricValue
from driftline_processor.present.numbers import count, finite, many, number
from driftline_processor.present.titles import metric_title

WIDTH, HEIGHT = 96, 16
"""Size of a sparkline in its own units: the height of a text row."""

SHOWN = 32
"""Number of windows of a sparkline, the newest."""

LEAST = 12
"""Minimum number of windows that a sparkline has room for, so that two windows are not two wide blocks."""

MOST = 1e100
"""Largest value that is drawn; larger values lie at the edge, because differences of the largest floats overflow."""


def traffic(evaluations: Sequence[Evaluation]) -> Markup:
    """Draw rows per window as bars; the open window is hollow."""
    shown_evaluations = evaluations[-SHOWN:]
    most_rows = max((evaluation.rows for evaluation in shown_evaluations), default=0) or 1
    step = WIDTH / max(len(shown_evaluations), LEAST)
    left = WIDTH - step * len(shown_evaluations)
    closed: list[str] = []
    opened: list[str] = []
    for place, evaluation in enumerate(shown_evaluations):
        height = max((HEIGHT - 2) * evaluation.rows / most_rows, 1.0 if evaluation.rows else 0.0)
        bars = closed if evaluation.closed else opened
        bars.append(f"M{left + place * step:.1f} {HEIGHT - 1}v{-height:.1f}h{step * 0.75:.1f}v{height:.1f}z")
    marks = "".join(
        f'<path class="{css}" d="{"".join(bars)}"/>' for css, bars in (("bar", closed), ("bar open", opened)) if bars
    )
    newest = count(shown_evaluations[-1].rows) if shown_evaluations else "no"
    return _chart(marks, f"rows of {many(len(shown_evaluations), 'window')}, {newest} in the newest")


def performance(evaluations: Sequence[Evaluation], metric: str) -> Markup:
    """Draw a metric as a line in the band of its intervals with the baseline's value; unknown values are gaps."""
    shown_evaluations = evaluations[-SHOWN:]
    values = [_interval_points(evaluation.realized.get(metric)) for evaluation in shown_evaluations]
    reference = next(
        (evaluation.reference[metric] for evaluation in reversed(shown_evaluations) if metric in evaluation.reference),
        None,
    )
    usual = None if reference is None else finite(reference.value)
    known_ends = [end for value in values if value is not None for end in value]
    if not known_ends:
        return Markup()
    ends = [*known_ends, *([] if usual is None else [usual])]
    low, high = min(ends), max(ends)
    scale = (HEIGHT - 4) / ((high - low) or 1.0)
    step = WIDTH / max(len(shown_evaluations), LEAST)
    left = WIDTH - step * (len(shown_evaluations) - 0.5)

    def y(value: float) -> float:
        return HEIGHT - 2 - (value - low) * scale

    marks = [] if usual is None else [f'<path class="usual" d="M0 {y(usual):.1f}H{WIDTH}"/>']
    line = ""
    for place, value in enumerate(values):
        if value is None:
            continue
        x = left + place * step
        marks.append(f'<path class="interval" d="M{x:.1f} {y(value[1]):.1f}V{y(value[2]):.1f}"/>')
        joined = place and values[place - 1] is not None
        line += f"L{x:.1f} {y(value[0]):.1f}" if joined else f"M{x:.1f} {y(value[0]):.1f}h.01"  # isolated: a dot
    marks.append(f'<path class="line" d="{line}"/>')
    newest = next(value for value in reversed(values) if value is not None)
    windows = many(len(shown_evaluations), "window")
    description = f"{metric_title(metric)} of {windows}, {number(newest[0])} in the newest window with a value"
    return _chart("".join(marks), description)


def _interval_points(metric_value: MetricValue | None) -> tuple[float, float, float] | None:
    """Return a value and the ends of its interval; None if it is unknown."""
    value = None if metric_value is None else finite(metric_value.value)
    if metric_value is None or value is None:
        return None
    low, high = finite(metric_value.low), finite(metric_value.high)
    ends = (value if low is None else low, value if high is None else high)
    value, first, last = (max(min(bound, MOST), -MOST) for bound in (value, *ends))
    return value, first, last


def _chart(marks: str, label: str) -> Markup:
    return Markup(
        f'<svg class="spark" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(label)}">{marks}</svg>'
    )
