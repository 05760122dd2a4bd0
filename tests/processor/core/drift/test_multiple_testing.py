"""One family over features and slices; and how much of a model's input has drifted."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from driftline.baseline.baseline import Baseline
from driftline.baseline.from_frame import table_from_frame
from driftline.baseline.sections.importance import Importance
from driftline.panes.fold import fold
from driftline.tables.table import F64
from driftline_processor.core.drift.p_values import benjamini_hochberg
from driftline_processor.core.drift.rule import drift, drift_by_slice, share_drifted, weighted_fraction
from driftline_processor.core.evaluation import ColumnDrift


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
