"""Mean scores by the values of each feature: those of the rows, however these come, and checked on reading."""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np
import pytest
from driftline import Baseline, Privacy
from driftline.baseline.baseline import protect_baseline
from driftline.baseline.codec import to_json

from tests.support.unwrap import unwrap

N = 1_000


def frame(n: int = N, seed: int = 1) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    age = rng.normal(45, 10, n)
    age[:50] = np.nan
    plan = rng.choice(np.array(["basic", "pro"], object), n, p=[0.7, 0.3])
    return {"age": age, "plan": plan, "p": np.where(plan == "pro", 0.6, 0.2) + 0.1 * rng.random(n)}


def built(rows: dict[str, Any]) -> Baseline:
    return Baseline.from_frame(rows, score="p", model="m", task="binary")


def test_the_means_are_those_of_the_rows() -> None:
    rows = frame()
    score_by = unwrap(built(rows).extras.score_means)
    plan, age = score_by.by_part["feature:plan"], score_by.by_part["feature:age"]
    assert plan.mean[:2] == pytest.approx(
        [rows["p"][rows["plan"] == name].mean() for name in ("basic", "pro")], rel=1e-5
    )
    assert plan.rows.sum() == N
    assert age.rows[-1] == 50
    assert age.mean[-1] == pytest.approx(rows["p"][:50].mean(), rel=1e-5)
    assert float(age.rows @ age.mean) == pytest.approx(rows["p"].sum(), rel=1e-5)
    score = score_by.by_part["score"]
    assert float(score.rows @ score.mean) == pytest.approx(rows["p"].sum(), rel=1e-5)


def test_rows_without_a_score_count_in_no_mean() -> None:
    rows = frame()
    rows["p"][100:] = np.nan
    score_by = unwrap(built(rows).extras.score_means)
    assert score_by.by_part["feature:plan"].rows.sum() == 100


def test_a_baseline_without_scores_has_none() -> None:
    rows = frame()
    rows["p"] = (rows["p"] > 0.5).astype(int)
    assert Baseline.from_frame(rows, predicted="p", model="m", task="binary").extras.score_means is None


def test_batches_give_what_one_frame_gives() -> None:
    rows = frame()
    halves = [{name: values[part] for name, values in rows.items()} for part in (slice(0, 400), slice(400, N))]
    batches = Baseline.from_frame(lambda: halves, score="p", model="m", task="binary").extras.score_means
    assert to_json(batches) == to_json(built(rows).extras.score_means)


def test_what_was_read_is_what_was_written() -> None:
    baseline = built(frame())
    assert to_json(Baseline.from_json(baseline.to_json()).extras) == to_json(baseline.extras)


def test_features_whose_values_a_rule_changes_are_left_out() -> None:
    left = unwrap(protect_baseline(built(frame()), Privacy(deny=["age"])).extras.score_means)
    assert set(left.by_part) == {"feature:plan", "score"}


@pytest.mark.parametrize(
    ("damage", "place"),
    [
        ({"feature:agee": {"first": [0], "mean": [0, 0], "rows": [0, 0]}}, ": 'feature:agee'"),
        ({"feature:plan": {"first": [0, 99], "mean": [0] * 3, "rows": [0] * 3}}, ": the entry of 'feature:plan'"),
        ({"feature:plan": {"first": [1], "mean": [0, 0], "rows": [0, 0]}}, ": the entry of 'feature:plan'"),
        ({"feature:plan": {"first": [0], "mean": [0], "rows": [0]}}, ".by_part.feature:plan: "),
        ({"feature:plan": {"first": [0], "mean": [0, 0], "rows": [0, 0], "labelled": [0, 0]}}, ".by_part.feature:plan"),
    ],
)
def test_damaged_means_are_refused(damage: dict[str, Any], place: str) -> None:
    root = json.loads(built(frame()).to_json())
    root["extras"]["score_means"] = {"by_part": damage}
    with pytest.raises(ValueError, match=re.escape(f"extras.score_means{place}")):
        Baseline.from_json(json.dumps(root))
