"""Models of each task whose errors can be estimated."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from driftline.baseline.baseline import Baseline

from tests.support.state_rows import HOUR, NOON

CLASSES = ("a", "b", "c")


def frame(kind: str, n: int, seed: int, shift: float = 0.0) -> pd.DataFrame:
    """Return rows of two hours, with their outcomes."""
    rng = np.random.default_rng(seed)
    age = rng.uniform(0, 20, n) + shift
    rows: dict[str, Any] = {"age": age, "time": (NOON + np.sort(rng.integers(0, 2 * HOUR, n))) / 1e9}
    if kind == "binary":
        p = 1 / (1 + np.exp(-(age - 10) / 3))
        rows |= {"score": p, "actual": (rng.random(n) < p**1.3).astype(int)}
    elif kind == "multiclass":
        raw = np.exp(np.column_stack([age / 5, (20 - age) / 5, np.ones(n)]))
        p = raw / raw.sum(axis=1, keepdims=True)
        actual = np.array(CLASSES)[[rng.choice(3, p=row) for row in p]]
        rows |= {**{f"p_{name}": p[:, at] for at, name in enumerate(CLASSES)}, "actual": actual}
    else:
        rows |= {"score": 100 + 10 * age, "actual": 100 + 10 * age + rng.normal(0, 1, n) * (1 + age)}
    return pd.DataFrame(rows)


def scores_of(kind: str) -> str | list[str]:
    """Return the columns that hold the scores of a task."""
    return [f"p_{name}" for name in CLASSES] if kind == "multiclass" else "score"


def build(kind: str) -> Baseline:
    """Return a baseline of three thousand rows with outcomes."""
    classes: dict[str, list[object]] = {"binary": [0, 1], "multiclass": list(CLASSES)}
    return Baseline.from_frame(
        frame(kind, 3_000, 1), score=scores_of(kind), actual="actual", time="time", features=["age"],
        model="churn", version="1", task=kind,
        classes=classes.get(kind),
    )  # fmt: skip
