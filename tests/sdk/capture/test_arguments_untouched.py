"""Arguments and results reach their function untouched, are read or said to be unreadable, and n rows stay n rows."""

# ruff: noqa: ARG001, ARG005 - functions that do the same whatever they are given

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from decimal import Decimal
from enum import IntEnum
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from driftline.batch.prediction_batch import Values
from driftline.faults import FAULTS
from driftline.inputs.batch import Batch
from driftline.inputs.readers import reader_for
from driftline.inputs.row import clean
from driftline.loss_counters import UNRECORDED
from driftline.outputs import rankings, result_copy
from driftline.outputs.output import predicted_of, score_of
from driftline.outputs.output import read as read_output
from driftline.tables.ranked_items import items_of
from driftline.tables.table import Column, length
from driftline.tables.task import Task
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.service import Service, returns

METHODS = (
    "__len__", "__iter__", "__eq__", "__hash__", "__repr__", "__str__", "__float__", "__int__", "__index__", "__bool__",
    "__getitem__", "__contains__", "__array__", "__sizeof__", "__copy__", "__getattr__",
)  # fmt: skip


def _raises(*args: Any, **kwargs: Any) -> Any:
    raise ZeroDivisionError("hostile")


def _recurses(self: Any, *args: Any, **kwargs: Any) -> Any:
    return _recurses(self)


def _lies(*args: Any, **kwargs: Any) -> Any:
    return "a lie"


def _lying_class(kind: type) -> Any:
    return property(lambda self: kind)


def _hostile_object(methods: frozenset[str], how: Callable[..., Any], pretends: type | None, base: type) -> Any:
    """Return an object whose methods raise, lie or recurse, and which may say that it is something else."""
    body: dict[str, Any] = dict.fromkeys(methods - ({"__getattr__"} if how is _recurses else set()), how)
    if pretends is not None:
        body["__class__"] = _lying_class(pretends)
    kind = type("Hostile", (base,), body)
    return object.__new__(kind) if base is object else kind()


OBJECTS = st.builds(
    _hostile_object,
    st.frozensets(st.sampled_from(METHODS), max_size=6),
    st.sampled_from([_raises, _recurses, _lies]),
    st.sampled_from([None, dict, list, float, str, np.ndarray, pd.DataFrame]),
    st.sampled_from([object, dict, list, float, str, int]),
)
VALUES = st.one_of(
    OBJECTS,
    st.floats(),
    st.integers(),
    st.just(10**5000),
    st.just("\ud800"),
    st.just("x" * 10**6),
    st.just(b"\xff" * 1000),
    st.text(max_size=5),
    st.none(),
    st.just(np.datetime64("NaT")),
    st.just(np.array(1 + 2j)),
    st.just(np.array([[1.0]])),
    st.just(object()),
    st.just(complex(1, 2)),
)


def _cyclic() -> list[Any]:
    cycle: list[Any] = [1.0]
    cycle.append(cycle)
    return cycle


INPUTS = st.one_of(
    VALUES,
    st.dictionaries(st.one_of(st.text(max_size=3), st.integers(), st.just("\udfff"), st.none()), VALUES, max_size=4),
    st.lists(VALUES, max_size=4),
    st.lists(st.dictionaries(st.text(max_size=2), VALUES, max_size=3), max_size=3),
    st.lists(st.lists(VALUES, max_size=3), max_size=3),
    st.builds(_cyclic),
    st.just({f"f{i}": float(i) for i in range(10_000)}),
    st.just([{"x": 1.0}, 17, "text", None]),
    st.just([[1.0, 2.0], [3.0]]),
    st.just(np.array([[1.0, math.nan], [math.inf, -0.0]])),
    st.just(np.array([1 + 2j])),
    st.just(np.zeros((2, 2, 2))),
    st.just(np.array([["a", None]], dtype=object)),
    st.just(np.zeros(3, dtype=[("x", "f8"), ("y", "V3")])),
    st.just(pd.DataFrame({"x": [1.0, None], "y": [object(), [1]]})),
    st.just(pd.DataFrame([[1, 2]], columns=["same", "same"])),
)
RESULTS = st.one_of(INPUTS, st.just(math.nan), st.just([math.nan, "a"]), st.just(np.array([math.nan, math.inf])))


@pytest.mark.slow
@pytest.mark.parametrize("task", ["binary", "multiclass", "regression", "ranking"])
@given(X=INPUTS, result=RESULTS)
@settings(deadline=None, max_examples=25, derandomize=True, suppress_health_check=list(HealthCheck))
def test_hostile_inputs_and_results_pass_untouched(task: str, X: Any, result: Any) -> None:
    service = Service()
    FAULTS.raising = False
    received: list[Any] = []
    options: dict[str, Any] = {"classes": ("a", "b", "c")} if task == "multiclass" else {}
    model = service.model(task=task, **options)

    @model.predict
    def score(X: Any) -> Any:
        received.append(X)
        return result

    @model.predict
    async def score_async(X: Any) -> Any:
        received.append(X)
        return result

    @model.predict
    def stream(X: Any) -> Any:
        received.append(X)
        yield result

    for _ in range(2):
        assert score(X) is result
        assert asyncio.run(score_async(X)) is result
        assert next(stream(X)) is result
        with model.prediction(features=X, id=X) as p:
            p.id = X
            p.score = result
        model.outcome(X, X, time=X)
    score({"sound": 1.0})
    assert service.flush()

    assert all(one is X for one in received[:-1])
    rows = [len(table) for table in service.tables() if "sound" in table.features]
    assert rows  # its neighbours are recorded, whatever becomes of it


