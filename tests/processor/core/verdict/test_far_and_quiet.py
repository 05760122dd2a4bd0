"""A distance that every peer calls drift never stands beside a quiet word without the sentence that says why."""

from __future__ import annotations

import json

import numpy as np
import pytest
from driftline.baseline.baseline import Baseline
from driftline.baseline.from_frame import table_from_frame
from driftline.panes.fold import fold
from driftline.tables.table import ModelKey
from driftline_processor.core.evaluation import Evaluation
from driftline_processor.core.judge_window import ModelWindow, judge_window
from driftline_processor.core.reference.reference import Reference
from driftline_processor.core.windows.window import DAY, Window
from driftline_processor.present.evaluation_json import to_json

from tests.support.verdict_examples import verdict_of_window

FAR = 1.0
"""A PSI that nobody overlooks."""

START = 1_772_323_200_000_000_000


def any_window(seed: int) -> Evaluation:
    """Return a window of few or many rows, of a baseline of few or many days, of which some inputs drifted."""
    rng = np.random.default_rng(seed)
    days, rows, features = int(rng.integers(1, 20)), int(rng.integers(60, 400)), int(rng.integers(1, 5))
    alike, moved = rng.choice([0.0, 0.1, 0.5]), rng.choice([0.0, 0.5, 2.0, 6.0])
    names = [f"x{at}" for at in range(features)]

    def drawn(n: int, shift: float) -> dict[str, np.ndarray[tuple[int, ...], np.dtype[np.float64]]]:
        level = rng.normal(0, np.sqrt(alike), features)
        x = rng.normal(size=(n, features)) * np.sqrt(1 - alike) + level
        x[:, 0] += shift
        return {**dict(zip(names, x.T, strict=True)), "p": 1 / (1 + np.exp(-x[:, 0]))}

    past = [drawn(rows, 0.0) for _ in range(days)]
    frame = {name: np.concatenate([one[name] for one in past]) for name in past[0]}
    dated = bool(rng.random() < 0.7)
    time = START - np.repeat(np.arange(days, 0, -1), rows) * DAY if dated else None
    baseline = Baseline.from_frame(
        frame, score="p", features=names, model="m", task="binary", classes=["0", "1"], positive_class="1", time=time
    )
    table, *_ = table_from_frame(
        drawn(int(rng.integers(5, 600)), moved), score="p", features=names, model="m", task="binary", classes=[0, 1]
    )
    window = Window("1d", START, START + DAY)
    return judge_window(ModelWindow(ModelKey("m"), window, fold(table, baseline.bins)), Reference(baseline))


@pytest.mark.slow
@pytest.mark.parametrize("first", range(0, 120, 20))
def test_far_is_drift_or_says_why_it_is_not(first: int) -> None:
    far = 0
    for seed in range(first, first + 20):
        evaluation = any_window(seed)
        told = json.loads(json.dumps(to_json(evaluation)))["drift"]
        columns = {**evaluation.features, "": evaluation.score}
        for name, column in columns.items():
            psi = None if column is None else column.methods.get("psi")
            if column is None or psi is None or psi.value is None or psi.value < FAR:
                continue
            far += 1
            said = told["score"] if name == "" else told["features"][name]
            assert column.state != "ok", (seed, name)
            assert said["state"] == column.state
            if column.state != "drift":
                assert column.state in ("within_normal_variation", "inconclusive"), (seed, name)
                assert said["reason"] or said["p_normal_variation"] is not None, (seed, name)
        if any(one.state == "drift" and one.size == "large" for one in evaluation.features.values()):
            assert verdict_of_window(evaluation).state in ("at_risk", "degraded"), seed
    assert far, "no window of these is far"
