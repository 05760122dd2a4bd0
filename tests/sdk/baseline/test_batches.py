"""A baseline of more rows than memory holds: two passes over batches, a sample for the bins, sums of all rows."""

from __future__ import annotations

import contextlib
import tracemalloc
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from driftline import Baseline
from driftline.baseline.codec import to_json
from driftline.baseline.reference_rows import FEWEST_SAMPLED, ReferenceRows, Sample
from driftline.baseline.sections.duplicate_rows import Counting
from driftline.tables.table import Column

N = 3_000
ARGUMENTS: dict[str, Any] = {"score": "p", "actual": "churned", "time": "when", "model": "churn", "task": "binary"}


def frame(n: int = N, seed: int = 5) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    p = rng.random(n)
    age = rng.normal(40, 10, n)
    age[::17] = np.nan
    return pd.DataFrame(
        {
            "age": age,
            "plan": rng.choice(["basic", "pro", "team"], n, p=[0.7, 0.25, 0.05]),
            "note": [f"the parcel number {at} is late again, says customer {at % 7}" for at in rng.integers(0, n, n)],
            "p": p,
            "churned": rng.random(n) < p,
            "when": pd.date_range("2026-01-01", periods=n, freq="7min"),
        }
    )


def same(one: Baseline, other: Baseline) -> None:
    assert one.bins == other.bins
    assert one.texts == other.texts
    assert one.columns == other.columns
    assert one.pane.parts.keys() == other.pane.parts.keys()
    for name, sums in one.pane.parts.items():  # the sums of losses differ in the order of their additions
        np.testing.assert_allclose(other.pane.parts[name], sums, rtol=1e-12, err_msg=name)
    assert to_json(one.extras) == to_json(other.extras)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["pandas", "polars", "arrow", "dict", "function"])
def test_batches_of_any_library_are_one_reference(kind: str) -> None:
    whole = frame()
    parts = [whole[start : start + 700] for start in range(0, N, 700)]
    batches: dict[str, Any] = {
        "pandas": lambda: parts,
        "polars": lambda: [pl.from_pandas(part) for part in parts],
        "arrow": lambda: pa.Table.from_pandas(whole, preserve_index=False).to_batches(max_chunksize=400),
        "dict": lambda: [{name: part[name].to_numpy() for name in part} for part in parts],
        "function": lambda: (part for part in parts),
    }
    same(Baseline.from_frame(batches[kind], **ARGUMENTS), Baseline.from_frame(whole, **ARGUMENTS))


def test_classes_that_only_a_late_batch_has_are_known() -> None:
    early, late = {"x": [1.0], "seen": ["a"]}, {"x": [2.0, 3.0], "seen": ["b", "c"]}
    baseline = Baseline.from_frame(lambda: [early, late], predicted="seen", model="m", task="multiclass")
    assert baseline.task.classes == ("a", "b", "c")
    assert baseline.pane.parts["class"].tolist() == [1, 1, 1, 0, 0, 0]


@pytest.mark.slow
def test_bins_come_from_a_sample_and_counts_from_all_rows() -> None:
    whole = frame()
    sampled = Baseline.from_frame(lambda: [whole[:1_600], whole[1_600:]], sample=1_000, **ARGUMENTS)
    assert sampled.pane.rows == N
    assert sampled.pane.parts["outcomes"].tolist() == [N, N, N]
    assert sampled.pane.parts["feature:age"].sum() == N
    exact = Baseline.from_frame(whole, **ARGUMENTS).bins.features["age"]
    chosen = sampled.bins.features["age"]
    assert chosen != exact
    counts = sampled.pane.parts["feature:age"][: chosen.size]
    below = np.cumsum(counts)[1:-1] / counts.sum()
    assert np.abs(below - np.arange(1, chosen.size - 1) / 100).max() < 0.03  # 1,000 rows: ± 0.016 in the middle


def test_batches_that_can_be_read_once_are_refused() -> None:
    batches = iter([frame()])
    with pytest.raises(ValueError, match="only once"):
        Baseline.from_frame(lambda: batches, **ARGUMENTS)
    with pytest.raises(ValueError, match="there are no rows"):
        Baseline.from_frame(list, **ARGUMENTS)


LIBRARIES: dict[str, Callable[[pd.DataFrame], Any]] = {
    "pandas": lambda part: part,
    "polars": pl.from_pandas,
    "arrow": lambda part: pa.Table.from_pandas(part, preserve_index=False),
    "dict": lambda part: {name: part[name].tolist() for name in part},
    "rows": lambda part: part.to_dict("records"),
}


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("cuts", [(0, 0, 200), (0, 100, 100, 200), (0, 200, 200)], ids=["first", "middle", "last"])
def test_batches_without_rows_are_skipped(library: str, cuts: tuple[int, ...]) -> None:
    whole = frame(200)[["age", "plan", "p", "when"]]
    arguments: dict[str, Any] = {"score": "p", "time": "when", "model": "m", "task": "regression"}
    parts = [LIBRARIES[library](whole[start:end]) for start, end in pairwise(cuts)]
    same(Baseline.from_frame(lambda: parts, **arguments), Baseline.from_frame(lambda: [whole], **arguments))
    with pytest.raises(ValueError, match="there are no rows"):
        Baseline.from_frame(lambda: [LIBRARIES[library](whole[:0])], **arguments)


