"""Every library's tables say the same: as a service's batch, and as the reference rows of a baseline."""

from __future__ import annotations

import asyncio
import gc
import math
import weakref
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import scipy.sparse as sp
from driftline.batch.conversion import list_of
from driftline.inputs.batch import MOST_BYTES
from driftline.inputs.dataframes import column_of, columns_of
from driftline.inputs.pandas import Frame
from driftline.inputs.texts_and_vectors import short_text
from driftline.loss_counters import UNRECORDED, UNUSABLE

from tests.support.facts import Facts, lacking
from tests.support.service import Service, returns

Make = Callable[[dict[str, list[Any]]], Any]

TABLES: dict[str, Make] = {
    "pandas": pd.DataFrame,
    "pandas objects": lambda data: pd.DataFrame(data).astype(object),
    "pandas arrow": lambda data: pa.table(data).to_pandas(types_mapper=pd.ArrowDtype),
    "polars": lambda data: pl.DataFrame(data, strict=False),
    "arrow table": pa.table,
    "arrow batch": pa.RecordBatch.from_pydict,
    "arrow chunks": lambda data: pa.concat_tables(pa.table(data).slice(at, 1) for at in range(len(data["x"]))),
    "dicts": lambda data: [dict(zip(data, row, strict=True)) for row in zip(*data.values(), strict=True)],
}


def recorded(value: Any, rows: int, **options: Any) -> dict[str, list[Any]]:
    """Return the features that one call leaves."""
    service = Service()
    service.model(task="regression", **options).predict(returns(np.zeros(rows)))(value)
    tables = service.tables()
    assert sum(map(len, tables)) == rows
    return {name: list_of(column) for name, column in tables[0].features.items()}


def both_ways(value: Any, rows: int) -> dict[str, list[Any]]:
    """Return the features of a batch, having made sure that a baseline reads them as the service does."""
    UNUSABLE.drain()
    found = recorded(value, rows)
    reference = {name: list_of(column_of(column)) for name, column in columns_of(value).items()}
    assert repr(reference) == repr(found)
    return found


VALUES: dict[str, tuple[list[Any], list[Any]]] = {
    "doubles": ([1.5, None, 2.5], [1.5, None, 2.5]),
    "whole numbers": ([1, 2, 3], [1.0, 2.0, 3.0]),
    "whole numbers with nulls": ([1, None, 3], [1.0, None, 3.0]),
    "booleans": ([True, False, True], [1.0, 0.0, 1.0]),
    "booleans with nulls": ([True, None, False], [1.0, None, 0.0]),
    "texts": (["b", None, "a"], ["b", None, "a"]),
    "texts of digits": (["7", "8", "7"], ["7", "8", "7"]),
    "nothing": ([None, None, None], [None, None, None]),
    "decimals": ([Decimal("0.5"), None, Decimal("1.25")], [0.5, None, 1.25]),
    "instants": ([datetime(1970, 1, 1, 0, 1), None, datetime(2026, 11, 20)], [60.0, None, 1795132800.0]),
    "instants of a zone": ([datetime(1970, 1, 1, 0, 1, tzinfo=UTC), None, None], [60.0, None, None]),
    "dates": ([date(1970, 1, 2), None, date(2026, 11, 20)], [86400.0, None, 1795132800.0]),
    "durations": ([timedelta(seconds=1.5), None, timedelta(days=1)], [1.5, None, 86400.0]),
    "clock times": ([time(1, 0, 1), None, time(0)], [3601.0, None, 0.0]),
}


@pytest.mark.parametrize("kind", VALUES)
@pytest.mark.parametrize("make", TABLES.values(), ids=TABLES.keys())
def test_values_of_every_kind_mean_the_same_in_every_library(make: Make, kind: str) -> None:
    given, expected = VALUES[kind]

    assert both_ways(make({"x": given}), 3) == {"x": expected}
    assert UNUSABLE.drain() == {}


