"""Evidence over windows is the same live and in files, also where rows come late and windows are restated."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from driftline.baseline.baseline import Baseline
from driftline_processor.config.model import Model
from driftline_processor.core.evaluation import Evaluation
from driftline_processor.evaluation.files.evaluate import evaluate_files
from driftline_processor.evaluation.files.evaluate_options import EvaluationOptions
from driftline_processor.evaluation.files.inputs import EvaluationInputs
from driftline_processor.present.evaluation_json import to_json

from tests.support.slow import slow
from tests.support.state_fixtures import Open
from tests.support.state_rows import DAY, HOUR, NOON, Clock, Opened, predictions

MIDNIGHT = NOON - NOON % DAY
EACH = 120
SHIFT = 0.5


def rows(days: int, seed: int, shift: float = 0.0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    level = np.repeat(rng.normal(scale=0.1, size=days), EACH) + shift
    return pd.DataFrame(
        {
            "time": MIDNIGHT + np.arange(days * EACH) * (DAY // EACH),
            "x": rng.normal(size=days * EACH) + level,
            "plan": rng.choice(np.array(["basic", "pro"], object), days * EACH),
            "score": rng.random(days * EACH),
        }
    )


def send(state: Opened, clock: Clock, frame: pd.DataFrame, until: int) -> None:
    clock.now = MIDNIGHT + until
    features: Any = {"x": frame.x.tolist(), "plan": frame.plan.tolist()}
    ids = [str(at) for at in frame.index]
    state.send(predictions(ids, frame.time.tolist(), frame.score.tolist(), features=features))
    state.view()


def of_files(folder: Path, frame: pd.DataFrame, window: str) -> list[Evaluation]:
    frame.to_parquet(folder / "rows.parquet")
    options = EvaluationOptions(model="churn", time="time", window=window)
    return evaluate_files(
        EvaluationInputs([folder / "rows.parquet"], folder / "b.json"), options, lambda _: None
    ).evaluations


@pytest.mark.parametrize("window", ["1d", slow("6h")])
def test_windows_that_late_rows_restate_say_what_files_say(
    window: str, open_state: Open, clock: Clock, tmp_path: Path
) -> None:
    """The last quarter of the third day comes three days late, and half of the fifth; each restates what follows."""
    before = rows(60, 1).assign(time=lambda found: found.time - 61 * DAY)
    baseline = Baseline.from_frame(before, score="score", time="time", model="churn", version="1", task="binary")
    baseline.save(tmp_path / "b.json")
    frame = rows(9, 2, SHIFT)
    day = (frame.time - MIDNIGHT) / DAY
    late, later = (day >= 2.75) & (day < 3), (day >= 4) & (day < 4.5)
    state = open_state(churn=Model(windows=(window,), timezone="UTC"))
    state.send(baselines=[baseline.to_json()])
    send(state, clock, frame[~late & ~later & (day < 6)], 6 * DAY)
    send(state, clock, frame[late], 6 * DAY + HOUR)
    send(state, clock, frame[~late & ~later & (day >= 6)], 9 * DAY)
    send(state, clock, frame[later], 9 * DAY + HOUR)
    clock.now = MIDNIGHT + 12 * DAY
    live = [one for one in state.view().windows[window] if one.closed and one.rows]
    files = of_files(tmp_path, frame, window)
    said, told = ([to_json(one)["drift"]["lasting"] for one in found] for found in (live, files))
    assert len(said) == len(told) == (9 if window == "1d" else 36)
    assert said == told
    assert told[-1]["feature:x"]["state"] == "drift"
    assert {one["state"] for name, one in told[-1].items() if name != "feature:x"} == {"not_found"}
