"""The codec of baselines: what is written is read back, and damage is named by its path."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import pytest
from driftline.baseline.codec import from_json, to_json
from driftline.panes.bins import Bins, CategoryBins, NumberBins
from driftline.panes.sparse_sums import Sparse
from driftline.tables.table import F64, I64
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays


@dataclass(frozen=True, eq=False)
class Sums:
    rows: I64
    kind: Literal["day", "week"]
    values: F64 | None = None
    over: dict[str, Bins] = field(default_factory=dict)

    def check(self) -> None:
        if not len(self.rows):
            raise ValueError("rows must not be empty")


def read(kind: Any, value: object) -> Any:
    return from_json(kind, json.loads(json.dumps(value, allow_nan=False)), "sums")


@given(arrays.arrays(np.float64, arrays.array_shapes(max_dims=3, max_side=9), elements=st.floats(-1e300, 1e300)))
def test_arrays_keep_their_shape_and_every_digit(values: F64) -> None:
    for array in (values, np.where(np.abs(values) > 1e200, values, 0.0), values[:0]):
        again = read(F64, to_json(array))
        assert again.shape == array.shape
        assert again.dtype == np.float64
        assert again.tolist() == array.tolist()


@pytest.mark.parametrize("filled", [1, 90])
def test_sparse_sums_keep_their_places(filled: int) -> None:
    sums = np.zeros((10, 12))
    sums.flat[:filled] = np.arange(filled) + 0.5
    again = read(Sparse, to_json(Sparse.of(sums)))
    assert again.dense(10).tolist() == sums.tolist()
    assert len(again.value) == filled


def test_fields_are_read_by_name_and_those_of_none_are_not_written() -> None:
    sums = Sums(np.array([1, 2]), "day", over={"age": NumberBins(np.array([0.5])), "plan": CategoryBins(("a",))})
    written = to_json(sums)
    assert written == {
        "rows": [1, 2],
        "kind": "day",
        "over": {"age": {"edges": [0.5]}, "plan": {"categories": ["a"]}},
    }
    again = read(Sums, written | {"unknown": 1})
    assert (again.rows.tolist(), again.kind, again.values, again.over) == ([1, 2], "day", None, sums.over)
    assert read(Sums, {"rows": [1], "kind": "week"}).over == {}


GOOD = {"rows": [1], "kind": "day"}


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ([], "sums"),
        ({"kind": "day"}, "sums.rows"),
        (GOOD | {"rows": []}, "sums"),
        (GOOD | {"rows": [1.5]}, "sums.rows"),
        (GOOD | {"rows": [True]}, "sums.rows"),
        (GOOD | {"rows": [2**63]}, "sums.rows"),
        (GOOD | {"kind": "month"}, "sums.kind"),
        (GOOD | {"values": [[1], [1, 2]]}, "sums.values"),
        (GOOD | {"values": [1, [1]]}, "sums.values"),
        (GOOD | {"values": ["1"]}, "sums.values"),
        (GOOD | {"values": {"shape": [3], "steps": [0, 0], "values": [1, 1]}}, "sums.values.steps"),
        (GOOD | {"values": {"shape": [3], "steps": [2, 1], "values": [1, 1]}}, "sums.values.steps"),
        (GOOD | {"values": {"shape": [3], "steps": [-1], "values": [1]}}, "sums.values.steps"),
        (GOOD | {"values": {"shape": [10**6, 10**6], "steps": [], "values": []}}, "sums.values.shape"),
        (GOOD | {"values": {"shape": [3], "values": [1]}}, "sums.values.steps"),
        (GOOD | {"over": {"age": {"edges": [2, 1]}}}, "sums.over.age"),
        (GOOD | {"over": {"age": {}}}, "sums.over.age"),
        (GOOD | {"over": {"plan": {"categories": [1]}}}, "sums.over.plan.categories.0"),
    ],
)
def test_damage_is_named_by_its_path(value: object, path: str) -> None:
    with pytest.raises(ValueError, match=": ") as raised:
        read(Sums, value)
    assert str(raised.value).partition(": ")[0] == path
