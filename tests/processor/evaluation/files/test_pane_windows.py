"""Panes of a table with a sample of its rows give the states, metrics and drift of the same rows in files."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from driftline.baseline.baseline import Baseline
from driftline.batch_panes import make_panes
from driftline_processor.evaluation.files.evaluate import EvaluationResult, evaluate_files, evaluate_panes
from driftline_processor.evaluation.files.evaluate_options import EvaluationOptions
from driftline_processor.evaluation.files.inputs import EvaluationInputs
from driftline_processor.readers.errors import BadInput
from driftline_processor.readers.memory import MemoryBaseline, MemoryRows

from tests.support.slow import slow

DAY = 86_400 * 10**9
START = 20_000 * DAY
DAYS, ROWS = 4, 1_500
SCORES = ["score_a", "score_b", "score_c"]
OF_ORDER = {"roc_auc", "pr_auc", "ks", "gini", "lift", "gain", "roc_auc_ovr", "average_precision"}


def rows(task: str, seed: int) -> pd.DataFrame:
    """Rows of some days; on the last one the age has shifted, and the outcomes are worse."""
    random, n = np.random.default_rng(seed), DAYS * ROWS
    day = np.repeat(np.arange(DAYS), ROWS)
    shifted = day == DAYS - 1
    age = random.normal(35, 10, n) + 10 * shifted
    score = 1 / (1 + np.exp(-(age - 38) / 8 - random.normal(0, 0.5, n)))
    frame = pd.DataFrame({"age": np.where(random.random(n) < 0.02, np.nan, age)})
    frame["plan"] = random.choice(["basic", "pro", "team"], n, p=[0.6, 0.3, 0.1])
    if task == "multiclass":
        scores = random.dirichlet([2, 2, 2], n) * 0.4 + 0.6 * np.eye(3)[random.integers(0, 3, n)]
        scores /= scores.sum(axis=1, keepdims=True)
        frame[SCORES] = scores
        frame["actual"] = np.array(["a", "b", "c"], object)[(random.random(n)[:, None] > scores.cumsum(axis=1)).sum(1)]
    elif task == "regression":
        frame["score"], frame["actual"] = age * 2, age * 2 + random.normal(5 * shifted, 3)
    else:
        frame["score"] = score
        frame["actual"] = (random.random(n) < np.where(shifted, 0.5, score)).astype(float)
    frame["time"] = pd.to_datetime(START + day * DAY + random.integers(0, DAY, n), utc=True)
    frame.loc[random.random(n) < 0.1, "actual"] = None
    return frame


def baseline_of(task: str, slices: tuple[str, ...] = ()) -> Baseline:
    role: dict[str, Any] = {"predicted" if task == "regression" else "score": "score"}
    if task == "multiclass":
        role = {"score": SCORES, "classes": ("a", "b", "c")}
    return Baseline.from_frame(
        rows(task, 1), **role, actual="actual", model="churn", task=task, features=["age", "plan"],
        time="time", slices=slices,
    )  # fmt: skip


def both(
    task: str, sampled: int, window: str = "1d", span: Any = "1h", zone: str = "UTC", slices: tuple[str, ...] = ()
) -> tuple[EvaluationResult, EvaluationResult]:
    """Return the evaluation of all rows, and that of their panes with a sample of the rows."""
    baseline, frame = baseline_of(task, slices), rows(task, 2)
    options = EvaluationOptions(window=window, slices=slices, timezone=zone)
    table = pa.Table.from_pandas(frame, preserve_index=False)
    files = evaluate_files(EvaluationInputs([MemoryRows("t", table)], MemoryBaseline(baseline)), options, print)
    made = make_panes(frame, baseline, slices=slices, span=span, timezone=zone)
    some = table.take(np.sort(np.random.default_rng(3).permutation(len(frame))[:sampled]))
    return files, evaluate_panes(made, baseline, options, some, len(frame), print)


def same_numbers(one: object, other: object, where: str, leave: set[str]) -> None:
    """Assert that two answers are equal, numbers to 1e-11."""
    if isinstance(one, dict) and isinstance(other, dict):
        assert one.keys() == other.keys(), where
        for key in one.keys() - leave:
            same_numbers(one[key], other[key], f"{where}.{key}", leave)
    elif isinstance(one, list) and isinstance(other, list):
        assert len(one) == len(other), where
        for index, (left, right) in enumerate(zip(one, other, strict=True)):
            same_numbers(left, right, f"{where}[{index}]", leave)
    elif isinstance(one, float) and isinstance(other, float):
        assert other == pytest.approx(one, rel=1e-9, abs=1e-11), where
    else:
        assert one == other, f"{where}: {one!r} {other!r}"


@pytest.mark.parametrize(
    ("task", "window", "span", "zone", "slices"),
    [
        ("binary", "1d", "1h", "UTC", ("plan",)),
        slow("multiclass", "1d", "1h", "UTC", ("plan",)),
        slow("regression", "1d", "1h", "Asia/Kolkata", ()),
        slow("binary", "1h", "5m", "UTC", ()),
        ("binary", "2d", "1h", "UTC", ()),
    ],
)
def test_a_sample_of_all_rows_gives_the_evaluation_of_the_rows(
    task: str, window: str, span: str, zone: str, slices: tuple[str, ...]
) -> None:
    files, panes = both(task, DAYS * ROWS, window, span, zone, slices)
    expected, found = files.to_json(), panes.to_json()
    assert found.pop("sample") == {"rows": DAYS * ROWS, "total": DAYS * ROWS}
    same_numbers(expected, found, "", set())


@pytest.mark.parametrize("task", ["binary", slow("multiclass"), slow("regression")])
def test_a_small_sample_gives_the_states_drift_and_metrics_of_all_rows(task: str) -> None:
    files, panes = both(task, 900, slices=("plan",))
    assert panes.sample == (900, DAYS * ROWS)
    assert [one.rows for one in panes.evaluations] == [one.rows for one in files.evaluations]
    for one, other in zip(files.to_json()["windows"], panes.to_json()["windows"], strict=True):
        same_numbers(one["drift"], other["drift"], "drift", set())
        for name, value in one["performance"]["realized"].items():
            if name.partition("@")[0] not in OF_ORDER:
                same_numbers(value, other["performance"]["realized"][name], name, {"source"})
        assert one["verdict"]["state"] == other["verdict"]["state"]


def test_what_cannot_be_evaluated_is_refused() -> None:
    baseline, frame = baseline_of("binary"), rows("binary", 2)
    table, made = pa.Table.from_pandas(frame), make_panes(frame, baseline, span="1d")
    with pytest.raises(BadInput, match="the panes are counted over another baseline"):
        evaluate_panes(made, baseline_of("regression"), EvaluationOptions(window="1d"), table, 1, print)
    with pytest.raises(BadInput, match="panes of 1d need windows of at least this length"):
        evaluate_panes(made, baseline, EvaluationOptions(window="1h"), table, 1, print)
    with pytest.raises(BadInput, match="lake: the table has no rows with a time"):
        evaluate_panes(made, baseline, EvaluationOptions(window="1d"), table.slice(0, 0), 1, print, name="lake")
