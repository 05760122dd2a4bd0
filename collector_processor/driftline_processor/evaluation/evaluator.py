"""Find the windows changed by rows, outcomes or the clock, evaluate the due ones, and store the results.

:mod:`.window_queue` decides which windows are due, and their order.
"""

from __future__ import annotations

import heapq
import logging
from bisect import bisect_left, bisect_right, insort
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import chain

import numpy as np
import pyarrow as pa
from driftline.tables.table import I64

from driftline_processor.config.policies import Policy, policy_objectives
from driftline_processor.core.drift.method_choice import misfits
from driftline_processor.core.evaluation import Evaluation
from driftline_processor.core.labels.delay import OutcomeDelay
from driftline_processor.core.model_settings import ModelSettings
from driftline_processor.core.windows.window import DAY, PANE, Window, closed_until, is_closed, window_of
from driftline_processor.custom_metrics import load_custom_metrics
from driftline_processor.ingest.changes import ChangedPanes, PaneCounts, PaneProgress
from driftline_processor.ingest.pane_sums import read_restated, write_restated
from driftline_processor.store.baselines import Baselines
from driftline_processor.store.cumulative_streams import touched_since
from driftline_processor.store.database import Connection, is_of_all, is_of_memory, mark, number, read, set_mark
from driftline_processor.store.panes import stored_unit
from driftline_processor.store.series import Series, SeriesRegister

from .evaluation_store import EvaluationStore
from .judge import TOGETHER, judge_together
from .rolling_looks import RollingLooks, breaks, rolling_objectives, windows_to_look_at
from .settings import OutcomeDelays, settings_of
from .store_source import StoreReaders, StoreSource
from .window_queue import Counts, WaitingWindows

_log = logging.getLogger(__name__)

SeriesWindow = tuple[int, Window]
"""The number of a series and one of its windows."""

AT_ONCE = 200
"""Maximum number of windows that are evaluated, and then stored, together."""


_Ends = list[tuple[int, str, int]]
"""Heap of (end, name, start) of windows."""


class RipeWindows:
    """The evaluated windows of one series that close or mature as its event time passes.

    >>> ripe, hour = RipeWindows(), 3_600 * 10**9
    >>> ripe._note_open(Window("1h", 0, hour))
    >>> list(ripe.closing(hour)), list(ripe.closing(2 * hour))
    ([], [Window(name='1h', start=0, end=3600000000000)])
    >>> list(ripe.closing(3 * hour))
    []
    """

    def __init__(self) -> None:
        self._open: _Ends = []
        self._young: _Ends = []
        self._noted: dict[tuple[str, int], bool] = {}
        self._delay: tuple[int, str] | None = None

    def note(self, evaluation: Evaluation) -> None:
        """Add an evaluated window if it is open, or closed and immature."""
        window = evaluation.window
        if not evaluation.closed:
            self._note_open(window)
        elif evaluation.young:
            self._note(window, True, self._young)
        else:
            self._noted.pop((window.name, window.start), None)

    def closing(self, watermark: int) -> Iterator[Window]:
        """Yield each open window that is closed now, once. ``watermark``: unix nanoseconds."""
        while self._open and is_closed(_window(self._open[0]), watermark):
            yield from self._take(self._open, young=False)

    def mature(self, watermark: int, delay: OutcomeDelay) -> Iterator[Window]:
        """Yield each closed window that has become mature, once. ``watermark``: unix nanoseconds.

        A window is mature when the outcome delay has passed after its end.
        """
        while self._young and watermark - self._young[0][0] >= delay.nanoseconds:
            yield from self._take(self._young, young=True)

    def is_new(self, delay: OutcomeDelay) -> bool:
        """Return True if the outcome delay has changed, so that all windows have to be checked."""
        return self._delay != (delay.nanoseconds, delay.source)

    def note_delay(self, delay: OutcomeDelay) -> None:
        """Note that all windows were checked with this delay."""
        self._delay = delay.nanoseconds, delay.source

    def _note_open(self, window: Window) -> None:
        self._note(window, False, self._open)

    def _note(self, window: Window, young: bool, ends: _Ends) -> None:
        place = window.name, window.start
        if self._noted.get(place) is not young:
            self._noted[place] = young
            heapq.heappush(ends, (window.end, window.name, window.start))

    def _take(self, ends: _Ends, young: bool) -> Iterator[Window]:
        """Yield the windows at the top of the heap that did not change in the meantime."""
        window = _window(heapq.heappop(ends))
        if self._noted.get((window.name, window.start)) is young:
            del self._noted[window.name, window.start]
            yield window


