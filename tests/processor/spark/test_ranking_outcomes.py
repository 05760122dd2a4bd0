"""Outcomes of rankings on Spark: their sums are those of the same lists with all that is known of each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from driftline.tables.table import Column, Items
from driftline_processor.spark.models import FoldedModel
from driftline_processor.spark.row_columns import items_array, items_of

from tests.support.decoded_messages import folded_model, of_kind
from tests.support.joined_epochs import Joined
from tests.support.ranked_topics import BASELINE, FRAME, KNOWN, Told, drawn, outcomes, predictions, sums_of_known
from tests.support.scored_topics import HOUR, difference

NOW = KNOWN + HOUR


def models(**settings: object) -> dict[str, FoldedModel]:
    return {"feed": folded_model(BASELINE, **settings)}


def away(job: Joined, told: Sequence[Told]) -> float:
    """Return how far the sums of a job are from those of the lists with all that is known."""
    return difference(job.sums(), sums_of_known(told))


@pytest.mark.parametrize("parts", [1, 4])
def test_clicks_that_arrive_one_by_one_are_the_clicks_of_a_list(parts: int) -> None:
    told = [{"row": row, "time": KNOWN + row, "item": item, "actual": 1} for row in range(40) for item in ("p1", "p4")]
    job = Joined(models(), NOW, parts)
    job.epoch(outcomes(told[::2]), spans=predictions())
    job.epoch(outcomes(told[1::2]))
    assert away(job, told) < 1e-12
    assert len(job.labels) == 80


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_any_outcomes_in_any_order_give_what_is_known_of_each_list(seed: int) -> None:
    told, random = drawn(seed), np.random.default_rng(seed)
    together, several = Joined(models(), NOW), Joined(models(), NOW, 3)
    together.epoch(outcomes(told), spans=predictions())
    assert away(together, told) < 1e-12
    several.epoch(spans=predictions())
    for some in np.array_split(_apart(told, random), 5):
        several.epoch(outcomes(some.tolist()))
    assert away(several, told) < 1e-9


def _apart(told: Sequence[Told], random: np.random.Generator) -> np.ndarray[Any, Any]:
    """Return outcomes in another order, but those of one time in theirs: of equal times the last to arrive counts."""
    times = sorted({each["time"] for each in told})
    places = {time: place for place, time in zip(random.permutation(len(times)).tolist(), times, strict=True)}
    return np.array(sorted(told, key=lambda each: places[each["time"]]), dtype=object)


def test_an_outcome_that_is_no_relevance_is_counted_and_no_other_is_lost() -> None:
    told = [{"row": row, "time": KNOWN, "item": "p1", "actual": 1} for row in range(20)]
    job = Joined(models(), NOW)
    bad = [{"row": 30, "time": KNOWN, "actual": "often"}]
    found = job.epoch(outcomes([*told, *bad]), spans=predictions())
    assert away(job, told) < 1e-12
    assert len(of_kind(found, "label")) == 20


def test_of_a_sampled_model_outcomes_without_a_weight_do_not_count_and_later_ones_keep_it() -> None:
    job = Joined(models(performance={"outcomes": "sampled"}), NOW)
    weighted = [{"row": row, "time": KNOWN, "item": "p1", "actual": 1, "weight": 4.0} for row in range(10)]
    more = [{"row": row, "time": KNOWN + 1, "item": "p2", "actual": 1} for row in range(20)]
    job.epoch(outcomes(weighted), spans=predictions())
    job.epoch(outcomes(more))
    assert job.rejected == [{}, {"no_weight": 10}]
    sums = [pane["clicks"] for (_, part), pane in job.sums().items() if not part and "clicks" in pane]
    clicked = sum(bool({"p1", "p2"} & {*FRAME["items"][row]}) for row in range(10))
    assert np.sum(sums, axis=0).tolist() == [4.0 * clicked, 16.0 * clicked]


def test_items_without_an_id_and_lists_without_items_stay_where_they_are() -> None:
    ids = Column(codes=np.array([1, -1, 0], np.int32), categories=("a", "b"))
    found = items_of(items_array(Items(np.array([0, 0, 3], np.int32), ids), 2), pa.nulls(2, pa.int64()))
    assert found.offsets.tolist() == [0, 0, 3]
    assert [found.ids.categories[code] for code in found.ids.codes.tolist()] == ["b", "", "a"]  # type: ignore[union-attr]