@pytest.mark.parametrize(
    "make",
    [
        lambda values: pd.DataFrame({"x": pd.Categorical(values)}),
        lambda values: pl.DataFrame({"x": pl.Series(values, dtype=pl.Categorical)}),
        lambda values: pl.DataFrame({"x": pl.Series(values, dtype=pl.Enum(["c", "b", "a"]))}),
        lambda values: pa.table({"x": pa.array(values).dictionary_encode()}),
        lambda values: pa.table({"x": pa.chunked_array([[value] for value in values]).dictionary_encode()}),
        lambda values: pa.table({"x": pa.array(values, pa.large_string())}),
        lambda values: pd.DataFrame({"x": pd.array(values, dtype="string[python]")}),
    ],
    ids=["pandas", "polars", "polars enum", "arrow", "arrow chunks", "large texts", "python texts"],
)
def test_categories_are_texts(make: Callable[[list[Any]], Any]) -> None:
    assert both_ways(make(["b", None, "a", "b"]), 4) == {"x": ["b", None, "a", "b"]}


def test_categories_may_be_numbers() -> None:
    assert both_ways(pd.DataFrame({"x": pd.Categorical([7, None, 8])}), 3) == {"x": [7.0, None, 8.0]}


@pytest.mark.parametrize(
    "frame",
    [
        pl.DataFrame({"x": [{"a": 1}, None]}),
        pa.table({"x": [{"a": 1}, None]}),
        pd.DataFrame({"x": [{"a": 1}, None]}),
        [{"x": {"a": 1}}, {"x": None}],
        np.array([[{"a": 1}], [None]], dtype=object),
        pd.DataFrame({"x": [1 + 2j, None]}, dtype=object),
    ],
    ids=["polars", "arrow", "pandas", "dicts", "array", "complex"],
)
def test_nested_values_are_missing_and_counted(frame: Any) -> None:
    UNUSABLE.drain()
    assert list(recorded(frame, 2).values()) == [[None, None]]
    UNUSABLE.drain()
    assert [list_of(column_of(column)) for column in columns_of(frame).values()] == [[None, None]]
    assert UNUSABLE.drain() == {"unsupported_value": 1}


ONE = {"amount": [17.5], "country": ["NO"]}


@pytest.mark.parametrize("make", TABLES.values(), ids=TABLES.keys())
def test_a_table_of_one_row_is_a_batch(make: Make) -> None:
    assert recorded(make({"amount": [17.5], "country": ["NO"], "x": [1]}), 1) == {**ONE, "x": [1.0]}


@pytest.mark.parametrize("make", list(TABLES.values())[:6], ids=list(TABLES)[:6])
def test_a_table_without_rows_is_no_prediction(make: Make) -> None:
    service = Service()
    service.model(task="regression").predict(returns([]))(make({"x": []}))
    assert service.tables() == []


@pytest.mark.parametrize(
    "frame",
    [pd.DataFrame(index=range(3)), np.zeros((3, 0)), sp.csr_matrix((3, 0)), [{}, {}, {}], [[], [], []]],
    ids=["pandas", "array", "sparse", "dicts", "lists"],
)
def test_rows_without_columns_are_predictions_without_features(frame: Any) -> None:
    assert recorded(frame, 3) == {}


def test_of_two_columns_of_one_name_the_first_counts() -> None:
    UNUSABLE.drain()
    assert recorded(pd.DataFrame([[1.0, 2.0]], columns=["a", "a"]), 1) == {"a": [1.0]}
    assert recorded(pd.DataFrame([[1.0, 2.0]], columns=[1, "1"]), 1) == {"1": [1.0]}


def test_names_that_are_no_texts_become_texts() -> None:
    frame = pd.DataFrame([[1.0, 2.0, 3.0]], columns=[0, ("a", "b"), None])
    assert recorded(frame, 1) == {"0": [1.0], "('a', 'b')": [2.0], "None": [3.0]}
    assert recorded([{0: 1.0}, {0: 2.0}], 2) == {"0": [1.0, 2.0]}


WIDE = {f"f{at}": [float(at)] for at in range(10_000)}


@pytest.mark.parametrize(
    "frame",
    [
        pd.DataFrame(WIDE),
        pl.DataFrame(WIDE),
        pa.table(WIDE),
        np.arange(10_000.0)[None],
        [dict.fromkeys(WIDE, 0.0)],
        sp.csr_array(np.arange(10_000.0)[None]),
    ],
    ids=["pandas", "polars", "arrow", "array", "dicts", "sparse"],
)
def test_of_ten_thousand_columns_the_first_thousand_are_recorded_or_those_that_are_named(frame: Any) -> None:
    assert list(recorded(frame, 1)) == [f"f{at}" for at in range(1000)]
    if not isinstance(frame, np.ndarray | sp.csr_array):
        assert list(recorded(frame, 1, feature_names=["f9999", "f5000"])) == ["f5000", "f9999"]
    else:  # what has no names is called by the model's, if they are as many
        names = [f"g{at}" for at in range(10_000)]
        assert list(recorded(frame, 1, feature_names=names)) == names[:1000]


