"""A feature over windows: the fan, stacked shares and missing values."""

from __future__ import annotations

import re

import numpy as np
from driftline.tables.table import F64
from driftline_processor.core.evaluation import Evaluation
from driftline_processor.core.windows.window import Window
from driftline_processor.queries.feature_history import FeatureWindow
from driftline_processor.web.charts import feature_history as charts
from msgspec.structs import replace

from tests.support.fake_view import ns, price
from tests.support.unwrap import unwrap


def days(*numbers: int) -> list[Evaluation]:
    first = price().windows["1d"][0]
    return [replace(first, window=Window("1d", ns(2014, 1, day), ns(2014, 1, day + 1))) for day in numbers]


def fan(shown: list[Evaluation], quantiles: dict[int, F64], baseline: F64 | None = None) -> str | None:
    drawn = charts.fan(shown, quantiles, baseline, "area", shown[-1], lambda one: f"/{one.window.start}", "UTC")
    return None if drawn is None else str(drawn)


SPREAD = np.array([0.0, 20.0, 50.0, 80.0, 100.0])


def test_a_fan_breaks_where_a_window_is_missing_and_one_window_is_seen() -> None:
    shown = days(1, 2, 4)
    picture = unwrap(fan(shown, {one.window.start: SPREAD for one in shown}))
    assert [picture.count(f'<path class="{css}"') for css in ("fan", "fan inner", "line")] == [2, 2, 2]
    single = unwrap(fan(days(1), {ns(2014, 1, 1): SPREAD}))
    width = unwrap(re.search(r'<path class="fan" d="M([\d.]+) [\d.]+H([\d.]+)', single))
    assert (float(width[1]), float(width[2])) == (58.0, 700.0)


def test_a_fan_has_an_axis_in_the_features_unit_and_says_each_window() -> None:
    shown = days(1, 2)
    picture = unwrap(fan(shown, {shown[0].window.start: SPREAD}, SPREAD * 2))
    assert re.findall(r'text-anchor="end">(\d+)</text>', picture) == ["0", "50", "100", "150", "200"]
    assert "1 January 2014: area median 50, 50 % 20 to 80, 90 % 0 to 100, too few rows" in picture
    assert "2 January 2014: no value" in picture
    assert picture.count('class="fan-was"') == 2
    assert picture.count('tabindex="-1"') == 2


def test_without_any_value_there_is_no_fan() -> None:
    assert fan(days(1), {}) is None
    assert fan(days(1), {ns(2014, 1, 1): np.full(5, np.nan)}) is None


def test_shares_of_labels_are_stacked_beside_the_baselines() -> None:
    shown = days(1, 2)
    labels = ("a", "<b>", *(f"c{at}" for at in range(8)))
    before = np.array([0.5, 0.4, *[0.0125] * 8])
    after = np.array([0.1, 0.8, *[0.0125] * 8])
    windows = {shown[0].window.start: before, shown[1].window.start: after}
    drawn = charts.stacked(shown, labels, windows, before, "plan", shown[-1], lambda _: "/", "UTC")
    picture = str(drawn)
    assert re.findall(r'text-anchor="end">(\d+ %)</text>', picture) == ["0 %", "25 %", "50 %", "75 %", "100 %"]
    assert picture.count('<path class="share share-0"') == 1
    assert ">&lt;b&gt;</text>" in picture
    assert "&lt;b&gt; 80 %, a 10 %, 3 others 3.75 %" in picture
    assert charts.stacked(shown, labels, {}, before, "plan", shown[-1], lambda _: "/", "UTC") is None


def test_missing_values_are_drawn_where_there_ever_are_some() -> None:
    shown = days(1, 2)
    none = {one.window.start: FeatureWindow(9, 0.0, 0.0) for one in shown}
    assert charts.missing(shown, none, FeatureWindow(9, 0.0, 0.0), "area", "UTC") is None
    some = none | {shown[1].window.start: FeatureWindow(9, 0.2, 0.0)}
    picture = str(charts.missing(shown, some, FeatureWindow(9, 0.05, 0.0), "area", "UTC"))
    assert picture.count('<path class="line"') == 1
    assert picture.count('class="line beside"') == 0
    assert picture.count('class="was"') == 1
    assert ">20 %</text>" in picture
