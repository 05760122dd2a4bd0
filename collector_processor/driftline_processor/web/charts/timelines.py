"""Draw charts over windows of time: traffic, states, performance and estimates of performance.

A gap stays a gap: an unknown value is never drawn as 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from markupsafe import Markup

from driftline_processor.core.estimate.point import assumption
from driftline_processor.core.evaluation import Estimate, Evaluation, MetricValue, TargetDrift
from driftline_processor.core.wording import short
from driftline_processor.present.numbers import finite, many, number, percent
from driftline_processor.present.sentences import drift_words
from driftline_processor.present.states import compared, drifted, overall, state_word
from driftline_processor.present.times import window_name, window_tick
from driftline_processor.present.titles import BESIDE, metric_title

from . import svg

MOST = 1e100
"""Greatest value that is drawn; a larger one lies at the edge: differences of the largest floats have no float."""

Address = Callable[[Evaluation], str]
"""Evaluation → the address of its window's page."""


def strip(evaluations: Sequence[Evaluation], chosen: Evaluation, address: Address, timezone: str) -> Markup:
    """Draw the timeline that a window is chosen from: a bar per window, as high as its rows, filled as it drifts.

    The filled part is the share of drifted features among those that could be compared.
    """
    most = max(evaluation.rows for evaluation in evaluations) or 1
    step = 1000 / max(len(evaluations), 8)
    marks = []
    for place, evaluation in enumerate(evaluations):
        state = overall(evaluation)
        height = max(64 * evaluation.rows / most, 3)
        what = drift_words(evaluation) if evaluation.closed else "open, " + drift_words(evaluation)
        title = f"{window_name(evaluation.window, timezone)}: {many(evaluation.rows, 'row')}, {what}"
        css = f"bar state-{state}" + ("" if evaluation.closed else " open")
        left, width = place * step + step * 0.1, step * 0.8
        bars = [
            svg.rect(place * step, 0, step, 76, "ground chosen" if evaluation is chosen else "ground"),
            svg.rect(left, 72 - height, width, height, css),
        ]
        if state == "drift":
            part = height * max(drifted(evaluation) / max(compared(evaluation), 1), 0.1)
            bars.append(svg.rect(left, 72 - part, width, part, "bar drift-part"))
        marks.append(svg.link(address(evaluation), bars, title))
    return svg.picture(1000, 76, marks, "windows over time; choose one", "strip", stretch=True)


def performance(
    metric: str,
    evaluations: Sequence[Evaluation],
    chosen: Evaluation,
    reference: MetricValue | None,
    address: Address,
    timezone: str,
) -> Markup:
    """Draw one metric over windows, the baseline's value as a line across, and coverage as bars underneath.

    What the metric is read against (:data:`~driftline_processor.present.titles.BESIDE`) is a second, thinner line.
    Lines are
    broken where a window is missing or its value unknown; an open window is a hollow dot.
    """
    left, right, top, bottom = 46.0, 352.0, 14.0, 118.0
    first, last = evaluations[0].window.start, evaluations[-1].window.end
    values = [_value(evaluation, metric) for evaluation in evaluations]
    beside = [_value(evaluation, BESIDE.get(metric, "")) for evaluation in evaluations]
    known = [value for value in values if value is not None]
    expected = None if reference is None else finite(reference.value)
    ticks = levels([value for value in (*known, *beside, expected) if value is not None])
    low, high = ticks[0], ticks[-1]

    def x(time: float) -> float:
        return left + (right - left) * (time - first) / max(last - first, 1)

    def y(value: float) -> float:
        return bottom - (bottom - top) * (max(min(value, MOST), -MOST) - low) / (high - low)

    marks = [svg.line(left, y(value), right, y(value), "grid") for value in ticks]
    marks += [svg.text(left - 5, y(value) + 3.5, number(value), "axis", "end") for value in ticks]
    start, end = chosen.window.start, chosen.window.end
    marks.append(svg.rect(x(start), top - 8, x(end) - x(start), bottom - top + 32, "chosen"))
    if expected is not None:
        marks.append(svg.line(left, y(expected), right, y(expected), "was"))
    marks += [svg.path(run, "line beside") for run in stretches(placed(evaluations, beside, x, y))]
    marks += [svg.path(run, "line") for run in stretches(placed(evaluations, values, x, y))]
    radius = 3.0 if len(evaluations) <= 40 else 2.0
    for evaluation, value, other in zip(evaluations, values, beside, strict=True):
        coverage = evaluation.coverage or 0.0
        begin, width = x(evaluation.window.start), x(evaluation.window.end) - x(evaluation.window.start)
        known_share = f"outcomes for {percent(evaluation.coverage)} of {many(evaluation.rows, 'row')}"
        title = f"{window_name(evaluation.window, timezone)}: {metric_title(metric)} {number(value)}, {known_share}"
        if other is not None:
            title += f"; {metric_title(BESIDE[metric])} {number(other)}"
        parts = [
            svg.rect(begin, top - 8, width, bottom - top + 32, "ground"),
            svg.rect(begin + width * 0.08, bottom + 8, width * 0.84, 14, "coverage none"),
            svg.rect(begin + width * 0.08, bottom + 22 - 14 * coverage, width * 0.84, 14 * coverage, "coverage"),
        ]
        if value is not None:
            css = "dot" if evaluation.closed else "dot open"
            size = radius + 1.5 if evaluation is chosen else radius
            parts.append(svg.dot(begin + width / 2, y(value), size, css))
        marks.append(svg.link(address(evaluation), parts, title))
    marks.append(svg.text(left - 5, bottom + 19, "outcomes", "axis", "end"))
    marks += time_ticks(evaluations, left, right, bottom + 36, timezone)
    newest = number(known[-1]) if known else "unknown"
    return svg.picture(360, 158, marks, f"{metric_title(metric)} over time, newest {newest}", "chart")


