"""Which features drift: the primary method decides, corrected over the features, and only what is large enough."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from driftline.baseline.baseline import Baseline
from driftline.baseline.from_frame import table_from_frame
from driftline.baseline.sections.importance import Importance
from driftline.inputs.text_descriptors import describe
from driftline.panes.fold import fold
from driftline.panes.pane import Pane
from driftline.tables.table import F64, Column, ModelKey
from driftline.tables.task import Task
from driftline_processor.core.drift.p_values import benjamini_hochberg
from driftline_processor.core.drift.rule import Drift, drift, drift_by_slice, share_drifted, weighted_fraction
from driftline_processor.core.evaluation import ColumnDrift
from driftline_processor.core.judge_window import ModelWindow, judge_window
from driftline_processor.core.reference.reference import Reference
from driftline_processor.core.windows.window import Window

from tests.support.unwrap import unwrap

RNG_SEED = 42


def rows(n: int, seed: int, **changes: Any) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    frame: dict[str, Any] = {
        "income": rng.lognormal(10, 0.5, n),
        "age": rng.normal(40, 12, n),
        "plan": rng.choice(["basic", "pro", "team"], n, p=[0.6, 0.3, 0.1]),
        "active": rng.integers(0, 2, n),
        "score": rng.random(n),
    }
    return frame | changes


REFERENCE = Baseline.from_frame(rows(20_000, RNG_SEED), score="score", model="churn", task="binary")


def folded(frame: dict[str, Any], weight: F64 | None = None, baseline: Baseline = REFERENCE) -> Pane:
    table, *_ = table_from_frame(frame, score="score", model="churn", task="binary")
    return fold(replace(table, weight=weight), baseline.bins)


def compared(n: int = 2_000, min_effect: dict[str, float] | None = None, **changes: Any) -> Drift:
    return drift(folded(rows(n, 7, **changes)), REFERENCE, min_effect)


def test_nothing_drifts_when_nothing_changed() -> None:
    found = compared()
    assert {name: feature.state for name, feature in found.features.items()} == dict.fromkeys(
        ["income", "age", "plan", "active"], "ok"
    )
    assert found.fraction == 0
    assert (unwrap(found.score).state, unwrap(found.predicted).state) == ("ok", "ok")


def test_each_kind_of_value_has_its_primary_method_and_the_others_are_shown() -> None:
    found = compared()
    deciding = {name: feature.decided_by for name, feature in found.features.items()}
    assert deciding == {"income": "ks", "age": "ks", "plan": "chi2", "active": "chi2"}
    assert list(found.features["age"].methods) == ["ks", "psi", "js"]
    assert found.features["age"].methods["ks"].p_value is not None
    assert found.features["age"].methods["psi"].p_value is None
    assert (unwrap(found.score).decided_by, unwrap(found.predicted).decided_by) == ("ks", "chi2")


def test_a_shifted_number_drifts_and_says_how_much() -> None:
    found = compared(age=np.random.default_rng(7).normal(46, 12, 2_000))
    age = found.features["age"]
    assert age.state == "drift"
    assert age.effect == pytest.approx(0.197, abs=0.02)  # 2 Φ(0.25) - 1
    assert age.size == "moderate"
    assert found.fraction == 0.25
    assert len(age.cells) == len(unwrap(age.was)) == len(unwrap(age.now))


def test_changed_shares_of_a_category_drift() -> None:
    found = compared(plan=np.random.default_rng(7).choice(["basic", "pro", "new"], 2_000))
    plan = found.features["plan"]
    assert (plan.state, plan.size) == ("drift", "large")
    assert plan.cells == ("basic", "pro", "team", "other")
    assert unwrap(plan.now)[-1] == pytest.approx(1 / 3, abs=0.03)


def test_a_drifted_score_moves_the_class_too() -> None:
    found = compared(score=np.random.default_rng(7).beta(3, 1, 2_000))
    assert (unwrap(found.score).state, unwrap(found.predicted).state) == ("drift", "drift")
    assert found.fraction == 0


def test_a_tiny_shift_is_certain_in_many_rows_and_still_no_drift() -> None:
    baseline = Baseline.from_frame(rows(200_000, 1), score="score", model="churn", task="binary")
    frame = rows(200_000, 2)
    frame["age"] = frame["age"] + 0.5
    age = drift(folded(frame, baseline=baseline), baseline).features["age"]
    assert unwrap(age.methods["ks"].p_value) < 1e-6
    assert 0 < unwrap(age.effect) < 0.04
    assert age.state == "ok"


def test_min_effect_is_a_choice_per_feature() -> None:
    shifted = np.random.default_rng(7).normal(46, 12, 2_000)
    assert compared(min_effect={"age": 0.5}, age=shifted).features["age"].state == "ok"
    assert compared(min_effect={"income": 0.5}, age=shifted).features["age"].state == "drift"


def test_p_values_are_corrected_over_the_features_of_the_window() -> None:
    rng = np.random.default_rng(0)
    wide = {f"x{i}": rng.normal(size=5_000) for i in range(100)} | {"score": rng.random(5_000)}
    baseline = Baseline.from_frame(wide, score="score", model="churn", task="binary")
    current = {f"x{i}": rng.normal(size=300) for i in range(100)} | {"score": rng.random(300)}
    found = drift(folded(current, baseline=baseline), baseline)
    p = [feature.methods["ks"].p_value for feature in found.features.values()]
    assert min(value for value in p if value is not None) > 0.01
    assert found.fraction == 0


def test_missing_values_are_left_out_and_shown() -> None:
    ages = np.random.default_rng(7).normal(40, 12, 2_000)
    ages[:500], ages[500:600] = np.nan, np.inf
    age = compared(age=ages).features["age"]
    assert (age.state, age.rows) == ("ok", 1_400)
    assert (age.missing_was, age.missing_now) == (0, 0.3)


@pytest.mark.parametrize(("n", "state"), [(0, "inconclusive"), (1, "inconclusive"), (49, "inconclusive"), (50, "ok")])
def test_fewer_than_fifty_rows_decide_nothing(n: int, state: str) -> None:
    pane = folded(rows(n, 3)) if n else Pane()
    found = drift(pane, REFERENCE)
    assert {feature.state for feature in found.features.values()} == {state}
    assert found.fraction == (None if state == "inconclusive" else 0)
    for feature in found.features.values():
        assert feature.rows == n
        assert (feature.methods[feature.decided_by].p_value is None) == (state == "inconclusive")
        assert (feature.methods["psi"].value is None) == (n == 0)


def test_a_feature_that_stopped_arriving_has_cannot_tell_not_no_drift() -> None:
    age = compared(age=np.full(2_000, np.nan)).features["age"]
    assert (age.state, age.rows, age.missing_now) == ("inconclusive", 0, 1)
    assert age.methods["ks"].value is None


def test_a_baseline_that_never_saw_the_feature_is_blind() -> None:
    baseline = Baseline.from_frame(
        rows(1_000, 1, age=[None] * 1_000, plan=[f"user-{i}" for i in range(1_000)]),
        score="score",
        model="churn",
        task="binary",
    )
    found = drift(folded(rows(1_000, 2), baseline=baseline), baseline)
    assert found.features["age"].reason == "not_comparable"
    assert found.features["plan"].reason == "not_comparable"
    assert found.features["income"].state == "ok"


def test_a_small_reference_decides_nothing_either() -> None:
    baseline = Baseline.from_frame(rows(40, 1), score="score", model="churn", task="binary")
    assert drift(folded(rows(1_000, 2), baseline=baseline), baseline).features["age"].state == "inconclusive"


def test_a_constant_that_changes_drifts_and_one_that_does_not_is_ok() -> None:
    baseline = Baseline.from_frame(
        {"same": [1.0] * 500, "moved": [1.0] * 500, "score": np.linspace(0, 1, 500)},
        score="score",
        model="churn",
        task="binary",
    )
    current = {"same": [1.0] * 200, "moved": [2.0] * 200, "score": np.linspace(0, 1, 200)}
    found = drift(folded(current, baseline=baseline), baseline)
    assert (found.features["same"].state, found.features["moved"].state) == ("ok", "drift")
    assert found.features["moved"].cells == ("1", "other values")


@pytest.mark.parametrize("n", [100, 1_000, 10_000])
def test_what_a_large_reference_never_saw_is_found_in_a_small_window(n: int) -> None:
    rng = np.random.default_rng(5)
    score = {"score": rng.random(100_000)}
    plans = rng.choice(["basic", "pro", "team"], 100_000, p=[0.6, 0.3, 0.1])
    reference = score | {"plan": plans, "same": np.ones(100_000), "flag": rng.random(100_000) < 0.5}
    baseline = Baseline.from_frame(reference, score="score", model="churn", task="binary")
    current = {
        "plan": np.where(plans == "team", "Team", plans)[:n],  # renamed
        "same": np.where(np.arange(n) < n / 5, 2.0, 1.0),  # a fifth of a constant changed
        "flag": np.where(np.arange(n) < n / 5, -1.0, rng.random(n) < 0.5),  # a sentinel
        "score": rng.random(n),
    }
    found = drift(folded(current, baseline=baseline), baseline)
    assert {name: (column.state, column.size) for name, column in found.features.items()} == dict.fromkeys(
        ["plan", "same", "flag"], ("drift", "large")
    )


def test_one_row_where_the_reference_had_none_is_no_large_drift() -> None:
    rng = np.random.default_rng(3)
    reference = {"stars": rng.integers(1, 6, 50_000).astype(float), "score": rng.random(50_000)}
    baseline = Baseline.from_frame(reference, score="score", model="churn", task="binary")
    current = {"stars": np.append(np.tile(np.arange(1.0, 6.0), 10)[:-1], 3.5), "score": rng.random(50)}
    stars = drift(folded(current, baseline=baseline), baseline).features["stars"]
    assert (stars.state, stars.size) == ("ok", "small")


def test_weights_count_as_rows_only_as_far_as_they_are_even() -> None:
    frame = rows(2_000, 7)
    even = drift(folded(frame, np.full(2_000, 3.0)), REFERENCE).features["age"]
    plain = drift(folded(frame), REFERENCE).features["age"]
    assert even.methods["ks"].value == pytest.approx(plain.methods["ks"].value)
    assert even.methods["ks"].p_value == pytest.approx(plain.methods["ks"].p_value)
    assert even.rows == plain.rows == 2_000
    uneven = np.where(np.arange(2_000) < 40, 1e6, 1e-6)  # forty rows in effect
    assert drift(folded(frame, uneven), REFERENCE).features["age"].state == "inconclusive"


def test_a_regression_has_no_class() -> None:
    values = np.random.default_rng(1).normal(size=500)
    baseline = Baseline.from_frame({"x": values}, score=values, model="m", task="regression")
    found = drift(baseline.pane, baseline)
    assert baseline.task == Task("regression")
    assert found.predicted is None
    assert unwrap(found.score).state == "ok"


def frame(n: int, seed: int, shift: float = 0.0) -> dict[str, F64]:
    rng = np.random.default_rng(seed)
    return {"a": rng.normal(shift, 1, n), "b": rng.normal(size=n), "score": rng.random(n)}


def table(values: dict[str, F64]) -> object:
    return table_from_frame(values, score="score", model="m", task="binary")[0]


BASELINE = Baseline.from_frame(frame(20_000, 1), score="score", model="m", task="binary")


def pane(n: int, seed: int, shift: float = 0.0):  # type: ignore[no-untyped-def]
    found, *_ = table_from_frame(frame(n, seed, shift), score="score", model="m", task="binary")
    return fold(found, BASELINE.bins)


def test_p_values_are_corrected_over_the_features_of_all_slices_and_scores_apart() -> None:
    panes = {"": pane(1_000, 2), "north": pane(400, 3, 0.15), "south": pane(600, 4)}
    alone = {name: drift(one, BASELINE) for name, one in panes.items()}
    together = drift_by_slice({name: (one, BASELINE) for name, one in panes.items()})
    assert list(together) == ["", "north", "south"]
    raw = []
    for name, one in panes.items():
        single = [
            drift(one, replace(BASELINE, bins=replace(BASELINE.bins, features={f: BASELINE.bins.features[f]})))
            for f in "ab"
        ]
        raw += [single[at].features[f].methods["ks"].p_value for at, f in enumerate("ab")]
        assert together[name].features["a"].methods["ks"].value == alone[name].features["a"].methods["ks"].value
    expected = benjamini_hochberg(np.array(raw, dtype=np.float64))
    found = [together[name].features[f].methods["ks"].p_value for name in panes for f in "ab"]
    assert np.allclose(np.array(found, dtype=np.float64), expected)
    scores = [together[name].score for name in panes]
    classes = [together[name].predicted for name in panes]
    assert all(one is not None for one in (*scores, *classes))


def test_one_slice_is_the_plain_comparison() -> None:
    one = pane(1_000, 5, 0.3)
    assert (
        drift_by_slice({"x": (one, BASELINE)})["x"].features["a"].methods == drift(one, BASELINE).features["a"].methods
    )


def column(name: str, state: str) -> ColumnDrift:
    return ColumnDrift("feature", name, state, "ks", 100, {})  # type: ignore[arg-type]


FEATURES = {
    name: column(name, state) for name, state in [("a", "drift"), ("b", "ok"), ("c", "inconclusive"), ("d", "ok")]
}
SELF = {name: name for name in FEATURES}


def test_the_share_is_of_what_could_be_judged() -> None:
    assert share_drifted(FEATURES) == 1 / 3
    assert share_drifted({"c": FEATURES["c"]}) is None


def test_the_weighted_share_goes_by_importance_and_is_unknown_without() -> None:
    assert weighted_fraction(FEATURES, Importance({"a": 3.0, "b": 1.0, "c": 50.0}), SELF) == 0.75
    assert weighted_fraction(FEATURES, None, SELF) is None
    assert weighted_fraction(FEATURES, Importance({"c": 1.0}), SELF) is None


def test_a_document_drifts_with_any_of_its_descriptors_and_counts_once() -> None:
    features = {name: column(name, state) for name, state in [("t.length", "ok"), ("t.words", "drift"), ("b", "ok")]}
    whole = {"t.length": "t", "t.words": "t", "b": "b"}
    assert weighted_fraction(features, Importance({"t": 1.0, "b": 3.0}), whole) == 0.25


DAY = Window("1d", 1_772_323_200_000_000_000, 1_772_409_600_000_000_000)
RNG = np.random.default_rng(8)
WORDS = ["".join(letters) for letters in RNG.choice(list("abcdefghijklmnopqrstuvwxyz"), (120, 7))]


def texts(n: int, words: int, rng: np.random.Generator) -> list[str]:
    """Draw texts of ten words, of the first so many."""
    return [" ".join(WORDS[at] for at in rng.integers(0, words, 10)) for _ in range(n)]


def built(rng: np.random.Generator) -> Baseline:
    frame = {"m": np.array(texts(2_000, 120, rng), object), "p": rng.random(2_000)}
    return Baseline.from_frame(frame, score="p", model="m", task="binary", features=["m"], text_features=["m"])


def states(own: list[str], baseline: Baseline) -> dict[str, str]:
    labels, codes = np.unique(np.array(own, object), return_inverse=True)
    column = Column(codes=codes.astype(np.int32), categories=tuple(labels.tolist()))
    frame = {"z": np.zeros(len(own)), "p": np.linspace(0.1, 0.9, len(own))}
    table, *_ = table_from_frame(frame, score="p", model="m", task="binary", features=["z"])
    table = replace(table, features=describe("m", column, baseline.texts["m"]))
    judged = judge_window(ModelWindow(ModelKey("m"), DAY, fold(table, baseline.bins)), Reference(baseline))
    return {name: column.state for name, column in judged.features.items()}


def test_tickets_that_collapse_to_known_words_drift_by_their_topic_alone() -> None:
    rng = np.random.default_rng(9)
    found = states(texts(500, 4, rng), built(rng))
    assert {name for name, state in found.items() if state == "drift"} == {"m.topic"}


def test_texts_of_the_same_topics_do_not_drift() -> None:
    rng = np.random.default_rng(10)
    assert "drift" not in states(texts(500, 120, rng), built(rng)).values()
