"""The overview of a model: the verdict first, four numbers, one timeline, and why."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import pytest
from driftline.tables.table import ModelKey
from driftline.tables.task import Task
from driftline_processor.core import facts
from driftline_processor.core.evaluation import (
    Cause,
    Change,
    Delay,
    Estimate,
    Evaluation,
    Explanation,
    MetricChange,
    MetricValue,
    ObjectiveState,
    SlaResult,
    SlicePerformance,
    Verdict,
    WeakSearch,
    WeakSlice,
)
from driftline_processor.core.fact import Fact
from driftline_processor.core.labels.delay import OutcomeDelay
from driftline_processor.core.verdict.trailing_periods import trailing_periods
from driftline_processor.ingest.completeness import Balance
from driftline_processor.present.sentences.verdict import verdict_action, verdict_headline, verdict_sentence
from driftline_processor.present.times import window_name
from driftline_processor.present.wording import iso_time, keep_units
from driftline_processor.queries.model_view import ModelView
from driftline_processor.web.pages import overview
from driftline_processor.web.pages.overview import TextPart, figures, linked, measured_window, told_window
from driftline_processor.web.place import Place
from driftline_processor.web.selection import Selection, select
from msgspec import structs
from msgspec.structs import replace
from starlette.testclient import TestClient

from tests.support.fake_view import FakeView, animals, flights, fraud, learning, many, ns, price
from tests.support.html_page import Page, page
from tests.support.unwrap import unwrap

Browse = Callable[[FakeView], TestClient]


def selected(model: ModelView, **place: str) -> Selection:
    return select(Place(model.key.model, **place), [model])  # type: ignore[arg-type]


def month(model: ModelView, at: int) -> tuple[Evaluation, str]:
    chosen = model.windows["1mo"][at]
    return chosen, f"/models/flights?window=1mo&at={iso_time(chosen.window.start)}"


def test_a_model_page_begins_with_the_sentence_and_what_to_do(browse: Browse) -> None:
    verdict = unwrap(flights().verdict)
    text = page(browse(many()), "/models/flights").text
    begins = text.index(verdict_headline(verdict))
    assert text.index("flights winter demo") < begins < text.index("56,965 rows")
    assert "▲" not in text  # signs are the style sheet's
    assert begins < text.index(verdict_action(verdict)) < text.index("log loss 0.65")
    assert begins < text.index(verdict_sentence(verdict))  # among the details


def test_the_numbers_are_of_the_days_that_show_the_verdict_together(model: ModelView) -> None:
    assert model.verdict is not None
    was = MetricValue(0.5, 9_000, "panes", low=0.49, high=0.51)
    days = [one for one in model.windows["1d"] if one.closed][-10:]
    for one in days:
        one.maturity, one.outcome_rows, one.reference = "mature", 500, {"log_loss": was}
        one.realized = {"log_loss": MetricValue(0.5, 500, "panes", low=0.45, high=0.55, interval="blocks")}
        one.realized_changes = {"log_loss": MetricChange("inconclusive", 0.0, -0.05, 0.05, margin=0.04)}
    (week, *_) = trailing_periods(days).windows
    start, end = week.window.start, week.window.end
    certainty = (facts.DaysTogether(days=10),)
    model.verdict = structs.replace(model.verdict, window_start=start, window_end=end, certainty=certainty)
    shown = measured_window(selected(model), model.windows["1d"][-1])
    assert (shown.window, shown.outcome_rows) == (week.window, week.outcome_rows)
    assert figures(selected(model), shown)[0].title == "log loss"
    context = overview.page(selected(model), ns(2014, 1, 1)).context
    assert context["chosen"] is not shown
    assert context["figures_of"] == window_name(week.window)


RISE = facts.ErrorsRose(metric="error_rate", before=0.176, after=0.65)


def test_a_number_and_its_sign_of_per_cent_stay_on_one_line(browse: Browse, model: ModelView) -> None:
    assert model.verdict is not None
    model.verdict = structs.replace(model.verdict, reasons=(RISE,))
    shown = browse(FakeView([model])).get("/models/flights").text
    assert "17.6\u00a0%" in shown
    assert "65\u00a0%" in shown


def test_an_objective_that_cannot_be_told_says_why(browse: Browse, model: ModelView) -> None:
    model.outcome_delay = OutcomeDelay(700 * 86_400 * 10**9, "configured")
    told = unwrap(told_window(selected(model)))
    untold = ObjectiveState("roc_auc", "roc_auc >= 0.75", "inconclusive", None, None, None, 20, reason="too_few_days")
    told.objectives = (untold,)
    text = page(browse(FakeView([model])), "/models/flights").text
    assert f"{untold.rule} inconclusive: not final" in text
    model.outcome_delay = OutcomeDelay(0, "configured")
    text = page(browse(FakeView([model])), "/models/flights").text
    assert f"{untold.rule} inconclusive: too few days" in text


def test_the_numbers_are_of_the_window_that_the_verdict_is_about(model: ModelView) -> None:
    assert model.verdict is not None
    told = model.windows["1d"][-30]
    about = structs.replace(model.verdict, window_start=told.window.start, window_end=told.window.end)
    model.verdict = about
    assert told_window(selected(model)) == told
    other = model.windows["1mo"][2]
    assert told_window(selected(model, window="1mo", at=iso_time(other.window.start))) == other
    assert told_window(selected(model, window="1mo")) == model.windows["1mo"][-1]
    told = model.windows["1mo"][-2]
    told.estimated["log_loss"] = Estimate(0.5, 0.4, 0.6, 0.05, None, None, None, 900, "rows", "cbpe")
    model.verdict = structs.replace(about, window_start=told.window.start, window_end=told.window.end)
    assert told_window(selected(model)) is not told  # a page has its track record
    assert overview.page(selected(model), ns(2014, 1, 1)).context["figures_of"] == ""
    model.verdict = None
    assert told_window(selected(model)) == model.windows["1mo"][-1]


def test_four_numbers_stand_for_a_window_with_what_they_are_read_against(model: ModelView) -> None:
    told = model.windows["1mo"][-1]
    told.realized |= {
        "log_loss": MetricValue(0.69, 900, "rows", low=0.54, high=0.84),
        "log_loss_constant": MetricValue(0.64, 900, "rows"),
        "mean_score": MetricValue(0.14, 900, "rows"),
        "actual_rate": MetricValue(0.31, 900, "rows", low=0.28, high=0.34),
        "roc_auc": MetricValue(0.68, 900, "rows", low=0.66, high=0.7),
    }
    told.realized_changes = {"roc_auc": MetricChange("not_worse", 0.0)}
    told.constant_comparison = MetricChange("worse", 0.05)
    told.delay = Delay(400, 12 * 3600, 5 * 86_400, None)
    found = [(one.title, one.value, one.interval, one.reference, one.bad) for one in figures(selected(model), told)]
    assert found == [
        ("log loss", "0.69", "0.54 to 0.84", "constant prediction 0.64, baseline 0.5", True),
        ("predicted rate", "14 %", "", "actual rate 31 % (28 % to 34 %)", False),
        ("ROC AUC", "0.68", "0.66 to 0.7", "baseline 0.661", False),
        ("known outcomes", "96 %", "5,311 of 5,533", "half arrive within 12 hours", False),
    ]


@pytest.mark.parametrize(
    ("model", "titles"),
    [
        (price(), ["MAE", "RMSE", "R²", "known outcomes"]),
        (animals(), ["accuracy", "log loss", "predicted class drift, PSI", "known outcomes"]),
        (fraud(), ["drifted inputs", "predictions", "known outcomes"]),
        (learning(), ["drifted inputs", "predictions", "known outcomes"]),
    ],
    ids=["regression", "multiclass", "without outcomes", "learning"],
)
def test_each_kind_of_model_has_the_numbers_of_its_task(model: ModelView, titles: list[str]) -> None:
    selection = selected(model)
    told = unwrap(told_window(selection))
    assert [one.title for one in figures(selection, told)] == titles


def test_a_ranking_is_read_by_its_lists() -> None:
    model = price()
    model.task = Task("ranking")
    told = model.windows["1d"][0]
    told.realized = {name: MetricValue(0.4, 12, "rows") for name in ("ctr", "mrr@10", "ndcg@10", "hit_rate@1")}
    titles = [one.title for one in figures(selected(model), told)]
    assert titles == ["NDCG@10", "MRR@10", "click rate", "known outcomes"]


def test_features_that_a_sentence_names_lead_to_their_pages() -> None:
    selection = selected(flights())
    assert linked("temp, wind_speed; temperature", ["temp", "wind_speed", "dewp"], selection) == [
        TextPart("temp", "/models/flights/features/temp"),
        TextPart(", "),
        TextPart("wind_speed", "/models/flights/features/wind_speed"),
        TextPart("; temperature"),
    ]
    assert linked("Retrain the model.", ["it.*"], selection) == [TextPart("Retrain the model.")]


LABEL = facts.LookAgain(then=facts.SendOutcomesOrLabel(needed=facts.Needed(200, "accuracy")))


def test_what_to_do_has_links_that_do_it(browse: Browse, model: ModelView) -> None:
    assert model.verdict is not None
    chosen, address = month(model, -1)
    model.verdict = structs.replace(model.verdict, state="degraded", advice=LABEL)
    found = page(browse(FakeView([model])), address)
    at = f"window=1mo&at={iso_time(chosen.window.start).replace(':', '%3A')}"
    assert f"/models/flights/predictions?{at}" in found.links
    assert f"/models/flights/drift?{at}" in found.links
    assert "/api/v1/models/flights/label-next?version=winter&environment=demo&format=csv" in found.links


def test_why_a_window_drifts_is_told_in_sentences_that_lead_to_features(browse: Browse, model: ModelView) -> None:
    chosen, address = month(model, -2)
    names = ("temp", "<dewp>", "humid", "carrier")
    causes = [Cause((name,), "", 0.4, (Change("values below 5", 0.41, 0.06),)) for name in names]
    chosen.explanation = Explanation(tuple(causes))
    text = browse(FakeView([model])).get(address).text
    section = text.partition('<section id="causes"')[2].partition("</section>")[0]
    assert section.count("<li>") == 2
    assert "2 of 4" in section
    assert "features/temp?" in section
    assert "&lt;dewp&gt;</a> has drifted" in section
    assert "humid" not in section


@pytest.mark.parametrize(
    ("reason", "title"),
    [(facts.NoInputExplains(meaning=False), "Also drifted"), (facts.InputsExplain(share=0.6), "Why")],
)
def test_inputs_are_listed_as_the_reason_only_where_the_verdict_says_so(
    browse: Browse, model: ModelView, reason: Fact, title: str
) -> None:
    for window in model.windows["1mo"]:
        window.explanation = Explanation((Cause(("temp",), "", 0.4, (Change("values below 5", 0.41, 0.06),)),))
    degraded = Verdict("degraded", ns(2013, 6, 1), reasons=(reason,))
    text = browse(FakeView([replace(model, verdict=degraded)])).get("/models/flights?window=1mo").text
    assert f"<h3>{title}</h3>" in text.partition('<section id="causes"')[2]


def test_the_weakest_slices_are_named_with_their_values(browse: Browse, model: ModelView) -> None:
    chosen, address = month(model, -2)
    weak = WeakSlice("error", (), 900, 0.3, 0.2, 0.4, 0.1, 1e-6, 0.1)
    chosen.weak = WeakSearch((weak,), 900, 3, 3)
    worst = MetricValue(0.61, 90, "rows", low=0.5, high=0.7)
    for name, value in (("origin=<JFK>", worst), ("origin=EWR", MetricValue(0.9, 90, "rows"))):
        chosen.performance_slices[name] = SlicePerformance(90, {"accuracy": value})
    text = page(browse(FakeView([model])), address).text
    assert "origin=<JFK> accuracy 61 % (50 % to 70 %)" in text
    assert text.index("origin=<JFK>") < text.index("origin=EWR")


def test_objectives_say_their_state_the_broken_ones_first(browse: Browse, model: ModelView) -> None:
    chosen, address = month(model, -2)
    chosen.objectives = tuple(
        ObjectiveState(metric, f"{metric} >= 0.9", state, 0.8, 0.7, 0.9, 900, limit=0.9)  # type: ignore[arg-type]
        for metric, state in (("recall", "met"), ("accuracy", "inconclusive"), ("precision", "broken"), ("f1", "met"))
    )
    text = browse(FakeView([model])).get(address).text
    section = text.partition('<section id="overview-objectives"')[2].partition("</section>")[0]
    assert re.findall(r">([a-z1]+) &gt;= 0.9<", section) == ["precision", "accuracy"]
    assert '<span class="bad">broken</span>' in section
    assert "2 of 4" in section


def test_what_lasts_is_told_whatever_range_is_shown_and_leads_to_its_incident(browse: Browse) -> None:
    model = replace(flights(), verdict=None)
    for one in model.windows["1mo"][-3:]:
        one.incident = {"feature:temp": ns(2013, 10, 1), "score": ns(2013, 11, 1)}
    client = browse(FakeView([model]))
    _, address = month(model, -2)
    for shown in (address, "/models/flights?window=1mo&from=2013-03-01&to=2013-05-01"):
        found = page(client, shown)
        assert "Incidents 2 open open since 1 November 2013" in found.text
        (link,) = [one for one in found.links if one.startswith("/models/flights/incidents") and "#incident-" in one]
        assert link.partition("#")[2] in page(client, link.partition("#")[0]).ids


def test_what_is_over_is_no_incident_of_the_overview(browse: Browse) -> None:
    model = replace(flights(), verdict=None)
    for one in model.windows["1mo"]:
        one.incident = {"score": ns(2013, 2, 1)} if one.window.start == ns(2013, 2, 1) else {}
    assert 'id="incidents"' not in browse(FakeView([model])).get("/models/flights").text


def test_the_timeline_has_one_link_a_window_and_one_stop_of_the_tab_key(browse: Browse) -> None:
    text = browse(many()).get("/models/flights?window=1d").text
    drawn = text[text.index('<svg class="over-time"') :].partition("</svg>")[0]
    assert drawn.count("<a ") == 90
    assert drawn.count('tabindex="-1"') == 89
    assert drawn.count('aria-current="true"') == 1
    assert "31 December 2013: log loss 0.66" in drawn
    block = text[text.index('id="timeline-data">') + 19 :].partition("</script>")[0]
    data = json.loads(block)
    assert len(data["starts"]) == 90
    assert [row["title"] for row in data["rows"]] == [
        "log loss, log loss of a constant",
        "score drift",
        "drifted inputs",
        "predictions",
    ]
    assert len(block) < 8_400


def test_a_model_without_outcomes_says_so_and_how_to_send_them(browse: Browse) -> None:
    text = page(browse(many()), "/models/fraud").text
    verdict = unwrap(fraud().verdict)
    assert verdict_sentence(verdict) in text
    assert "none of 1,300 predictions" in text
    assert "baseline: card_age, country, velocity_1h" in text
    assert "baseline: device" in text
    assert "missing: card_age, country, velocity_1h; new: device." in text


def test_a_model_that_learns_says_what_lacks(browse: Browse) -> None:
    text = page(browse(many()), "/models/churn").text
    assert "No verdict yet" in text
    assert text.index("10 of 1,000 rows") < text.index("drifted inputs –")


def test_a_model_without_a_window_has_an_overview(browse: Browse) -> None:
    model = replace(learning(), windows={"1h": []})
    text = page(browse(FakeView([model])), "/models/churn").text
    assert "10 of 1,000 rows" in text


def test_a_window_whose_outcomes_may_still_arrive_is_not_final(browse: Browse) -> None:
    model = fraud()
    assert "not final" not in page(browse(FakeView([model])), "/models/fraud").text
    model.outcome_delay = OutcomeDelay(2 * 86_400 * 10**9, "configured")
    text = page(browse(FakeView([model])), "/models/fraud").text
    assert "until 3 January 2014, 08:00" in text
    assert "not final" in text


def test_how_late_outcomes_come_and_what_was_agreed_is_a_line_of_the_window(browse: Browse) -> None:
    model, day = flights(), 86_400
    chosen, address = month(model, 0)
    client = browse(FakeView([model]))
    assert 'id="lateness"' not in client.get(address).text
    chosen.delay = Delay(400, day, 5 * day, None)
    chosen.label_sla = SlaResult("broken", 7 * day * 10**9, 0.95, 0.5, 0.6, 500)
    assert (
        keep_units(
            '<p class="bad" id="lateness">Half of its outcomes arrived within 1d, 90 % within 5d, some later than '
            "730d. Label SLA broken: 50 % to 60 % of predictions had their outcome within 7d; "
            "the agreed minimum is 95 %.</p>"
        )
        in client.get(address).text
    )


def test_what_nobody_reviewed_is_said(browse: Browse, model: ModelView) -> None:
    chosen, address = month(model, 0)
    client = browse(FakeView([model]))
    assert 'id="unreviewed"' not in client.get(address).text
    chosen.unreviewed = {"late": 9_500}
    said = '<p class="bad" id="unreviewed">None of the 9,500 rows that were predicted &#39;late&#39; has an outcome: '
    assert said in client.get(address).text


def test_the_open_window_says_that_it_is_open_and_when_it_closes(browse: Browse) -> None:
    text = page(browse(many()), "/models/flights?window=1d&at=2014-01-01T08:00:00Z").text
    assert re.search(r"is open: 64 rows so far; [^.]* 2 January 2014, 00:10", text)
    learned = page(browse(many()), "/models/churn").text
    assert "10 rows so far, 10 of 1,000 " in learned


def test_what_a_window_is_compared_with_is_said_where_that_is_not_the_whole_baseline(
    browse: Browse, model: ModelView
) -> None:
    chosen, address = month(model, -2)
    chosen.compared = (facts.SameSeason(season="hour", thin=0, repeats=None),)
    assert "the same hours" in Page(browse(FakeView([model])).get(address).text).part("compared")
    assert 'id="compared"' not in browse(many()).get("/models/flights?window=1mo").text


def test_a_window_is_not_said_to_have_no_outcome_while_windows_wait(browse: Browse) -> None:
    model = fraud()
    model.outcomes, model.waiting = 12_789, 3
    waits = "3 windows of the model wait"
    client = browse(FakeView([model]))
    for address in ("/models/fraud", "/models/fraud/performance"):
        text = page(client, address).text
        assert waits in text
    model.waiting = 0
    text = page(browse(FakeView([model])), "/models/fraud").text
    assert waits not in text
    assert "12,789 joined outcomes" in text


def test_windows_are_named_in_the_models_own_time_zone(browse: Browse) -> None:
    model = price()
    model.timezone = "America/New_York"
    model.windows["1d"][0].window = structs.replace(model.windows["1d"][0].window, start=ns(2013, 12, 31, 5))
    assert "31 December 2013" in page(browse(FakeView([model])), "/models/price").text
    model.timezone = "Not/AZone"
    assert page(browse(FakeView([model])), "/models/price").text


def test_a_page_says_where_its_numbers_come_from_and_what_has_not_arrived(browse: Browse) -> None:
    model = price()
    windows = {
        name: [structs.replace(each, distributed=each.rows) for each in known] for name, known in model.windows.items()
    }
    stretch = (ns(2014, 1, 1, 7), ns(2014, 1, 1, 8))
    rowless = replace(model, rows=0, distributed=812, windows=windows, balance=Balance(90.0, 120.0, *stretch))
    client = browse(FakeView([rowless]))
    said = page(client, "/models/price").text
    assert "812 rows received only as distributions" in said
    assert re.search("75 % of the 120 counted predictions [^.]*1 January 2014, 07:00 to 08:00", said)
    unjoined = [structs.replace(each, outcome_rows=0, realized={}) for each in windows["1d"]]
    without = browse(FakeView([replace(rowless, windows={"1d": unjoined})]))
    assert "distributions" in page(without, "/models/price").text
    assert "sent no rows" in page(without, "/models/price/performance").text
    rows = page(browse(FakeView([model])), "/models/price").text
    assert "distributions" not in rows
    assert "counted prediction" not in rows


def test_hostile_names_stay_text_and_never_end_the_data_block(browse: Browse, model: ModelView) -> None:
    hostile = "</script><script>alert(1)</script>"
    chosen, address = month(model, -2)
    chosen.performance_slices = {f"a={hostile}": SlicePerformance(9, {"accuracy": MetricValue(0.1, 9, "rows")})}
    chosen.objectives = (ObjectiveState("log_loss", hostile, "broken", 0.8, 0.7, 0.9, 900, limit=0.9),)
    newest = model.windows["1mo"][-1]
    newest.objectives = chosen.objectives
    other = replace(flights(), key=ModelKey("flights", hostile, "demo"), first=ns(2013, 6, 1, 5))
    text = browse(FakeView([model, other])).get(f"{address}&version=winter").text
    assert "<script>alert" not in text
    block = text[text.index('id="timeline-data">') + 19 :].partition("</script>")[0]
    data = json.loads(block)
    assert data["rows"][0]["limits"] == [[hostile, 0.9]]
    assert [mark["words"] for mark in data["marks"] if mark["kind"] == "deployment"] == [
        "version winter",
        "version </script><script>alert(1)</scri…",
    ]
    assert Page(text).styles == []


def test_the_verdict_box_says_a_verdict_that_somebody_wrote_to_break_it(browse: Browse) -> None:
    hostile = "<b>x</b> \x1b[2J"
    advice = facts.RepairColumns(columns=(hostile,), fault=facts.ColumnMoved(name=hostile))
    verdict = Verdict("degraded", reasons=(facts.ColumnMoved(name=hostile),), advice=advice)
    text = browse(FakeView([replace(price(), verdict=verdict)])).get("/models/price").text
    assert "<b>x" not in text
    assert "\x1b" not in text
    assert text.count("&lt;b&gt;x&lt;/b&gt;") >= 2


def test_a_year_of_days_with_two_hundred_features_is_a_small_page(browse: Browse) -> None:
    one, day = flights().windows["1d"][0], 86_400 * 10**9
    features = {f"f{at}": structs.replace(one.features["temp"], name=f"f{at}") for at in range(200)}
    year = [
        structs.replace(one, window=structs.replace(one.window, start=start, end=start + day), features=features)
        for start in (one.window.start + at * day for at in range(365))
    ]
    client = browse(FakeView([replace(flights(), windows={"1d": year}, verdict=None)]))
    assert len(client.get("/models/flights").content) < 120_000


@pytest.mark.parametrize("tab", ["", "/drift", "/performance", "/data", "/versions", "/incidents", "/features/temp"])
def test_each_page_says_that_windows_wait_to_be_judged(browse: Browse, tab: str) -> None:
    said = "40 windows are waiting to be evaluated"
    model = replace(flights(), pending_windows=40, waiting=41)
    assert said in page(browse(FakeView([model])), f"/models/flights{tab}").text
    assert (
        "wait to be judged"
        not in page(browse(FakeView([replace(model, pending_windows=0)])), f"/models/flights{tab}").text
    )
