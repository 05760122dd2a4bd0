"""Columns as they come - sentinels, times, identifiers, zeros, tails, nothing, one value, one row - in each source."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from driftline.baseline.baseline import Baseline
from driftline_processor.evaluation.files.evaluate import evaluate_files
from driftline_processor.evaluation.files.evaluate_options import EvaluationOptions
from driftline_processor.evaluation.files.inputs import EvaluationInputs
from scipy import stats

from tests.support.live_and_files import drift_summary, live, of_file
from tests.support.state_fixtures import Open
from tests.support.state_rows import Clock

N = 2_000
STATES = {
    "sentinel": "drift",  # three times as many
    "written": "inconclusive",  # a time as a number: every later row lies beyond
    "customer": "inconclusive",  # an identifier
    "zeros": "drift",  # fewer of them
    "spends": "drift",  # as many zeros, and what is not zero is more
    "tails": "ok",  # of Cauchy
    "wider": "drift",
    "nothing": "inconclusive",  # a number that is now missing
    "empty": "inconclusive",  # a number that was always missing
    "constant": "ok",
    "changed": "drift",  # another constant
}


def rows(n: int, seed: int, later: bool) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    number = rng.normal(size=n)
    start = 1_780_000_000 if later else 1_770_000_000
    return pd.DataFrame(
        {
            "sentinel": np.where(rng.random(n) < (0.12 if later else 0.04), -999.0, 100 + number),
            "written": np.sort(rng.integers(start, start + 86_400, n)).astype(float),
            "customer": [f"c{seed}-{at}" for at in range(n)],
            "zeros": np.where(rng.random(n) < (0.7 if later else 0.8), 0.0, rng.lognormal(3, 1, n)),
            "spends": np.where(rng.random(n) < 0.6, 0.0, rng.lognormal(3.6 if later else 3, 1, n)),
            "tails": rng.standard_cauchy(n),
            "wider": rng.standard_cauchy(n) * (1.6 if later else 1),
            "nothing": np.full(n, np.nan) if later else number,
            "empty": number if later else np.full(n, np.nan),
            "constant": np.full(n, 7.0),
            "changed": np.full(n, 8.0 if later else 7.0),
            "score": rng.random(n),
        }
    )


@pytest.fixture(scope="module")
def reference() -> pd.DataFrame:
    return rows(6_000, 1, later=False)


@pytest.fixture(scope="module")
def baseline(reference: pd.DataFrame) -> Baseline:
    return Baseline.from_frame(reference, score="score", model="churn", task="binary", version="1")


def test_states_and_values_are_the_same_live_as_in_a_file(
    open_state: Open, clock: Clock, tmp_path: Path, baseline: Baseline
) -> None:
    window = rows(N, 2, later=True)
    in_file, streamed = of_file(tmp_path, window, baseline), live(open_state, clock, window, baseline)
    assert {name: column.state for name, column in in_file.features.items()} == STATES
    for name, column in in_file.features.items():
        assert drift_summary(streamed.features[name]) == drift_summary(column), name
    assert streamed.fraction == in_file.fraction == pytest.approx(5 / 7)
    assert [(one.check, one.features) for one in streamed.findings] == [
        (one.check, one.features) for one in in_file.findings
    ]


@pytest.mark.slow
def test_values_from_rows_are_those_of_scipy(tmp_path: Path, reference: pd.DataFrame) -> None:
    window = rows(N, 2, later=True)
    window.to_parquet(tmp_path / "week.parquet")
    reference.to_parquet(tmp_path / "reference.parquet")
    files = [tmp_path / "week.parquet"], tmp_path / "reference.parquet"
    options = EvaluationOptions(task="binary", score=("score",), exact=True)
    [evaluation] = evaluate_files(EvaluationInputs(*files), options, print).evaluations
    assert {name: column.state for name, column in evaluation.features.items()} == STATES
    for name in ("sentinel", "zeros", "spends", "tails", "wider"):
        expected = stats.ks_2samp(reference[name], window[name], method="asymp").statistic
        assert evaluation.features[name].methods["ks"].value == pytest.approx(expected, abs=1e-9), name


def test_one_row_says_nothing(open_state: Open, clock: Clock, tmp_path: Path, baseline: Baseline) -> None:
    window = rows(1, 2, later=True)
    for found in (of_file(tmp_path, window, baseline), live(open_state, clock, window, baseline)):
        assert found.rows == 1
        assert {column.state for column in found.features.values()} == {"inconclusive"}
        assert (found.fraction, found.explanation, found.findings) == (None, None, ())