def test_one_row_of_ten_thousand_features_is_recorded_up_to_the_thousandth() -> None:
    service = Service()
    service.model(task="regression").predict(returns(0.0))({name: values[0] for name, values in WIDE.items()})

    assert list(service.table().features) == [f"f{at}" for at in range(1000)]
    assert service.attributes()["driftline.feature.dropped"] == 10_000 - 64


@pytest.mark.parametrize("layout", ["csr", "csc", "coo", "lil", "dok", "bsr"])
@pytest.mark.parametrize("kind", ["matrix", "array"])
def test_sparse_rows_of_every_layout(layout: str, kind: str) -> None:
    dense = np.array([[0.0, 1.5, 0.0], [2.0, 0.0, 0.0]])

    found = both_ways(getattr(sp, f"{layout}_{kind}")(dense), 2)

    assert found == {"f0": [0.0, 2.0], "f1": [1.5, 0.0], "f2": [0.0, 0.0]}


def test_a_sparse_row_of_one_dimension() -> None:
    service = Service()
    service.model(task="regression").predict(returns(0.0))(sp.coo_array(np.array([0.0, 2.5])))
    assert {name: list_of(column) for name, column in service.table().features.items()} == {"f0": [0.0], "f1": [2.5]}


def test_duplicates_of_a_sparse_matrix_are_added_as_scipy_does() -> None:
    matrix = sp.coo_matrix(([1.0, 2.0], ([0, 0], [1, 1])), shape=(1, 2))
    assert recorded(matrix, 1) == {"f0": [0.0], "f1": [3.0]}


def test_a_wide_sparse_batch_is_never_made_dense_as_a_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    from driftline.inputs import sparse

    monkeypatch.setattr(sparse, "MOST_CELLS", 40)
    matrix = sp.random(10, 50_000, density=0.001, format="csr", random_state=np.random.default_rng(1))

    found = recorded(matrix, 10)

    assert list(found) == ["f0", "f1", "f2", "f3"]
    assert found["f3"] == matrix[:, [3]].toarray().ravel().tolist()


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (pl.Series([1.5, 2.0]), {"f0": [1.5], "f1": [2.0]}),
        (pa.array([1.5, 2.0]), {"f0": [1.5], "f1": [2.0]}),
        (pa.chunked_array([[1.5], [2.0]]), {"f0": [1.5], "f1": [2.0]}),
        (np.ma.masked_array([1.5, 2.0], mask=[False, True]), {"f0": [1.5], "f1": [None]}),
        (np.array(["1970-01-01T00:00:02"], "datetime64[s]"), {"f0": [2.0]}),
    ],
    ids=["polars", "arrow", "arrow chunks", "masked", "times"],
)
def test_one_dimension_is_a_row(value: Any, expected: dict[str, list[Any]]) -> None:
    service = Service()
    service.model(task="regression").predict(returns(0.0))(value)
    assert {name: list_of(column) for name, column in service.table().features.items()} == expected


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (np.ma.masked_array([[1.5], [2.0]], mask=[[False], [True]]), [1.5, None]),
        (np.ma.masked_array([["a"], ["b"]], mask=[[False], [True]]), ["a", None]),
        (np.matrix([[1.5], [2.0]]), [1.5, 2.0]),
        (np.array([["1970-01-01T00:00:02"], ["NaT"]], "datetime64[s]"), [2.0, None]),
        (np.array([[1.5], [2.0]], np.float16), [1.5, 2.0]),
        (np.array([[b"a"], [b"b"]]), ["a", "b"]),
        (np.array([["a"], [None]], dtype=object), ["a", None]),
        (np.array([[1], ["a"]], dtype=object), [1.0, "a"]),
    ],
    ids=["masked", "masked texts", "matrix", "times", "half", "bytes", "objects", "mixed"],
)
@pytest.mark.filterwarnings("ignore:the matrix subclass")
def test_arrays_of_two_dimensions(array: Any, expected: list[Any]) -> None:
    assert both_ways(array, 2) == {"f0": expected}


def change_pandas(frame: Any) -> None:
    frame.iloc[0, 0] = 9.0
    frame["y"] = 0.0


