"""Drift that no feature shows by itself."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from driftline.baseline.baseline import Baseline
from driftline.baseline.from_frame import table_from_frame
from driftline.panes.fold import fold
from driftline.panes.pca import UNIT, at_places, bin_of_each, distances, rest_of
from driftline.tables.table import F64, PredictionTable
from driftline_processor.core.drift.multivariate import JOINT, PanePair
from driftline_processor.core.drift.multivariate.classifier import Points, auc, classify
from driftline_processor.core.drift.multivariate.correlation import correlation_shift
from driftline_processor.core.drift.multivariate.pca import Errors, correlations, errors_of, pca
from driftline_processor.core.drift.multivariate_rule import drift_together
from driftline_processor.core.evaluation import Evaluation
from driftline_processor.core.judge_window import ModelWindow, judge_window
from driftline_processor.core.reference.reference import Reference
from driftline_processor.core.windows.window import Window
from scipy.stats import kstest, norm, pearsonr, ttest_ind_from_stats
from sklearn.decomposition import PCA
from sklearn.metrics import roc_auc_score

from tests.golden import reconstruction
from tests.support.unwrap import unwrap


def frame(n: int, seed: int, rho: float = 0.7) -> dict[str, Any]:
    """Four pairs of numbers, correlated ``rho``, whatever that is with the same marginals; a category; gaps."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(8, n))
    z[1::2] = rho * z[::2] + math.sqrt(1 - rho**2) * z[1::2]
    made: dict[str, Any] = {f"x{at}": values for at, values in enumerate(z)}
    made["x0"] = np.where(rng.random(n) < 0.1, np.nan, made["x0"])
    made["plan"] = rng.choice(["a", "b", "c"], n, p=[0.5, 0.3, 0.2])
    return made | {"score": rng.random(n)}


def table(columns: dict[str, Any], task: str = "binary") -> PredictionTable:
    return table_from_frame(columns, score="score", model="m", task=task)[0]


BASELINE = Baseline.from_frame(frame(20_000, 1), score="score", model="m", task="binary")
FULL = {name: values for name, values in frame(20_000, 4).items() if name not in ("x0", "plan")}


def window(
    columns: dict[str, Any], baseline: Baseline = BASELINE, weight: F64 | None = None, task: str = "binary"
) -> Evaluation:
    rows = replace(table(columns, task), weight=weight)
    return judge_window(ModelWindow(rows.key, Window("", 0, 0), fold(rows, baseline.bins)), Reference(baseline))


def test_a_rotation_that_leaves_every_marginal_as_it_was_is_found_by_pca_and_by_no_feature() -> None:
    found = window(frame(2_000, 7, rho=-0.7))
    assert {column.state for column in found.features.values()} == {"ok"}
    assert found.fraction == 0
    one = found.joint["pca"]
    assert one.state == "drift"
    assert unwrap(one.value) > 1
    assert unwrap(one.now) > unwrap(one.was)
    assert {told.features[0] for told in one.contributors} <= {f"x{at}" for at in range(8)}


def test_a_quiet_window_has_no_joint_drift() -> None:
    one = window(frame(2_000, 8)).joint["pca"]
    assert one.state == "ok"
    assert one.p_value is not None
    assert abs(unwrap(one.value)) < 0.1


@pytest.mark.parametrize(
    ("gone", "state"), [(("x1",), "inconclusive"), (("x1", "x2", "x3"), "inconclusive"), ((), "ok")]
)
def test_missing_values_are_no_drift_of_the_components(gone: tuple[str, ...], state: str) -> None:
    rows = frame(2_000, 8)
    lost = np.random.default_rng(3).random(2_000) < 0.4
    for name in gone:
        rows[name] = np.where(lost, np.nan, rows[name])
    one = window(rows).joint["pca"]
    assert one.state == state
    assert (one.value is None, one.p_value is None, one.contributors == ()) == (state == "inconclusive",) * 3
    assert sorted(change.features[0] for change in one.missing) == list(gone)


