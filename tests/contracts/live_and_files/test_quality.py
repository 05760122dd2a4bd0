"""The same rows, once sent live over OTLP and once in a file: the same findings about the data."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from driftline.baseline.baseline import Baseline
from driftline_processor.config.schema import load
from driftline_processor.core.evaluation import Finding
from driftline_processor.core.model_settings import ModelSettings
from driftline_processor.evaluation.files.evaluate import evaluate_files
from driftline_processor.evaluation.files.evaluate_options import EvaluationOptions
from driftline_processor.evaluation.files.inputs import EvaluationInputs
from driftline_processor.present.sentences.findings import finding_sentence

from tests.support.live_and_files import evaluate_live
from tests.support.state_fixtures import Open
from tests.support.state_rows import DAY, NOON, Clock, Opened, predictions

N = 4_000


def frame(n: int, seed: int) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "amount": random.lognormal(4, 0.4, n),
            "height": random.normal(170, 10, n),
            "weight": random.normal(70, 12, n),
            "tenure": random.normal(30, 8, n),
            "country": random.choice(np.array(["NO", "SE", "DK"], object), n),
            "plan": random.choice(np.array(["basic", "pro"], object), n),
            "score": random.random(n),
        }
    )


def with_faults(rows: pd.DataFrame) -> pd.DataFrame:
    """Plant seven faults."""
    rows = rows.copy()
    rows.loc[rows.index[-400:]] = rows.iloc[:400].to_numpy()
    rows = rows.astype(dict.fromkeys(("amount", "height", "weight", "tenure", "score"), float))
    rows["amount"] *= 100
    rows["height"], rows["weight"] = rows["weight"].copy(), rows["height"].copy()
    rows["country"] = rows["country"].where(np.arange(len(rows)) % 20 != 0, "XX")
    rows["plan"] = "pro"
    rows.loc[rows.index[1_000:1_400], "tenure"] = np.nan
    return rows


def said(findings: tuple[Finding, ...]) -> list[tuple[Any, ...]]:
    return [
        (one.check, one.features, one.severity, finding_sentence(one), one.was, one.now, one.p_value)
        for one in findings
    ]


def of_file(path: Path, baseline: Path) -> tuple[Finding, ...]:
    [evaluation] = evaluate_files(EvaluationInputs([path], baseline), EvaluationOptions(), print).evaluations
    return evaluation.findings


def live(state: Opened, clock: Clock, rows: pd.DataFrame, baseline: Baseline) -> tuple[Finding, ...]:
    return evaluate_live(state, clock, rows, baseline).findings


def test_planted_faults_are_found_live_as_in_a_file(open_state: Open, clock: Clock, tmp_path: Path) -> None:
    clock.now = time.time_ns()
    reference = frame(10_000, 1)
    baseline = Baseline.from_frame(reference, score="score", model="churn", task="binary", version="1")
    baseline.save(tmp_path / "baseline.json")
    rows = with_faults(frame(N, 2))
    rows.to_parquet(tmp_path / "rows.parquet")
    in_file = of_file(tmp_path / "rows.parquet", tmp_path / "baseline.json")
    assert sorted((one.check, one.features) for one in in_file) == [
        ("constant", ("plan",)),
        ("duplicates", ()),
        ("missing", ("tenure",)),
        ("swapped", ("height", "weight")),
        ("unit_change", ("amount",)),
        ("unseen", ("country",)),
    ]
    assert said(live(open_state(), clock, rows, baseline)) == said(in_file)


def test_quiet_rows_are_quiet_live_and_in_a_file(open_state: Open, clock: Clock, tmp_path: Path) -> None:
    clock.now = time.time_ns()
    baseline = Baseline.from_frame(frame(10_000, 1), score="score", model="churn", task="binary", version="1")
    baseline.save(tmp_path / "baseline.json")
    rows = frame(N, 3)
    rows.to_parquet(tmp_path / "rows.parquet")
    assert of_file(tmp_path / "rows.parquet", tmp_path / "baseline.json") == ()
    assert live(open_state(), clock, rows, baseline) == ()


@pytest.mark.slow
def test_rows_that_repeat_the_window_before_are_stale_live_and_on_files(
    open_state: Open, clock: Clock, tmp_path: Path
) -> None:
    random = np.random.default_rng(5)
    baseline = Baseline.from_frame(
        {"income": random.normal(size=5_000), "age": random.normal(size=5_000), "score": random.random(5_000)},
        score="score",
        model="churn",
        task="binary",
        version="1",
    )
    state = open_state()
    state.send(baselines=[baseline.to_json()])
    days = [random.normal(size=(2_000, 2)) for _ in range(3)]
    days += [random.permutation(days[2])]  # the same rows, in another order
    days += [np.stack([days[3][:, 0], random.normal(size=2_000)], axis=1)]  # one feature stands still, rows do not
    frames = []
    for day, values in enumerate(days):
        score = random.random(2_000).tolist()
        features = {"income": values[:, 0].tolist(), "age": values[:, 1].tolist()}
        state.send(predictions([""] * 2_000, NOON + day * DAY, score, features=features))
        frames.append(pd.DataFrame(features | {"score": score, "time": NOON + day * DAY}))
    clock.now = NOON + 7 * DAY
    found = [said(window.findings) for window in state.view().windows["1d"] if window.rows]
    assert [[one[:3] for one in window] for window in found] == [[], [], [], [("stale", (), "critical")], []]
    rows = pd.concat(frames)
    rows["time"] = pd.to_datetime(rows["time"], utc=True)
    rows.to_parquet(tmp_path / "rows.parquet")
    baseline.save(tmp_path / "baseline.json")
    of_files = evaluate_files(
        EvaluationInputs([tmp_path / "rows.parquet"], tmp_path / "baseline.json"),
        EvaluationOptions(time="time", window="1d"),
        print,
    )
    assert [said(one.findings) for one in of_files.evaluations] == found


EXPECT = """
models:
  churn:
    expect: {rows: [1000, 5000], duplicates: "< 1%"}
    features:
      amount: {expect: {range: [0, 1000], mostly: 99%, missing: 0, mean: [0, 100], min: [0, null], type: number}}
      country: {expect: {values: [NO, SE, DK], length: [2, 2], pattern: "^[A-Z]+$"}}
      tenure: {expect: {missing: "< 5%"}}
      plan: {expect: {not_values: [pro], exists: true}}
      absent: {expect: {exists: true}}
