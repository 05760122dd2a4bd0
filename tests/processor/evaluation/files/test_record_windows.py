"""The windows of the record: a model in files has one verdict, however its rows are cut into windows."""

from __future__ import annotations

from typing import Any

import driftline
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from driftline_processor.core.windows.window import DAY
from driftline_processor.evaluation.files import evaluate as evaluation
from driftline_processor.evaluation.files import weak_slices, windows
from driftline_processor.evaluation.files.evaluate import EvaluationResult, evaluate_files
from driftline_processor.evaluation.files.evaluate_options import EvaluationOptions
from driftline_processor.evaluation.files.inputs import EvaluationInputs
from driftline_processor.readers.memory import MemoryRows

from tests.support.slow import slow

CUTS: tuple[dict[str, Any], ...] = ({}, {"window": "1w"}, {"window": "1d"}, {"window": "12h"}, {"window_rows": 700})


def rows(days: int, a_day: int, seed: int, worse_from: int | None = None) -> pd.DataFrame:
    """Return rows of a model; from a day on, its outcomes are those of other rows."""
    rng = np.random.default_rng(seed)
    day = np.sort(rng.uniform(0, days, days * a_day))
    score = rng.beta(1.5, 1.5, len(day))
    actual = rng.random(len(day)) < score
    if worse_from is not None:
        actual[day >= worse_from] = rng.permutation(actual[day >= worse_from])
    return pd.DataFrame(
        {"ts": pd.Timestamp("2026-03-02") + pd.to_timedelta(day, "D"), "x": score, "score": score, "y": actual * 1}
    )


def evaluate(frame: pd.DataFrame, **cut: Any) -> EvaluationResult:
    baseline = rows(28, 200, seed=1)
    report: Any = driftline.evaluate(
        frame, baseline=baseline, task="binary", score="score", actual="y", time="ts", **cut
    )
    result: EvaluationResult = report.result
    return result


@pytest.mark.parametrize(
    ("a_day", "worse_from", "state"), [slow(100, 14, "degraded"), slow(20, 14, "degraded"), slow(100, None, "healthy")]
)
def test_the_verdict_does_not_depend_on_the_windows(a_day: int, worse_from: int | None, state: str) -> None:
    frame = rows(28, a_day, 2, worse_from)
    verdicts = [evaluate(frame, **cut).verdict for cut in CUTS]
    assert [one.state for one in verdicts] == [state] * len(CUTS)
    assert all(one == verdicts[0] for one in verdicts)


def test_a_drawn_window_has_the_verdict_as_of_its_end() -> None:
    frame = rows(14, 100, 2, worse_from=7)
    days = {one.window.end: one.verdict for one in evaluate(frame, window="1d").evaluations}
    halves = evaluate(frame, window="12h").evaluations
    first, *later = [one.verdict for one in halves]
    assert first is not None
    assert first.state == "unknown"  # no day had ended
    ends = [one.window.end // DAY * DAY for one in halves[1:]]
    assert later == [days[end] for end in ends]


def of_weeks(days: int, seed: int, start: str) -> MemoryRows:
    """Return 500 rows per day of a model with one feature."""
    random, n = np.random.default_rng(seed), 500 * days
    x = random.normal(size=n)
    score = 1 / (1 + np.exp(-x))
    time = pd.Timestamp(start) + pd.to_timedelta(np.sort(random.uniform(0, days, n)), unit="D")
    frame = pd.DataFrame({"time": time, "x": x, "score": score, "label": (random.random(n) < score).astype(int)})
    return MemoryRows("rows", pa.Table.from_pandas(frame))


def evaluated(window: str = "") -> EvaluationResult:
    options = EvaluationOptions(task="binary", time="time", score=("score",), actual="label", window=window)
    inputs = EvaluationInputs([of_weeks(14, 2, "2026-03-02")], of_weeks(7, 1, "2026-01-05"))
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
    calls, evaluations = (
        counted(monkeypatch, weak_slices, "weak_slices"),
        counted(monkeypatch, evaluation, "_judge_windows"),
    )
    result = evaluated(window)
    assert len(evaluations) > 1  # days and weeks belong to the record, whichever are drawn
    assert len(calls) == searches == len(result.evaluations)
    assert all(one.weak is not None for one in result.evaluations)


@pytest.mark.slow
def test_rows_are_cut_once_per_length(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = counted(monkeypatch, windows, "_by_time")
    evaluated()
    lengths = [length for _, _, length, *_ in calls]
    assert sorted(lengths) == sorted(set(lengths))
