"""Outcomes that arrive after their predictions: together, the sums of rows with outcomes."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from driftline_processor.spark import outcome_sums
from driftline_processor.spark.messages import OUTCOME, ROW
from driftline_processor.spark.models import FoldedModel
from driftline_processor.spark.outcome_sums import fold_labelled

from tests.support.decoded_messages import batch, decoded, folded_model, merged_sums, of_kind
from tests.support.scored_topics import (
    HOUR,
    Frame,
    Sums,
    baseline_of,
    columnar_messages,
    difference,
    outcome_messages,
    panes_of,
    scored,
    sums_of,
    taken,
)

START = 1_795_564_800 * 10**9
NOW = START + 4 * HOUR
BASELINE = baseline_of(scored(2_000, START, 3, 99))
WORDS = ("actual", "number", "outcome_time", "outcome_weight", "retracted")


def labelled(models: dict[str, FoldedModel], frame: Frame, actual: np.ndarray, sign: int) -> pa.RecordBatch:
    """Return rows of predictions with their outcomes, as the join gives them."""
    logs = outcome_messages(frame["id"], actual, NOW - HOUR)
    found = decoded(models, batch([], [*columnar_messages(frame), *logs], NOW))
    rows, outcomes = of_kind(found, "row").select(ROW.names), of_kind(found, "outcome").select(OUTCOME.names)
    assert rows["id"].to_pylist() == outcomes["id"].to_pylist()
    for name in WORDS:
        rows = rows.append_column(name, outcomes[name])
    return rows.append_column("sign", pa.array([sign] * len(rows), pa.int32())).combine_chunks().to_batches()[0]


def expected(frame: Frame, actual: np.ndarray) -> Sums:
    values = np.array([None if value is None else str(value) for value in actual.tolist()], object)
    return sums_of(panes_of(frame, BASELINE, values, np.full(len(actual), NOW - HOUR)).panes)


@pytest.mark.parametrize("together", [100_000, 30])
def test_sums_of_predictions_and_outcomes_are_those_of_labelled_rows(
    together: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outcome_sums, "TOGETHER", together)
    models, frame = {"churn": folded_model(BASELINE)}, scored(200, START, 3, 1)
    known = taken(frame, slice(0, 120))
    predictions = of_kind(decoded(models, batch([], columnar_messages(frame), NOW)), "pane")
    each = labelled(models, known, known["y"], 1)
    outcomes = fold_labelled(models, [each.slice(first, 40) for first in (0, 40, 80)])
    actual = np.array([*known["y"].tolist(), *[None] * 80], object)
    assert difference(merged_sums(predictions, outcomes), expected(frame, actual)) < 1e-12


def test_a_correction_replaces_what_was_said_before() -> None:
    models, frame = {"churn": folded_model(BASELINE)}, scored(200, START, 3, 1)
    predictions = of_kind(decoded(models, batch([], columnar_messages(frame), NOW)), "pane")
    flipped, gone = taken(frame, slice(0, 50)), taken(frame, slice(50, 80))
    first = fold_labelled(models, [labelled(models, frame, frame["y"], 1)])
    changes = fold_labelled(
        models,
        [
            labelled(models, flipped, flipped["y"], -1),
            labelled(models, flipped, 1 - flipped["y"], 1),
            labelled(models, gone, gone["y"], -1),
        ],
    )
    actual = frame["y"].astype(object)
    actual[:50] = 1 - actual[:50]
    actual[50:80] = None
    assert difference(merged_sums(predictions, first, changes), expected(frame, actual)) < 1e-12
