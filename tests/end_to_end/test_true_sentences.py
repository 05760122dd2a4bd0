"""Sentences are true of the rows, and do not contradict themselves: planted histories, recomputed with pandas."""

from __future__ import annotations

import pytest

from benchmarks.right_or_wrong.causes import FAULTS, evaluate, planted_rows
from tests.support.recomputation import Rows, contradictions
from tests.support.verdict_windows import verdict_of_model

QUICK = ("covariate", "stuck")


@pytest.mark.parametrize(
    "fault", [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in FAULTS]
)
def test_the_numbers_of_a_history_are_those_of_its_rows_and_nothing_contradicts_itself(fault: str) -> None:
    baseline, rows = planted_rows(FAULTS[fault], 41)
    known = Rows(baseline, rows)
    evaluations = evaluate(baseline, rows)
    windows = {(one.window.start, one.window.end): one for one in evaluations}
    faults = []
    for day, evaluation in enumerate(evaluations):
        verdict = verdict_of_model(evaluations[: day + 1])
        faults += [f"day {day}: {one}" for one in known.false_numbers(evaluation, verdict)]
        for one in (verdict, evaluation.verdict):
            if one is not None:
                own = windows.get((one.window_start or 0, one.window_end or 0))
                faults += [f"day {day}: {contradiction}" for contradiction in contradictions(one, own)]
    assert faults == []
