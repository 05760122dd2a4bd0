"""How late outcomes come, from what the state joins, and whether it keeps what was agreed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import pytest
from driftline_processor.config.model import Model
from driftline_processor.config.performance import LabelSla, Performance
from driftline_processor.exporters.derived_metrics import points

from tests.support.state_fixtures import Open
from tests.support.state_rows import DAY, HOUR, MINUTE, NOON, Clock, outcomes, predictions
from tests.support.unwrap import unwrap

WEEK = LabelSla(within=timedelta(days=7), coverage=0.5)
DAILY = Model(windows=("1d",), performance=Performance(label_sla=WEEK))


@pytest.mark.slow
def test_delays_are_restated_and_judged(open_state: Open, clock: Clock) -> None:
    state = open_state(churn=DAILY)
    state.send(predictions(["a", "b", "c"], NOON), outcomes(["a", "b"], [1, 1], [NOON + HOUR, NOON + 8 * DAY]))
    clock.now += 3 * DAY
    state.send(predictions([f"later-{i}" for i in range(300)], NOON + 3 * DAY))
    first = state.view().windows["1d"][0]
    assert first.delay is not None
    assert (first.delay.rows, first.delay.median, first.delay.p99) == (2, 3_600, 10 * 86_400)
    assert first.label_sla is not None
    assert (first.label_sla.state, first.label_sla.low) == ("inconclusive", 1 / 3)

    state.send(outcomes(["b", "c"], [1, 0], [NOON + 9 * DAY, NOON + 2 * HOUR]))  # said again later: it came later
    state = open_state(churn=DAILY)
    found = state.view()
    first = found.windows["1d"][0]
    assert first.label_sla is not None
    assert (first.label_sla.state, first.label_sla.low) == ("met", 2 / 3)
    shown = {
        (
            p.metric,
            dict(p.attributes).get("driftline.state"),
            dict(p.attributes).get("driftline.outcome.quantile"),
        ): p.value
        for p in points(state.state)
    }
    assert shown["driftline.outcome.sla.status", "met", None] == 1.0
    assert shown["driftline.outcome.delay", None, "0.5"] == 7_200


@pytest.mark.slow
def test_what_is_said_again_later_counts_as_late(open_state: Open, clock: Clock) -> None:
    state = open_state(churn=DAILY)
    clock.now += 9 * DAY
    state.send(predictions(["a"], NOON), outcomes(["a"], [1], NOON + HOUR))
    state.send(outcomes(["a"], [1], NOON + 8 * DAY))
    found = unwrap(state.view().windows["1d"][0].delay)
    assert found is not None
    assert (found.rows, found.median) == (1, 10 * 86_400)


@pytest.mark.slow
def test_what_is_said_again_later_counts_as_late_beside_what_is_taken_back(open_state: Open, clock: Clock) -> None:
    """A row fewer is kept of the hour than was added to it, until its minutes are made anew."""
    state = open_state(churn=DAILY.model_copy(update={"slices": ("country",)}))
    clock.now += 9 * DAY
    country: dict[str, Sequence[object]] = {"country": ["NL", "DE"]}
    state.send(predictions(["a", "b"], [NOON, NOON + 10 * MINUTE], slices=country))
    state.send(outcomes(["a", "b"], [1, 1], NOON + HOUR))
    state.state.settle()
    state.send(outcomes(["a", "b"], [1, 1], NOON + 8 * DAY, retracted=[False, True]))
    found = unwrap(state.view().windows["1d"][0].delay)
    assert (found.rows, found.median) == (1, 10 * 86_400)
