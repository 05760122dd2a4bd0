"""Predictions that a service sends again with a later time are named with the number of their ids."""

from __future__ import annotations

import pytest
from driftline_processor.cli.checks import hint_findings

from tests.support.state_rows import DAY, HOUR, MINUTE, NOON, Clock, Opened, predictions

SECOND = 10**9
IDS = [f"order-{number}" for number in range(100)]
SCORES = [number / 100 for number in range(100)]
HINT = (
    "The newest 300 predictions of churn have 100 ids: 200 repeat the id, the features and the result of one at most "
    "an hour earlier, and each counts; if the service retries its calls, send the time of the first call with each "
    "retry, or create an id per call."
)


def hints_about_ids(state: Opened, clock: Clock) -> list[str]:
    clock.now += MINUTE
    return [hint for hint in state.view().hints if "repeat the id" in hint]


def send(state: Opened, times: list[int], ids: list[str] = IDS, moved: float = 0, age: int = 0) -> None:
    """Send the rows once at each time; each further call adds to their scores and ages."""
    for call, time in enumerate(times):
        ages = [row + call * age for row in range(len(ids))]
        scores = [score + call * moved for score in SCORES[: len(ids)]]
        state.send(predictions(ids, time, scores, features={"age": ages}))


def test_calls_that_are_retried_are_named_with_the_number_of_ids(state: Opened, clock: Clock) -> None:
    send(state, [NOON - 2 * SECOND, NOON - SECOND, NOON])
    assert hints_about_ids(state, clock) == [HINT]
    assert [finding.what for finding in hint_findings([HINT])] == ["predictions arrive more than once"]


@pytest.mark.parametrize(
    "change",
    [
        {"times": [NOON, NOON, NOON]},  # the fix: each retry has the time of the first call
        {"times": [NOON - 3 * HOUR, NOON - HOUR - 1, NOON]},
        {"times": [NOON - 2 * DAY, NOON - DAY, NOON]},
        {"times": [NOON - 2, NOON - 1, NOON], "moved": 0.001},
        {"times": [NOON - 2, NOON - 1, NOON], "age": 1},
        {"times": [NOON - 2, NOON - 1, NOON], "ids": [""] * 100},
    ],
)
def test_other_rows_and_later_calls_with_the_same_ids_are_no_retries(
    state: Opened, clock: Clock, change: dict[str, object]
) -> None:
    send(state, **change)  # type: ignore[arg-type]
    assert hints_about_ids(state, clock) == []


@pytest.mark.parametrize(("retried", "named"), [(2, False), (3, True)])
def test_single_retries_are_no_hint(state: Opened, clock: Clock, retried: int, named: bool) -> None:
    state.send(predictions([f"other-{number}" for number in range(150)], NOON - MINUTE))
    send(state, [NOON - SECOND])
    send(state, [NOON], IDS[:retried])
    assert bool(hints_about_ids(state, clock)) is named


def test_an_id_of_two_versions_is_a_prediction_of_each(state: Opened, clock: Clock) -> None:
    for version in ("1", "2"):
        state.send(predictions(IDS, NOON, SCORES, version=version))
    assert hints_about_ids(state, clock) == []


def test_the_store_is_read_once_a_minute(state: Opened, clock: Clock) -> None:
    send(state, [NOON - SECOND])
    assert hints_about_ids(state, clock) == []
    send(state, [NOON])
    assert not any("repeat the id" in hint for hint in state.view().hints)
    assert len(hints_about_ids(state, clock)) == 1
