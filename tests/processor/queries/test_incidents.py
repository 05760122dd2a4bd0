"""Incidents: what windows show, from when, until when, and how it ended."""

from __future__ import annotations

import re

import pytest
from driftline.tables.table import ModelKey
from driftline.tables.task import Task
from driftline_processor.core import facts
from driftline_processor.core.evaluation import (
    ColumnDrift,
    Evaluation,
    MetricValue,
    ObjectiveState,
    ServiceLevel,
    Size,
    SlaResult,
    Verdict,
    VerdictState,
)
from driftline_processor.core.windows.window import DAY, HOUR, Window
from driftline_processor.queries import incidents
from driftline_processor.queries.incidents import Incident, IncidentLog, incidents_of
from driftline_processor.queries.interruptions import Interruption
from driftline_processor.queries.model_view import ModelView
from msgspec import structs

KEY = ModelKey("churn", "v1", "prod")


def day(number: int, closed: bool = True) -> Evaluation:
    return Evaluation(KEY, Window("1d", number * DAY, (number + 1) * DAY), 1000, closed)


def model(*windows: Evaluation, **fields: object) -> ModelView:
    known: dict[str, list[Evaluation]] = {}
    for one in windows:
        known.setdefault(one.window.name, []).append(one)
    return ModelView(KEY, Task("binary", ("0", "1"), "1", 0.5), 1000, 0, 0, 0, windows=known, **fields)  # type: ignore[arg-type]


def drifting(number: int, since: int, part: str = "feature:age") -> Evaluation:
    return structs.replace(day(number), incident={part: since * DAY})


def times(found: Incident) -> tuple[float | None, float | None]:
    """Return the days of its beginning and end."""
    return (
        None if found.since is None else found.since / DAY,
        None if found.until is None else found.until / DAY,
    )


def test_a_drift_lasts_from_the_first_window_to_the_first_without() -> None:
    (found,) = incidents_of(model(day(1), drifting(2, 2), drifting(3, 2), day(4), day(5)))
    assert (found.kind, found.subject, times(found), found.open) == ("drift", "feature:age", (2, 4), False)
    assert found.sentence.startswith("age ")
    assert found.windows == ("1d",)
    assert found.ended


def test_a_drift_that_nothing_ended_is_open() -> None:
    (found,) = incidents_of(model(drifting(2, 2), drifting(3, 2)))
    assert (times(found), found.open, found.ended) == ((2, None), True, "")


def test_a_window_that_is_still_open_ends_no_drift() -> None:
    (found,) = incidents_of(model(drifting(2, 2), day(3, closed=False)))
    assert found.open


def test_two_drifts_of_a_feature_are_two_incidents_and_the_newest_comes_first() -> None:
    found = incidents_of(model(drifting(2, 2), day(3), day(4), drifting(5, 5), day(6)))
    assert [times(one) for one in found] == [(5, 6), (2, 3)]


def test_what_windows_of_two_lengths_show_at_one_time_is_one_incident() -> None:
    hour = Evaluation(KEY, Window("1h", 2 * DAY + HOUR, 2 * DAY + 2 * HOUR), 50, True)
    after = structs.replace(hour, window=Window("1h", 2 * DAY + 2 * HOUR, 2 * DAY + 3 * HOUR))
    shown = structs.replace(hour, incident={"feature:age": 2 * DAY + HOUR})
    (found,) = incidents_of(model(shown, after, drifting(2, 2), day(3)))
    assert (times(found), found.windows) == ((2, 3), ("1d", "1h"))


def objective(number: int, state: str) -> Evaluation:
    told = ObjectiveState("accuracy", "accuracy >= 0.8", state, 0.7, 0.6, 0.75, 900)  # type: ignore[arg-type]
    return structs.replace(day(number), objectives=(told,))


def test_a_broken_objective_ends_where_it_is_met_and_not_where_nobody_can_tell() -> None:
    windows = [objective(1, "met"), objective(2, "broken"), objective(3, "inconclusive"), objective(4, "met")]
    of_verdict, found = incidents_of(model(*windows))
    assert (found.kind, found.subject, times(found)) == ("objective", "accuracy >= 0.8", (2, 4))
    assert (of_verdict.subject, times(of_verdict)) == ("at_risk", (2, 4))
    assert found.sentence == "accuracy >= 0.8 is broken: on 3 January 1970, 0.7 (0.6 to 0.75) on 900 rows."
    assert incidents_of(model(*windows[:3]))[0].open


