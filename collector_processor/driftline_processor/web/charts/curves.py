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
from .plot import Area, Plot, levels
from .timeline_rows import numbers_of

SHADES = 6
"""Number of shades of a cell, by its fraction of the actual class; the style sheet has a class per shade."""

_AREA = Area(46.0, 352.0, 8.0, 200.0)
_QUARTERS = (0.0, 0.25, 0.5, 0.75, 1.0)


class _Kind(NamedTuple):
    title: str
    x: str
    y: str
    note: str

    @property
    def label(self) -> str:
        return f"{self.title}: {self.y} over {self.x}"


_KINDS = {
    "roc": _Kind(
        *("ROC", "false positive rate", "recall"),
        "The fraction of flagged positives over the fraction of flagged negatives; the diagonal is chance.",
    ),
    "precision_recall": _Kind(
        *("Precision and recall", "recall", "precision"),
        "The fraction of flagged rows that are positive, over recall; the horizontal line is chance.",
    ),
    "calibration": _Kind(
        *("Calibration", "mean score", "fraction of positives"),
        "The fraction of positives over the mean score; the intervals assume independent rows.",
    ),
    "gain": _Kind(
        *("Gain", "fraction of rows, highest scores first", "recall"),
        "The fraction of the positives among the rows with the highest scores; the diagonal is chance.",
    ),
}


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
    names = ("recall", "precision", "actual_rate", "specificity")
    ((recall, precision, rate, specificity),) = numbers_of([evaluation.realized.get(name) for name in names], "value")
    flagged = None if not precision or recall is None or rate is None else recall * rate / precision
    decisions = {
        "roc": (None if specificity is None else 1 - specificity, recall),
        "precision_recall": (recall, precision),
        "gain": (flagged, recall),
    }
    for name, kind in _KINDS.items():
        if (curve := evaluation.curves.get(name)) is None:
            continue
        if name == "calibration":
            picture = _calibration(curve, kind)
        else:
            chance = (rate, rate) if name == "precision_recall" else (0.0, 1.0)
            picture = _curve(curve, kind, decisions[name], chance)
        yield CurveChart(name, kind.title, kind.note, picture)


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


def _curve(curve: Curve, kind: _Kind, decision: Sequence[float | None], chance: Sequence[float | None]) -> Markup:
    """Draw a curve in the unit square, and a dot at the actual decisions."""
    plot = _square(kind, _QUARTERS, curve, chance)
    about = f"{len(curve.points)} points, {kind.y} over {kind.x}"
    x, y = decision
    if x is not None and y is not None:
        title = f"actual decisions: {kind.x} {number(x)}, {kind.y} {number(y)}"
        plot.marks.append(svg.dot(plot.at(x, y), 4.5, "dot", title))
        about += f"; {title}"
    return plot.picture(360, 236, kind.label, about=about)


def _calibration(curve: Curve, kind: _Kind) -> Markup:
    """Draw the fraction of positives over the mean score, on a scale that contains every interval."""
    points = curve.points.tolist()
    limits = [[y, y] for _, y in points] if curve.limits is None else curve.limits.tolist()
    weights = [0.0] * len(points) if curve.weight is None else curve.weight.tolist()
    farthest = max([max(x, y) for x, y in points] + [high for _, high in limits])
    ticks = _QUARTERS if farthest > 0.5 else [0.0, *(at for at in levels([0.0, max(farthest, 1e-6)]) if at > 0)]
    plot = _square(kind, ticks, curve, (0.0, ticks[-1]))
    titles = []
    for (x, y), (low, high), weight in zip(points, limits, weights, strict=True):
        title = f"score {number(x)}: {number(y)} ({number(low)} to {number(high)}) of {_weight(weight)} are positive"
        plot.marks.append(svg.line(plot.at(x, low), plot.at(x, high), "interval"))
        plot.marks.append(svg.dot(plot.at(x, y), 3.5, "dot", title))
        titles.append(title)
    return plot.picture(360, 236, kind.label, about="; ".join(titles))


def _square(kind: _Kind, ticks: Sequence[float], curve: Curve, chance: Sequence[float | None]) -> Plot:
    """Return a plot with the same ticks on both axes, the curve, and a line between two heights for chance."""
    plot = Plot(_AREA, ticks, end=ticks[-1])
    plot.grid()
    for value in ticks:
        plot.upright(plot.x(value), "grid")
        plot.marks.append(svg.text((plot.x(value), _AREA.bottom + 14), number(value), anchor="middle"))
    plot.marks.append(svg.text((sum(_AREA[:2]) / 2, _AREA.bottom + 30), kind.x, anchor="middle"))
    plot.marks.append(svg.text((_AREA.left + 5, _AREA.top + 11), kind.y))
    low, high = chance
    if low is not None and high is not None:
        plot.marks.append(svg.line(plot.at(0.0, low), plot.at(ticks[-1], high), "was"))
    plot.marks.append(svg.path((plot.at(x, y) for x, y in curve.points.tolist()), "line"))
    return plot
