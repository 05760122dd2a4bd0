"""Embeddings: drift of vectors from sums of their random features, beside the kernel that these stand for."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from driftline.baseline.baseline import Baseline, protect_baseline
from driftline.baseline.codec import from_json, to_json
from driftline.baseline.from_frame import table_from_frame
from driftline.panes.embedding_projection import AXES, WIDTH, Projection
from driftline.panes.fold import fold, fold_by
from driftline.panes.pane import merge
from driftline.privacy.policy import Privacy
from driftline.tables.table import F64
from driftline_processor.core.drift.method_choice import Choice, Choices
from driftline_processor.core.drift.methods import METHODS, Counts
from driftline_processor.core.drift.methods.method import Sums
from driftline_processor.core.drift.methods.mmd import mmd, mmd_p_value
from driftline_processor.core.drift.p_values import anderson_darling_tail, cramer_von_mises_tail, quadratic_tail
from driftline_processor.core.drift.rule import drift
from driftline_processor.core.evaluation import ColumnDrift
from driftline_processor.core.judge_window import ModelWindow, judge_window
from driftline_processor.core.reference.reference import Reference
from driftline_processor.core.windows.window import Window
from driftline_processor.evaluation.files.evaluate import evaluate_files
from driftline_processor.evaluation.files.evaluate_options import EvaluationOptions
from driftline_processor.evaluation.files.inputs import EvaluationInputs
from driftline_processor.present.sentences.causes import cause_sentence
from driftline_processor.readers.arrow_columns import column
from driftline_processor.terminal.baseline import _columns
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.metrics import roc_auc_score

from tests.support.unwrap import unwrap

Vectors = NDArray[np.float32]


def clustered(n: int, seed: int, shift: float = 0.0) -> Vectors:
    """Vectors of 32 numbers around four centres, of length 1, as embeddings of texts are."""
    centres = np.random.default_rng(99).normal(size=(4, 32))
    rng = np.random.default_rng(seed)
    shares = np.array([0.4, 0.3, 0.2, 0.1]) + shift * np.array([-0.3, 0.0, 0.0, 0.3])
    vectors = centres[rng.choice(4, n, p=shares)] + rng.normal(0, 0.7, (n, 32))
    unit: Vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return unit


def sums(projection: Projection, reference: Vectors, current: Vectors) -> Sums:
    was, now = (projection.sums(side, None, None, 1) for side in (reference, current))
    return Sums(was[:, 1:] / was[:, :1], now[:, 1:] / now[:, :1], was[:, 0], now[:, 0], *axes_of(projection, 1))


def axes_of(projection: Projection, k: int) -> tuple[F64, F64]:
    """Spectrum and axes, k times."""
    spectrum, axes = np.zeros((k, WIDTH)), np.zeros((k, AXES, WIDTH))
    spectrum[:, : len(projection.spectrum)] = projection.spectrum
    axes[:, : len(projection.axes)] = projection.axes
    return spectrum, axes


def chosen(vectors: Vectors) -> Projection:
    return unwrap(Projection.of(vectors))


def test_random_features_stand_for_the_gaussian_kernel() -> None:
    vectors = clustered(400, 1)
    projection = chosen(vectors)
    features = projection.features(vectors)
    assert (features**2).sum(axis=1) == pytest.approx(np.ones(400))
    squared = ((vectors[:, np.newaxis] - vectors) ** 2).sum(axis=2)
    kernel = np.exp(-squared / (2 * projection.bandwidth**2))
    assert np.abs(features @ features.T - kernel).mean() < 0.09  # 1 / sqrt(128), as 64 projections leave
    assert projection.bandwidth == pytest.approx(np.median(np.sqrt(squared[squared > 0])), rel=0.02)


@pytest.mark.parametrize("shift", [0.0, 0.5, 1.0])
def test_the_distance_is_about_that_of_all_pairs(shift: float) -> None:
    reference, current = clustered(1_500, 1), clustered(800, 2, shift)
    projection = chosen(reference)

    def kernel(one: Vectors, other: Vectors) -> F64:
        squared = (one**2).sum(1)[:, np.newaxis] + (other**2).sum(1) - 2 * one @ other.T
        near: F64 = np.exp(-np.maximum(squared, 0).astype(np.float64) / (2 * projection.bandwidth**2))
        return near

    def within(side: Vectors) -> float:
        n = len(side)
        return float((kernel(side, side).sum() - n) / (n * (n - 1)))

    exact = within(reference) + within(current) - 2 * float(kernel(reference, current).mean())
    found = mmd(*sums(projection, reference, current)[:4])
    assert float(found[0]) == pytest.approx(np.sqrt(max(0.0, exact)), rel=0.2, abs=0.02)


def test_a_change_that_no_norm_shows_is_certain() -> None:
    reference, current = clustered(5_000, 1), clustered(500, 2, 1.0)
    assert np.linalg.norm(current, axis=1) == pytest.approx(np.ones(500), abs=1e-5)
    p = mmd_p_value(sums(chosen(reference), reference, current))
    assert float(p[0]) < 1e-9


@pytest.mark.slow
def test_quiet_windows_have_small_p_values_no_more_often_than_they_say() -> None:
    reference = clustered(20_000, 1)
    projection = chosen(reference)
    was = projection.sums(reference, None, None, 1)
    for rows, windows in ((50, 2_000), (500, 400)):
        drawn = clustered(rows * windows, 3)
        now = projection.sums(drawn, None, np.repeat(np.arange(windows), rows), windows)
        before = np.repeat(was[:, 1:] / was[:, :1], windows, axis=0)
        both = Sums(before, now[:, 1:] / rows, np.repeat(was[:, 0], windows), now[:, 0], *axes_of(projection, windows))
        for name in ("mmd", "domain_classifier"):
            p = unwrap(METHODS[name].counts(Counts(np.ones((windows, 1)), np.ones((windows, 1)), sums=both)).p_value)
            for level in (0.01, 0.05, 0.2):
                assert np.mean(p <= level) <= level * 1.15 + 4 * np.sqrt(level / windows), (name, rows, level)
            assert np.mean(p <= 0.2) > 0.12


def test_the_tail_is_that_of_chi_square_and_of_the_laws_that_are_known_exactly() -> None:
    for freedom, tolerance in ((1, 0.12), (2, 0.09), (10, 0.01), (100, 0.002)):
        for p in (0.5, 0.1, 0.01, 1e-4, 1e-10):
            x = np.array([stats.chi2.isf(p, freedom)])
            assert float(quadratic_tail(x, np.ones((1, freedom)))[0]) == pytest.approx(p, rel=tolerance)
    terms = np.arange(1, 2_000)
    for tail, weights in (
        (cramer_von_mises_tail, 1 / (np.pi * terms) ** 2),
        (anderson_darling_tail, 1 / (terms * (terms + 1))),
    ):
        mean = float(weights.sum())
        at = np.array([1.5, 4.0, 8.0]) * mean
        found = quadratic_tail(at, np.tile(weights, (3, 1)))
        assert found == pytest.approx(tail(at), rel=0.1)
        assert (found >= 0.98 * tail(at)).all()


@given(st.lists(st.just(0.0) | st.floats(1e-9, 10), min_size=1, max_size=6), st.just(0.0) | st.floats(1e-9, 100))
def test_a_tail_is_a_probability_that_falls(weights: list[float], x: float) -> None:
    tail = quadratic_tail(np.array([x, x + 1.0]), np.array([weights, weights]))
    assert ((tail >= 0) & (tail <= 1)).all()
    assert tail[1] <= tail[0] + 1e-9


def test_sums_of_groups_add_up_and_leave_out_what_is_no_vector() -> None:
    vectors = clustered(300, 4)
    vectors[7] = np.nan
    vectors[9, 3] = np.inf
    projection = chosen(vectors)
    group, weight = np.arange(300) % 3, np.linspace(0, 2, 300)
    parts = projection.sums(vectors, weight, group, 3)
    usable = np.isfinite(vectors).all(axis=1)
    assert parts[:, 0].sum() == pytest.approx(weight[usable].sum())
    for which in range(3):
        rows = usable & (group == which)
        expected = (projection.features(vectors[rows]) * weight[rows, np.newaxis]).sum(axis=0)
        assert parts[which, 1:] == pytest.approx(expected)
    assert not projection.sums(vectors[:, :5], None, None, 2).any()  # vectors of another length


def test_a_projection_reads_back_and_is_the_same_in_every_process() -> None:
    projection = chosen(clustered(300, 5))
    assert from_json(Projection, json.loads(json.dumps(to_json(projection)))) == projection
    one = Projection(3, 1.0).features(np.eye(3, dtype=np.float32))
    assert one[0, :3].round(9).tolist() == FIRST
    assert Projection.of(np.full((4, 3), np.nan, np.float32)) is None
    alike = unwrap(Projection.of(np.ones((4, 3), np.float32)))
    assert (alike.bandwidth, alike.spectrum) == (1.0, ())


FIRST = [-0.094331985, 0.098267156, 0.070646575]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"length": "2"}, "^length"),
        ({"length": 0}, "^length must be"),
        ({"bandwidth": 0}, "^bandwidth must be"),
        ({"spectrum": ["a"]}, "^spectrum"),
        ({"spectrum": [2.0]}, "^spectrum must have"),
        ({"axes": [[0.0] * 128]}, "at most 16 axes"),
        ({"spectrum": [0.5], "axes": [[0.0]]}, "each axis must have 128 numbers"),
    ],
)
def test_a_damaged_projection_is_refused(change: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        from_json(Projection, {"length": 2, "bandwidth": 1.0, "spectrum": [], "axes": []} | change)


def frame(n: int, seed: int, shift: float = 0.0) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    return {"text": clustered(n, seed, shift), "age": rng.normal(40, 12, n), "score": rng.random(n)}


BASELINE = Baseline.from_frame(frame(5_000, 1), score="score", model="tickets", task="binary")


def test_a_baseline_of_embeddings_holds_kilobytes_and_reads_back() -> None:
    assert BASELINE.pane.parts["embedding:text"][0] == 5_000
    text = BASELINE.to_json()
    assert len(text) < 40_000
    again = Baseline.from_json(text)
    assert again.bins == BASELINE.bins
    assert again.digest == BASELINE.digest


def test_panes_of_embeddings_merge() -> None:
    table, *_ = table_from_frame(frame(600, 2), score="score", model="tickets", task="binary")
    whole = fold(table, BASELINE.bins).parts["embedding:text"]
    parts = fold_by(table, BASELINE.bins, np.arange(600) // 100, 6)
    assert merge(parts).parts["embedding:text"] == pytest.approx(whole)
    weighted = fold(replace(table, weight=np.full(600, 2.0)), BASELINE.bins).parts["embedding:text"]
    assert weighted == pytest.approx(2 * whole)


def test_what_may_not_leave_as_it_is_leaves_in_no_sum() -> None:
    safe = protect_baseline(BASELINE, Privacy(round={"text": 0.1}))
    assert safe.bins.projections == {}
    assert "embedding:text" not in safe.pane.parts
    assert protect_baseline(BASELINE, Privacy(deny=["age"])).bins.projections == BASELINE.bins.projections


def judged(shift: float, rows: int = 1_000) -> ColumnDrift:
    table, *_ = table_from_frame(frame(rows, 7, shift), score="score", model="tickets", task="binary")
    return drift(fold(table, BASELINE.bins), BASELINE).features["text"]


def test_embeddings_are_decided_by_their_vectors_where_norms_say_nothing() -> None:
    quiet, moved, few = judged(0.0), judged(0.8), judged(0.8, 40)
    assert (quiet.state, quiet.decided_by, list(quiet.methods)) == ("ok", "mmd", ["mmd", "psi", "js"])
    assert (moved.state, moved.size) == ("drift", "small")
    assert moved.effect == pytest.approx(0.15, abs=0.04)
    assert few.state == "inconclusive"
    assert judged(1.3).size == "moderate"


def test_rows_that_came_as_distributions_are_judged_by_their_norms() -> None:
    table, *_ = table_from_frame(frame(500, 8), score="score", model="tickets", task="binary")
    pane = fold(table, BASELINE.bins)
    del pane.parts["embedding:text"]
    assert drift(pane, BASELINE).features["text"].decided_by in ("ks", "chi2")


def test_a_file_of_vectors_gives_what_the_same_arrays_give(tmp_path: Path) -> None:
    for name, rows in (("reference", frame(3_000, 1)), ("week", frame(800, 2, 1.0))):
        columns = {key: pa.array(values.tolist() if values.ndim > 1 else values) for key, values in rows.items()}
        pq.write_table(pa.table(columns), tmp_path / f"{name}.parquet")
    options = EvaluationOptions(task="binary", score=("score",))
    result = evaluate_files(
        EvaluationInputs([tmp_path / "week.parquet"], tmp_path / "reference.parquet"), options, print
    )
    found = result.evaluations[0].features["text"]
    baseline = Baseline.from_frame(frame(3_000, 1), score="score", model="week", task="binary")
    table, *_ = table_from_frame(frame(800, 2, 1.0), score="score", model="week", task="binary")
    expected = drift(fold(table, baseline.bins), baseline).features["text"]
    assert (found.decided_by, found.state) == ("mmd", "drift")
    assert found.methods["mmd"].value == pytest.approx(expected.methods["mmd"].value, rel=1e-6)
    assert found.methods["psi"] == expected.methods["psi"]


def test_lists_of_another_length_are_missing() -> None:
    values = column(pa.array([[1.0, 2.0], None, [3.0, 4.0], [5.0], [float("nan"), 1.0]]))
    assert np.isnan(unwrap(values.numbers)).tolist() == [False, True, False, True, True]
    assert unwrap(values.vectors)[2].tolist() == [3.0, 4.0]
    assert column(pa.array([[1.0], [2.0]])).vectors is None
    fixed = column(pa.array([[1.0, 2.0], None], pa.list_(pa.float32(), 2)))
    assert unwrap(fixed.vectors)[0].tolist() == [1.0, 2.0]


@pytest.mark.parametrize("shift", [0.5, 1.0, 1.3])
def test_the_classifier_is_as_good_as_one_that_is_trained_and_tried_on_rows(shift: float) -> None:
    reference, current = clustered(6_000, 1), clustered(3_000, 2, shift)
    projection = chosen(reference)
    was, now = (projection.features(side) @ np.array(projection.axes).T for side in (reference, current))
    trained = LinearDiscriminantAnalysis().fit(
        np.concatenate([was[::2], now[::2]]), np.repeat([0, 1], [len(was[::2]), len(now[::2])])
    )
    scores = trained.decision_function(np.concatenate([was[1::2], now[1::2]]))
    expected = roc_auc_score(np.repeat([0, 1], [len(was[1::2]), len(now[1::2])]), scores)
    both = sums(projection, reference, current)
    found = METHODS["domain_classifier"].counts(Counts(np.ones((1, 1)), np.ones((1, 1)), sums=both))
    assert expected - 0.01 <= float(found.value[0]) <= expected + 0.05


def test_the_classifier_decides_where_it_is_chosen() -> None:
    table, *_ = table_from_frame(frame(1_000, 7, 0.8), score="score", model="tickets", task="binary")
    choices = Choices(Choice(("domain_classifier",), ("mmd",)))
    found = drift(fold(table, BASELINE.bins), BASELINE, choices=choices).features["text"]
    assert (found.state, list(found.methods)) == ("drift", ["domain_classifier", "psi", "js", "mmd"])


@pytest.mark.parametrize(
    ("size", "said"),
    [
        (1.25, "vec has drifted: lengths (L2 norm) "),
        (2.0, "vec: 48 % of lengths (L2 norm) are above the range of "),
    ],
)
def test_where_an_embedding_drifts_is_said_of_its_lengths(size: float, said: str) -> None:
    rng = np.random.default_rng(5)
    frames = [
        {"vec": rng.normal(0, scale, (2_000, 8)).astype(np.float32), "score": rng.random(2_000)} for scale in (1, size)
    ]
    baseline = Baseline.from_frame(frames[0], score="score", model="m", task="binary")
    rows = table_from_frame(frames[1], score="score", model="m", task="binary")[0]
    found = judge_window(ModelWindow(rows.key, Window("", 0, 0), fold(rows, baseline.bins)), Reference(baseline))
    [cause] = unwrap(found.explanation).causes
    assert cause.changes[0].where.startswith("lengths (L2 norm) ")
    assert cause_sentence(cause).startswith(said)
    row = dict(_columns(baseline))["vec"]
    assert row["type"].text == "embedding"
    assert row["range"].text.startswith("length (L2 norm) ")
