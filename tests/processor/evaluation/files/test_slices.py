"""`driftline evaluate --slices`: drift value by value of a column, and the same from rows of files as live."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from driftline.baseline.baseline import Baseline
from driftline.baseline.codec import to_json
from driftline_processor.cli.commands import app
from driftline_processor.evaluation.files.evaluate import EvaluationResult, evaluate_files
from driftline_processor.evaluation.files.evaluate_options import EvaluationOptions
from driftline_processor.evaluation.files.inputs import EvaluationInputs
from driftline_processor.present.sentences.causes import explanation_sentence
from typer.testing import CliRunner

from tests.support.facts import lacking

START = pd.Timestamp("2026-01-05", tz="UTC")
Say = Callable[[str], None]


def frame(n: int, seed: int, moved: float = 0.0, days: int = 7) -> pd.DataFrame:
    """Rows of some days; from the fifth day on income has moved where the country is NL, 5 % of the rows."""
    rng = np.random.default_rng(seed)
    country = rng.choice(np.array(["NL", "BE", "DE", "FR"], object), n, p=[0.05, 0.25, 0.3, 0.4])
    second = np.sort(rng.integers(0, days * 86_400, n))
    income = rng.normal(size=n) + (country == "FR") + moved * ((country == "NL") & (second >= 4 * 86_400))
    columns = {"income": income, "age": rng.normal(size=n), "score": rng.random(n), "country": country}
    return pd.DataFrame({**columns, "time": START + pd.to_timedelta(second, unit="s")})


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The rows of a reference, of a week in which one slice moved, and baselines with and without slices."""
    folder = tmp_path_factory.mktemp("slices")
    frame(30_000, 1).to_parquet(folder / "reference.parquet")
    frame(12_000, 2, moved=1.0).to_parquet(folder / "week.parquet")
    frame(12_000, 2, moved=2.0).to_parquet(folder / "far.parquet")  # large over all the week, as one of itself tells
    said: dict[str, Any] = {"score": "score", "time": "time", "model": "m", "task": "binary"}
    features = ["income", "age"]
    reference = frame(30_000, 1)
    Baseline.from_frame(reference, features=features, slices=["country"], **said).save(folder / "sliced.json")
    Baseline.from_frame(reference, features=features, **said).save(folder / "plain.json")
    return folder


def evaluated(folder: Path, baseline: str, window: str, *slices: str, say: Say = print) -> EvaluationResult:
    options = EvaluationOptions(slices=slices, window=window)
    return evaluate_files(EvaluationInputs([folder / "week.parquet"], folder / baseline), options, say)


def test_a_slice_that_moved_is_found_in_its_days_and_dated(files: Path) -> None:
    days = evaluated(files, "sliced.json", "1d").evaluations
    drifted = [[name for name, of in day.slices.items() if of.state == "drift"] for day in days]
    assert drifted == [[], [], [], [], ["country=NL"], ["country=NL"], ["country=NL"]]
    assert {day.fraction for day in days} == {0.0}
    last = days[-1]
    assert last.explanation is not None
    assert lacking(explanation_sentence(last.explanation), "country = NL", "9 January 2026") == []
    assert last.incident == {"feature:income where country=NL": days[4].window.start}
    assert last.new_features == ()


def test_a_baseline_remembers_its_slices_and_rows_give_theirs(files: Path) -> None:
    built = evaluated(files, "sliced.json", "").evaluations[0]
    options = EvaluationOptions(task="binary", features=("income", "age"), slices=("country",))
    rows = evaluate_files(EvaluationInputs([files / "week.parquet"], files / "reference.parquet"), options, print)
    assert rows.slices == ("country",)
    assert rows.evaluations[0].slices == built.slices
    assert list(built.slices) == ["country=BE", "country=DE", "country=FR", "country=NL"]


def test_slices_that_the_baseline_does_not_know_are_shown_and_said_to_decide_nothing(files: Path) -> None:
    said: list[str] = []
    [whole] = evaluated(files, "plain.json", "", "country", say=said.append).evaluations
    assert {of.state for of in whole.slices.values()} == {"no_baseline"}
    [note] = said
    assert note.startswith("--slices: ")
    assert note.endswith("--slices country")
    assert whole.explanation is None


def test_values_beyond_twenty_are_other_and_too_many_windows_are_refused(files: Path, tmp_path: Path) -> None:
    rows = frame(3_000, 3)
    rows["shop"] = [f"s{at % 40:02}" if at % 3 else "s00" for at in range(len(rows))]
    rows.to_csv(tmp_path / "week.csv", index=False)
    (tmp_path / "plain.json").write_text((files / "plain.json").read_text())
    options = EvaluationOptions(slices=("shop",))
    [whole] = evaluate_files(
        EvaluationInputs([tmp_path / "week.csv"], tmp_path / "plain.json"), options, print
    ).evaluations
    assert len(whole.slices) == 21
    assert sum(of.rows for of in whole.slices.values()) == 3_000
    assert whole.slices["shop=s00"].rows > 1_000
    result = CliRunner().invoke(
        app, ["evaluate", str(tmp_path / "week.csv"), "--baseline", str(tmp_path / "plain.json"),
              "--slices", "shop", "--window", "5m"],
    )  # fmt: skip
    assert result.exit_code == 2
    assert lacking(result.stderr, "21 slices", "10,000") == []


