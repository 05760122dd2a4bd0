"""Prediction times that cannot be right are named in the verdict and on the page, with their fix."""

from __future__ import annotations

import pytest
from driftline_processor.core import facts
from driftline_processor.core.windows.improbable_times import UNITS

from tests.support.state_rows import DAY, HOUR, NOON, Clock, Opened, outcomes, predictions
from tests.support.unwrap import of_type, unwrap

IDS = [f"{number:08d}" for number in range(400)]


@pytest.mark.parametrize(
    ("share", "dated", "kind"),
    [
        (1.0, NOON + 33 * HOUR, "ahead"),
        (0.5, NOON + 400 * DAY, "refused"),
        (0.5, -DAY, "refused"),
        (0.04, NOON + 400 * DAY, ""),
    ],
)
def test_times_of_the_future_are_named(state: Opened, share: float, dated: int, kind: str) -> None:
    odd = round(400 * share)
    times = [dated] * odd + [NOON - 2 * DAY + at * 10**9 for at in range(400 - odd)]
    state.send(predictions(IDS, times))
    state.send(outcomes(IDS, [at % 2 for at in range(400)], [NOON - DAY] * 400))
    verdict = unwrap(state.view().verdict)
    named = [reason.times for reason in verdict.reasons if isinstance(reason, facts.ImprobableTimes)]
    assert [times.kind for times in named] == ([kind] if kind else [])
    assert all(times.rows == 400 and odd == (times.ahead if kind == "ahead" else times.refused) for times in named)
    assert (unwrap(verdict.advice).kind == "correct_times") == bool(kind)
    assert any("newest predictions" in hint for hint in state.view().hints) == bool(kind)


@pytest.mark.parametrize(("unit", "length"), UNITS.items())
def test_times_in_another_unit_are_named_with_their_unit(state: Opened, unit: str, length: int) -> None:
    usual = [NOON - HOUR + at * 10**9 for at in range(400)]
    state.send(predictions(IDS, [time // length if at % 4 == 0 else time for at, time in enumerate(usual)]))
    verdict = unwrap(state.view().verdict)
    (times,) = [reason.times for reason in verdict.reasons if isinstance(reason, facts.ImprobableTimes)]
    assert (times.kind, times.misread, times.unit) == ("unit", 100, unit)
    assert of_type(verdict.advice, facts.CorrectTimes).times == "unit"
    dated = f"100 of its 400 newest predictions are dated 1970, because their times are {unit}, not nanoseconds"
    assert f"{dated}; send the times of its predictions in nanoseconds." in state.view().hints


def test_a_replay_of_old_rows_is_not_another_unit(state: Opened) -> None:
    state.send(predictions(IDS, [UNITS["seconds"] * 946_684_800 + at for at in range(400)]))
    assert not any("newest predictions" in hint for hint in state.view().hints)


def test_times_that_could_not_be_read_are_named(state: Opened) -> None:
    table = predictions(IDS, [NOON - 60 * 10**9 + at for at in range(400)])
    table.undated = 399
    state.send(table)
    verdict = unwrap(state.view().verdict)
    assert of_type(verdict.cause, facts.ImprobableTimes).times.undated == 399
    assert verdict.advice == facts.CorrectTimes("undated")


def test_they_are_forgotten_two_days_later(state: Opened, clock: Clock) -> None:
    state.send(predictions(IDS, NOON + HOUR))
    assert unwrap(state.view().verdict).reasons[-1].kind == "improbable_times"
    clock.now = NOON + 3 * DAY
    state.send(predictions([f"later-{id}" for id in IDS], NOON + 3 * DAY))
    assert unwrap(state.view().verdict).reasons[-1].kind != "improbable_times"
