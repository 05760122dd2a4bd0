"""What columns are taken for is stated, and a column that could be the outcome is asked about."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import driftline
import numpy as np
import pandas as pd
import pytest

from tests.support.churn_files import Run


def rows(n: int = 2_000, seed: int = 0, **more: Any) -> pd.DataFrame:
    """Rows of a calibrated model with a member flag that has nothing to do with its score."""
    rng = np.random.default_rng(seed)
    age = rng.normal(50, 10, n)
    score = 1 / (1 + np.exp(-(age - 50) / 10))
    outcome = (rng.random(n) < score).astype(int)
    frame = pd.DataFrame({"id": [f"r{k}" for k in range(n)], "age": age, "member": rng.integers(0, 2, n)})
    frame["plan"] = rng.choice(["basic", "pro"], n)
    return frame.assign(score=score, late=outcome, **more)


def question(now: pd.DataFrame, was: pd.DataFrame, **options: Any) -> str:
    with pytest.raises(ValueError, match=r"is '.*' the outcome") as caught:
        driftline.evaluate(now, baseline=was, task="binary", **options)
    return str(caught.value)


def test_a_column_that_the_score_predicts_is_asked_about() -> None:
    asked = question(rows(seed=1), rows())

    assert "'late'" in asked
    assert 'actual="late"' in asked
    assert 'actual="none"' in asked


@pytest.mark.parametrize("name", ["target", "y", "Outcome", "y_true", "ground truth", "labels"])
def test_a_column_with_the_name_of_an_outcome_is_asked_about(name: str) -> None:
    was = rows().drop(columns="late").assign(**{name: np.arange(2_000) % 7})

    assert repr(name) in question(was, was)


def test_coordinates_are_no_outcomes() -> None:
    was = rows().drop(columns="late").assign(x=np.arange(2_000) % 31 / 7, y=np.arange(2_000) % 37 / 7)

    assert driftline.evaluate(was, baseline=was, task="binary").to_dict()["columns"]["numbers"] == [
        *("age", "member", "x", "y"),
    ]


def test_a_binary_column_that_new_rows_lack_is_asked_about() -> None:
    was = rows().assign(late=lambda frame: np.where(np.random.default_rng(3).random(len(frame)) < 0.5, "no", "yes"))

    assert "'late'" in question(rows(seed=1).drop(columns="late"), was)


def test_the_answer_that_there_is_no_outcome_does_not_hide_that_new_rows_lack_it(run: Run, tmp_path: Path) -> None:
    was, now = tmp_path / "was.parquet", tmp_path / "now.parquet"
    rows().to_parquet(was)
    rows(seed=1).drop(columns="late").to_parquet(now)
    done = run("evaluate", now, "--baseline", was, "--task", "binary", "--actual", "none")

    assert done.exit_code == 0
    assert f"driftline: {was}: is 'late' the outcome (it has two values, and the new rows lack it)?" in done.stderr


@pytest.mark.parametrize(
    "answer", [{"actual": "late"}, {"actual": "none"}, {"features": ["age", "member", "plan", "late"]}]
)
def test_an_answer_ends_the_question(answer: dict[str, Any]) -> None:
    columns = driftline.evaluate(rows(seed=1), baseline=rows(), task="binary", **answer).to_dict()["columns"]

    assert (columns["actual"], "late" in columns["numbers"]) == (
        ("late", False) if answer == {"actual": "late"} else ("", True)
    )


def test_a_flag_that_has_nothing_to_do_with_the_score_is_a_feature_without_a_question() -> None:
    was = rows().drop(columns="late")

    columns = driftline.evaluate(was, baseline=was, task="binary").to_dict()["columns"]

    assert (columns["numbers"], columns["categories"]) == (["age", "member"], ["plan"])


def test_the_commands_state_what_columns_are_taken_for(run: Run, tmp_path: Path) -> None:
    data, built = tmp_path / "rows.parquet", tmp_path / "b.json"
    rows(made=pd.Timestamp("2026-11-01", tz="UTC"), paid=pd.Timestamp("2026-11-02", tz="UTC")).to_parquet(data)
    options = ("--task", "binary", "--actual", "late", "--model", "m", "-o", built)
    (line,) = [text for text in run("baseline", "build", data, *options).stderr.splitlines() if "columns: " in text]
    result = run("evaluate", data, "--baseline", built, "--json")

    assert all(word in line for word in ("score = score", "actual = late", "id = id", "no time", "plan", "made, paid"))
    assert line in result.stderr
    columns = json.loads(result.stdout)["columns"]
    assert (columns["score"], columns["actual"], columns["id"], columns["time"]) == (["score"], "late", "id", "")
    assert (columns["categories"], columns["left_out"]) == (["plan"], ["made", "paid"])


def test_without_outcomes_a_column_named_actual_is_not_read_as_one() -> None:
    was, now = (rows(seed=seed).rename(columns={"late": "actual"}) for seed in (0, 1))

    report = driftline.evaluate(now, baseline=was, task="binary", actual="none", features=["age", "member"]).to_dict()

    assert (report["columns"]["actual"], report["columns"]["numbers"]) == ("", ["age", "member"])


@pytest.mark.parametrize("classes", [("cat", "dog", "eel"), ("1", "2", "10")])
@pytest.mark.parametrize("form", ["prob_{}", "{}_score"])
def test_score_columns_in_another_order_than_their_classes_are_asked_about(classes: Sequence[str], form: str) -> None:
    rng = np.random.default_rng(1)
    probabilities = rng.dirichlet([2, 1.5, 1], 300)
    names = [form.format(name) for name in classes]
    rows = pd.DataFrame(dict(zip(names, probabilities.T, strict=True))).assign(
        x=rng.normal(size=300), actual=[classes[rng.choice(3, p=each)] for each in probabilities]
    )
    shuffled, expected = [names[2], *names[:2]], [classes[place] for place in probabilities.argmax(1)]
    accuracy = float(np.mean(rows["actual"] == expected))
    with pytest.raises(ValueError, match=f'use score="{",".join(names)}", or, if the names mislead, classes='):
        driftline.evaluate(rows, baseline=rows, task="multiclass", score=shuffled, actual="actual")
    report = driftline.evaluate(rows, baseline=rows, task="multiclass", score=names, actual="actual")
    assert report.to_dict()["windows"][0]["performance"]["realized"]["accuracy"]["value"] == pytest.approx(accuracy)
    report = driftline.evaluate(
        rows, baseline=rows, task="multiclass", score=shuffled, actual="actual", classes=[classes[2], *classes[:2]]
    )
    assert report.to_dict()["windows"][0]["performance"]["realized"]["accuracy"]["value"] == pytest.approx(accuracy)
