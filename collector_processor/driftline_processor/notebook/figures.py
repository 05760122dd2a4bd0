"""Interactive figures of an evaluation, by plotly: the distribution of a column, or a metric over windows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape  # plotly reads some tags in its texts
from typing import TYPE_CHECKING, Any

from driftline_processor.core.evaluation import ColumnDrift, Evaluation, newest_window
from driftline_processor.core.nearest_names import near
from driftline_processor.present.metrics import method_value, metric_names, metric_title
from driftline_processor.present.sections.section import floats
from driftline_processor.present.sentences.window import column_name
from driftline_processor.present.states import rank, state_word
from driftline_processor.present.times import window_label, window_name

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

COLOURS = {"drift": "#2f6cb3", "data": "#8496a8", "ink": "#7a8683"}
"""Colours that are readable on the light and on the dark ground of a notebook."""


def figure(evaluations: Sequence[Evaluation], name: str, window: int | None, timezone: str) -> Figure:
    """Return the figure of a column or of a metric; see :meth:`driftline.evaluation.EvaluationReport.figure`.

    Raises:
        ImportError: plotly is not installed.
        IndexError: There is no such window.
        ValueError: There is no such column or metric.
    """
    try:
        from plotly import graph_objects
    except ModuleNotFoundError:
        raise ImportError(
            "figure() needs plotly: pip install plotly; without it, the report itself draws its features"
        ) from None
    evaluation = newest_window(evaluations) if window is None else evaluations[window]
    columns = columns_by_name(evaluation)
    metrics = metric_names({metric: None for one in evaluations for metric in one.realized})
    name = name or next(iter(columns), "")
    if name in columns:
        drawing = _distribution(columns[name])
        when = window_name(evaluation.window, timezone)
        title = f"{escape(_state_words(columns[name]))}<br><sub>{when}</sub>"
    elif name in metrics:
        drawing = _over_windows(evaluations, name, timezone)
        title = metric_title(name)
    else:
        raise ValueError(f"there is no column or metric '{name}'; {near(name, [*columns, *metrics])}")
    drawn: Figure = graph_objects.Figure(**drawing)
    return drawn.update_layout(
        title={"text": title, "font": {"size": 15}},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font_color=COLOURS["ink"],
        height=360,
        margin={"l": 50, "r": 20, "t": 70, "b": 50},
        legend={"orientation": "h", "x": 1, "xanchor": "right", "y": 1.02, "yanchor": "bottom"},
    )


def columns_by_name(evaluation: Evaluation) -> dict[str, ColumnDrift]:
    """Return the drawn columns of a window: the features, the largest drift first, then ``score`` and ``class``.

    A feature with the name of an output comes first.
    """
    outputs = [column for column in (evaluation.score, evaluation.predicted) if column is not None]
    columns = [(column.name, column) for column in rank(evaluation.features.values())]
    columns += [(column.column, column) for column in outputs]
    by_name: dict[str, ColumnDrift] = {}
    for name, column in columns:
        if column.was is not None and column.now is not None:
            by_name.setdefault(name, column)
    return by_name


def _state_words(column: ColumnDrift) -> str:
    """Return the name of a column, the state of its drift, and the value of the deciding method."""
    size = f", {column.size}" if column.state == "drift" and column.size else ""
    words = f"{column_name(column)}: {state_word(column.state, column.reason)}{size}"
    return f"{words} ({method_value(column, column.decided_by)})" if column.methods else words


def _distribution(column: ColumnDrift) -> Mapping[str, Any]:
    """Return the bars of a window with the outline of the baseline."""
    assert column.now is not None
    assert column.was is not None  # columns_by_name
    colour = COLOURS["drift" if column.state == "drift" else "data"]
    bar = {"type": "bar", "x": [escape(cell) for cell in column.cells], "hovertemplate": "%{x}: %{y:.1%}"}
    outline = {"color": "rgba(0,0,0,0)", "line": {"color": COLOURS["ink"], "width": 1.5}}
    bars = [
        {**bar, "y": floats(column.now), "name": "window", "marker": {"color": colour}},
        {**bar, "y": floats(column.was), "name": "baseline", "marker": outline},
    ]
    # "category", so that labels such as "2024" stay labels
    axis = {"type": "category", "title": {"text": escape(column_name(column))}}
    layout = {"barmode": "overlay", "bargap": 0.06, "hovermode": "x unified", "xaxis": axis}
    return {"data": bars, "layout": {**layout, "yaxis": {"tickformat": ".0%", "gridcolor": "rgba(127,137,133,0.25)"}}}


def _over_windows(evaluations: Sequence[Evaluation], metric: str, timezone: str) -> Mapping[str, Any]:
    """Return a metric of each window with its interval, and the baseline's value as a dashed line."""
    measured = [(one, one.realized[metric]) for one in evaluations if metric in one.realized]
    x = [window_label(one.window, timezone) for one, _ in measured]
    values = [one.value for _, one in measured]
    ends = {
        "array": [None if one.high is None or one.value is None else one.high - one.value for _, one in measured],
        "arrayminus": [None if one.low is None or one.value is None else one.value - one.low for _, one in measured],
    }
    line = {"type": "scatter", "mode": "lines+markers", "x": x}
    interval = {"symmetric": False, **ends, "thickness": 1.2}
    rows = [
        {**line, "y": values, "name": metric_title(metric), "error_y": interval, "line": {"color": COLOURS["drift"]}}
    ]
    reference = [one.reference[metric].value if metric in one.reference else None for one, _ in measured]
    if any(value is not None for value in reference):
        dashed = {"color": COLOURS["ink"], "dash": "dash"}
        rows.append({**line, "mode": "lines", "y": reference, "name": "baseline", "line": dashed})
    grid = {"gridcolor": "rgba(127,137,133,0.25)"}
    return {"data": rows, "layout": {"hovermode": "x unified", "xaxis": {"showgrid": False}, "yaxis": grid}}