def heat(evaluations: Sequence[Evaluation], features: Sequence[str], chosen: Evaluation, timezone: str) -> Markup:
    """Draw a row per feature and a column per window, coloured by state and size: what drifts, and since when."""
    label, width, row = 150.0, 720.0, 16.0
    step = (width - label) / max(len(evaluations), 8)
    height = row * len(features) + 20
    marks = []
    for down, name in enumerate(features):
        marks.append(svg.text(label - 8, down * row + 12, short(name, 22), "axis", "end"))
        for across, evaluation in enumerate(evaluations):
            target = evaluation.features.get(name)
            if target is not None:
                title = f"{short(name, 40)}, {window_name(evaluation.window, timezone)}: {_how_far(target)}"
                css = f"cell {_shade(target)}" + ("" if evaluation.closed else " open")
                marks.append(svg.rect(label + across * step + 0.5, down * row + 1, step - 1, row - 2, css, title))
    place = next((place for place, evaluation in enumerate(evaluations) if evaluation is chosen), None)
    if place is not None:
        marks.append(svg.rect(label + place * step, 0, step, height - 20, "frame"))
    marks += time_ticks(evaluations, label, label + step * len(evaluations), height - 6, timezone)
    return svg.picture(width, height, marks, "drift of each feature in each window", "heat")


def trend(name: str, evaluations: Sequence[Evaluation], chosen: Evaluation) -> Markup:
    """Draw a feature's PSI over windows as dots and a line, so that a card says since when."""
    targets = [evaluation.features.get(name) for evaluation in evaluations]
    values = [_psi(target) for target in targets]
    most = max([value for value in values if value is not None] + [0.25])
    step = 160 / max(len(evaluations), 2)
    points = [
        None if value is None else ((place + 0.5) * step, 26 - 22 * max(value, 0) / most)
        for place, value in enumerate(values)
    ]
    marks = [svg.line(0, 26 - 22 * level / most, 160, 26 - 22 * level / most, "grid") for level in (0.0, 0.1, 0.25)]
    marks += [svg.path(run, "line") for run in stretches(points)]
    for point, target, evaluation in zip(points, targets, evaluations, strict=True):
        if point is not None and target is not None and (evaluation is chosen or len(evaluations) <= 40):
            marks.append(svg.dot(*point, 3 if evaluation is chosen else 1.6, f"dot state-{target.state}"))
    return svg.picture(160, 30, marks, f"PSI over {len(evaluations)} windows", "sparkline")


