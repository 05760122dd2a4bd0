"""Figures of an evaluation by matplotlib: blue and orange, hatched if inconclusive."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from driftline_processor.core.evaluation import ColumnDrift, Estimate, Evaluation, MetricValue
from driftline_processor.core.nearest_names import near
from driftline_processor.present import states, titles
from driftline_processor.present.sentences.window import column_name, drift_words
from driftline_processor.present.states import newest_judged
from driftline_processor.present.times import window_label, window_name
from driftline_processor.present.wording import short

from .frames import columns_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SAME, DRIFT, UNSURE, BASELINE = "#4a7fb5", "#d9632b", "#c3cac6", "#26302c"
MOST_FEATURES = 10
MOST_LABELS = 12
"""Upper limit of labels on an axis; more would overlap."""


def draw_overview(evaluations: Sequence[Evaluation], timezone: str = "UTC") -> Figure:
    """Draw the largest drifts of a window, and the performance: over several windows as lines, else by metric.

    Args:
        evaluations: One per window, oldest first; features are those of the newest conclusive window.
        timezone: Time zone of the windows' names.

    Raises:
        ImportError: matplotlib is not installed.
    """
    newest = newest_judged(evaluations)
    figure, (left, right) = _figure(2, (11, 4.2))
    _draw_features(left, newest)
    headline = next(
        (name for name in titles.READ_ALONE if any(name in evaluation.realized for evaluation in evaluations)), ""
    )
    if len(evaluations) > 1 and headline:
        _draw_metric(right, evaluations, headline, timezone)
    else:
        _draw_metrics(right, newest)
    return figure


def draw_feature(evaluation: Evaluation, name: str, timezone: str = "UTC") -> Figure:
    """Draw the values of a feature, or of ``score`` or ``class``, next to those of the baseline.

    Args:
        evaluation: The window.
        name: The feature.
        timezone: Time zone of the window's name.

    Raises:
        ImportError: matplotlib is not installed.
        ValueError: There is no such feature, or its values are unknown.
    """
    predictions, features = columns_of(evaluation)
    columns_by_name = {
        column.column if column in predictions else column.name: column for column in (*predictions, *features)
    }
    columns_by_name |= {feature.name: feature for feature in features}  # a feature may be called score
    if name not in columns_by_name:
        raise ValueError(f"no feature '{name}'; {near(name, tuple(columns_by_name))}")
    column = columns_by_name[name]
    if column.was is None or column.now is None:
        raise ValueError(f"there is no distribution of '{name}': its state is {states.state_word(column.state)}")
    figure, (axes,) = _figure(1, (7, 3.6))
    positions = np.arange(len(column.cells))
    colour, hatch = _look(column)
    axes.bar(positions, column.now * 100, 0.9, color=colour, hatch=hatch, edgecolor="white", label="window")
    axes.stairs(column.was * 100, np.arange(len(positions) + 1) - 0.5, color=BASELINE, linewidth=1.4, label="baseline")
    step = -(-len(positions) // MOST_LABELS)
    axes.set_xticks(positions[::step], [short(cell, 14) for cell in column.cells[::step]], rotation=35, ha="right")
    axes.set_ylabel("% of rows")
    word = states.state_word(column.state, column.reason)
    axes.set_title(_plain(f"{column_name(column)}: {word}, {window_name(evaluation.window, timezone)}"), loc="left")
    axes.legend(frameon=False)
    return figure


def _figure(columns: int, size: tuple[float, float]) -> tuple[Figure, Sequence[Axes]]:
    """Return an empty figure, which a notebook shows only once if it is the value of a cell."""
    try:
        from matplotlib import pyplot
    except ModuleNotFoundError:
        raise ImportError("plot() needs matplotlib: pip install matplotlib") from None
    figure, axes_grid = pyplot.subplots(1, columns, figsize=size, layout="constrained", squeeze=False)
    if "inline" in pyplot.get_backend():
        pyplot.close(figure)
    axes: Sequence[Axes] = list(axes_grid[0])
    for axis in axes:
        axis.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _look(column: ColumnDrift) -> tuple[str, str]:
    """Return the colour and the hatch of a state."""
    if column.state == "drift":
        return DRIFT, ""
    return (SAME, "") if column.state in ("ok", "within_normal_variation") else (UNSURE, "////")


def _draw_features(axes: Axes, evaluation: Evaluation) -> None:
    from matplotlib.patches import Patch

    columns_and_sizes = [(column, _psi(column)) for column in columns_of(evaluation)[1][:MOST_FEATURES]]
    for index, (column, value) in enumerate(columns_and_sizes):
        colour, hatch = _look(column)
        axes.barh(index, value, 0.7, color=colour, hatch=hatch, edgecolor="white")
    axes.set_yticks(range(len(columns_and_sizes)), [_plain(short(column.name, 28)) for column, _ in columns_and_sizes])
    axes.invert_yaxis()
    axes.set_xlabel("PSI")
    axes.set_title(_plain(drift_words(evaluation)), loc="left")
    keys = [Patch(color=DRIFT, label="drift"), Patch(color=SAME, label="no drift")]
    keys.append(Patch(facecolor=UNSURE, hatch="////", edgecolor="white", label="inconclusive"))
    axes.legend(handles=keys, frameon=False, loc="lower right")


def _psi(column: ColumnDrift) -> float:
    psi = column.methods.get("psi")
    return 0.0 if psi is None or psi.value is None else psi.value


def _draw_metric(axes: Axes, evaluations: Sequence[Evaluation], name: str, timezone: str) -> None:
    """Draw a metric over windows with intervals, and the baseline's value as a line."""
    indexed_metrics = [
        (index, evaluation.realized[name])
        for index, evaluation in enumerate(evaluations)
        if name in evaluation.realized
    ]
    drawn_points = [(index, metric) for index, metric in indexed_metrics if metric.value is not None]
    _draw_intervals(axes, [index for index, _ in drawn_points], [metric for _, metric in drawn_points], upright=True)
    axes.plot(
        [index for index, _ in drawn_points],
        [float(metric.value or 0.0) for _, metric in drawn_points],
        color=SAME,
        linewidth=1,
    )
    reference = next(
        (evaluation.reference[name].value for evaluation in reversed(evaluations) if name in evaluation.reference), None
    )
    if reference is not None:
        axes.axhline(reference, color=BASELINE, linestyle="--", linewidth=1.2, label="baseline")
        axes.legend(frameon=False)
    step = -(-len(evaluations) // MOST_LABELS)
    names = [window_label(evaluation.window, timezone) for evaluation in evaluations[::step]]
    axes.set_xticks(range(0, len(evaluations), step), names, rotation=35, ha="right")
    better = titles.direction(name)
    axes.set_title(titles.metric_title(name) + (f" ({better})" if better else ""), loc="left")


def _draw_metrics(axes: Axes, evaluation: Evaluation) -> None:
    """Draw each metric of a window in its interval, and the baseline's value as a mark."""
    metrics: dict[str, MetricValue | Estimate] = {**evaluation.realized} or {**evaluation.estimated}
    names = [name for name in titles.metric_names(metrics) if metrics[name].value is not None][:MOST_FEATURES]
    rows = list(range(len(names)))
    _draw_intervals(axes, rows, [metrics[name] for name in names], upright=False)
    for index, name in enumerate(names):
        value = metrics[name]
        reference = evaluation.reference.get(name)
        baseline = value.reference if isinstance(value, Estimate) else None if reference is None else reference.value
        if baseline is not None:
            axes.plot([baseline], [index], "|", color=BASELINE, markersize=14, markeredgewidth=1.6)
    axes.set_yticks(rows, [titles.metric_title(name) for name in names])
    axes.invert_yaxis()
    words = "performance" if evaluation.realized else "estimated performance"
    axes.set_title(f"{words}, and the baseline as a bar" if names else "no outcomes, no estimate", loc="left")


def _draw_intervals(
    axes: Axes, places: Sequence[int], metric_values: Sequence[MetricValue | Estimate], *, upright: bool
) -> None:
    """Draw values with their intervals; a value without an interval is a point."""
    for place, metric_value in zip(places, metric_values, strict=True):
        value = float(metric_value.value or 0.0)
        reach: Any = None
        if metric_value.low is not None and metric_value.high is not None:
            reach = [[max(value - metric_value.low, 0.0)], [max(metric_value.high - value, 0.0)]]
        if upright:
            axes.errorbar([place], [value], yerr=reach, fmt="o", color=SAME, capsize=3, markersize=5)
        else:
            axes.errorbar([value], [place], xerr=reach, fmt="o", color=SAME, capsize=3, markersize=5)


def _plain(text: str) -> str:
    """Return a text that matplotlib does not read as a formula."""
    return text.replace("$", r"\$")