def change_polars(frame: Any) -> None:
    frame.replace_column(0, pl.Series("x", [9.0, 9.0]))
    frame.insert_column(1, pl.Series("y", [9.0, 9.0]))


def change_items(value: Any) -> None:
    value[0, 0] = 9.0


def change_dicts(rows: Any) -> None:
    rows[0]["x"] = 9.0
    rows.pop()


@pytest.mark.parametrize(
    ("value", "change"),
    [
        (pd.DataFrame({"x": [1.0, 2.0]}), change_pandas),
        (pd.DataFrame({"x": [1.0, 2.0]}, dtype=object), change_pandas),
        (pl.DataFrame({"x": [1.0, 2.0]}), change_polars),
        (np.array([[1.0], [2.0]]), change_items),
        (np.array([[1.0], [2.0]], dtype=object), change_items),
        (sp.csr_matrix(np.array([[1.0], [2.0]])), change_items),
        ([{"x": 1.0}, {"x": 2.0}], change_dicts),
    ],
    ids=["pandas", "pandas objects", "polars", "array", "array of objects", "sparse", "dicts"],
)
def test_an_input_that_predict_changes_is_recorded_as_it_was(value: Any, change: Callable[[Any], None]) -> None:
    service = Service()

    @service.model(task="regression").predict
    def score(X: Any) -> Any:
        change(X)
        return np.zeros(2)

    score(value)

    (features,) = [list_of(column) for column in service.table().features.values()]
    assert features == [1.0, 2.0]


def test_an_object_in_a_frame_that_changes_later_is_no_part_of_it() -> None:
    service = Service()
    nested = {"a": 1.0}
    score = service.model(task="regression").predict(returns(np.zeros(1)))
    score(pd.DataFrame({"x": [nested], "y": ["text"]}))
    nested["a"] = 2.0

    assert {name: list_of(column) for name, column in service.table().features.items()} == {"x": [None], "y": ["text"]}


