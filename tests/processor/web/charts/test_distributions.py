"""A window beside its baseline: cells, labels, an axis of its own, and a hatch where nobody can judge."""

from __future__ import annotations

import re

import numpy as np
import pytest
from driftline.panes.bins import NumberBins
from driftline.panes.unbinned_values import TAILS, octave
from driftline_processor.core.drift.number_shape import shape_of
from driftline_processor.core.evaluation import ColumnDrift, State
from driftline_processor.web.charts.distributions import distribution, own_cells, own_range
from driftline_processor.web.charts.sparklines import mini_of

from tests.support.unwrap import unwrap

HALVES = np.array([0.5, 0.5])


def cells(kind: str, labels: tuple[str, ...], was: list[float], now: list[float] | None) -> str:
    column = ColumnDrift(
        "feature", "x", "ok", kind, 9, {}, None, "", labels, np.array(was), None if now is None else np.array(now)
    )
    drawn = unwrap(distribution(column))
    return str(drawn)


def test_edges_stand_between_cells_and_single_values_under_theirs() -> None:
    drawn = cells("ks", ("0 – 10", "10 – 20"), [0.4, 0.6], [0.3, 0.7])
    assert [text in drawn for text in (">0</text>", ">10</text>", ">20</text>")] == [True, True, True]
    assert "10 – 20: baseline 60 %, window 70 %" in drawn
    assert ">other values</text>" in cells("ks", ("0", "1", "other values"), [0.5, 0.5, 0.0], [0.4, 0.4, 0.2])


def texts(drawn: str) -> list[str]:
    return [words for words in re.findall(r">([^<]*)</text>", drawn) if not words.endswith(" %")]


def test_open_cells_say_that_they_hold_all_that_lies_beyond() -> None:
    edges = range(12, 55, 3)
    labels = ("< 12", *(f"{edge} – {edge + 3}" for edge in edges[:-1]), "≥ 54")
    share = [1 / len(labels)] * len(labels)
    told = texts(cells("ks", labels, share, share))
    assert (told[0], told[-1]) == ("&lt; 12", "≥ 54")
    assert told[1:-1] == [str(edge) for edge in edges if str(edge) in told[1:-1]]
    assert len(told) > 10


def test_shares_stand_on_an_axis_of_percent_and_the_axis_below_has_the_name() -> None:
    drawn = cells("ks", ("0 – 10", "10 – 20"), [0.4, 0.6], [0.3, 0.7])
    assert re.findall(r">(\d+ %)</text>", drawn) == ["0 %", "20 %", "40 %", "60 %", "80 %"]
    column = ColumnDrift("feature", "x", "ok", "ks", 9, {}, cells=("0 – 1",), was=np.ones(1), now=np.ones(1))
    assert "&lt;b&gt;</text>" in str(distribution(column, "<b>"))


@pytest.mark.parametrize(("state", "hatched"), [("ok", 0), ("drift", 0), ("inconclusive", 1)])
def test_an_inconclusive_window_is_hatched(state: State, hatched: int) -> None:
    column = ColumnDrift("feature", "x", state, "ks", 9, {}, cells=("0 – 1", "1 – 2"), was=HALVES, now=HALVES)
    assert str(distribution(column)).count('class="now untold"') == hatched
    assert str(mini_of(column)).count("untold") == hatched


def test_a_window_beyond_the_bins_is_drawn_on_an_axis_that_holds_both() -> None:
    bins = NumberBins(np.array([0.0, 50.0, 100.0]))
    tails = np.zeros(TAILS)
    tails[octave(np.array([600.0]))] = 90
    was = shape_of(bins, np.array([0.0, 50.0, 50.0, 0.0]))
    now = shape_of(bins, np.array([0.0, 0.0, 10.0, 90.0]), tails, seen=(60.0, 1000.0))
    found = unwrap(own_cells(was, now))
    labels, before, after = found
    assert (labels[0], labels[-1]) == ("0 – 50", "950 – 1000")
    assert before[:2].tolist() == [0.5, 0.5]
    assert after[:2].tolist() == [0.0, 0.1]
    assert after.sum() == pytest.approx(1.0)
    column = ColumnDrift("feature", "x", "drift", "ks", 100, {})
    assert "500 – 550: baseline 0 %" in str(own_range(was, now, column, "x"))


@pytest.mark.parametrize("side", [1, -1])
def test_rows_of_an_open_end_are_in_the_open_cell_of_that_end(side: int) -> None:
    bins = NumberBins(np.sort(side * np.array([0.0, 50.0, 100.0])))
    tails = np.zeros(TAILS)
    tails[octave(np.array([side * 600.0]))] = 90
    was = shape_of(bins, np.array([0.0, 50.0, 50.0, 0.0]))
    now = shape_of(bins, np.array([0.0, 0.0, 10.0, 90.0] if side > 0 else [90.0, 10.0, 0.0, 0.0]), tails)
    found = unwrap(own_cells(was, now))
    labels, before, after = found
    end = -1 if side > 0 else 0
    assert labels[end] == ("≥ 500" if side > 0 else "< -500")
    assert (before[end], after[end]) == (0.0, 0.9)
    assert (before.sum(), after.sum()) == (pytest.approx(1.0), pytest.approx(1.0))


def test_a_line_of_text_has_both_sides_in_two_marks() -> None:
    column = ColumnDrift(
        "feature", "x", "ok", "ks", 9, {}, cells=("0 – 1", "1 – 2"), was=HALVES, now=np.array([0, 1.0])
    )
    drawn = str(mini_of(column))
    assert drawn.count("<path") == 2
    assert "M10 4h8v100h-8z" in drawn
    assert str(mini_of(ColumnDrift("feature", "x", "inconclusive", "ks", 9, {}))) == ""


def test_categories_are_ordered_by_share_and_the_rest_is_summed() -> None:
    labels = tuple(f"c{place}" for place in range(14))
    drawn = cells("chi2", labels, [1.0] + [0.0] * 13, [0.0] * 13 + [1.0])
    assert drawn.index(">c0<") < drawn.index(">c13<") < drawn.index(">c1<")
    assert "4 others" in drawn


def test_a_window_without_values_still_shows_the_baseline() -> None:
    assert 'class="now"' not in cells("ks", ("0 – 1", "1 – 2"), [0.5, 0.5], None)


def test_nothing_is_drawn_of_nothing() -> None:
    assert distribution(ColumnDrift("feature", "x", "no_baseline", "", 0, {})) is None
