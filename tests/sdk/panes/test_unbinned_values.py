"""What no bin describes is counted by how far out it lies, of which type it is, and whose label it is."""

from __future__ import annotations

import math
import zlib

import numpy as np
import pytest
from driftline.panes.bins import CategoryBins, NumberBins
from driftline.panes.fold import fold, fold_by
from driftline.panes.model_bins import ModelBins
from driftline.panes.pane import Pane, merge
from driftline.panes.unbinned_values import KINDS, OCTAVES, OFFSET_UNIT, OTHERS_WIDTH, TAILS, octave, octave_bounds
from driftline.tables.table import Column, ModelKey, PredictionTable, Text
from driftline.tables.task import Task
from hypothesis import given
from hypothesis import strategies as st

BINS = ModelBins(
    features={
        "amount": NumberBins(np.array([1.0, 10.0, 100.0])),
        "plan": CategoryBins(("basic", "pro")),
        "region": CategoryBins(("north", "south")),
    }
)
VALUE = st.one_of(
    st.none(),
    st.floats(allow_nan=True, allow_infinity=True),
    st.sampled_from(["basic", "pro", "north", "south", "12", "what"]),
)
ROWS = st.lists(st.tuples(VALUE, VALUE, VALUE, st.integers(0, 3), st.sampled_from([0.0, 1.0, 2.5])), max_size=40)


def column(values: list[object]) -> Column:
    labels = tuple(dict.fromkeys(value for value in values if isinstance(value, str)))
    return Column(
        numbers=np.array([value if isinstance(value, float) else math.nan for value in values], dtype=np.float64),
        codes=np.array([labels.index(v) if isinstance(v, str) else -1 for v in values], dtype=np.int32),
        categories=labels,
    )


def table(rows: list[tuple[object, object, object, int, float]]) -> PredictionTable:
    features = {name: column([row[at] for row in rows]) for at, name in enumerate(BINS.features)}
    n = len(rows)
    weight = np.array([row[4] for row in rows], dtype=np.float64)
    empty = Text(np.zeros(n + 1, np.int32), b"")
    key, task = ModelKey("m"), Task("regression")
    return PredictionTable(key, task, np.zeros(n, np.int64), empty, weight=weight, features=features)


def strayed(pane: Pane) -> dict[str, list[float]]:
    return {
        name: sums.tolist() for name, sums in pane.parts.items() if name.partition(":")[0] not in ("rows", "feature")
    }


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_an_octave_is_where_the_bounds_put_the_value(value: float) -> None:
    at = int(octave(np.array([value]))[0])
    assert at == int(np.searchsorted(octave_bounds(), value, side="right"))
    assert 0 <= at < TAILS


@given(ROWS)
def test_strays_are_those_that_a_plain_loop_counts(rows: list[tuple[object, object, object, int, float]]) -> None:
    wanted: dict[str, list[float]] = {}

    def add(part: str, width: int, at: int, weight: float) -> None:
        wanted.setdefault(part, [0.0] * width)[at] += weight

    for row in rows:
        for name, value in zip(BINS.features, row, strict=False):
            own, weight = BINS.features[name], row[4]
            if isinstance(value, float) and math.isfinite(value):
                if isinstance(own, CategoryBins):
                    add(f"kinds:{name}", len(KINDS), KINDS.index("number"), weight)
                elif not 1.0 <= value < 100.0:
                    at = int(octave(np.array([value]))[0])
                    step = (
                        math.floor((abs(value) / 2.0 ** (math.frexp(value)[1] - 1) - 1) * OFFSET_UNIT) if value else 0
                    )
                    add(f"tails:{name}", TAILS, at, weight)
                    add(f"offsets:{name}", 2 * TAILS, at, step * weight)
                    add(f"offsets:{name}", 2 * TAILS, at + TAILS, step**2 * weight)
            elif isinstance(value, float) and math.isinf(value) and isinstance(own, NumberBins):
                add(f"kinds:{name}", len(KINDS), KINDS.index("infinite"), weight)
            elif isinstance(value, str):
                if isinstance(own, NumberBins):
                    add(f"kinds:{name}", len(KINDS), KINDS.index("number_in_text" if value == "12" else "text"), weight)
                if isinstance(own, NumberBins) or value not in own.categories:
                    add(f"others:{name}", OTHERS_WIDTH, zlib.crc32(value.encode()) % OTHERS_WIDTH, weight)
                    for at, (other, theirs) in enumerate(BINS.features.items()):
                        if other != name and isinstance(theirs, CategoryBins) and value in theirs.categories:
                            add(f"elsewhere:{name}", len(BINS.features), at, weight)
    assert strayed(fold(table(rows), BINS)) == {part: sums for part, sums in wanted.items() if any(sums)}


@given(ROWS)
def test_adding_the_strays_of_groups_is_counting_the_whole(
    rows: list[tuple[object, object, object, int, float]],
) -> None:
    group = np.array([row[3] for row in rows], dtype=np.int64)
    assert strayed(merge(fold_by(table(rows), BINS, group, 4))) == strayed(fold(table(rows), BINS))


def test_values_within_the_bins_leave_nothing() -> None:
    assert strayed(fold(table([(5.0, "pro", "north", 0, 1.0), (None, None, None, 0, 1.0)]), BINS)) == {}


@pytest.mark.parametrize(
    ("value", "octaves"), [(100.0, 7), (1e300, OCTAVES), (0.5, 0), (1e-300, 1 - OCTAVES), (-3.0, None), (0.0, None)]
)
def test_the_octave_of_a_stray_is_its_power_of_two(value: float, octaves: int | None) -> None:
    tails = fold(table([(value, None, None, 0, 1.0)]), BINS).parts["tails:amount"]
    at = int(np.flatnonzero(tails)[0]) - 2 * OCTAVES
    assert at == (OCTAVES + octaves if octaves is not None else -(OCTAVES + 2) if value < 0 else 0)
