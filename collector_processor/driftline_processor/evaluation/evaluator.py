"""Decide which windows are judged, and when: those that rows, outcomes or the clock have touched."""

from __future__ import annotations

import logging
import traceback
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from itertools import chain
from time import thread_time

import numpy as np
from driftline.tables.table import I64

from driftline_processor.core.model_settings import ModelSettings
from driftline_processor.core.windows.window import PANE, Window, window_of
from driftline_processor.custom_metrics import load_custom_metrics
from driftline_processor.ingest.changes import ChangedPanes, PaneProgress, Panes
from driftline_processor.ingest.pane_sums import read_restated, write_restated
from driftline_processor.store.baselines import Baselines
from driftline_processor.store.cumulative_streams import touched_since
from driftline_processor.store.database import Connection, is_of_all, is_of_memory, mark, number, read, set_mark
from driftline_processor.store.panes import stored_unit
from driftline_processor.store.series import Series, SeriesRegister

from .evaluation_store import EvaluationStore
from .judge import TOGETHER
from .judging_queue import WaitingWindows
from .processes.pool import JudgingProcesses
from .ripe_windows import RipeWindows, changed_by_delay
from .settings import settings_of
from .store_judge import JudgedWindow, JudgingOrder, StoreJudge
from .store_source import StoreReaders
from .stored_outcomes import OutcomeDelays

_log = logging.getLogger(__name__)

AT_ONCE = 200
"""Windows that are evaluated in one go at most, and then stored together; the rest waits for the next."""


