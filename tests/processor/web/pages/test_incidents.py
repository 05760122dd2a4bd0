"""The pages of incidents: what lasts, what is over, and where it is seen."""

from __future__ import annotations

import re
from collections.abc import Callable
from unittest.mock import ANY

import pytest
from driftline.tables.table import ModelKey
from driftline_processor.core.evaluation import MetricValue, ServiceLevel, Size
from driftline_processor.queries.incidents import Incident, IncidentKind
from driftline_processor.queries.interruptions import Interruption
from driftline_processor.queries.model_view import ModelView
from msgspec.structs import replace
from starlette.testclient import TestClient

from tests.support.fake_view import FakeView, flights, ns, price
from tests.support.html_page import page

Browse = Callable[[FakeView], TestClient]


def drifting() -> ModelView:
    """Flights whose temperature drifted in May and June, and whose score drifts since August."""
    model = replace(flights(), verdict=None)
    for one in model.windows["1mo"]:
        one.incident = {"feature:temp": ns(2013, 5, 1)} if ns(2013, 5, 1) <= one.window.start < ns(2013, 7, 1) else {}
        if one.window.start >= ns(2013, 8, 1):
            one.incident = {"score": ns(2013, 8, 1)}
    return model


def test_incidents_say_since_when_until_when_and_how_they_ended(browse: Browse) -> None:
    text = page(browse(FakeView([drifting()])), "/incidents").text
    assert "Incidents 2 all 2 open 1 resolved 1" in text
    lasting, over = text.index("# open"), text.index("# resolved")
    assert lasting < over
    assert "The score drifts" in text[lasting:over]
    assert "2013-08-01 ongoing 1mo" in text[lasting:over]
    assert "2013-05-01 2013-06-30 1mo " in text[over:]


def test_a_silence_of_the_past_is_in_page_data_and_report(browse: Browse) -> None:
    quiet = replace(flights(), verdict=None)
    quiet.interruptions = (Interruption("no_data", ns(2013, 7, 4, 5), ns(2013, 7, 6, 7), 3 * 3600 * 10**9),)
    client = browse(FakeView([quiet]))
    (silence,) = client.get("/incidents?format=json").json()["incidents"]
    text = page(client, "/models/flights/incidents").text
    assert [silence["sentence"] in text, silence["ended"] in text, "3h" in silence["sentence"]] == [True, True, True]
    assert [silence] == [
        {
            **{"name": ANY, "model": "flights", "version": "winter", "environment": "demo"},
            **{
                "kind": "verdict",
                "severity": "critical",
                "subject": "no_data",
                "windows": "",
                "ended": ANY,
                "sentence": ANY,
            },
            **{"since": "2013-07-04T05:00:00Z", "until": "2013-07-06T07:00:00Z"},
            "address": "/models/flights?version=winter&environment=demo",
        }
    ]
    assert silence["ended"] in client.get("/models/flights/report").text
    assert ">no predictions" in client.get("/models/flights").text, "a mark of the timeline"


def test_an_incident_leads_to_its_window_on_the_page_that_shows_it(browse: Browse) -> None:
    client = browse(FakeView([drifting()]))
    links = [link for link in page(client, "/incidents").links if link.startswith("/models/")]
    place = "?version=winter&environment=demo&window=1mo&at=2013-"
    assert [link.partition("-01T")[0] for link in links] == [
        f"/models/flights/drift{place}{links[0].partition('at=2013-')[2][:2]}",
        f"/models/flights/features/temp{place}{links[1].partition('at=2013-')[2][:2]}",
    ]
    for link in links:
        assert client.get(link).status_code == 200


def test_an_incident_has_an_address_of_its_own(browse: Browse) -> None:
    client = browse(FakeView([drifting()]))
    (row, _) = client.get("/incidents?format=json").json()["incidents"]
    found = page(client, "/incidents")
    assert f"incident-{row['name']}" in found.ids
    assert f"#incident-{row['name']}" in found.links


def test_state_and_kind_choose(browse: Browse) -> None:
    client = browse(FakeView([drifting()]))
    assert "The score drifts" not in page(client, "/incidents?state=past").text
    assert "temp drifts" not in page(client, "/incidents?state=open").text
    assert "No incident matches the filters." in page(client, "/incidents?kind=labels").text


def test_a_model_has_the_incidents_of_all_its_versions_and_of_no_other_model(browse: Browse) -> None:
    other = replace(drifting(), key=ModelKey("other", "1"))
    newer = replace(drifting(), key=ModelKey("flights", "summer", "demo"))
    text = page(browse(FakeView([drifting(), newer, other])), "/models/flights/incidents").text
    assert "all 4 open 2 resolved 2" in text


def test_a_model_without_incidents_says_so(browse: Browse) -> None:
    client = browse(FakeView([price()]))
    for address in ("/incidents", "/models/price/incidents"):
        assert "No incidents:" in page(client, address).text