def test_values_that_are_filled_in_now_are_no_drift_of_the_components_either() -> None:
    rows = frame(2_000, 8)
    full = {**rows, "x0": np.where(np.isnan(rows["x0"]), 0.3, rows["x0"])}
    assert window(full).joint["pca"].state == "ok"  # 10 % of one of nine features
    some = {name: np.where(np.arange(20_000) % 2 == 0, np.nan, v) if name < "x4" else v for name, v in FULL.items()}
    baseline = Baseline.from_frame(some, score="score", model="m", task="binary")
    assert window(FULL, baseline).joint["pca"].reason == "not_comparable"


def test_a_window_without_a_value_says_nothing_of_its_components() -> None:
    rows = {name: v if name == "score" else np.full(2_000, np.nan) for name, v in frame(2_000, 8).items()}
    found = window(rows)
    assert found.joint["pca"].reason == "not_comparable"
    assert {one.reason for one in found.joint.values()} == {"not_comparable"}


def test_few_rows_decide_nothing() -> None:
    assert window(frame(40, 8, rho=-0.7)).joint["pca"].state == "inconclusive"
    weight = np.where(np.arange(2_000) < 40, 1e6, 1.0)
    assert window(frame(2_000, 8, rho=-0.7), weight=weight).joint["pca"].state == "inconclusive"


def test_a_baseline_or_a_window_without_the_sums_says_nothing() -> None:
    without = replace(BASELINE, bins=replace(BASELINE.bins, space=None))
    assert window(frame(500, 2), without).joint == {}
    some = {name: bins for name, bins in BASELINE.bins.features.items() if name != "x3"}
    assert window(frame(500, 2), replace(BASELINE, bins=replace(BASELINE.bins, features=some))).joint == {}


def test_the_p_value_is_welchs() -> None:
    shift, p, _ = pca(Errors(2.0, 0.5, 900.0), Errors(2.08, 0.7, 400.0))
    # our deviations are over n, not n - 1
    oracle = ttest_ind_from_stats(
        2.08, 0.7 * math.sqrt(400 / 399), 400, 2.0, 0.5 * math.sqrt(900 / 899), 900, equal_var=False
    )
    assert p == pytest.approx(oracle.pvalue, rel=1e-9)
    assert shift == pytest.approx(0.16)


def test_equal_errors_are_no_drift_and_have_no_size() -> None:
    assert pca(Errors(2.0, 0.5, 900.0), Errors(2.0, 0.5, 400.0)) == (0.0, 1.0, 0.0)
    assert pca(Errors(0.0, 0.0, 900.0), Errors(0.0, 0.0, 400.0)) == (0.0, 1.0, 0.0)
    assert pca(Errors(0.0, 0.0, 900.0), Errors(1.0, 0.0, 400.0))[1] == 0.0
    assert errors_of(np.zeros(4)).rows == 0


@pytest.mark.parametrize("method", JOINT.values(), ids=JOINT)
def test_every_method_keeps_the_contract(method: Any) -> None:
    assert method.name == method.name.lower()
    assert all((method.title, method.unit, method.source))
    assert method.min_effect > 0
    assert method.minimum < method.maximum
    assert method.minimum <= method.neutral


@pytest.mark.slow
def test_quiet_windows_are_drift_at_most_as_often_as_promised() -> None:
    rng = np.random.default_rng(5)
    alarms = {20_000: 0, 1_000: 0}
    for rows in alarms:
        for _ in range(2):
            seed = int(rng.integers(1 << 30))
            baseline = Baseline.from_frame(frame(rows, seed), score="score", model="m", task="binary")
            for n in (60, 300, 2_000):
                for _ in range(8):
                    found = window(frame(n, int(rng.integers(1 << 30))), baseline)
                    alarms[rows] += any(one.state == "drift" for one in found.joint.values())
    # 48 windows each at 1 %: more than two are seen once in 80 such runs
    assert max(alarms.values()) <= 2


