"""A ranking: ordered items and their scores, from what a function returns to what the processor reads."""

# ruff: noqa: ARG001 - functions that predict the same whatever they are given

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import driftline
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from driftline.baseline.baseline import Baseline
from driftline.batch.conversion import list_of
from driftline.outputs.rankings import copy_ranking, one_ranking, read
from driftline.semconv import attributes as a
from driftline.tables.column_codec import strings

from tests.support.facts import Facts, lacking
from tests.support.rankings import item_ids
from tests.support.service import Service, returns
from tests.support.unwrap import unwrap

NAN = math.nan


@dataclass
class Hit:
    item_id: int
    score: float


def _named(value: Any) -> str:
    return type(value).__name__


@pytest.mark.parametrize(
    ("result", "ranked"),
    [
        (["b", "a"], (("b", "a"), None)),
        (("b", "a"), (("b", "a"), None)),
        ([3, 1], ((3, 1), None)),
        (np.array([3, 1]), ((3, 1), None)),
        (np.array([[3, 1]]), ((3, 1), None)),
        (np.array(["b", "a"]), (("b", "a"), None)),
        (pd.Series(["b", "a"]), (("b", "a"), None)),
        (pa.array(["b", "a"]), (("b", "a"), None)),
        (["b", None], (("b", None), None)),
        ([("b", 0.5), ("a", 0.25)], (("b", "a"), (0.5, 0.25))),
        ([["b", 0.25], ["a", 0.5]], (("b", "a"), (0.25, 0.5))),
        ([(3, 2), (1, 1)], ((3, 1), (2.0, 1.0))),
        ({"a": 0.25, "b": 0.5, "c": 0.25}, (("b", "a", "c"), (0.5, 0.25, 0.25))),
        ({"a": NAN, "b": 0.5, "c": None}, (("b", "a", "c"), (0.5, NAN, NAN))),
        ({3: np.float32(0.25), 1: 2}, ((1, 3), (2.0, 0.25))),
        (pd.DataFrame({"item": ["b", "a"], "score": [0.5, 0.25]}), (("b", "a"), (0.5, 0.25))),
        (pd.DataFrame({"score": [0.5, 0.25], "id": [3, 1], "title": ["x", "y"]}), ((3, 1), (0.5, 0.25))),
        (pa.table({"item_id": ["b", "a"], "score": [0.5, 0.25]}), (("b", "a"), (0.5, 0.25))),
        (pd.DataFrame({"item": ["b", "a"]}), (("b", "a"), None)),
        ({"items": ["b", "a"], "scores": [0.5, 0.25]}, (("b", "a"), (0.5, 0.25))),
        ({"item_ids": np.array([3, 1]), "scores": np.array([0.5, 0.25])}, ((3, 1), (0.5, 0.25))),
        ([{"item": "b", "score": 0.5}, {"item": "a", "score": 0.25}], (("b", "a"), (0.5, 0.25))),
        ([Hit(3, 0.5), Hit(1, 0.25)], ((3, 1), (0.5, 0.25))),
        ((np.array([0.5, 0.25]), np.array([3, 1])), ((3, 1), (0.5, 0.25))),
        ((["b", "a"], [0.5, 0.25]), (("b", "a"), (0.5, 0.25))),
        ([], ((), None)),
        ({}, ((), None)),
        ("b", (("b",), None)),
        ([0.5, 0.25], None),
        (0.5, None),
        (None, None),
        ([True, False], None),
        ({"label": "a", "probability": 0.5}, None),
        ((["b"], [0.5, 0.25]), None),
        (([0.5, 0.25], [0.5, 0.25]), None),
        ([("b", "x")], None),
        ([{"name": "b"}], None),
    ],
    ids=_named,
)
def test_what_one_row_may_return(result: Any, ranked: Any) -> None:
    assert repr(one_ranking(copy_ranking(result))) == repr(ranked)


ROW = (("b", "a"), (0.5, 0.25))


