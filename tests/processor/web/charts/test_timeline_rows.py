"""What one chart shows of a model over time, for the drawing and for the browser."""

from __future__ import annotations

from itertools import pairwise

from driftline.tables.table import ModelKey
from driftline_processor.core.evaluation import MetricValue, ObjectiveState
from driftline_processor.queries.interruptions import Interruption
from driftline_processor.web.charts.timeline_rows import (
    COARSE,
    gaps_of,
    history_parts,
    performance_row,
    telling_metric,
    timeline_data,
    timeline_of,
)
from msgspec import structs
from msgspec.structs import replace

from tests.support.fake_view import animals, flights, fraud, ns


def test_rows_are_those_of_which_anything_is_known() -> None:
    titles = [
        [row.title for row in timeline_of(known, None, telling_metric(known), None, model).rows]
        for model in (flights(), animals(), fraud())
        for known in (next(iter(model.windows.values())),)
    ]
    assert titles == [
        ["log loss", "score drift", "drifted inputs", "predictions"],
        ["log loss", "predicted class drift", "predictions"],
        ["drifted inputs", "predictions"],
    ]


def test_a_line_does_not_lead_to_the_first_few_outcomes_of_a_window_that_waits_for_the_others() -> None:
    first, last = flights().windows["1d"][-3:-1]
    of_rows = {rows: {"log_loss": MetricValue(0.4, rows, "panes")} for rows in (8, 30)}
    for rows, young, closed, value in (
        (8, True, True, None), (8, False, False, None), (8, False, True, 0.4), (30, True, True, 0.4),
    ):  # fmt: skip
        newest = replace(last, realized=of_rows[rows], young=young, closed=closed)
        assert performance_row("log_loss", [first, newest], None).values[-1] == value


def test_a_share_of_inputs_is_unknown_where_none_can_be_compared() -> None:
    known = flights().windows["1d"]
    row = next(row for row in timeline_of(known, None, "log_loss", None, flights()).rows if row.name == "inputs")
    few = [at for at, one in enumerate(known) if one.rows < 50]
    assert few
    assert all(row.values[at] is None and row.states[at] == "inconclusive" for at in few)


def test_the_first_prediction_of_each_version_is_a_mark() -> None:
    new, old = flights(), flights()
    old.key, old.first = ModelKey("flights", "autumn", "demo"), ns(2013, 6, 1, 5)
    elsewhere = replace(flights(), key=ModelKey("flights", "spring", "test"), first=ns(2013, 7, 1, 5))
    known = new.windows["1mo"]
    marks = timeline_of(known, None, "log_loss", None, new, [new, old, elsewhere]).marks
    assert [(mark.words, mark.time) for mark in marks if mark.kind == "deployment"] == [
        ("version winter", ns(2013, 3, 1, 5)),
        ("version autumn", ns(2013, 6, 1, 5)),
    ]
    assert timeline_of(known, None, "log_loss", None, new, [new]).marks == ()


def test_windows_in_an_incident_are_one_mark_until_a_window_without() -> None:
    model = flights()
    known = model.windows["1mo"]
    for at in (1, 2, 5):
        known[at].incident = {"feature:temp": known[1].window.start}
    known[5].objectives = (ObjectiveState("accuracy", "accuracy >= 0.9", "broken", 0.8, 0.7, 0.9, 900, limit=0.9),)
    marks = timeline_of(known, None, "log_loss", None, model).marks
    assert [(mark.words, mark.time, mark.end) for mark in marks] == [
        ("lasting drift", known[1].window.start, known[2].window.end),
        ("objective broken, lasting drift", known[5].window.start, known[5].window.end),
    ]


def test_silence_and_backlog_are_marks_as_far_as_they_lie_in_the_range() -> None:
    model = flights()
    known = model.windows["1mo"]
    begin, end = known[0].window.start, known[-1].window.end
    model.interruptions = (
        Interruption("no_data", begin - 2, begin),
        Interruption("no_data", begin - 2, begin + 5, 1),
        Interruption("lagging", begin + 7, begin + 9),
        Interruption("no_data", end - 3, None, 1),
        Interruption("lagging", end, None),
    )
    marks = timeline_of(known, None, "log_loss", None, model).marks
    assert [(mark.words, mark.time, mark.end, mark.kind) for mark in marks] == [
        ("no predictions", begin, begin + 5, "incident"),
        ("evaluation late", begin + 7, begin + 9, "incident"),
        ("no predictions", end - 3, end, "incident"),
    ]
    assert timeline_of((), None, "", None, model).marks == ()


def test_an_objective_against_the_baseline_is_drawn_where_the_baseline_is_known() -> None:
    known = flights().windows["1mo"]
    rule = "accuracy >= baseline - 0.02"
    known[-1].objectives = (ObjectiveState("accuracy", rule, "met", 0.0, None, None, 900, limit=-0.02),)
    reference = MetricValue(0.79, 900, "rows", low=0.77, high=0.81)
    row = performance_row("accuracy", known, reference)
    assert row.limits == ((rule, 0.77),)
    assert row.baseline_ends == (0.77, 0.81)
    assert performance_row("accuracy", known, None).limits == ()


def test_the_data_of_a_browser_are_short_numbers_and_seconds() -> None:
    model = flights()
    known = model.windows["1mo"]
    known[0].realized["log_loss"] = MetricValue(0.123456789, 900, "rows", low=0.1111111, high=float("inf"))
    data = timeline_data(timeline_of(known, known[3], "log_loss", MetricValue(0.5, 9, "rows"), model))
    assert (data["chosen"], data["starts"][0], data["zone"]) == (3, ns(2013, 3, 1) // 10**9, "UTC")
    first = data["rows"][0]
    assert (first["values"][0], first["low"][0], first["high"][0], first["baseline"]) == (0.1235, 0.1111, None, 0.5)
    assert data["rows"][-1]["values"][0] == known[0].rows


def test_all_history_is_coarse_and_says_which_part_is_shown() -> None:
    one, day = flights().windows["1d"][0], 86_400 * 10**9
    known = [
        structs.replace(one, window=structs.replace(one.window, start=start, end=start + day))
        for start in (one.window.start + at * day for at in range(1000))
    ]
    parts = history_parts(known, ["healthy"] * len(known), known[-90:])
    assert len(parts) <= COARSE
    assert sum(part.rows for part in parts) == 1000 * one.rows
    assert all(before.end <= after.start for before, after in pairwise(parts))
    assert sum(part.is_shown for part in parts) == 18
    assert history_parts([], [], []) == []


def test_a_gap_says_when_it_is_how_many_windows_lack_and_whether_any_waits() -> None:
    model = flights()
    known = [*model.windows["1mo"][:2], *model.windows["1mo"][4:]]
    gaps = gaps_of(known, model)
    assert [(gap.start, gap.end, gap.windows) for gap in gaps] == [(ns(2013, 5, 1), ns(2013, 7, 1), 2)]
    assert gaps[0].words == "1 May to 30 June 2013: 2 windows without predictions"
    model.pending_windows = 2
    assert gaps_of(known, model)[0].words.endswith("2 windows not evaluated yet, or without predictions")
    assert gaps_of(model.windows["1mo"], model) == ()
    data = timeline_data(timeline_of(known, None, "log_loss", None, model))
    assert [gap[:2] for gap in data["gaps"]] == [[ns(2013, 5, 1) // 10**9, ns(2013, 7, 1) // 10**9]]
