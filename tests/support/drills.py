"""A small traffic that a test makes up, for drills."""

from __future__ import annotations

import numpy as np
from driftline.tables.table import Column, ModelKey
from driftline.tables.task import Task
from driftline_processor.core.windows.window import DAY
from driftline_processor.replay.traffic import Traffic

from tests.support.state_rows import BINARY

START = 20_000 * DAY


def traffic(days: int = 10, rows: int = 100, task: Task = BINARY) -> Traffic:
    """Return the traffic of some days, with outcomes an hour after each prediction."""
    n = days * rows
    rng = np.random.default_rng(7)
    time = START + np.arange(n, dtype=np.int64) * (DAY // rows)
    scores = rng.random((n, 1))
    number = scores[:, 0] + rng.normal(size=n)
    actual = (
        Column(numbers=number)
        if task.predicts_number
        else Column(codes=(rng.random(n) < scores[:, 0]).astype(np.int32), categories=("0", "1"))
    )
    return Traffic(
        key=ModelKey("churn", "1"),
        task=task,
        time=time,
        number=np.arange(n, dtype=np.int64),
        features={
            "age": Column(numbers=rng.normal(40.0, 5.0, n)),
            "income": Column(numbers=rng.normal(5_000.0, 500.0, n)),
            "plan": Column(codes=rng.integers(0, 2, n).astype(np.int32), categories=("basic", "pro")),
        },
        scores=scores,
        actual=actual,
        outcome_time=time + DAY // 24,
        duration=np.full(n, 0.02),
    )
