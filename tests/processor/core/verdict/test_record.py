"""The record: each row is the verdict of the windows that had ended by then."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest
from driftline_processor.core import facts
from driftline_processor.core.concept.result import Change, ConceptDrift
from driftline_processor.core.evaluation import Evaluation, Verdict
from driftline_processor.core.verdict import record as of_record
from driftline_processor.core.verdict.context import NO_CONTEXT, VerdictContext
from driftline_processor.core.verdict.model import decide
from driftline_processor.core.verdict.reading import Reading, read_window
from driftline_processor.core.verdict.record import Record, Row
from driftline_processor.core.windows.window import HOUR, Window
from msgspec.structs import replace

from tests.support.unwrap import unwrap
from tests.support.verdict_windows import DAY, JULY, change, known, right, value, verdict_of_model, window, wrong


def noisy(at: int, loss: float, length: int = DAY, name: str = "1d") -> Evaluation:
    """Return a window whose log loss is higher than the baseline's by a number."""
    rows = 500 if length == DAY else 60
    error = 0.5 / rows**0.5
    low, high = loss - 2 * error, loss + 2 * error
    state: Literal["worse", "not_worse", "inconclusive"] = "inconclusive"
    if low > 0 and high > 0.05:
        state = "worse"
    elif high < 0.05:
        state = "not_worse"
    moved = change(state, loss, low, high, p_value=0.001 if state == "worse" else 0.5, error=error)
    start = JULY + at * length
    return replace(
        known(changes={"log_loss": moved}),
        window=Window(name, start, start + length),
        outcome_rows=rows,
        realized={"log_loss": value(0.5 + loss, 0.5 + low, 0.5 + high)},
        reference={"log_loss": value(0.5, 0.49, 0.51)},
    )


