"""The cause of a degradation is proved by its rows: planted histories of models that err, with innocent inputs."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest
from driftline_processor.core import facts
from driftline_processor.core.evaluation import Cause, Evaluation
from driftline_processor.evaluation.files.evaluate import evaluate_files
from driftline_processor.evaluation.files.evaluate_options import EvaluationOptions
from driftline_processor.evaluation.files.inputs import EvaluationInputs
from driftline_processor.readers.memory import read_table

from tests.support.slow import slow
from tests.support.verdict_windows import verdict_of_model

SEEDS = range(2)
NAMES = ("a", "b", "c", "noise")


class World(NamedTuple):
    """What rows are: shifts of inputs, the outcomes' level and relation to ``a``, lost or changed answers."""

    shifts: tuple[float, float, float, float] = (0, 0, 0, 0)
    level: float = -0.6
    effect: float = 1.0
    lost_negatives: float = 0.0
    flipped: float = 0.0
    score: float = 0.0


def rows(world: World, days: int, rng: np.random.Generator) -> pd.DataFrame:
    """Return 500 rows a day; the model knows neither that ``a`` turns beyond 1.5 nor that ``b`` and ``c`` interact."""
    day = np.repeat(np.arange(days), 500)
    x = rng.normal(size=(len(day), 4)) + 0.1 * rng.normal(size=(days, 4))[day] + np.array(world.shifts)
    a, b, c, _ = x.T
    known = 1.2 * a + 0.5 * c
    truth = world.effect * np.where(a < 1.5, 1.2 * a, 1.8 - 1.5 * (a - 1.5)) + 0.5 * c - 0.4 * b * c
    truth += world.level + 0.1 * rng.normal(size=days)[day]
    frame = pd.DataFrame(x, columns=list(NAMES))
    frame["score"] = 1 / (1 + np.exp(0.6 - 0.9 * known - world.score))
    frame["actual"] = (rng.random(len(day)) < 1 / (1 + np.exp(-truth))).astype(int)
    frame["actual"] = np.where(rng.random(len(day)) < world.flipped, 1 - frame.actual, frame.actual)
    seconds = day * 86_400 + rng.random(len(day)) * 86_000
    frame["time"] = pd.Timestamp("2026-03-01", tz="UTC") + pd.to_timedelta(seconds, unit="s")
    return frame[(frame.actual == 1) | (rng.random(len(day)) >= world.lost_negatives)]


def evaluated(world: World, seed: int) -> list[Evaluation]:
    rng = np.random.default_rng(seed)
    reference, good, bad = rows(World(), 20, rng), rows(World(), 4, rng), rows(world, 6, rng)
    current = pd.concat([good, bad.assign(time=bad.time + pd.Timedelta(days=4))], ignore_index=True)
    inputs = EvaluationInputs([read_table(current, "current")], read_table(reference, "baseline"))
    columns: dict[str, Any] = {"score": ("score",), "actual": "actual", "time": "time"}
    options = EvaluationOptions(task="binary", positive_class="1", window="1d", **columns)
    return evaluate_files(inputs, options, lambda _: None).evaluations


HISTORIES: dict[str, tuple[World, str, str, tuple[str, ...]]] = {
    "an input moves to where the model errs": (World((2.2, 0, 0, 0)), "covariate_shift", "retrain", ("a",)),
    "a noise moves, too": (World((2.2, 0, 0, 1.5)), "covariate_shift", "retrain", ("a",)),
    "an effect is reversed": (World(effect=-0.3), "concept_change", "retrain", ()),
    "reversed while a noise moves": (World((0, 0, 0, 1.5), effect=-0.3), "concept_change", "retrain", ()),
    "reversed while a noise leaves its range": (World((0, 0, 0, 5), effect=-0.3), "concept_change", "retrain", ()),
    "outcomes are inverted": (World(flipped=0.2), "concept_change", "retrain", ()),
    "outcomes are more frequent": (World(level=0.6), "calibration", "recalibrate", ()),
    "scores are too high": (World(score=1.0), "calibration", "recalibrate", ()),
    "negatives are missing": (World(lost_negatives=0.75), "label_shift", "recalibrate", ()),
}
SHORT = (
    "an input moves to where the model errs", "an effect is reversed", "scores are too high", "negatives are missing",
)  # fmt: skip
"""Histories of ``make test``: one of each kind."""


@pytest.mark.parametrize("seed", [SEEDS[0], *map(slow, SEEDS[1:])])
@pytest.mark.parametrize("name", [name if name in SHORT else slow(name) for name in HISTORIES])
def test_a_degradation_has_its_kind_its_input_and_one_advice(name: str, seed: int) -> None:
    world, kind, advice, inputs = HISTORIES[name]
    evaluations = evaluated(world, seed)
    verdicts = [verdict_of_model(evaluations[: last + 1]) for last in range(len(evaluations))]
    degraded = [verdict for verdict in verdicts if verdict.state == "degraded"]
    assert verdicts[-1].state == "degraded"
    assert verdicts[-1].kind == kind
    cause = verdicts[-1].cause
    assert (cause.features if isinstance(cause, Cause) else ()) == inputs
    answers = {verdict.advice.kind.removesuffix("_with_slice") for verdict in degraded if verdict.advice is not None}
    assert answers == {advice}


@pytest.mark.slow
def test_the_named_input_explains_a_stated_part() -> None:
    verdict = verdict_of_model(evaluated(World((1.6, 0, 0, 0)), 0))
    (share,) = [reason.share for reason in verdict.reasons if isinstance(reason, facts.LikelyCause)]
    assert share is not None
    assert 0.5 <= share <= 1