@pytest.mark.parametrize(
    ("result", "rankings"),
    [
        ([["b", "a"], ["a"]], [(("b", "a"), None), (("a",), None)]),
        (np.array([[3, 1], [2, 4]]), [((3, 1), None), ((2, 4), None)]),
        ([[("b", 0.5), ("a", 0.25)], []], [ROW, ((), None)]),
        ([{"a": 0.25, "b": 0.5}, None], [ROW, None]),
        ([{"items": ["b", "a"], "scores": [0.5, 0.25]}, {}], [ROW, ((), None)]),
        (pd.Series([["b", "a"], ["a"]]), [(("b", "a"), None), (("a",), None)]),
        (np.array([["b", "a"], None], dtype=object)[:, None].reshape(2), None),
        (["b", "a"], None),
        ([["b"]], None),
        (np.array([0.5, 0.25]), None),
    ],
    ids=_named,
)
def test_what_two_rows_may_return(result: Any, rankings: Any) -> None:
    output = read(copy_ranking(result), 2, one_row=False)

    if rankings is None and output.rankings is not None:  # an array of lists is read as lists
        rankings = [(("b", "a"), None), None]
    assert output.rankings == rankings
    assert (output.unread is None) == (rankings is not None)


def test_the_arrays_of_a_nearest_neighbour_search_are_one_ranking_a_row() -> None:
    distances, ids = np.array([[0.5, 0.75]] * 3), np.array([[3, 1], [1, 2], [2, 3]])

    output = read(copy_ranking((distances, ids)), 3, one_row=False)

    assert output.rankings == [((3, 1), (0.5, 0.75)), ((1, 2), (0.5, 0.75)), ((2, 3), (0.5, 0.75))]


def test_a_row_that_is_no_ranking_is_said_so_and_its_neighbours_are_kept() -> None:
    output = read(copy_ranking([["a"], [0.5]]), 2, one_row=False)

    assert output.rankings == [(("a",), None), None]
    assert unwrap(output.unread).text == "a list with a list of 1"


def test_a_ranking_is_recorded_with_its_items_and_scores(service: Service) -> None:
    feed = service.model("feed", task="ranking").predict(returns([("b", 0.5), ("a", 0.25)]))

    assert feed({"user": "u"}) == [("b", 0.5), ("a", 0.25)]

    attributes = service.attributes()
    assert attributes["driftline.prediction.items"] == ("b", "a")
    assert attributes["driftline.prediction.scores"] == (0.5, 0.25)
    assert attributes["driftline.prediction.item.count"] == 2
    assert "ml.prediction.class" not in attributes
    table = service.table()
    assert table.task.kind == "ranking"
    assert item_ids(table.items) == [["b", "a"]]
    assert table.items is not None
    assert unwrap(table.items.scores).tolist() == [0.5, 0.25]
    assert unwrap(table.scores).tolist() == [[0.5]]
    assert service.counts() == {(): 1}


def test_rows_of_all_lengths_wait_together(service: Service) -> None:
    results: list[Any] = [["a", "b"], [], {"a": 0.5}, [7.5]]

    @service.model("feed", task="ranking").predict
    def feed(row: dict[str, int]) -> Any:
        return results[row["at"]]

    for at in range(len(results)):
        feed({"at": at})

    table = service.table()
    assert item_ids(table.items) == [["a", "b"], [], ["a"], []]
    assert [span.attributes and span.attributes.get("driftline.prediction.unread") for span in service.spans] == [
        None,
        None,
        None,
        True,
    ]


def test_a_batch_has_one_ranking_a_row(service: Service) -> None:
    feed = service.model("feed", task="ranking").predict(returns([{"a": 0.25, "b": 0.5}, [], [("c", 0.125)]]))
    feed(np.zeros((3, 2)))

    table = service.table()
    assert item_ids(table.items) == [["b", "a"], [], ["c"]]
    np.testing.assert_array_equal(table.scores, [[0.5], [NAN], [0.125]])
    assert len(strings(table.id)) == 3


