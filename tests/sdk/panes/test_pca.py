"""Rows as points: coordinates, components and the sums over several features."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from driftline.baseline.baseline import Baseline, protect_baseline
from driftline.baseline.from_frame import table_from_frame
from driftline.panes.fold import fold, fold_by
from driftline.panes.pane import merge
from driftline.panes.pca import MOST_FEATURES, PARTS, UNIT, Joint, Space, choose_space, normal_scores, widths
from driftline.privacy.policy import Privacy
from driftline.tables.table import F64, PredictionTable
from scipy.stats import norm
from sklearn.decomposition import PCA

N = 4_000


def frame(n: int = N, seed: int = 3) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    a, b, c = rng.normal(size=(3, n))
    made = {"a": a, "b": 0.8 * a + 0.6 * b, "c": np.exp(c), "plan": rng.choice(["x", "y", "z"], n, p=[0.6, 0.3, 0.1])}
    made["constant"] = np.ones(n)
    made["c"][rng.random(n) < 0.1] = np.nan
    return made | {"score": rng.random(n)}


def table(columns: dict[str, Any]) -> PredictionTable:
    return table_from_frame(columns, score="score", model="m", task="binary")[0]


def baseline(columns: dict[str, Any] | None = None) -> Baseline:
    return Baseline.from_frame(columns or frame(), score="score", model="m", task="binary")


def space_of(one: Baseline) -> Space:
    assert one.bins.space is not None
    return one.bins.space


def points(one: Baseline, columns: dict[str, Any]) -> tuple[F64, F64]:
    """Coordinates and whether they are there, by looking each value up: float64 (d, n)."""
    from driftline.panes.bins import assign

    space, rows = space_of(one), table(columns)
    index = [assign(one.bins.features[name], rows.features[name]) for name in space.names]
    placed = [np.append(space.places[name], (0, 0))[at] for name, at in zip(space.names, index, strict=True)]
    there = [at < one.bins.features[name].size for name, at in zip(space.names, index, strict=True)]
    return np.stack(placed).astype(np.float64), np.stack(there).astype(np.float64)


def test_coordinates_are_normal_scores_with_mean_0_and_deviation_1() -> None:
    counts = np.random.default_rng(1).integers(1, 50, 100).astype(np.float64)
    places = normal_scores(counts) / UNIT
    share = counts / counts.sum()
    assert places @ share == pytest.approx(0, abs=1e-3)
    assert places**2 @ share == pytest.approx(1, abs=1e-3)
    middle = norm.ppf(np.cumsum(share) - share / 2)
    assert places == pytest.approx(middle, abs=0.12)
    assert (np.diff(places) > 0).all()


def test_a_stray_value_moves_no_coordinate() -> None:
    columns = frame()
    strayed = {**columns, "c": np.where(np.arange(N) == 7, 1e9, columns["c"])}
    one, other = space_of(baseline(columns)), space_of(baseline(strayed))
    assert np.abs(one.places["a"] - other.places["a"]).max() == 0
    assert np.abs(points(baseline(strayed), strayed)[0]).max() < 5 * UNIT
    assert other.components == pytest.approx(one.components, abs=0.05)


def test_components_are_those_of_scikit_learn() -> None:
    one = baseline()
    placed, _ = points(one, frame())
    # ours go by second moments about 0, which is the mean but for rounding
    oracle = PCA(n_components=0.65, svd_solver="full").fit(placed.T)
    assert space_of(one).components.shape == oracle.components_.shape
    assert np.abs(np.sum(space_of(one).components * oracle.components_, axis=1)) == pytest.approx(1, abs=1e-3)
    rebuilt = oracle.inverse_transform(oracle.transform(placed.T))
    distance = np.linalg.norm(placed.T - rebuilt, axis=1)
    assert space_of(one).errors(placed) == pytest.approx(distance, rel=0.02, abs=2)


def test_a_fold_holds_the_sums_of_the_rows() -> None:
    one = baseline()
    columns = frame(500, 9)
    space = space_of(one)
    pane = fold(table(columns), one.bins)
    placed, there = points(one, columns)
    errors = space.errors(placed) / UNIT
    n, d = 500, len(space.names)
    assert pane.parts["pca"] == pytest.approx([n, n, errors.sum(), (errors**2).sum()], rel=1e-4)
    assert pane.parts["pairs"][:2].tolist() == [n, n]
    assert (pane.parts["pairs"][2 : 2 + d] == placed.sum(axis=1)).all()
    assert (pane.parts["pairs"][2 + d :] == (placed @ placed.T)[np.triu_indices(d)]).all()
    rows, means, squares = pane.parts["unpaired"].reshape(3, d, d)
    assert (n - rows == there @ there.T).all()
    assert (placed.sum(axis=1)[:, np.newaxis] - means == placed @ there.T).all()
    assert ((placed**2).sum(axis=1)[:, np.newaxis] - squares == placed**2 @ there.T).all()
    assert {name: len(pane.parts[name]) for name in PARTS} == widths(d)


def test_sums_are_the_same_to_the_last_bit_in_whatever_pieces_they_are_added() -> None:
    one = baseline()
    rows = table(frame(3_000, 5))
    whole = fold(rows, one.bins)
    group = np.random.default_rng(2).integers(0, 7, 3_000)
    merged = merge(fold_by(rows, one.bins, group, 7))
    for name in PARTS:
        assert merged.parts[name].tolist() == whole.parts[name].tolist(), name


def test_a_row_of_weight_2_counts_twice() -> None:
    one = baseline()
    columns = frame(300, 4)
    weight = np.where(np.arange(300) < 100, 2.0, 1.0)
    weighed = fold(replace(table(columns), weight=weight), one.bins)
    twice = np.concatenate([np.arange(300), np.arange(100)])
    again = fold(table({name: np.asarray(values)[twice] for name, values in columns.items()}), one.bins)
    for name in PARTS:
        at = slice(None) if name == "unpaired" else np.arange(len(weighed.parts[name])) != 1
        assert weighed.parts[name][at] == pytest.approx(again.parts[name][at]), name
    assert weighed.parts["pairs"][:2].tolist() == [400, 600]


def test_rows_without_any_feature_add_nothing() -> None:
    one = baseline()
    empty = Joint(space_of(one), 10)
    assert empty.sums(None, None, 1) == {}
    rows = table(frame(50, 1))
    rows.features.clear()
    assert not PARTS & fold(rows, one.bins).parts.keys()


def test_a_feature_that_does_not_come_lies_at_the_mean() -> None:
    one = baseline()
    columns = frame(200, 8)
    del columns["c"]
    pane = fold(table(columns), one.bins)
    space = space_of(one)
    at, d = space.names.index("c"), len(space.names)
    assert pane.parts["pairs"][2 + at] == 0
    assert (pane.parts["unpaired"].reshape(3, d, d)[0][at] == 200).all()


def test_the_space_travels_with_the_baseline_and_what_panes_are_known_by() -> None:
    one = baseline()
    read = Baseline.from_json(one.to_json())
    assert read.bins == one.bins
    assert read.digest == one.digest
    without = replace(one, bins=replace(one.bins, space=None))
    assert without.fold != one.fold
    assert (
        fold(table(frame(50)), read.bins).parts["pca"].tolist()
        == fold(table(frame(50)), one.bins).parts["pca"].tolist()
    )


def test_few_rows_many_features_or_one_have_no_space() -> None:
    few = {name: values[:400] for name, values in frame().items()}
    assert baseline(few).bins.space is None
    rng = np.random.default_rng(1)
    wide = {f"x{at}": rng.integers(0, 2, 2_000) for at in range(MOST_FEATURES + 1)} | {"score": rng.random(2_000)}
    assert baseline(wide).bins.space is None
    alone = {"a": rng.random(1_000), "constant": np.ones(1_000), "score": rng.random(1_000)}
    assert baseline(alone).bins.space is None
    assert choose_space([], {}) is None


def test_a_baseline_that_leaves_under_rules_has_no_space() -> None:
    one = baseline()
    left = protect_baseline(one, Privacy(hash=["plan"], key="a key of 16 bytes"))
    assert left.bins.space is None
    assert not PARTS & left.pane.parts.keys()
    assert protect_baseline(one, Privacy()).bins.space == one.bins.space


def change(*path: Any, to: Any) -> Callable[[dict[str, Any]], None]:
    def apply(value: Any) -> None:
        for step in path[:-1]:
            value = value[step]
        value[path[-1]] = to

    return apply


@pytest.mark.parametrize(
    ("broken", "place"),
    [
        (change("places", to={"a": [1] * 102}), "bins.space: places"),
        (change("places", "z", to=[1]), "bins.space: components"),
        (change("places", "a", to=[1]), "bins: space: 'a'"),
        (change("places", "a", to=[1.5]), "bins.space.places.a: "),
        (change("components", to=[]), "bins.space: components"),
        (change("components", 0, to=[1.0]), "bins.space"),
    ],
)
def test_what_somebody_broke_is_named(broken: Callable[[dict[str, Any]], None], place: str) -> None:
    value = json.loads(baseline().to_json())
    broken(value["bins"]["space"])
    with pytest.raises(ValueError, match=f"^baseline: {place}"):
        Baseline.from_json(json.dumps(value))


@pytest.mark.parametrize(
    ("broken", "place"),
    [
        (change("factors", 0, to=0), ": factors"),
        (change("rows", to="many"), ".rows: "),
        (change("optimism", to=None), ".optimism: "),
    ],
)
def test_what_somebody_broke_of_how_it_fits_is_named(broken: Callable[[dict[str, Any]], None], place: str) -> None:
    value = json.loads(baseline().to_json())
    broken(value["extras"]["pca_fit"])
    with pytest.raises(ValueError, match=f"extras.pca_fit{place}"):
        Baseline.from_json(json.dumps(value))


def test_a_pane_of_another_width_is_refused() -> None:
    value = json.loads(baseline().to_json())
    value["pane"]["parts"]["pca"] = [1, 2]
    with pytest.raises(ValueError, match=r"pane\.parts\.pca: has 2 entries"):
        Baseline.from_json(json.dumps(value))
