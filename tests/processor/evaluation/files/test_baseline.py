"""`driftline baseline build`: the same baseline as from a frame, from one file or several."""

from __future__ import annotations

import json
from datetime import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from driftline.baseline.baseline import Baseline

from tests.support.churn_files import Run
from tests.support.facts import lacking


def build(run: Run, output: Path, *data: Path) -> Baseline:
    result = run("baseline", "build", *data, "--model", "churn", "--task", "binary", "--version", "3", "-o", output)
    assert result.exit_code == 0, result.stderr
    return Baseline.load(output)


@pytest.mark.slow
def test_it_is_the_baseline_of_the_frame(run: Run, files: Path, reference: pd.DataFrame) -> None:
    built = build(run, files / "b.json", files / "reference.parquet")
    frame = Baseline.from_frame(
        reference, score="score", actual="actual", time="time", id="id", model="churn", task="binary", version="3"
    )
    assert built.to_json() == frame.to_json()


@pytest.mark.slow
def test_several_files_are_one_reference(run: Run, files: Path, reference: pd.DataFrame) -> None:
    reference.head(1_000).to_parquet(files / "a.parquet")
    reference.tail(3_000).to_csv(files / "b.csv", index=False)
    whole = build(run, files / "whole.json", files / "reference.parquet")
    parts = build(run, files / "parts.json", files / "a.parquet", files / "b.csv")
    assert parts.bins == whole.bins
    assert parts.pane.parts.keys() == whole.pane.parts.keys()
    for name, sums in whole.pane.parts.items():  # the sums of losses differ in the order of their additions
        np.testing.assert_allclose(parts.pane.parts[name], sums, rtol=1e-12, err_msg=name)


@pytest.mark.slow
def test_it_says_what_it_built_and_what_is_next(run: Run, files: Path) -> None:
    output = files / "churn.baseline.json"
    options = ("--model", "churn", "--task", "binary", "-o", output)
    result = run("baseline", "build", files / "reference.parquet", *options)
    assert lacking(result.stdout, f"{output}:", "4 features", "4,000 rows", "DATA", "--baseline", f"{output}") == []


@pytest.mark.slow
def test_evaluate_takes_its_columns_from_the_baseline(run: Run, files: Path, week: pd.DataFrame) -> None:
    names = {"score": "p_churn", "id": "order", "time": "at"}
    for name in ("reference", "week"):
        pd.read_parquet(files / f"{name}.parquet").rename(columns=names).to_parquet(files / f"{name}2.parquet")
    built = run(
        "baseline", "build", files / "reference2.parquet", "--model", "churn", "--task", "binary",
        "--score", "p_churn", "--id", "order", "--time", "at", "-o", files / "b.json",
    )  # fmt: skip
    assert built.exit_code == 0, built.stderr
    result = run(
        "evaluate", files / "week2.parquet", "--baseline", files / "b.json", "--outcomes", files / "outcomes.csv",
        "--window", "1w", "--fail-on", f"outcomes.rows == {len(week.head(2_400))}",
    )  # fmt: skip
    assert result.exit_code == 3, result.stderr


def test_a_folder_that_is_not_there(run: Run, files: Path) -> None:
    output = files / "none" / "b.json"
    options = ("--model", "churn", "--task", "binary", "-o", output)
    result = run("baseline", "build", files / "reference.parquet", *options)
    assert result.exit_code == 2
    assert result.stderr.endswith(f"driftline: {output}: cannot be written: No such file or directory\n")


@pytest.mark.slow
def test_only_some_features_of_a_built_baseline(run: Run, files: Path) -> None:
    build(run, files / "b.json", files / "reference.parquet")
    result = run("evaluate", files / "week.parquet", "--baseline", files / "b.json", "--features", "age", "--json")
    assert list(json.loads(result.stdout)["windows"][0]["drift"]["features"]) == ["age"]
    result = run("evaluate", files / "week.parquet", "--baseline", files / "b.json", "--features", "id")
    assert result.exit_code == 2
    assert lacking(result.stderr, "--features:", f"{files / 'b.json'}", "'id'") == []


