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
        for which in series.by_number():
            for evaluation in evaluations.open(which) + evaluations.closed(which):
                self._ripe[which].note(evaluation)
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
        by_number, done = self._series.by_number(), 0
        self._processes.prepare(self.waiting.backlog.windows)
        try:
            while done < AT_ONCE and not ended():
                following, due = self.waiting.next(self._clock()), True
                if following is None and (not patient or early()):
                    following, due = self.waiting.next(self._clock(), early=True), not patient
                if following is None:
                    break
                done += self._evaluate_some(by_number[following[0]], following[1], due, AT_ONCE - done)
            self._take_answers()
        except BaseException:
            self._take_back()
            raise
        self.waiting.publish(self._clock())
        self._evaluations.write(patient, lambda whole: self._note_reached() if whole and done else None)
        return done > 0

    def _evaluate_some(self, series: Series, first: Window, due: bool, most: int) -> int:
        """Evaluate a window that waits, and past ones that follow it, here or in another process.

        A view of the past that rolls is kept by who writes the store, so its windows are judged here.

        Args:
            series: Whose windows.
            first: The window.
            due: False where it rests, and this thread has an allowance of CPU for it.
            most: How many windows at most.

        Returns:
            How many these are.
        """
        elsewhere = due and self._processes.ready and self._settings_of(series.key.model).rolling is None
        together = self._processes.windows_at_once(series.number) if elsewhere else TOGETHER
        windows = [first, *self.waiting.following(series.number, first, min(together, most) - 1)]
        if elsewhere:
            self._give(series, windows)
        else:
            self._evaluate_here(series, windows)
        return len(windows)

    def _evaluate_here(self, series: Series, windows: Sequence[Window]) -> None:
        """Evaluate windows together, each alone where one of them cannot be; note what becomes of them with time."""
        began = thread_time()
        try:
            judged = self._of(series, windows)
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
            judged = [JudgedWindow(None, (), traceback.format_exc())]
        for window, one in zip(windows, judged, strict=True):
            self._note(series, window, one)
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
        order, judged = answered
        if judged is None:
            self._evaluate_lost(order)
            return True
        for window, one in zip(order.windows, judged, strict=True):
            self._note(order.series, window, one)
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
        known = frozenset(window for window in windows if self._is_known(series, window))
        settings, watermark = self._settings_of(series.key.model), self._watermark(series)
        return JudgingOrder(series, tuple(windows), known, settings, watermark, self.delays.of(series))

    def _note(self, series: Series, window: Window, judged: JudgedWindow) -> None:
        """Take in what was judged of a window, which waits no longer."""
        which, known = series.number, self._is_known(series, window)
        if judged.failure:
            # One window that cannot be evaluated must not stop the others; it is tried when touched again.
            of = window.name, series.key.model, window.start
            _log.error("window %s of %s at %d could not be evaluated\n%s", *of, judged.failure)
        for said in judged.said:
            self._warn_once(series.key.model, said)
        if judged.evaluation is not None:
            if judged.evaluation.closed:
                self._warn_asked(series)
            self._evaluations.put(which, judged.evaluation)
            self._ripe[which].note(judged.evaluation)
        self._given_up.discard((which, window))
        self.waiting.remove(which, window, self._clock(), known)

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

    def forget_deleted(self, named: Iterable[tuple[int, str]] = ()) -> list[tuple[int, I64]]:
        """Forget what was read of the store: rows were deleted.

        Args:
            named: Series and name of the slices that are told apart no longer.

        Returns:
            By series, where windows begin that are not stored yet and named one of these slices.
        """
        self._readers.forget_all()
        self._processes.close()  # what they remember is deleted with them
        return [(series, self._evaluations.forget_slice(series, name)) for series, name in named]

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
            write_restated(self._connection, [(which, np.array([window.start])) for which, window in self._given_up])

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
        for which, starts in counted.items():
            self._forget(StoreReaders.forget_counted, which, starts)
            self._mark_compared(by_number[which], starts)
        for which, starts in panes.items():
            self._mark_dirty(by_number[which], starts)
            self._forget(StoreReaders.forget_rows, which, starts)
        for which, series in by_number.items():
            self._collect_ripe(which, series)

    def _collect_ripe(self, which: int, series: Series) -> None:
        """Note the windows of a series that can be closed now, and those whose outcomes have had their time.

        Of the latter not those shorter than what panes of their age are rolled up to: their evaluations stay.
        """
        watermark, ripe, now = self._watermark(series), self._ripe[which], self._clock()
        for window in ripe.closing(watermark):
            self.waiting.add(which, window, now, closing=True)
        delay, timezone = self.delays.of(series), self._series.settings(series.key.model).timezone
        closed = self._evaluations.closed(which) if ripe.is_new(delay) else ()
        found = chain(ripe.mature(watermark, delay), changed_by_delay(closed, watermark, delay))
        for window in found:
            if stored_unit(window.start, watermark, timezone).end <= window.end:
                self.waiting.add(which, window, now, closing=True)
        ripe.note_delay(delay)

    def _settings_of(self, model: str) -> ModelSettings:
        """Return how windows of a model are judged."""
        if model not in self._judged:
            self._judged[model] = settings_of(self._series.settings(model))
        return self._judged[model]

    def _warn_asked(self, series: Series) -> None:
        """Log once what is asked of the performance and a model of this kind, or with these classes, has not."""
        asked = self._series.settings(series.key.model).performance
        for wrong in asked.problems(series.task.kind, series.task.classes):
            said = f"models.{series.key.model}.performance.{wrong}"
            self._warn_once(series.key.model, f"{said}; until then it is left out")

    def _warn_once(self, model: str, said: str, reason: str = "") -> None:
        if (model, said) not in self._warned:
            self._warned.add((model, said))
            _log.warning("%s", f"{said} ({reason})" if reason else said)

    def _mark_compared(self, series: Series, panes: Collection[int]) -> None:
        """Note the windows that were compared with these panes: late rows change what later windows drift from."""
        settings = self._series.settings(series.key.model)
        if settings.reference is None or not panes:
            return
        rolling, touched = settings.reference.rolling, np.sort(np.fromiter(panes, np.int64, len(panes)))
        for name, known in self._evaluations.history(series.number).items():
            for evaluation in reversed(known.values()):
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
        for which, pane in touched_since(self._connection, mark(self._connection, "evaluated_points")):
            panes.setdefault(which, set()).add(pane)
            counted.setdefault(which, set()).add(pane)
        reached = {"predictions": "predictions", "joined": "joined", "points": "streams"}
        for name, table in reached.items():
            self._touched.touch([], **{name: number(self._connection, f"SELECT max(seq) FROM {table}") or 0})
        for which, pane in read_restated(self._connection):
            panes.setdefault(which, set()).add(pane)
        for which, starts in panes.items():
            self._mark_dirty(by_number[which], starts)
        for which, starts in counted.items():
            self._forget(StoreReaders.forget_counted, which, starts)
            self._mark_compared(by_number[which], starts)
        for series in by_number.values():
            for name in self._series.settings(series.key.model).windows:
                later = "SELECT DISTINCT pane FROM panes WHERE series = ? AND pane >= ?"
                end = self._evaluations.ends.get((series.number, name), 0)
                found = read(self._connection, later, series.number, end).column(0)
                self._mark_dirty(series, found.to_pylist(), (name,))
