"""The first page: which of all models needs somebody, why, and since when."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable

import pytest
from driftline.semconv import attributes as a
from driftline.semconv import metrics as m
from driftline.tables.table import ModelKey
from driftline_processor.core import facts
from driftline_processor.core.evaluation import MetricValue, Verdict, VerdictState
from driftline_processor.core.fact import Fact
from driftline_processor.core.verdict.states import ORDER
from driftline_processor.policy.alerts import Alert
from driftline_processor.present.sentences.verdict import verdict_size, verdict_step
from driftline_processor.queries.model_view import ModelView
from driftline_processor.queries.state_snapshot import StateSnapshot
from driftline_processor.web.pages.home import RememberedRows
from msgspec import structs
from msgspec.structs import replace
from starlette.testclient import TestClient

from tests.support.fake_view import NOW, FakeView, animals, flights, fraud, learning, many, ns, price
from tests.support.html_page import Page, page
from tests.support.money_windows import costing
from tests.support.unwrap import unwrap

Browse = Callable[[FakeView], TestClient]


def verdict(state: VerdictState, since: int | None = None) -> Verdict:
    reasons = (facts.ErrorsRose(metric="mae", before=0.4, after=0.7),)
    return Verdict(state, since, reasons=reasons, advice=facts.Retrain(facts.Since(None, "UTC", of_days=True)))


def named(
    name: str, state: VerdictState = "healthy", version: str = "1", rows: int = 12, **fields: object
) -> ModelView:
    since = fields.pop("since", None)
    told = verdict(state, since)  # type: ignore[arg-type]
    return replace(price(), key=ModelKey(name, version, "prod"), rows=rows, verdict=told, **fields)


def listed(client: TestClient, address: str = "/") -> list[str]:
    """Return the names of the models in the table, from above."""
    answer = client.get(address)
    assert answer.status_code == 200
    return re.findall(r'class="model-name"><a href="/models/([^"?]+)"', answer.text)


def test_with_no_model_the_page_says_how_to_send_the_first_prediction(browse: Browse) -> None:
    text = page(browse(FakeView())).text
    assert "Waiting for the first prediction" in text
    assert 'driftline.Model("churn", task="binary")' in text
    assert "DRIFTLINE_ENDPOINT=http://127.0.0.1:4318" in text
    assert "opentelemetry-instrument uvicorn shop:app" in text
    assert "driftline evaluate lastweek.parquet" in text
    assert "127.0.0.1:4317 (gRPC)" in text


def test_hints_of_no_model_are_on_the_page_with_and_without_models(browse: Browse) -> None:
    said = "1 outcome waits for model <rsik>, which has sent no predictions."
    for view in (FakeView([price()], said=(said,)), FakeView(said=(said,))):
        assert said in page(browse(view)).text


def test_a_row_says_state_reason_since_performance_and_traffic(browse: Browse) -> None:
    text = page(browse(many())).text
    row = text[text.index("at risk flights") :]
    assert row.startswith("at risk flights winter wind_speed drifted")
    assert "2013-03-01 log loss 0.65 57k 2014-01-01 08:59" in row
    assert "Evaluate a longer window." in row
    assert "unknown fraud v7" in text
    assert "churn No 1h window has closed yet; 10 rows so far." in text


def test_a_row_has_the_size_of_the_effect_and_below_it_the_cause_and_what_to_do(browse: Browse) -> None:
    model = named("churn", "degraded")
    verdict = unwrap(model.verdict)
    model = replace(model, verdict=structs.replace(verdict, reasons=(*verdict.reasons, facts.NoInputExplains())))
    html = browse(FakeView([model])).get("/").text
    assert f'<td class="what">{verdict_size(verdict)}</td>' in html
    why = f'No input explains it. <span class="step">{verdict_step(verdict)}.</span>'
    assert f'<tr class="why"><td></td><td colspan="6" dir="auto">{why}</td></tr>' in html


def test_a_healthy_row_has_no_second_line(browse: Browse) -> None:
    model = named("churn")
    model = replace(model, verdict=structs.replace(unwrap(model.verdict), advice=facts.NothingToDo()))
    assert 'class="why"' not in browse(FakeView([model])).get("/").text


def with_alert(view: FakeView, notified: int | None = NOW, resolved: int | None = None) -> FakeView:
    """Return a view with an alert of a policy on values for the model churn."""
    about = "0123456789abcdef", "psi-of-age", "churn", "prod", "1"
    alert = Alert(*about, "critical", "", "", NOW, NOW, None, NOW, resolved, notified, "1d", NOW, "age drifted")
    view.alerts.alerts, view.alerts.open = {alert.id: alert}, [] if resolved else [alert]
    return view


@pytest.mark.parametrize("advice", [facts.NothingToDo(), facts.IgnoreDrift(small=True)])
def test_a_healthy_model_with_an_alert_that_notified_has_something_to_do_on_every_page(
    browse: Browse, advice: Fact
) -> None:
    model = named("churn")
    model = replace(model, verdict=structs.replace(unwrap(model.verdict), advice=advice))
    check = "Check what the policy 'psi-of-age' measures; the verdict does not show the same fault so far."
    client = browse(with_alert(FakeView([model])))
    assert "Check the alert of the policy 'psi-of-age'." in page(client).text
    assert client.get("/?format=json").json()["models"][0]["action"] == check
    assert check in page(client, "/models/churn").text
    assert client.get("/models/churn?format=json").json()["verdict"]["action"] == check
    brief = client.get("/api/v1/models").json()
    assert (brief["verdicts"]["churn"]["action"], brief["models"][0]["verdict"]["action"]) == (check, check)
    answer = client.get("/api/v1/models/churn").json()
    assert (answer["verdict"]["action"], answer["versions"][0]["verdict"]["action"]) == (check, check)


@pytest.mark.parametrize(("notified", "resolved"), [(None, None), (NOW, NOW)])
def test_an_alert_without_a_notification_or_that_is_over_asks_for_nothing(
    browse: Browse, notified: int | None, resolved: int | None
) -> None:
    model = named("churn")
    model = replace(model, verdict=structs.replace(unwrap(model.verdict), advice=facts.NothingToDo()))
    client = browse(with_alert(FakeView([model]), notified, resolved))
    assert 'class="why"' not in client.get("/").text
    assert client.get("/api/v1/models").json()["verdicts"]["churn"]["advice"] == "nothing_to_do"


def test_an_alert_leaves_other_advice_as_it_is(browse: Browse) -> None:
    client = browse(with_alert(FakeView([named("churn", "degraded")])))
    assert client.get("/api/v1/models").json()["verdicts"]["churn"]["advice"] == "retrain"


def test_the_row_of_an_unknown_model_says_what_is_missing_and_when_it_will_be_known(browse: Browse) -> None:
    advice = facts.WaitForEndOfWindow(end=ns(2026, 11, 25, 1, 10), timezone="UTC")
    opened = Verdict("unknown", ns(2026, 11, 25), reasons=(facts.WindowOpen(),), advice=advice)
    hints = ("churn has no baseline: learning 160 of 1,000 rows; pass one to driftline.Model.", "No outcomes yet.")
    model = replace(named("churn", "unknown"), verdict=opened, hints=hints)
    text = page(browse(FakeView([model]))).text
    why = "churn has no baseline: learning 160 of 1,000 rows. No outcomes yet."
    assert f"{why} Wait until the window closes, at the latest on 25 November 2026, 01:10." in text
    healthy = replace(model, verdict=structs.replace(opened, state="healthy"))
    assert why not in page(browse(FakeView([healthy]))).text


def test_an_interval_stands_behind_its_value(browse: Browse) -> None:
    model = named("churn")
    model.windows["1d"][0].realized = {"accuracy": MetricValue(0.8312, 400, "rows", low=0.7912, high=0.8655)}
    assert "accuracy 83.1 % 79 %–87 %" in page(browse(FakeView([model]))).text


def test_models_are_sorted_by_need_and_those_out_of_use_come_last(browse: Browse) -> None:
    states: list[VerdictState] = [*ORDER]
    known = [named(state, state) for state in reversed(states)]
    known.insert(0, named("retired", "degraded", in_use=False))
    known.insert(0, replace(learning(), key=ModelKey("new")))
    assert listed(browse(FakeView(known))) == [*states, "new", "retired"]


def test_of_models_of_one_state_the_tier_on_which_most_depends_comes_first(browse: Browse) -> None:
    known = [named("none", "degraded"), named("third", "degraded", tier=3), named("first", "degraded", tier=1)]
    assert listed(browse(FakeView(known))) == ["first", "third", "none"]


def test_versions_and_environments_are_one_row(browse: Browse) -> None:
    known = [named("churn", "healthy", "1", 10), named("churn", "degraded", "2", 5), named("fraud", "healthy", "1", 7)]
    client = browse(FakeView(known))
    assert listed(client) == ["churn", "fraud"]
    text = page(client).text
    assert "degraded churn 2 of 2" in text
    assert "15 2014" in text  # the rows of both


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        ("name", ["a", "b", "c"]),
        ("since", ["c", "a", "b"]),
        ("traffic", ["b", "c", "a"]),
        ("nonsense", ["b", "c", "a"]),
    ],
)
def test_the_reader_chooses_what_rows_are_sorted_by(browse: Browse, sort: str, expected: list[str]) -> None:
    known = [
        named("b", "degraded", rows=30),
        named("c", "at_risk", rows=20, since=ns(2013, 7, 1)),
        named("a", "healthy", rows=10, since=ns(2013, 6, 1)),
    ]
    assert listed(browse(FakeView(known)), f"/?sort={sort}") == expected


def test_sorted_by_performance_the_greatest_loss_against_the_baseline_comes_first(browse: Browse) -> None:
    known = []
    for name, now, was in (("better", 0.9, 0.8), ("worse", 0.6, 0.8), ("same", 0.8, 0.8)):
        model = named(name)
        model.windows["1d"][0].realized = {"accuracy": MetricValue(now, 400, "rows")}
        model.windows["1d"][0].reference = {"accuracy": MetricValue(was, 400, "rows")}
        known.append(model)
    no_outcomes = named("unknown")
    no_outcomes.windows["1d"][0].realized = {}
    view = FakeView([no_outcomes, *known])
    assert listed(browse(view), "/?sort=performance") == ["worse", "same", "better", "unknown"]


def test_the_counts_of_states_are_filters(browse: Browse) -> None:
    client = browse(FakeView([named("a", "degraded"), named("b", "healthy"), named("c", "healthy")]))
    text = page(client).text
    assert "all 3 ✕ degraded 1 ✓ healthy 2" in text
    assert "/?state=healthy" in page(client).links
    assert listed(client, "/?state=healthy") == ["b", "c"]
    assert listed(client, "/?state=silent") == []
    assert "None of the 3 models" in page(client, "/?state=silent").text


def test_a_state_has_a_sign_beside_its_colour(browse: Browse) -> None:
    html = browse(FakeView([named("a", "degraded")])).get("/").text
    assert '<span class="sign" aria-hidden="true">✕</span> degraded 1</a>' in html
    sheet = browse(FakeView()).get("/static/driftline.css").text
    for state in ORDER:
        assert f".badge.verdict-{state}::before" in sheet


@pytest.mark.parametrize(
    ("query", "expected"),
    [("FRAUD", ["fraud-eu"]), ("2026.4", ["churn"]), ("risk", ["fraud-eu"]), ("fraud prod", ["fraud-eu"]), ("x", [])],
)
def test_search_finds_names_versions_and_teams_without_a_script(
    browse: Browse, query: str, expected: list[str]
) -> None:
    client = browse(FakeView([named("fraud-eu", team="Risk"), named("churn", version="2026.4", team="growth")]))
    assert listed(client, f"/?q={query}") == expected


def test_what_was_searched_stays_in_the_field_and_is_text(browse: Browse) -> None:
    html = browse(FakeView([price()])).get("/", params={"q": '"><b>x'}).text
    assert 'value="&#34;&gt;&lt;b&gt;x"' in html
    assert "<b>x" not in html


def test_team_and_tier_choose_and_group(browse: Browse) -> None:
    known = [named("a", team="risk", tier=1), named("b", team="ads", tier=2), named("c"), named("d", team="risk")]
    client = browse(FakeView(known))
    assert listed(client, "/?team=risk") == ["a", "d"]
    assert listed(client, "/?tier=2") == ["b"]
    grouped = page(client, "/?group=team").text
    assert grouped.index("ads 1") < grouped.index("risk 2") < grouped.index("no team 1")
    assert listed(client, "/?group=team") == ["b", "a", "d", "c"]
    assert listed(client, "/?group=tier") == ["a", "b", "c", "d"]


def test_nobody_is_asked_for_a_team_where_no_model_has_one(browse: Browse) -> None:
    html = browse(many()).get("/").text
    assert 'name="team"' not in html
    assert 'name="group"' not in html
    assert 'name="sort"' in html


def test_the_header_says_up_to_when_windows_are_evaluated_where_some_are_late(browse: Browse) -> None:
    view = FakeView([price()])
    view.own[m.DRIFTLINE_EVALUATION_LAG, ((a.DRIFTLINE_WINDOW, "1h"),)] = 400.0
    assert "evaluated up to 1 January 2014, 08:53" in page(browse(view)).text
    view.own[m.DRIFTLINE_EVALUATION_LAG, ((a.DRIFTLINE_WINDOW, "1h"),)] = 59.0
    assert "evaluated to" not in page(browse(view)).text


def test_the_page_of_a_state_that_stays_is_not_sent_again(browse: Browse) -> None:
    client = browse(many())
    first = client.get("/")
    again = client.get("/", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_the_page_is_a_table_for_programs_too(browse: Browse) -> None:
    client = browse(FakeView([named("churn", "degraded", since=ns(2013, 7, 1), team="growth", tier=1)]))
    told = client.get("/?format=json").json()
    assert told["counts"] == {"degraded": 1}
    (row,) = told["models"]
    assert (row["model"], row["team"], row["tier"], row["state"]) == ("churn", "growth", 1, "degraded")
    assert (row["since"], row["action"][:17]) == ("2013-07-01T00:00:00Z", "Retrain the model")
    (line,) = csv.DictReader(io.StringIO(client.get("/?format=csv").text))
    assert (line["model"], line["rows"], line["metric"], line["value"]) == ("churn", "12", "mae", "21000.0")


def test_names_from_the_wire_are_text(browse: Browse) -> None:
    hostile = "<script>alert(1)</script>\"'&\u202e"
    model = named(hostile, "degraded", hostile, team=hostile)
    model.key = ModelKey(hostile, hostile, hostile)
    for address in ("/", "/?group=team"):
        html = browse(FakeView([model])).get(address).text
        assert "<script>alert" not in html
        assert "\u202e" not in html.replace(html[html.index("<select") : html.rindex("</select>")], "")
        assert Page(html).styles == []


def test_a_name_of_a_megabyte_is_cut_and_leads_to_its_model(browse: Browse) -> None:
    client = browse(FakeView([replace(fraud(), key=ModelKey("x" * 1_000_000, "y" * 1_000_000))]))
    html = client.get("/").text
    assert len(html) < 20_000
    (address,) = {link for link in Page(html).links if link.startswith("/models/x")}
    assert client.get(address).status_code == 200


def test_a_name_that_utf_8_cannot_say_breaks_nothing(browse: Browse) -> None:
    assert browse(FakeView([replace(animals(), key=ModelKey("a\ud800b"))])).get("/").status_code == 200


def test_the_newest_arrival_of_all_versions_is_the_last_seen(browse: Browse) -> None:
    old, new = named("churn", version="1"), named("churn", version="2")
    old.received, new.received = NOW - 3600 * 10**9, NOW - 60 * 10**9
    assert 'datetime="2014-01-01T08:59:00Z" data-ago' in browse(FakeView([old, new])).get("/").text


def test_each_row_leads_to_the_overview_of_its_model(browse: Browse) -> None:
    client = browse(FakeView([flights(), price()]))
    links = [link for link in page(client).links if link.startswith("/models/")]
    assert sorted(links) == ["/models/flights", "/models/price"]
    for link in links:
        assert client.get(link).status_code == 200


def costly(name: str, state: VerdictState, cost: float, **fields: object) -> ModelView:
    """Return a model whose predictions cost so much more than 1, 5,000 of them a day."""
    day = costing(cost=cost, ends=(cost - 0.1, cost + 0.1))
    return replace(named(name, state, **fields), windows={"1d": [day]}, watermark=day.window.end, currency="EUR")  # type: ignore[arg-type]


def test_troubles_that_cost_most_come_first_and_the_others_as_without_money(browse: Browse) -> None:
    known = [
        costly("healthy", "healthy", 90.0),
        named("degraded", "degraded"),
        costly("reason", "at_risk", 1.01),
        costly("little", "degraded", 2.0),
        costly("much", "at_risk", 4.0),
    ]
    assert listed(browse(FakeView(known))) == ["much", "little", "degraded", "reason", "healthy"]


def test_money_that_is_lost_beyond_chance_stands_in_its_row_and_all_of_it_in_the_table(browse: Browse) -> None:
    client = browse(FakeView([costly("much", "at_risk", 4.0), costly("reason", "at_risk", 1.01)]))
    text = page(client).text
    assert "loses EUR 15,000 a day (14,300 to 15,700)" in text
    assert text.count("loses EUR") == 1
    rows = {row["model"]: row for row in client.get("/?format=json").json()["models"]}
    assert (rows["much"]["loss_a_day"], rows["much"]["currency"]) == (15_000, "EUR")
    assert rows["reason"]["loss_low"] < 0 < rows["reason"]["loss_high"]


def fleet_of(models: int) -> FakeView:
    """Return models of two teams; the last one by name needs somebody."""
    known = [replace(price(), key=ModelKey(f"model-{at:03d}"), team=f"team {at % 2}") for at in range(models)]
    return FakeView([*known[:-1], replace(known[-1], verdict=verdict("degraded"))])


def names_on(client: TestClient, address: str) -> list[str]:
    return [link.removeprefix("/models/") for link in page(client, address).links if link.startswith("/models/model-")]


def test_a_large_fleet_is_paged_the_worst_first_and_csv_and_json_have_all(browse: Browse) -> None:
    client = browse(fleet_of(230))
    first, second, third = (names_on(client, f"/{query}") for query in ("", "?skip=100", "?skip=200"))
    assert (len(first), len(second), len(third)) == (100, 100, 30)
    assert first[0] == "model-229"
    assert len({*first, *second, *third}) == 230
    assert len(client.get("/?format=json&skip=100").json()["models"]) == 230
    assert len(client.get("/?format=csv&skip=100").text.splitlines()) == 231


def test_a_page_of_models_keeps_what_was_asked_and_a_new_question_begins_at_the_first(browse: Browse) -> None:
    client = browse(fleet_of(230))
    links = page(client, "/?q=model&sort=name&skip=100").links
    assert "/?q=model&sort=name" in links, "previous"
    assert "/?q=model&sort=name&skip=200" in links, "next"
    assert "/?q=model&sort=traffic" in links, "another order begins anew"
    assert names_on(client, "/?q=229") == ["model-229"], "the search is over all pages"
    assert names_on(client, "/?sort=name&skip=100")[0] == "model-100"


def test_a_group_that_goes_over_two_pages_says_how_many_it_has(browse: Browse) -> None:
    client = browse(fleet_of(230))
    for skip, titles in ((0, ["team 0 115"]), (100, ["team 0 115", "team 1 115"]), (200, ["team 1 115"])):
        text = page(client, f"/?group=team&skip={skip}").text
        assert [one for one in ("team 0 115", "team 1 115") if one in text] == titles


def test_rows_are_made_again_only_for_models_that_changed() -> None:
    known = [replace(price(), key=ModelKey(name)) for name in "ab"]
    remembered = RememberedRows()
    before = remembered.of(StateSnapshot(tuple(known)))
    after = remembered.of(StateSnapshot((known[0], replace(known[1], rows=13))))
    assert after[0] is before[0]
    assert (before[1].rows, after[1].rows) == (12, 13)


def test_the_figure_of_a_row_is_that_of_the_window_that_the_verdict_is_about() -> None:
    model = flights()
    windows = [one for one in model.windows["1d"] if one.closed and one.realized]
    older, newest = windows[0], windows[-1]
    assert older.realized["log_loss"].value != newest.realized["log_loss"].value
    about = replace(
        verdict("degraded"), metric="log_loss", window_start=older.window.start, window_end=older.window.end
    )
    versions = replace(model, verdict=about)
    [row] = RememberedRows().of(StateSnapshot((versions,)))
    assert (row.metric, row.value) == ("log_loss", older.realized["log_loss"])
