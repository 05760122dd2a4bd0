"""How long outcomes may take, as learned from the ages of those that have come."""

from __future__ import annotations

import numpy as np
import pytest
from driftline.tables.table import F64
from driftline_processor.core.labels.delay import (
    BOUNDS,
    FEW,
    UNKNOWN_DELAY,
    WIDTH,
    OutcomeDelay,
    Spread,
    fold_delays_by_age,
    learn_outcome_delay,
)
from driftline_processor.present.evaluation_json import json_of
from driftline_processor.present.sentences.outcomes import delay_sentence
from hypothesis import given
from hypothesis import strategies as st

from tests.support.facts import Facts, lacking

MINUTE, DAY = 60, 86_400
SECOND = 10**9


def ages(counted: dict[int, int]) -> F64:
    """Counts of outcomes of old predictions by the upper end of their delay in seconds."""
    counts = np.zeros((WIDTH, WIDTH))
    for age, outcomes in counted.items():
        counts[-1, BOUNDS.index(age)] += outcomes
    return counts


@pytest.mark.parametrize(
    ("counted", "seconds"),
    [
        ({2 * DAY: 1}, 2 * DAY),
        ({MINUTE: FEW - 2, 2 * DAY: 1}, 2 * DAY),
        ({MINUTE: 95, 2 * DAY: 5}, MINUTE),
        ({MINUTE: 94, 2 * DAY: 6}, 2 * DAY),
        ({0: 1000}, 0),
    ],
)
def test_of_few_outcomes_the_latest_decides_and_of_many_all_but_a_twentieth(
    counted: dict[int, int], seconds: int
) -> None:
    assert learn_outcome_delay(ages(counted), Spread()) == OutcomeDelay(
        seconds * SECOND, "learned", sum(counted.values())
    )


def test_without_outcomes_nothing_is_known() -> None:
    assert learn_outcome_delay(np.zeros((WIDTH, WIDTH)), Spread()) == UNKNOWN_DELAY
    assert json_of(UNKNOWN_DELAY) == {"seconds": None, "source": "unknown", "outcomes": None}


def test_what_came_later_than_the_last_bound_counts_as_that_bound() -> None:
    counts = np.zeros((WIDTH, WIDTH))
    counts[-1, -1] = 5
    assert learn_outcome_delay(counts, Spread()).nanoseconds == BOUNDS[-1] * SECOND


@given(st.lists(st.sampled_from(BOUNDS), min_size=1, max_size=300), st.sampled_from(BOUNDS))
def test_a_later_outcome_never_makes_the_delay_of_few_shorter(known: list[int], later: int) -> None:
    before = learn_outcome_delay(ages({age: known.count(age) for age in known}), Spread())
    after = learn_outcome_delay(ages({age: [*known, later].count(age) for age in [*known, later]}), Spread())
    share = np.mean(np.array([*known, later]) * SECOND <= after.nanoseconds)
    assert share >= 0.95
    if len(known) + 1 < FEW or later * SECOND >= before.nanoseconds:
        assert after.nanoseconds >= before.nanoseconds or len(known) + 1 == FEW


@pytest.mark.parametrize("history", [60, 90, 200])
def test_the_delay_of_a_young_model_is_not_that_of_its_fast_outcomes(history: int) -> None:
    """Defaults are known after a few days, repayments after 12 days and more: 95 % of all within 56 days."""
    rng = np.random.default_rng(history)
    made = np.sort(rng.uniform(0, history, 300 * history))
    is_default = rng.random(len(made)) < 0.1
    delay = np.where(is_default, 2 + rng.exponential(8, len(made)), 12 + rng.exponential(15, len(made)))
    known = made + delay <= history
    time, now = (made * DAY * SECOND).astype(np.int64), history * DAY * SECOND
    outcome_time = np.where(known, time + (delay * DAY * SECOND).astype(np.int64), 0)

    found = learn_outcome_delay(fold_delays_by_age(time, outcome_time, now), Spread())
    naive = np.quantile(delay[known], 0.95)
    assert found.outcomes == known.sum()
    assert found.nanoseconds == 60 * DAY * SECOND >= np.quantile(delay, 0.95) * DAY * SECOND
    assert history > 90 or naive < 45


def test_a_window_of_which_nearly_all_outcomes_are_known_waits_only_where_somebody_says_so() -> None:
    learned, said = OutcomeDelay(2 * DAY * SECOND, "learned", 500), OutcomeDelay(2 * DAY * SECOND, "configured")
    assert [learned.complete(coverage) for coverage in (None, 0.5, 0.95)] == [False, False, True]
    assert not said.complete(1.0)


@pytest.mark.parametrize(
    ("delay", "facts"),
    [
        (
            OutcomeDelay(2 * DAY * SECOND, "learned", 1),
            ("2d:", "only one"),
        ),
        (
            OutcomeDelay(2 * DAY * SECOND, "learned", 12),
            ("2d", "12 arrived"),
        ),
        (
            OutcomeDelay(3 * DAY * SECOND, "learned", 18_000),
            ("3d", "95 %", "18,000 arrived"),
        ),
        (OutcomeDelay(outcomes=700), ("unknown", "700")),
        (UNKNOWN_DELAY, ("unknown",)),
        (OutcomeDelay(0, "configured"), ("0s", "outcome_delay", "driftline.yaml")),
    ],
)
def test_a_sentence_says_how_long_and_who_says_so(delay: OutcomeDelay, facts: Facts) -> None:
    assert lacking(delay_sentence(delay, "churn"), "models.churn.outcome_delay", *facts) == []
