"""The panes in which rows of a model arrived: read from what is stored, kept for four weeks."""

from __future__ import annotations

from driftline_processor.core.windows.window import PANE
from driftline_processor.ingest.transaction import KEPT

from tests.support.state_fixtures import Open
from tests.support.state_rows import DAY, NOON, Clock, Opened, predictions


def panes(state: Opened, *series: int) -> list[int]:
    known = state.state.parts.intake.arrivals.of(series or [one.number for one in state.state.parts.intake.series])
    return [(pane - NOON) // PANE for pane in known.tolist()]


def test_a_pane_counts_once_and_is_known_after_a_restart(open_state: Open, clock: Clock) -> None:
    state = open_state()
    for row, at in enumerate((0, 1, PANE - 1, PANE, 7 * PANE)):
        clock.now = NOON + at
        state.send(predictions([str(row)], NOON - DAY))
    assert panes(state) == [0, 1, 7]
    assert panes(open_state()) == [0, 1, 7]


def test_what_is_older_than_four_weeks_is_forgotten(open_state: Open, clock: Clock) -> None:
    state = open_state()
    state.send(predictions(["old"]))
    clock.now += KEPT + 2 * DAY
    state.send(predictions(["new"], clock.now))
    assert panes(state) == [(KEPT + 2 * DAY) // PANE]
    assert panes(open_state()) == [(KEPT + 2 * DAY) // PANE]


def test_a_clock_that_goes_back_leaves_panes_in_order(open_state: Open, clock: Clock) -> None:
    state = open_state()
    for row, at in enumerate((5, 0, 5)):
        clock.now = NOON + at * PANE
        state.send(predictions([str(row)]))
    assert panes(state) == [0, 5]


def test_series_are_known_apart_and_together(open_state: Open, clock: Clock) -> None:
    state = open_state()
    state.send(predictions(["a"], version="1"))
    clock.now += PANE
    state.send(predictions(["a"], version="2"))
    first, second = (one.number for one in state.state.parts.intake.series)
    assert (panes(state, first), panes(state, second), panes(state, first, second)) == ([0], [1], [0, 1])
    assert panes(state, 999) == []