def points(columns: dict[str, Any], baseline: Baseline = BASELINE) -> Points:
    space = unwrap(baseline.bins.space)
    rows = table(columns)
    index = [bin_of_each([rows], name, baseline.bins.features[name]) for name in space.names]
    z = np.stack([at_places(space.places[name], at) for name, at in zip(space.names, index, strict=True)], axis=1)
    missing = np.stack([at >= len(space.places[name]) for name, at in zip(space.names, index, strict=True)], axis=1)
    return Points(space.names, z / UNIT, missing)


def test_a_rotation_is_found_by_the_correlations_of_the_pairs_that_turned() -> None:
    one = window(frame(2_000, 7, rho=-0.7)).joint["correlation"]
    assert one.state == "drift"
    assert {told.features for told in one.contributors} == {("x0", "x1"), ("x2", "x3"), ("x4", "x5"), ("x6", "x7")} | {
        one.contributors[4].features
    }
    for told in one.contributors[:4]:
        assert told.was == pytest.approx(0.7, abs=0.03)
        assert told.now == pytest.approx(-0.7, abs=0.06)
        assert unwrap(told.p_value) < 1e-12
    assert one.changed_pairs == 4


def test_the_correlation_is_that_of_normal_scores_over_the_rows_that_have_both() -> None:
    columns = frame(3_000, 3)
    pane = fold(table(columns), BASELINE.bins)
    seen = points(columns)
    found = unwrap(correlations(pane, len(seen.names)))
    for at, (first, second) in enumerate(combinations(range(len(seen.names)), 2)):
        both = ~seen.missing[:, first] & ~seen.missing[:, second]
        oracle = pearsonr(seen.z[both, first], seen.z[both, second])
        assert found.r[at] == pytest.approx(oracle.statistic, abs=1e-9)
        assert found.rows[at] == both.sum()


def test_features_that_go_missing_change_no_correlation() -> None:
    columns = frame(4_000, 6)
    gaps = np.random.default_rng(1).random(4_000) < 0.5
    columns["x2"] = np.where(gaps, np.nan, columns["x2"])
    one = window(columns).joint["correlation"]
    assert one.state == "ok"


def test_the_z_test_of_correlations_is_fishers() -> None:
    shift, p, _ = correlation_shift(*(np.array([value]) for value in (0.5, 0.4, 1_003.0, 403.0, 1.0)))
    z = (math.atanh(0.4) - math.atanh(0.5)) / math.sqrt(1 / 1_000 + 1 / 400)
    assert p[0] == pytest.approx(2 * norm.sf(abs(z)), rel=1e-12)
    assert shift[0] == pytest.approx(-0.1)


def test_two_flags_that_are_both_rare_are_not_judged() -> None:
    rng = np.random.default_rng(3)

    def flags(n: int) -> dict[str, Any]:
        rare = {f"flag{at}": (rng.random(n) < 0.01).astype(float) for at in range(2)}
        return rare | {"a": rng.normal(size=n), "score": rng.random(n)}

    baseline = Baseline.from_frame(flags(5_000), score="score", model="m", task="binary")
    columns = flags(5_000)
    columns["flag0"][:] = columns["flag1"][:] = 0.0
    columns["flag0"][:40] = columns["flag1"][:40] = 1.0
    one = window(columns, baseline).joint["correlation"]
    assert ("flag0", "flag1") not in [told.features for told in one.contributors]
    assert one.state == "ok"


def test_a_rotation_is_found_by_the_domain_classifier_and_the_features_that_turned_are_named() -> None:
    turned = frame(1_500, 7)
    turned["x1"] = -turned["x1"]
    found = unwrap(classify(points(frame(1_500, 2)), points(turned), np.random.default_rng(1)))
    assert unwrap(found.now) > 0.75
    assert found.p_value == 0.002
    assert {told.features[0] for told in found.contributors[:2]} == {"x0", "x1"}


def test_the_domain_classifier_joins_the_others_in_one_family() -> None:
    pane = fold(table(frame(1_500, 8)), BASELINE.bins)
    features = window(frame(1_500, 8)).features
    quiet = unwrap(classify(points(frame(1_500, 2)), points(frame(1_500, 8)), np.random.default_rng(1)))
    joint = drift_together(pane, BASELINE, features, {"domain_classifier": quiet})
    assert list(joint) == ["correlation", "pca", "domain_classifier"]
    assert joint["domain_classifier"].state == "ok"
    assert unwrap(joint["domain_classifier"].p_value) >= quiet.p_value


