"""What a baseline learns from its outcomes for estimates: whole after a round trip, the same from batches."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from driftline.baseline.baseline import Baseline
from driftline.baseline.codec import from_json, to_json
from driftline.baseline.sections.calibration import IsotonicSteps
from driftline.baseline.sections.estimation import LOSS, Estimation, RowGroups, loss_sums
from driftline.baseline.sections.loss_trees import Trees, train
from driftline.privacy.rules import FeatureFilter
from driftline.tables.table import F64, Column
from scipy.optimize import isotonic_regression

from tests.support.unwrap import unwrap

DAY = 86_400 * 10**9


def prices(n: int, seed: int = 1) -> dict[str, F64 | list[str]]:
    """A regression that is wrong by as much as age and fuel say, and rightly so on average."""
    rng = np.random.default_rng(seed)
    age, fuel = rng.uniform(0, 20, n), rng.choice(["gas", "diesel", "electric"], n)
    said = 100 + 10 * age
    wrong = rng.normal(0, 1, n) * (1 + age) * np.where(fuel == "electric", 3.0, 1.0)
    time = np.sort(rng.integers(20_000 * DAY, 20_010 * DAY, n))
    return {"age": age, "fuel": fuel.tolist(), "said": said, "actual": said + wrong, "time": time / 1e9}


def regression(n: int = 6_000) -> Baseline:
    frame = prices(n)
    return Baseline.from_frame(frame, score="said", actual="actual", time="time", model="m", task="regression")


def test_steps_are_scipys_isotonic_regression() -> None:
    rng = np.random.default_rng(2)
    negative, positive = rng.integers(0, 5, (2, 4098)).astype(float)
    positive *= np.linspace(0, 2, 4098)
    held = np.flatnonzero(negative + positive)
    weight = (negative + positive)[held]
    steps = unwrap(IsotonicSteps.of(negative, positive))
    oracle = isotonic_regression(positive[held] / weight, weights=weight).x
    assert steps.rates()[held] == pytest.approx(oracle, abs=1e-12)
    assert steps.weight.sum() == pytest.approx(weight.sum())


def test_trees_find_where_losses_are_great_and_outlive_their_json() -> None:
    built = regression()
    known = unwrap(built.extras.estimation)
    n = 4_000
    frame = prices(n, 3)
    fuel = frame["fuel"]
    labels = ("gas", "diesel", "electric")
    features = {
        "age": Column(numbers=np.asarray(frame["age"])),
        "fuel": Column(codes=np.array([labels.index(str(one)) for one in fuel], np.int32), categories=labels),
    }
    said = unwrap(known.losses).predict(features, np.asarray(frame["said"]), built.bins)
    # the mean of |normal| is 0.8 of its deviation
    true = np.sqrt(2 / np.pi) * (1 + np.asarray(frame["age"])) * np.where(np.array(fuel) == "electric", 3.0, 1.0)
    assert np.corrcoef(said[:, 0], true)[0, 1] > 0.95
    assert said[:, 0].mean() == pytest.approx(true.mean(), rel=0.03)
    again = Baseline.from_json(built.to_json())
    assert again.to_json() == built.to_json()
    assert again.extras.estimation is not None
    assert again.extras.estimation.losses is not None
    assert (again.extras.estimation.losses.predict(features, np.asarray(frame["said"]), again.bins) == said).all()
    assert len(json.dumps(to_json(known))) < 100_000, "kilobytes"


def test_sums_of_losses_add_up_and_rows_without_features_add_none() -> None:
    built = regression()
    known = unwrap(built.extras.estimation)
    assert known.losses is not None
    frame = prices(600, 4)
    features = {"age": Column(numbers=np.asarray(frame["age"]))}
    values = np.asarray(frame["said"])[:, np.newaxis]
    group = np.arange(600) % 3
    [by_three] = loss_sums(features, values, RowGroups(group, 3), built.bins, known.losses)
    [whole] = loss_sums(features, values, RowGroups(np.zeros(600, np.int64), 1), built.bins, known.losses)
    assert by_three.part == LOSS
    assert by_three.dense(3).sum(axis=0) == pytest.approx(whole.dense(1)[0], rel=1e-12)
    assert loss_sums({}, values, RowGroups(group, 3), built.bins, known.losses) == []


@pytest.mark.slow
def test_batches_teach_what_the_whole_frame_does() -> None:
    frame = prices(3_000)
    batches = [{name: values[at : at + 1_000] for name, values in frame.items()} for at in (0, 1_000, 2_000)]
    options = {"score": "said", "actual": "actual", "time": "time", "model": "m", "task": "regression"}
    whole = Baseline.from_frame(frame, **options)  # type: ignore[arg-type]
    parts = Baseline.from_frame(lambda: batches, **options)  # type: ignore[arg-type]
    assert to_json(unwrap(parts.extras.estimation)) == to_json(unwrap(whole.extras.estimation))


@pytest.mark.slow
def test_blocks_hold_the_outcomes_of_each_day() -> None:
    known = unwrap(regression().extras.estimation)
    assert known.blocks is not None
    assert len(known.blocks.panes) == 10
    assert sum(pane.parts["outcomes"][0] for pane in known.blocks.panes) == 6_000
    assert all(pane.parts["expected"][0] == pane.parts["outcomes"][1] for pane in known.blocks.panes)


@pytest.mark.slow
def test_trees_stay_behind_where_a_feature_they_look_at_is_ruled() -> None:
    known = unwrap(regression().extras.estimation)
    left = unwrap(known.leaving(FeatureFilter({"age", "fuel"}, {"age"})))
    assert left.losses is None
    assert left.blocks is not None
    kept = unwrap(known.leaving(FeatureFilter({"age", "fuel"}, {"age", "fuel"})))
    assert kept.losses is not None


def test_nothing_is_learned_without_outcomes_or_of_few() -> None:
    frame = prices(100)
    few = Baseline.from_frame(frame, score="said", actual="actual", model="m", task="regression")
    assert few.extras.estimation is None
    none = Baseline.from_frame(prices(1_000), score="said", features=["age"], model="m", task="regression")
    assert none.extras.estimation is None


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"leaves": [[[1.0]]]}, "leaves"),
        ({"feature": [[-1]]}, "in each tree"),
        ({"feature": [[0] * 9], "place": [[0] * 9]}, "in each tree"),
        ({"place": [[256]]}, "place"),
        ({"base": []}, "leaves"),
    ],
)
def test_trees_that_make_no_sense_are_refused(change: dict[str, object], field: str) -> None:
    good: dict[str, object] = {"base": [0.0], "feature": [[0]], "place": [[1]], "leaves": [[[0.0], [1.0]]]}
    assert len(from_json(Trees, good).leaves) == 1
    with pytest.raises(ValueError, match=f"^{field}"):
        from_json(Trees, good | change)


def test_an_estimation_that_makes_no_sense_is_refused() -> None:
    built = regression()
    with pytest.raises(ValueError, match=r"^blocks: panes"):
        from_json(Estimation, {"blocks": {"length": 5, "panes": []}})
    estimation = unwrap(built.extras.estimation)
    damaged = replace(estimation, losses=replace(unwrap(estimation.losses), inputs=("feature:color",)))
    with pytest.raises(ValueError, match="inputs"):
        damaged.check_bins(built.bins)


def test_training_stops_where_nothing_is_to_be_learned() -> None:
    rng = np.random.default_rng(5)
    places = rng.integers(0, 50, (3, 2_000)).astype(np.uint8)
    trees, _ = train(places, rng.normal(5, 1, (2_000, 1)), rng)
    assert len(trees.leaves) <= 5
    assert trees.predict(places).mean() == pytest.approx(5, abs=0.1)