class Size(IntEnum):
    LARGE = 17


def test_an_int_of_a_kind_of_its_own_is_found_at_once() -> None:
    assert clean((Size.LARGE, 1.0)) == (17, 1.0)
    assert type(clean((Size.LARGE, 1.0))[0]) is int


class Unreadable:
    """A number that cannot be read."""

    def __float__(self) -> float:
        raise ZeroDivisionError("hostile")


def test_what_cannot_be_read_is_counted_with_its_reason(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FAULTS, "raising", False)
    UNRECORDED.drain()
    score = service.model().predict(returns(0.25))
    for row in ({"x": Unreadable()}, {"x": 1.0}, {"x": Unreadable()}):
        assert score(row) == 0.25

    assert UNRECORDED.drain() == {("churn", "unreadable_input"): 2}
    assert service.counts() == {(("ml.prediction.class", "0"),): 3}


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, asyncio.CancelledError, GeneratorExit])
def test_what_ends_a_program_ends_it(service: Service, error: type[BaseException]) -> None:
    raised = error()

    @service.model().predict
    def score(row: dict[str, Any]) -> float:
        raise raised

    for _ in range(2):
        with pytest.raises(error) as caught:
            score({"x": 1.0})
        assert caught.value is raised
    assert sum(service.counts().values()) == 2


SCALARS: Any = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=3),
    st.binary(max_size=3),
    st.datetimes(),
    st.complex_numbers(),
    st.sampled_from([Decimal("0.5"), np.float32(0.5), np.int64(7), np.str_("a"), np.datetime64("NaT"), pd.NA, pd.NaT]),
    st.just(object()),
)
NAMES = st.one_of(st.text(max_size=2), st.integers(0, 3), st.none(), st.sampled_from(["item", "score", "id", "items"]))
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.lists(inner, max_size=4).map(tuple),
        st.dictionaries(NAMES, inner, max_size=4),
        st.lists(inner, max_size=4).map(lambda values: pd.Series(values, dtype=object)),
        st.lists(st.floats(), max_size=4).map(np.array),
        st.lists(st.integers(0, 9), max_size=4).map(pl.Series),
        st.lists(SCALARS, max_size=4).map(lambda values: np.array([*values, None], dtype=object)),
        st.lists(SCALARS, min_size=1, max_size=4).map(lambda values: pd.DataFrame({"a": values, 1: values})),
    ),
    max_leaves=8,
)
TASKS = [Task("binary", ("0", "1"), "1"), Task("multiclass", ("a", "b", "c")), Task("regression")]


def rows(values: Values) -> int:
    return length(values) if isinstance(values, Column) else len(values)


@settings(max_examples=150, deadline=None)
@given(ANYTHING)
def test_whatever_is_given_is_a_row_a_batch_or_unrecorded(value: Any) -> None:
    found = reader_for(type(value))(value)
    if not isinstance(found, Batch):
        return
    kept = found.bounded_snapshot()
    assert isinstance(kept, Batch)
    kept = kept.as_batch()  # of columns that could have been one row
    assert kept.count == found.count
    names = kept.names() or tuple(f"f{at}" for at in range(kept.width()))
    columns = kept.columns(names, lambda name: True)
    assert {name: rows(column) for name, column in columns.items()} == dict.fromkeys(columns, kept.count)


@settings(max_examples=150, deadline=None)
@given(ANYTHING, st.integers(1, 4), st.booleans(), st.sampled_from(TASKS))
def test_whatever_is_returned_is_read_or_described(value: Any, n: int, one_row: bool, task: Task) -> None:
    n = 1 if one_row else n
    kept = result_copy.copy_result(value)
    for output in (
        read_output(task, kept, n, one_row=one_row),
        score_of(task, result_copy.copy_separate(value), n, one_row=one_row),
        predicted_of(result_copy.copy_separate(value), n),
    ):
        assert output.scores is None or output.scores.shape[0] == n
        assert output.predicted is None or rows(output.predicted) == n
        assert output.scores is not None or output.predicted is not None or output.unread is not None


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(ANYTHING, ANYTHING, st.integers(1, 4), st.booleans())
def test_whatever_is_ranked_is_read_or_described(value: Any, other: Any, n: int, one_row: bool) -> None:
    n = 1 if one_row else n
    for output in (
        rankings.read(rankings.copy_ranking(value), n, one_row=one_row),
        rankings.read_separate(rankings.copy_ranking(value), rankings.copy_ranking(other), n, one_row=one_row),
        rankings.read_separate(None, rankings.copy_ranking(value), n, one_row=one_row),
    ):
        assert output.rankings is None or len(output.rankings) == n
        assert output.rankings is None or len(items_of(output.rankings)) == n
        assert output.rankings is not None or output.scores is not None or output.unread is not None
