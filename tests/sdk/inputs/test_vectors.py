"""An embedding is a feature: from what people pass to a drift of its norm."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from driftline.baseline.baseline import Baseline
from driftline.batch.prediction_batch import _cut
from driftline.export import counters
from driftline.inputs.dataframes import column_of
from driftline.inputs.texts_and_vectors import LONGEST_VECTOR, vector_column
from driftline.loss_counters import UNUSABLE
from driftline.panes.fold import fold
from driftline.privacy.policy import Privacy
from driftline.tables.column_codec import decode, encode_column, strings
from driftline.tables.table import Column, ModelKey, concatenate
from driftline_processor.core.evaluation import ColumnDrift
from driftline_processor.core.judge_window import ModelWindow, judge_window
from driftline_processor.core.reference.reference import Reference
from driftline_processor.core.windows.window import Window

from tests.support.metric_points import cdf, points
from tests.support.service import AddedCounts, Service, returns
from tests.support.unwrap import unwrap

VECTOR = [3.0, 4.0, 0.0]
KINDS: dict[str, Callable[[list[float]], Any]] = {
    "list": list,
    "tuple": tuple,
    "float32": lambda v: np.array(v, np.float32),
    "float64": np.array,
    "whole numbers": lambda v: np.array(v, np.int16),
}


class Tensor:
    """What a reader knows of a tensor: one on the CPU, or one that would have to be waited for."""

    ndim = 1

    def __init__(self, values: list[float], device: str) -> None:
        self._values = values
        self.device = type("Device", (), {"type": device})()

    def __len__(self) -> int:
        return len(self._values)

    def detach(self) -> Tensor:
        return self

    def float(self) -> Tensor:
        return self

    def numpy(self) -> Any:
        return np.array(self._values, np.float32)


@pytest.fixture
def unusable(monkeypatch: pytest.MonkeyPatch) -> AddedCounts:
    """Return the counter of unusable values."""
    UNUSABLE.drain()
    added = AddedCounts()
    monkeypatch.setitem(counters._counters, (None, "driftline.sdk.unusable.values", False), added)
    return added


def halves(rows: Any) -> Any:
    return np.full(len(rows), 0.5)


def vectors(service: Service, name: str = "embedding") -> list[Any]:
    """Return the vectors of the only record, as lists, None where missing."""
    column = service.table().features[name]
    assert column.vectors is not None
    assert column.vectors.dtype == np.float32
    return [None if np.isnan(row).all() else row.tolist() for row in column.vectors]


@pytest.mark.parametrize("kind", KINDS)
def test_a_row_may_hold_a_vector(service: Service, kind: str) -> None:
    predict = service.model().predict(returns(0.25))
    value = KINDS[kind](VECTOR)
    predict({"x": 1.0, "embedding": value})
    if not isinstance(value, tuple):
        value[0] = 100.0  # what was recorded is what was passed
    predict({"x": 2.0, "embedding": None})
    assert vectors(service) == [VECTOR, None]
    norms = unwrap(service.tables()[0].features["embedding"].numbers)
    assert norms[0] == 5.0
    assert np.isnan(norms[1])
    for span in service.spans:
        assert "driftline.feature.value.embedding" not in (span.attributes or {})
        assert "driftline.feature.value.x" in (span.attributes or {})


def test_a_tensor_is_a_vector_and_one_on_a_device_is_missing(service: Service) -> None:
    predict = service.model().predict(returns(0.25))
    predict({"embedding": Tensor(VECTOR, "cpu")})
    predict({"embedding": Tensor(VECTOR, "cuda")})
    assert vectors(service) == [VECTOR, None]


BATCHES: dict[str, Callable[[list[Any]], Any]] = {
    "list of dicts": lambda rows: [{"x": 1.0, "embedding": row} for row in rows],
    "DataFrame of lists": lambda rows: pd.DataFrame({"x": 1.0, "embedding": rows}),
    "DataFrame of arrays": lambda rows: pd.DataFrame(
        {"x": 1.0, "embedding": [None if row is None else np.array(row, np.float32) for row in rows]}
    ),
}


@pytest.mark.parametrize("batch", BATCHES)
def test_a_batch_may_hold_vectors_and_those_of_another_length_are_counted(
    service: Service, batch: str, unusable: AddedCounts
) -> None:
    predict = service.model().predict(halves)
    predict(BATCHES[batch]([VECTOR, [1.0, 2.0], None, VECTOR]))
    assert vectors(service) == [VECTOR, None, None, VECTOR]
    assert unusable.points == [(1, {"driftline.reason": "vector_length"})]


def test_a_vector_that_is_too_long_is_missing_and_counted(service: Service, unusable: AddedCounts) -> None:
    predict = service.model().predict(returns(0.25))
    predict({"embedding": [0.5] * LONGEST_VECTOR})
    predict({"embedding": [0.5] * (LONGEST_VECTOR + 1)})
    predict({"embedding": np.zeros(1_000_000)})
    first, second, third = vectors(service)
    assert (len(first), second, third) == (LONGEST_VECTOR, None, None)
    assert unusable.points == [(2, {"driftline.reason": "vector_too_long"})]


def test_a_list_of_anything_else_is_missing_and_one_of_one_number_is_the_number(service: Service) -> None:
    service.model().predict(returns(0.25))({"tags": ["a", "b"], "empty": [], "deep": [[1.0]], "one": [2.5], "x": 1.0})
    features = service.table().features
    there = {name for name, column in features.items() if not np.isnan(column.numbers).all()}  # type: ignore[arg-type]
    assert (list(features), there) == (["tags", "empty", "deep", "one", "x"], {"one", "x"})
    assert all(column.vectors is None for column in features.values())


def test_vectors_count_towards_the_bound_of_the_buffer(service: Service) -> None:
    model = service.model()
    predict = model.predict(returns(0.25))
    predict({"embedding": [0.5] * 1000})
    predict({"embedding": [0.5] * 1000})
    assert model._pipeline._rows._bytes > 2 * 4 * 1000


def test_vectors_of_a_coroutine_count_towards_the_bound_too(service: Service) -> None:
    model = service.model()

    @model.predict
    async def predict(row: dict[str, Any]) -> float:  # noqa: ARG001
        return 0.25

    for _ in range(2):
        asyncio.run(predict({"embedding": [0.5] * 1000}))
    assert model._pipeline._rows._bytes > 2 * 4 * 1000


def test_batches_of_one_length_share_a_record_and_others_have_their_own(service: Service) -> None:
    predict = service.model().predict(halves)
    for k in (2, 3, 2):
        predict([{"embedding": [1.0] * k}, {"embedding": [2.0] * k}])
    found = [table.features["embedding"].vectors for table in service.tables()]
    assert [rows.shape for rows in found if rows is not None] == [(4, 2), (2, 3)]


def test_a_column_of_vectors_travels_as_singles() -> None:
    column = vector_column(np.array([[0.1, 0.2], [0.3, 0.4]]))
    data = encode_column(column)
    assert len(data) == 2 * 2 * 4 + 1
    assert chr(data[-1]) == "f"
    read = decode(data, 2)
    assert isinstance(read, np.ndarray)
    assert read.tolist() == column.vectors.tolist()  # type: ignore[union-attr]


def test_rules_hold_for_vectors(service: Service) -> None:
    rules = Privacy(deny=("secret",), hash=("hashed",), round={"rounded": 1.0}, key="k" * 16)
    predict = service.model(privacy=rules).predict(returns(0.25))
    predict({"secret": VECTOR, "hashed": VECTOR, "rounded": [0.4, 1.6], "plain": VECTOR})
    features = service.table().features
    assert features["rounded"].vectors.tolist() == [[0.0, 2.0]]  # type: ignore[union-attr]
    assert features["plain"].vectors is not None
    assert "secret" not in features
    assert "hashed" not in features or np.isnan(features["hashed"].numbers).all()  # type: ignore[arg-type]


def test_the_norm_drifts(service: Service) -> None:
    random = np.random.default_rng(7)
    reference, later = random.normal(0, 1, (1000, 8)), random.normal(0, 2, (1000, 8))
    baseline = Baseline.from_frame(
        {"embedding": list(reference)}, score=random.random(1000), model="churn", task="binary"
    )
    predict = service.model(baseline=baseline).predict(halves)
    key, window = ModelKey("churn"), Window("", 0, 1)

    def drift(rows: Any) -> ColumnDrift:
        service.channel.bodies.clear()
        predict([{"embedding": row} for row in rows])
        pane = fold(service.table(), baseline.bins)
        return judge_window(ModelWindow(key, window, pane), Reference(baseline)).features["embedding"]

    same, other = drift(reference), drift(later)
    assert (same.state, same.methods["psi"].value) == ("ok", 0.0)
    assert other.state == "drift"
    assert other.methods["psi"].value == pytest.approx(4.2, abs=0.5)


def test_parts_of_a_column_of_vectors_keep_them() -> None:
    column = vector_column(np.arange(12.0).reshape(4, 3))
    assert _cut(column, slice(1, 3)).vectors.tolist() == [[3.0, 4.0, 5.0], [6.0, 7.0, 8.0]]
    both = concatenate([column, column])
    assert unwrap(both.vectors).shape == (8, 3)
    other = concatenate([column, Column(numbers=np.array([1.0]))])
    assert other.vectors is None
    assert len(unwrap(other.numbers)) == 5


@pytest.mark.parametrize("values", [[VECTOR, None, VECTOR], pd.Series([VECTOR, None, VECTOR])], ids=["list", "Series"])
def test_reference_rows_may_hold_vectors(values: Any) -> None:
    assert column_of(values).numbers.tolist()[::2] == [5.0, 5.0]  # type: ignore[union-attr]
    assert column_of(np.array([VECTOR] * 2)).vectors.tolist() == [VECTOR] * 2  # type: ignore[union-attr]


def test_vectors_are_counted_by_their_norm_where_no_row_leaves(service: Service) -> None:
    predict = service.model(capture="none", metrics_channel=service.metrics).predict(halves)
    predict([{"embedding": VECTOR}, {"embedding": [6.0, 8.0, 0.0]}])
    service.flush()
    (point,) = [point for point in points(service.metrics.bodies) if point.name == "driftline.feature.distribution"]
    assert (point.attributes["driftline.feature.name"], point.count) == ("embedding", 2)
    assert cdf([point], np.array([4.9, 7.0, 10.1])).tolist() == [0.0, 0.5, 1.0]


def test_wide_rows_are_as_many_records_as_they_need(service: Service) -> None:
    predict = service.model().predict(halves, id="id")
    rows = np.random.default_rng(1).random((600, LONGEST_VECTOR), np.float32)
    for start in (0, 300):
        predict([{"id": f"{start + i}", "embedding": row} for i, row in enumerate(rows[start : start + 300])])
    tables = service.tables()
    assert [id for table in tables for id in strings(table.id)] == [str(i) for i in range(600)]
    assert np.array_equal(np.concatenate([table.features["embedding"].vectors for table in tables]), rows)
    assert all(len(body) <= 2**20 for body in service.channel.bodies)
    assert len(tables) <= 12  # 9.4 MiB; halving made 16
