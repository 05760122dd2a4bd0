"""The verdict of `driftline evaluate` on files in which a fault is planted, or none."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.support.churn_files import Run
from tests.support.facts import lacking

NAMED = ("--score", "score", "--id", "id", "--time", "time", "--task", "binary", "--actual", "late")
DAY = 86_400
START = 1_767_225_600
"""1 January 2026, 00:00 UTC."""

Columns = dict[str, Any]


def rows(seed: int, n: int, first: int, days: int) -> Columns:
    """Return rows of a calibrated model of two features, and a third that it does not use."""
    draw = np.random.default_rng(seed)
    age, visits, noise = draw.normal(size=(3, n))
    score = 1 / (1 + np.exp(-(1.2 * age - 0.8 * visits - 0.5)))
    time = START + first * DAY + np.sort(draw.integers(0, days * DAY, n))
    actual = (draw.random(n) < score).astype(np.int64)
    return {
        "id": np.arange(n),
        "time": time,
        "age": age,
        "visits": visits,
        "noise": noise,
        "score": score,
        "late": actual,
    }


def write(path: Path, columns: Columns) -> Path:
    times = pa.array(np.asarray(columns["time"]) * 1_000_000, pa.timestamp("us", tz="UTC"))
    pq.write_table(pa.table({**columns, "time": times}), path)
    return path


@pytest.fixture
def answer(run: Run, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Evaluate rows against 30 days of the same model, and return the JSON."""
    reference = write(tmp_path / "reference.parquet", rows(1, 20_000, 0, 30))

    def evaluate(columns: Columns, *options: str) -> dict[str, Any]:
        data = write(tmp_path / "rows.parquet", columns)
        result = run("evaluate", data, "--baseline", reference, *NAMED, "--json", *options)
        assert result.exit_code in (0, 3), result.output
        found: dict[str, Any] = json.loads(result.stdout)
        return found

    return evaluate


Answer = Callable[..., dict[str, Any]]


def flipped(columns: Columns, share: float = 0.15) -> Columns:
    """Let a share of outcomes be the other one, from the first row on: what no input shows."""
    wrong = np.random.default_rng(5).random(len(columns["late"])) < share
    return {**columns, "late": np.where(wrong, 1 - columns["late"], columns["late"])}


def without(columns: Columns, *names: str) -> Columns:
    return {name: values for name, values in columns.items() if name not in names}


def test_a_model_as_good_as_its_baseline_is_right(answer: Answer) -> None:
    verdict = answer(rows(2, 8_000, 30, 14))["verdict"]
    assert verdict["state"] == "healthy"
    assert lacking(verdict["sentence"], "31 January to 13 February 2026", "healthy") == []
    assert verdict["next"] == "Nothing: keep sending outcomes."


def test_a_loss_without_drift_is_wrong_and_only_the_outcomes_show_it(answer: Answer) -> None:
    verdict = answer(flipped(rows(2, 8_000, 30, 14)))["verdict"]
    assert (verdict["state"], verdict["metric"]) == ("degraded", "log_loss")
    assert verdict["interval"][0] > 0
    assert "its inputs look as before, so only the outcomes show it" in verdict["sentence"]


def test_a_model_that_is_worse_from_its_first_row_is_wrong_in_every_window(answer: Answer) -> None:
    found = answer(flipped(rows(2, 28_000, 30, 28)), "--window", "1w")
    whole = [window["verdict"]["state"] for window in found["windows"] if window["rows"] > 5_000]
    assert len(whole) >= 3
    assert set(whole) == {"degraded"}
    assert found["verdict"]["state"] == "degraded"


def test_drift_without_loss_is_right_and_says_that_it_did_no_harm(answer: Answer) -> None:
    moved = rows(2, 8_000, 30, 14)
    moved["noise"] = moved["noise"] + 1.5
    found = answer(moved)
    assert found["windows"][0]["drift"]["features"]["noise"]["state"] == "drift"
    assert found["verdict"]["state"] == "healthy"
    assert "noise moved, and that did no harm" in found["verdict"]["sentence"]
    assert "and that did no harm" in found["verdict"]["sentence"]


def test_drift_without_outcomes_is_a_risk_and_names_the_feature(answer: Answer) -> None:
    moved = rows(2, 8_000, 30, 14)
    moved["age"] = moved["age"] + 1.5
    verdict = answer(without(moved, "late"))["verdict"]
    assert verdict["state"] == "at_risk"
    assert "age moved (" in verdict["sentence"]
    assert "no outcome is known; send its outcomes" in verdict["sentence"]


def test_without_outcomes_and_drift_nobody_knows_and_the_labels_that_would_tell_are_counted(answer: Answer) -> None:
    verdict = answer(without(rows(2, 8_000, 30, 14), "late"))["verdict"]
    assert verdict["state"] == "unknown"
    assert lacking(verdict["sentence"], "healthy", "31 January to 13 February 2026") == []
    assert "no outcome is known; send its outcomes, or label" in verdict["sentence"]


def test_a_few_outcomes_tell_nothing(answer: Answer) -> None:
    verdict = answer(rows(2, 60, 30, 14))["verdict"]
    assert verdict["state"] == "unknown"


def test_a_feature_that_is_gone_is_a_fault_of_the_data(answer: Answer) -> None:
    gone = without(rows(2, 8_000, 30, 14), "late")
    gone["age"] = np.full(len(gone["age"]), np.nan)
    verdict = answer(gone)["verdict"]
    assert (verdict["state"], verdict["kind"]) == ("at_risk", "data_fault")
    assert verdict["advice"] == "repair_columns"
    assert verdict["next"].startswith("Repair age ")


def test_the_terminal_prints_the_same_sentence_first_and_a_condition_reads_it(run: Run, tmp_path: Path) -> None:
    reference = write(tmp_path / "reference.parquet", rows(1, 20_000, 0, 30))
    data = write(tmp_path / "rows.parquet", flipped(rows(2, 8_000, 30, 14)))
    command = ("evaluate", data, "--baseline", reference, *NAMED)
    told = json.loads(run(*command, "--json").stdout)["verdict"]
    shown = run(*command, "--fail-on", "verdict.state == degraded")
    assert shown.exit_code == 3
    assert " ".join(shown.stdout.split()).startswith(f"{told['sentence']} {told['next']} {told['sure']}")