class Evaluator:
    """Evaluates what was touched. One thread uses it."""

    def __init__(
        self,
        connection: Connection,
        series: SeriesRegister,
        baselines: Baselines,
        evaluations: EvaluationStore,
        touched: ChangedPanes,
        watermark: Callable[[Series], int],
        clock: Callable[[], int],
        processes: JudgingProcesses,
        share: float = 1.0,
    ) -> None:
        """Note what has to be looked at again since the last time.

        ``watermark``: of a series, now. ``clock``: the wall clock in unix nanoseconds. ``processes``: judge windows
        beside this one, as far as there are any. ``share``: of the memory that what is read of the store may take.
        """
        self._connection, self._series, self._baselines = connection, series, baselines
        self._processes = processes
        processes.close()  # what they remember is of before
        self._evaluations, self._touched, self._watermark = evaluations, touched, watermark
        self._readers = StoreReaders(connection, baselines, share)
        self._judge = StoreJudge(self._readers)
        self._judged: dict[str, ModelSettings] = {}
        self._clock, self.waiting, self.delays = clock, WaitingWindows(), OutcomeDelays(connection, series)
        self._ripe: defaultdict[int, RipeWindows] = defaultdict(RipeWindows)
        self._warned: set[tuple[str, str]] = set()
        self._given_up: set[tuple[int, Window]] = set()
        load_custom_metrics(_log.warning)
        for series_number in series.by_number():
            for evaluation in evaluations.open(series_number) + evaluations.closed(series_number):
                self._ripe[series_number].note(evaluation)
        self._load()

    def step(
        self,
        patient: bool = True,
        ended: Callable[[], bool] = lambda: False,
        early: Callable[[], bool] = lambda: False,
    ) -> bool:
        """Evaluate touched windows, the most urgent first, and those that can be closed; False when none was due.

        ``patient``: see :meth:`~driftline_processor.evaluation.evaluation_store.EvaluationStore.write`; otherwise no
        window rests. ``ended``: asked before each window, or the few that are judged together; the rest waits for the
        next step, or for the next start. ``early``: asked when nothing is due, whether to evaluate a window that rests.
        """
        self.collect()
        if self._evaluations.crowded:
            self._evaluations.write(patient=False)  # storing has failed before, and what waits must not pile up
        by_number, window_count = self._series.by_number(), 0
        self._processes.prepare(self.waiting.backlog.windows)
        try:
            while window_count < AT_ONCE and not ended():
                following, due = self.waiting.next(self._clock()), True
                if following is None and (not patient or early()):
                    following, due = self.waiting.next(self._clock(), early=True), not patient
                if following is None:
                    break
                window_count += self._evaluate_some(by_number[following[0]], following[1], due, AT_ONCE - window_count)
            self._take_answers()
        except BaseException:
            self._take_back()
            raise
        self.waiting.publish(self._clock())
        self._evaluations.write(patient, lambda is_whole: self._note_reached() if is_whole and window_count else None)
        return window_count > 0

    def _evaluate_some(self, series: Series, first: Window, due: bool, limit: int) -> int:
        """Evaluate a window that waits, and past ones that follow it, here or in another process.

        A view of the past that rolls is kept by who writes the store, so its windows are judged here.

        Args:
            series: Whose windows.
            first: The window.
            due: False where it rests, and this thread has an allowance of CPU for it.
            limit: How many windows at most.

        Returns:
            How many these are.
        """
        elsewhere = due and self._processes.ready and self._settings_of(series.key.model).rolling is None
        batch_size = self._processes.windows_at_once(series.number) if elsewhere else TOGETHER
        windows = [first, *self.waiting.following(series.number, first, min(batch_size, limit) - 1)]
        if elsewhere:
            self._give(series, windows)
        else:
            self._evaluate_here(series, windows)
        return len(windows)

    def _evaluate_here(self, series: Series, windows: Sequence[Window]) -> None:
        """Evaluate windows together, each alone where one of them cannot be; note what becomes of them with time."""
        began = thread_time()
        try:
            judged_windows = self._of(series, windows)
        except Exception as error:
            if is_of_all(error):
                raise  # all of them go on waiting
            if len(windows) > 1:
                _log.debug("windows of %s are evaluated one by one: %r", series.key.model, error)
                for window in windows:
                    self._evaluate_here(series, [window])
                return
            if is_of_memory(error):
                self._put_off(series, windows[0], error)
                return
            judged_windows = [JudgedWindow(None, (), traceback.format_exc())]
        for window, judged_window in zip(windows, judged_windows, strict=True):
            self._note(series, window, judged_window)
        self._processes.note_judged(series.number, len(windows), thread_time() - began)

    def _of(self, series: Series, windows: Sequence[Window]) -> list[JudgedWindow]:
        return self._judge.judge(self._order(series, windows))

    def _give(self, series: Series, windows: Sequence[Window]) -> None:
        """Give windows to a process, or evaluate them here where none takes them."""
        order = self._order(series, windows)
        for window in windows:
            self.waiting.hand_over(series.number, window)
        while not self._processes.free and self._take_answer():
            pass
        if not self._processes.give(order, self._baselines.changes):
            self._evaluate_lost(order)

    def _take_answers(self) -> None:
        """Wait for all that was given to processes, and take in what they answer."""
        while self._take_answer():
            pass

    def _take_answer(self) -> bool:
        """Wait for an answer and take it in; False where nothing was asked."""
        answered = self._processes.collect(self._connection, self._baselines)
        if answered is None:
            return False
        order, judged_windows = answered
        if judged_windows is None:
            self._evaluate_lost(order)
            return True
        for window, judged_window in zip(order.windows, judged_windows, strict=True):
            self._note(order.series, window, judged_window)
        return True

    def _evaluate_lost(self, order: JudgingOrder) -> None:
        """Evaluate the windows of an order here that no process has answered."""
        for window in order.windows:
            self.waiting.take_back(order.series.number, window, self._clock())
        self._evaluate_here(order.series, order.windows)

    def _take_back(self) -> None:
        """Let the windows wait again that were given away, or were to be."""
        self._processes.abandon()
        self.waiting.take_all_back(self._clock())

    def _is_known(self, series: Series, window: Window) -> bool:
        """Return True where a window was evaluated before."""
        return window.start in self._evaluations.history(series.number).get(window.name, {})

    def _order(self, series: Series, windows: Sequence[Window]) -> JudgingOrder:
        """Return an order to judge windows, with all that is known of the model now."""
        known_windows = frozenset(window for window in windows if self._is_known(series, window))
        settings, watermark = self._settings_of(series.key.model), self._watermark(series)
        return JudgingOrder(series, tuple(windows), known_windows, settings, watermark, self.delays.of(series))

    def _note(self, series: Series, window: Window, judged_window: JudgedWindow) -> None:
        """Take in what was judged of a window, which waits no longer."""
        number, is_known = series.number, self._is_known(series, window)
        if judged_window.failure:
            # One window that cannot be evaluated must not stop the others; it is tried when touched again.
            log_labels = window.name, series.key.model, window.start
            _log.error("window %s of %s at %d could not be evaluated\n%s", *log_labels, judged_window.failure)
        for sentence in judged_window.said:
            self._warn_once(series.key.model, sentence)
        if judged_window.evaluation is not None:
            if judged_window.evaluation.closed:
                self._warn_asked(series)
            self._evaluations.put(number, judged_window.evaluation)
            self._ripe[number].note(judged_window.evaluation)
        self._given_up.discard((number, window))
        self.waiting.remove(number, window, self._clock(), is_known)

    def _put_off(self, series: Series, window: Window, error: Exception) -> None:
        """Let a window wait for which there was no memory, and say so once for windows of its name."""
        reason = str(error).splitlines()[0][:300] if str(error) else type(error).__name__
        self._warn_once(
            series.key.model,
            f"windows of {window.name} of {series.key.model}: there was no memory to evaluate one; it is tried again"
            " later, and at the next start. Where this goes on, raise limits.memory",
            reason,
        )
        if not self.waiting.put_off(series.number, window, self._clock()):
            self._given_up.add((series.number, window))
            write_restated(self._connection, [(series.number, np.array([window.start]))])

    def _forget(self, forget: Callable[..., None], *arguments: object) -> None:
        """Let the readers here and those of all processes forget something of the store."""
        forget(self._readers, *arguments)
        self._processes.tell(forget, *arguments)

    def forget_deleted(self, deleted_slices: Iterable[tuple[int, str]] = ()) -> list[tuple[int, I64]]:
        """Forget what was read of the store: rows were deleted.

        Args:
            deleted_slices: Series and name of the slices that are told apart no longer.

        Returns:
            By series, where windows begin that are not stored yet and named one of these slices.
        """
        self._readers.forget_all()
        self._processes.close()  # what they remember is deleted with them
        return [(series, self._evaluations.forget_slice(series, name)) for series, name in deleted_slices]

    @property
    def idle(self) -> bool:
        """Whether no window waits to be evaluated, or rests until it is."""
        return not self.waiting and not self._touched

    def forget_tidied(self) -> None:
        """Forget what was read of the store that tidying may have changed."""
        for series in self._series:
            self._forget(StoreReaders.forget_old, series.number, self._watermark(series))

    def _note_reached(self) -> None:
        """Write down how far the tables had come with all that was evaluated, inside the caller's transaction."""
        reached = self.waiting.finished()
        if reached is not None:
            set_mark(self._connection, "evaluated_predictions", reached.predictions)
            set_mark(self._connection, "evaluated_joined", reached.joined)
            set_mark(self._connection, "evaluated_points", reached.points)
        if self.idle:
            self._connection.execute("DELETE FROM restated")
            write_restated(self._connection, [(number, np.array([window.start])) for number, window in self._given_up])

    def collect(self) -> None:
        """Note which windows were touched, and which can be closed now."""
        panes, counted, reached = self._touched.take()
        self.waiting.begin_round(reached)
        try:
            self._collect(panes, counted, reached)
        except BaseException:
            self._touched.put_back(panes, counted)
            self.waiting.cancel_round()
            raise
        self.waiting.publish(self._clock())

    def _collect(self, panes: Panes, counted: Panes, reached: PaneProgress) -> None:
        self.delays.learn(reached.joined, idle=not panes)
        by_number = self._series.by_number()
        for series_number, starts in counted.items():
            self._forget(StoreReaders.forget_counted, series_number, starts)
            self._mark_compared(by_number[series_number], starts)
        for series_number, starts in panes.items():
            self._mark_dirty(by_number[series_number], starts)
            self._forget(StoreReaders.forget_rows, series_number, starts)
        for series_number, series in by_number.items():
            self._collect_ripe(series_number, series)

    def _collect_ripe(self, number: int, series: Series) -> None:
        """Note the windows of a series that can be closed now, and those whose outcomes have had their time.

        Of the latter not those shorter than what panes of their age are rolled up to: their evaluations stay.
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

    def _settings_of(self, model: str) -> ModelSettings:
        """Return how windows of a model are judged."""
        if model not in self._judged:
            self._judged[model] = settings_of(self._series.settings(model))
        return self._judged[model]

    def _warn_asked(self, series: Series) -> None:
        """Log once what is asked of the performance and a model of this kind, or with these classes, has not."""
        metric_names = self._series.settings(series.key.model).performance
        for wrong in metric_names.problems(series.task.kind, series.task.classes):
            message = f"models.{series.key.model}.performance.{wrong}"
            self._warn_once(series.key.model, f"{message}; until then it is left out")

    def _warn_once(self, model: str, message: str, reason: str = "") -> None:
        if (model, message) not in self._warned:
            self._warned.add((model, message))
            _log.warning("%s", f"{message} ({reason})" if reason else message)

    def _mark_compared(self, series: Series, panes: Collection[int]) -> None:
        """Note the windows that were compared with these panes: late rows change what later windows drift from."""
        settings = self._series.settings(series.key.model)
        if settings.reference is None or not panes:
            return
        rolling, touched = settings.reference.rolling, np.sort(np.fromiter(panes, np.int64, len(panes)))
        for name, evaluations in self._evaluations.history(series.number).items():
            for evaluation in reversed(evaluations.values()):
                window = evaluation.window
                if window.start <= touched[0]:
                    break  # what a window is compared with lies before it, and the windows before it are older
                stretches = rolling.stretches(window, settings.timezone)
                ends = np.searchsorted(touched, [stretches[0].start, stretches[-1].end])
                if ends[0] < ends[1]:
                    self._mark_dirty(series, [window.start], (name,))

    def _mark_dirty(self, series: Series, panes: Iterable[int], names: tuple[str, ...] = ()) -> None:
        """Note the windows that hold these panes: of the names given, else of all that are configured.

        Not those shorter than what panes of their age are rolled up to: their evaluations stay.
        """
        settings, watermark = self._series.settings(series.key.model), self._watermark(series)
        now, ordered = self._clock(), sorted(panes)
        for name in names or settings.windows:
            end = 0
            for pane in ordered:
                if pane < end:
                    continue
                window = window_of(name, pane, settings.timezone)
                end = window.end
                if stored_unit(pane, watermark, settings.timezone).end <= end:
                    self.waiting.add(series.number, window, now)

    def _load(self) -> None:
        """Look again at what came after the last time, and at all windows after the last stored one of their name."""
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
        reached = {"predictions": "predictions", "joined": "joined", "points": "streams"}
        for name, table in reached.items():
            self._touched.touch([], **{name: number(self._connection, f"SELECT max(seq) FROM {table}") or 0})
        for series_number, pane in read_restated(self._connection):
            panes.setdefault(series_number, set()).add(pane)
        for series_number, starts in panes.items():
            self._mark_dirty(by_number[series_number], starts)
        for series_number, starts in counted.items():
            self._forget(StoreReaders.forget_counted, series_number, starts)
            self._mark_compared(by_number[series_number], starts)
        for series in by_number.values():
            for name in self._series.settings(series.key.model).windows:
                query = "SELECT DISTINCT pane FROM panes WHERE series = ? AND pane >= ?"
                end = self._evaluations.ends.get((series.number, name), 0)
                later_panes = read(self._connection, query, series.number, end).column(0)
                self._mark_dirty(series, later_panes.to_pylist(), (name,))
