"""The page of a model's performance: objectives, metrics with their intervals, curves, slices."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from driftline.tables.table import ModelKey
from driftline_processor.config.model import Model
from driftline_processor.core.concept.result import Change, ConceptDrift
from driftline_processor.core.evaluation import (
    Estimate,
    Fairness,
    FairnessCriterion,
    GroupComparison,
    GroupRate,
    GroupRates,
    MetricChange,
    MetricValue,
    ObjectiveState,
    SliceCondition,
    SlicePerformance,
    WeakSearch,
    WeakSlice,
)
from driftline_processor.core.labels.delay import OutcomeDelay
from driftline_processor.present.wording import iso_time, keep_units
from driftline_processor.queries.model_view import ModelView
from driftline_processor.queries.weak_slices import WeakSlicesOfWindows
from driftline_processor.state import State
from msgspec import structs
from starlette.testclient import TestClient

from tests.support.estimated_models import build, frame
from tests.support.fake_view import FakeView, animals, app_of, flights, many, ns
from tests.support.html_page import Page, page
from tests.support.state_rows import HOUR, NOON, Clock, Opened, config, outcomes, predictions

Browse = Callable[[FakeView], TestClient]

JULY = "/models/flights/performance?window=1mo&at=2013-07-01"


def card(text: str, metric: str) -> str:
    """Return the chart of a metric, with what stands above it."""
    return text[text.index(f'id="metric-{metric}"') :].partition("</article>")[0]


def test_the_metrics_that_stand_for_a_model_are_open_and_the_others_folded(browse: Browse) -> None:
    text = browse(many()).get(JULY).text
    ids = [one for one in Page(text).ids if one.startswith(("metric-", "more"))]
    assert ids == [
        *("metric-log_loss", "metric-mean_score", "metric-roc_auc", "more-metrics"),
        *("metric-accuracy", "metric-precision", "metric-recall", "metric-brier", "metric-specificity"),
    ]
    assert text.index('<details id="more-metrics">') < text.index('id="metric-accuracy"')


def test_objectives_stand_first_the_broken_ones_before_the_others(browse: Browse, model: ModelView) -> None:
    chosen = model.windows["1mo"][4]
    chosen.objectives = tuple(
        ObjectiveState(metric, f"{metric} >= 0.9", state, 0.8, 0.7, 0.9, 900, limit=0.9)  # type: ignore[arg-type]
        for metric, state in (("recall", "met"), ("accuracy", "broken"))
    )
    text = browse(FakeView([model])).get(JULY).text
    section = text.partition('id="objectives"')[2].partition("</table>")[0]
    assert section.index(">broken<") < section.index(">met<")
    assert text.index('id="objectives"') < text.index('id="metric-log_loss"')
    assert " on 900 rows" in section


def test_a_metric_says_its_interval_its_baseline_and_which_direction_is_good(browse: Browse, model: ModelView) -> None:
    chosen = model.windows["1mo"][4]
    chosen.realized["accuracy"] = MetricValue(0.7, 900, "rows", low=0.66, high=0.74, interval="blocks")
    chosen.reference["accuracy"] = MetricValue(0.79, 10_000, "panes", low=0.77, high=0.81)
    chosen.realized_changes = {"accuracy": MetricChange("worse", -0.09, -0.12, -0.06)}
    text = browse(FakeView([model])).get(JULY).text
    said = Page(f"<p>{card(text, 'accuracy').partition('>')[2].partition('<svg')[0]}</p>").text
    assert said == ("accuracy 70 % 66 % to 74 % baseline 79 % (77 % to 81 %) worse than the baseline higher is better")
    drawn = card(text, "accuracy")
    assert drawn.count('class="interval"') == 1  # one window alone has an interval, so no area
    assert drawn.count('class="usual"') == 1
    assert keep_units("July 2013: accuracy 70 % (66 % to 74 %), outcomes for 96 % of 5,348 rows") in drawn


def test_intervals_of_windows_that_follow_each_other_are_one_area(browse: Browse, model: ModelView) -> None:
    for one in model.windows["1mo"]:
        one.realized["accuracy"] = MetricValue(0.7, 900, "rows", low=0.66, high=0.74)
    drawn = card(browse(FakeView([model])).get(JULY).text, "accuracy")
    assert drawn.count('path class="band"') == 1
    assert drawn.count('class="interval"') == 0


def test_an_objective_is_a_line_with_its_words(browse: Browse, model: ModelView) -> None:
    newest = model.windows["1mo"][-1]
    newest.objectives = (
        ObjectiveState("accuracy", "accuracy >= 0.75", "broken", 0.7, 0.6, 0.74, 900, limit=0.75),
        ObjectiveState("accuracy", "accuracy >= baseline - 0.05", "met", 0.7, 0.6, 0.74, 900, limit=-0.05),
        ObjectiveState("accuracy", "accuracy >= 0.8 in a=1", "met", 0.7, 0.6, 0.74, 900, limit=0.8, slice="a=1"),
    )
    text = browse(FakeView([model])).get(JULY).text
    assert card(text, "accuracy").count('line class="objective"') == 2
    assert ">accuracy &gt;= baseline - 0.05</text>" in card(text, "accuracy")
    assert card(text, "roc_auc").count('line class="objective"') == 0


def test_an_unknown_value_is_a_gap_and_never_a_zero(browse: Browse) -> None:
    drawn = card(browse(many()).get("/models/flights/performance?window=1mo&at=2013-08-01").text, "precision")
    assert "precision</a> –</h3>" in drawn
    assert drawn.count('circle class="dot"') == 9  # ten months, one unknown
    assert drawn.count('path class="line"') == 2
    assert keep_units("precision –, outcomes for 96 % of 5,385 rows") in drawn


def test_an_open_window_is_hollow_and_one_that_waits_for_outcomes_pale(browse: Browse, model: ModelView) -> None:
    model.outcome_delay = OutcomeDelay(40 * 86_400 * 10**9, "configured")
    for one in model.windows["1mo"]:
        one.coverage = 0.5
    drawn = card(browse(FakeView([model])).get(JULY).text, "log_loss")
    assert drawn.count('circle class="dot"') == 8
    assert drawn.count('circle class="dot young"') == 2
    for rows, drawn_open in ((29, 0), (30, 1)):  # an open window with fewer outcomes has no dot
        view = flights()
        newest = view.windows["1d"][-1]
        newest.realized = {"log_loss": structs.replace(newest.realized["log_loss"], rows=rows)}
        days = card(browse(FakeView([view])).get("/models/flights/performance?window=1d").text, "log_loss")
        assert days.count('circle class="dot open"') == drawn_open


def test_a_chart_is_one_stop_of_the_tab_key_and_has_a_table(browse: Browse) -> None:
    text = browse(many()).get("/models/flights/performance?window=1d").text
    drawn = card(text, "log_loss")
    assert drawn.partition("<svg")[2].count("<a ") == 90
    assert drawn.count('tabindex="-1"') == 89
    table = text.partition('<details id="values-by-window">')[2].partition("</details>")[0]
    assert table.count("<tr>") == 91
    assert '<th scope="col">log loss</th>' in table
    assert "2014-01-01</a>, open</th>" in table


def test_a_realized_value_says_what_it_is_from_and_how_exact_it_is(browse: Browse) -> None:
    model = animals()
    model.windows["1d"][0].realized = {
        "roc_auc": MetricValue(0.522, 400, "panes", 0.001278),
        "accuracy": MetricValue(0.91, 398, "rows"),
    }
    text = page(browse(FakeView([model])), "/models/animals/performance").text
    assert "ROC AUC 0.522 (exact to 0.0013) – – 400 counts" in text
    assert "accuracy 0.91 – – 398 rows" in text


def test_a_slice_leads_to_its_own_charts(browse: Browse, model: ModelView) -> None:
    for place, one in enumerate(model.windows["1mo"]):
        low = MetricValue(0.6 + place / 100, 90, "rows", low=0.55, high=0.7)
        one.performance_slices = {
            "origin=JFK": SlicePerformance(90, {"accuracy": low}, 100),
            "origin=EWR": SlicePerformance(90, {"accuracy": MetricValue(0.8, 90, "rows")}, 100),
        }
    client = browse(FakeView([model]))
    whole = client.get(JULY).text
    section = whole.partition('<section id="performance-slices">')[2].partition("</section>")[0]
    assert section.index("origin=JFK") < section.index("origin=EWR")
    assert section.count('svg class="interval-line"') == 2
    address = f"{JULY}&slice=origin%3DJFK".replace("window=1mo&at=2013-07-01", "window=1mo&at=2013-07-01")
    assert any(link.endswith("slice=origin%3DJFK") for link in Page(whole).links)
    found = page(client, address)
    assert "Performance where origin=JFK, July 2013" in found.text
    assert [one for one in found.ids if one.startswith("metric-")] == ["metric-accuracy"]
    assert "accuracy 64 % 55 % to 70 % all rows 68.5 %" in found.text
    assert '<tr class="is-chosen">' in client.get(address).text
    rows = client.get(f"{address}&format=json").json()["windows"]
    assert rows[0]["slice"] == "origin=JFK"
    assert rows[0]["value"] == 0.6


def test_a_page_leads_to_its_weak_slices_and_to_what_to_label_next(browse: Browse) -> None:
    start = ns(2013, 3, 1)
    found = page(browse(many()), f"/models/flights/performance?window=1mo&at={iso_time(start)}")
    asked = "version=winter&environment=demo"
    assert f"/api/v1/models/flights/weak-slices?{asked}&window=1mo&start=2013-03-01T00%3A00%3A00Z" in found.links
    assert f"/api/v1/models/flights/label-next?{asked}&format=csv" in found.links


def test_a_model_without_outcomes_says_how_to_send_them(browse: Browse) -> None:
    text = page(browse(many()), "/models/fraud/performance").text
    assert "driftline.Model('fraud').outcome(id, actual=…)" in text


def test_concept_drift_is_a_line_above_the_performance(browse: Browse, model: ModelView) -> None:
    address = "/models/flights/performance"
    assert 'id="concept"' not in browse(FakeView([model])).get(address).text
    change = Change(ns(2013, 6, 20), ns(2013, 6, 25), 0.17, 0.26)
    model.concept = ConceptDrift("drift", outcomes=9, since=change.since, before=0.17, after=0.274, changes=(change,))
    shown = page(browse(FakeView([model])), address)
    assert shown.classes["concept"] == ["bad"]
    assert re.findall(r"[\d.]+ %|\d+ June 2013", shown.part("concept")) == ["17 %", "27.4 %", "20 June 2013"]
    model.concept = ConceptDrift("unknown", reason="no_outcomes")
    assert "unknown" in page(browse(FakeView([model])), address).part("concept")


def test_scores_and_decisions_of_a_window_are_drawn_small_and_say_what_they_show(browse: Browse) -> None:
    client = browse(many())
    text = client.get("/models/flights/performance?window=1mo&at=2013-11-15").text
    found = Page(text)
    assert {"curve-roc", "curve-precision_recall", "curve-calibration", "curve-gain", "confusion"} <= set(found.ids)
    section = text[text.index('<section id="curves">') :].partition("</section>")[0]
    assert len(section) < 20_000
    assert section.count('role="img" aria-label=') == section.count("<desc>") == 4
    assert "actual decisions: false positive rate 0.132, recall 0.424" in section
    assert section.count('scope="row"') == 2
    animals_page = client.get("/models/animals/performance").text
    assert "curve-roc" not in Page(animals_page).ids
    assert "actual bird, predicted cat: 7.5 % of bird" in animals_page
    assert "curves" not in page(client, "/models/price/performance").ids


def test_estimates_that_outcomes_contradict_are_folded_below_what_was_realized(
    browse: Browse, model: ModelView
) -> None:
    chosen = next(one for one in model.windows["1mo"] if one.window.start == ns(2013, 7, 1))
    chosen.estimated = {"roc_auc": Estimate(0.9, 0.88, 0.92, 0.01, 0.87, 0.93, False, 900, "panes", "cbpe", 0.9)}
    chosen.realized["roc_auc"] = MetricValue(0.2, 200, "rows", low=0.14, high=0.28)
    text = browse(FakeView([model])).get(JULY).text
    section = text[text.index('<section id="estimated">') :].partition("</section>")[0]
    said = section.index("Outcomes contradict the estimate of ROC AUC: 0.2 was realized in the window of July 2013")
    assert said < section.index('<details id="estimates-contradicted">') < section.index('id="estimate-roc_auc"')
    assert "within the bounds" not in section
    assert "No outcome has come" not in section
    chosen.realized["roc_auc"] = MetricValue(0.9, 200, "rows", low=0.85, high=0.94)
    text = browse(FakeView([model])).get(JULY).text
    assert "estimates-contradicted" not in text
    assert "within the bounds" in text


def test_the_table_of_windows_says_where_some_are_missing(browse: Browse, model: ModelView) -> None:
    del model.windows["1mo"][2:4]
    model.pending_windows = 2
    text = browse(FakeView([model])).get("/models/flights/performance?window=1mo").text
    table = text.partition('id="values-by-window"')[2].partition("</table>")[0]
    words = "1 May to 30 June 2013: 2 windows not evaluated yet, or without predictions"
    assert table.count(words) == 1
    assert table.index(">2013-07<") < table.index(words) < table.index(">2013-04<")


def test_first_sight_says_value_baseline_difference_and_what_it_means(browse: Browse, model: ModelView) -> None:
    chosen = model.windows["1mo"][4]
    chosen.realized["roc_auc"] = MetricValue(0.6, 900, "rows", low=0.56, high=0.64)
    chosen.reference["roc_auc"] = MetricValue(0.7, 10_000, "panes", low=0.69, high=0.71)
    chosen.realized_changes = {
        "roc_auc": MetricChange("worse", -0.1, -0.14, -0.06),
        "log_loss": MetricChange("inconclusive", 0.2, -0.05, 0.45, reason="too_few_days"),
    }
    html = browse(FakeView([model])).get(JULY).text
    begin = html.index('id="at-a-glance"')
    assert begin < html.index('id="metric-log_loss"')
    section = html[begin:].partition("</ul>")[0]
    said = Page(f"<p>{section.partition('>')[2]}</p>").text
    worse = "ROC AUC July 2013 0.6 0.56 to 0.64 baseline 0.7 0.69 to 0.71 difference −0.1 −0.14 to −0.06 "
    assert worse in said
    assert "900 outcomes" in said.partition(worse)[2]
    assert "difference +0.2 −0.05 to +0.5 " in said
    rate = said.partition("predicted rate July 2013 13.5 % baseline – ")[2]
    assert "5,134 outcomes" in rate
    assert "31.5 %" in rate


def meaning(browse: Browse, metric: str, **changes: MetricChange) -> str:
    """Return what the block of a metric of July says of its difference from the baseline."""
    model = flights()
    model.windows["1mo"][4].realized_changes = dict(changes)
    blocks = browse(FakeView([model])).get(JULY).text.partition('id="at-a-glance"')[2].partition("</ul>")[0]
    block = next(one for one in blocks.split("<li") if f"#metric-{metric}" in one)
    return Page(block.rpartition("<p>")[2].partition("</p>")[0]).text.replace("\N{NO-BREAK SPACE}", " ")


WORSE_BUT_CHANCE = MetricChange("inconclusive", 0.185, 0.05, 0.35, p_value=0.024, reason="too_few_days")
"""A log loss whose own interval is clear of no difference, which the correction over metrics takes back."""


def test_a_loss_that_the_correction_over_metrics_takes_back_is_said_to_be_so(browse: Browse) -> None:
    other = MetricChange("inconclusive", -0.01, -0.05, 0.03, p_value=0.3, reason="too_few_days")
    both = meaning(browse, "log_loss", log_loss=WORSE_BUT_CHANCE, roc_auc=other)
    alone = meaning(browse, "log_loss", log_loss=WORSE_BUT_CHANCE)
    assert [re.findall(r"\d[\d.]*(?: %)?", words) for words in (both, alone)] == [
        ["2", "0.024", "0.01"],
        ["0.024", "0.01"],
    ]
    assert "too few days" in both
    assert "too few days" in alone


@pytest.mark.parametrize(
    ("change", "facts"),
    [
        (
            MetricChange("inconclusive", 0.06, 0.02, 0.2, p_value=0.002, margin=0.1, reason="too_few_days"),
            ("too few days", "0.1 or more"),
        ),
        (
            MetricChange("inconclusive", -0.2, -0.35, -0.05, p_value=1.0, reason="too_few_rows"),
            ("better", "too few rows"),
        ),
        (
            MetricChange("not_worse", 0.02, 0.005, 0.035, p_value=0.02, margin=0.04),
            ("Slightly worse", "0.04", "5,134 outcomes"),
        ),
        (
            MetricChange("not_worse", -0.02, -0.035, -0.005, p_value=1.0, margin=0.04),
            ("Better", "0.04", "5,134 outcomes"),
        ),
    ],
)
def test_what_a_difference_means_agrees_with_its_interval(
    browse: Browse, change: MetricChange, facts: tuple[str, ...]
) -> None:
    words = meaning(browse, "log_loss", log_loss=change)
    assert [fact for fact in facts if fact not in words] == []


def test_nothing_is_said_of_a_difference_before_the_performance_is_final(browse: Browse, model: ModelView) -> None:
    model.windows["1mo"][4].realized_changes = {"log_loss": MetricChange("inconclusive", 0.2, 0.1, 0.3)}
    model.windows["1mo"][4].maturity = "immature"
    changes = model.windows["1mo"][4].realized_changes
    assert "not final" in page(browse(FakeView([model])), JULY).part("at-a-glance")
    assert "not final" not in meaning(browse, "log_loss", **changes)


def test_the_newest_window_is_now_and_an_earlier_one_has_its_name(browse: Browse) -> None:
    client = browse(many())
    assert "log loss July 2013 " in page(client, JULY).text
    assert "log loss now " in page(client, "/models/flights/performance?window=1mo").text


class Search:
    """Finds what it is told, and counts how often it is asked."""

    def __init__(self, found: WeakSearch | None) -> None:
        self.found, self.asked = found, list[tuple[ModelKey, int, int]]()

    def search(self, key: ModelKey, since: int, until: int) -> WeakSearch | None:
        self.asked.append((key, since, until))
        return self.found


LATE_DEPARTURE = SliceCondition("<b>departure_minute", "of 839 or more", low=839.0)
LATE = WeakSlice("error", (LATE_DEPARTURE,), 90, 0.44, 0.4, 0.48, 0.17, 0.001, 0.31)


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (WeakSearch((LATE,), 900, 3, 3), "<b>departure_minute of 839 or more: "),
        (WeakSearch((), 900, 3, 3), "900 rows with an outcome, by 3 features."),
        (None, "it needs a baseline"),
    ],
)
def test_weak_slices_are_searched_when_asked_and_once_a_window(found: WeakSearch | None, words: str) -> None:
    search = Search(found)
    model = flights()
    model.windows["1mo"][4].estimated = {
        "roc_auc": Estimate(0.9, 0.88, 0.92, 0.01, 0.87, 0.93, False, 900, "panes", "cbpe", 0.9)
    }
    app = app_of(FakeView([model]), rows={"weak_slices_of_windows": WeakSlicesOfWindows(search)})  # type: ignore[arg-type]
    client, address = TestClient(app), "/models/flights/performance?window=1mo&at=2013-07-01"
    links = [link for link in page(client, address).links if link.endswith("weak=1#weak-slices")]
    assert len(links) == 1
    assert search.asked == []
    assert words in page(client, links[0]).text
    assert words in page(client, links[0]).text
    assert search.asked == [(ModelKey("flights", "winter", "demo"), ns(2013, 7, 1), ns(2013, 8, 1))]
    assert "<b>departure" not in client.get(links[0]).text


def test_fairness_has_the_interval_of_policies_and_says_what_a_small_group_cannot_tell(
    browse: Browse, model: ModelView
) -> None:
    rates = {"true_positive_rate": GroupRate(0.9, 400.0)}
    few = {"true_positive_rate": GroupRate(0.75, 31.0)}
    beside = GroupComparison("F", "true_positive_rate", -0.15, -0.3, 0.0, "inconclusive", "M")
    one = FairnessCriterion("equal_opportunity", "labelled rows", "inconclusive", 0.15, 0.8, 0.1, (beside,), 0.02, 0.45)
    groups = (GroupRates("M", 800, rates), GroupRates("F", 60, few))
    for window in model.windows["1mo"]:
        window.fairness = (Fairness("gender", "", 1.0, 1.0, groups, (one,)),)
    text = page(browse(FakeView([model])), "/models/flights/performance?window=1mo").text
    cell = text[text.index("15 points (2 to 45); ") :].partition("true positive rate")[0]
    assert re.findall(r"inconclusive|more than 10|23 points|gender=F|31 rows", cell) == [
        *("inconclusive", "more than 10", "23 points", "gender=F", "31 rows")
    ]


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """Six hours: labels come for the first five, and a third of them are not what the scores say any more."""
    clock = Clock(NOON + 8 * HOUR)
    path: Path = tmp_path_factory.mktemp("state")
    state = State(config(path, churn=Model(windows=("1h",))), clock=clock)
    state.start_storing()
    opened, rng = Opened(state), np.random.default_rng(1)
    opened.send(baselines=[build("binary").to_json()])
    for hour in range(6):
        rows = frame("binary", 400, 100 + hour)
        ids = [f"{hour}-{at}" for at in range(400)]
        times = (NOON + hour * HOUR + np.sort(rng.integers(0, HOUR, 400))).tolist()
        opened.send(predictions(ids, times, rows["score"].tolist(), features={"age": rows["age"].tolist()}))
        if hour < 5:
            actual = rows["actual"].to_numpy()
            came = np.where(rng.random(400) < 0.33, 1 - actual, actual)
            opened.send(outcomes(ids, came.tolist(), NOON + (hour + 1) * HOUR))
    opened.view()
    yield TestClient(app_of(state, clock))
    state.stop()


@pytest.mark.slow
def test_the_page_says_what_an_estimate_assumes_and_that_it_failed(client: TestClient) -> None:
    page = client.get("/models/churn/performance?window=1h").text
    section = page[page.index('<section id="estimated">') :]
    assert "valid only if the relation between inputs and outcomes is unchanged" in section
    assert 'class="bad" id="estimate-record">Do not rely on the estimate: estimates of ROC AUC were wrong' in section
    assert section.count('class="chart"') >= 3


def test_the_api_and_the_scrape_page_say_the_same(client: TestClient) -> None:
    window = client.get("/api/v1/models/churn/evaluations?window=1h").json()["windows"][-2]
    estimated = window["performance"]["estimated"]["accuracy"]
    assert estimated["record"]["state"] == "failed"
    assert estimated["record"]["missed"] >= 2
    assert estimated["error"] < -0.1
    lines = client.get("/metrics").text.splitlines()
    of_accuracy = [line for line in lines if 'driftline_performance_metric="accuracy"' in line]
    assert any(line.startswith("driftline_estimate_value{") for line in of_accuracy)
    assert any(line.startswith("driftline_performance_reference{") for line in of_accuracy)
    assert any(line.startswith("driftline_estimate_status{") and 'state="failed"' in line for line in of_accuracy)