@pytest.mark.slow
def test_fifty_stand_on_a_page_and_the_table_has_all(browse: Browse) -> None:
    models = [replace(drifting(), key=ModelKey(f"m{at}")) for at in range(40)]
    client = browse(FakeView(models))
    first = page(client, "/incidents")
    assert "1 to 50 of 80" in first.text
    assert "/incidents?skip=50" in first.links
    assert "51 to 80 of 80" in page(client, "/incidents?skip=50").text
    assert "51 to 80 of 80" in page(client, "/incidents?skip=99999").text
    assert page(client, "/incidents?skip=-3").text.count("1 to 50 of 80") == 1
    assert len(client.get("/incidents?format=json").json()["incidents"]) == 80


def test_names_from_the_wire_are_text(browse: Browse) -> None:
    model = replace(drifting(), key=ModelKey("<b>\u202e", "<i>", "&"))
    for one in model.windows["1mo"]:
        one.incident = {f"feature:<script>{part}": start for part, start in one.incident.items()}
    html = browse(FakeView([model])).get("/incidents").text
    assert "<script>f" not in html
    assert "<b>" not in html
    assert "\u202e" not in html


def slower() -> ModelView:
    """Flights whose calls were answered in .7 ms, and are in 5 ms since December."""
    model = replace(flights(), verdict=None)
    for one in model.windows["1mo"]:
        seconds = 0.005 if one.window.start >= ns(2013, 12, 1) else 0.0007
        value = MetricValue(seconds, 1000, "rows", low=seconds * 0.9, high=seconds * 1.1)
        one.incident, one.service = {}, ServiceLevel(1000, 0, {}, {"latency_p95": value})
    return model


def test_calls_that_nobody_notices_to_be_slower_are_folded_until_all_are_asked_for(browse: Browse) -> None:
    client = browse(FakeView([slower()]))
    found = page(client, "/incidents")
    assert re.search(r"1 incident [^.]* 100 ms", found.text)
    assert "took longer than 5 ms" not in found.text
    assert "/incidents?show=all" in found.links
    for address in ("/incidents?show=all", "/incidents?kind=latency"):
        text = page(client, address).text
        assert "took longer than 5 ms" in text
        assert "service fails" not in text
    assert [one["kind"] for one in client.get("/incidents?format=json").json()["incidents"]] == ["latency"]


def test_a_long_name_is_shortened_and_whole_in_its_title(browse: Browse) -> None:
    model = replace(drifting(), key=ModelKey("long-" * 40, "1"))
    html = browse(FakeView([model])).get("/incidents").text
    assert f'title="{"long-" * 10}' in html
    assert ">long-long-" in html


MONTHS = [ns(2013, month, 1) for month in range(3, 13)]


def of_kind(kind: IncidentKind, subject: str, begun: int, over: bool = False) -> Incident:
    until, ended = (begun + 1, "It ended.") if over else (None, "")
    key = ModelKey("m", "1")
    return Incident(key, kind, subject, begun, until, ("1d",), begun, f"{subject} is so.", ended, size="small")


@pytest.mark.parametrize(
    ("kind", "subject", "size", "severity"),
    [
        ("verdict", "degraded", "", "critical"),
        ("verdict", "no_data", "", "critical"),
        ("service", "error rate", "", "critical"),
        ("verdict", "at_risk", "", "major"),
        ("objective", "accuracy >= 0.9", "", "major"),
        ("drift", "feature:a", "large", "major"),
        ("drift", "feature:a", "small", "minor"),
        ("latency", "latency_p95", "", "minor"),
    ],
)
def test_an_incident_has_a_severity(kind: IncidentKind, subject: str, size: Size, severity: str) -> None:
    assert replace(of_kind(kind, subject, MONTHS[0]), size=size).severity == severity


def test_each_incident_is_a_row_and_the_counts_add_up(browse: Browse) -> None:
    model = replace(flights(), verdict=None)
    for one in model.windows["1mo"]:
        since = ns(2013, 8, 1)
        one.incident = {f"feature:f{at}": since for at in range(12)} if one.window.start >= since else {}
    model.interruptions = (Interruption("no_data", ns(2013, 7, 4, 5), ns(2013, 7, 6, 7), 3 * 3600 * 10**9),)
    client = browse(FakeView([model]))
    found = page(client, "/incidents")
    assert "1 to 13 of 13" in found.text
    assert client.get("/incidents").text.count("<tr") == 1 + 13
    assert "all 13 open 12 resolved 1" in found.text
    assert "all kinds 13 verdict 1 drift 12" in found.text
    assert "1 to 12 of 12" in page(client, "/incidents?state=open").text
    names = [f"incident-{one['name']}" for one in client.get("/incidents?format=json").json()["incidents"]]
    assert len(names) == 13
    assert set(names) <= set(found.ids)
    assert "1 to 12 of 12" in page(client, "/incidents?kind=drift").text


def test_a_model_without_policies_says_that_nobody_is_notified(browse: Browse) -> None:
    client = browse(FakeView([flights()]))
    assert "No policy watches this model, so nobody is notified." in page(client, "/models/flights/incidents").text
