"""Ten wrong ones: the worst predictions of a window or a slice, with the traces to open."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from driftline.tables.table import Column, ModelKey
from driftline.tables.task import Task
from driftline_processor.config.model import Model
from driftline_processor.core.performance.mispredictions import row_losses_of
from driftline_processor.maintenance.erasure import ErasureOrder
from driftline_processor.present.links import NO_LINKS, Links
from driftline_processor.state import State
from starlette.testclient import TestClient

from tests.support.answer_schema import check_answer
from tests.support.facts import Facts, lacking
from tests.support.fake_view import app_of
from tests.support.state_fixtures import Open
from tests.support.state_rows import DAY, HOUR, NOON, Clock, Opened, column, config, outcomes, predictions

PATH = "/api/v1/models/churn/mispredictions"
TRACE = bytes(range(16))


def client_of(state: Opened, links: Links = NO_LINKS) -> TestClient:
    state.state.settle()
    told = state.state
    return TestClient(app_of(told, lambda: NOON, links=links))


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """Pages of a state that all tests only read."""
    state = Opened(State(config(tmp_path_factory.mktemp("state"), churn=Model(slices=("country",))), clock=Clock()))
    state.state.start_storing()
    state.send(
        predictions(
            ["a", "b", "c", "d"],
            [NOON, NOON + 1, NOON + 2, NOON + DAY],
            [0.9, 0.7, 0.2, 0.6],
            trace_id=TRACE,
            slices={"country": ["NL", "NL", "BE", "NL"]},
        ),
        outcomes(["a", "b", "c", "d"], ["0", 0.0, "true", "1"], NOON + 2 * DAY),
    )
    yield client_of(state)
    state.leave()


def rows(client: TestClient, query: str = "") -> list[str]:
    return [row["id"] for row in client.get(PATH + query).json()["rows"]]


def test_the_worst_come_first_with_their_traces_in_any_spelling_of_what_happened(client: TestClient) -> None:
    answer = client.get(PATH).json()
    assert [row["id"] for row in answer["rows"]] == ["a", "c", "b"]
    check_answer(answer, "Mispredictions")
    assert (answer["wrong"], answer["outcomes"]) == (3, 4)
    first = answer["rows"][0]
    assert (first["predicted"], first["actual"], first["loss"]) == ("1", "0", pytest.approx(0.9))
    assert (first["trace_id"], first["span_id"]) == (TRACE.hex(), None)
    assert first["slices"] == {"country": "NL"}
    assert first["trace_url"] is None  # nobody said where traces are
    assert answer["rows"][1]["loss"] == pytest.approx(0.8)


def test_each_row_leads_to_its_trace_where_there_is_one(open_state: Open) -> None:
    state = open_state(churn=Model(team="payments", tier=1))
    state.send(predictions(["a"], [NOON], [0.9], trace_id=TRACE), outcomes(["a"], ["0"], NOON + DAY))
    state.send(predictions(["b"], [NOON + 1], [0.8]), outcomes(["b"], ["0"], NOON + DAY))
    client = client_of(state, Links("http://jaeger.example.com/trace/{trace_id}"))
    answer = client.get(PATH).json()
    check_answer(answer, "Mispredictions")
    assert [row["trace_url"] for row in answer["rows"]] == [f"http://jaeger.example.com/trace/{TRACE.hex()}", None]
    (model,) = client.get("/api/v1/models").json()["models"]
    assert (model["team"], model["tier"]) == ("payments", 1)


@pytest.mark.slow
def test_times_have_all_their_digits_and_are_read_so(client: TestClient) -> None:
    row = client.get(PATH).json()["rows"][1]
    assert row["time"].endswith(".000000002Z")
    assert rows(client, f"?since={row['time']}") == ["c"]
    assert rows(client, f"?until={row['time']}") == ["a", "b"]


@pytest.mark.slow
def test_a_slice_a_window_a_time_and_a_limit_choose(client: TestClient) -> None:
    assert rows(client, "?slice=country=NL") == ["a", "b"]
    assert rows(client, "?slice=country=NL&limit=1") == ["a"]
    assert client.get(PATH + "?slice=country=BE").json()["outcomes"] == 1
    assert rows(client, "?slice=country=DE") == []
    assert rows(client, "?window=1d&at=2024-10-04T13:00:00Z") == ["a", "c", "b"]
    assert rows(client, "?window=1d&at=2024-10-05T13:00:00Z") == []
    assert rows(client, "?since=2024-10-05T00:00:00Z") == []


@pytest.mark.parametrize(
    ("query", "facts"),
    [
        ("?slice=NL", ("slice must be a key and a value",)),
        ("?limit=0", ("limit must be a number from 1 to 1000",)),
        ("?since=noon", ("since must be a time",)),
        ("?window=1y", ("'1y' is not a window of this model",)),
    ],
)
def test_what_cannot_be_asked_is_a_sentence(client: TestClient, query: str, facts: Facts) -> None:
    answer = client.get(PATH + query)
    assert answer.status_code in (400, 404)
    assert lacking(answer.json()["error"], *facts) == []


def test_in_a_gap_between_windows_the_nearest_answers_as_it_does_on_the_page(client: TestClient) -> None:
    gap = "window=1d&at=2024-10-08T13:00:00Z"
    answer, page = client.get(f"{PATH}?{gap}").json(), client.get(f"/models/churn/predictions?{gap}&format=json").json()
    check_answer(answer, "Mispredictions")
    said = "No window with predictions contains 8 October 2024, 13:00; the nearest is 5 October 2024."
    assert (answer["instead"], answer["start"]) == (said, "2024-10-05T00:00:00Z")
    assert (page["instead"], page["start"]) == (said, "2024-10-05T00:00:00Z")
    for held in (f"{PATH}?window=1d&at=2024-10-04T13:00:00Z", f"{PATH}?window=1d", PATH):
        assert client.get(held).json()["instead"] is None


def test_the_page_shows_them_and_those_of_a_slice(client: TestClient) -> None:
    page = client.get("/models/churn/predictions?window=1d&at=2024-10-04T13:00:00Z").text
    assert "Worst predictions" in page
    assert TRACE.hex() in page
    assert "3 of 3 known outcomes of this window differ from the prediction" in page
    cut = client.get("/models/churn/predictions?window=1d&at=2024-10-04T13:00:00Z&slice=country=BE").text
    assert "where country is BE" in cut


def test_the_service_s_own_decision_counts_and_a_row_without_score_is_as_wrong_as_can_be(
    state: Opened,
) -> None:
    task = Task("multiclass", ("x", "y", "z"), "")
    state.send(
        predictions(["s"], NOON, [[0.1, 0.7, 0.2]], task=task),
        predictions(["o"], NOON, [[0.1, 0.7, 0.2]], task=task, predicted=["x"]),
        predictions(["n"], NOON, task=task, predicted=["z"]),
        outcomes(["s", "o", "n"], ["x", "x", "x"]),
    )
    answer = client_of(state).get(PATH).json()
    assert [(row["id"], row["predicted"], row["loss"]) for row in answer["rows"]] == [
        ("n", "z", 1.0),
        ("s", "y", pytest.approx(0.9)),
    ]


@pytest.mark.slow
def test_of_a_regression_the_furthest_off_come_first(state: Opened) -> None:
    task = Task("regression")
    state.send(
        predictions(["near", "far", "text"], NOON, [1.0, 5.0, 3.0], task=task), outcomes(["near", "far"], [1.5, -5.0])
    )
    state.send(outcomes(["text"], ["7.5"]))
    answer = client_of(state).get(PATH).json()
    assert [(row["id"], row["loss"]) for row in answer["rows"]] == [("far", 10.0), ("text", 4.5), ("near", 0.5)]


def test_what_was_corrected_is_wrong_no_more(state: Opened) -> None:
    state.send(predictions(["a"], NOON, [0.9]), outcomes(["a"], [0]))
    assert rows(client_of(state)) == ["a"]
    state.send(outcomes(["a"], [1], NOON + 2 * HOUR))
    assert rows(client_of(state)) == []


@pytest.mark.parametrize("kind", ["binary", "multiclass", "regression"])
def test_live_and_files_find_the_same(open_state: Open, kind: str) -> None:
    rng = np.random.default_rng(3)
    classes = {"binary": ("0", "1"), "multiclass": ("0", "1", "2"), "regression": ()}[kind]
    task = Task(kind, classes, "1" if kind == "binary" else "")
    scores = rng.dirichlet([1.0] * 3, 300) if kind == "multiclass" else rng.random((300, 1))
    said = [("0", "1", "?", None)[at] for at in rng.integers(0, 4, 300)] if classes else None
    actual = rng.integers(0, 2, 300).tolist()
    state = open_state()
    ids = [str(at) for at in range(300)]
    state.send(predictions(ids, NOON, scores.tolist(), task=task, predicted=said), outcomes(ids, actual))
    state.state.settle()
    found = state.state.queries.mispredictions.worst(ModelKey("churn", "1"), NOON, NOON + 1, 1_000)
    same = row_losses_of(task, scores, None if said is None else column(said), Column(numbers=np.array(actual, float)))
    assert same is not None
    worst = same.worst(1_000)
    assert [row.id for row in found.rows] == [ids[at] for at in worst]
    assert [row.loss for row in found.rows] == pytest.approx(same.loss[worst])
    assert (found.wrong, found.outcomes) == (int(same.wrong.sum()), 300)


def test_a_state_without_rows_has_none(tmp_path: Path) -> None:
    state = State(config(tmp_path), clock=Clock(NOON))
    state.start_storing()
    Opened(state).send(predictions(["a"]))
    answer = client_of(Opened(state)).get(PATH).json()
    assert (answer["rows"], answer["wrong"], answer["outcomes"]) == ([], 0, 0)
    state.stop()


@pytest.mark.slow
def test_an_answer_is_remembered_until_a_row_comes_is_corrected_or_goes(
    open_state: Open,
) -> None:
    state, key = open_state(), ModelKey("churn", "1")

    def worst() -> list[tuple[str, str | float | None]]:
        state.view()
        found = state.state.queries.mispredictions.worst(key, NOON, NOON + 10)
        assert state.state.queries.mispredictions.worst(key, NOON, NOON + 10) is found
        return [(one.id, one.actual) for one in found.rows]

    state.send(predictions(["a", "b"], [NOON, NOON + 1], [0.9, 0.8]), outcomes(["a"], [0]))
    assert worst() == [("a", "0")]
    state.send(outcomes(["b"], [0], NOON + HOUR))
    assert worst() == [("a", "0"), ("b", "0")]
    state.send(outcomes(["a"], [1], NOON + 2 * HOUR))
    assert worst() == [("b", "0")]
    state.state.erase(ErasureOrder("churn", "id", ("b",)))
    assert worst() == []
