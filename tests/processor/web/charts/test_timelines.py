"""Charts of values that no chart expects."""

from __future__ import annotations

import re

import numpy as np
from driftline_processor.core.evaluation import Curve, Evaluation, MetricValue, VerdictState
from driftline_processor.core.windows.window import Window
from driftline_processor.web.charts import timelines
from driftline_processor.web.charts.curves import confusion_matrix
from driftline_processor.web.charts.curves import curve_charts_of as drawn
from driftline_processor.web.charts.timeline_rows import performance_row, timeline_of
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.support.fake_view import flights, price

ANY = st.one_of(st.none(), st.floats(), st.sampled_from([0.0, 1e308, -1e308, 5e-324, 1e17, 1e17 + 16]))


@settings(deadline=None, max_examples=60)
@given(st.lists(ANY, min_size=1, max_size=6), ANY)
def test_any_metric_can_be_drawn(values: list[float | None], reference: float | None) -> None:
    first = price().windows["1d"][0]
    day = first.window.end - first.window.start
    shown: list[Evaluation] = []
    for place, value in enumerate(values):
        start = first.window.start + place * day
        metrics = {"mae": MetricValue(value, 1, "rows", low=value, high=reference)}
        shown.append(replace(first, window=Window("1d", start, start + day), realized=metrics))
    expected = None if reference is None else MetricValue(reference, 1, "rows", low=reference, high=values[0])
    row = performance_row("mae", shown, expected)
    drawn = timelines.performance(row, shown, shown[-1], lambda _: "/", price())
    whole = timelines.timeline(timeline_of(shown, shown[-1], "mae", expected, price()), lambda _: "/")
    for chart in (drawn, whole):
        assert "nan" not in chart
        assert "inf" not in chart


def test_a_missing_window_breaks_the_line() -> None:
    first = price().windows["1d"][0]
    day = first.window.end - first.window.start
    starts = [first.window.start + place * day for place in (0, 1, 3, 4)]
    shown = [replace(first, window=Window("1d", start, start + day)) for start in starts]
    row = performance_row("mae", shown, None)
    drawn = timelines.performance(row, shown, shown[0], lambda _: "/", price())
    assert drawn.count('path class="line"') == 2


def test_a_gap_is_a_hatch_from_window_to_window_with_words() -> None:
    model = flights()
    known = [*model.windows["1mo"][:2], *model.windows["1mo"][4:]]
    row = performance_row("log_loss", known, None)
    shown = timeline_of(known, known[-1], "log_loss", None, model)
    words = "1 May to 30 June 2013: 2 windows without predictions"
    for chart, left, right in (
        (timelines.performance(row, known, known[-1], lambda _: "/", model), 50.0, 352.0),
        (timelines.timeline(shown, lambda _: "/"), 62.0, 792.0),
    ):
        hatch = re.findall(r'class="gap" d="M([\d.]+) [\d.]+h([\d.]+)v[^"]*"><title>([^<]+)</title>', chart)
        day = (right - left) / 306  # of March to December
        assert [(float(x), float(width)) for x, width, _ in hatch] == [
            (round(left + 61 * day, 1), round(61 * day, 1)),
        ]
        assert hatch[0][2] == words
        assert f"<desc>{words}</desc>" in chart
        assert ', with 1 gap"' in chart
    assert timelines.window_tooltip(shown, 2).endswith(f": {words}")
    assert ("is-gap", "no evaluated window") in timelines.legend_of(shown)
    whole = timelines.timeline(timeline_of(model.windows["1mo"], None, "log_loss", None, model), None)
    assert 'class="gap"' not in whole


def test_a_spike_of_one_window_of_a_thousand_is_drawn() -> None:
    first = price().windows["1d"][0]
    day = first.window.end - first.window.start
    shown = []
    for place in range(1000):
        start = first.window.start + place * day
        value = 90.0 if place == 503 else 10.0
        metrics = {"mae": MetricValue(value, 9, "rows", low=value - 1, high=value + 1)}
        shown.append(replace(first, window=Window("1d", start, start + day), realized=metrics))
    row = performance_row("mae", shown, None)
    drawn = timelines.performance(row, shown, shown[-1], lambda _: "/", price())
    (line,) = re.findall(r'path class="line" d="M([^"]*)"', drawn)
    highest, usual = (f"{118 - 104 * value / 100:.1f}".removesuffix(".0") for value in (90, 10))
    heights = [point.split()[1] for point in line.split("L")]
    assert heights.count(highest) == 1
    assert set(heights) == {highest, usual}
    assert len(heights) < 250
    assert "<a " not in drawn


def test_a_single_window_is_visible_as_one() -> None:
    (one,) = price().windows["1d"]
    drawn = timelines.strip([one], ["healthy"], one, lambda _: "/", "UTC")
    assert re.findall(r'class="bar [^"]*" x="([0-9.]+)" y="[0-9.]+" width="([0-9.]+)"', drawn) == [("450", "100")]
    assert drawn.count("<a ") == 1
    assert "tabindex" not in drawn


