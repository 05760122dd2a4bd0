"""`driftline evaluate --concept`: who watches the errors, and what is said where nobody can."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
from driftline_processor.core.concept.detectors import DETECTORS

from tests.support.churn_files import Run
from tests.support.paths import ROOT


@pytest.fixture(scope="module")
def worse(tmp_path_factory: pytest.TempPathFactory) -> list[object]:
    """What is asked of 3,000 predictions, the last 1,500 of which are wrong four times as often as the first."""
    folder, rng = tmp_path_factory.mktemp("worse"), np.random.default_rng(7)
    for name, wrong in (("reference", np.full(1_000, 0.1)), ("week", np.repeat([0.1, 0.4], 1_500))):
        score = rng.random(len(wrong))
        actual = (score >= 0.5) ^ (rng.random(len(wrong)) < wrong)
        ids = [f"{name}{at}" for at in range(len(wrong))]
        rows = pd.DataFrame({"id": ids, "age": rng.normal(size=len(wrong)), "score": score})
        rows.to_parquet(folder / f"{name}.parquet")
        pd.DataFrame({"id": ids, "actual": actual.astype(int)}).to_csv(folder / f"{name}.csv", index=False)
    files = [folder / "week.parquet", "--baseline", folder / "reference.parquet", "--outcomes", folder / "week.csv"]
    return ["evaluate", *files, "--task", "binary"]


def concept(run: Run, *arguments: object) -> Any:
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)["concept"]


def test_concept_drift_fails_a_pipeline(run: Run, worse: list[object]) -> None:
    result = run(*worse, "--fail-on", "concept.rise > 0.1")
    assert result.exit_code == 3
    assert "--fail-on 'concept.rise > 0.1': true of all rows, where it is 0.3" in result.stderr
    assert "concept drift: the error rate rose from 9.22 % to 40.6 %" in result.stdout


def test_detectors_can_be_chosen_and_left_out(run: Run, worse: list[object]) -> None:
    chosen = concept(run, *worse, "--concept", "ddm,adwin")
    assert (chosen["decided_by"], list(chosen["detectors"])) == ("ddm", ["ddm", "adwin"])
    assert concept(run, *worse, "--concept", "none") is None
    assert "concept" not in run(*worse, "--concept", "none").stdout


@pytest.mark.parametrize(
    ("task", "named", "why"),
    [
        ("binary", "adwim", "--concept: 'adwim' is no detector; there are adwin, ddm, hddm_a, kswin, page_hinkley"),
        (
            "regression",
            "ddm",
            "--concept: ddm does not watch the errors of a regression; there are adwin, kswin, page_hinkley",
        ),
        ("ranking", "adwin", "--concept: a ranking has no errors that could be watched"),
    ],
)
def test_who_cannot_watch_is_named(run: Run, worse: list[object], task: str, named: str, why: str) -> None:
    result = run(*worse[:-1], task, "--concept", named)
    assert (result.exit_code, result.stderr.splitlines()[-1]) == (2, f"driftline: {why}")


def test_detectors_are_named_as_in_the_documentation() -> None:
    page = (ROOT / "docs/reference/evaluate.md").read_text(encoding="utf-8")
    row = next(line for line in page.splitlines() if line.startswith("| `--concept"))
    assert [name for name in DETECTORS if f"`{name}`" in row] == list(DETECTORS)