def changed_by_delay(closed: Iterable[Evaluation], watermark: int, delay: OutcomeDelay) -> Iterator[Window]:
    """Yield the closed windows whose maturity changes with a new outcome ``delay``."""
    for closed_window in closed:
        waits = watermark - closed_window.window.end < delay.nanoseconds and not delay.complete(closed_window.coverage)
        if closed_window.young != waits:
            yield closed_window.window


def _window(window_end: tuple[int, str, int]) -> Window:
    end, name, start = window_end
    return Window(name, start, end)


class UnchangedRows:
    """The windows of a series without new rows in or before them since their evaluation.

    >>> unchanged, hour = UnchangedRows(), Window("1h", 0, 3_600)
    >>> unchanged.note(hour)
    >>> unchanged.forget(3_600)
    >>> hour in unchanged
    True
    >>> unchanged.forget(0)
    >>> hour in unchanged
    False
    """

    def __init__(self) -> None:
        self._ends: defaultdict[str, list[int]] = defaultdict(list)

    def note(self, window: Window) -> None:
        """Add an evaluated window; the last five hundred windows per length are kept."""
        if window not in self:
            ends = self._ends[window.name]
            insort(ends, window.end)
            del ends[:-500]

    def forget(self, pane: int) -> None:
        """Remove the windows that end after the start of a pane with new rows."""
        for ends in self._ends.values():
            del ends[bisect_right(ends, pane) :]

    def __contains__(self, window: Window) -> bool:
        ends = self._ends[window.name]
        position = bisect_left(ends, window.end)
        return position < len(ends) and ends[position] == window.end


