"""A window whose outstanding outcomes cannot change its answer does not wait for them, live and in files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from driftline.baseline.baseline import Baseline
from driftline_processor.config.model import Model
from driftline_processor.core.evaluation import Verdict
from driftline_processor.evaluation.files.evaluate import evaluate_files
from driftline_processor.evaluation.files.evaluate_options import EvaluationOptions
from driftline_processor.evaluation.files.inputs import EvaluationInputs

from tests.support.state_fixtures import Open
from tests.support.state_rows import DAY, HOUR, NOON, Clock, outcomes, predictions
from tests.support.unwrap import unwrap

MIDNIGHT = NOON - NOON % DAY
ROWS = 1_000
FINAL = "final_before_outcomes"


def a_day(right: float, known: float) -> pd.DataFrame:
    """Rows of one day; a share ``right`` is predicted right, and a share ``known`` has its outcome two hours later."""
    rng = np.random.default_rng(5)
    actual = rng.random(ROWS) < 0.5
    correct = rng.random(ROWS) < right
    at = np.sort(rng.integers(0, DAY - 2 * HOUR, ROWS)) + MIDNIGHT
    return pd.DataFrame(
        {
            "id": [f"r{row}" for row in range(ROWS)],
            "time": at,
            "score": np.where(actual == correct, 0.9, 0.1) + rng.normal(0, 0.02, ROWS),
            "actual": actual.astype(int),
            "known": np.where(rng.random(ROWS) < known, at + 2 * HOUR, 0),
        }
    )


def baseline(path: Path) -> Path:
    """Return a baseline of an accuracy of 0.9."""
    rows = a_day(0.9, 1.0)
    built = Baseline.from_frame(
        {"score": rows["score"], "actual": rows["actual"]}, score="score", actual="actual", model="churn",
        version="1", task="binary",
    )  # fmt: skip
    built.save(path / "churn.json")
    return path / "churn.json"


def live(open_state: Open, clock: Clock, model: Model, rows: pd.DataFrame) -> Verdict:
    state = open_state(churn=model)
    clock.now = MIDNIGHT + DAY
    state.send(predictions(rows["id"].tolist(), rows["time"].tolist(), rows["score"].tolist()))
    told = rows[rows["known"] > 0]
    state.send(outcomes(told["id"].tolist(), told["actual"].tolist(), told["known"].tolist()))
    clock.now += HOUR
    state.send(predictions([f"next-{row}" for row in range(ROWS)], clock.now))
    window = state.view().windows["1d"][0]
    assert (window.closed, window.maturity) == (True, "immature")
    return unwrap(window.verdict if window.verdict is not None else state.view().verdict)


def in_files(path: Path, model: dict[str, object], rows: pd.DataFrame) -> Verdict:
    (path / "driftline.yaml").write_text(yaml.safe_dump({"models": {"churn": model}}))
    later = rows[["id", "time", "score"]].assign(id="next-" + rows["id"], time=MIDNIGHT + DAY + HOUR)
    pd.concat([rows[["id", "time", "score"]], later]).to_parquet(path / "rows.parquet")
    told = rows[rows["known"] > 0]
    told[["id", "actual"]].assign(time=pd.to_datetime(told["known"], utc=True)).to_parquet(path / "outcomes.parquet")
    found = evaluate_files(
        EvaluationInputs([path / "rows.parquet"], baseline(path), path / "outcomes.parquet"),
        EvaluationOptions(time="time", id="id", config=path / "driftline.yaml"),
        lambda _: None,
    )
    return unwrap(found.evaluations[0].verdict)


CASES = [
    # right, known, objective, a baseline, state
    (0.5, 0.88, True, False, "degraded"),
    (0.5, 0.4, True, False, "unknown"),
    (0.97, 0.88, True, False, "healthy"),
    (0.97, 0.6, True, False, "unknown"),
    (0.5, 0.88, False, True, "degraded"),
    (0.5, 0.3, False, True, "unknown"),
    (0.9, 0.88, False, True, "unknown"),  # its log loss has no bounds
]


@pytest.mark.slow
@pytest.mark.parametrize(("right", "known", "objective", "has_baseline", "state"), CASES)
def test_an_answer_that_outstanding_outcomes_cannot_change_is_given(
    open_state: Open,
    clock: Clock,
    tmp_path: Path,
    right: float,
    known: float,
    objective: bool,
    has_baseline: bool,
    state: str,
) -> None:
    rows = a_day(right, known)
    model: dict[str, object] = {"windows": ["1d"], "outcome_delay": "60d", "concept": {"enabled": False}}
    if objective:
        model["performance"] = {"objectives": ["accuracy >= 0.75"]}
    if has_baseline:
        model["baseline"] = str(baseline(tmp_path))
    answers = [live(open_state, clock, Model.model_validate(model), rows)]
    if has_baseline:
        answers.append(in_files(tmp_path, model, rows))
    for verdict in answers:
        assert (verdict.state, verdict.reason) == (state, "outcomes_pending" if state == "unknown" else "")
        assert (FINAL in [one.kind for one in verdict.certainty]) == (state != "unknown")
