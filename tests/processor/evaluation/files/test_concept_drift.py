"""Concept drift of files, by `driftline evaluate`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.support.churn_files import Run
from tests.support.facts import lacking


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
    assert lacking(result.stderr, "--fail-on", "'concept.rise > 0.1'", "0.3") == []
    assert lacking(result.stdout, "rose", "9.22 %", "40.6 %") == []


def test_a_configuration_ends_the_search(run: Run, worse: list[object], tmp_path: Path) -> None:
    assert concept(run, *worse)["state"] == "drift"
    config = tmp_path / "driftline.yaml"
    config.write_text("models: {week: {task: binary, concept: {enabled: false}}}\n", encoding="utf-8")
    assert concept(run, *worse, "--model", "week", "--config", config) is None
