"""A verdict without outcomes names the outcomes that wait, and why, as the hint of the page does."""

from __future__ import annotations

import pytest
from driftline.tables.table import OutcomeTable
from driftline_processor.core import facts
from driftline_processor.core.fact import Fact
from driftline_processor.core.outcomes.unknown import UnknownOutcomes
from driftline_processor.queries.state_snapshot import REVIEW_EVERY

from tests.support.state_rows import DAY, HOUR, NOON, Clock, Opened, outcomes, predictions
from tests.support.unwrap import of_type, unwrap

IDS = [f"{number:08d}" for number in range(400)]
TIMES = [NOON - 4 * DAY + at * (3 * DAY // 400) for at in range(400)]
LATER = [time + HOUR for time in TIMES]
LABELS = [at % 2 for at in range(400)]


def unknown_of(state: Opened) -> UnknownOutcomes:
    """Return what the verdict, its cause and its advice say about outcomes."""
    view = state.view()
    verdict = unwrap(view.verdict)
    reason = of_type(verdict.reasons[0], facts.OutcomesUnknown)
    assert (verdict.state, verdict.cause) == ("unknown", reason)
    assert verdict.advice == facts.CorrectOutcomes(reason.unknown)
    return reason.unknown


@pytest.mark.parametrize(
    ("sent", "kind", "difference"),
    [
        (outcomes([text.lstrip("0") or "0" for text in IDS], LABELS, LATER), "id", "leading_zeros"),
        (outcomes([f"CUST-{text}" for text in IDS], LABELS, LATER), "id", "prefix"),
        (outcomes(IDS, LABELS, [time - 3 * DAY for time in TIMES]), "time", ""),
        (outcomes(IDS, LABELS, LATER, environment="prod"), "environment", ""),
        (outcomes(IDS, [("no", "yes")[label] for label in LABELS], LATER), "actual", ""),
    ],
)
def test_outcomes_that_cannot_be_used_are_the_cause(
    state: Opened, sent: OutcomeTable, kind: str, difference: str
) -> None:
    state.send(predictions(IDS, TIMES))
    state.send(sent)
    unknown = unknown_of(state)
    assert (unknown.kind, unknown.rows) == (kind, 400)
    assert unknown.form.difference(unknown.stored) == difference
    assert unknown.classes == ()


def test_predictions_without_an_id_are_named(state: Opened) -> None:
    state.send(predictions([""] * 400, TIMES))
    state.send(outcomes(IDS, LABELS, LATER))
    assert unknown_of(state).stored.kind == "none"


def test_outcomes_that_were_never_sent_are_asked_for(state: Opened) -> None:
    state.send(predictions(IDS, TIMES))
    verdict = unwrap(state.view().verdict)
    assert unwrap(verdict.reasons[0]).kind == "no_outcomes"
    assert unwrap(verdict.advice).kind.startswith("send_outcomes")


@pytest.mark.slow
def test_some_outcomes_that_wait_are_no_cause_where_most_are_known(state: Opened) -> None:
    state.send(predictions(IDS, TIMES))
    state.send(outcomes([*IDS[:300], *("X-1", "X-2")], [*LABELS[:300], 1, 0], [*LATER[:300], NOON, NOON]))
    kinds = [fact.kind for fact in unwrap(state.view().verdict).reasons if isinstance(fact, Fact)]
    assert "outcomes_unknown" not in kinds


@pytest.mark.slow
def test_the_count_follows_new_outcomes_once_a_minute(state: Opened, clock: Clock) -> None:
    state.send(predictions(IDS, TIMES))
    state.send(outcomes([f"X-{at}" for at in range(100)], LABELS[:100], LATER[:100]))
    assert unknown_of(state).rows == 100
    state.send(outcomes([f"X-{at}" for at in range(100, 300)], LABELS[:200], LATER[:200]))
    assert unknown_of(state).rows == 100
    clock.now += REVIEW_EVERY
    assert unknown_of(state).rows == 300


def test_outcomes_without_a_prediction_are_the_cause_in_an_open_window_too(state: Opened) -> None:
    times = [NOON - HOUR // 4 + at for at in range(400)]
    state.send(predictions([""] * 400, times))
    state.send(outcomes(IDS, LABELS, [time + 1 for time in times]))
    assert unknown_of(state).stored.kind == "none"