def test_late_outcomes_are_an_incident_until_they_come_in_time() -> None:
    late = SlaResult("broken", 7 * DAY, 0.95, 0.5, 0.6, 500)
    windows = [
        structs.replace(day(1), label_sla=late),
        day(2),
        structs.replace(day(3), label_sla=structs.replace(late, state="met")),
    ]
    (found,) = incidents_of(model(*windows))
    assert (found.kind, times(found)) == ("labels", (1, 3))
    assert re.findall(r"\d+ %", found.sentence) == ["60 %", "95 %"]


def served(number: int, failed: int) -> Evaluation:
    rate = failed / 1000
    value = MetricValue(rate, 1000, "rows", low=max(rate - 0.01, 0.0), high=rate + 0.01)
    return structs.replace(
        day(number), service=ServiceLevel(1000, failed, {"TimeoutError": failed}, {"error_rate": value})
    )


def test_a_service_that_fails_is_an_incident_until_its_calls_are_answered() -> None:
    found = [one for one in incidents_of(model(served(1, 2), served(2, 300), served(3, 2))) if one.kind == "service"]
    assert [times(one) for one in found] == [(2, 3)]
    assert found[0].sentence.startswith("On 3 January 1970, 30.0 % of 1,000 calls")


def measured(number: int, loss: float) -> Evaluation:
    """A mature window of a model with this broken or met objective, which decides the verdict."""
    state = "broken" if loss > 0.5 else "met"
    told = ObjectiveState("log_loss", "log_loss <= 0.5", state, loss, loss - 0.02, loss + 0.02, 900, limit=0.5)  # type: ignore[arg-type]
    value = MetricValue(loss, 900, "rows", low=loss - 0.02, high=loss + 0.02)
    return structs.replace(
        day(number), objectives=(told,), realized={"log_loss": value}, outcome_rows=900, coverage=0.9
    )


def test_a_time_in_which_the_model_was_wrong_is_an_incident_of_its_verdict() -> None:
    windows = [measured(at, 0.9 if at in (3, 4, 5) else 0.4) for at in range(1, 9)]
    (found,) = [one for one in incidents_of(model(*windows)) if one.kind == "verdict"]
    assert (found.subject, times(found)) == ("degraded", (3, 6))
    assert found.start is not None
    assert 3 <= found.start / DAY < 6


def test_what_a_replaced_version_showed_ends_with_its_last_window_and_stays_known() -> None:
    windows = [structs.replace(measured(at, 0.9), incident={"feature:age": 2 * DAY}) for at in (1, 2, 3, 4)]
    replaced = incidents_of(model(*windows, in_use=False))
    assert sorted((one.kind, *times(one), one.open) for one in replaced) == [
        ("drift", 2, 5, False),
        ("objective", 1, 5, False),
        ("verdict", 1, 5, False),
    ]
    assert {one.ended for one in replaced} == {"Another version has taken over."}
    shadow = incidents_of(model(*windows, in_use=False, shadow=True))
    assert {(one.kind, one.open) for one in shadow} == {("drift", True), ("objective", True)}


def verdict(state: VerdictState, since: int) -> Verdict:
    return Verdict(state, since, reasons=(facts.NoPrediction(pause=2 * HOUR),))


def test_what_the_verdict_says_now_is_open_and_a_right_or_unknown_one_is_none() -> None:
    (found,) = incidents_of(model(day(1), verdict=verdict("no_data", 2 * DAY)))
    assert (found.subject, times(found), found.open) == ("no_data", (2, None), True)
    assert "2h" in found.sentence
    assert incidents_of(model(day(1), verdict=verdict("healthy", DAY))) == []
    assert incidents_of(model(day(1), verdict=verdict("unknown", DAY))) == []
    assert incidents_of(model(day(1), verdict=verdict("degraded", DAY), in_use=False)) == []


def test_those_that_last_come_before_all_that_are_over() -> None:
    found = incidents_of(model(drifting(1, 1, "score"), drifting(2, 2), day(3), verdict=verdict("no_data", DAY)))
    assert [one.open for one in found] == [True, False, False]


