"""Many windows on few pixels: what falls on one column keeps its least and its greatest value, so a spike stays.

A chart that is 300 pixels wide says no more with 1,000 windows than with two values a column; it is only heavier.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

MOST_MARKS = 120
"""Windows that a chart draws one by one, with a link each; of more, it draws as many columns."""

Point = tuple[float, float]
"""Where something is drawn: from the left and from above."""


def column_width(windows: int, left: float, right: float) -> float:
    """Return how wide a column is that windows share; 0 where each has a place of its own."""
    return (right - left) / MOST_MARKS if windows > MOST_MARKS else 0.0


def columns(places: Sequence[float], width: float) -> list[range]:
    """Return which neighbours share a column, as indices.

    >>> columns([0.0, 1.0, 2.0, 3.5], 2.0)
    [range(0, 2), range(2, 4)]
    """
    if not width:
        return [range(index, index + 1) for index in range(len(places))]
    first = places[0] if places else 0.0
    shared = [
        list(indices) for _, indices in groupby(range(len(places)), lambda index: int((places[index] - first) / width))
    ]
    return [range(indices[0], indices[-1] + 1) for indices in shared]


def thin_line(run: Sequence[Point], width: float) -> list[Point]:
    """Return the least and the greatest point of each column, in their order.

    >>> thin_line([(0.0, 5.0), (0.5, 9.0), (1.0, 1.0), (1.5, 4.0)], 2.0)
    [(0.5, 9.0), (1.0, 1.0)]
    """
    if not width:
        return list(run)
    points = []
    for shared in columns([x for x, _ in run], width):
        ends = {min(shared, key=lambda index: run[index][1]), max(shared, key=lambda index: run[index][1])}
        points += [run[end] for end in sorted(ends)]
    return points


def thin_band(lows: Sequence[Point], highs: Sequence[Point], width: float) -> tuple[list[Point], list[Point]]:
    """Return the two borders of a band with its widest ends of each column; on paper a high value has a small y."""
    shared = columns([x for x, _ in lows], width)
    middles = [(lows[column_indices[0]][0] + lows[column_indices[-1]][0]) / 2 for column_indices in shared]
    under = [
        (x, max(lows[index][1] for index in column_indices)) for x, column_indices in zip(middles, shared, strict=True)
    ]
    over = [
        (x, min(highs[index][1] for index in column_indices)) for x, column_indices in zip(middles, shared, strict=True)
    ]
    return under, over
