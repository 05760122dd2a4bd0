"""What evidence/second_faults.json promises of a second fault is what was measured, and a few histories agree."""

from __future__ import annotations

import numpy as np
import pytest

from simulations.second_faults import SECOND_FAULTS, Ending, history, is_right, is_right_after, verdict

MEASURED = SECOND_FAULTS.figures()


def test_two_faults_are_told_right_and_one_alone() -> None:
    assert MEASURED["second-none"]["windows"] == MEASURED["second-two"]["windows"] == 120
    assert MEASURED["second-none"]["more"] <= 0.03
    assert MEASURED["second-two"]["right"] >= 0.9
    assert MEASURED["second-ended"]["right"] >= 0.85


@pytest.mark.slow
@pytest.mark.parametrize(("first", "second"), [("bias", "recoded"), ("unit", "missing"), ("concept", "constant")])
@pytest.mark.parametrize("regression", [False, True])
def test_a_history_is_told_right(first: str, second: str, regression: bool) -> None:
    drawn = history(np.random.default_rng(7), first, second, 8, regression=regression)
    assert is_right(verdict(drawn, regression=regression), drawn, first, second)


@pytest.mark.slow
@pytest.mark.parametrize(("first", "second"), [("recoded", "missing"), ("missing", "recoded"), ("bias", "recoded")])
@pytest.mark.parametrize("is_first", [False, True])
def test_what_is_left_of_two_faults_is_told_right(first: str, second: str, is_first: bool) -> None:
    ending = Ending(first if is_first else second, 8)
    drawn = history(np.random.default_rng(7), first, second, 8, regression=True, ending=ending)
    assert is_right_after(verdict(drawn, regression=True), drawn, first, second, ending.fault)
