"""A regression that predicts quantiles: what it returns travels as scores, in the order of the levels it declared."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import driftline
import numpy as np
import pytest
from driftline.baseline.baseline import Baseline
from driftline.tables.classes import complete_task, quantile_levels
from driftline.tables.table import F64, PredictionTable
from driftline.tables.task import Task

from tests.support.facts import Facts, in_order
from tests.support.service import Service, returns

LEVELS = (0.1, 0.5, 0.9)


def price(service: Service, **said: Any) -> driftline.Model:
    return service.model(name="price", task="regression", quantiles=LEVELS, **said)


def scores(table: PredictionTable) -> F64:
    assert table.scores is not None
    return table.scores


@pytest.mark.parametrize(
    "result",
    [
        np.array([1.0, 2.0, 4.0]),
        np.array([[1, 2, 4]]),
        [1.0, 2.0, 4.0],
        [1, 2.0, np.float32(4.0)],
        [[1.0, 2.0, 4.0]],
    ],
)
def test_a_row_of_quantiles_is_read_in_whatever_shape_it_comes(service: Service, result: object) -> None:
    price(service).predict(returns(result))({"rooms": 4})
    [table] = service.tables()
    assert table.task == Task("regression", quantiles=LEVELS)
    assert scores(table).tolist() == [[1.0, 2.0, 4.0]]
    assert table.task.monitored_score(scores(table)).tolist() == [2.0]
    assert table.predicted is None


@pytest.mark.parametrize("shape", [np.asarray, np.ndarray.tolist, lambda rows: list(map(tuple, rows.tolist()))])
def test_a_batch_is_a_row_of_quantiles_each(service: Service, shape: Callable[[F64], object]) -> None:
    rows = np.array([[1.0, 2.0, 4.0], [5.0, 6.0, 9.0]])
    price(service).predict(returns(shape(rows)))(np.array([[1.0], [2.0]]))
    [table] = service.tables()
    assert scores(table).tolist() == rows.tolist()


@pytest.mark.parametrize("result", [2.0, [1.0, 2.0], (1.0, 2.0, 4.0), np.ones((1, 4)), "dear", None])
def test_what_is_no_row_of_as_many_numbers_is_not_read(service: Service, result: object) -> None:
    price(service).predict(returns(result))({"rooms": 4})
    [table] = service.tables()
    assert table.scores is None


def test_a_span_says_the_quantiles(service: Service) -> None:
    price(service).predict(returns(np.array([1.0, 2.0, 4.0])))({"rooms": 4})
    said = service.attributes()
    assert said["driftline.prediction.scores"] == (1.0, 2.0, 4.0)
    assert "ml.prediction.value" not in said


def test_a_baseline_knows_the_levels_and_its_performance(tmp_path: Any) -> None:
    rng = np.random.default_rng(3)
    rooms = rng.integers(1, 6, 400).astype(np.float64)
    quantiles = np.column_stack([rooms - 1, rooms, rooms + 1])
    baseline = Baseline.from_frame(
        {"rooms": rooms},
        score=quantiles,
        actual=rooms + rng.normal(0, 0.7, 400),
        model="price",
        task="regression",
        quantiles=LEVELS,
    )
    baseline.save(tmp_path / "price.json")
    again = Baseline.load(tmp_path / "price.json")
    assert again.task == Task("regression", quantiles=LEVELS)
    assert again.digest == baseline.digest
    weight, _, *_ = again.pane.parts["quantiles"]
    assert weight == 400
    model = driftline.Model("price", baseline=again)
    assert model._identity.task.quantiles == LEVELS


@pytest.mark.parametrize(
    ("task", "levels", "facts"),
    [
        ("regression", (0.9, 0.1), ("increasing",)),
        ("regression", (0.5,), ("two or more levels",)),
        ("regression", (0.0, 0.5), ("between 0 and 1",)),
        ("regression", ("a", "b"), ("between 0 and 1",)),
        ("binary", (0.1, 0.9), ("only a regression model has quantiles",)),
    ],
)
def test_levels_that_are_none_are_refused_with_the_fix(task: str, levels: Any, facts: Facts) -> None:
    with pytest.raises(ValueError, match=in_order(*facts)):
        driftline.Model("price", task=task, quantiles=levels)


def test_what_is_learned_of_a_model_leaves_its_levels() -> None:
    given = {"task": "", "classes": None, "positive_class": None, "threshold": None, "quantiles": LEVELS}
    assert complete_task("price", given, "regression", None, None)[1] == Task("regression", quantiles=LEVELS)
    assert quantile_levels("regression", None) == ()