@pytest.mark.parametrize("batches", [False, True])
@pytest.mark.parametrize("first", [float, str])
def test_strings_among_numbers_are_counted_and_logged(
    batches: bool, first: type, caplog: pytest.LogCaptureFixture
) -> None:
    """Half of the rows have the other type, and numbers win a tie."""
    values = [float(row % 9) for row in range(100)]
    kinds = [first] * 50 + [str if first is float else float] * 50
    whole = pd.DataFrame({"x": [kind(value) for kind, value in zip(kinds, values, strict=True)], "p": frame(100).p})
    parts = [whole[:50].astype({"x": kinds[0]}), whole[50:].astype({"x": kinds[50]})]
    Baseline.from_frame((lambda: parts) if batches else whole, score="p", model="m", task="regression")
    assert [record.getMessage() for record in caplog.records] == [
        "driftline: baseline: x: 50 of 100 values are strings or infinite, treated as missing; pass numbers"
    ]


SHUFFLED = np.random.default_rng(7).permutation(100)


@pytest.mark.parametrize(
    ("index", "logged"),
    [
        (SHUFFLED, True),
        ([f"r{row}" for row in range(100)], False),
        (range(100), False),
        (range(1, 101), False),
        (range(5), False),
    ],
    ids=["other order", "other labels", "equal", "shifted", "shorter"],
)
@pytest.mark.parametrize("role", ["score", "actual", "time", "slices"])
def test_values_of_another_order_are_logged(
    role: str, index: Any, logged: bool, caplog: pytest.LogCaptureFixture
) -> None:
    X = frame(100)[["age", "plan"]]
    times = frame(100)["when"]
    values = pd.Series(np.arange(float(len(index))) if role != "time" else times[: len(index)].to_numpy(), index)
    arguments: dict[str, Any] = {"score": frame(100).p, role: {"cut": values} if role == "slices" else values}
    with contextlib.suppress(ValueError) if len(index) < 100 else contextlib.nullcontext():
        Baseline.from_frame(X, model="m", task="regression", **arguments)
    name = "cut" if role == "slices" else role
    assert [record.getMessage() for record in caplog.records if "index labels" in record.getMessage()] == [
        f"driftline: {name} has the index labels of the rows in another order, and is paired by position; "
        "to pair by label, pass it with .loc[X.index] of these rows X"
    ] * logged


@pytest.mark.slow
def test_memory_does_not_grow_with_the_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    # fingerprints of rows are kept up to 32 MB: here up to 80 kB
    monkeypatch.setattr(Counting.__init__, "__defaults__", (10_000,))

    def peak(batches: int) -> int:
        def read() -> Iterator[dict[str, Any]]:
            for at in range(batches):
                rng = np.random.default_rng(at)
                yield {"p": rng.random(20_000), **{f"x{i}": rng.random(20_000) for i in range(5)}}

        tracemalloc.start()
        Baseline.from_frame(read, score="p", model="m", task="binary", sample=5_000)
        _, highest = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return highest

    few, many = peak(10), peak(40)
    assert many < 1.2 * few


def test_a_sample_draws_evenly_and_keeps_the_order() -> None:
    sample = Sample(1_000)
    for start in range(0, 100_000, 5_000):
        sample.add(ReferenceRows(5_000, {"x": Column(numbers=np.arange(start, start + 5_000.0))}))
    drawn = sample.rows().features["x"].numbers
    assert drawn is not None
    assert len(drawn) == 1_000
    assert (np.diff(drawn) > 0).all()
    per_tenth = np.bincount((drawn // 10_000).astype(np.int64))
    assert per_tenth.tolist() == pytest.approx([100] * 10, abs=35)


def test_wide_rows_and_long_texts_have_fewer_rows_in_the_sample() -> None:
    sample = Sample(50_000, bytes=1 << 20)
    for at in range(4):
        labels = tuple(f"{at} {row} " + "x" * 200 for row in range(5_000))
        sample.add(ReferenceRows(5_000, {"text": Column(codes=np.arange(5_000, dtype=np.int32), categories=labels)}))
    rows = sample.rows()
    assert FEWEST_SAMPLED <= rows.rows < 6_000
    assert rows.size() <= 1 << 20
