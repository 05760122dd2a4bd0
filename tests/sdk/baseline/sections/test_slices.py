"""Slices of a baseline: the rows of each value of a cut, over the bins of all rows."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from driftline.baseline.baseline import Baseline
from driftline.baseline.from_frame import table_from_frame
from driftline.baseline.sections.catalogue import Extras
from driftline.baseline.sections.slices import MOST_VALUES, OTHER, Slices, places_of, slice_name, values_of
from driftline.panes.fold import GroupCounts, fold_by
from driftline.panes.pane import Pane
from driftline.privacy.policy import Privacy
from driftline.tables.table import Column

from tests.support.unwrap import unwrap


def frame(n: int = 3_000, values: int = 4, seed: int = 1) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    shares = 1 / np.arange(1, values + 1)
    country = rng.choice([f"c{at:02}" for at in range(values)], n, p=shares / shares.sum()).astype(object)
    country[rng.random(n) < 0.05] = None
    return {
        "age": np.where(rng.random(n) < 0.1, np.nan, rng.normal(40, 12, n)),
        "plan": rng.choice(["basic", "pro"], n),
        "score": rng.random(n),
        "country": country,
    }


def built(rows: dict[str, Any], **said: Any) -> Baseline:
    told: dict[str, Any] = {"score": "score", "model": "churn", "task": "binary", "slices": ["country"], **said}
    return Baseline.from_frame(rows, **told)


def slices_of(baseline: Baseline) -> Slices:
    return unwrap(baseline.extras.slices)


def test_the_slices_of_a_key_and_the_rows_without_it_add_up_to_all_rows() -> None:
    rows = frame()
    baseline = built(rows)
    without = {name: values[[one is None for one in rows["country"]]] for name, values in rows.items()}
    table, *_ = table_from_frame(without, score="score", model="churn", task="binary")
    [rest] = fold_by(table, baseline.bins, np.zeros(len(table), np.int64), 1)
    for part in ("rows", "feature:age", "feature:plan", "score", "class"):
        told = sum(pane.parts[part] for pane in slices_of(baseline).by_key["country"].values())
        assert np.array_equal(told + rest.parts[part], baseline.pane.parts[part]), part


def test_a_slice_is_a_feature_still_unless_it_is_given_as_values() -> None:
    rows = frame()
    assert "country" in built(rows).bins.features
    country = rows.pop("country")
    apart = built(rows, slices={"country": country})
    assert "country" not in apart.bins.features
    assert slices_of(apart).values("country") == ("c00", "c01", "c02", "c03")


def test_of_a_key_the_twenty_values_with_most_rows_are_told_apart() -> None:
    baseline = built(frame(20_000, values=30))
    known = slices_of(baseline)
    assert known.values("country") == tuple(f"c{at:02}" for at in range(MOST_VALUES))
    other = unwrap(known.pane("country=other"))
    assert 0 < other.rows < 20_000 * 0.15
    assert known.pane("country=c25") is None
    assert known.pane("plan=basic") is None


def test_a_value_of_fewer_than_ten_rows_goes_to_other() -> None:
    rows = frame()
    rows["country"][:9] = "rare"
    assert "rare" not in built(rows).to_json()


def test_values_are_canonical_and_the_word_other_is_none_of_them() -> None:
    column = Column(np.array([1.0, np.nan, np.nan, np.nan]), np.array([-1, 0, 1, -1]), ("true", "other"))
    assert values_of(column) == ("1",)
    assert places_of(column, ["1"], 4).tolist() == [0, 0, 1, -1]
    assert places_of(None, ["1"], 2).tolist() == [-1, -1]
    assert values_of(Column(codes=np.array([0], np.int32), categories=("x" * 257,))) == ()
    assert slice_name("vip", "1") == "vip=1"


def test_batches_give_the_slices_of_the_frame() -> None:
    rows = frame()
    halves = [{name: values[at] for name, values in rows.items()} for at in (slice(0, 1_000), slice(1_000, None))]
    told: dict[str, Any] = {"score": "score", "model": "churn", "task": "binary", "slices": ["country"]}
    assert Baseline.from_frame(lambda: halves, **told).to_json() == built(rows).to_json()


def test_slices_change_no_bins_and_are_read_back() -> None:
    rows = frame()
    baseline, plain = built(rows), built(rows, slices=())
    assert baseline.fold == plain.fold
    assert plain.extras.slices is None
    assert Baseline.from_json(baseline.to_json()).to_json() == baseline.to_json()
    assert len(baseline.to_json()) < len(plain.to_json()) + 4 * 2_500


def test_slices_are_small_enough_to_travel(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = slices_of(built(frame(values=8)))
    monkeypatch.setattr("driftline.baseline.sections.slices.MOST_COUNTS", 600)
    small = slices_of(built(frame(values=8)))
    kept = small.values("country")
    assert kept == whole.values("country")[: len(kept)]
    assert 0 < len(kept) < 8
    for of in (whole, small):
        assert sum(pane.rows for pane in of.by_key["country"].values()) == sum(
            one is not None for one in frame()["country"]
        )


def test_an_edited_slice_is_refused_with_its_key() -> None:
    good = json.loads(built(frame()).to_json())
    edits: list[tuple[dict[str, Any], str]] = [
        ({"rows": None}, ".by_key.country.c00.parts.rows: "),
        ({"feature:weight": [1]}, ": 'feature:weight' of country=c00 "),
        ({"rows": [1, 2]}, ": 'rows' of country=c00 "),
        ({"rows": {"shape": [3], "steps": [5], "values": [1]}}, ".by_key.country.c00.parts.rows.steps: "),
    ]
    for edit, place in edits:
        text = json.loads(json.dumps(good))
        text["extras"]["slices"]["by_key"]["country"]["c00"]["parts"] |= edit
        with pytest.raises(ValueError, match=re.escape(f"b.json: extras.slices{place}")):
            Baseline.from_json(json.dumps(text), where="b.json")


def test_what_is_no_key_is_refused() -> None:
    with pytest.raises(ValueError, match=r"slices:.*'region'"):
        built(frame(), slices=["region"])
    with pytest.raises(ValueError, match="'a=b' is not a valid name: use a name without '='"):
        built(frame(), slices={"a=b": frame()["country"]})
    with pytest.raises(ValueError, match=r"\['country'\]"):
        built(frame(), slices="country")


def test_a_key_with_a_privacy_rule_is_in_no_baseline_and_a_rounded_feature_in_no_slice() -> None:
    rows = frame()
    country = rows.pop("country")
    for rules in (Privacy(deny=("country",)), Privacy(hash=("country",), key="0123456789abcdef")):
        baseline = built(rows, slices={"country": country}, privacy=rules)
        assert baseline.extras.slices is None
        assert "country" not in baseline.to_json()
    rounded = built(rows, slices={"country": country}, privacy=Privacy(round={"age": 5.0}))
    pane = unwrap(slices_of(rounded).pane("country=c00"))
    assert set(pane.parts) == {"rows", "feature:plan", "score", "class"}


def test_counting_by_groups_is_counting_the_rows_of_each() -> None:
    rows = frame(500)
    baseline = built(rows)
    table, *_ = table_from_frame(rows, score="score", model="churn", task="binary", slices=["country"])
    table = replace(table, weight=np.random.default_rng(3).random(500))
    places = places_of(table.slices["country"], ["c01", "c00"], 500)
    cut = GroupCounts(places, 3)
    fold_by(table, baseline.bins, np.zeros(500, np.int64), 1, "plan", [cut])
    for at in range(3):
        mask = places == at
        some = {name: values[mask] for name, values in rows.items()}
        alone, *_ = table_from_frame(some, score="score", model="churn", task="binary")
        alone = replace(alone, weight=None if table.weight is None else table.weight[mask])
        [pane] = fold_by(alone, baseline.bins, np.zeros(len(alone), np.int64), 1, "plan")
        for part, sums in cut.parts.items():
            assert np.allclose(sums[at], pane.parts.get(part, 0.0)), (at, part)
    assert {"rows", "feature:age", "score", "class", "clusters:feature:age"} <= set(cut.parts)


def test_a_baseline_without_slices_is_written_as_before() -> None:
    assert Slices.bounded({}) is None
    assert Slices.bounded({"country": {}}) is None
    assert Extras().sections() == {}
    assert Slices({"k": {OTHER: Pane({"rows": np.ones(3)})}}).values("k") == ()