def world(seed: int) -> list[Evaluation]:
    """Return 20 days and their 6-hour parts; the model becomes worse on a day, and may recover."""
    rng = np.random.default_rng(seed)
    began, ended = 8, 20 if seed % 2 else 14
    losses = [0.2 if began <= day < ended else 0.0 for day in range(20)]
    days = [noisy(day, loss + rng.normal(0, 0.01)) for day, loss in enumerate(losses)]
    parts = [noisy(at, losses[at // 4] + rng.normal(0, 0.05), 6 * HOUR, "6h") for at in range(80)]
    return [*days, *parts]


def reads(monkeypatch: pytest.MonkeyPatch) -> list[Evaluation]:
    """Return the list of the windows that are read from now on."""
    seen: list[Evaluation] = []

    def counted(evaluation: Evaluation, context: VerdictContext) -> Reading:
        seen.append(evaluation)
        return read_window(evaluation, context)

    monkeypatch.setattr(of_record, "read_window", counted)
    return seen


@pytest.mark.parametrize("seed", range(4))
def test_each_row_is_the_verdict_of_the_windows_that_had_ended(seed: int) -> None:
    windows = world(seed)
    record = Record(windows)
    for row in record.rows:
        before = [one for one in windows if one.window.end <= row.end]
        verdict = verdict_of_model(before)
        assert (row.state, row.since) == (verdict.state, verdict.since)
        assert record.as_of(row.end) == verdict
        assert record.as_of(row.end + HOUR) == verdict
        assert record.state_as_of(row.end) == verdict.state
    assert len({row.state for row in record.rows}) > 1
    assert record.as_of(JULY) is None
    assert record.state_as_of(JULY) == "unknown"


@pytest.mark.parametrize("seed", range(2))
def test_a_record_that_grows_window_by_window_is_the_one_of_all_windows(seed: int) -> None:
    windows = sorted(world(seed), key=lambda one: (one.window.end, one.window.start))
    grown = Record(())
    for count in range(1, len(windows) + 1):
        grown = grown.revised(windows[:count], NO_CONTEXT)
        if count % 3 == 0:
            assert grown.rows
    assert [*grown.rows] == [*Record(windows).rows]


def test_late_outcomes_revise_the_rows_from_their_window_on(monkeypatch: pytest.MonkeyPatch) -> None:
    days = [noisy(at, 0.0) for at in range(12)]
    record = Record(days)
    before = [*record.rows]
    seen = reads(monkeypatch)
    changed = [*days[:6], *(noisy(at, 0.3) for at in (6, 7)), *days[8:]]
    revised = record.revised(changed, NO_CONTEXT)
    assert revised.rows[:6] == before[:6]
    assert [row.state for row in revised.rows[6:9]] != [row.state for row in before[6:9]]
    assert [*revised.rows] == [*Record(changed).rows]
    assert seen[:2] == changed[6:8]
    assert before == [*record.rows]


def test_a_newer_window_leaves_the_rows_and_reads_itself_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    days = [noisy(at, 0.0) for at in range(12)]
    record = Record(days[:-1])
    before = [*record.rows]
    seen = reads(monkeypatch)
    longer = record.revised(days, NO_CONTEXT)
    assert longer.rows[:-1] == before
    assert seen == days[-1:]


def test_a_window_that_leaves_the_memory_changes_no_row(monkeypatch: pytest.MonkeyPatch) -> None:
    days = [*(noisy(at, 0.2) for at in range(4)), *(noisy(at, 0.0) for at in range(4, 12))]
    record = Record(days[:-1])
    before = [*record.rows]
    monkeypatch.setattr(of_record, "decide", lambda *_, **__: decide(days))
    shorter = record.revised(days[2:], NO_CONTEXT)
    assert shorter.rows[:-1] == before[2:]
    assert shorter.rows[-1].end == days[-1].window.end


def test_episodes_are_the_states_in_order_and_one_ends_where_the_next_begins() -> None:
    windows = [*(right(at) for at in range(4)), *(wrong(at) for at in range(4, 8)), *(right(at) for at in range(8, 12))]
    first, second, third = Record(windows).episodes()
    assert [one.state for one in (first, second, third)] == ["healthy", "degraded", "healthy"]
    assert (first.until, second.since) == (second.since, JULY + 4 * DAY)
    assert (second.until, third.since) == (third.since, JULY + 8 * DAY)
    assert (first.first, third.last, third.until) == (JULY + DAY, JULY + 12 * DAY, None)


def test_an_episode_lasts_until_its_last_row_where_the_next_state_began_before_it() -> None:
    ends = [JULY + days * DAY for days in (1, 2, 3)]
    rows = [Row(ends[0], "healthy", JULY), Row(ends[1], "degraded", ends[0]), Row(ends[2], "healthy", JULY)]
    _, fault, _ = Record([right(at) for at in range(3)], NO_CONTEXT, rows).episodes()
    assert (fault.since, fault.until) == (ends[0], ends[1])


def test_windows_get_the_verdict_as_of_their_end_and_open_ones_the_current_one() -> None:
    closed, still_open = [right(0), wrong(1)], window(2, closed=False)
    record = Record(closed)
    now = record.now([still_open], None, None)
    found = record.with_verdicts([*closed, still_open], now)
    assert [one.verdict for one in found] == [record.as_of(JULY + DAY), record.as_of(JULY + 2 * DAY), now]


def test_windows_of_rows_without_times_are_in_their_order() -> None:
    timeless = [replace(one, window=Window("", 0, 0)) for one in (right(), wrong(), wrong(), right())]
    record = Record(timeless)
    found = [unwrap(one.verdict).state for one in record.with_verdicts(timeless)]
    assert found == [verdict_of_model(timeless[:count]).state for count in (1, 2, 3, 4)]
    assert {*found} >= {"healthy", "degraded"}


def test_a_rise_of_errors_counts_in_rows_after_its_detection() -> None:
    detected = JULY + 6 * DAY
    rose = Change(JULY + 3 * DAY, detected, 0.1, 0.3)
    concept = ConceptDrift("drift", since=JULY + 3 * DAY, before=0.1, after=0.3, changes=(rose,), outcomes=9_000)
    errors = {"accuracy": change("worse", -0.2, -0.3, -0.1, margin=None)}
    windows = [known(at, errors) for at in range(10)]
    rows = Record(windows, VerdictContext(concept)).rows
    assert [row.end >= detected for row in rows] == [row.state == "degraded" for row in rows]
    assert {row.state for row in rows} == {"unknown", "degraded"}


def test_a_rise_that_ended_or_rose_again_leaves_the_past() -> None:
    errors = {"accuracy": change("worse", -0.2, -0.3, -0.1, margin=None)}
    windows = [known(at, errors) for at in range(12)]
    first, again = Change(JULY + 2 * DAY, JULY + 4 * DAY, 0.1, 0.3), Change(JULY + 8 * DAY, JULY + 9 * DAY, 0.3, 0.5)
    fell = replace(again, after=0.1)
    one = ConceptDrift("drift", since=first.since, before=0.1, after=0.3, changes=(first,), outcomes=9_000)
    two = replace(one, since=again.since, before=0.3, after=0.5, changes=(first, again))
    over = replace(one, state="ok", since=again.since, before=None, after=0.1, changes=(first, fell))
    record = Record(windows[:8], VerdictContext(one))
    for concept, newest in ((two, "degraded"), (over, "unknown")):
        rows = record.revised(windows, VerdictContext(concept)).rows
        assert [row.state for row in rows[3:8]] == ["degraded"] * 5
        assert [*rows] == [*Record(windows, VerdictContext(concept)).rows]
        assert rows[-1].state == newest


def test_known_rows_are_taken_as_they_are_and_a_card_states_its_row() -> None:
    """The windows that showed a row may have left the memory, and rows on the disk may be of other rules."""
    days = [right(at) for at in range(4)]
    told = [Row(one.window.end, "at_risk", None) for one in days[:2]]
    record = Record(days, known=told)
    assert record.rows[:2] == told
    assert [row.state for row in record.rows[2:]] == ["healthy", "healthy"]
    verdict = unwrap(record.as_of(days[1].window.end))
    assert (verdict.state, verdict.since, verdict.reasons) == ("at_risk", None, (facts.WindowsForgotten(),))
    assert unwrap(record.as_of(days[2].window.end)).reasons != verdict.reasons


def test_windows_before_the_memory_have_their_row_and_not_the_current_verdict() -> None:
    days = [right(at) for at in range(6)]
    record = Record(days[3:], known=[Row(days[1].window.end, "degraded", JULY), Row(days[3].window.end, "healthy", 0)])
    first, second, *_ = record.with_verdicts(days, Verdict("no_data"))
    assert first.verdict is None
    assert (unwrap(second.verdict).state, record.state_as_of(second.window.end)) == ("degraded", "degraded")
