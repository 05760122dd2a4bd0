"""``/api/v1``: the JSON of issue 2's promise, over HTTP."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace

import pytest
from driftline.tables.table import ModelKey
from driftline_processor.core.evaluation import MethodValue, Verdict
from driftline_processor.present.evaluation_json import to_json
from msgspec import structs
from starlette.testclient import TestClient

from tests.support.facts import Facts, lacking
from tests.support.fake_view import NOW, FakeView, animals, flights, many, price
from tests.support.paths import ROOT

Browse = Callable[[FakeView], TestClient]


def test_hints_of_no_model_come_beside_the_models(browse: Browse) -> None:
    answer = browse(FakeView(said=("1 outcome waits for model rsik.",))).get("/api/v1/models").json()
    none = {"models": [], "verdicts": {}, "total": 0, "next": None}
    assert answer == {**none, "hints": ["1 outcome waits for model rsik."]}


def test_each_name_has_one_verdict_beside_the_models(browse: Browse) -> None:
    right = Verdict("healthy", NOW, "mae", 9.0, 5.0, 13.0)
    view = FakeView(
        [flights(), structs.replace(flights(), key=ModelKey("flights", "summer", "demo"), verdict=right), price()]
    )
    client = browse(view)
    verdicts = client.get("/api/v1/models").json()["verdicts"]
    assert list(verdicts) == ["flights", "price"]
    assert verdicts["flights"] == client.get("/api/v1/models/flights").json()["verdict"]
    assert (verdicts["flights"]["state"], "ersion winter" in verdicts["flights"]["sentence"]) == ("at_risk", True)
    assert verdicts["price"] is None


def test_models_come_with_their_newest_closed_and_their_open_window(browse: Browse) -> None:
    models = browse(many()).get("/api/v1/models").json()["models"]
    assert [model["model"] for model in models] == ["flights", "fraud", "animals", "price", "churn"]
    first = models[0]
    assert first["version"] == "winter"
    assert first["environment"] == "demo"
    assert first["task"] == "binary"
    assert first["rows"] == 56_965
    assert first["last"] == "2014-01-01T08:59:18Z"
    assert first["by_class"] == {"0": 56_000.0, "1": 965.0}
    assert first["baseline"]["source"] == "event"
    month = first["windows"]["1mo"]
    assert month["open"] is None
    assert month["closed"]["start"] == "2013-12-01T00:00:00Z"
    assert month["closed"]["drift"]["drifted"] == 2
    assert month["closed"]["drift"]["compared"] == 9
    assert month["closed"]["performance"]["accuracy"] == {"value": 0.67, "rows": 5311, "source": "panes"}
    assert first["windows"]["1d"]["open"]["rows"] == 64
    assert models[4]["windows"]["1h"]["closed"] is None


def test_evaluations_are_rendered_as_the_command_line_renders_them(browse: Browse) -> None:
    answer = browse(many()).get("/api/v1/models/flights/evaluations?window=1mo").json()
    assert answer["model"] == "flights"
    assert answer["version"] == "winter"
    assert answer["window"] == "1mo"
    windows = flights().record.with_verdicts(flights().windows["1mo"], flights().verdict)
    assert answer["windows"] == json.loads(json.dumps([to_json(known) for known in windows]))
    verdict = answer["windows"][4]["verdict"]
    assert (verdict["state"], "since 1 March 2013" in verdict["sentence"]) == ("at_risk", True)


def test_a_model_has_one_verdict_and_its_versions_theirs(browse: Browse) -> None:
    wrong = Verdict("degraded", NOW, "mae", 9.0, 5.0, 13.0)
    key = ModelKey("flights", "summer", "demo")
    view = FakeView([flights(), structs.replace(flights(), key=key, verdict=wrong)])
    answer = browse(view).get("/api/v1/models/flights").json()
    assert answer["model"] == "flights"
    assert answer["verdict"]["state"] == "degraded"
    assert answer["verdict"]["sentence"].startswith("Version summer ")
    assert [one["verdict"]["state"] for one in answer["versions"]] == ["at_risk", "degraded"]
    out_of_use = FakeView([flights(), structs.replace(flights(), key=key, verdict=wrong, in_use=False)])
    assert browse(out_of_use).get("/api/v1/models/flights").json()["verdict"]["state"] == "at_risk"
    assert browse(many()).get("/api/v1/models/churn").json()["verdict"] is None
    assert browse(many()).get("/api/v1/models/nobody").status_code == 404


def test_limit_keeps_the_newest(browse: Browse) -> None:
    answer = browse(many()).get("/api/v1/models/flights/evaluations?window=1mo&limit=2").json()
    assert [window["start"] for window in answer["windows"]] == ["2013-11-01T00:00:00Z", "2013-12-01T00:00:00Z"]


def test_without_a_window_the_first_configured_one_is_meant(browse: Browse) -> None:
    assert browse(many()).get("/api/v1/models/flights/evaluations").json()["window"] == "1d"


@pytest.mark.parametrize(
    ("address", "status", "facts"),
    [
        ("/api/v1/models/nobody/evaluations", 404, ("'nobody'",)),
        ("/api/v1/models/flihgts/evaluations", 404, ("'flihgts'", "'flights'")),
        ("/api/v1/models/flights/evaluations?version=summer", 404, ("'flights'", "'summer'", "/models/flights")),
        ("/api/v1/models/flights/evaluations?window=3h", 404, ("'3h'", "1d, 1mo")),
        ("/api/v1/models/flights/evaluations?limit=all", 400, ("1000", "limit=100")),
        (f"/api/v1/models/flights/evaluations?limit={'9' * 5_000}", 400, ("1000", "limit=100")),
        ("/api/v1/nothing", 404, ("/api/v1/nothing",)),
    ],
)
def test_errors_are_sentences(browse: Browse, address: str, status: int, facts: Facts) -> None:
    answer = browse(many()).get(address)
    assert answer.status_code == status
    assert lacking(answer.json()["error"], *facts) == []


def test_without_a_version_it_is_that_of_the_verdict_of_the_model_also_if_another_one_has_more_rows(
    browse: Browse,
) -> None:
    served, serves = (structs.replace(flights(), key=ModelKey("flights", version)) for version in ("1", "2"))
    served, serves = structs.replace(served, in_use=False), structs.replace(serves, rows=served.rows // 2)
    client = browse(FakeView([served, serves]))
    assert client.get("/api/v1/models/flights/evaluations").json()["version"] == "2"


def test_version_and_environment_choose_among_models_of_one_name(browse: Browse) -> None:
    old, new = animals(), animals()
    old.key = replace(old.key, version="1")
    client = browse(FakeView([new, old]))
    for version in ("1", "2"):
        address = f"/api/v1/models/animals/evaluations?version={version}"
        assert client.get(address).json()["version"] == version


def test_a_name_with_slashes_and_spaces_has_an_address(browse: Browse) -> None:
    model = animals()
    model.key = replace(model.key, model="team a/animals?")
    answer = browse(FakeView([model])).get("/api/v1/models/team%20a%2Fanimals%3F/evaluations")
    assert answer.json()["model"] == "team a/animals?"


def test_the_documentation_names_every_field(browse: Browse) -> None:
    page = (ROOT / "docs" / "reference" / "http-api.md").read_text()
    client = browse(many())
    model = client.get("/api/v1/models").json()["models"][0]
    window = client.get("/api/v1/models/flights/evaluations?window=1mo").json()
    brief = model["windows"]["1mo"]["closed"]
    for part in (model, model["baseline"], brief, brief["drift"], window, window["windows"][0]):
        for field in part:
            assert f'"{field}"' in page, field


def test_closed_windows_are_openlineage_events(browse: Browse) -> None:
    client = browse(many())
    events = client.get("/api/v1/models/flights/formats/openlineage?window=1mo&limit=3").json()
    windows = client.get("/api/v1/models/flights/evaluations?window=1mo&limit=3").json()["windows"]
    closed = [window for window in windows if window["closed"]]
    assert closed
    assert [event["run"]["facets"]["nominalTime"]["nominalStartTime"] for event in events] == [
        window["start"] for window in closed
    ]
    assert [event["inputs"][0]["inputFacets"]["dataQualityMetrics"]["rowCount"] for event in events] == [
        window["rows"] for window in closed
    ]
    assert client.get("/api/v1/models/nobody/formats/openlineage").status_code == 404
    assert client.get("/api/v1/models/flights/formats/openlineage?limit=0").status_code == 400
    assert client.get("/api/v1/models/flights/formats/openlinage").status_code == 404


@pytest.mark.parametrize("odd", [math.nan, math.inf, -math.inf])
def test_a_number_that_is_none_is_null_and_the_others_stay(browse: Browse, odd: float) -> None:
    model = price()
    window = model.windows["1d"][0]
    window.features["area"] = structs.replace(
        window.features["area"], effect=odd, methods={"psi": MethodValue(odd, 0.25)}
    )
    answer = browse(FakeView([model])).get("/api/v1/models/price/evaluations?window=1d")
    assert answer.status_code == 200
    told = answer.json()["windows"][0]["drift"]["features"]["area"]
    assert (told["effect"], told["methods"]["psi"]["value"]) == (None, None)
    assert answer.json()["windows"][0]["rows"] == window.rows


def test_models_are_answered_in_pages_that_follow_each_other(browse: Browse) -> None:
    known = [
        structs.replace(price(), key=ModelKey(f"model {at:02d}", version)) for at in range(7) for version in ("1", "2")
    ]
    client, found, address = browse(FakeView(known)), list[tuple[str, str]](), "/api/v1/models?limit=3"
    sizes = []
    while address:
        answer = client.get(address).json()
        found += [(one["model"], one["version"]) for one in answer["models"]]
        sizes.append((len(answer["models"]), len(answer["verdicts"]), answer["total"]))
        address = answer["next"]
    assert sizes == [(6, 3, 7), (6, 3, 7), (2, 1, 7)]
    assert sorted(found) == sorted((one.key.model, one.key.version) for one in known)


def test_the_next_page_goes_on_behind_a_model_that_is_gone(browse: Browse) -> None:
    view = FakeView([structs.replace(price(), key=ModelKey(name)) for name in "abcd"])
    client = browse(view)
    address = client.get("/api/v1/models?limit=2").json()["next"]
    view.known = [one for one in view.known if one.key.model != "b"]
    assert [one["model"] for one in client.get(address).json()["models"]] == ["c", "d"]


@pytest.mark.parametrize("limit", ["0", "1001", "x"])
def test_a_page_has_one_to_a_thousand_models(browse: Browse, limit: str) -> None:
    assert browse(many()).get(f"/api/v1/models?limit={limit}").status_code == 400


def test_a_model_without_windows_has_no_evaluations_as_of_a_time(browse: Browse) -> None:
    view = FakeView([structs.replace(flights(), windows={})])
    answer = browse(view).get("/api/v1/models/flights/evaluations?as_of=2013-07-01T00:00:00Z")
    assert (answer.status_code, answer.json()["windows"]) == (200, [])
