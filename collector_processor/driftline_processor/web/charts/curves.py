"""Curves of a binary classifier in one window, and the confusion matrix."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from driftline.tables.table import F64
from markupsafe import Markup

from driftline_processor.core.evaluation import Curve, Evaluation
from driftline_processor.present.numbers import count, number, percent
from driftline_processor.present.wording import short

from . import svg
from .plot import Plot, levels

SHADES = 6
"""Number of shades of a cell, by its fraction of the actual class; the style sheet has a class per shade."""

_PLOT = Plot(46.0, 352.0, 8.0, 200.0)


class CurveChart(NamedTuple):
    """A curve as the page shows it. ``note``: how to read it."""

    name: str
    title: str
    note: str
    picture: Markup


class Cell(NamedTuple):
    """A cell of a confusion matrix. ``shade``: its class in the style sheet."""

    text: str
    title: str
    shade: str


class Matrix(NamedTuple):
    """A confusion matrix.

    ``rows``: an actual class and its cells by predicted class. ``largest``: instead, the most frequent confusions.
    """

    classes: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Cell, ...]], ...]
    largest: tuple[tuple[str, str, str, str], ...]


def curve_charts_of(evaluation: Evaluation) -> Iterator[CurveChart]:
    """Yield the known curves of a window, each with a dot at the operating point of the decisions."""
    curves = evaluation.curves
    recall, precision, rate, specificity = (
        None if (metric := evaluation.realized.get(name)) is None else metric.value
        for name in ("recall", "precision", "actual_rate", "specificity")
    )
    if (curve := curves.get("roc")) is not None:
        operating_point = None if recall is None or specificity is None else (1 - specificity, recall)
        note = "The fraction of flagged positives over the fraction of flagged negatives; the diagonal is chance."
        yield CurveChart(
            "roc", "ROC", note, _plot(curve, "ROC", ("false positive rate", "recall"), operating_point, (0.0, 1.0))
        )
    if (curve := curves.get("precision_recall")) is not None:
        operating_point = None if recall is None or precision is None else (recall, precision)
        level = None if rate is None else (rate, rate)
        title, note = (
            "Precision and recall",
            "The fraction of flagged rows that are positive, over recall; the horizontal line is chance.",
        )
        yield CurveChart(
            "precision_recall", title, note, _plot(curve, title, ("recall", "precision"), operating_point, level)
        )
    if (curve := curves.get("calibration")) is not None:
        note = "The fraction of positives over the mean score; the intervals assume independent rows."
        yield CurveChart("calibration", "Calibration", note, _calibration(curve))
    if (curve := curves.get("gain")) is not None:
        flagged = None if not precision or recall is None or rate is None else recall * rate / precision
        operating_point = None if flagged is None or recall is None else (flagged, recall)
        note = "The fraction of the positives among the rows with the highest scores; the diagonal is chance."
        words = ("fraction of rows, highest scores first", "recall")
        yield CurveChart("gain", "Gain", note, _plot(curve, "gain", words, operating_point, (0.0, 1.0)))


def confusion_matrix(confusion: F64 | None, classes: Sequence[str]) -> Matrix | None:
    """Return predicted against actual classes; None if the matrix is unknown.

    >>> found = confusion_matrix(np.array([[8.0, 2.0], [1.0, 9.0]]), ("0", "1"))
    >>> [[cell.text for cell in cells] for _, cells in found.rows]
    [['8', '2'], ['1', '9']]
    """
    if confusion is None or len(confusion) != len(classes) or not confusion.sum() > 0:
        return None
    names = tuple(short(name, 24) for name in classes)
    # 12: upper limit of classes of a full confusion matrix; else only the most frequent confusions are shown
    if len(names) <= 12:
        rows = tuple((name, tuple(_cells(confusion, names, index))) for index, name in enumerate(names))
        return Matrix(names, rows, ())
    wrong = confusion - np.diag(np.diag(confusion))
    # 10: confusions shown of a larger matrix
    places = np.argsort(-wrong, axis=None, kind="stable")[:10]
    wrong_cells = [divmod(int(place), len(names)) for place in places if wrong.flat[place] > 0]
    totals = confusion.sum(axis=1)
    return Matrix(
        names,
        (),
        tuple(
            (names[a], names[p], _weight(wrong[a, p]), percent(float(wrong[a, p] / totals[a]))) for a, p in wrong_cells
        ),
    )


def _cells(confusion: F64, names: Sequence[str], actual: int) -> Iterator[Cell]:
    total = float(confusion[actual].sum())
    for predicted, weight in enumerate(confusion[actual].tolist()):
        share = weight / total if total > 0 else 0.0
        kind = "right" if predicted == actual else "wrong"
        title = f"actual {names[actual]}, predicted {names[predicted]}: {percent(share)} of {names[actual]}"
        yield Cell(_weight(weight), title, f"{kind}-{round(share * SHADES)}")


def _weight(weight: float) -> str:
    return count(round(weight))


def _plot(
    curve: Curve,
    label: str,
    words: tuple[str, str],
    decided: tuple[float, float] | None,
    chance: tuple[float, float] | None,
) -> Markup:
    """Draw a curve in the unit square. ``chance``: heights of the chance line at its left and right end."""
    marks = _axes((0.0, 0.25, 0.5, 0.75, 1.0), *words)
    if chance is not None:
        marks.append(svg.line(*_PLOT.at(0.0, chance[0]), *_PLOT.at(1.0, chance[1]), "was"))
    marks.append(svg.path([_PLOT.at(x, y) for x, y in curve.points.tolist()], "line"))
    about = f"{len(curve.points)} points, {words[1]} over {words[0]}"
    if decided is not None:
        title = f"actual decisions: {words[0]} {number(decided[0])}, {words[1]} {number(decided[1])}"
        marks.append(svg.dot(*_PLOT.at(*decided), 4.5, "dot", title))
        about += f"; {title}"
    return svg.picture(360, 236, marks, f"{label}: {words[1]} over {words[0]}", "chart", about=about)


def _calibration(curve: Curve) -> Markup:
    """Draw the fraction of positives over the mean score, on a scale that contains every interval."""
    points = curve.points.tolist()
    limits = [[y, y] for _, y in points] if curve.limits is None else curve.limits.tolist()
    ticks = [0.0, 0.25, 0.5, 0.75, 1.0]
    farthest = max([max(x, y) for x, y in points] + [high for _, high in limits])
    if farthest <= 0.5:
        ticks = [value for value in levels([0.0, max(farthest, 1e-6)]) if value >= 0]
    top = ticks[-1]
    marks = [*_axes(ticks, "mean score", "fraction of positives"), svg.line(*_PLOT.at(0, 0), *_PLOT.at(1, 1), "was")]
    marks.append(svg.path([_PLOT.at(x / top, y / top) for x, y in points], "line"))
    tooltips = []
    weights = [0.0] * len(points) if curve.weight is None else curve.weight.tolist()
    for (x, y), (low, high), weight in zip(points, limits, weights, strict=True):
        marks.append(svg.line(*_PLOT.at(x / top, low / top), *_PLOT.at(x / top, high / top), "interval"))
        title = f"score {number(x)}: {number(y)} ({number(low)} to {number(high)}) of {_weight(weight)} are positive"
        marks.append(svg.dot(*_PLOT.at(x / top, y / top), 3.5, "dot", title))
        tooltips.append(title)
    about = "; ".join(tooltips)
    return svg.picture(360, 236, marks, "calibration: fraction of positives over the mean score", "chart", about=about)


def _axes(ticks: Sequence[float], x_words: str, y_words: str) -> list[Markup]:
    top, plot, marks = ticks[-1] or 1.0, _PLOT, list[Markup]()
    for value in ticks:
        x, words = plot.x(value / top), number(value)
        marks += plot.grid([value / top], lambda _, words=words: words)  # type: ignore[misc]
        marks += [svg.line(x, plot.top, x, plot.bottom, "grid"), svg.text(x, plot.bottom + 14, words, "axis", "middle")]
    marks.append(svg.text((plot.left + plot.right) / 2, plot.bottom + 30, x_words, "axis", "middle"))
    marks.append(svg.text(plot.left + 5, plot.top + 11, y_words, "axis"))
    return marks