def _value(evaluation: Evaluation, metric: str) -> float | None:
    found = evaluation.realized.get(metric)
    return None if found is None else finite(found.value)


def _psi(target: TargetDrift | None) -> float | None:
    method = None if target is None else target.methods.get("psi")
    return None if method is None else finite(method.value)


def levels(values: Sequence[float]) -> list[float]:
    """Three to six round numbers around the values; never all one, so that a constant metric is a line in the middle.

    >>> levels([0.4265, 0.6658]), levels([0.4])
    ([0.4, 0.5, 0.6, 0.7], [0.38, 0.4, 0.42])
    """
    low, high = min(values, default=0.0), max(values, default=1.0)
    greatest = max(abs(low), abs(high))
    if not 1 / MOST < greatest < MOST:
        return [-1.0, 0.0, 1.0] if greatest < MOST else [-MOST, 0.0, MOST]
    # Below a millionth of the values themselves differences are rounding, and ticks would be one number.
    rough = max(high - low, greatest * 1e-6) / 4 if high > low else greatest / 20
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * unit for unit in (1, 2, 2.5, 5, 10) if power * unit >= rough * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    if last - first < 2:
        first, last = first - 1, last + 1
    return [float(f"{place * step:.12g}") for place in range(first, last + 1)]


def placed(
    evaluations: Sequence[Evaluation],
    values: Sequence[float | None],
    x: Callable[[float], float],
    y: Callable[[float], float],
) -> list[tuple[float, float] | None]:
    """Return where to draw each window's value; None where it is unknown, and where a window is missing."""
    points: list[tuple[float, float] | None] = []
    end = None
    for evaluation, value in zip(evaluations, values, strict=True):
        if evaluation.window.start != end:
            points.append(None)
        middle = (x(evaluation.window.start) + x(evaluation.window.end)) / 2
        points.append(None if value is None else (middle, y(value)))
        end = evaluation.window.end
    return points


def stretches(points: Sequence[tuple[float, float] | None]) -> list[list[tuple[float, float]]]:
    """Split into stretches without a gap, of two points and more."""
    runs: list[list[tuple[float, float]]] = [[]]
    for point in points:
        if point is not None:
            runs[-1].append(point)
        elif runs[-1]:
            runs.append([])
    return [run for run in runs if len(run) > 1]


def time_ticks(evaluations: Sequence[Evaluation], left: float, right: float, y: float, timezone: str) -> list[Markup]:
    """Write when the first and the last window are."""
    first, last = evaluations[0].window, evaluations[-1].window
    if len(evaluations) == 1:
        return [svg.text((left + right) / 2, y, window_tick(first, timezone), "axis", "middle")]
    return [
        svg.text(left, y, window_tick(first, timezone), "axis"),
        svg.text(right, y, window_tick(last, timezone), "axis", "end"),
    ]


def _shade(target: TargetDrift) -> str:
    """Return the class of a heat map's cell: only drift has a size; any other cell is at most a wash."""
    return f"drift-{target.size or 'small'}" if target.state == "drift" else f"is-{target.state}"


def _how_far(target: TargetDrift) -> str:
    psi = _psi(target)
    words = [state_word(target.state, target.lacking)]
    if target.state == "drift" and target.size:
        words.append(target.size)
    if psi is not None:
        words.append(f"PSI {number(psi)}")
    return ", ".join([*words, many(target.rows, "row")])


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
        own = evaluation.estimated.get(metric)
        assumes = "" if own is None else f", {assumption(own)}"
        title = f"{window_name(evaluation.window, timezone)}: {metric_title(metric)} estimated {number(value)}{assumes}"
        parts = [svg.rect(begin, top - 8, width, bottom - top + 16, "ground")]
        if truth is not None:
            title += f"; realized {number(truth)}"
            parts.append(svg.dot(begin + width / 2, y(truth), 3.0, "dot"))
        marks.append(svg.link(address(evaluation), parts, title))
    marks += time_ticks(evaluations, left, right, bottom + 20, timezone)
    return svg.picture(360, 142, marks, f"{metric_title(metric)} estimated over time", "chart")


def _of(known: Sequence[Estimate | None], name: str) -> list[float | None]:
    return [None if one is None else finite(getattr(one, name)) for one in known]
