"""`driftline baseline build` and the first evaluation say what a baseline can show."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.support.churn_files import Run

COLUMNS = ("--task", "regression", "--predicted", "p", "--actual", "y", "--model", "m")


def write(path: Path, rows: int) -> Path:
    rng = np.random.default_rng(rows)
    p = rng.normal(size=rows)
    pd.DataFrame({"x": rng.normal(size=rows), "p": p, "y": p + rng.normal(size=rows)}).to_csv(path, index=False)
    return path


@pytest.mark.parametrize(("rows", "small"), [(4_000, False), (60, True)])
def test_a_baseline_asks_once_how_much_worse_would_matter_or_says_that_no_margin_helps(
    run: Run, tmp_path: Path, rows: int, small: bool
) -> None:
    data, baseline = write(tmp_path / "rows.csv", rows), tmp_path / "m.json"
    built = run("baseline", "build", data, *COLUMNS, "-o", baseline).stderr
    assert "the baseline's mean absolute error of" in built
    assert ("even the longest window" in built) == small
    # a margin that the small one can show would be more than half of the skill
    question = "A wider margin does not help" if small else "How much worse would matter to you?"
    assert built.count(question) == 1
    evaluated = run("evaluate", write(tmp_path / "new.csv", 300), "--baseline", baseline).stderr
    assert evaluated.count(question) == small
    chosen = tmp_path / "driftline.yaml"
    chosen.write_text("models:\n  m:\n    performance:\n      margin: 0.5\n")
    configured = run("evaluate", tmp_path / "new.csv", "--baseline", baseline, "--performance", chosen).stderr
    assert question not in configured
