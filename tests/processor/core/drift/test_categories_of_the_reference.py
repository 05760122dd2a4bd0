"""Bins and categories that the reference itself has chosen."""

from __future__ import annotations

from typing import Any

import driftline
import numpy as np
import pyarrow as pa
import pytest
from driftline.baseline.baseline import Baseline
from driftline.baseline.from_frame import table_from_frame
from driftline.panes.bins import MOST_CATEGORIES
from driftline.panes.fold import fold
from driftline.panes.pane import Pane
from driftline_processor.core.drift.coarse_bins import coarse, least_kept, missed, unsure
from driftline_processor.core.drift.rule import drift
from driftline_processor.core.evaluation import ColumnDrift, Finding
from driftline_processor.core.quality.judge import quality
from driftline_processor.present.numbers import percent

EQUAL = np.full(400, 1 / 400)
ZIPF = 1 / np.arange(1, 101) / (1 / np.arange(1, 101)).sum()
LABELS = np.array([f"city-{at}" for at in range(400)])


def drawn(rng: np.random.Generator, shares: Any, rows: int, names: tuple[str, ...] = ("x",)) -> dict[str, Any]:
    """Draw rows of features with the same categories."""
    return {name: LABELS[rng.choice(len(shares), rows, p=shares)] for name in names}


def baseline_of(frame: dict[str, Any]) -> Baseline:
    """Build a baseline of features only."""
    rows = len(next(iter(frame.values())))
    return Baseline.from_frame(
        frame | {"score": np.zeros(rows)}, score="score", model="m", task="regression", features=list(frame)
    )


def pane_of(frame: dict[str, Any], baseline: Baseline) -> Pane:
    """Fold rows over a baseline's bins."""
    rows = len(next(iter(frame.values())))
    table, *_ = table_from_frame(
        frame | {"score": np.zeros(rows)}, score="score", model="m", task="regression", features=list(frame)
    )
    return fold(table, baseline.bins)


def compared(now: dict[str, Any], baseline: Baseline) -> ColumnDrift:
    """Compare one feature."""
    return drift(pane_of(now, baseline), baseline).features["x"]


def found(now: dict[str, Any], baseline: Baseline) -> list[Finding]:
    """Look for faults of the data."""
    return list(quality(pane_of(now, baseline), baseline))


@pytest.mark.slow
def test_a_tail_of_rare_categories_does_not_alarm_by_itself() -> None:
    rng = np.random.default_rng(3)
    p = []
    for _ in range(120):
        baseline = baseline_of(drawn(rng, ZIPF, 3_000))
        one = compared(drawn(rng, ZIPF, 10_000), baseline)
        p.append(one.methods["chi2"].p_value or 0.0)
    # 12 % of p-values were below 0.01, and 28 % below 0.05; binomial, at one in ten thousand
    assert np.count_nonzero(np.array(p) <= 0.01) <= 7
    assert 1 <= np.count_nonzero(np.array(p) <= 0.05) <= 17


@pytest.mark.parametrize(("share", "rows"), [(0.2, 1_000), (0.1, 10_000)])
def test_a_new_category_is_found_beside_a_tail(share: float, rows: int) -> None:
    rng = np.random.default_rng(4)
    baseline = baseline_of(drawn(rng, ZIPF, 3_000))
    now = drawn(rng, ZIPF, rows)
    now["x"][: int(share * rows)] = "a new one"
    assert compared(now, baseline).state == "drift"


def test_a_rare_category_that_becomes_frequent_is_found_though_it_was_kept_by_chance() -> None:
    rng = np.random.default_rng(5)
    baseline = baseline_of(drawn(rng, EQUAL, 20_000))
    unchanged = compared(drawn(rng, EQUAL, 2_000), baseline)  # most rows are in ``other``: no change would be seen
    assert (unchanged.state, unchanged.reason, unchanged.detectable_change) == ("inconclusive", "not_comparable", None)
    (known, *_) = baseline.bins.features["x"].categories  # type: ignore[union-attr]
    now = drawn(rng, EQUAL, 2_000)
    now["x"][:200] = known
    assert compared(now, baseline).state == "drift"


def test_a_new_category_is_found_where_no_category_is_sure() -> None:
    rng = np.random.default_rng(6)
    baseline = baseline_of(drawn(rng, EQUAL, 20_000))
    now = drawn(rng, EQUAL, 2_000)
    now["x"][:600] = "a new one"
    assert compared(now, baseline).state == "drift"


def test_what_was_kept_for_lack_of_room_takes_as_many_rows_as_the_last_label() -> None:
    falling = np.arange(MOST_CATEGORIES)[::-1] + 50.0
    categories = np.append(falling, 9_000.0)
    assert least_kept(categories[np.newaxis], np.array([MOST_CATEGORIES])).tolist() == [50.0]
    later = np.append(
        falling[::-1], 9_000.0
    )  # in another order than they were chosen: the last one may be low by chance
    assert least_kept(later[np.newaxis], np.array([MOST_CATEGORIES])).round().tolist() == [76.0]
    few = np.append(falling, 9.0)  # all others together have nine rows
    assert least_kept(few[np.newaxis], np.array([MOST_CATEGORIES])).tolist() == [10.0]


def test_nothing_is_unsure_where_there_are_no_other_labels() -> None:
    was, now = np.array([[980.0, 12.0, 0.0]]), np.array([[480.0, 5.0, 0.0]])
    assert not unsure(was, now, np.array([2])).any()
    alone = coarse(was, now, ordered=False, others=np.array([2]))
    assert alone.pooled_reference.tolist() == coarse(was, now, ordered=False).pooled_reference.tolist()