class Evaluator:
    """Evaluates changed windows. Not thread-safe."""

    def __init__(
        self,
        connection: Connection,
        series: SeriesRegister,
        baselines: Baselines,
        evaluations: EvaluationStore,
        touched: ChangedPanes,
        watermark: Callable[[Series], int],
        clock: Callable[[], int],
        policies: Mapping[str, Policy],
        share: float = 1.0,
        lazily: bool = False,
    ) -> None:
        """Find the windows that need an evaluation since the last run.

        ``watermark``: returns the current watermark of a series. ``clock``: the wall clock in unix nanoseconds.
        ``policies``: the evaluated policies, whose fixed limits are objectives. ``share``: fraction of the memory for
        what is read from the store. ``lazily``: whether stored windows can close or mature only after something else
        has read the evaluations of their series.
        """
        self._connection, self._series, self._baselines = connection, series, baselines
        self._evaluations, self._touched, self._watermark = evaluations, touched, watermark
        self._readers = StoreReaders(connection, baselines, share)
        self._policies, self._settings = policies, dict[str, ModelSettings]()
        self._clock, self.delays = clock, OutcomeDelays(connection, series)
        self.waiting, self._tiers = WaitingWindows(self._tier), dict[int, int | None]()
        self._ripe: defaultdict[int, RipeWindows] = defaultdict(RipeWindows)
        self._unchanged: defaultdict[int, UnchangedRows] = defaultdict(UnchangedRows)
        self._looks = RollingLooks()
        self._baseline_changes = baselines.changes
        self._warned: set[str] = set()
        self._fitting: set[tuple[str, str]] = set()
        self._given_up: set[tuple[int, Window]] = set()
        load_custom_metrics(_log.warning)
        self._unnoted = set(series.by_number())
        if not lazily:
            evaluations.read_ahead([*self._unnoted])
        self._load()

    def step(
        self,
        patient: bool = True,
        ended: Callable[[], bool] = lambda: False,
        early: Callable[[], bool] = lambda: False,
    ) -> bool:
        """Evaluate changed and newly closed windows, the most urgent first; return False if no window was due.

        ``patient``: see :meth:`~driftline_processor.evaluation.evaluation_store.EvaluationStore.write`; if False, no
        window rests. ``ended``: checked before each group of windows; if it returns True, the remaining windows wait
        for the next step or the next start. ``early``: called if no window is due; if it returns True, a resting
        window is evaluated.
        """
        self.collect()
        if self._evaluations.crowded:
            self._evaluations.write(patient=False)  # a write failed before, and memory is limited
        self._look_at_objectives(ended)
        window_count = 0
        while window_count < AT_ONCE and not ended():
            first = self.waiting.next(self._clock())
            if first is None and not patient:
                first = self.waiting.next_resting(self._clock(), quiet=0)
            elif first is None and early():
                first = self.waiting.next_resting(self._clock())
            if first is None:
                break
            windows = self._independent(
                [first, *self.waiting.following(*first, min(TOGETHER, AT_ONCE - window_count) - 1)]
            )
            self._evaluate(windows)
            window_count += len(windows)
        self.waiting.publish(self._clock())
        self._evaluations.write(patient, lambda is_whole: self._note_reached() if is_whole and window_count else None)
        return window_count > 0

    def _look_at_objectives(self, ended: Callable[[], bool]) -> None:
        """Evaluate the windows in which a rolling objective breaks, before all others.

        ``ended``: checked after each series; if it returns True, the remaining series wait for the next step.
        """
        by_number = self._series.by_number()
        for series_number in self._looks.due(self._clock()):
            series = by_number[series_number]
            settings, watermark = self._settings_of(series.key.model), self._watermark(series)
            final = closed_until(watermark) - min(self.delays.of(series).nanoseconds, DAY)
            panes = self._looks.take(series_number, final)
            try:
                broken = self._broken_windows(series, settings, windows_to_look_at(settings, panes, watermark))
            except Exception as error:
                if is_of_all(error):
                    self._looks.note(series_number, panes)
                    raise
                _log.exception("the rolling objectives of %s could not be evaluated", series.key.model)
                broken = []
            for window in broken:
                self.waiting.add(series_number, window, self._clock(), closing=True)
                self._evaluate([(series_number, window)])
            if ended():
                break

    def _broken_windows(self, series: Series, settings: ModelSettings, parts: Iterable[Window]) -> list[Window]:
        """Return the windows in which a rolling objective breaks and whose evaluation does not show that yet."""
        history, broken = self._evaluations.history(series.number), []
        for part in parts:
            window = window_of(part.name, part.start, settings.timezone)
            evaluation = history.get(part.name, {}).get(window.start)
            if breaks(self._source(series.number, window), settings, part, evaluation):
                broken.append(window)
        return broken

    def _independent(self, windows: Sequence[SeriesWindow]) -> Sequence[SeriesWindow]:
        """Return the windows up to the first whose rolling reference another of them may change."""
        by_number, places = self._series.by_number(), set[tuple[int, str]]()
        for index, (series, window) in enumerate(windows):
            settings = self._settings_of(by_number[series].key.model)
            if settings.rolling is not None and (series, window.name) in places:
                return windows[:index]
            places.add((series, window.name))
        return windows

    def _evaluate(self, windows: Sequence[SeriesWindow]) -> None:
        """Evaluate windows together, or one by one after an error, and note when they close or mature."""
        evaluations: Sequence[Evaluation | None] = [None]
        try:
            evaluations = self._judge(windows)
        except Exception as error:
            if is_of_all(error):
                raise  # all of them stay in the queue
            if len(windows) > 1:
                _log.debug("windows could not be evaluated together and are evaluated one by one: %r", error)
                for series_window in windows:
                    self._evaluate([series_window])
                return
            if is_of_memory(error):
                self._put_off(*windows[0], error)
                return
            # One failing window must not stop the others; it is retried when it changes again.
            series, window = windows[0]
            model = self._series.by_number()[series].key.model
            _log.exception("window %s of %s at %d could not be evaluated", window.name, model, window.start)
        for (series, window), evaluation in zip(windows, evaluations, strict=True):
            self._note(series, window, evaluation)

    def _judge(self, windows: Sequence[SeriesWindow]) -> list[Evaluation | None]:
        """Evaluate windows together; None for a window without any row or outcome."""
        sources = [self._source(*window) for window in windows]
        filled = [source for source in sources if not source.empty or self._is_known(source.series, source.window)]
        for source in filled:
            self._warn_misfits(source)
        evaluations = judge_together([(source, source.settings) for source in filled], self._warn_once)
        by_source = dict(zip(map(id, filled), evaluations, strict=True))
        return [by_source.get(id(source)) for source in sources]

    def _source(self, number: int, window: Window) -> StoreSource:
        series = self._series.by_number()[number]
        settings, watermark = self._settings_of(series.key.model), self._watermark(series)
        earlier = None
        if window in self._unchanged[number] and self._baseline_changes == self._baselines.changes:
            earlier = self._evaluations.history(number).get(window.name, {}).get(window.start)
        past = None
        if settings.rolling is not None:
            drifted = partial(self._evaluations.drifted, number, window)
            past = settings.rolling.periods(window, settings.timezone, drifted)
        return StoreSource(
            series=series,
            window=window,
            settings=settings,
            watermark=watermark,
            delay=self.delays.of(series),
            readers=self._readers,
            earlier=earlier,
            past=past,
            keep=self._series.settings(series.key.model).keep_features,
        )

    def _is_known(self, series: Series, window: Window) -> bool:
        """Return True if a window was evaluated before."""
        return window.start in self._evaluations.history(series.number).get(window.name, {})

    def _note(self, number: int, window: Window, evaluation: Evaluation | None) -> None:
        """Record the evaluation of a window and remove it from the queue."""
        series = self._series.by_number()[number]
        is_known, evaluated = self._is_known(series, window), None
        if evaluation is not None:
            if evaluation.closed:
                self._warn_asked(series)
            else:
                evaluated = Counts(evaluation.rows + evaluation.distributed, evaluation.outcome_rows)
            if self._evaluations.put(number, evaluation):
                self._evaluations.settle()
                self._unchanged[number].forget(window.end)
                self._mark_compared(series, [window.start, window.end - PANE], (window.name,))
            self._ripe[number].note(evaluation)
            self._unchanged[number].note(window)
        self._given_up.discard((number, window))
        self.waiting.remove(number, window, self._clock(), is_known, evaluated)

    def _put_off(self, number: int, window: Window, error: Exception) -> None:
        """Postpone a window that ran out of memory, and log it once per window name."""
        reason = str(error).splitlines()[0][:300] if str(error) else type(error).__name__
        model = self._series.by_number()[number].key.model
        self._warn_once(
            f"windows of {window.name} of {model}: there was not enough memory to evaluate one; driftline will retry"
            " later, and at the next start. If this continues, raise limits.memory",
            reason,
        )
        if not self.waiting.put_off(number, window, self._clock()):
            self._given_up.add((number, window))
            write_restated(self._connection, [(number, np.array([window.start]))])

    def forget_deleted(self, deleted_slices: Iterable[tuple[int, str]] = ()) -> list[tuple[int, I64]]:
        """Drop everything that was read from the store, after rows were deleted.

        Args:
            deleted_slices: Series and name of the slices that were deleted.

        Returns:
            By series, the starts of the windows that are not stored yet and name one of these slices.
        """
        self._readers.forget_all()
        self._unchanged.clear()
        return [(series, self._evaluations.forget_slice(series, name)) for series, name in deleted_slices]

    @property
    def idle(self) -> bool:
        """Return True if no window waits or rests, and the stored ones of all series are known."""
        return not self.waiting and not self._touched and not self._unnoted

    def forget_tidied(self) -> None:
        """Drop what was read from the store and may have changed in a roll-up."""
        for series in self._series:
            self._readers.forget_old(series.number, self._watermark(series))

    def _note_reached(self) -> None:
        """Store the position up to which all windows are evaluated, inside the caller's transaction."""
        reached = self.waiting.finished()
        if reached is not None:
            set_mark(self._connection, "evaluated_predictions", reached.predictions)
            set_mark(self._connection, "evaluated_joined", reached.joined)
            set_mark(self._connection, "evaluated_points", reached.points)
        if self.idle:
            self._connection.execute("DELETE FROM restated")
            write_restated(self._connection, [(number, np.array([window.start])) for number, window in self._given_up])

    def collect(self) -> None:
        """Queue the windows that changed or can be closed now."""
        rows, outcomes, reached = self._touched.take()
        self.waiting.begin_round(reached)
        try:
            self._collect(rows, outcomes, reached)
        except BaseException:
            self._touched.put_back(rows, outcomes)
            self.waiting.cancel_round()
            raise
        self.waiting.publish(self._clock())

    def _collect(self, rows: PaneCounts, outcomes: PaneCounts, reached: PaneProgress) -> None:
        self.delays.learn(reached.joined, idle=not rows and not outcomes)
        if self._baseline_changes != self._baselines.changes:
            self._baseline_changes = self._baselines.changes
            self._unchanged.clear()
        by_number = self._series.by_number()
        for series_number in rows.keys() | outcomes.keys():
            series, none = by_number[series_number], Counter[int]()
            counted, joined = rows.get(series_number, none), outcomes.get(series_number, none)
            self._forget(series, counted, joined)
            self._mark_grown(series, counted, joined)
            if rolling_objectives(self._settings_of(series.key.model)):
                self._looks.note(series_number, {*counted, *joined})
        self._note_stored()
        for series_number, series in by_number.items():
            if series_number not in self._unnoted:
                self._collect_ripe(series_number, series)

    def _note_stored(self) -> None:
        """Note when stored windows close or mature, of the series whose evaluations are in memory by now."""
        for series_number in [*filter(self._evaluations.is_read, self._unnoted)]:
            for evaluation in self._evaluations.open(series_number) + self._evaluations.closed(series_number):
                self._ripe[series_number].note(evaluation)
            self._unnoted.discard(series_number)

    def _forget(self, series: Series, counted: Collection[int], joined: Collection[int]) -> None:
        """Drop what was read of panes, and queue the windows whose reference includes these panes."""
        if counted:
            self._unchanged[series.number].forget(min(counted))
            self._readers.forget_counted(series.number, counted)
            self._mark_compared(series, counted)
        self._readers.forget_rows(series.number, {*counted, *joined})

    def _collect_ripe(self, number: int, series: Series) -> None:
        """Queue the windows of a series that can be closed or have become mature.

        A mature window that is shorter than the panes of its age keeps its evaluation.
        """
        watermark, ripe, now = self._watermark(series), self._ripe[number], self._clock()
        for window in ripe.closing(watermark):
            self.waiting.add(number, window, now, closing=True)
        delay, timezone = self.delays.of(series), self._series.settings(series.key.model).timezone
        closed = self._evaluations.closed(number) if ripe.is_new(delay) else ()
        ripe_windows = chain(ripe.mature(watermark, delay), changed_by_delay(closed, watermark, delay))
        for window in ripe_windows:
            if stored_unit(window.start, watermark, timezone).end <= window.end:
                self.waiting.add(number, window, now, closing=True)
        ripe.note_delay(delay)

    def _tier(self, number: int) -> int | None:
        """Return the tier of a series, cached, because each change of a window needs it."""
        if number not in self._tiers:
            self._tiers = {series.number: self._series.settings(series.key.model).tier for series in self._series}
        return self._tiers[number]

    def _settings_of(self, model: str) -> ModelSettings:
        if model not in self._settings:
            configured = self._series.settings(model)
            objectives = policy_objectives(self._policies, model, configured.tier, configured.windows)
            self._settings[model] = settings_of(configured, objectives)
        return self._settings[model]

    def _warn_asked(self, series: Series) -> None:
        """Log once which configured metrics do not apply to the task or the classes of a model."""
        metric_names = self._series.settings(series.key.model).performance
        for wrong in metric_names.problems(series.task.kind, series.task.classes):
            message = f"models.{series.key.model}.performance.{wrong}"
            self._warn_once(f"{message}; until then it is ignored")

    def _warn_misfits(self, source: StoreSource) -> None:
        """Log once per baseline which chosen methods do not apply to a feature."""
        model, choices, baseline = source.key.model, source.settings.choices, source.baseline
        if baseline is None or not choices.features or (model, baseline.digest) in self._fitting:
            return
        self._fitting.add((model, baseline.digest))
        for misfit in misfits(choices, baseline):
            self._warn_once(f"{misfit.key(model)}: {misfit}; until then it is ignored")

    def _warn_once(self, message: str, reason: str = "") -> None:
        if message not in self._warned:
            self._warned.add(message)
            _log.warning("%s", f"{message} ({reason})" if reason else message)

    def _mark_compared(self, series: Series, panes: Collection[int], names: Collection[str] = ()) -> None:
        """Queue the windows, by default of all names, that may be compared with these panes.

        Late rows change their reference, and so does a window that is left out or not any more.
        """
        settings = self._series.settings(series.key.model)
        if settings.reference is None or not panes:
            return
        rolling, touched = settings.reference.rolling, np.sort(np.fromiter(panes, np.int64, len(panes)))
        for name, evaluations in self._evaluations.history(series.number).items():
            if names and name not in names:
                continue
            for evaluation in reversed(evaluations.values()):
                window = evaluation.window
                if window.start <= touched[0]:
                    break  # the reference lies before the window, so earlier windows are not affected
                candidates = rolling.candidates(window, settings.timezone)
                ends = np.searchsorted(touched, [candidates[0].start, candidates[-1].end])
                if ends[0] < ends[1]:
                    self._mark_dirty(series, [window.start], (name,))

    def _mark_grown(self, series: Series, rows: Counter[int], outcomes: Counter[int]) -> None:
        """Queue the windows of panes, with the number of new rows and outcomes per pane."""
        for window, panes in self._windows_of(series, rows.keys() | outcomes.keys()).items():
            gained = Counts(sum(rows[pane] for pane in panes), sum(outcomes[pane] for pane in panes))
            self.waiting.add(series.number, window, self._clock(), gained=gained)

    def _mark_dirty(self, series: Series, panes: Iterable[int], names: tuple[str, ...] = ()) -> None:
        """Queue the windows of panes, by default of all configured names."""
        for window in self._windows_of(series, panes, names):
            self.waiting.add(series.number, window, self._clock())

    def _windows_of(self, series: Series, panes: Iterable[int], names: tuple[str, ...] = ()) -> dict[Window, list[int]]:
        """Return the windows of panes, with these panes.

        Windows shorter than the panes of their age keep their evaluation and are left out.
        """
        settings, watermark = self._series.settings(series.key.model), self._watermark(series)
        windows, ordered = dict[Window, list[int]](), sorted(panes)
        for name in names or settings.windows:
            window, is_kept = Window(name, 0, 0), False
            for pane in ordered:
                if pane >= window.end:
                    window = window_of(name, pane, settings.timezone)
                    is_kept = stored_unit(pane, watermark, settings.timezone).end <= window.end
                if is_kept:
                    windows.setdefault(window, []).append(pane)
        return windows

    def _load(self) -> None:
        """Queue everything since the last run: new rows, and all windows after the last stored one of their name."""
        changed = read(
            self._connection,
            f"SELECT series, time - time % {PANE} AS pane, true AS counted FROM predictions WHERE seq > ? UNION"
            f" SELECT series, time - time % {PANE}, false FROM joined WHERE seq > ?",
            mark(self._connection, "evaluated_predictions"),
            mark(self._connection, "evaluated_joined"),
        )
        by_number = self._series.by_number()
        panes: dict[int, set[int]] = {}
        counted: dict[int, set[int]] = {}
        for row in changed.to_pylist():
            panes.setdefault(row["series"], set()).add(row["pane"])
            if row["counted"]:
                counted.setdefault(row["series"], set()).add(row["pane"])
        for series_number, pane in touched_since(self._connection, mark(self._connection, "evaluated_points")):
            panes.setdefault(series_number, set()).add(pane)
            counted.setdefault(series_number, set()).add(pane)

        def reached(table: str) -> int:
            return number(self._connection, f"SELECT max(seq) FROM {table}") or 0

        self._touched.touch([], reached("predictions"), reached("joined"), reached("streams"))
        for series_number, pane in read_restated(self._connection):
            panes.setdefault(series_number, set()).add(pane)
        for series_number, starts in panes.items():
            self._mark_dirty(by_number[series_number], starts)
        for series_number, starts in counted.items():
            self._readers.forget_counted(series_number, starts)
            self._mark_compared(by_number[series_number], starts)
        places = [
            (series.number, name)
            for series in by_number.values()
            for name in self._series.settings(series.key.model).windows
        ]
        later = self._later_panes(places)
        for place in places:
            self._mark_dirty(by_number[place[0]], later.get(place, ()), (place[1],))

    def _later_panes(self, places: Sequence[tuple[int, str]]) -> dict[tuple[int, str], list[int]]:
        """Return the panes after the last stored window of each series and name, in one query."""
        ends = [(*place, self._evaluations.ends.get(place, 0)) for place in places]
        columns = pa.schema([("series", pa.int32()), ("name", pa.string()), ("stop", pa.int64())])
        wanted = pa.Table.from_pylist([dict(zip(columns.names, end, strict=True)) for end in ends], columns)
        query = "SELECT DISTINCT series, name, pane FROM all_panes JOIN wanted USING (series) WHERE pane >= stop"
        later: dict[tuple[int, str], list[int]] = {}
        for row in read(self._connection, query, wanted=wanted).to_pylist():
            later.setdefault((row["series"], row["name"]), []).append(row["pane"])
        return later