def test_a_name_stays_while_later_windows_come() -> None:
    before = incidents_of(model(drifting(2, 2), drifting(3, 2)))
    after = incidents_of(model(drifting(2, 2), drifting(3, 2), day(4)))
    assert before[0].name == after[0].name
    assert before[0].name != incidents_of(model(drifting(2, 2, "score")))[0].name


def test_a_log_reads_again_what_was_restated_and_nothing_else() -> None:
    log, windows = IncidentLog(), [day(1), drifting(2, 2)]
    first = log.of([model(*windows)])
    assert log.of([model(*windows)])[0] is first[0]
    assert log.of([model(day(1), day(2))]) == []
    assert log.of([]) == []


def test_a_log_sees_what_changes_in_the_list_that_it_was_given() -> None:
    log, asked = IncidentLog(), model(drifting(2, 2), day(3, closed=False))
    assert [one.open for one in log.of([asked])] == [True]
    asked.windows["1d"][-1] = day(3)
    assert [one.open for one in log.of([asked])] == [False]


def test_how_far_columns_moved_is_read_of_each_window_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[int, str]] = []

    def column(evaluation: Evaluation, part: str) -> None:
        asked.append((evaluation.window.start // DAY, part))

    monkeypatch.setattr(incidents, "_column", column)
    both = [structs.replace(drifting(at, 0), incident={"feature:age": 0, "feature:pay": 0}) for at in range(3)]
    windows, log = both[:2], IncidentLog()
    log.of([model(*windows)])
    assert asked == [(at, part) for at in range(2) for part in ("feature:age", "feature:pay")]
    log.of([model(*both)])
    assert asked[4:] == [(2, "feature:age"), (2, "feature:pay")]


def test_a_log_forgets_what_a_model_that_is_not_in_use_says() -> None:
    log, says = IncidentLog(), verdict("degraded", DAY)
    windows = [day(1)]
    assert len(log.of([model(*windows, verdict=says)])) == 1
    assert log.of([model(*windows, verdict=says, in_use=False)]) == []


def test_a_log_sees_when_an_open_window_shows_a_drift_or_late_outcomes() -> None:
    log, opened = IncidentLog(), day(2, closed=False)
    assert log.of([model(day(1), opened)]) == []
    assert [one.kind for one in log.of([model(day(1), structs.replace(opened, incident={"score": DAY}))])] == ["drift"]
    late = SlaResult("broken", 7 * DAY, 0.95, 0.5, 0.6, 500)
    assert [one.kind for one in log.of([model(day(1), structs.replace(opened, label_sla=late))])] == ["labels"]
    assert log.of([model(day(1), structs.replace(opened, label_sla=structs.replace(late, state="met")))]) == []
    (told,) = log.of([model(day(1), structs.replace(opened, label_sla=structs.replace(late, high=0.5)))])
    assert re.findall(r"\d+ %", told.sentence) == ["50 %", "95 %"]


WRONG = verdict("degraded", 2 * DAY)


def answered_in(number: int, seconds: float) -> Evaluation:
    value = MetricValue(seconds, 1000, "rows", low=seconds * 0.9, high=seconds * 1.1)
    return structs.replace(day(number), service=ServiceLevel(1000, 0, {}, {"latency_p95": value}))


@pytest.mark.parametrize(("seconds", "minor"), [(0.005, True), (0.5, False)])
def test_calls_that_become_slower_do_not_fail_and_are_minor_while_nobody_notices(seconds: float, minor: bool) -> None:
    usual = [answered_in(at, 0.0007) for at in range(1, 7)]
    (found,) = incidents_of(model(*usual, answered_in(7, seconds)))
    assert (found.kind, found.subject, found.open, found.minor) == ("latency", "latency_p95", True, minor)
    (over,) = incidents_of(model(*usual, answered_in(7, seconds), answered_in(8, 0.0007)))
    assert (over.open, times(over)) == (False, (7, 8))


def test_the_gravest_that_last_come_first_and_what_is_over_by_time() -> None:
    drifts, fails = structs.replace(objective(8, "broken"), incident={"score": 8 * DAY}), served(9, 300)
    slower = [answered_in(at, 0.0007 if at < 6 else 0.5) for at in range(1, 7)]
    hours = [
        structs.replace(one, window=Window("1h", one.window.start, one.window.start + HOUR), incident={"class": DAY})
        for one in slower
    ]
    found = incidents_of(model(drifts, structs.replace(fails, incident={"score": 8 * DAY}), *hours, verdict=WRONG))
    lasting = [one for one in found if one.open]
    assert [one.kind for one in lasting] == ["verdict", "objective", "service", "drift", "drift", "latency"]
    (first, *_) = incidents_of(model(objective(8, "broken"), verdict=verdict("at_risk", 9 * DAY)))
    assert first.kind == "objective"
    past = incidents_of(model(objective(1, "broken"), objective(2, "met"), drifting(3, 3), day(4)))
    assert [one.kind for one in past] == ["drift", "objective"]


def test_silence_and_backlog_of_the_past_are_incidents_beside_those_of_windows() -> None:
    past = (
        Interruption("no_data", 2 * DAY, 3 * DAY, 2 * HOUR),
        Interruption("lagging", 4 * DAY, 5 * DAY),
    )
    found = incidents_of(model(day(1), drifting(2, 2), day(3), interruptions=past))
    assert [(one.kind, one.subject, times(one), one.open) for one in found] == [
        ("verdict", "lagging", (4, 5), False),
        ("verdict", "no_data", (2, 3), False),
        ("drift", "feature:age", (2, 3), False),
    ]
    assert "2h" in found[1].sentence


def test_a_silence_that_lasts_is_one_incident_with_the_words_of_the_verdict() -> None:
    now = verdict("no_data", 2 * DAY)
    lasting = (Interruption("no_data", 2 * DAY, None, 2 * HOUR),)
    (found,) = incidents_of(model(day(1), verdict=now, interruptions=lasting))
    assert (found.subject, times(found), found.open) == ("no_data", (2, None), True)
    assert found.name == incidents_of(model(day(1), interruptions=lasting))[0].name


def test_a_backlog_in_which_the_processor_started_again_is_one_incident() -> None:
    twice = (Interruption("lagging", DAY, 3 * DAY), Interruption("lagging", 2 * DAY, None))
    (found,) = incidents_of(model(day(1), interruptions=twice))
    assert (times(found), found.open) == ((1, None), True)


def test_the_log_reads_a_model_again_when_an_interruption_ends() -> None:
    log, one = IncidentLog(), model(day(1), interruptions=(Interruption("no_data", 2 * DAY, None, HOUR),))
    assert log.of([one])[0].open
    one.interruptions = (Interruption("no_data", 2 * DAY, 3 * DAY, HOUR),)
    assert times(log.of([one])[0]) == (2, 3)


def moving(number: int, size: Size, name: str, window: str = "1d") -> Evaluation:
    column = ColumnDrift("feature", name, "drift", "ks", 1000, {}, size=size)
    one = structs.replace(day(number), features={name: column}, incident={f"feature:{name}": number * DAY})
    return structs.replace(one, window=structs.replace(one.window, name=window))


def test_open_drift_stands_by_its_size_and_what_the_verdict_says_before_it() -> None:
    sizes: dict[str, Size] = {"age": "small", "pay": "large", "city": "", "debt": "moderate"}
    each = [moving(9, size, name) for name, size in sizes.items()]
    features = {name: column for one in each for name, column in one.features.items()}
    since = {f"feature:{name}": (9 - at) * DAY for at, name in enumerate(sizes)}
    found = incidents_of(
        model(structs.replace(day(9), features=features, incident=since), verdict=verdict("at_risk", DAY))
    )
    assert [one.subject for one in found] == ["at_risk", "feature:pay", "feature:debt", "feature:age", "feature:city"]
    assert [one.size for one in found] == ["", "large", "moderate", "small", ""]
    assert found[1].sentence == "pay drifts: large shift."


def test_a_drift_of_two_lengths_of_windows_is_as_large_as_the_largest_and_leads_there() -> None:
    (found,) = incidents_of(model(moving(2, "small", "age"), moving(3, "large", "age", "3d")))
    assert (found.size, found.sentence, found.windows) == ("large", "age drifts: large shift.", ("3d", "1d"))
    assert (times(found), found.start) == ((2, None), 3 * DAY)
