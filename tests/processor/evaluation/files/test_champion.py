"""`--champion`: a candidate compared with the version in service, by the same rows or by rows of the same period."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import driftline
import numpy as np
import pandas as pd
import pytest

from tests.support.churn_files import Run
from tests.support.facts import lacking

N = 800
OPTIONS = ("--champion", "champion.parquet", "--task", "binary")


def rows(errors: float, *, ids: str = "r", seed: int = 1, start: str = "2026-03-02") -> pd.DataFrame:
    """Return predictions of which a fraction is wrong."""
    random = np.random.default_rng(seed)
    actual = np.random.default_rng(7).integers(0, 2, N)
    said = np.where(random.random(N) < errors, 1 - actual, actual)
    return pd.DataFrame(
        {
            "id": [f"{ids}{row}" for row in range(N)],
            "time": pd.date_range(start, periods=N, freq="5min", tz="UTC"),
            "age": np.random.default_rng(8).normal(size=N),
            "score": 0.1 + 0.8 * said,
            "actual": actual,
        }
    )


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def compared(run: Run, candidate: pd.DataFrame, champion: pd.DataFrame, *options: str) -> dict[str, Any]:
    candidate.to_parquet("candidate.parquet")
    champion.to_parquet("champion.parquet")
    result = run("evaluate", "candidate.parquet", *OPTIONS, "--json", *options)
    assert result.exit_code == 0, result.stderr
    found: dict[str, Any] = json.loads(result.stdout)
    assert len(found["versions"]) == 1
    return found


def test_the_same_ids_are_compared_row_by_row_whenever_they_were_predicted(run: Run) -> None:
    found = compared(run, rows(0.3, seed=2), rows(0.1, start="2026-01-05").sample(frac=1, random_state=0))
    [version] = found["versions"]
    assert (version["verdict"], version["pairs"], version["comparisons"]["error"]["paired"]) == ("worse", N, True)
    assert found["windows"][0]["rows"] == N  # of the candidate alone


def test_other_rows_of_the_period_are_compared_as_a_canary(run: Run) -> None:
    [version] = compared(run, rows(0.1, seed=2), rows(0.4, ids="other"))["versions"]
    assert (version["verdict"], version["pairs"]) == ("better", 0)
    assert (version["comparisons"]["error"]["rows"], version["comparisons"]["error"]["paired"]) == (2 * N, False)


@pytest.mark.parametrize("lacking_file", ["candidate", "champion", "both"])
def test_outcomes_come_from_any_file(run: Run, lacking_file: str) -> None:
    files = {"candidate": rows(0.3, seed=2), "champion": rows(0.1)}
    expected = compared(run, files["candidate"], files["champion"])["versions"]
    rows(0)[["id", "actual"]].to_csv("outcomes.csv", index=False)
    for name in files if lacking_file == "both" else [lacking_file]:
        files[name] = files[name].drop(columns="actual")
    options = ("--outcomes", "outcomes.csv") if lacking_file == "both" else ()
    found = compared(run, files["candidate"], files["champion"], *options)
    assert found["versions"] == expected
    assert found["windows"][0]["outcomes"]["rows"] == N


def test_the_baseline_of_the_champion_leads_to_no_advice_to_retrain(run: Run) -> None:
    found = compared(run, rows(0.3, seed=2), rows(0.1))
    verdict = found["verdict"]
    assert (verdict["state"], verdict["action"], verdict["cause"], verdict["kind"]) == ("degraded", "", None, None)
    assert found["concept"] is None
    undated = rows(0.1).drop(columns="time")
    equal = compared(run, undated, undated)
    assert (equal["verdict"]["state"], equal["versions"][0]["verdict"]) == ("healthy", "inconclusive")


def test_a_baseline_of_its_own_is_the_baseline(run: Run) -> None:
    older = rows(0.1, seed=5, ids="old")
    older.assign(age=older["age"] + 3).to_parquet("older.parquet")
    found = compared(run, rows(0.1, seed=2), rows(0.1), "--baseline", "older.parquet")
    assert found["windows"][0]["drift"]["features"]["age"]["state"] == "drift"
    assert found["versions"][0]["challenger"]["version"] == "candidate"


@pytest.mark.parametrize(
    ("condition", "code"),
    [
        ("versions.verdict == worse", 3),
        ("versions.verdict != better", 3),
        ("versions.verdict == better", 0),
        ("versions.difference > 0.1", 3),
        ("versions.difference.low > 0.5", 0),
        ("versions.difference.high > 0.01", 3),
    ],
)
def test_a_condition_on_the_comparison(run: Run, condition: str, code: int) -> None:
    compared(run, rows(0.4, seed=2), rows(0.1))
    result = run("evaluate", "candidate.parquet", *OPTIONS, "--fail-on", condition)
    assert result.exit_code == code, result.stderr
    assert ("(candidate)" in result.stderr) == (code == 3)


def test_the_section_comes_first(run: Run) -> None:
    compared(run, rows(0.4, seed=2), rows(0.1))
    shown = run("evaluate", "candidate.parquet", *OPTIONS).stdout
    assert shown.index("Candidate and champion") < shown.index("Degraded")
    assert lacking(shown, "the candidate is worse than the champion: error rate", "800 scored by both") == []


def test_tables_in_python() -> None:
    report = driftline.evaluate(rows(0.4, seed=2), champion=rows(0.1), task="binary")
    assert [version["verdict"] for version in report.to_dict()["versions"]] == ["worse"]
    assert "Candidate and champion" in report.to_html()
    with pytest.raises(ValueError, match="champion: neither champion nor current has outcomes; name their column"):
        driftline.evaluate(rows(0.4).drop(columns="actual"), champion=rows(0.1).drop(columns="actual"), task="binary")


@pytest.mark.parametrize(
    ("candidate", "champion", "options", "sentence"),
    [
        (
            rows(0.1).drop(columns="time"),
            rows(0.1, ids="other"),
            (),
            "--champion: 0 rows of candidate.parquet have an id of champion.parquet, and there are no times to compare "
            "other rows by; use the same ids (--id), or a time in both (--time)",
        ),
        (
            rows(0.1),
            rows(0.1, ids="other", start="2026-06-01"),
            (),
            "--champion: candidate.parquet has other ids, and its times do not overlap those of champion.parquet; "
            "use rows of the same period",
        ),
        (
            rows(0.1).drop(columns="actual"),
            rows(0.1).drop(columns="actual"),
            (),
            "--champion: neither champion.parquet nor candidate.parquet has outcomes; name their column with --actual, "
            "or their file with --outcomes",
        ),
        (
            rows(0.1),
            rows(0.1).drop(columns="score"),
            (),
            "--champion: champion.parquet has no column of the score, but candidate.parquet has; both need the same "
            "predictions",
        ),
        (rows(0.1), rows(0.1), ("--version-column", "id"), "--champion: use either this option or --version-column"),
        (
            rows(0.1),
            rows(0.1),
            ("--fail-on", "versions.verdict == bad"),
            "--fail-on 'versions.verdict == bad': 'bad' is not a value of versions.verdict; available: worse, better, "
            "inconclusive",
        ),
        (
            rows(0.1),
            rows(0.1),
            ("--fail-on", "versions.pairs > 1"),
            "--fail-on 'versions.pairs > 1': there is no 'versions.pairs'; available: versions.verdict, "
            "versions.difference, versions.difference.low and versions.difference.high",
        ),
    ],
)
def test_what_cannot_be_compared_is_bad_input(
    run: Run, candidate: pd.DataFrame, champion: pd.DataFrame, options: tuple[str, ...], sentence: str
) -> None:
    candidate.to_parquet("candidate.parquet")
    champion.to_parquet("champion.parquet")
    result = run("evaluate", "candidate.parquet", *OPTIONS, *options)
    assert result.exit_code == 2
    assert result.stderr.splitlines()[-1] == f"driftline: {sentence}"


def test_a_champion_is_rows_of_predictions(run: Run) -> None:
    rows(0.1).to_parquet("candidate.parquet")
    assert (
        run("baseline", "build", "candidate.parquet", "--model", "m", "--task", "binary", "-o", "m.json").exit_code == 0
    )
    result = run("evaluate", "candidate.parquet", "--champion", "m.json", "--task", "binary")
    assert (result.exit_code, result.stderr.splitlines()[-1]) == (
        2,
        "driftline: --champion: m.json is a built baseline; use the predictions of the version in service",
    )


def test_without_a_comparison_its_condition_is_bad_input(run: Run) -> None:
    rows(0.1).to_parquet("candidate.parquet")
    result = run(
        *("evaluate", "candidate.parquet", "--baseline", "candidate.parquet", "--task", "binary"),
        *("--fail-on", "versions.verdict == worse"),
    )
    assert result.exit_code == 2
    assert lacking(result.stderr, "no versions are compared; add --champion FILE or --version-column COL") == []