@pytest.mark.parametrize(
    ("codes", "rows"), [(300, 4_000), (900, 20_000), (1_500, 20_000), (1_500, 100_000), (5_000, 20_000)]
)
@pytest.mark.parametrize("exponent", [0.0, 1.0, 1.3])
def test_rows_that_other_lacks_are_estimated_within_their_error(codes: int, rows: int, exponent: float) -> None:
    rng = np.random.default_rng(11)
    shares = np.arange(1, codes + 1) ** -exponent
    shares /= shares.sum()
    lacking, estimates, errors = [], [], []
    for _ in range(40):
        counts = rng.multinomial(rows, shares)
        kept = np.argsort(-counts, kind="stable")[:MOST_CATEGORIES]
        kept = kept[counts[kept] >= 10]
        reference = np.append(counts[kept], rows - counts[kept].sum()).astype(np.float64)
        (estimate,), (error,) = missed(reference[np.newaxis], np.array([len(kept)]))
        lacking.append(rows * (1 - shares[kept].sum()) - reference[-1])
        estimates.append(estimate)
        errors.append(error)
    assert abs(np.mean(estimates) - np.mean(lacking)) < np.mean(errors)


def test_rows_that_categories_were_not_chosen_from_say_nothing_of_what_was_missed() -> None:
    chosen, later = np.array([[970.0, 10.0, 20.0]]), np.array([[970.0, 7.0, 23.0]])
    assert missed(chosen, np.array([2]))[0].round(1).tolist() == [5.9]
    assert missed(later, np.array([2]))[0].tolist() == [0.0]


def test_two_columns_of_the_same_cities_are_not_swapped_for_keeping_other_ones() -> None:
    rng = np.random.default_rng(7)
    for _ in range(5):
        baseline = baseline_of(drawn(rng, EQUAL, 20_000, ("origin", "dest")))
        assert found(drawn(rng, EQUAL, 2_000, ("origin", "dest")), baseline) == []


def test_columns_with_some_categories_in_common_are_still_found_swapped() -> None:
    rng = np.random.default_rng(8)
    left, right = np.zeros(400), np.zeros(400)
    left[:60], right[40:100] = 1 / 60, 1 / 60

    def rows(many: int) -> dict[str, Any]:
        return {"origin": LABELS[rng.choice(400, many, p=left)], "dest": LABELS[rng.choice(400, many, p=right)]}

    baseline = baseline_of(rows(1_000))
    assert found(rows(1_000), baseline) == []
    now = rows(1_000)
    now["origin"], now["dest"] = now["dest"], now["origin"]
    (one,) = found(now, baseline)
    assert (one.check, set(one.features)) == ("swapped", {"origin", "dest"})


def test_categories_beyond_the_kept_ones_are_not_unseen_but_new_ones_are() -> None:
    rng = np.random.default_rng(9)
    for _ in range(20):
        baseline = baseline_of(drawn(rng, ZIPF, 3_000))
        assert found(drawn(rng, ZIPF, 10_000), baseline) == []
    now = drawn(rng, ZIPF, 10_000)
    now["x"][:1_000] = "a new one"
    (one,) = found(now, baseline)
    assert one.check == "unseen"


@pytest.mark.parametrize(("codes", "rows"), [(900, 4_000), (300, 4_000), (600, 20_000)])
def test_half_of_many_rare_categories_gone_is_drift_or_not_comparable(codes: int, rows: int) -> None:
    rng = np.random.default_rng(codes)
    states = set[str]()
    for _ in range(5):
        baseline = baseline_of({"x": rng.integers(0, codes, rows).astype(str)})
        states.add(compared({"x": rng.integers(0, codes // 2, rows // 2).astype(str)}, baseline).state)
        states.add(compared({"x": rng.integers(0, codes, rows // 2).astype(str)}, baseline).reason)
    assert states <= {"drift", "inconclusive", "not_comparable"}


def test_rare_categories_that_were_kept_by_chance_have_no_coordinate() -> None:
    rng = np.random.default_rng(15)
    others = {"y": rng.normal(size=4_000), "z": rng.normal(size=4_000)}
    for codes, is_in in ((900, False), (300, True), (20, True)):
        space = baseline_of({"x": rng.integers(0, codes, 4_000).astype(str), **others}).bins.space
        assert space is not None
        assert ("x" in space.names) == is_in


@pytest.mark.parametrize(("rare", "pooled"), [(0.0, False), (0.02, False), (0.3, True), (0.45, True)])
def test_the_detectable_change_is_limited_to_frequent_categories_if_others_could_hide_it(
    rare: float, pooled: bool
) -> None:
    def rows(seed: int, n: int, first: int) -> pa.Table:
        rng = np.random.default_rng(seed)
        ids = np.char.add("u", (rng.integers(0, 3000, n) + first).astype(str))
        return pa.table({"place": np.where(rng.random(n) < rare, ids, rng.choice(["main", "web"], n))})

    evaluation = driftline.evaluate(rows(1, 3_000, 10_000), baseline=rows(0, 10_000, 0)).to_dict()
    place = evaluation["windows"][0]["drift"]["features"]["place"]
    assert place["state"] == "ok"
    assert (place["pooled"] is not None) == pooled
    if pooled:
        assert place["pooled"] == pytest.approx(rare, abs=0.02)
        assert place["sentence"].endswith(
            f"would have been detected among the {percent(1 - place['pooled'])} of the rows with frequent categories."
        )
    else:
        assert place["sentence"].endswith("or more would have been detected.")
