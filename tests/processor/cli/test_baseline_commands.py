"""`driftline baseline show` and `diff`: what a person reads."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from driftline.baseline.baseline import Baseline
from driftline_processor.core.drift.rule import drift
from driftline_processor.core.reference.rebinning import rebin_baseline

from tests.support.churn_files import Run, churn


def built(seed: int, later: bool, **changes: object) -> Baseline:
    arguments = {"score": "score", "actual": "actual", "time": "time", "id": "id", "model": "churn", "task": "binary"}
    return Baseline.from_frame(churn(4_000, seed, later), **(arguments | changes))  # type: ignore[arg-type]


@pytest.fixture
def saved(tmp_path: Path) -> tuple[Path, Path]:
    old, new = tmp_path / "old.json", tmp_path / "new.json"
    built(1, False, version="1", importance={"age": 3, "region": 1}).save(old)
    built(2, True, version="2", threshold=0.4).save(new)
    return old, new


def test_show_tells_rows_period_features_and_performance(run: Run, saved: tuple[Path, Path]) -> None:
    shown = run("baseline", "show", saved[0])
    assert shown.exit_code == 0, shown.stderr
    lines = [re.sub(r"\s+", " ", line).strip() for line in shown.stdout.splitlines()]
    assert lines[0] == "churn · version 1 · binary (0, 1) · 4,000 rows · 5 January 2026 to 11 January 2026, 23:59"
    assert lines[3] == "type distribution range missing importance"
    assert "region 3 categories █▅▃ north, south, east 25 %" in lines
    [income] = [line for line in lines if line.startswith("income")]
    assert income == "income number ▁▁▃▅▇█▇▅▃▁▁ 11.6 to 89.3 3.25 % 0 %"
    assert any(line.startswith("ROC AUC ≈ 0.699 4,000") for line in lines)
    assert any(line.startswith("calibration, score → fraction of positive outcomes: ") for line in lines)
    assert "time: 28 blocks of 6 hours" in lines
    assert Baseline.load(saved[0]).digest in lines[-1]


@pytest.mark.slow
def test_diff_speaks_as_drift_does(run: Run, saved: tuple[Path, Path]) -> None:
    shown = run("baseline", "diff", *saved)
    assert shown.exit_code == 0, shown.stderr
    assert "the version changed from 1 to 2" in shown.stdout
    assert "the threshold changed from 0.5 to 0.4" in shown.stdout
    assert "1 of 3 features" in shown.stdout
    assert any(line.startswith("region ") and " drift " in line for line in shown.stdout.splitlines())
    answer = json.loads(run("baseline", "diff", *saved, "--json").stdout)
    features = answer["windows"][0]["drift"]["features"]
    assert {name: feature["state"] for name, feature in features.items()} == {
        "age": "inconclusive",
        "region": "drift",
        "vip": "ok",
        "income": "ok",
    }
    assert answer["changes"] == ["the version changed from 1 to 2", "the threshold changed from 0.5 to 0.4"]


def test_diff_of_one_with_itself(run: Run, saved: tuple[Path, Path]) -> None:
    assert run("baseline", "diff", saved[0], saved[0]).stdout == "the two baselines are the same\n"


def test_a_file_that_is_no_baseline(run: Run, tmp_path: Path) -> None:
    for command in (("show",), ("push",), ("diff", tmp_path / "b.json")):
        result = run("baseline", *command, tmp_path / "none.json")
        assert result.exit_code == 2
        assert "no such file" in result.stderr


def test_rows_over_the_bins_of_another_baseline_are_close_to_the_rows_themselves() -> None:
    """At most a bin's share beside the Kolmogorov-Smirnov distance of the rows over the same bins."""
    old, new = built(1, False), built(2, True)
    from driftline.baseline.from_frame import table_from_frame

    table, *_ = table_from_frame(churn(4_000, 2, True), score="score", model="churn", task="binary",
                                 features=list(old.bins.features))  # fmt: skip
    from driftline.panes.fold import fold

    exact, moved = drift(fold(table, old.bins), old), drift(rebin_baseline(old, new), old)
    for name in ("age", "income"):
        of_rows, of_bins = (found.features[name].methods["ks"].value for found in (exact, moved))
        assert of_rows is not None
        assert of_bins == pytest.approx(of_rows, abs=0.012)
    assert rebin_baseline(old, old).parts["feature:income"].tolist() == old.pane.parts["feature:income"].tolist()


def test_labels_that_one_of_them_lacks_are_other() -> None:
    arguments = {"score": np.linspace(0, 1, 60), "model": "m", "task": "binary"}
    old = Baseline.from_frame({"c": ["a"] * 30 + ["b"] * 30, "gone": np.arange(60)}, **arguments)  # type: ignore[arg-type]
    new = Baseline.from_frame({"c": ["b"] * 40 + ["z"] * 20, "come": np.arange(60)}, **arguments)  # type: ignore[arg-type]
    pane = rebin_baseline(old, new)
    assert pane.parts["feature:c"].tolist() == [0, 40, 20, 0, 0]
    assert "feature:gone" not in pane.parts
    assert "unknown:come" in pane.parts


def test_a_feature_of_another_type_is_named_and_not_compared(run: Run, tmp_path: Path) -> None:
    arguments = {"score": np.linspace(0, 1, 60), "model": "m", "task": "binary"}
    Baseline.from_frame({"c": ["a"] * 60, "x": [1.0] * 60}, **arguments).save(tmp_path / "a.json")  # type: ignore[arg-type]
    Baseline.from_frame({"c": [2.0] * 60, "x": [1.0] * 60}, **arguments).save(tmp_path / "b.json")  # type: ignore[arg-type]
    shown = run("baseline", "diff", tmp_path / "a.json", tmp_path / "b.json")
    assert shown.exit_code == 0, shown.stderr
    assert "c changed from a category to a number" in shown.stdout
    assert "in the baseline: c." in shown.stdout