def test_the_p_value_of_the_classifier_is_uniform_where_nothing_changed() -> None:
    rng = np.random.default_rng(9)
    p = []
    for _ in range(60):
        z = rng.normal(size=(160, 4))
        both = [Points(("a", "b", "c", "d"), half, np.zeros(half.shape, np.bool_)) for half in (z[:80], z[80:])]
        found = unwrap(classify(both[0], both[1], rng))
        p.append(found.p_value)
    assert kstest(p, "uniform").pvalue > 0.01
    assert np.mean(np.array(p) <= 0.05) <= 0.12


def test_the_auc_is_that_of_scikit_learn() -> None:
    rng = np.random.default_rng(4)
    scores, side = rng.normal(size=(3, 200)), (rng.random((1, 200)) < 0.4).astype(float)
    assert auc(scores, side) == pytest.approx([roc_auc_score(side[0], row) for row in scores])


def test_cannot_tell_train_no_classifier() -> None:
    some = points(frame(9, 1))
    assert classify(some, points(frame(100, 2)), np.random.default_rng(1)) is None


def test_rows_that_resemble_each_other_count_for_fewer() -> None:
    pane, reference = fold(table(frame(4_000, 7, rho=0.65)), BASELINE.bins), BASELINE.pane
    space = unwrap(BASELINE.bins.space)
    fitted = unwrap(BASELINE.extras.pca_fit)
    for method in JOINT.values():
        if method.measure is not None:
            alone, alike = (method.measure(PanePair(space, reference, pane, fitted, worth)) for worth in (1.0, 10.0))
            assert alone is not None
            assert alike is not None
            assert alike.p_value > alone.p_value
            assert alike.rows == pytest.approx(alone.rows / 10, rel=0.01)


def test_the_definition_of_the_reconstruction_error_is_nannymls() -> None:
    peer = json.loads(reconstruction.FILE.read_text())
    values = np.stack(list(reconstruction.made().values()))
    known = values[:, : reconstruction.REFERENCE]
    filled = np.where(np.isnan(values), np.nanmean(known, axis=1, keepdims=True), values)
    was = filled[:, : reconstruction.REFERENCE]
    z = (filled - was.mean(axis=1, keepdims=True)) / was.std(axis=1, keepdims=True)
    oracle = PCA(n_components=0.65, svd_solver="full").fit(z[:, : reconstruction.REFERENCE].T)
    errors = distances(rest_of(oracle.components_), z - oracle.mean_[:, np.newaxis])
    means = errors.reshape(-1, reconstruction.CHUNK).mean(axis=1)
    assert means == pytest.approx([*peer["reference"], *peer["analysis"]], rel=1e-9)


def test_on_the_rows_of_that_comparison_the_same_chunk_drifts() -> None:
    peer = json.loads(reconstruction.FILE.read_text())
    rows = reconstruction.made() | {"score": np.zeros(reconstruction.REFERENCE + reconstruction.ANALYSIS)}
    before = {name: values[: reconstruction.REFERENCE] for name, values in rows.items()}
    baseline = Baseline.from_frame(before, score="score", model="m", task="regression")
    errors: list[float | None] = []
    states: list[bool] = []
    for start in range(reconstruction.REFERENCE, len(rows["score"]), reconstruction.CHUNK):
        columns = {name: values[start : start + reconstruction.CHUNK] for name, values in rows.items()}
        found = window(columns, baseline, task="regression")
        assert {column.state for column in found.features.values()} == {"ok"}
        errors.append(found.joint["pca"].now)
        states.append(found.joint["pca"].state == "drift")
    assert states == peer["alert"] == [False, False, True]
    # 4 % here: by normal scores a log-normal feature counts by its ranks
    assert errors == pytest.approx(peer["analysis"], rel=0.06)
