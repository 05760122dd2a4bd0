"""Values with their intervals, drawn below each other."""

from __future__ import annotations

import re

from driftline_processor.core.evaluation import MetricValue, SlicePerformance
from driftline_processor.web.charts.intervals import ends_of_all, interval_line
from hypothesis import given
from hypothesis import strategies as st

WHOLE = MetricValue(0.8, 900, "rows")


def test_one_scale_holds_all_intervals_and_the_value_of_all_rows() -> None:
    slices = [
        SlicePerformance(9, {"accuracy": MetricValue(0.6, 9, "rows", low=0.5, high=0.7)}),
        SlicePerformance(9, {}),
    ]
    ends = ends_of_all(slices, "accuracy", WHOLE)
    assert ends == (0.5, 0.8)
    drawn = interval_line(slices[0].metrics["accuracy"], WHOLE, ends)
    assert re.findall(r'class="interval wide" x1="([0-9.]+)"', drawn) == ["4"]
    assert re.findall(r'class="was" x1="([0-9.]+)"', drawn) == ["136"]
    assert re.findall(r'cx="([0-9.]+)"', drawn) == ["48"]


def test_nothing_known_is_an_empty_line() -> None:
    assert ends_of_all([], "accuracy", None) == (0.0, 1.0)
    assert "dot" not in interval_line(None, None, (0.0, 1.0))


@given(st.floats(), st.floats(), st.floats())
def test_any_value_can_be_drawn(value: float, low: float, high: float) -> None:
    metric = MetricValue(value, 9, "rows", low=low, high=high)
    drawn = interval_line(metric, WHOLE, ends_of_all([SlicePerformance(9, {"mae": metric})], "mae", WHOLE))
    assert "nan" not in drawn
    assert "inf" not in drawn
