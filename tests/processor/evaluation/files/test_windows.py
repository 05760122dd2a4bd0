"""Rows cut into windows and time steps, and the coarse counts of steps."""

from __future__ import annotations

import numpy as np
import pytest
from driftline.baseline.baseline import Baseline
from driftline.panes.pane import Pane
from driftline_processor.core.windows.window import DAY, Window
from driftline_processor.evaluation.files.windows import StepCounts, WindowSteps


def baseline() -> Baseline:
    random = np.random.default_rng(1)
    frame = {"x": random.normal(size=2_000), "score": random.normal(size=2_000)}
    return Baseline.from_frame(frame, score="score", features=["x"], model="m", task="regression")


@pytest.mark.parametrize("weighted", [False, True])
def test_counts_of_pieces_do_not_depend_on_how_many_are_added_at_once(weighted: bool) -> None:
    built, random, pieces = baseline(), np.random.default_rng(2), 150
    starts = np.arange(50) * DAY
    step = random.integers(0, 50, pieces)  # several pieces have one step
    steps = WindowSteps(starts, starts + DAY, np.arange(pieces), step, [])
    panes = [
        Pane(
            {
                part: random.random(len(sums)) if weighted else random.integers(0, 9, len(sums)).astype(float)
                for part, sums in built.pane.parts.items()
                if part.startswith("feature:") and random.random() < 0.9  # some panes lack a part
            }
        )
        for _ in range(pieces)
    ]
    together, alone = StepCounts(steps, built), StepCounts(steps, built)
    together.add(range(pieces), panes)
    for index, pane in enumerate(panes):
        alone.add([index], [pane])
    found, expected = (one.until(Window("", 0, 50 * DAY), "UTC", ["feature:x"]) for one in (together, alone))
    assert found is not None
    assert expected is not None
    assert found.starts.tolist() == expected.starts.tolist()
    assert np.array_equal(found.of["feature:x"], expected.of["feature:x"])
    total = sum(pane.parts["feature:x"].sum() for pane in panes if "feature:x" in pane.parts)
    assert found.of["feature:x"].sum() == pytest.approx(total, rel=1e-12)
