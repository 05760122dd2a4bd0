"""Reviews: what happened in a period, who took it on, what was decided, and what it cost."""

from __future__ import annotations

from driftline.tables.table import ModelKey
from driftline_processor.core.windows.window import DAY
from driftline_processor.governance.audit import Entry
from driftline_processor.governance.period import Period
from driftline_processor.governance.review import DRAWN, review, trend
from driftline_processor.policy.alerts import Alert
from driftline_processor.queries.incidents import Incident

from tests.support.money_windows import costing
from tests.support.policy_watch import model
from tests.support.verdict_windows import JULY, known, value

QUARTER = Period(JULY, JULY + 92 * DAY, "2013Q3")


def alert(since: int, until: int | None = None, name: str = "late", by: str = "ann") -> Alert:
    return Alert(
        *("a1", "health", name, "", "1", "critical", "risk", "degraded", since, since, until, since, until, since),
        *("1d", since, "It is wrong"),
        acknowledged=since + DAY,
        acknowledged_by=by,
        why="on it",
    )


def incident(since: int | None, until: int | None) -> Incident:
    ended = "" if until is None else "Over."
    return Incident(ModelKey("late", "1"), "verdict", "degraded", since, until, ("1d",), since, "It is wrong.", ended)


def test_an_incident_says_how_long_it_lasted_in_the_period_and_who_took_it_on() -> None:
    found = review(
        [model([known(0)])],
        QUARTER,
        [incident(JULY - 5 * DAY, JULY + 2 * DAY), incident(JULY + 10 * DAY, None), incident(None, None)],
        [alert(JULY - 4 * DAY, JULY + 2 * DAY)],
        [],
    )
    (one,) = found.models
    assert [(entry.lasted, entry.taken_by) for entry in one.incidents] == [
        (2 * DAY, "ann"),
        (82 * DAY, ""),
        (None, "ann"),
    ]
    assert found.incidents[0].lasted == 82 * DAY


def test_decisions_of_the_period_are_told_with_who_and_why() -> None:
    newest_first = [
        Entry(kind="annotated", subject="note", words="note", model="late", by="cid"),
        Entry(kind="decided", subject="retraining", words="retraining approved", model="gone", by="cid", why="drift"),
        Entry(kind="decided", subject="retirement", words="retired, version 1", model="late", by="cid", why="old"),
        Entry(kind="approved", subject="http/rollback", words="approved", model="late", by="bob", why="go"),
        Entry(kind="acknowledged", subject="health", words="acknowledged", model="late", by="ann", why="on it"),
    ]
    found = review([model([known(0)])], QUARTER, [], [alert(JULY + DAY)], newest_first)
    assert [(one.model, one.what, one.by, one.why) for one in found.decisions] == [
        ("late", "acknowledged health", "ann", "on it"),
        ("late", "approved http/rollback", "bob", "go"),
        ("late", "retired, version 1", "cid", "old"),
        ("gone", "retraining approved", "cid", "drift"),
    ]
    assert len(found.models[0].decisions) == 3


def test_the_loss_is_that_of_all_models_that_tell_it_over_the_days_that_do() -> None:
    lost = model([costing(0), costing(1)], currency="EUR")
    found = review([lost, model([known(0)], "other", currency="EUR")], QUARTER, [], [], [])
    assert (found.loss, found.currency) == (5_000.0, "EUR")
    assert review([model([known(0)])], QUARTER, [], [], []).loss is None


def test_a_trend_goes_from_the_first_value_to_the_last_and_is_thinned_to_what_can_be_drawn() -> None:
    days = [known(day, realized={"log_loss": value(0.4 + day / 1000)}) for day in range(92)]
    found = trend(model(days), QUARTER)
    assert (found.metric, found.first, found.last, found.baseline) == ("log_loss", 0.4, 0.491, 0.49)
    assert len(found.windows) <= DRAWN + 1
    assert found.windows[-1] is days[-1]


def test_of_no_model_there_is_a_review_that_says_nothing() -> None:
    found = review([], QUARTER, [], [], [])
    assert (found.models, found.tiers, found.incidents, found.loss) == ((), [], [], None)
