"""Texts that look like numbers, booleans and dates: categories in every source, and the same states."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from driftline.baseline.baseline import Baseline
from driftline.panes.bins import CategoryBins
from driftline_processor.evaluation.files.baseline import build_from_files
from driftline_processor.evaluation.files.evaluate import evaluate_files
from driftline_processor.evaluation.files.evaluate_options import EvaluationOptions
from driftline_processor.evaluation.files.inputs import EvaluationInputs
from driftline_processor.present.sentences.findings import finding_sentence

from tests.support.live_and_files import drift_summary, live, of_file
from tests.support.state_fixtures import Open
from tests.support.state_rows import Clock

CHOICES = {
    "zip": ["02139", "02140", "00501", "10001", "94105"],
    "code": ["1", "2", "3"],
    "plan": ["true", "false"],
    "since": ["2024-01-01", "2024-02-01"],
    "mark": ["Y", "N"],
}


def rows(n: int, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    texts = {name: rng.choice(np.array(values, object), n) for name, values in CHOICES.items()}
    return pd.DataFrame(
        {**texts, "vip": rng.random(n) < 0.3, "age": rng.normal(size=n).round(6), "score": rng.random(n).round(6)}
    )


@pytest.fixture(scope="module")
def baseline() -> Baseline:
    return Baseline.from_frame(rows(3_000, 1), score="score", model="churn", task="binary", version="1")


@pytest.fixture(scope="module")
def window() -> pd.DataFrame:
    return rows(1_000, 2)


def silent(sentence: str) -> None:
    raise AssertionError(sentence)


def written(frame: pd.DataFrame, path: Path) -> Path:
    if path.suffix == ".parquet":
        frame.to_parquet(path)
    elif path.suffix == ".ndjson":
        frame.to_json(path, orient="records", lines=True, double_precision=15)
    else:
        frame.to_csv(path, index=False)
    return path


def test_a_parquet_file_gives_the_baseline_of_its_frame(tmp_path: Path, baseline: Baseline) -> None:
    path = written(rows(3_000, 1), tmp_path / "reference.parquet")
    built = build_from_files([path], EvaluationOptions("churn", "1", "binary"), silent)
    assert built.bins == baseline.bins
    assert {name for name, over in built.bins.features.items() if isinstance(over, CategoryBins)} == set(CHOICES)


def test_rows_are_judged_alike_from_every_file_and_live(
    open_state: Open, clock: Clock, tmp_path: Path, baseline: Baseline, window: pd.DataFrame
) -> None:
    streamed = live(open_state, clock, window, baseline)
    baseline.save(tmp_path / "baseline.json")
    spark = window.assign(plan=window["plan"].str.capitalize())  # True for true, as another program writes it
    pandas = window.assign(code=window["code"].where(window.index > 0).astype(float))  # a gap, and 1 is 1.0
    assert streamed.findings == ()
    assert {column.state for column in streamed.features.values()} == {"ok"}
    for name, frame in (("a.parquet", window), ("b.csv", window), ("c.ndjson", window), ("d.csv", spark)):
        path = written(frame, tmp_path / name)
        found = evaluate_files(EvaluationInputs([path], tmp_path / "baseline.json"), EvaluationOptions(), silent)
        [evaluation] = found.evaluations
        assert evaluation.findings == (), name
        for feature, column in streamed.features.items():
            assert drift_summary(evaluation.features[feature]) == drift_summary(column), (name, feature)
    path = written(pandas, tmp_path / "e.csv")
    built = tmp_path / "baseline.json"
    [evaluation] = evaluate_files(EvaluationInputs([path], built), EvaluationOptions(), silent).evaluations
    assert (evaluation.features["code"].state, evaluation.features["code"].rows) == ("ok", 999)


@pytest.mark.slow
def test_numbers_sent_as_texts_are_another_type_live_and_in_a_file_that_says_its_types(
    open_state: Open, clock: Clock, tmp_path: Path, baseline: Baseline, window: pd.DataFrame
) -> None:
    as_texts = window.assign(age=window["age"].map(str))
    streamed, in_file = live(open_state, clock, as_texts, baseline), of_file(tmp_path, as_texts, baseline)
    for found in (streamed, in_file):
        assert [finding_sentence(one) for one in found.findings] == [
            "age: 100 % of values are numbers written as texts (was 0 %)"
        ]
        assert found.features["age"].state == "inconclusive"
    said: list[str] = []
    written(as_texts, tmp_path / "week.csv")
    files = [tmp_path / "week.csv"], tmp_path / "baseline.json"
    [of_csv] = evaluate_files(EvaluationInputs(*files), EvaluationOptions(), said.append).evaluations
    assert (of_csv.findings, of_csv.features["age"].state, said) == ((), "ok", [])


@pytest.mark.slow
def test_texts_where_the_baseline_has_nothing_are_said_to_have_nothing_to_be_compared_with(
    open_state: Open, clock: Clock, tmp_path: Path
) -> None:
    reference = rows(2_000, 1).assign(mark=None, age=np.nan)
    baseline = Baseline.from_frame(reference, score="score", model="churn", task="binary", version="1")
    window = rows(1_000, 2)
    window.loc[:99, "mark"] = None
    for found in (live(open_state, clock, window, baseline), of_file(tmp_path, window, baseline)):
        assert {(one.check, one.features, one.now, one.was) for one in found.findings} == {
            ("missing", ("mark",), 0.1, 1.0),
            ("missing", ("age",), 0.0, 1.0),
        }
        mark, age = found.features["mark"], found.features["age"]
        assert (mark.state, mark.missing_was, mark.missing_now) == ("inconclusive", 1.0, 0.1)
        assert (age.state, age.missing_was, age.missing_now) == ("inconclusive", 1.0, 0.0)