def test_slices_are_in_the_text_in_json_and_decide_exit_codes(files: Path) -> None:
    def run(*options: str) -> Any:
        return CliRunner().invoke(app, ["evaluate", str(files / "far.parquet"), "--baseline", *options])

    sliced = str(files / "sliced.json")
    shown = run(sliced, "--fail-on", "drift.drifted_slices > 0")
    assert shown.exit_code == 3
    assert "country=NL" in shown.stdout
    rows = [line.split() for line in run(sliced, "--explain").stdout.splitlines()]
    assert ["country=NL", "599", "drift", "income"] in [row[:4] for row in rows]
    said = run(sliced, "--json", "--fail-on", "drift.slices.country=NL.features.income.methods.ks.value > 0.9")
    assert said.exit_code == 0
    drift = json.loads(said.stdout)["windows"][0]["drift"]
    assert drift["drifted_slices"] == 1
    assert drift["slices"]["country=NL"]["state"] == "drift"
    assert drift["slices"]["country=BE"]["compared"] is None
    assert run(sliced, "--fail-on", "drift.slices.country=NL.fraction >= 0.5").exit_code == 3
    unknown = run(sliced, "--fail-on", "drift.slices.country=LU.fraction > 0")
    assert unknown.exit_code == 0
    assert lacking(unknown.stderr, "unknown", "1 of 1 window") == []
    for wrong, why in (
        ("drift.slices.plan=a.fraction > 0", "there are no slices by 'plan'; "),
        ("drift.slices.country=NL.state > 0", "is not a value of a slice"),
        ("drift.slices.country=NL.features.x.rows > 0", "no feature 'x'"),
    ):
        refused = run(sliced, "--fail-on", wrong)
        assert refused.exit_code == 2
        assert why in refused.stderr
    assert "no column 'plan' (--slices)" in run(sliced, "--slices", "plan").stderr


def test_a_baseline_is_built_with_slices(files: Path, tmp_path: Path) -> None:
    built = CliRunner().invoke(
        app, ["baseline", "build", str(files / "reference.parquet"), "--model", "m", "--task", "binary",
              "--features", "income,age", "--slices", "country", "-o", str(tmp_path / "b.json")],
    )  # fmt: skip
    assert built.exit_code == 0
    baseline = Baseline.load(tmp_path / "b.json")
    assert to_json(baseline.extras.slices) == to_json(Baseline.load(files / "sliced.json").extras.slices)
    assert baseline.columns["slices"] == ["country"]
    shown = CliRunner().invoke(app, ["baseline", "show", str(tmp_path / "b.json")])
    assert "slices: country (4 values)" in shown.stdout


def test_objectives_of_slices_are_judged_and_decide_exit_codes(tmp_path: Path) -> None:
    """The score of one country is of no use; nobody names the column by --slices where an objective does."""
    rows = frame(3_000, 4).drop(columns="time").assign(actual=0)
    rows["actual"] = (rows["score"] > np.where(rows["country"] == "NL", 2.0, 0.5)).astype(int)
    rows.to_csv(tmp_path / "rows.csv", index=False)
    Baseline.from_frame(rows, score="score", actual="actual", features=["income"], model="m", task="binary").save(
        tmp_path / "m.json"
    )

    def run(*options: str) -> Any:
        given = ["evaluate", str(tmp_path / "rows.csv"), "--baseline", str(tmp_path / "m.json")]
        return CliRunner().invoke(app, [*given, "--actual", "actual", *options])

    said = run("--objectives", "accuracy >= 0.9 in country", "--json", "--fail-on", "performance.broken > 0")
    assert said.exit_code == 3
    (one,) = json.loads(said.stdout)["windows"][0]["performance"]["objectives"]
    assert (one["state"], one["slice"], one["objective"]) == ("broken", "country=NL", "accuracy >= 0.9 in country")
    assert one["slices"] == {"country=BE": "met", "country=DE": "met", "country=FR": "met", "country=NL": "broken"}
    shown = run("--objectives", "accuracy >= 0.9 in country=NL")
    assert "accuracy >= 0.9 in country=NL" in shown.stdout
    assert run("--slices", "country", "--fail-on", "slices.country=NL.fbeta@2 < 0.8").exit_code == 3
    assert run("--slices", "country", "--fail-on", "slices.country=NL.accuracy < 0.8").exit_code == 3
    wrong = run("--objectives", "accuracy >= 0.9 in contry", "--slices", "country")
    assert wrong.exit_code == 2
    assert lacking(wrong.stderr, "'contry'", "'country'") == []


def test_rows_without_a_value_of_a_slice_are_counted(files: Path, tmp_path: Path) -> None:
    week = frame(1_000, 5)
    week.loc[week.index[:286], "country"] = None
    week.to_parquet(tmp_path / "week.parquet")
    said: list[str] = []
    inputs = EvaluationInputs([tmp_path / "week.parquet"], files / "sliced.json")
    evaluate_files(inputs, EvaluationOptions(slices=("country",)), said.append)
    assert "country: 286 rows without a value, in no slice" in said