def test_without_scores_only_features_are_compared(run: Run, tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("a;b\n1;x\n2;y\n")
    options = ("--model", "m", "--task", "binary", "-o", tmp_path / "b.json")
    result = run("baseline", "build", tmp_path / "rows.csv", *options)
    assert result.exit_code == 0
    assert "driftline: there is no score and no predicted class: only features are compared\n" in result.stderr
    assert list(Baseline.load(tmp_path / "b.json").bins.features) == ["a", "b"]


@pytest.mark.slow
def test_a_pattern_names_files(run: Run, files: Path, reference: pd.DataFrame) -> None:
    reference.head(1_000).to_parquet(files / "part-1.parquet")
    reference.tail(3_000).to_parquet(files / "part-2.parquet")
    whole = build(run, files / "whole.json", files / "reference.parquet")
    assert build(run, files / "parts.json", files / "part-*.parquet").bins == whole.bins
    options = ("--model", "churn", "--task", "binary", "-o", files / "b.json")
    result = run("baseline", "build", files / "piece-*.parquet", *options)
    assert (result.exit_code, result.stderr) == (2, f"driftline: {files / 'piece-*.parquet'}: no file matches\n")


@pytest.mark.slow
def test_importance_is_read_from_a_file(run: Run, files: Path) -> None:
    written = files / "importance.json"
    written.write_text('{"age": 0.7, "region": 0.2}')
    options = (
        "--model",
        "churn",
        "--task",
        "binary",
        "-o",
        files / "b.json",
        "--importance",
        files / "importance.json",
    )
    assert run("baseline", "build", files / "reference.parquet", *options).exit_code == 0
    known = Baseline.load(files / "b.json").extras.importance
    assert known is not None
    assert known.by_feature == {"age": 0.7, "region": 0.2}
    for text, sentence in (
        (
            '{"agee": 1}',
            "driftline: --importance: 'agee' is not a feature; the features are age, region, vip, income\n",
        ),
        (
            "[1]",
            f"driftline: --importance: {written} must be a JSON object of names and numbers, such as ",
        ),
        ("oops", f"driftline: --importance: {written} cannot be read: "),
        ("[" * 100_000, f"driftline: --importance: {written} cannot be read: it has 100,000 levels of nesting; the "),
        ('{"age": ' * 500 + "1" + "}" * 500, f"driftline: --importance: {written} cannot be read: it has 500 levels "),
    ):
        written.write_text(text)
        result = run("baseline", "build", files / "reference.parquet", *options)
        assert (result.exit_code, result.stderr[: len(sentence)]) == (2, sentence)


@pytest.mark.slow
def test_a_baseline_of_another_version_is_named_in_the_report(run: Run, files: Path) -> None:
    build(run, files / "b.json", files / "reference.parquet")
    shown = run("evaluate", files / "week.parquet", "--baseline", files / "b.json", "--version", "4")
    assert lacking(shown.stdout, "version 3") == []
    assert (
        "compared with the baseline"
        not in run("evaluate", files / "week.parquet", "--baseline", files / "b.json").stdout
    )


@pytest.mark.parametrize(
    ("first", "shown"), [("soon", "'soon'"), (1e300, "1e+300"), (time(3, 4), "datetime.time(3, 4)"), (None, "None")]
)
@pytest.mark.parametrize("command", ["build", "evaluate"])
def test_times_that_cannot_be_read_are_named_with_file_and_value(
    run: Run, tmp_path: Path, command: str, first: object, shown: str
) -> None:
    path = tmp_path / "rows.parquet"
    rows = pd.DataFrame({"age": np.arange(300) % 50, "score": np.arange(300.0), "time": [None, *[first] * 299]})
    rows.to_parquet(path)
    rows.drop(columns="time").to_parquet(tmp_path / "was.parquet")
    options = ("--task", "regression", "--time", "time")
    if command == "build":
        result = run("baseline", "build", path, "-o", tmp_path / "b.json", "--model", "m", *options)
    else:
        result = run("evaluate", path, "--baseline", tmp_path / "was.parquet", *options)
    assert result.exit_code == 2
    assert f"{path}: time: none of the values can be read as a time; the first is {shown}\n" in result.stderr
