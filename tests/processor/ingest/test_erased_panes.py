"""What was deleted is no longer waited for: every share of labelled predictions is that of the rows that are left."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import Literal, NamedTuple

import pytest
from driftline.tables.task import Task
from driftline_processor.config.model import Model
from driftline_processor.config.performance import Fairness, LabelSla, Performance
from driftline_processor.maintenance.erasure import ErasureOrder
from driftline_processor.store.panes import KEEP_HOURS

from tests.support.slow import slow
from tests.support.state_fixtures import Open
from tests.support.state_rows import DAY, HOUR, MINUTE, NOON, Clock, Opened, baseline, outcomes, predictions

MARK = "MARKED-4b1f0c"
GONE = [row for row in range(60) if row % 2]
SLA = LabelSla(within=timedelta(days=1), coverage=0.9)
AGREED = Model(
    windows=("1d",),
    subject="customer",
    slices=("plan",),
    performance=Performance(fairness=Fairness(attributes=("gender",)), label_sla=SLA),
)
"""Everything that depends on of how many predictions the outcome is known."""


class Covered(NamedTuple):
    """What an evaluation says of how many predictions the outcome is known of."""

    coverage: float | None
    sla: tuple[float, float] | None
    slices: dict[str, int | None]
    fairness: float | None
    accuracy: float | None
    delays: int


def covered(state: Opened, model: str) -> Covered:
    found = state.view(model).windows["1d"][0]
    sla = found.label_sla
    return Covered(
        found.coverage,
        None if sla is None else (sla.low, sla.high),
        {name: one.predictions for name, one in found.performance_slices.items()},
        found.fairness[0].coverage if found.fairness else None,
        found.realized["accuracy"].value,
        0 if found.delay is None else found.delay.rows,
    )


def send(state: Opened, model: str, without: Collection[int] = ()) -> None:
    """60 predictions of two plans, and of two genders where it is known; 30 have outcomes, 30 are about MARK."""
    rows = [row for row in range(60) if row not in without]
    slices: dict[str, Sequence[object]] = {
        "customer": [MARK if row % 2 else "anna" for row in rows],
        "plan": ["ab"[row % 4 < 2] for row in rows],
        "gender": [("f", None, "m")[row % 3] for row in rows],
    }
    known = baseline([0.2, 0.8] * 50, {"age": [1.0, 2.0] * 50}, model=model)
    table = predictions(
        [f"id-{row}" for row in rows],
        [NOON + row * MINUTE for row in rows],
        [0.9] * len(rows),
        features={"age": [1.0] * len(rows)},
        slices=slices,
        model=model,
    )
    labels = [row for row in rows if row < 30]
    state.send(table, baselines=[known.to_json()])
    state.send(outcomes([f"id-{row}" for row in labels], [row % 5 > 0 for row in labels], NOON + HOUR, model=model))
    state.state.settle()


def order(by: Literal["id", "subject"]) -> ErasureOrder:
    return ErasureOrder("whole", by, (MARK,) if by == "subject" else tuple(f"id-{row}" for row in GONE))


@pytest.mark.slow
@pytest.mark.parametrize("by", ["id", "subject"])
def test_all_shares_are_those_of_a_model_that_never_had_the_rows(
    open_state: Open, clock: Clock, by: Literal["id", "subject"]
) -> None:
    models = {"whole": AGREED, "fewer": AGREED}
    state = open_state(**models)
    send(state, "whole")
    send(state, "fewer", without=GONE)
    clock.now += 3 * DAY
    expected = covered(state, "fewer")
    assert expected == Covered(
        0.5, (0.5, 0.5), {"gender=f": 10, "gender=m": 10, "plan=a": 15, "plan=b": 15}, 20 / 30, 0.8, 15
    )

    state.state.erase(order(by))
    assert covered(state, "whole") == expected

    state = open_state(**models)
    assert covered(state, "whole") == expected
    state.send(outcomes(["id-0"], [1], NOON + 2 * HOUR, model="whole"))  # the window is made anew
    assert covered(state, "whole") == expected._replace(accuracy=13 / 15)


def decided(state: Opened, model: str) -> tuple[dict[str, int], dict[str, float | None], float | None, float | None]:
    """What is said of predictions by their decision: unreviewed ones, selection rates, whose share it is of, recall."""
    found = state.view(model).windows["1d"][0]
    rates = {group.value: group.rates["selection_rate"].value for group in found.fairness[0].groups}
    return found.unreviewed, rates, found.fairness[0].coverage, found.realized["recall"].low


@pytest.mark.parametrize("reviewed", [(1,), slow((0, 1))])
def test_what_was_decided_of_deleted_rows_is_no_decision(
    open_state: Open, clock: Clock, reviewed: Collection[int]
) -> None:
    state = open_state(whole=AGREED, fewer=AGREED)
    gone = [row for row in range(120) if row % 4 == 1 or row % 3 == 1 or row % 8 == 3]
    for model, rows in (("whole", range(120)), ("fewer", [row for row in range(120) if row not in gone])):
        flagged = [row % 8 < 4 for row in rows]
        genders = [("f", "x", "m")[row % 3] for row in rows]  # x is nobody's but of those who are deleted
        scores, ids = [0.9 if one else 0.1 for one in flagged], [f"id-{row}" for row in rows]
        state.send(predictions(ids, [NOON] * len(rows), scores, slices={"gender": genders}, model=model))
        labels = [f"id-{row}" for row, one in zip(rows, flagged, strict=True) if one in reviewed and row % 5]
        state.send(outcomes(labels, [1] * len(labels), NOON + HOUR, model=model))
    clock.now += 3 * DAY
    state.state.settle()
    expected, before = decided(state, "fewer"), decided(state, "whole")
    assert expected[1].keys() == {"f", "m"}
    state.state.erase(ErasureOrder("whole", "id", tuple(f"id-{row}" for row in gone)))
    assert decided(state, "whole") == expected != before


@pytest.mark.slow
def test_rows_that_expire_after_it_change_no_share_and_days_hold_it_too(open_state: Open, clock: Clock) -> None:
    state = open_state(whole=AGREED)
    send(state, "whole")
    clock.now += 3 * DAY
    state.state.erase(order("id"))
    expected = covered(state, "whole")
    clock.now = NOON + 200 * DAY
    state.send(predictions(["now"], clock.now, model="whole"))
    state.state.tidy_now()
    assert state.rows("SELECT id FROM predictions") == [("now",)]
    assert state.rows(f"SELECT max(span)::BIGINT FROM panes WHERE pane < {clock.now - KEEP_HOURS}") == [(DAY,)]
    state.state.evaluate_now()
    # looked at again, from sums alone: a row of the same day comes late
    state.send(predictions(["late"], NOON + 3 * HOUR, model="whole"))
    assert covered(state, "whole")[:2] == (15 / 31, (15 / 31, 15 / 31))
    assert covered(state, "whole")[4:] == expected[4:]


@pytest.mark.slow
def test_what_stays_in_the_sums_of_outcomes_stays_in_those_of_predictions(open_state: Open, clock: Clock) -> None:
    """Where other rows of a pane have expired, its outcomes cannot be made anew, and neither is anything taken out."""
    state = open_state(churn=Model(windows=("1d",)), retention=timedelta(days=30))
    state.send(predictions(["old"]), outcomes(["old"], [1]))
    state.state.settle()
    clock.now += 20 * DAY
    state.send(predictions(["a", "b", "c"], NOON + 1), outcomes(["a", "b"], [1, 1], NOON + HOUR))
    state.state.settle()
    clock.now += 15 * DAY
    state.state.tidy_now()
    assert state.rows("SELECT id FROM predictions ORDER BY id") == [("a",), ("b",), ("c",)]

    state.state.erase(ErasureOrder("churn", "id", ("a", "c")))
    (found,) = state.view().windows["1d"]
    assert (found.rows, found.outcome_rows, found.coverage) == (4, 3, 1.0)


@pytest.mark.slow
def test_a_list_that_was_deleted_is_none_that_nobody_clicked(open_state: Open, clock: Clock) -> None:
    feed = Model(windows=("1d",), task="ranking", performance=Performance(outcomes="implicit", cutoffs=(1,)))
    state = open_state(feed=feed)
    ranking = Task("ranking", cutoffs=(1,))
    state.send(predictions(["a", "b", "c", "d"], NOON, [0.5] * 4, model="feed", task=ranking))
    state.send(outcomes(["a"], [1], model="feed"))
    clock.now += 3 * DAY
    assert state.view("feed").windows["1d"][0].realized["ctr"].value == 0.25
    state.state.erase(ErasureOrder("feed", "id", ("b", "c")))
    assert state.view("feed").windows["1d"][0].realized["ctr"].value == 0.5


@pytest.mark.slow
def test_an_erasure_that_was_not_evaluated_is_evaluated_after_a_restart(open_state: Open, clock: Clock) -> None:
    state = open_state(whole=AGREED)
    send(state, "whole")
    clock.now += 3 * DAY
    assert covered(state, "whole").coverage == 0.5
    state.state.erase(ErasureOrder("whole", "id", ("id-31", "id-33")))
    state.state.settle = lambda *_: None  # type: ignore[method-assign] # killed here
    state = open_state(whole=AGREED)
    assert covered(state, "whole").coverage == 30 / 58