@pytest.mark.parametrize("scores", [[0.5, 0.25], np.array([0.5, 0.25]), (0.5, 0.25), pd.Series([0.5, 0.25])])
def test_items_and_scores_may_be_said_apart(service: Service, scores: Any) -> None:
    with service.model("feed", task="ranking").prediction(features={"user": "u"}) as p:
        p.predicted = ["b", "a"]
        p.score = scores

    table = service.table()
    assert item_ids(table.items) == [["b", "a"]]
    assert table.items is not None
    assert unwrap(table.items.scores).tolist() == [0.5, 0.25]


def test_selectors_name_items_and_scores_of_a_result(service: Service) -> None:
    model = service.model("feed", task="ranking")
    feed = model.predict(returns({"titles": ["b", "a"], "p": [0.5, 0.25]}), predicted="titles", score="p")
    feed({"user": "u"})

    assert item_ids(service.table().items) == [["b", "a"]]
    assert service.attributes()["driftline.prediction.scores"] == (0.5, 0.25)


def test_scores_of_items_that_nobody_named_leave_the_first_score(service: Service) -> None:
    with service.model("feed", task="ranking").prediction(features={"user": "u"}) as p:
        p.score = [0.5, 0.25]

    table = service.table()
    assert table.items is None
    assert unwrap(table.scores).tolist() == [[0.5]]


