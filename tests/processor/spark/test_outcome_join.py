"""Outcomes that arrive after their predictions: together, the sums of rows with outcomes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from driftline.semconv import attributes as a
from driftline_processor.spark.models import FoldedModel
from driftline_processor.spark.outcome_columns import OUTCOME
from driftline_processor.spark.outcome_join import split
from driftline_processor.spark.record_batches import pack_table, unpack_table

from tests.support.decoded_messages import batch, decoded, folded_model, of_kind, outcomes_of
from tests.support.joined_epochs import Joined
from tests.support.scored_topics import (
    HOUR,
    RETRACTED,
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
KNOWN, NOW = START + 4 * HOUR, START + 5 * HOUR
BASELINE = baseline_of(scored(2_000, START, 3, 99))
MODELS = {"churn": folded_model(BASELINE)}


class Job(Joined):
    def __init__(self, parts: int = 1, models: dict[str, FoldedModel] = MODELS) -> None:
        super().__init__(models, NOW, parts)

    def away(self, frame: Frame, actual: Sequence[object], known: int = KNOWN) -> float:
        """Return how far the sums are from those of rows with these outcomes."""
        return difference(self.sums(), expected(frame, actual, known))


def expected(frame: Frame, actual: Sequence[object], known: int = KNOWN) -> Sums:
    values = np.array([None if value is None else str(value) for value in actual], object)
    return sums_of(panes_of(frame, BASELINE, values, np.full(len(values), known)).panes)


@pytest.fixture(scope="module")
def frame() -> Frame:
    return scored(200, START, 3, 1)


@pytest.mark.parametrize("parts", [1, 5])
def test_sums_of_predictions_and_outcomes_are_those_of_labelled_rows(frame: Frame, parts: int) -> None:
    job, known = Job(parts), taken(frame, slice(0, 120))
    job.epoch(columnar_messages(frame))
    job.epoch(outcome_messages(known["id"], known["y"], KNOWN))
    assert job.away(frame, [*known["y"].tolist(), *[None] * 80]) < 1e-12
    assert sorted(job.labels["id"].to_pylist()) == sorted(known["id"].tolist())


def test_a_correction_and_a_retraction_replace_what_was_known(frame: Frame) -> None:
    job, ids, y = Job(3), frame["id"], frame["y"]
    job.epoch(columnar_messages(frame), outcome_messages(ids, y, KNOWN))
    job.epoch(
        outcome_messages(ids[:50], 1 - y[:50], KNOWN),
        outcome_messages(ids[50:80], y[50:80], KNOWN + 1, **RETRACTED),
    )
    actual = y.astype(object)
    actual[:50], actual[50:80] = 1 - y[:50], None
    assert job.away(frame, actual.tolist()) < 1e-12


def test_the_latest_outcome_counts_in_any_order_of_arrival(frame: Frame) -> None:
    ids, y = frame["id"], frame["y"]
    told = [
        outcome_messages(ids, y, KNOWN),
        outcome_messages(ids, 1 - y, KNOWN - HOUR),
        outcome_messages(ids[:60], 1 - y[:60], KNOWN - 2 * HOUR, **RETRACTED),
    ]
    for order in ([0, 1, 2], [2, 1, 0], [1, 0, 2]):
        one, several = Job(), Job()
        one.epoch(columnar_messages(frame), *(told[number] for number in order))
        several.epoch(columnar_messages(frame))
        for number in order:
            several.epoch(told[number])
        assert one.away(frame, y.tolist()) < 1e-12
        assert several.away(frame, y.tolist()) < 1e-12


@pytest.mark.parametrize("together", [True, False])
def test_a_correction_without_a_weight_keeps_that_of_the_outcome(frame: Frame, together: bool) -> None:
    ids, y = frame["id"], frame["y"]
    weight: dict[str, Any] = {a.DRIFTLINE_OUTCOME_WEIGHT: 2.5}
    weights = outcome_messages(ids, y, KNOWN, **weight)
    corrections = outcome_messages(ids[:50], 1 - y[:50], KNOWN + 1)
    job = Job()
    job.epoch(columnar_messages(frame), weights, *([corrections] if together else []))
    if not together:
        job.epoch(corrections)
    newest = {row["id"]: row for row in job.labels.to_pylist()}
    assert {row["outcome_weight"] for row in newest.values()} == {2.5}
    assert [newest[id]["actual"] for id in ids[:50]] == (1 - y[:50]).astype(str).tolist()


def test_outcomes_of_a_sampled_model_need_a_weight_of_their_own_or_of_an_earlier_one(frame: Frame) -> None:
    ids, y = frame["id"], frame["y"]
    weight: dict[str, Any] = {a.DRIFTLINE_OUTCOME_WEIGHT: 2.5}
    job = Job(models={"churn": folded_model(BASELINE, performance={"outcomes": "sampled"})})
    job.epoch(columnar_messages(frame), outcome_messages(ids[:80], y[:80], KNOWN, **weight))
    job.epoch(
        outcome_messages(ids[50:], 1 - y[50:], KNOWN + 1), outcome_messages(ids[:10], y[:10], KNOWN + 1, **RETRACTED)
    )
    assert job.rejected == [{}, {"no_weight": 120}]
    job.epoch(outcome_messages(ids[80:], y[80:], KNOWN + 2, **weight))
    newest = {row["id"]: row for row in job.labels.to_pylist()}
    assert len(newest) == 200
    assert [newest[id]["actual"] for id in ids[50:]] == [*(1 - y[50:80]).astype(str), *y[80:].astype(str)]
    assert {row["outcome_weight"] for row in newest.values() if not row["retracted"]} == {2.5}


def test_an_outcome_that_is_repeated_changes_nothing_and_counts_as_the_latest(frame: Frame) -> None:
    job, ids, y = Job(), frame["id"], frame["y"]
    job.epoch(columnar_messages(frame), outcome_messages(ids, y, KNOWN))
    assert len(of_kind(job.epoch(outcome_messages(ids, y, KNOWN)), "pane")) == 0
    assert len(of_kind(job.epoch(outcome_messages(ids, y, KNOWN + 2)), "pane")) == 0
    assert len(of_kind(job.epoch(outcome_messages(ids, 1 - y, KNOWN + 1)), "pane")) == 0
    assert job.away(frame, y.tolist()) < 1e-12


def test_outcomes_wait_for_their_predictions_until_they_are_too_old(frame: Frame) -> None:
    job, ids, y = Job(2), frame["id"], frame["y"]
    job.epoch(outcome_messages(ids[:150], y[:150], KNOWN), outcome_messages(ids[150:], y[150:], KNOWN - HOUR))
    assert len(job.waiting) == 200
    job.epoch(oldest=KNOWN)
    assert len(job.waiting) == 150
    assert job.rejected[-1] == {"outcome_without_prediction": 50}
    job.epoch(columnar_messages(frame))
    assert len(job.waiting) == 0
    assert job.away(frame, [*y[:150].tolist(), *[None] * 50]) < 1e-12


def test_of_predictions_with_one_id_the_latest_before_the_outcome_gets_it(frame: Frame) -> None:
    few = taken(frame, np.arange(0, 200, 10))
    few["id"] = np.array(["same"] * len(few["id"]))
    last = len(few["at"]) - 1
    job = Job()
    job.epoch(columnar_messages(few), outcome_messages(few["id"][:1], few["y"][last:], KNOWN))
    assert job.labels["time"].to_pylist() == few["at"][last:].tolist()
    assert job.away(few, [*[None] * last, few["y"][last]]) < 1e-12


def test_an_outcome_of_a_model_does_not_join_the_ids_of_another(frame: Frame) -> None:
    other = {**MODELS, "fraud": folded_model(BASELINE)}
    job = Job(models=other)
    job.epoch(columnar_messages(frame), outcome_messages(frame["id"], frame["y"], KNOWN, model="fraud"))
    assert len(job.waiting) == 200
    assert len(job.labels) == 0


def test_an_outcome_without_an_environment_joins_that_of_its_prediction(frame: Frame) -> None:
    outcomes = outcomes_of(decoded(MODELS, batch([], outcome_messages(frame["id"], frame["y"], KNOWN), NOW)))
    job = Job()
    for environment, left in ((pa.nulls(200, pa.string()), 0), (pa.array(["test"] * 200), 200)):
        job.waiting = outcomes.set_column(OUTCOME.names.index("environment"), "environment", environment)
        job.epoch(columnar_messages(frame) if not left else [])
        assert len(job.waiting) == left
    assert job.away(frame, frame["y"].tolist()) < 1e-12


def test_a_packed_table_is_split_as_its_rows(frame: Frame) -> None:
    outcomes = outcomes_of(decoded(MODELS, batch([], outcome_messages(frame["id"], frame["y"], KNOWN), NOW)))
    rows = list(split("outcome", 4, None, outcomes.to_batches()))
    packed = list(split("outcome", 4, None, [pa.RecordBatch.from_pydict({"packed": [pack_table(outcomes)]})]))
    assert rows == packed
    ids = [set(unpack_table(each)["id"].to_pylist()) for one in rows for each in one["packed"].to_pylist()]
    assert len(ids) == 4
    assert set.union(*ids) == {*frame["id"].tolist()}
