"""Outcomes say the same live and in files: by slice and age, corrected, reviewed in part, sampled, and row by row."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from driftline.baseline.baseline import Baseline
from driftline.tables.table import ModelKey
from driftline.tables.task import Task
from driftline_processor.config.model import Model
from driftline_processor.config.performance import Performance
from driftline_processor.config.schema import load
from driftline_processor.core.evaluation import Evaluation, WeakSearch
from driftline_processor.core.model_settings import ModelSettings
from driftline_processor.core.performance.mispredictions import Misprediction, Worst
from driftline_processor.core.performance.settings import Outcomes
from driftline_processor.evaluation.files.evaluate import evaluate_files
from driftline_processor.evaluation.files.evaluate_options import EvaluationOptions
from driftline_processor.evaluation.files.inputs import EvaluationInputs
from driftline_processor.present.evaluation_json import json_of, to_json
from msgspec import to_builtins
from msgspec.structs import replace

from tests.support.state_fixtures import Open
from tests.support.state_rows import DAY, HOUR, MINUTE, NOON, Clock, Opened, baseline, outcomes, predictions

MIDNIGHT = NOON - 12 * HOUR
ROWS, MOST = 3_000, 20
TASKS = {
    "binary": Task("binary", ("0", "1"), "1"),
    "multiclass": Task("multiclass", ("0", "1", "2"), ""),
    "regression": Task("regression"),
}
PERFORMANCE: dict[str, dict[str, Any]] = {
    "binary": {
        "objectives": ["accuracy >= 0.6", "accuracy >= 0.6 in plan", "recall >= 0.5 in region=north"],
        "fairness": {"attributes": ["plan"]},
        "label_sla": {"within": "1d", "coverage": 0.5},
    },
    "multiclass": {"objectives": ["accuracy >= 0.6", "precision[2] >= 0.5 in plan"]},
    "regression": {"objectives": ["mae <= 0.5", "mae <= 0.5 in region"]},
}
Known = Callable[[pd.DataFrame], pd.DataFrame]


def all_known(known: pd.DataFrame) -> pd.DataFrame:
    return known


def partly_reviewed(known: pd.DataFrame) -> pd.DataFrame:
    """Outcomes of the rows that were flagged, and of no other."""
    return known[known.score >= 0.5]


def corrected(known: pd.DataFrame) -> pd.DataFrame:
    """Every fifth outcome is corrected two hours later, and every ninth is taken back."""
    again = known[::5].assign(actual=1 - known.actual[::5], time=known.time[::5] + 2 * HOUR, region=None)
    back = known[::9].assign(time=known.time[::9] + 3 * HOUR, retracted=True)
    return pd.concat([known, again, back], ignore_index=True)


def moved(known: pd.DataFrame) -> pd.DataFrame:
    """Every third outcome says another plan than its prediction."""
    plan = pd.Series([None if at % 3 else "pro" for at in range(len(known))], known.index, dtype=object)
    return known.assign(plan=plan)


def weighted(known: pd.DataFrame) -> pd.DataFrame:
    """A sample: rows of high scores more often, each with the weight 1 / its probability; some without."""
    weight = np.where(known.score >= 0.5, 1.0, 5.0)
    weight[::7] = np.nan
    chosen = (known.score >= 0.5) | (np.arange(len(known)) % 5 == 0)
    found: pd.DataFrame = known.assign(weight=weight).loc[chosen]
    return found


def worse_for_the_old(known: pd.DataFrame) -> pd.DataFrame:
    """The outcomes of the oldest 15 % are the other class."""
    old = drawn("binary").age[known.index] > 57
    return known.assign(actual=known.actual.where(~old, 1 - known.actual))


def worse(known: pd.DataFrame) -> pd.DataFrame:
    """Every third outcome is another one than it would have been."""
    return known.assign(actual=np.where(known.index % 3 == 0, 1 - known.actual, known.actual))


SCENARIOS: dict[str, tuple[str, Known, dict[str, Any]]] = {
    "by slice and age": ("binary", all_known, {}),
    "reviewed": ("binary", partly_reviewed, {}),
    "corrected": ("binary", corrected, {}),
    "another value with the outcome": ("binary", moved, {}),
    "worse in a slice": ("binary", worse_for_the_old, {}),
    "sampled": ("binary", weighted, {"outcomes": "sampled"}),
    "multiclass": ("multiclass", all_known, {}),
    "regression": ("regression", all_known, {}),
    "a loss": ("binary", worse, {}),
    "rolling": ("binary", all_known, {"objectives": ["accuracy >= 0.6 over rolling 6h"]}),
}


def drawn(kind: str) -> pd.DataFrame:
    """Predictions of two days. Of one plan the model is weak in the evenings; outcomes take minutes to days."""
    rng = np.random.default_rng(5)
    time = np.sort(rng.integers(0, 2 * DAY, ROWS)) + MIDNIGHT
    plan = rng.choice(np.array(["basic", "pro", "team"], object), ROWS)
    score = rng.random(ROWS).round(6)
    wrong = rng.random(ROWS) < np.where((plan == "pro") & (time // HOUR % 24 > 17), 0.6, 0.15)
    frame = pd.DataFrame({"id": [f"r{at}" for at in range(ROWS)], "time": time, "plan": plan})
    frame["age"] = rng.normal(45, 12, ROWS)
    if kind == "multiclass":
        scores = rng.dirichlet([1.0] * 3, ROWS).round(6)
        frame[["s0", "s1", "s2"]] = scores
        frame["actual"] = np.where(wrong, (scores.argmax(axis=1) + 1) % 3, scores.argmax(axis=1))
    elif kind == "regression":
        frame["actual"] = score + rng.normal(0, np.where(wrong, 2.0, 0.3))
    else:
        frame["actual"] = ((score >= 0.5) != wrong).astype(int)
    frame["score"] = score
    frame["delay"] = rng.choice(np.array([10 * MINUTE, 5 * HOUR, 3 * DAY]), ROWS)
    frame["region"] = rng.choice(np.array(["north", "south"], object), ROWS)
    return frame


def score_columns(kind: str) -> list[str]:
    return ["s0", "s1", "s2"] if kind == "multiclass" else ["score"]


@pytest.mark.slow
@pytest.mark.parametrize("name", SCENARIOS)
def test_outcomes_are_the_same_live_and_in_files(name: str, open_state: Open, clock: Clock, tmp_path: Path) -> None:
    kind, known_of, performance = SCENARIOS[name]
    rows = drawn(kind)
    if name == "a loss":
        rows["age"] += 10
    known = rows[rows.index % 6 != 0]
    known = known_of(known.assign(time=known.time + known.delay).drop(columns=["plan", "age", "delay"]))
    before = drawn(kind).assign(time=lambda found: pd.to_datetime(found.time - 30 * DAY))
    scores = score_columns(kind)
    Baseline.from_frame(
        before, score=scores if len(scores) > 1 else "score", actual="actual", features=["age", "plan"], time="time",
        slices=["plan"], model="churn", version="1", task=kind, classes=list(TASKS[kind].classes) or None,
    ).save(tmp_path / "built.json")  # fmt: skip
    model: dict[str, Any] = {
        "baseline": "built.json",
        "windows": ["1d"],
        "slices": ["plan", "region"],
        "keep_features": "all",
    }
    model["performance"] = {**PERFORMANCE[kind], **performance}
    model["outcome_delay"] = "0s"
    (tmp_path / "driftline.yaml").write_text(yaml.safe_dump({"models": {"churn": model}}))

    in_files = of_files(tmp_path, kind, rows, known)
    live = of_service(open_state, clock, tmp_path, kind, rows, known)

    assert live.keys() == in_files.keys()
    assert len(live) == 2
    for start, answer in live.items():
        assert answer["performance"]["slices"], "no slice has outcomes"
        assert name != "a loss" or "age" in answer["evidence"]["inputs"]
        assert differences(answer, in_files[start]) == []
        change = answer["performance"]["slice_change"]
        assert (change["features"] if change else []) == (["age"] if known_of is worse_for_the_old else [])


def of_files(folder: Path, kind: str, rows: pd.DataFrame, known: pd.DataFrame) -> dict[int, dict[str, Any]]:
    made = rows[["id", "time", "plan", "age", *score_columns(kind)]]
    made.assign(time=pd.to_datetime(made.time, utc=True)).to_parquet(folder / "rows.parquet")
    named = {name: f"slice.{name}" for name in ("region", "plan") if name in known}
    known = known.drop(columns=[*(name for name in ("score", "s0", "s1", "s2") if name in known)]).rename(columns=named)
    if "retracted" in known:
        known = known.assign(retracted=known.retracted.fillna(False).astype(bool))
    known.assign(time=pd.to_datetime(known.time, utc=True)).to_parquet(folder / "outcomes.parquet")
    options = EvaluationOptions(
        config=folder / "driftline.yaml", score=tuple(score_columns(kind)), id="id", time="time", mispredictions=MOST
    )
    inputs = EvaluationInputs([folder / "rows.parquet"], outcomes=folder / "outcomes.parquet")
    result = evaluate_files(inputs, options, lambda _: None)
    return {
        one.window.start: answered(one, wrong, one.weak)
        for one, wrong in zip(result.evaluations, result.wrong, strict=True)
    }


def of_service(
    open_state: Open, clock: Clock, folder: Path, kind: str, rows: pd.DataFrame, known: pd.DataFrame
) -> dict[int, dict[str, Any]]:
    clock.now = int(rows.time.iloc[-1])
    state = open_state(churn=load(folder / "driftline.yaml").models["churn"])
    features: Any = {"age": rows.age.tolist(), "plan": rows.plan.tolist()}
    scores = rows[score_columns(kind)].to_numpy().tolist()
    made: Any = {"task": TASKS[kind], "features": features, "slices": {"plan": rows.plan.tolist()}}
    state.send(predictions(rows.id.tolist(), rows.time.tolist(), scores, **made))
    clock.now = int(known.time.max())
    slices: Any = {name: known[name].tolist() for name in ("region", "plan") if name in known}
    said: Any = {"weight": known.weight.tolist()} if "weight" in known else {}
    if "retracted" in known:
        said["retracted"] = known.retracted.fillna(False).astype(bool).tolist()
    state.send(outcomes(known.id.tolist(), known.actual.tolist(), known.time.tolist(), slices=slices, **said))
    found, opened = [one for one in state.view().windows["1d"] if one.closed and one.rows], state.state
    ends = [(one.window.start, one.window.end) for one in found]
    key = ModelKey("churn", "1")
    return {
        one.window.start: answered(
            one,
            opened.queries.mispredictions.worst(key, *window, MOST),
            opened.queries.weak_slices.search(key, *window),
        )
        for one, window in zip(found, ends, strict=True)
    }


def answered(evaluation: Evaluation, wrong: Worst, weak: WeakSearch | None) -> dict[str, Any]:
    """What outcomes say of a window, but for metrics that files know from single rows and a service up to a bound."""
    told = to_json(evaluation)
    performance = {
        part: told["performance"][part]
        for part in (
            "maturity",
            "unreviewed",
            "slices",
            "label_age",
            "fast_labels",
            "fairness",
            "objectives",
            "slice_change",
        )
    }
    performance["realized"] = {
        name: {**metric, "source": ""}
        for name, metric in told["performance"]["realized"].items()
        if not name.startswith(ORDERED)
    }
    described = [json_of(replace_slices(row)) for row in wrong.rows]
    return {
        "performance": performance,
        "outcomes": told["outcomes"],
        "wrong": (wrong.wrong, wrong.outcomes),
        "worst": dict(enumerate(described)),
        "weak": json_of(weak),
        "evidence": to_builtins(evaluation.loss_evidence),
    }


ORDERED = ("roc_auc", "average_precision", "gain", "ks", "lift", "r2")
"""Beginnings of metrics that depend on the order of scores, and R², which files take from deviations."""


def replace_slices(row: Misprediction) -> Misprediction:
    return replace(row, slices=dict(sorted(row.slices.items())))


def differences(live: Any, in_files: Any, place: str = "") -> list[str]:
    """Name each value that is not the same, numbers to nine digits."""
    if isinstance(live, dict) and isinstance(in_files, dict):
        keys = dict.fromkeys((*live, *in_files))
        found = [differences(live.get(key), in_files.get(key), f"{place}.{key}") for key in keys]
        return [one for some in found for one in some]
    if isinstance(live, list) and isinstance(in_files, list):
        return differences(dict(enumerate(live)), dict(enumerate(in_files)), place)
    if isinstance(live, float) and isinstance(in_files, float):
        return [] if live == pytest.approx(in_files, rel=1e-9, abs=1e-9) else [f"{place}: {live} != {in_files}"]
    return [] if live == in_files else [f"{place}: {live} != {in_files}"]


COUNTS = (
    "SELECT p.id, j.number::INTEGER AS actual, j.weight, j.value, j.slices['plan'], j.slices['region']"
    " FROM joined j JOIN predictions p ON p.seq = j.prediction ORDER BY p.id"
)


def counts(state: Opened) -> list[tuple[object, ...]]:
    state.state.settle()
    return state.rows(COUNTS)


@pytest.mark.slow
def test_a_correction_keeps_weight_worth_and_slices_of_the_word_before_it(open_state: Open) -> None:
    model = Model(slices=("plan", "region"))
    state = open_state(churn=model)
    state.send(predictions(["a"], slices={"plan": ["basic"]}))
    state.send(outcomes(["a"], [1], weight=[20.0], value=[3.0], slices={"region": ["n"], "plan": ["gold"]}))
    state.state.join_now()
    state.send(outcomes(["a"], [0], NOON + 2 * HOUR, slices={"region": ["s"]}))
    assert counts(state) == [("a", 0, 20.0, 3.0, "gold", "s")]
    state.send(outcomes(["a"], [0], NOON + 3 * HOUR, weight=[5.0]))
    assert counts(state)[0][2:4] == (5.0, 3.0)
    state.send(outcomes(["a"], [0], NOON + HOUR + 1, value=[7.0]))  # between the first two, and later than both
    assert counts(state)[0][2:4] == (5.0, 7.0)
    state = open_state(churn=model)
    state.send(outcomes(["a"], [None], NOON + 4 * HOUR, retracted=True))
    state.send(outcomes(["a"], [1], NOON + 5 * HOUR))  # what was taken back says nothing more
    assert counts(state) == [("a", 1, 1.0, None, "basic", None)]


@pytest.mark.slow
def test_what_is_kept_depends_on_no_order_of_arrival(open_state: Open) -> None:
    words: list[dict[str, Any]] = [{"weight": [4.0]}, {"value": [2.0]}, {}, {"weight": [9.0], "value": [5.0]}]
    times, orders = (3, 2, 4, 1), {f"id-{at}": order for at, order in enumerate(permutations(range(4)))}
    state = open_state()
    state.send(predictions(list(orders)))
    for step in range(4):
        said = [(id, order[step]) for id, order in orders.items()]
        state.send(*(outcomes([id], [which % 2], NOON + times[which] * HOUR, **words[which]) for id, which in said))
        state.state.join_now()
    assert {row[1:4] for row in counts(state)} == {(0, 4.0, 2.0)}
    assert len(counts(state)) == len(orders) == 24


@pytest.mark.parametrize("how", ["explicit", "sampled"])
def test_files_and_the_processor_agree_on_corrections_without_weight(
    open_state: Open, clock: Clock, tmp_path: Path, how: Outcomes
) -> None:
    """Of 40 reviewed rows 10 are corrected without a weight; 10 more have none at all."""
    performance = Performance(outcomes=how)
    state = open_state(churn=Model(windows=("1d",), slices=("region",), performance=performance))
    ids = [f"id-{at}" for at in range(50)]
    state.send(predictions(ids, NOON, [0.9] * 50))
    first = [("n", 10.0 if at % 2 else 1.0, 1.0) for at in range(40)]
    state.send(outcomes(ids[:10], [1] * 10, NOON + 2 * HOUR))  # the corrections come first
    state.state.join_now()
    weights, values = [one[1] for one in first], [one[2] for one in first]
    state.send(outcomes(ids[:40], [0] * 40, NOON + HOUR, weight=weights, value=values, slices={"region": ["n"] * 40}))
    state.send(outcomes(ids[40:], [1] * 10, NOON + HOUR))
    clock.now += 3 * DAY
    (live,) = state.view().windows["1d"]
    expected = 55 / 220 if how == "sampled" else 65 / 230
    assert live.realized["accuracy"].value == pytest.approx(expected, rel=1e-12)
    assert state.counted("no_weight") == (20 if how == "sampled" else 0)  # ten of them counted when their weight came

    table = pd.DataFrame({"id": ids, "time": NOON / 1e9, "score": 0.9, "x": 1.0})
    table.to_parquet(tmp_path / "rows.parquet")
    later = pd.DataFrame({"id": ids[:10], "actual": 1, "time": (NOON + 2 * HOUR) / 1e9})
    before = pd.DataFrame(
        {
            "id": ids[:40],
            "actual": 0,
            "time": (NOON + HOUR) / 1e9,
            "weight": weights,
            "value": values,
            "slice.region": "n",
        }
    )
    unweighted = pd.DataFrame({"id": ids[40:], "actual": 1, "time": (NOON + HOUR) / 1e9})
    pd.concat([later, before, unweighted]).to_parquet(tmp_path / "labels.parquet")
    baseline([0.2, 0.8] * 50, {"x": [1.0, 2.0] * 50}).save(tmp_path / "churn.json")
    (files,) = evaluate_files(
        EvaluationInputs(
            [tmp_path / "rows.parquet"],
            tmp_path / "churn.json",
            tmp_path / "labels.parquet",
            settings=ModelSettings(performance=performance.settings),
        ),
        EvaluationOptions(time="time", id="id", slices=("region",), window="1d"),
        lambda _: None,
    ).evaluations
    assert files.outcome_rows == live.outcome_rows == (40 if how == "sampled" else 50)
    for name, metric in live.realized.items():
        if metric.bound:
            continue
        assert files.realized[name].value == pytest.approx(metric.value, rel=1e-12), name
    of_files, of_live = (one.performance_slices["region=n"] for one in (files, live))
    assert (of_files.rows, of_files.metrics["accuracy"].value) == (of_live.rows, of_live.metrics["accuracy"].value)
    assert of_live.metrics["accuracy"].value == 55 / 220


def test_an_outcome_that_came_before_its_prediction_is_kept_as_long_as_it_counts(
    open_state: Open, clock: Clock
) -> None:
    state = open_state(retention=timedelta(days=10))
    state.send(outcomes(["a"], [1], NOON + 2 * DAY, weight=[3.0]), predictions(["z"]))
    state.state.settle()
    clock.now += 5 * DAY
    state.send(predictions(["a"], NOON + DAY))
    state.state.settle()
    clock.now += 7 * DAY
    state.state.tidy_now()
    state.send(outcomes(["a"], [0], NOON + DAY), outcomes(["a"], [1], NOON + 3 * DAY, value=[1.0]))
    assert [row[1:4] for row in counts(state)] == [(1, 3.0, 1.0)]
    clock.now += 7 * DAY
    state.state.tidy_now()
    assert state.rows("SELECT seq FROM outcomes WHERE weight = 3") == []
