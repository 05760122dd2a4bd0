"""A window of two days, with a baseline of two: its rows tell what its days do not."""

from __future__ import annotations

from typing import Any

import driftline
import numpy as np
import pandas as pd
import pytest
from driftline_processor.core import facts
from driftline_processor.core.evaluation import ColumnDrift, Evaluation, Finding, State
from msgspec.structs import replace

from tests.support.unwrap import of_type, unwrap
from tests.support.verdict_examples import verdict_of_window
from tests.support.verdict_windows import window


def rows(rng: np.random.Generator, n: int, start: str) -> pd.DataFrame:
    score = 1 / (1 + np.exp(-8 * rng.normal(size=n)))
    time = pd.Timestamp(start) + pd.to_timedelta(np.sort(rng.uniform(0, 2, n)), unit="D")
    return pd.DataFrame(
        {"x": rng.normal(size=n), "score": score, "y": (rng.random(n) < score).astype(int), "time": time}
    )


def evaluated(*, time: bool, **more: Any) -> Evaluation:
    rng = np.random.default_rng(3)
    before, after = rows(rng, 1_000, "2026-03-02"), rows(rng, 500, "2026-03-04")
    if not time:
        before, after = before.drop(columns="time"), after.drop(columns="time")
    options: dict[str, Any] = {
        "task": "binary",
        "score": "score",
        "actual": "y",
        "positive_class": "1",
        "progress": False,
    } | more
    found: Any = driftline.evaluate(after, baseline=before, **options | ({"time": "time"} if time else {}))
    evaluation: Evaluation = found.result.evaluations[0]
    return evaluation


def test_a_window_knows_what_a_constant_is_worth_on_the_baseline() -> None:
    window = evaluated(time=True)
    rate = unwrap(window.reference["actual_rate"].value)
    entropy = -rate * np.log(rate) - (1 - rate) * np.log(1 - rate)
    assert window.skill["roc_auc"][1] == 0.5
    assert window.skill["log_loss"] == pytest.approx((window.reference["log_loss"].value, entropy))


def test_two_days_are_undecided_and_say_what_their_rows_alone_would_say() -> None:
    by_days, alone = evaluated(time=True), evaluated(time=False)
    change, without = by_days.realized_changes["log_loss"], alone.realized_changes["log_loss"]
    assert (change.state, change.reason, without.state, without.by_rows) == (
        "inconclusive",
        "too_few_days",
        "not_worse",
        None,
    )
    assert change.by_rows == pytest.approx((without.low, without.high), abs=1e-4)
    assert all(one.by_rows is None for name, one in by_days.realized_changes.items() if name != "log_loss")
    verdict = unwrap(by_days.verdict)
    assert of_type(verdict.reasons[0], facts.MayBeWorse).by_rows == change.by_rows
    advice = of_type(verdict.advice, facts.EvaluateLongerWindow)
    assert (advice.reason, advice.needed, advice.rows) == ("too_few_days", None, 500)


def test_the_days_with_outcomes_are_known_in_a_window_that_is_longer_than_the_rows() -> None:
    long = evaluated(time=True, window="30d")
    first, last = (pd.Timestamp(day).value for day in ("2026-03-04", "2026-03-06"))
    assert long.outcome_span == (first, last)
    assert (long.window.start, long.window.end) != long.outcome_span
    assert evaluated(time=False).outcome_span is None


@pytest.mark.parametrize("state", ["inconclusive", "within_normal_variation"])
def test_new_values_wait_for_no_days(state: State) -> None:
    new = Finding("out_of_range", ("age",), "major", 0.0, 0.48, 1e-12)
    column = ColumnDrift("feature", "age", state, "ks", 40, {}, reason="too_few_rows")
    undecided = window(0, features={"age": column}, findings=(new,))
    assert verdict_of_window(undecided).state == "at_risk"
    assert verdict_of_window(replace(undecided, findings=())).state == "unknown"
    few = replace(new, severity="minor")
    assert verdict_of_window(replace(undecided, findings=(few,))).state == "unknown"