def test_scores_of_another_number_than_the_items_are_left_out_and_said_so(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    with service.model("feed", task="ranking").prediction(features={"user": "u"}) as p:
        p.predicted, p.score = ["b", "a"], [0.5]

    table = service.table()
    assert item_ids(table.items) == [["b", "a"]]
    assert table.scores is None
    assert lacking(caplog.text, "feed.prediction", "2 items", "1 scores") == []


def test_a_long_ranking_is_cut_on_the_span_and_in_the_record(service: Service) -> None:
    service.model("feed", task="ranking").predict(returns([(f"i{at}", 1.0 - at / 2000) for at in range(1500)]))({})

    attributes = service.attributes()
    assert len(attributes["driftline.prediction.items"]) == len(attributes["driftline.prediction.scores"]) == 64
    assert attributes["driftline.prediction.item.count"] == 1500
    items = unwrap(service.table().items)
    assert items.offsets.tolist() == [0, 1000]


def test_a_result_that_changes_later_is_recorded_as_it_was(service: Service) -> None:
    answer = ["b", "a"]
    service.model("feed", task="ranking").predict(returns(answer))({"user": "u"})
    answer.reverse()

    assert item_ids(service.table().items) == [["b", "a"]]


def test_a_large_batch_of_rankings_is_cut_into_records(service: Service) -> None:
    ids = np.arange(6000 * 3).reshape(-1, 3)
    service.model("feed", task="ranking").predict(returns(ids))(np.zeros((6000, 1)))

    tables = service.tables()
    assert sum(map(len, tables)) == 6000
    assert [row for table in tables for row in item_ids(table.items) or ()] == [[str(i) for i in row] for row in ids]


def test_the_first_call_says_how_the_ranking_was_read(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "driftline")
    service.model("feed", task="ranking").predict(returns(["b"]), features="features")({"user": "u"})
    service.flush()

    assert "as one row, a list of 1 as items, best first" in caplog.text


def test_a_call_that_raises_is_a_prediction_without_items(service: Service) -> None:
    @service.model("feed", task="ranking").predict
    def feed(row: dict[str, Any]) -> list[str]:
        raise LookupError

    with pytest.raises(LookupError):
        feed({"user": "u"})

    assert service.attributes()["error.type"] == "LookupError"
    assert service.table().items is None


@pytest.mark.parametrize(
    "score",
    [np.array([0.5, 0.75]), np.array([[0.5, 0.25], [0.75, 0.5]]), [[0.5], [0.75, 0.25]], "score", "lists"],
    ids=["first scores", "all scores", "ragged scores", "column", "column of lists"],
)
def test_a_baseline_of_a_ranking_model_holds_the_first_items_score(score: Any) -> None:
    X = {"age": [31.0, 64.0], "score": [0.5, 0.75], "lists": [[0.5], [0.75, 0.25]]}

    baseline = Baseline.from_frame(X, score=score, model="feed", task="ranking", features=["age"])

    assert baseline.bins.classes is None
    assert baseline.bins.score is not None
    assert baseline.pane.parts["score"].sum() == 2
    assert Baseline.from_json(baseline.to_json()).task.kind == "ranking"


def test_a_baseline_of_rankings_without_scores_holds_features() -> None:
    items = [["a"], ["b", "c"]]

    baseline = Baseline.from_frame({"age": [31.0, 64.0]}, predicted=items, model="feed", task="ranking")

    assert baseline.bins.score is None
    assert list(baseline.bins.features) == ["age"]
    with pytest.raises(ValueError, match="both score and predicted class are missing"):
        Baseline.from_frame({"age": [31.0, 64.0]}, model="feed", task="ranking")


def test_a_model_that_sends_no_rows_sends_no_items(service: Service) -> None:
    service.model("feed", task="ranking", capture="none").predict(returns([("b", 0.5)]))({"user": "u"})

    assert service.tables() == []
    assert [key for key in service.attributes() if "item" in key or "score" in key] == []
    assert service.counts() == {(): 1}


def test_what_was_relevant_is_said_of_an_item_or_of_the_whole_list(service: Service) -> None:
    shelf = service.model("shelf", "ranking")
    shelf.outcome("A-1", item=17, actual=1)
    shelf.outcome("A-2", actual=["p17", np.int64(4)])
    shelf.outcome("A-3", actual={"p17": 3, 4: 0.5})
    shelf.outcome("A-4", actual=pd.Series(["p4"]))
    shelf.outcome("A-5", actual=True)
    shelf.outcome("A-6", item="p4", retracted=True)

    (table,) = service.outcomes()
    assert strings(unwrap(table.item)) == ["17", "", "", "", "", "p4"]
    assert list_of(table.actual) == ["1", '["p17", "4"]', '{"p17": 3.0, "4": 0.5}', '["p4"]', "1", None]


@pytest.mark.parametrize(
    ("actual", "options", "facts"),
    [
        (["p4", None], {}, ("its actual is a list of 2, and it has an item id that is neither a string nor a number",)),
        ([["p4"]], {}, ("its actual is a list of 1, and it has an item id that is neither a string nor a number",)),
        ([True], {}, ("its actual is a list of 1, and it has an item id that is neither a string nor a number",)),
        ({"p4": "much"}, {}, ("it has a relevance that is not a finite number",)),
        ({"p4": float("nan")}, {}, ("it has a relevance that is not a finite number",)),
        (list(range(1001)), {}, ("1,000 items",)),
        (["p4"], {"item": "p4"}, ("item=",)),
    ],
)
def test_relevance_that_cannot_be_used_is_logged(
    service: Service, caplog: pytest.LogCaptureFixture, actual: Any, options: dict[str, Any], facts: Facts
) -> None:
    service.model("shelf", "ranking").outcome("A-1", actual=actual, **options)
    assert lacking(caplog.text, *facts) == []
    assert not service.outcomes()


def test_items_are_hashed_as_ids_are_wherever_they_are_named(service: Service) -> None:
    shelf = service.model("shelf", "ranking", privacy=driftline.Privacy(hash_id=True, key=b"k" * 32))
    shelf.predict(returns([("p4", 0.5), ("p17", 0.25)]))({"x": 1})
    shelf.outcome("A-1", item="p17", actual=1)
    shelf.outcome("A-1", actual=["p17"])

    (table,), (outcomes,) = service.tables(), service.outcomes()
    assert table.items is not None
    fit = table.items.ids.categories[1]
    assert strings(unwrap(outcomes.item)) == [fit, ""]
    assert list_of(outcomes.actual)[1] == f'["{fit}"]'
    assert service.attributes()[a.DRIFTLINE_PREDICTION_ITEMS] == table.items.ids.categories
    assert not {"p4", "p17"} & {*table.items.ids.categories, fit}
