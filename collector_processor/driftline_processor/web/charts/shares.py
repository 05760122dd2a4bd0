"""Fractions over windows: known outcomes and missing values."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from driftline_processor.core.evaluation import Evaluation
from driftline_processor.present.numbers import many, percent
from driftline_processor.present.times import window_label, window_name

from . import svg
from .plot import MOST_MARKS, Box, Plot, bars, columns

WIDTH, HEIGHT = 720.0, 150.0
LEFT, TOP, BOTTOM = 40.0, 10.0, 122.0


def outcome_coverage(
    evaluations: Sequence[Evaluation], chosen: Evaluation | None, timezone: str, told: bool = True
) -> Markup | None:
    """Draw the fraction of predictions with a known outcome as a bar per window; None if no outcome is known.

    A dashed line is the fraction that the label SLA requires. ``told``: each window has a tooltip with its fraction if
    there are at most :data:`~.plot.MOST_MARKS` windows.
    """
    if not any(evaluation.outcome_rows for evaluation in evaluations):
        return None
    step = (WIDTH - LEFT) / max(len(evaluations), 8)
    gap = step * 0.08 if len(evaluations) <= 200 else 0.0

    plot = Plot(LEFT, WIDTH, TOP, BOTTOM)
    marks = plot.grid((0.0, 0.5, 1.0), lambda share: f"{100 * share:.0f} %")
    boxes: list[tuple[str, Box]] = []
    starts = [LEFT + place * step for place in range(len(evaluations))]
    for column in columns(starts, 0.0 if len(evaluations) <= MOST_MARKS else (WIDTH - LEFT) / MOST_MARKS):
        evaluation = evaluations[
            min(column, key=lambda index: evaluations[index].coverage or 0.0)
        ]  # the smallest fraction of a column, so that a loss is visible
        x, width, share = starts[column[0]], step * len(column), evaluation.coverage or 0.0
        css = "coverage" if evaluation.closed else "coverage open"
        boxes.append((css, (x + gap, plot.y(share), width - 2 * gap, BOTTOM - plot.y(share))))
    marks += [
        svg.rect(LEFT + place * step, TOP - 4, step, BOTTOM - TOP + 8, "chosen")
        for place, evaluation in enumerate(evaluations)
        if evaluation is chosen
    ]
    marks += bars(boxes)
    for place, evaluation in enumerate(evaluations if told and len(evaluations) <= MOST_MARKS else ()):
        rows = many(evaluation.rows, "prediction")
        words = f"{window_name(evaluation.window, timezone)}: outcomes of {percent(evaluation.coverage)} of {rows}"
        marks.append(svg.rect(LEFT + place * step, TOP, step, BOTTOM - TOP, "hover", words))
    agreed = next((evaluation.label_sla.coverage for evaluation in reversed(evaluations) if evaluation.label_sla), None)
    if agreed is not None:
        marks.append(plot.across(agreed, "was"))
    ticks = [window_label(evaluation.window, timezone) for evaluation in (evaluations[0], evaluations[-1])]
    marks.append(svg.text(LEFT, HEIGHT - 8, ticks[0], "axis"))
    if len(evaluations) > 1:
        end = LEFT + len(evaluations) * step
        marks.append(svg.text(end, HEIGHT - 8, ticks[1], "axis", "end"))
    return svg.picture(WIDTH, HEIGHT, marks, "fraction of predictions with an outcome, by window", "chart coverages")


def share_line(shares: Sequence[float | None], name: str) -> Markup:
    """Draw fractions over windows as small bars; unknown fractions are left out."""
    step = 160 / max(len(shares), 12)
    left = 160 - step * len(shares)
    highest = max((share for share in shares if share is not None), default=0.0) or 1.0
    marks = [svg.line(0, 31, 160, 31, "grid")]
    boxes: list[tuple[str, Box]] = []
    for column in columns([left + place * step for place in range(len(shares))], 160 / 80 if len(shares) > 80 else 0.0):
        share = max((value for index in column if (value := shares[index]) is not None), default=0.0)
        if share:
            height = 29 * share / highest
            boxes.append(("bar", (left + column[0] * step, 31 - height, step * (len(column) - 0.15), height)))
    marks += bars(boxes)
    return svg.picture(160, 32, marks, f"fraction of missing values of {name}, at most {percent(highest)}", "sparkline")
