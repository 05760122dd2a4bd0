"""A feature over windows, and features beside windows: fan, stacked shares, missing values, heat map."""

from __future__ import annotations

import re

import numpy as np
from driftline.tables.table import F64
from driftline_processor.core.evaluation import Evaluation
from driftline_processor.core.windows.window import Window
from driftline_processor.queries.feature_history import FeatureWindow
from driftline_processor.web.charts import feature_history as charts
from driftline_processor.web.charts.heat_map import heat_map
from driftline_processor.web.charts.sparklines import trend
from msgspec.structs import replace

from tests.support.fake_view import flights, ns, price
from tests.support.unwrap import unwrap


def days(*numbers: int) -> list[Evaluation]:
    first = price().windows["1d"][0]
    return [replace(first, window=Window("1d", ns(2014, 1, day), ns(2014, 1, day + 1))) for day in numbers]


def feature(name: str, shown: list[Evaluation]) -> charts.FeatureRange:
    return charts.FeatureRange(name, shown, shown[-1], "UTC", lambda one: f"/{one.window.start}")


def fan(shown: list[Evaluation], quantiles: dict[int, F64], baseline: F64 | None = None) -> str | None:
    drawn = charts.fan(feature("area", shown), quantiles, baseline, {})
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
    drawn = charts.stacked(feature("plan", shown), labels, windows, before)
    picture = str(drawn)
    assert re.findall(r'text-anchor="end">(\d+ %)</text>', picture) == ["0 %", "25 %", "50 %", "75 %", "100 %"]
    assert picture.count('<path class="share share-0"') == 1
    assert ">&lt;b&gt;</text>" in picture
    assert "&lt;b&gt; 80 %, a 10 %, 3 others 3.75 %" in picture
    assert charts.stacked(feature("plan", shown), labels, {}, before) is None


def test_missing_values_are_drawn_where_there_ever_are_some() -> None:
    shown = days(1, 2)
    none = {one.window.start: FeatureWindow(9, 0.0, 0.0) for one in shown}
    assert charts.missing(feature("area", shown), none, FeatureWindow(9, 0.0, 0.0)) is None
    some = none | {shown[1].window.start: FeatureWindow(9, 0.2, 0.0)}
    picture = str(charts.missing(feature("area", shown), some, FeatureWindow(9, 0.05, 0.0)))
    assert picture.count('<path class="line"') == 1
    assert picture.count('class="line beside"') == 0
    assert picture.count('class="was"') == 1
    assert ">20 %</text>" in picture


def months() -> list[Evaluation]:
    return flights().windows["1mo"]


def drawn(evaluations: list[Evaluation], features: list[str]) -> str:
    return str(
        heat_map(
            *(evaluations, features, evaluations[-1]),
            lambda one: f"/w?at={one.window.start}",
            lambda name: f"/f/{len(name)}",
            "UTC",
        )
    )


def test_each_cell_has_the_letter_of_its_state_and_size() -> None:
    evaluations = months()
    del evaluations[1].features["humid"]
    found = re.search(r'data-cells="([^"]*)"', drawn(evaluations, ["temp", "humid"]))
    assert found is not None
    temp, humid = found[1].split(" ")
    assert (len(temp), humid[:3]) == (10, "o.o")
    sizes = {"": "o", "small": "s", "moderate": "m", "large": "l"}
    told = [one.features["temp"] for one in evaluations]
    assert temp == "".join(sizes[one.size] if one.state == "drift" else "o" for one in told)


def test_all_cells_of_a_shade_are_one_mark() -> None:
    picture = drawn(months(), ["temp", "dewp", "humid"])
    shades = re.findall(r'<path class="cell ([a-z-]+)" d="([^"]*)"', picture)
    assert len(shades) == len({shade for shade, _ in shades})
    assert sum(path.count("M") for _, path in shades) == 30


def test_rows_lead_to_features_and_columns_to_windows_without_being_tab_stops() -> None:
    evaluations = months()
    picture = drawn(evaluations, ["temp", "humid"])
    assert re.findall(r'class="row" href="([^"]*)"', picture) == ["/f/4", "/f/5"]
    columns = re.findall(r'class="column" href="([^"]*)"', picture)
    assert columns == [f"/w?at={one.window.start}" for one in evaluations]
    assert picture.count("<a ") == picture.count('tabindex="-1"')


def test_a_name_from_the_wire_is_text() -> None:
    picture = drawn(months(), ["<b>\"'"])
    assert "<b>" not in picture
    assert "&lt;b&gt;" in picture


def test_an_open_window_is_drawn_apart() -> None:
    evaluations = months()
    evaluations[-1] = replace(evaluations[-1], closed=False)
    assert drawn(evaluations, ["humid"]).count('class="cell is-ok open"') == 1


def test_a_line_of_text_is_as_high_as_psi_and_joins_what_is_equal() -> None:
    picture = str(trend("temp", months()))
    assert 'class="size drift-large"' in picture
    assert re.search(r"M\d+ 0h\d+v100h", picture)  # a PSI of .5 and more reaches the top
    quiet = str(trend("origin", months()))
    assert re.findall(r'd="([^"]*)"', quiet) == ["M20 92h98v8h-98z"]
