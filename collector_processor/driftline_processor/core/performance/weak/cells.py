"""A feature cut into cells of about as many rows each, and the ranges and labels that a slice may consist of."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from driftline.bins import Bins, CategoryBins, Index, NumberBins
from driftline.classes import number_text
from driftline.tables import F64

from .found import Condition

FINE, COARSE = 20, 10
"""Cells of a feature by itself, and of one of a pair: 210 ranges, and 55 times 55 of them."""

MOST_LABELS = 64
"""Labels of a category that are looked at: those with most rows."""


@dataclass(frozen=True, slots=True, eq=False)
class Cut:
    """``cell``: intp (n,), that of each row. ``chosen``: float64 (choices, cells), 1 where a cell is part of a choice.

    ``conditions``: one a choice.
    """

    feature: str
    cell: Index
    chosen: F64
    conditions: tuple[Condition, ...]


def cut(feature: str, bins: Bins, codes: Index, cells: int, least: int) -> Cut | None:
    """Cut the rows of one feature; None where no choice has between ``least`` rows and half of them.

    ``codes``: intp (n,), the bin of each row, as :func:`driftline.bins.assign` gives it. Ordered cells are chosen by
    ranges, labels, missing and invalid values one by one.
    """
    counts = np.bincount(codes, minlength=bins.size + 2)[: bins.size + 2].astype(np.float64)
    if isinstance(bins, CategoryBins):
        places, chosen, conditions = _labels(feature, bins, counts, least)
    else:
        places, chosen, conditions = _ranges(feature, bins, counts, cells)
    rows = chosen @ np.bincount(places, counts, minlength=chosen.shape[1])
    usable = (rows >= least) & (rows <= len(codes) / 2)
    if not usable.any():
        return None
    kept = np.flatnonzero(usable).tolist()
    return Cut(feature, places[codes], chosen[usable], tuple(conditions[at] for at in kept))


def _labels(feature: str, bins: CategoryBins, counts: F64, least: int) -> tuple[Index, F64, list[Condition]]:
    """A cell for each label with enough rows, one for all others together, which is no choice."""
    order = np.argsort(-counts, kind="stable")[:MOST_LABELS]
    kept = order[counts[order] >= least]
    places = np.full(len(counts), len(kept), np.intp)
    places[kept] = np.arange(len(kept))
    chosen = np.eye(len(kept), len(kept) + 1)
    return places, chosen, [_label(feature, bins, at) for at in kept.tolist()]


def _label(feature: str, bins: CategoryBins, at: int) -> Condition:
    if at < len(bins.labels):
        return Condition(feature, f"= {bins.labels[at]}", label=bins.labels[at])
    if at == len(bins.labels):
        return Condition(feature, "= a label the baseline does not have", label="")
    return _absent(feature, at - bins.size)


def _ranges(feature: str, bins: NumberBins, counts: F64, cells: int) -> tuple[Index, F64, list[Condition]]:
    """Every range of cells, and missing and invalid values each by themselves."""
    inner = counts[: bins.size]
    before = np.cumsum(inner) - inner / 2  # by its middle: a value with many rows does not pull its neighbours in
    total = max(float(inner.sum()), 1.0)
    raw = np.minimum((before * cells / total).astype(np.intp), cells - 1)
    _, place = np.unique(raw[inner > 0], return_inverse=True)
    number = int(place.max()) + 1 if len(place) else 0
    filled = np.flatnonzero(inner > 0)
    places = np.zeros(bins.size + 2, np.intp)
    places[filled] = place
    places[bins.size], places[bins.size + 1] = number, number + 1
    first, last = np.triu_indices(number)
    at = np.arange(number)
    chosen = np.zeros((len(first) + 2, number + 2))
    chosen[:-2, :number] = (at >= first[:, np.newaxis]) & (at <= last[:, np.newaxis])
    chosen[-2, number] = chosen[-1, number + 1] = 1.0
    ends = [(int(filled[place == one][0]), int(filled[place == one][-1])) for one in range(number)]
    conditions = [
        _range(feature, bins, ends[low][0], ends[high][1], open_low=low == 0, open_high=high == number - 1)
        for low, high in zip(first.tolist(), last.tolist(), strict=True)
    ]
    return places, chosen, [*conditions, _absent(feature, 0), _absent(feature, 1)]


def _range(feature: str, bins: NumberBins, first: int, last: int, *, open_low: bool, open_high: bool) -> Condition:
    low = None if open_low or first == 0 else float(bins.edges[first - 1])
    high = None if open_high or last == len(bins.edges) else float(bins.edges[last])
    return Condition(feature, _text(bins, low, high, first, last), low, high)


def _text(bins: NumberBins, low: float | None, high: float | None, first: int, last: int) -> str:
    """In words; a bin around one value is called by the value."""
    least, greatest = _value(bins, first), _value(bins, last)
    if first == last and least is not None:
        return f"= {least}"
    begin = "" if low is None else f"of {least} or more" if least is not None else f"of {_number(low)} or more"
    end = "" if high is None else f"of {greatest} or less" if greatest is not None else f"below {_number(high)}"
    if begin and end:
        begin = f"from {least if least is not None else _number(low or 0.0)}"
        end = f"to {greatest}" if greatest is not None else f"to {end}"
    return " ".join(part for part in (begin, end) if part) or "of any value"


def _value(bins: NumberBins, at: int) -> str | None:
    """The one value of a bin, None where it is wider."""
    if at == 0 or at >= len(bins.edges):
        return None
    low, high = float(bins.edges[at - 1]), float(bins.edges[at])
    if high - low > 1e-6 * max(abs(low), abs(high)) + 1e-300:
        return None
    return _number(low + (high - low) / 2)


def _number(value: float) -> str:
    return number_text(float(f"{value:.4g}") if abs(value) < 10_000 else float(round(value)))


def _absent(feature: str, which: int) -> Condition:
    if which == 0:
        return Condition(feature, "missing", absent="missing")
    return Condition(feature, "of another type", absent="invalid")
