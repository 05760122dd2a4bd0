"""The windows of the record, which are evaluated in addition to the drawn ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from driftline_processor.evaluation.files import evaluate, weak_slices, windows
from driftline_processor.evaluation.files.evaluate import EvaluationResult, evaluate_files
from driftline_processor.evaluation.files.evaluate_options import EvaluationOptions
from driftline_processor.evaluation.files.inputs import EvaluationInputs
from driftline_processor.readers.memory import MemoryRows


def rows(days: int, seed: int, start: str) -> MemoryRows:
    """Return 500 rows per day of a model with one feature."""
    random, n = np.random.default_rng(seed), 500 * days
    x = random.normal(size=n)
    score = 1 / (1 + np.exp(-x))
    time = pd.Timestamp(start) + pd.to_timedelta(np.sort(random.uniform(0, days, n)), unit="D")
    frame = pd.DataFrame({"time": time, "x": x, "score": score, "label": (random.random(n) < score).astype(int)})
    return MemoryRows("rows", pa.Table.from_pandas(frame))


def evaluated(window: str = "") -> EvaluationResult:
    options = EvaluationOptions(task="binary", time="time", score=("score",), actual="label", window=window)
    inputs = EvaluationInputs([rows(14, 2, "2026-03-02")], rows(7, 1, "2026-01-05"))
    return evaluate_files(inputs, options, lambda _: None)


def counted(patch: pytest.MonkeyPatch, module: Any, name: str) -> list[Any]:
    """Return a list that gets the arguments of each call of a function."""
    calls, function = list[Any](), getattr(module, name)

    def call(*arguments: Any, **named: Any) -> Any:
        calls.append(arguments)
        return function(*arguments, **named)

    patch.setattr(module, name, call)
    return calls


@pytest.mark.slow
@pytest.mark.parametrize(("window", "searches"), [("", 1), ("1d", 14)])
def test_weak_slices_are_searched_in_drawn_windows_only(
    monkeypatch: pytest.MonkeyPatch, window: str, searches: int
) -> None:
    calls, judged = counted(monkeypatch, weak_slices, "weak_slices"), counted(monkeypatch, evaluate, "_judge_windows")
    result = evaluated(window)
    assert len(judged) > 1  # days and weeks belong to the record, whichever are drawn
    assert len(calls) == searches == len(result.evaluations)
    assert all(one.weak is not None for one in result.evaluations)


@pytest.mark.slow
def test_rows_are_cut_once_per_length(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = counted(monkeypatch, windows, "_by_time")
    evaluated()
    lengths = [length for _, _, length, *_ in calls]
    assert sorted(lengths) == sorted(set(lengths))
