"""Estimates of performance over windows: their interval as a band, what came true as dots."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from driftline_processor.core.estimate.result import ASSUMES, Estimate
from driftline_processor.core.evaluation import Evaluation

from . import svg
from .charts import MOST, Address, levels, placed, stretches, time_ticks
from .times import span
from .words import finite, metric_word, number


def estimate(
    metric: str, evaluations: Sequence[Evaluation], chosen: Evaluation, address: Address, timezone: str
) -> Markup:
    """Draw an estimated metric over windows as a line in a band, its bounds as a line across, the realized as dots.

    The band is the interval of 95 %. A dot outside it is a window that was estimated wrong.
    """
    left, right, top, bottom = 46.0, 352.0, 14.0, 118.0
    first, last = evaluations[0].window.start, evaluations[-1].window.end
    known = [evaluation.estimated.get(metric) for evaluation in evaluations]
    real = [evaluation.realized.get(metric) for evaluation in evaluations]
    came = [None if one is None else finite(one.value) for one in real]
    ends = [_of(known, name) for name in ("value", "low", "high", "lower_bound", "upper_bound", "reference")]
    values, low_ends, high_ends, lower, upper, reference = ends
    drawn = (values, low_ends, high_ends, came, reference)
    scale = levels([value for one in drawn for value in one if value is not None])
    low, high = scale[0], scale[-1]

    def x(time: float) -> float:
        return left + (right - left) * (time - first) / max(last - first, 1)

    def y(value: float) -> float:
        return bottom - (bottom - top) * (max(min(value, MOST, high), -MOST, low) - low) / (high - low)

    marks = [svg.line(left, y(value), right, y(value), "grid") for value in scale]
    marks += [svg.text(left - 5, y(value) + 3.5, number(value), "axis", "end") for value in scale]
    start, end = chosen.window.start, chosen.window.end
    marks.append(svg.rect(x(start), top - 8, x(end) - x(start), bottom - top + 16, "chosen"))
    for evaluation, least, most in zip(evaluations, low_ends, high_ends, strict=True):
        if least is not None and most is not None:
            begin, width = x(evaluation.window.start), x(evaluation.window.end) - x(evaluation.window.start)
            marks.append(svg.rect(begin, y(most), width, y(least) - y(most), "band"))
    for across in (reference, lower, upper):
        newest = next((value for value in reversed(across) if value is not None), None)
        if newest is not None and low <= newest <= high:
            marks.append(svg.line(left, y(newest), right, y(newest), "was" if across is reference else "bound"))
    marks += [svg.path(run, "line estimated") for run in stretches(placed(evaluations, values, x, y))]
    for evaluation, value, truth in zip(evaluations, values, came, strict=True):
        begin, width = x(evaluation.window.start), x(evaluation.window.end) - x(evaluation.window.start)
        title = f"{span(evaluation.window, timezone)}: {metric_word(metric)} estimated {number(value)}, {ASSUMES}"
        parts = [svg.rect(begin, top - 8, width, bottom - top + 16, "ground")]
        if truth is not None:
            title += f"; realized {number(truth)}"
            parts.append(svg.dot(begin + width / 2, y(truth), 3.0, "dot"))
        marks.append(svg.link(address(evaluation), parts, title))
    marks += time_ticks(evaluations, left, right, bottom + 20, timezone)
    return svg.picture(360, 142, marks, f"{metric_word(metric)} estimated over time", "chart")


def _of(known: Sequence[Estimate | None], name: str) -> list[float | None]:
    return [None if one is None else finite(getattr(one, name)) for one in known]