def test_a_strip_is_broken_where_windows_are_missing() -> None:
    first = price().windows["1d"][0]
    day = first.window.end - first.window.start
    shown = [
        replace(first, window=Window("1d", first.window.start + at * day, first.window.start + (at + 1) * day))
        for at in (0, 1, 5, 9)  # three are missing, then three
    ]
    states: list[VerdictState] = ["healthy"] * len(shown)
    assert timelines.strip(shown, states, None, lambda _: "/", "UTC").count('class="break"') == 0
    far = replace(first, window=Window("1d", first.window.start + 14 * day, first.window.start + 15 * day))
    drawn = timelines.strip([*shown, far], [*states, "unknown"], None, lambda _: "/", "UTC")
    assert drawn.count('class="break"') == drawn.count(", after a gap") == 1


def test_a_strip_is_one_stop_of_the_tab_key() -> None:
    shown = flights().windows["1mo"]
    drawn = timelines.strip(shown, ["healthy"] * len(shown), shown[4], lambda _: "/", "UTC")
    assert drawn.count('tabindex="-1"') == len(shown) - 1
    assert drawn.count('aria-current="true"') == 1


def test_the_row_of_a_timeline_says_what_is_drawn_in_words() -> None:
    shown = flights().windows["1mo"]
    shown[4].realized["log_loss"] = MetricValue(0.69, 900, "rows", low=0.54, high=0.84)
    timeline = timeline_of(shown, shown[4], "log_loss", None, flights())
    assert timelines.window_tooltip(timeline, 4) == (
        "July 2013: log loss 0.69 (0.54 to 0.84), log loss of a constant 0.653; score drift 0.981; "
        "drifted inputs 33.3 %; predictions 5,348, with outcome 5,134"
    )
    assert timelines.legend_of(timeline) == [
        ("line", "log loss"),
        ("line beside-line", "log loss of a constant"),
        ("band", "interval"),
        ("state-drift", "drift"),
        ("coverage", "with outcome"),
    ]


def test_an_interval_of_a_few_rows_does_not_flatten_all_others() -> None:
    shown = flights().windows["1mo"]
    shown[4].realized["log_loss"] = MetricValue(0.69, 3, "rows", low=-40.0, high=40.0)
    ticks = timelines.row_ticks(performance_row("log_loss", shown, None))
    assert (ticks[0], ticks[-1]) == (0.0, 1.0)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=5), ANY)
def test_any_curve_can_be_drawn(points: list[tuple[float, float]], recall: float | None) -> None:
    first = replace(price().windows["1d"][0], realized={"recall": MetricValue(recall, 1, "rows")})
    first.realized |= {name: MetricValue(0.5, 1, "rows") for name in ("specificity", "precision", "actual_rate")}
    there = np.array(points)
    limits = np.column_stack([there[:, 1], np.ones(len(there))])
    names = ("roc", "precision_recall", "gain")
    first.curves = {name: Curve("x", "y", there) for name in names}
    first.curves["calibration"] = Curve("x", "y", there, np.ones(len(there)), limits)
    for one in drawn(first):
        assert "nan" not in one.picture
        assert "inf" not in one.picture


def test_calibration_of_small_scores_fills_its_picture_and_says_its_intervals() -> None:
    first = replace(price().windows["1d"][0])
    points, limits = np.array([[0.01, 0.02], [0.12, 0.15]]), np.array([[0.01, 0.04], [0.1, 0.2]])
    first.curves = {"calibration": Curve("mean_score", "actual_rate", points, np.array([900.0, 40.0]), limits)}
    (one,) = drawn(first)
    assert "<title>score 0.12: 0.15 (0.1 to 0.2) of 40 are positive</title>" in one.picture
    assert one.picture.count('class="interval"') == 2
    assert ">0.2</text>" in one.picture
    assert ">1</text>" not in one.picture


def test_of_many_classes_only_what_is_confused_most_is_told() -> None:
    names = tuple(f"c{at}" for at in range(40))
    confusion = np.eye(40) * 90
    confusion[3, 7], confusion[9, 1] = 10, 5
    found = confusion_matrix(confusion, names)
    assert found is not None
    assert found.rows == ()
    assert found.largest == (("c3", "c7", "10", "10 %"), ("c9", "c1", "5", "5.26 %"))
    assert confusion_matrix(confusion, names[:2]) is None
    assert confusion_matrix(np.zeros((2, 2)), ("0", "1")) is None


def test_a_bar_of_the_strip_has_the_state_at_the_end_of_its_window() -> None:
    first = price().windows["1d"][0]
    day = first.window.end - first.window.start
    window = Window("1d", first.window.end, first.window.end + day)
    shown = [first, replace(first, window=window, closed=False)]
    drawn = timelines.strip(shown, ["degraded", "healthy"], first, lambda _: "/", "UTC")
    assert ", degraded at its end, " in drawn
    assert ", open, healthy now, " in drawn
