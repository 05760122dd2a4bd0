"""The page Versions: who has which traffic, and two versions or two windows side by side."""

from __future__ import annotations

import csv
from collections.abc import Callable

import numpy as np
import pytest
from driftline.tables.table import ModelKey
from driftline_processor.core.evaluation import Evaluation, MetricValue
from driftline_processor.queries.overview import ModelView
from msgspec import structs
from msgspec.structs import replace
from starlette.testclient import TestClient

from tests.support.facts import Facts, lacking
from tests.support.fake_view import FakeView, flights, many
from tests.support.html_page import page

Browse = Callable[[FakeView], TestClient]

AT = "/models/flights/versions?version=winter&window=1mo&at=2013-07-04"


def summer() -> ModelView:
    """A version of the flights with a third of the rows, a better log loss, and no feature ``origin``."""

    def other(one: Evaluation) -> Evaluation:
        loss = one.realized.get("log_loss")
        metrics = {} if loss is None else {"log_loss": MetricValue(0.4, 900, "panes", 0.0, 0.38, 0.42)}
        features = {name: drift for name, drift in one.features.items() if name != "origin"}
        return structs.replace(one, key=key, rows=one.rows // 2, realized=metrics, features=features)

    model, key = flights(), ModelKey("flights", "summer", "demo")
    windows = {name: [other(one) for one in known] for name, known in model.windows.items()}
    return replace(model, key=key, windows=windows, rows=20_000, first=model.first + 86_400 * 10**9)


def both() -> FakeView:
    winter = flights()
    for one in winter.windows["1mo"]:
        if "log_loss" in one.realized:
            one.realized["log_loss"] = MetricValue(0.6, 1000, "panes", 0.0, 0.57, 0.63)
    return FakeView([winter, summer()])


def test_each_version_has_its_share_of_the_traffic_of_the_window(browse: Browse) -> None:
    client = browse(both())
    rows = list(csv.DictReader(client.get(f"{AT}&format=csv").text.splitlines()))
    assert [(row["version"], row["rows"], row["baseline"]) for row in rows] == [
        ("winter", "56965", "event"),
        ("summer", "20000", "event"),
    ]
    assert [round(float(row["traffic_share"]), 3) for row in rows] == [0.667, 0.333]
    found = page(client, AT)
    assert any(link.startswith("/models/flights/versions?version=summer&") for link in found.links)


def test_two_versions_are_compared_in_the_same_window(browse: Browse) -> None:
    client = browse(both())
    answer = client.get(f"{AT}&compare=version:summer&format=json").json()
    (loss,) = (one for one in answer["metrics"] if one["metric"] == "log_loss")
    assert (loss["left"], loss["right"], loss["intervals_apart"]) == (0.6, 0.4, True)
    assert loss["difference"] == pytest.approx(-0.2)
    features = answer["features"]
    assert features[0]["feature"] == "origin"  # what one side alone has comes first
    assert (features[0]["right_state"], features[0]["left_state"]) == (None, "ok")
    text = page(client, f"{AT}&compare=version:summer").text
    assert "winter : 5,348 predictions" in text
    assert "summer : 2,674 predictions" in text
    assert "log loss lower is better 0.6 0.57 to 0.63 0.4 0.38 to 0.42 −0.2 separate" in text


def test_two_windows_are_compared_sorted_by_how_far_features_moved(browse: Browse) -> None:
    client = browse(FakeView([flights()]))
    answer = client.get(f"{AT}&compare=at:2013-03-05&format=json").json()
    moved = [abs(one["right_psi"] - one["left_psi"]) for one in answer["features"]]
    assert moved == sorted(moved, reverse=True)
    assert answer["features"][0]["feature"] in ("temp", "dewp")
    body = client.get(f"{AT}&compare=at:2013-03-05").text
    assert "July 2013" in body
    assert "March 2013" in body
    assert 'id="compared-scores"' in body


def test_scores_in_different_cells_are_drawn_apart(browse: Browse) -> None:
    view = both()
    for one in view.known[1].windows["1mo"]:
        assert one.score is not None
        one.score = structs.replace(
            one.score, cells=("< 0.5", "≥ 0.5"), was=np.array([0.5, 0.5]), now=np.array([0.4, 0.6])
        )
    body = browse(view).get(f"{AT}&compare=version:summer").text
    assert "The two baselines have different bins" in body
    assert body.count('class="chart"') == 2


def test_what_to_compare_with_is_chosen_from_a_list_that_keeps_the_place(browse: Browse) -> None:
    body = browse(both()).get(f"{AT}&slice=origin%3DEWR").text
    form = body.partition('<section id="compare">')[2].partition("</form>")[0]
    for field in ('name="window" value="1mo"', 'name="slice" value="origin=EWR"', 'name="at" value="2013-07-01T'):
        assert field in form
    assert '<option value="version:summer">summer</option>' in form
    assert form.count('<option value="at:') == 9
    assert "2013-07-01" not in form.partition("<select")[2]  # not with itself


@pytest.mark.parametrize(
    ("compare", "status", "facts"),
    [
        ("summer", 400, ("version:VERSION", "at:TIME")),
        ("at:soon", 400, ("compare=at:",)),
        ("version:autumn", 404, ("&#39;autumn&#39",)),
    ],
)
def test_what_cannot_be_compared_is_a_sentence(browse: Browse, compare: str, status: int, facts: Facts) -> None:
    answer = browse(both()).get(f"{AT}&compare={compare}")
    assert answer.status_code == status
    assert lacking(answer.text, *facts) == []


def test_of_a_moment_without_a_window_the_nearest_is_compared_and_said_once(browse: Browse) -> None:
    client, asked = browse(both()), f"{AT}&compare=at:2020-01-01"
    text, answer = page(client, asked).text, client.get(f"{asked}&format=json").json()
    said = "No window with predictions contains 1 January 2020; the nearest is December 2013."
    assert text.count(said) == 1
    assert (answer["compared_instead"], answer["instead"]) == (said, None)
    assert client.get(f"{AT}&compare=at:2013-03-05&format=json").json()["compared_instead"] is None


def test_a_model_of_one_version_and_one_window_has_nothing_to_compare(browse: Browse) -> None:
    text = page(browse(many()), "/models/animals/versions").text
    assert "nothing to compare yet" in text
