"""What the pages say, for models that have everything and for models that lack something."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from urllib.parse import unquote

import pytest
from driftline.tables.table import ModelKey
from driftline_processor.core.concept.result import Change, ConceptDrift
from driftline_processor.core.evaluation import (
    Cause,
    Delay,
    Expected,
    Explanation,
    Finding,
    MethodValue,
    MetricValue,
    SlaResult,
    Verdict,
    VerdictState,
)
from driftline_processor.core.labels.delay import OutcomeDelay
from driftline_processor.core.wording import iso_time
from driftline_processor.ingest.completeness import Balance
from driftline_processor.queries.overview import View
from starlette.testclient import TestClient

from tests.support.fake_view import FakeView, animals, fraud, learning, many, ns, price
from tests.support.html_page import Page, page

Browse = Callable[[View], TestClient]

HOSTILE = "<script>alert(1)</script>\"'&\u202e"


def verdict(state: VerdictState, sentence: str) -> Verdict:
    return Verdict(state, None, "", None, None, None, "", "", "Nobody doubts it.", sentence, "Do something.")


def test_a_model_page_begins_with_the_sentence_and_what_to_do(browse: Browse) -> None:
    text = page(browse(many()), "/models/flights").text
    begins = text.index("The model has been at risk since 1 March 2013")
    assert text.index("flights winter demo") < begins < text.index("56,965 rows")
    assert "What to do: Send more outcomes" in text


def test_a_sentence_with_a_hostile_name_stays_text(browse: Browse) -> None:
    hostile = verdict("wrong", "The model has been wrong: <script>alert(1)</script> \x1b[2J moved.")
    client = browse(FakeView([replace(price(), verdict=hostile)]))
    for path in ("/", "/models/price"):
        answer = client.get(path)
        assert answer.status_code == 200
        assert "<script>alert" not in answer.text
        assert "&lt;script&gt;alert(1)" in answer.text
        assert "\x1b" not in answer.text
    assert client.get("/api/v1/models").status_code == 200
    key = ModelKey('a"} 1\nml_model_state{x="', "\\", "<b>")
    lines = browse(FakeView([replace(price(), key=key, verdict=hostile)])).get("/metrics").text.splitlines()
    assert [line for line in lines if line.startswith("ml_model_state")] == [
        r'ml_model_state{deployment_environment_name="<b>",ml_model_name="a\"} 1\nml_model_state{x=\"",'
        r'ml_model_version="\\",state="wrong"} 1.0'
    ]


def test_a_window_whose_outcomes_may_still_arrive_is_not_final(browse: Browse) -> None:
    model = fraud()
    assert "not final" not in page(browse(FakeView([model])), "/models/fraud").text
    model.outcome_delay = OutcomeDelay(2 * 86_400 * 10**9, "configured")
    text = page(browse(FakeView([model])), "/models/fraud").text
    assert "Its outcomes may arrive until 2014-01-03 08:00: its performance is not final before." in text


def test_how_late_outcomes_come_and_what_was_agreed_is_a_line_below_the_window(browse: Browse) -> None:
    view, day = many(), 86_400
    chosen = next(one for one in view.known if one.key.model == "flights").windows["1mo"][0]
    address = f"/models/flights?window=1mo&at={iso_time(chosen.window.start)}"
    assert 'id="lateness"' not in browse(view).get(address).text
    chosen.delay = Delay(400, day, 5 * day, None)
    chosen.label_sla = SlaResult("broken", 7 * day * 10**9, 0.95, 0.5, 0.6, 500)
    page = browse(view).get(address).text
    assert (
        '<p class="bad" id="lateness">Half of its outcomes came within 1d, 90 % within 5d, some later than 730d. '
        "Label SLA broken: 50 % to 60 % of predictions had their outcome within 7d; at least 95 % must.</p>" in page
    )


def test_what_nobody_reviewed_is_said_below_the_window(browse: Browse) -> None:
    view = many()
    chosen = next(one for one in view.known if one.key.model == "flights").windows["1mo"][0]
    at = f"/models/flights?window=1mo&at={iso_time(chosen.window.start)}"
    assert 'id="unreviewed"' not in browse(view).get(at).text
    chosen.unreviewed = {"late": 9_500}
    said = '<p class="bad" id="unreviewed">None of the 9,500 rows that were predicted late has an outcome: precision is'
    assert said in browse(view).get(at).text


def test_a_page_leads_to_its_weak_slices_and_to_what_to_label_next(browse: Browse) -> None:
    start = ns(2013, 3, 1)
    page = Page(browse(many()).get(f"/models/flights?window=1mo&at={iso_time(start)}").text)
    asked = "version=winter&environment=demo"
    assert f"/api/v1/models/flights/weak-slices?{asked}&window=1mo&start=2013-03-01T00%3A00%3A00Z" in page.links
    assert f"/api/v1/models/flights/label-next?{asked}&format=csv" in page.links


def test_a_realized_value_says_what_it_is_from_and_how_exact_it_is(browse: Browse) -> None:
    model = animals()
    model.windows["1d"][0].realized = {
        "roc_auc": MetricValue(0.522, 400, "panes", 0.001278),
        "accuracy": MetricValue(0.91, 398, "rows"),
    }
    text = page(browse(FakeView([model])), "/models/animals").text
    assert "ROC AUC 0.522 (exact to 0.0013) – – 400 counts" in text
    assert "accuracy 0.91 – – 398 rows" in text


@pytest.mark.slow
def test_every_link_of_the_overview_and_of_a_model_leads_somewhere(browse: Browse) -> None:
    client = browse(many())
    home = page(client)
    links = {*home.links, *page(client, "/models/flights?window=1mo").links, *page(client, "/models/churn").links}
    of_rows = {link for link in links if "/weak-slices" in link or "/label-next" in link}  # a view has no rows
    for link in sorted(link for link in links - of_rows if not link.startswith("#")):
        address, _, target = link.partition("#")
        answer = client.get(address)
        assert answer.status_code == 200, link
        if target:
            assert unquote(target) in Page(answer.text).ids


def test_the_page_of_every_kind_of_model_is_sound(browse: Browse) -> None:
    client = browse(many())
    for name in ("flights", "flights?window=1d", "fraud", "animals", "price", "churn"):
        found = page(client, f"/models/{name}")
        assert len(found.ids) == len(set(found.ids))
        assert found.targets <= set(found.ids)
        assert found.styles == []
        assert "nan" not in found.text.lower().split()
        assert "None" not in found.text.split()


@pytest.mark.slow
def test_a_window_a_feature_and_a_metric_have_an_address(browse: Browse) -> None:
    client = browse(many())
    july = page(client, "/models/flights?version=winter&environment=demo&window=1mo&at=2013-07-01T00:00:00Z")
    assert "July 2013" in july.text
    assert "3 of 9 features drift" in july.text
    assert {"feature-temp", "metric-log_loss", "score", "class", "drift", "performance"} <= set(july.ids)
    assert "#feature-temp" in july.links


def test_at_takes_any_moment_of_the_window(browse: Browse) -> None:
    client = browse(many())
    for at in ("2013-07-09", "1373328000", "1373328000000000000"):
        assert "July 2013" in page(client, f"/models/flights?window=1mo&at={at}").text


def test_without_at_the_newest_closed_window_is_shown(browse: Browse) -> None:
    text = page(browse(many()), "/models/flights?window=1d").text
    assert "Tue 31 December 2013 2 of 9 features drift" in text


def test_the_open_window_says_that_it_is_open_and_when_it_closes(browse: Browse) -> None:
    text = page(browse(many()), "/models/flights?window=1d&at=2014-01-01T08:00:00Z").text
    assert "This window is open: 64 rows so far; it closes when the model's clock passes 2014-01-02 00:10" in text
    learned = page(browse(many()), "/models/churn").text
    assert "10 rows so far, 10 of 1,000 needed for a baseline; it closes" in learned
    assert "learning a baseline: 10 of 1,000 rows" in learned


def test_a_feature_shows_both_distributions_its_methods_and_what_is_missing(browse: Browse) -> None:
    html = browse(many()).get("/models/flights?window=1mo&at=2013-07-01").text
    card = html[html.index('id="feature-temp"') :]
    card = card[: card.index("</article>")]
    assert card.count('class="now"') == 12
    assert card.count('path class="was"') == 1
    assert "drift, large" in card
    assert re.search(r'class="decides">Kolmogorov-Smirnov [0-9.]+, p &lt; 0\.0001', card)
    assert "missing 0.4 → 2 %" in card


def test_features_are_ranked_by_what_matters(browse: Browse) -> None:
    ids = page(browse(many()), "/models/flights?window=1mo&at=2013-07-01").ids
    assert [name for name in ids if name.startswith("feature-")][:3] == [
        "feature-temp",
        "feature-dewp",
        "feature-wind_speed",
    ]


def test_what_is_wrong_with_the_data_has_a_section(browse: Browse) -> None:
    model = next(one for one in many().known if one.key.model == "flights")
    newest = model.windows["1mo"][-2]
    newest.findings = (
        Finding("unit_change", ("temp",), "critical", 0.0, 0.998, 0.0, "temp: 99.8 % of values are <10 times> ..."),
    )
    newest.expected = (
        Expected("temp", "range: [-40, 120]", "broken", 0.9, 0.9, 100, "temp: 90 % of values lie within"),
        Expected("", "rows: >= 10", "met", 100.0, 100.0, 100, "100 rows"),
    )
    at = iso_time(newest.window.start)
    body = browse(FakeView([model])).get(f"/models/flights?window=1mo&at={at}").text
    section = body.partition('<section id="quality">')[2].partition("</section>")[0]
    for said in (
        "<th>critical</th><td>unit change</td><td>temp: 99.8 % of values are &lt;10 times&gt; ...</td>",
        "<th>broken</th><td>temp</td><td>range: [-40, 120]</td><td>temp: 90 % of values lie within</td>",
        "<th>met</th><td>rows</td><td>rows: &gt;= 10</td><td>100 rows</td>",
    ):
        assert said in section
    assert 'id="quality"' not in browse(many()).get("/models/flights?window=1mo").text


def test_why_a_window_drifts_has_a_section(browse: Browse) -> None:
    model = next(one for one in many().known if one.key.model == "flights")
    newest = model.windows["1mo"][-2]
    cause = Cause(
        ("<temp>",), "", 0.4, sentence="<temp> has drifted since 2013-04-08: values below 5 went from 41 % to 6 %"
    )
    newest.explanation = Explanation((cause,), cause.sentence)
    body = browse(FakeView([model])).get(f"/models/flights?window=1mo&at={iso_time(newest.window.start)}").text
    section = body.partition('<section id="why">')[2].partition("</section>")[0]
    assert "<li>&lt;temp&gt; has drifted since 2013-04-08: values below 5 went from 41 % to 6 %</li>" in section
    assert 'id="why"' not in browse(many()).get("/models/flights?window=1mo").text


def test_what_a_window_is_compared_with_is_said_where_that_is_not_the_whole_baseline(browse: Browse) -> None:
    model = next(one for one in many().known if one.key.model == "flights")
    newest = model.windows["1mo"][-2]
    newest.compared = "<the same hours>"
    body = browse(FakeView([model])).get(f"/models/flights?window=1mo&at={iso_time(newest.window.start)}").text
    assert "Compared with &lt;the same hours&gt;." in body
    assert 'id="compared"' not in browse(many()).get("/models/flights?window=1mo").text


def test_an_unknown_value_is_a_gap_and_never_a_zero(browse: Browse) -> None:
    html = browse(many()).get("/models/flights?window=1mo&at=2013-08-01").text
    card = html[html.index('id="metric-precision"') :]
    card = card[: card.index("</article>")]
    assert "precision</a> –</h3>" in card
    assert card.count('class="dot"') == 9  # ten months, one unknown
    assert card.count('path class="line"') == 2
    assert "precision –, outcomes for 96 % of 5,385 rows" in card


def test_a_window_is_not_said_to_have_no_outcome_while_windows_wait(browse: Browse) -> None:
    model = next(one for one in many().known if one.key.model == "fraud")
    model.outcomes = 12_789
    model.waiting = 3
    waits = "outcomes are not counted yet: 3 windows of the model wait to be evaluated"
    text = page(browse(FakeView([model])), "/models/fraud").text
    assert "no outcome known yet" not in text
    assert "no outcome has been joined" not in text
    assert text.count(waits) >= 2
    assert f"unknown: {waits}" in page(browse(FakeView([model]))).text
    model.waiting = 0
    text = page(browse(FakeView([model])), "/models/fraud").text
    assert "no outcome known yet; the 12,789 joined outcomes belong to other windows" in text


def test_a_model_without_outcomes_says_how_to_send_them(browse: Browse) -> None:
    text = page(browse(many()), "/models/fraud").text
    assert "Unknown: no outcome has been joined to a prediction of these windows." in text
    assert "Missing in this window, known to the baseline: card_age, country, velocity_1h" in text
    assert "New in this window, unknown to the baseline: device" in text


def test_versions_of_one_name_are_reached_from_each_other(browse: Browse) -> None:
    old, new = animals(), animals()
    old.key = ModelKey("animals", "1")
    client = browse(FakeView([new, old]))
    assert "/models/animals?version=1&window=1d" in page(client, "/models/animals?version=2").links
    assert page(client, "/models/animals?version=3", status=404).text.count("has no version '3'") == 1


@pytest.mark.parametrize(
    ("address", "status", "sentence"),
    [
        ("/models/nobody", 404, "no model 'nobody' has been seen"),
        ("/models/flights?window=7h", 404, "'7h' is no window of this model; it has 1d, 1mo"),
        ("/models/flights?at=noon", 400, "at is a time, as in ?at=2026-03-01T00:00:00Z"),
        ("/models/flights?at=1999-01-01", 404, "no window with predictions holds 1999-01-01"),
        ("/nowhere", 404, "there is nothing at /nowhere"),
    ],
)
def test_what_is_not_there_is_a_page_with_a_sentence(browse: Browse, address: str, status: int, sentence: str) -> None:
    assert sentence in page(browse(many()), address, status).text


def hostile_view(name: str) -> FakeView:
    model = fraud()
    model.key = ModelKey(name, name, name)
    model.hints = (name,)
    model.task = replace(model.task, positive_class=name, classes=(name,))
    for evaluation in model.windows["1h"]:
        amount = evaluation.features["amount"]
        bad = replace(
            amount, name=name, cells=(name,) * 12, decided_by="chi2", methods={name: MethodValue(1.0), **amount.methods}
        )
        evaluation.features = {name: bad, "fine": replace(amount, name="fine")}
        evaluation.missing_features = evaluation.new_features = (name,)
    return FakeView([model])


def test_names_from_the_wire_are_text_everywhere(browse: Browse) -> None:
    client = browse(hostile_view(HOSTILE))
    (address,) = {link.partition("#")[0] for link in page(client).links if "/models/" in link and "window" not in link}
    for html in (client.get("/").text, client.get(address).text, client.get("/models/" + "<b>").text):
        found = Page(html)
        assert found.tags.count("script") == 1  # our own file
        assert "b" not in found.tags
        assert found.styles == []
        assert "\u202e" not in html


def test_a_name_of_a_megabyte_is_cut_and_its_links_work(browse: Browse) -> None:
    client = browse(hostile_view("x" * 1_000_000))
    home = client.get("/")
    assert len(home.text) < 20_000
    address = next(link for link in Page(home.text).links if link.startswith("/models/x"))
    answer = client.get(address)
    assert answer.status_code == 200
    assert len(answer.text) < 300_000
    found = Page(answer.text)
    assert found.targets <= set(found.ids)


def test_hundreds_of_features_are_cut_to_the_most_drifted(browse: Browse) -> None:
    model = price()
    evaluation = model.windows["1d"][0]
    evaluation.features = {f"f{i}": replace(evaluation.features["area"], name=f"f{i}") for i in range(300)}
    found = page(browse(FakeView([model])), "/models/price")
    assert sum(name.startswith("feature-") for name in found.ids) == 100
    assert "200 features more" in found.text


def test_a_clock_beyond_the_calendar_breaks_nothing(browse: Browse) -> None:
    model = price()
    model.last = model.watermark = 2**63 - 1
    assert "price" in page(browse(FakeView([model]))).text
    assert page(browse(FakeView([model])), "/models/price").text


def test_windows_are_named_in_the_models_own_time_zone(browse: Browse) -> None:
    model = price()
    model.timezone = "America/New_York"
    model.windows["1d"][0].window = replace(model.windows["1d"][0].window, start=ns(2013, 12, 31, 5))
    assert "Tue 31 December 2013" in page(browse(FakeView([model])), "/models/price").text
    model.timezone = "Not/AZone"
    assert page(browse(FakeView([model])), "/models/price").text


def test_a_page_says_where_its_numbers_come_from_and_what_has_not_arrived(browse: Browse) -> None:
    model = price()
    windows = {name: [replace(each, distributed=each.rows) for each in known] for name, known in model.windows.items()}
    stretch = (ns(2014, 1, 1, 7), ns(2014, 1, 1, 8))
    rowless = replace(model, rows=0, distributed=812, windows=windows, balance=Balance(90.0, 120.0, *stretch))
    client = browse(FakeView([rowless]))
    said = page(client, "/models/price").text
    assert "812 rows known from distributions only" in said
    assert "known from distributions only: the service sent no rows" in said
    unjoined = [replace(each, outcome_rows=0, realized={}) for each in windows["1d"]]
    assert (
        "the service sent none"
        in page(browse(FakeView([replace(rowless, windows={"1d": unjoined})])), "/models/price").text
    )
    assert "75 % of 120 counted predictions arrived, 1 January 2014, 07:00 – 08:00" in said
    assert "812 rows from distributions" in page(client).text
    rows = page(browse(FakeView([model])), "/models/price").text
    assert "distributions" not in rows
    assert "counted prediction" not in rows


def test_a_model_of_which_only_counts_came_says_nothing_of_a_last_row(browse: Browse) -> None:
    silent = replace(learning(), rows=0, first=0, last=0, received=0, windows={"1h": [], "1d": []})
    client = browse(FakeView([silent]))
    assert "last " not in page(client, "/models/churn").text.split("outcome")[0]
    assert "last " not in page(client).text.split("drift")[0]
    assert client.get("/api/v1/models").json()["models"][0]["received"] is None


def test_concept_drift_is_a_line_above_the_performance(browse: Browse) -> None:
    model = many().known[0]
    assert 'id="concept"' not in browse(FakeView([model])).get("/models/flights").text
    change = Change(ns(2013, 6, 20), ns(2013, 6, 25), 0.17, 0.26)
    model.concept = ConceptDrift(
        "drift", "adwin", outcomes=9, since=change.since, before=0.17, after=0.274, changes=(change,)
    )
    page = browse(FakeView([model])).get("/models/flights").text
    line = "concept drift: the error rate rose from 17 % to 27.4 % since 2013-06-20 00:00 (ADWIN)."
    assert f'<p class="bad" id="concept">{line}</p>' in page
    model.concept = ConceptDrift("unknown", reason="no outcome has come")
    assert "concept: unknown, no outcome has come" in browse(FakeView([model])).get("/models/flights").text


def test_scores_and_decisions_of_a_window_are_drawn_small_and_say_what_they_show(browse: Browse) -> None:
    client = browse(many())
    text = client.get("/models/flights?window=1mo&at=2013-11-15").text
    found = Page(text)
    assert {"curve-roc", "curve-precision_recall", "curve-calibration", "curve-gain", "confusion"} <= set(found.ids)
    section = text[text.index('<section id="curves">') :].partition("</section>")[0]
    assert len(section) < 20_000
    assert section.count('role="img" aria-label=') == section.count("<desc>") == 4
    assert "as it was decided: false positive rate 0.1322, recall 0.4235" in section
    assert section.count('scope="row"') == 2
    animals_page = page(client, "/models/animals")
    assert "curve-roc" not in animals_page.ids
    assert "actual bird, predicted cat: 7.5 % of bird" in client.get("/models/animals").text
    assert "curves" not in page(client, "/models/price").ids
