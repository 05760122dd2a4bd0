"""The page Data: what is wrong, what is fine, and how late outcomes come."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable

from driftline_processor.core import facts
from driftline_processor.core.evaluation import Delay, Evaluation, Expected, Finding, SlaResult
from driftline_processor.core.labels.delay import OutcomeDelay
from driftline_processor.ingest.completeness import Balance
from driftline_processor.present.sentences.expectations import expectation_sentence
from driftline_processor.present.wording import iso_time, keep_units
from driftline_processor.queries.model_view import ModelView
from msgspec import structs
from msgspec.structs import replace
from starlette.testclient import TestClient

from tests.support.fake_view import FakeView, fraud, learning, many, ns, price
from tests.support.html_page import page

Browse = Callable[[FakeView], TestClient]

DAY = 86_400


def chosen_window(model: ModelView, place: int = 0) -> tuple[Evaluation, str]:
    """Return a month of a model, and the address of its data."""
    chosen = model.windows["1mo"][place]
    return chosen, f"/models/flights/data?window=1mo&at={iso_time(chosen.window.start)}"


def test_findings_stand_in_a_table_and_the_rest_in_one_line(browse: Browse, model: ModelView) -> None:
    newest, address = chosen_window(model, -2)
    client = browse(FakeView([model]))
    assert page(client, address).part("fine").startswith("18 checks of 9 features ")
    newest.findings = (Finding("unit_change", ("<temp>",), "critical", 0.0, 0.998, 0.0, factors=(10.0,)),)
    section = client.get(address).text.partition('<section id="quality">')[2].partition("</section>")[0]
    assert '<span class="badge severity-critical">critical</span></th><td>unit change</td>' in section
    assert keep_units("&lt;temp&gt;: 99.8 % of values") in section
    assert "17 checks of 9 features " in section


def test_broken_expectations_stand_open_and_those_that_are_met_behind_one_line(
    browse: Browse, model: ModelView
) -> None:
    newest, address = chosen_window(model, -2)
    client = browse(FakeView([model]))
    assert 'id="expectations"' not in client.get(address).text
    newest.expected = (
        Expected("", "rows: >= 10", "met", 100.0, 100.0, 100, facts.RowsInWindow(rows=100)),
        Expected(
            "temp",
            "range: [-40, 120]",
            "broken",
            0.9,
            0.9,
            100,
            facts.FractionOfValues(rule="range", low=0.9, high=0.9),
        ),
    )
    section = client.get(address).text.partition('<section id="expectations">')[2].partition("</section>")[0]
    broken, _, met = section.partition("<details")
    measured = expectation_sentence(newest.expected[1])
    for text in ("broken", "temp", "range: [-40, 120]", measured):
        assert keep_units(f">{text}</t") in broken
    assert "<summary>1 expectation is met</summary>" in met
    assert "<td>rows: &gt;= 10</td>" in met
    rows = list(csv.DictReader(client.get(f"{address}&format=csv&table=expectations").text.splitlines()))
    assert [(row["feature"], row["state"]) for row in rows] == [("temp", "broken"), ("", "met")]


def test_features_that_are_missing_and_new_are_named(browse: Browse) -> None:
    text = page(browse(FakeView([fraud()])), "/models/fraud/data").text
    assert "baseline: card_age, country, velocity_1h" in text
    assert "baseline: device" in text


def test_how_late_outcomes_come_and_what_was_agreed_is_said(browse: Browse, model: ModelView) -> None:
    model.outcome_delay = OutcomeDelay(2 * DAY * 10**9, "learned", 1200)
    chosen, address = chosen_window(model)
    client = browse(FakeView([model]))
    before = client.get(address).text
    assert 'id="lateness"' not in before
    assert (
        keep_units("<strong>All windows of the model</strong>: Outcomes take up to 2d: 95 % of 1,200 arrived within ")
        in before
    )
    assert f"models.{model.key.model}.outcome_delay" in before
    chosen.delay = Delay(400, DAY, 5 * DAY, None)
    chosen.label_sla = SlaResult("broken", 7 * DAY * 10**9, 0.95, 0.5, 0.6, 500)
    assert (
        keep_units(
            '<p class="bad" id="lateness">Half of its outcomes arrived within 1d, '
            "90 % within 5d, some later than 730d. "
            "Label SLA broken: 50 % to 60 % of predictions had their outcome within 7d; the agreed minimum is 95 %.</p>"
        )
        in client.get(address).text
    )
    row = next(csv.DictReader(client.get(f"{address}&format=csv&table=outcomes").text.splitlines()))
    assert (row["median_s"], row["p90_s"], row["p99_s"], row["label_sla"]) == ("86400", "432000", "", "broken")


def test_a_window_that_is_not_final_says_that_its_outcomes_are_those_so_far(browse: Browse, model: ModelView) -> None:
    model.outcome_delay = OutcomeDelay(700 * DAY * 10**9, "learned", 1200)
    chosen, address = chosen_window(model)
    chosen.coverage, chosen.delay = 0.5, Delay(400, DAY, 5 * DAY, None)
    found = page(browse(FakeView([model])), address).text
    assert "So far: Half of its outcomes arrived within 1d" in found


def test_the_share_of_known_outcomes_is_drawn_for_each_window_and_stands_in_a_table(
    browse: Browse, model: ModelView
) -> None:
    body = browse(FakeView([model])).get(chosen_window(model)[1]).text
    chart = body.partition('aria-label="fraction of predictions with an outcome, by window"')[2].partition("</svg>")[0]
    assert chart.count("<title>") == len(model.windows["1mo"]) == 10
    assert keep_units("June 2013: outcomes of 62 % of 5,311 predictions") in chart
    table = body.partition('id="coverage-values"')[2].partition("</details>")[0]
    assert keep_units('<th scope="row">2013-06</th><td>5,311</td><td>62 %</td>') in table


def test_what_nobody_reviewed_is_said(browse: Browse, model: ModelView) -> None:
    chosen, address = chosen_window(model)
    client = browse(FakeView([model]))
    assert 'id="unreviewed"' not in client.get(address).text
    chosen.unreviewed = {"late": 9_500}
    said = '<p class="bad" id="unreviewed">None of the 9,500 rows that were predicted &#39;late&#39; has an outcome: '
    assert said in client.get(address).text


def test_missing_values_are_shown_of_features_where_they_changed(browse: Browse, model: ModelView) -> None:
    for place, evaluation in enumerate(model.windows["1mo"]):
        for name in ("temp", "dewp", "humid", "wind_speed", "pressure", "distance", "minute_of_departure"):
            evaluation.features[name] = structs.replace(evaluation.features[name], missing_now=0.004 + 0.001 * place)
    model.windows["1mo"][-1].features["humid"] = structs.replace(
        model.windows["1mo"][-1].features["humid"], missing_now=0.25
    )
    client = browse(FakeView([model]))
    answer = client.get("/models/flights/data?window=1mo&format=json").json()
    (humid,) = answer["missing"]
    assert (humid["feature"], humid["baseline"], humid["window"], humid["most"]) == ("humid", 0.004, 0.25, 0.25)
    assert humid["change"] == 0.25 - 0.004
    body = client.get("/models/flights/data?window=1mo").text
    assert 'aria-label="fraction of missing values of humid, at most 25 %"' in body
    assert 'id="missing-humid"' in body


def test_missing_values_of_a_past_window_are_shown_where_none_is_missing_now(browse: Browse, model: ModelView) -> None:
    for place, evaluation in enumerate(model.windows["1mo"]):
        missing = 1.0 if place == 2 else 0.0
        evaluation.features["humid"] = structs.replace(
            evaluation.features["humid"], missing_was=0.0, missing_now=missing
        )
    body = browse(FakeView([model])).get("/models/flights/data?window=1mo").text
    row = body.partition('id="missing-humid"')[2].partition("</tr>")[0]
    assert re.findall("<td>([^<]+)</td>", row) == [keep_units(one) for one in ("0 %", "0 %", "100 %")]


def test_rows_that_were_lost_are_counted_against_what_services_counted(browse: Browse) -> None:
    stretch = (ns(2014, 1, 1, 7), ns(2014, 1, 1, 8))
    counted = page(browse(FakeView([replace(price(), balance=Balance(90.0, 120.0, *stretch))])), "/models/price/data")
    assert re.search("75 % of the 120 counted predictions [^.]*1 January 2014, 07:00 to 08:00", counted.text)
    assert "counted predictions" not in page(browse(many()), "/models/price/data").text


def test_a_model_that_is_still_learning_says_that_nothing_can_be_checked(browse: Browse) -> None:
    shown = page(browse(FakeView([learning()])), "/models/churn/data")
    assert "no baseline" in shown.part("fine")


def test_what_a_window_is_compared_with_is_said_where_that_is_not_the_whole_baseline(
    browse: Browse, model: ModelView
) -> None:
    newest, address = chosen_window(model, -2)
    client = browse(FakeView([model]))
    assert 'id="compared"' not in client.get(address).text
    newest.compared = (facts.SameSeason(season="hour", thin=0, repeats=None),)
    assert "the same hours" in page(client, address).part("compared")
