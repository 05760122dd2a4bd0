"""Fewer points for many windows, and values with their intervals on one axis."""

from __future__ import annotations

import re

from driftline.tables.table import ModelKey
from driftline_processor.core.evaluation import Evaluation, MetricValue, SlicePerformance
from driftline_processor.core.windows.window import Window
from driftline_processor.present.sections.performance import slices
from driftline_processor.present.sections.section import Interval, Table
from driftline_processor.web.charts.plot import Area, Plot, in_places
from driftline_processor.web.charts.sparklines import interval_line
from hypothesis import given
from hypothesis import strategies as st

HEIGHTS = st.lists(st.floats(0, 200, allow_nan=False), min_size=1, max_size=400)


def plot_of(places: int, columns_at: int = 120) -> Plot:
    plot = in_places(places, Area(0.0, 240.0, 0.0, 200.0), (0.0, 200.0), room=1)
    plot.columns_at = columns_at
    return plot


def test_up_to_120_windows_have_a_place_of_their_own() -> None:
    assert [plot_of(many).column for many in (120, 121)] == [0.0, 2.0]
    assert [places for places, _ in plot_of(3).columns()] == [[0], [1], [2]]


@given(HEIGHTS)
def test_a_thinned_line_keeps_the_least_and_the_greatest_value_of_each_column(heights: list[float]) -> None:
    plot = plot_of(len(heights), 20)
    kept = plot.extremes(heights)
    assert kept == sorted(kept)
    assert set(kept) <= set(plot.points(heights))
    for places, (begin, end) in plot.columns():
        own = [plot.y(heights[at]) for at in places]
        there = [height for x, height in kept if begin < x < end]
        assert (min(there), max(there)) == (min(own), max(own))
        assert len(there) <= 2


@given(HEIGHTS)
def test_shared_columns_hold_the_ends_of_all_values(heights: list[float]) -> None:
    plot = plot_of(len(heights), 20)
    least, greatest = plot.shared(heights, min), plot.shared(heights, max)
    assert (min(value for _, value in least), max(value for _, value in greatest)) == (min(heights), max(heights))
    assert [span for span, _ in least] == [span for span, _ in greatest]
    assert len(least) == (len(heights) if len(heights) <= 20 else len(plot.columns()))
    assert len(least) <= 21
    assert plot.shared([None] * len(heights)) == []


def test_bars_of_shared_columns_show_the_value_that_matters_in_its_class() -> None:
    plot = plot_of(4, 2)
    plot.bars([100.0, 50.0, None, 200.0], ["closed", "open", "closed", "closed"], of=min)
    assert re.findall(r'class="(\w+)" d="([^"]*)"', "".join(plot.marks)) == [
        ("open", "M0 150h120v50h-120z"),
        ("closed", "M120 0h120v200h-120z"),
    ]


def test_a_line_has_a_gap_at_an_unknown_value_and_none_reaches_an_isolated_one() -> None:
    plot, values = plot_of(6), [0.0, 100.0, None, 50.0, None, 200.0]
    plot.line(values)
    assert re.findall(r'd="([^"]*)"', "".join(plot.marks)) == ["M20 200L60 100"]
    assert plot.isolated(values) == [3, 5]


WHOLE = MetricValue(0.8, 900, "rows")


def drawings(parts: dict[str, SlicePerformance]) -> list[Interval]:
    evaluation = Evaluation(ModelKey("m"), Window("1d", 0, 1), 9, True)
    evaluation.performance_slices, evaluation.realized = parts, {"accuracy": WHOLE, "mae": WHOLE}
    (table,) = slices(evaluation).parts
    assert isinstance(table, Table)
    return [cell.drawing for row in table.rows for cell in row.cells if isinstance(cell.drawing, Interval)]


def test_one_scale_holds_all_intervals_and_the_value_of_all_rows() -> None:
    measured = SlicePerformance(9, {"accuracy": MetricValue(0.6, 9, "rows", low=0.5, high=0.7)})
    first, second = drawings({"a=1": measured, "a=2": SlicePerformance(9, {})})
    assert (first.start, first.end) == (second.start, second.end) == (0.5, 0.8)
    drawn = interval_line(first)
    assert re.findall(r'class="interval wide" x1="([0-9.]+)"', drawn) == ["4"]
    assert re.findall(r'class="was" x1="([0-9.]+)"', drawn) == ["136"]
    assert re.findall(r'cx="([0-9.]+)"', drawn) == ["48"]
    assert "dot" not in interval_line(second)


@given(st.floats(), st.floats(), st.floats())
def test_any_value_can_be_drawn(value: float, low: float, high: float) -> None:
    metric = MetricValue(value, 9, "rows", low=low, high=high)
    (drawing,) = drawings({"a=1": SlicePerformance(9, {"mae": metric})})
    drawn = interval_line(drawing)
    assert "nan" not in drawn
    assert "inf" not in drawn
