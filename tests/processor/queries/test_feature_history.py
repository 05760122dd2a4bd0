"""A feature over windows from the panes that are stored, beside what the rows themselves say."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from driftline.panes.bins import NumberBins
from driftline.tables.table import F64, ModelKey
from driftline_processor.config.model import Model
from driftline_processor.config.values import Keep
from driftline_processor.core.drift.number_shape import LEVELS
from driftline_processor.queries.feature_history import FeatureHistories, FeatureHistory, OutsideRow
from driftline_processor.state import State

from tests.support.state_fixtures import Open
from tests.support.state_rows import DAY, HOUR, NOON, Clock, Opened, baseline, config, predictions
from tests.support.unwrap import unwrap

KEY = ModelKey("churn", "1", "")
TRACE = bytes(range(16))
PER_DAY = 400
MIDNIGHT = NOON - 12 * HOUR


def values_of_day(day: int) -> F64:
    """Return the ages of a day: as in the baseline first, then ever older, on the last day far beyond it."""
    rng = np.random.default_rng(day)
    return rng.normal([40, 42, 45, 300][day], [5, 5, 8, 40][day], PER_DAY)


PLANS = [["a"] * 300 + ["b"] * 100, ["a"] * 200 + ["b"] * 200, ["a"] * 100 + ["c"] * 300, ["b"] * 400]


def reference() -> F64:
    return np.random.default_rng(9).normal(40, 5, 2_000)


MODEL = Model(windows=("1d",))


def fill(state: Opened) -> Opened:
    """Send a baseline and four days of rows."""
    made = baseline(
        np.full(2_000, 0.5).tolist(), {"age": reference().tolist(), "plan": ["a"] * 1_000 + ["b"] * 1_000}, version="1"
    )
    state.send(baselines=[made.to_json()])
    for day, plans in enumerate(PLANS):
        ages = values_of_day(day).tolist()
        ages[:8] = [None] * 8
        times = (MIDNIGHT + day * DAY + np.arange(PER_DAY) * 200 * 10**9).tolist()
        ids = [f"{day}-{row}" for row in range(PER_DAY)]
        state.send(predictions(ids, times, features={"age": ages, "plan": plans}, trace_id=TRACE))
    return state


@pytest.fixture
def filled(open_state: Open, clock: Clock) -> Opened:
    clock.now = MIDNIGHT + 5 * DAY
    return fill(open_state(churn=MODEL))


@pytest.fixture(scope="module")
def read(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Opened]:
    """The same state, for all tests that only read it and do not count what is read."""
    state = State(config(tmp_path_factory.mktemp("state"), churn=MODEL), clock=Clock(MIDNIGHT + 5 * DAY))
    state.start_storing()
    opened = fill(Opened(state))
    opened.view()
    yield opened
    opened.leave()


def history(state: Opened, feature: str, at: int = -1) -> FeatureHistory:
    windows = state.view().windows["1d"]
    return unwrap(state.state.queries.features.history(KEY, feature, windows, windows[at]))


def test_quantiles_are_those_of_the_rows_within_the_width_of_a_bin(read: Opened) -> None:
    """Beyond the bins within a power of two, the outermost of which ends at the greatest row that is kept."""
    found = history(read, "age")
    assert list(found.windows) == [MIDNIGHT + day * DAY for day in range(4)]
    bins = read.state.queries.features._baselines.in_force(KEY).baseline.bins.features["age"]  # type: ignore[union-attr]
    assert isinstance(bins, NumberBins)
    for day in range(3):
        quantiles = unwrap(found.windows[MIDNIGHT + day * DAY].quantiles)
        for told, real in zip(quantiles, np.quantile(values_of_day(day)[8:], LEVELS), strict=True):
            at = int(np.clip(np.searchsorted(bins.edges, real), 1, len(bins.edges) - 1))
            width = bins.edges[at] - bins.edges[at - 1] if real < bins.edges[-1] else real
            assert abs(told - real) <= width
    last = found.windows[MIDNIGHT + 3 * DAY]
    assert last.above == 1.0
    assert last.quantiles is not None
    assert bool((last.quantiles >= 128).all() and (last.quantiles <= values_of_day(3)[8:].max()).all())
    assert unwrap(last.open_ends).tolist() == [0] * 5
    assert found.baseline.quantiles == pytest.approx(np.quantile(reference(), LEVELS), abs=0.3)


def test_missing_values_are_a_share_of_all_rows(read: Opened) -> None:
    windows = history(read, "age").windows.values()
    assert {(one.rows, one.missing, one.invalid) for one in windows} == {(400.0, 0.02, 0.0)}


def test_labels_have_shares_and_new_ones_are_others(read: Opened) -> None:
    found = history(read, "plan")
    assert found.categories == ("a", "b")
    shares = [one.shares.tolist() for one in found.windows.values() if one.shares is not None]
    assert shares == [[0.75, 0.25, 0.0], [0.5, 0.5, 0.0], [0.25, 0.0, 0.75], [0.0, 1.0, 0.0]]
    assert unwrap(found.baseline.shares).tolist() == [0.5, 0.5, 0.0]
    assert found.now is None


def test_the_shape_of_the_chosen_window_is_its_own(read: Opened) -> None:
    found = history(read, "age", at=-1)
    assert unwrap(found.now).above == 1.0
    assert unwrap(found.was).above < 0.002


def test_a_window_is_read_once_and_again_when_it_has_other_rows(
    filled: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = history(filled, "plan")
    asked: list[list[int]] = []
    whole = FeatureHistories._read

    def count(self: FeatureHistories, *given: Any) -> Any:
        asked.append([(one.window.start - MIDNIGHT) // DAY for one in given[-1]])
        return whole(self, *given)

    monkeypatch.setattr("driftline_processor.queries.feature_history.FeatureHistories._read", count)
    again = history(filled, "plan")
    assert asked == []
    assert again.windows == first.windows
    filled.send(predictions(["late"], MIDNIGHT + DAY, features={"age": [40.0], "plan": ["a"]}))
    later = history(filled, "plan")
    assert asked == [[1]]
    assert later.windows[MIDNIGHT + DAY].rows == 401.0


def test_one_answer_reads_the_newest_windows_and_the_next_reads_on(
    filled: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    panes = len(filled.rows("SELECT DISTINCT pane FROM sums WHERE part = 'feature:plan'"))
    monkeypatch.setattr("driftline_processor.queries.feature_history.MOST_PARTS", panes + 2)
    days = [MIDNIGHT + day * DAY for day in range(4)]
    first = history(filled, "plan")
    assert (list(first.windows), first.unread_starts) == (days[2:], frozenset(days[:2]))
    assert history(filled, "plan", at=0).unread_starts == frozenset()
    assert list(history(filled, "plan").windows) == days
    monkeypatch.setattr("driftline_processor.queries.feature_history.MOST_PARTS", 1)
    assert list(history(filled, "age").windows) == days[3:]


def test_the_chosen_window_is_always_read(filled: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("driftline_processor.queries.feature_history.MOST_PARTS", 1)
    found = history(filled, "age", at=0)
    assert list(found.windows) == [MIDNIGHT, MIDNIGHT + 3 * DAY]
    assert found.unread_starts == {MIDNIGHT + DAY, MIDNIGHT + 2 * DAY}


def test_kept_rows_of_so_many_days_end_the_windows_and_older_ones_wait(
    filled: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("driftline_processor.queries.feature_history.MOST_DAYS", 1)
    days = [MIDNIGHT + day * DAY for day in range(4)]
    read = [list(history(filled, "age").windows) for _ in range(4)]
    assert read[0] == days[3:]
    assert read[-1] == days


def test_a_feature_that_no_baseline_has_has_no_history(read: Opened) -> None:
    windows = read.view().windows["1d"]
    assert read.state.queries.features.history(KEY, "nothing", windows) is None
    assert read.state.queries.features.history(ModelKey("another"), "age", windows) is None


def test_rows_out_of_range_are_found_with_their_traces_the_farthest_first(read: Opened) -> None:
    start = MIDNIGHT + 3 * DAY
    found = unwrap(read.state.queries.features.outside(KEY, "age", start, start + DAY, limit=3))
    ages = values_of_day(3)
    ages[:8] = 0
    farthest = np.argsort(-ages)[:3].tolist()
    assert [one.id for one in found] == [f"3-{row}" for row in farthest]
    assert [one.value for one in found] == ages[farthest].tolist()
    assert {one.trace_id for one in found} == {TRACE.hex()}


def test_rows_out_of_range_are_of_the_window_alone(read: Opened) -> None:
    start = MIDNIGHT + 3 * DAY
    found = unwrap(read.state.queries.features.outside(KEY, "age", start + HOUR, start + 2 * HOUR, limit=50))
    assert {start + HOUR <= one.time < start + 2 * HOUR for one in found} == {True}


def test_a_label_that_the_baseline_does_not_know_is_out_of_range(read: Opened) -> None:
    start = MIDNIGHT + 2 * DAY
    found = read.state.queries.features.outside(KEY, "plan", start, start + DAY, limit=1)
    assert found == (OutsideRow("2-100", start + 100 * 200 * 10**9, "c", TRACE.hex(), ""),)
    assert read.state.queries.features.outside(KEY, "plan", MIDNIGHT, start) == ()


def test_where_no_feature_is_kept_nobody_can_name_the_rows(open_state: Open) -> None:
    state = open_state(churn=Model(keep_features=Keep(0)))
    state.send(predictions(["a"], features={"age": [1.0]}))
    state.view()
    assert state.state.queries.features.outside(KEY, "age", NOON, NOON + DAY) is None
