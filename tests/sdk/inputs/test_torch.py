"""Tensors as inputs, results and baselines; run where torch is installed."""

from __future__ import annotations

from typing import Any

import pytest
from driftline.batch.conversion import list_of
from driftline.inputs.dataframes import column_of, columns_of
from driftline.loss_counters import UNRECORDED
from driftline.outputs.result_copy import copy_result

from tests.support.service import Service, returns

torch: Any = pytest.importorskip("torch", reason="torch is not installed: make frameworks")
pytestmark = pytest.mark.frameworks


def recorded(value: Any, rows: int) -> dict[str, list[Any]]:
    """Return the features that one call leaves."""
    service = Service()
    service.model(task="regression").predict(returns(torch.zeros(rows)))(value)
    table = service.table()
    assert len(table) == rows
    return {name: list_of(column) for name, column in table.features.items()}


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "bfloat16", "int64", "int8", "uint8", "bool"])
def test_tensors_of_every_dtype_are_rows_and_batches(dtype: str) -> None:
    tensor = torch.tensor([[1, 0], [0, 1]]).to(getattr(torch, dtype))

    assert recorded(tensor, 2) == {"f0": [1.0, 0.0], "f1": [0.0, 1.0]}
    assert recorded(tensor[0], 1) == {"f0": [1.0], "f1": [0.0]}
    assert {n: list_of(column_of(v)) for n, v in columns_of(tensor).items()} == {"f0": [1.0, 0.0], "f1": [0.0, 1.0]}


def test_a_tensor_that_needs_a_gradient_is_read_without_one() -> None:
    assert recorded(torch.ones(1, 2, requires_grad=True), 1) == {"f0": [1.0], "f1": [1.0]}


def test_a_tensor_that_predict_changes_is_recorded_as_it_was() -> None:
    service = Service()

    @service.model(task="regression").predict
    def score(x: Any) -> Any:
        x.zero_()
        return torch.zeros(2)

    score(torch.ones(2, 1))

    assert list_of(service.table().features["f0"]) == [1.0, 1.0]


@pytest.mark.parametrize(
    ("tensor", "rows", "reason"),
    [
        (torch.zeros(2, 3, device="meta"), 2, "on_device"),
        (torch.zeros(2, 3).to_sparse(), 2, "unsupported_input"),
        (torch.zeros(2, 2, 2), 1, "unsupported_input"),
        (torch.zeros(2, 3, dtype=torch.complex64), 2, "unsupported_input"),
    ],
    ids=["device", "sparse", "3-D", "complex"],
)
def test_what_cannot_be_read_is_counted_and_its_rows_stay_rows(tensor: Any, rows: int, reason: str) -> None:
    UNRECORDED.drain()
    service = Service()
    service.model(task="regression").predict(returns(torch.zeros(rows) if rows > 1 else 0.0))(tensor)

    assert UNRECORDED.drain() == {("churn", reason): rows}
    table = service.table()
    assert len(table) == rows
    assert table.features == {}
    assert table.scores is not None


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        (torch.tensor([0.25, 0.5], requires_grad=True), [0.25, 0.5]),
        (torch.tensor(0.25), 0.25),
        ([torch.tensor(0.25), torch.tensor(0.5)], [0.25, 0.5]),
        (torch.tensor([[0.25], [0.5]]).bfloat16(), [[0.25], [0.5]]),
    ],
    ids=["grad", "scalar", "list", "bfloat16"],
)
def test_results_that_are_tensors(result: Any, expected: Any) -> None:
    assert copy_result(result).tolist() == expected


def test_a_result_on_a_device_is_not_waited_for() -> None:
    assert (
        copy_result(torch.zeros(2, device="meta")).text
        == "a Tensor on meta, which cannot be read without blocking the call"
    )
