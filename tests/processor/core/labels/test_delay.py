"""Delays of outcomes, and an SLA on them."""

from __future__ import annotations

import numpy as np
import pytest
from driftline.panes.pane import Pane, merge
from driftline_processor.core.labels.delay import BOUNDS, PART, Sla, delay_of, fold_delays, judge_sla
from hypothesis import given
from hypothesis import strategies as st

from tests.support.unwrap import unwrap

SECOND, DAY = 10**9, 86_400 * 10**9


def pane(delays: list[float]) -> Pane:
    time = np.full(len(delays), 1_700_000_000 * SECOND)
    heard = time + (np.array(delays, dtype=np.float64) * SECOND).astype(np.int64)
    return Pane({PART: fold_delays(time, heard, np.zeros(len(delays), np.int64), 1).dense(1)[0]})


def test_bounds_increase() -> None:
    assert list(BOUNDS) == sorted(set(BOUNDS))


@given(st.lists(st.floats(-100, 4e7), min_size=1, max_size=50))
def test_quantiles_are_those_of_the_delays_up_to_their_bounds(delays: list[float]) -> None:
    found = unwrap(delay_of(pane(delays)))
    assert found.rows == len(delays)
    for share, said in ((0.5, found.median), (0.9, found.p90), (0.99, found.p99)):
        exact = max(0.0, np.quantile(delays, share, method="inverted_cdf"))
        upper = next((bound for bound in BOUNDS if bound >= exact), None)
        assert said in (upper, next((bound for bound in BOUNDS if bound >= exact - 1e-9), None))


def test_delays_of_panes_add_up() -> None:
    assert delay_of(merge([pane([1.0, 2.0]), pane([300.0])])) == delay_of(pane([1.0, 2.0, 300.0]))
    assert delay_of(Pane()) is None


@pytest.mark.parametrize(
    ("delays", "rows", "age", "state", "low", "high"),
    [
        ([1.0] * 9, 10, 8 * DAY, "met", 0.9, 0.9),
        ([1.0] * 8 + [8 * 86_400.0], 10, 9 * DAY, "broken", 0.8, 0.8),
        ([1.0] * 8, 10, 2 * DAY, "inconclusive", 0.8, 1.0),  # two may still come in time
        ([1.0] * 8, 10, None, "broken", 0.8, 0.8),  # a file ends
        ([1.0] * 9, 10, 0, "met", 0.9, 1.0),
        ([], 10, 8 * DAY, "broken", 0.0, 0.0),
    ],
)
def test_what_came_in_time_keeps_the_agreement(
    delays: list[float], rows: int, age: int | None, state: str, low: float, high: float
) -> None:
    kept = unwrap(judge_sla(pane(delays) if delays else Pane(), rows, age, Sla(7 * DAY, 0.9)))
    assert kept.state == state
    assert (kept.low, kept.high) == pytest.approx((low, high))


def test_between_two_bounds_nobody_can_tell() -> None:
    kept = unwrap(judge_sla(pane([8.5 * 86_400.0] * 10), 10, None, Sla(9 * DAY, 0.9)))
    assert (kept.state, kept.low, kept.high) == ("inconclusive", 0.0, 1.0)
    assert judge_sla(Pane(), 0, None, Sla(DAY, 0.5)) is None