"""


@pytest.mark.slow
def test_what_is_expected_is_judged_live_as_in_a_file(open_state: Open, clock: Clock, tmp_path: Path) -> None:
    clock.now = time.time_ns()
    baseline = Baseline.from_frame(frame(10_000, 1), score="score", model="churn", task="binary", version="1")
    baseline.save(tmp_path / "baseline.json")
    (tmp_path / "driftline.yaml").write_text(EXPECT)
    churn = load(tmp_path / "driftline.yaml").models["churn"]
    rows = with_faults(frame(N, 2))
    rows.to_parquet(tmp_path / "rows.parquet")
    settings = ModelSettings(expectations=churn.expectations)
    data, reference = [tmp_path / "rows.parquet"], tmp_path / "baseline.json"
    [in_file] = evaluate_files(
        EvaluationInputs(data, reference, settings=settings), EvaluationOptions(), print
    ).evaluations
    found = evaluate_live(open_state(churn=churn), clock, rows, baseline).expected
    apart = {one.rule: one.state for one in found if one.feature == "absent"}
    assert apart == {
        "exists: true": "broken"
    }  # its rows came without it; of a file only what the baseline knows is read
    told = [one for one in found if one.feature != "absent"]
    assert told == [one for one in in_file.expected if one.feature != "absent"]
    assert {f"{one.feature} {one.rule}".strip(): one.state for one in told} == {
        "rows: [1000, 5000]": "met",
        "duplicates: < 1%": "broken",
        "amount missing: <= 0%": "met",
        "amount type: number, mostly: 99%": "met",
        "amount range: [0, 1000], mostly: 99%": "broken",
        "amount min: [0, null]": "met",
        "amount mean: [0, 100]": "broken",
        "country values: [NO, SE, DK]": "broken",
        "country length: [2, 2]": "met",
        "country pattern: ^[A-Z]+$": "met",
        "tenure missing: < 5%": "broken",
        "plan exists: true": "met",
        "plan not_values: [pro]": "broken",
    }