@pytest.mark.parametrize(
    ("value", "facts", "reason"),
    [
        (pl.LazyFrame({"x": [1.0]}), ("LazyFrame", "DataFrame"), "not_collected"),
        (pa.RecordBatchReader.from_batches(pa.schema([]), []), ("RecordBatchReader",), "not_collected"),
        (np.zeros((2, 2, 2)), ("specify the features",), "unsupported_input"),
        (np.zeros(2, complex), ("specify the features",), "unsupported_input"),
        (np.zeros(100_001), ("100,000 features",), "too_large"),
        (dict.fromkeys(range(100_001), 0.0), ("100,000 features",), "too_large"),
        ([0.0] * 100_001, ("100,000 features",), "too_large"),
        (pd.Series(np.zeros(100_001)), ("100,000 features",), "too_large"),
    ],
    ids=["lazy", "stream", "3-D", "complex", "large array", "large dict", "large list", "large series"],
)
def test_an_input_that_cannot_be_recorded_is_counted_with_its_reason(
    value: Any, facts: Facts, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    UNRECORDED.drain()
    service = Service()
    service.model(task="regression").predict(returns(0.0))(value)

    assert UNRECORDED.drain() == {("churn", reason): 1}
    assert service.table().features == {}
    assert len(service.table()) == 1
    assert lacking(caplog.text, *facts) == []


def test_a_batch_that_is_too_large_keeps_its_scores(caplog: pytest.LogCaptureFixture) -> None:
    rows = MOST_BYTES // (8 * 20) + 1
    service = Service()
    service.model(task="regression").predict(returns(np.arange(float(rows))))(np.broadcast_to(0.0, (rows, 20)))

    tables = service.tables()
    assert sum(map(len, tables)) == rows
    assert not any(table.features for table in tables)
    assert tables[-1].scores is not None
    assert tables[-1].scores[-1, 0] == rows - 1
    assert lacking(caplog.text, "24", "MiB", f"{rows - 1:,}") == []


@pytest.mark.parametrize(
    ("make", "value"),
    [
        (lambda texts: pd.DataFrame({"x": texts}, dtype=object), "a" * 200),
        (lambda texts: pd.DataFrame({"x": texts}), "a" * 200),
        (lambda texts: pl.DataFrame({"x": texts}), "a" * 200),
        (lambda texts: pa.table({"x": texts}), "a" * 200),
        (lambda numbers: [{"x": number} for number in numbers], 1.0),
    ],
    ids=["objects", "texts", "polars", "arrow", "dicts"],
)
def test_what_waits_of_a_large_batch_is_bounded(make: Callable[[list[Any]], Any], value: Any) -> None:
    frame = make([value] * 400_000)
    service = Service()
    score = service.model(task="regression").predict(returns(np.zeros(400_000)))
    with pytest.MonkeyPatch.context() as patch:
        costs: list[int] = []
        patch.setattr(
            "driftline.export.pipeline.Pipeline.append", lambda _self, _entry, cost, _rows: costs.append(cost)
        )
        score(frame)

    assert costs[0] < 32 * 2**20


@pytest.mark.parametrize("long", [300, 12_000])
@pytest.mark.parametrize("declared", [(), ("x",)], ids=["undeclared", "declared"])
def test_one_long_text_among_short_ones_is_read_alike_wherever_it_is_kept(long: int, declared: tuple[str, ...]) -> None:
    texts = ["short"] * 500
    texts[100] = "b" * long
    found = []
    for dtype in ("object", "string[pyarrow]"):
        service = Service()
        score = service.model(task="regression", text_features=declared).predict(returns(np.zeros(500)))
        score(pd.DataFrame({"x": texts}, dtype=dtype))
        found.append({name: list_of(column) for name, column in service.table().features.items()})

    assert found[0] == found[1]
    assert (found[0]["x.length"] if declared else found[0]["x"])[99:102] == (
        [5.0, float(long), 5.0] if declared else ["short", short_text("b" * long), "short"]
    )


def test_a_piece_of_a_large_frame_counts_the_texts_that_are_in_it() -> None:
    frame = pd.DataFrame({"x": ["a" * 200] * 100_000}, dtype="string[pyarrow]")

    costs = [Frame(frame.iloc[at : at + 10]).snapshot().cost for at in (0, 50_000)]

    assert costs == [10 * (8 + 200 + 8)] * 2  # a place in the frame, the text and its offset


def test_a_snapshot_of_a_frame_holds_no_objects_that_it_does_not_record() -> None:
    class Thing:
        pass

    thing = Thing()
    seen = weakref.ref(thing)
    frame = pd.DataFrame({"a": ["x", "y"], "b": [thing, 1.5], "n": [1.0, 2.0]}, dtype=object).astype({"n": float})
    kept = Frame(frame).snapshot()
    del frame, thing
    gc.collect()

    assert seen() is None
    assert [list(kept.values(at)) for at in range(3)] == [["x", "y"], [None, 1.5], [1.0, 2.0]]


def test_elements_of_a_batch_that_are_no_rows_are_rows_without_features() -> None:
    assert recorded([{"x": 1.0}, 5, None], 3) == {"x": [1.0, None, None]}
    assert recorded([[1.0], 5], 2) == {"f0": [1.0, None]}


def test_ragged_rows_lack_what_they_lack() -> None:
    assert recorded([[1.0], [2.0, 3.0], []], 3) == {"f0": [1.0, 2.0, None], "f1": [None, 3.0, None]}


def test_a_baseline_of_a_list_of_rows() -> None:
    rows = [{"age": 31, "plan": "basic"}, {"age": 64}]
    assert {name: list_of(column_of(values)) for name, values in columns_of(rows).items()} == {
        "age": [31.0, 64.0],
        "plan": ["basic", None],
    }


def test_numbers_that_are_not_finite_stay_what_they_are() -> None:
    found = recorded(pl.DataFrame({"x": [math.inf, -math.inf, math.nan]}), 3)
    assert found == {"x": [math.inf, -math.inf, None]}


@pytest.mark.slow
def test_names_that_change_with_every_row_are_not_remembered_for_good() -> None:
    model = Service().model(task="regression")
    with model.prediction() as first:
        plan = first.plan
    for at in range(30):
        plan.shape_of(tuple(f"f{at}.{i}" for i in range(10_000)))

    assert sum(map(len, plan.shapes)) <= 200_000


def test_a_row_that_is_too_wide_is_no_row_in_the_quick_way_either() -> None:
    service = Service()
    score = service.model(task="regression").predict(returns(0.5))

    @service.model(task="regression").predict
    async def later(row: dict[int, float]) -> float:
        return row.get(0, 0.5)

    for row in ({0: 0.0}, dict.fromkeys(range(100_001), 0.0)):
        score(row)
        asyncio.run(later(row))

    assert sorted((len(table.features), len(table)) for table in service.tables()) == [(0, 2), (1, 2)]
