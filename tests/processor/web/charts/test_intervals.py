"""Values with their intervals, drawn below each other on one axis."""

from __future__ import annotations

import re

from driftline.tables.table import ModelKey
from driftline_processor.core.evaluation import Evaluation, MetricValue, SlicePerformance
from driftline_processor.core.windows.window import Window
from driftline_processor.present.sections.performance import slices
from driftline_processor.present.sections.section import Interval, Table
from driftline_processor.web.charts.drawings import interval_line
from hypothesis import given
from hypothesis import strategies as st

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
