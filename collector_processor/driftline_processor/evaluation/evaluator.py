"""Touched windows → Evaluations."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable
from dataclasses import replace
from functools import partial

import numpy as np
from driftline.baseline.baseline import Baseline
from driftline.baseline.sections.duplicate_rows import Recurrence
from driftline.panes.pane import Pane, merge

from driftline_processor.config.performance import broken
from driftline_processor.config.schema import Model
from driftline_processor.core.drift.method_choice import misfits
from driftline_processor.core.evaluate import evaluate
from driftline_processor.core.evaluation import Evaluation
from driftline_processor.core.outcomes.coverage import count_missing_rows
from driftline_processor.core.reference.decision_threshold import align_threshold
from driftline_processor.core.reference.reference import Reference
from driftline_processor.core.reference.season import PART as SEASONS
from driftline_processor.core.reference.season import remove_season, seasonal_reference
from driftline_processor.core.window_context import WindowContext
from driftline_processor.core.windows.steps import Ask, no_steps
from driftline_processor.core.windows.window import GRACE, PANE, Window, is_closed, window_of
from driftline_processor.custom_metrics import load_custom_metrics
from driftline_processor.ingest.changes import ChangedPanes
from driftline_processor.ingest.pane_sums import read_restated
from driftline_processor.store.baselines import Baselines
from driftline_processor.store.cumulative_streams import touched_since
from driftline_processor.store.database import Connection, mark, number, read, set_mark, transaction
from driftline_processor.store.duplicate_rows import recurrence_of, repeats_between
from driftline_processor.store.panes import (
    OUTCOMES,
    Trails,
    learned_fold,
    part_width,
    performance_fold,
    read_window,
    score_fold,
    stored_unit,
)
from driftline_processor.store.reference_panes import RollingReferences, season_mix
from driftline_processor.store.series import Series, SeriesRegister
from driftline_processor.store.slices import SlicePanes

from .evaluation_store import EvaluationStore
from .waiting_windows import WaitingWindows
from .window_outcomes import OutcomeDelays, StoredOutcomes

_log = logging.getLogger(__name__)

AT_ONCE = 200
"""Windows that are evaluated in one go, the most urgent first; the rest waits for the next."""


class Evaluator:
    """Evaluates what was touched. One thread uses it."""

    def __init__(
        self,
        connection: Connection,
        series: SeriesRegister,
        baselines: Baselines,
        beliefs: EvaluationStore,
        touched: ChangedPanes,
        watermark: Callable[[Series], int],
        clock: Callable[[], int],
    ) -> None:
        """Note what has to be looked at again since the last time.

        ``watermark``: of a series, now. ``clock``: the wall clock in unix nanoseconds.
        """
        self._connection, self._series, self._baselines = connection, series, baselines
        self._beliefs, self._touched, self._watermark = beliefs, touched, watermark
        self._trails, self._past, self._slices = (
            Trails(connection),
            RollingReferences(connection),
            SlicePanes(connection),
        )
        self._known = StoredOutcomes(connection)
        self._clock, self.waiting, self.delays = clock, WaitingWindows(), OutcomeDelays(connection, series)
        self._failed: set[tuple[int, Window]] = set()
        self._warned: set[tuple[str, str]] = set()
        self._custom = load_custom_metrics(_log.warning)
        self._load()

    def step(self, patient: bool = True, ended: Callable[[], bool] = lambda: False) -> bool:
        """Evaluate touched windows, the most urgent first, and those that can be closed; False when there was nothing.

        ``patient``: see :meth:`.beliefs.Beliefs.write`. ``ended``: asked before each window; the rest waits for the
        next step, or for the next start.
        """
        self._collect()
        by_number, waiting = self._series.by_number(), self.waiting
        work = waiting.next(AT_ONCE, self._clock(), lambda which: self._watermark(by_number[which]))
        for which, window in work:
            if ended():
                break
            evaluation = self._evaluate(by_number[which], window)
            if evaluation is not None:
                self._beliefs.believe(which, evaluation)
            waiting.remove(which, window)
        waiting.publish()
        with transaction(self._connection):
            if self._beliefs.write(patient) and work:
                self._note_reached()
        return bool(work)

    def _note_reached(self) -> None:
        """Write down how far the tables had come with all that was evaluated, inside the caller's transaction."""
        reached = self.waiting.finished()
        if reached is not None:
            set_mark(self._connection, "evaluated_predictions", reached.predictions)
            set_mark(self._connection, "evaluated_joined", reached.joined)
            set_mark(self._connection, "evaluated_points", reached.points)
        if not self.waiting:
            self._connection.execute("DELETE FROM restated")

    def _collect(self) -> None:
        """Note which windows were touched, and which can be closed now."""
        panes, counted, reached = self._touched.take()
        self.waiting.begin_round(reached)
        self.delays.learn(reached.joined, idle=not panes)
        by_number = self._series.by_number()
        for which, starts in counted.items():
            self._past.forget(which, starts)
            self._mark_compared(by_number[which], starts)
        for which, starts in panes.items():
            self._mark_dirty(by_number[which], starts)
            self._trails.forget(which, starts)
            self._slices.forget(which, starts)
        for which, series in by_number.items():
            watermark = self._watermark(series)
            ripe = {one.window for one in self._beliefs.open(which) if is_closed(one.window, watermark)}
            ripe |= self._aged(series, watermark)
            for window in ripe:
                if (which, window) not in self._failed:
                    self.waiting.add(which, window, self._clock())
        self.waiting.publish()

    def _aged(self, series: Series, watermark: int) -> set[Window]:
        """Return windows whose outcomes have had their time since they were evaluated, or turn out to take longer.

        Not those shorter than what panes of their age are rolled up to: what was believed of them stays.
        """
        delay, timezone = self.delays.of(series), self._series.settings(series.key.model).timezone

        def waits(one: Evaluation) -> bool:
            return watermark - one.window.end < delay.nanoseconds and not delay.complete(one.coverage)

        aged = {one.window for one in self._beliefs.closed(series.number) if one.young != waits(one)}
        return {one for one in aged if stored_unit(one.start, watermark, timezone).end <= one.end}

    def _evaluate(self, series: Series, window: Window) -> Evaluation | None:
        try:
            return self._of(series, window)
        except Exception:
            # One window that cannot be evaluated must not stop the others; it is tried when touched again.
            _log.exception("window %s of %s at %d could not be evaluated", window.name, series.key.model, window.start)
            self._failed.add((series.number, window))
            return None

    def _of(self, series: Series, window: Window) -> Evaluation | None:
        """Evaluate a window; None of one in which nothing ever was, which a clock or a counter alone has touched."""
        in_force = self._baselines.in_force(series.key)

        def width(fold: str, part: str) -> int:
            return part_width(part, self._baselines.by_fold(fold), series.task)

        settings = self._series.settings(series.key.model)
        blocks = self._known.blocks(series, window, settings.timezone, width)
        folds = read_window(self._connection, series.number, window.start, window.end, width, without=OUTCOMES)
        folds[performance_fold(series.task)] = merge(blocks)
        if not any(sums.any() for pane in folds.values() for sums in pane.parts.values()):
            known = self._beliefs.history(series.number).get(window.name, {})
            if window.start not in known:
                return None
        baseline = self._compared_with(folds, None if in_force is None else in_force.baseline)
        pane = Pane()
        own = (performance_fold(series.task), "", score_fold(series.task))
        for fold in (*own, *(() if baseline is None else (baseline.fold, learned_fold(baseline)))):
            pane.parts.update(folds.get(fold, Pane()).parts)
        closed = is_closed(window, self._watermark(series))
        compared, alike = None, None
        if baseline is not None:
            self._warn(series, settings, baseline)
            count_missing_rows(pane, baseline.bins)
            alike = align_threshold(baseline, pane, series.task)
            if alike.note:
                self._warn_once(series.key.model, f"{series.key.model} is compared with {alike.note}")
            compared = self._compared(series, alike.baseline, window, pane, width if closed else None)
            compared = compared._replace(note=alike.and_also(compared.note))
        if closed:
            self._warn_asked(series, settings)
        beside = self._beside(series, window, closed, baseline, width)
        if compared is not None:
            beside = replace(beside, trail=remove_season(beside.trail, compared.baseline, pane.parts.get(SEASONS)))
        if SEASONS in pane.parts:
            beside = replace(beside, slices={})  # their hours are not known apart: each would drift with the hour
        return evaluate(
            pane,
            baseline if compared is None else compared.baseline,
            series.key,
            window,
            closed,
            settings.min_effect,
            task=series.task,
            beside=beside,
            choices=settings.choices,
            together=settings.multivariate,
            compared="" if compared is None else compared.note,
            shift=0.0 if compared is None else compared.shift,
            known=replace(
                self._known.of(
                    series, window, settings, self._watermark(series), blocks, width, self.delays.of(series)
                ),
                reference=None if alike is None else alike.baseline,
            ),
            asked=replace(settings.performance.asked, custom=self._custom),
        )

    def _warn_asked(self, series: Series, settings: Model) -> None:
        """Log once what is asked of the performance and a model of this kind, or with these classes, has not."""
        for wrong in broken(settings.performance, series.task.kind, series.task.classes):
            said = f"models.{series.key.model}.performance.{wrong}"
            self._warn_once(series.key.model, f"{said}; until then it is left out")

    def _warn_once(self, model: str, said: str) -> None:
        if (model, said) not in self._warned:
            self._warned.add((model, said))
            _log.warning("%s", said)

    def _warn(self, series: Series, settings: Model, baseline: Baseline) -> None:
        """Log once of each baseline which methods were chosen for a feature that they do not compare."""
        model, which = series.key.model, (series.key.model, baseline.digest)
        if settings.features and which not in self._warned:
            self._warned.add(which)
            for wrong in misfits(settings.choices, baseline):
                _log.warning("%s: %s; until then it is passed over", wrong.key(model), wrong)

    def _compared(
        self,
        series: Series,
        baseline: Baseline,
        window: Window,
        pane: Pane,
        width: Callable[[str, str], int] | None,
    ) -> Reference:
        """Return what a window is compared with, whose rows, ``pane``, were counted over the bins of the baseline.

        ``width``: how long parts are, where slices are looked at, None where they are not.
        """
        settings = self._series.settings(series.key.model)
        found, seasons = Reference(baseline), settings.seasons
        if settings.reference is not None:
            rolling, zone = settings.reference.rolling, settings.timezone
            closed = self._watermark(series) - GRACE
            found = self._past.compared(series, baseline, rolling, window, zone, closed, seasons)
            if settings.slices and width is not None and found.baseline is not baseline:
                found = found._replace(baseline=self._slices.with_past(series, found.baseline, settings.slices, width))
        elif baseline.provisional:
            found = self._past.cold(series, baseline, window, seasons)
        if seasons is None:
            return found
        known = found.baseline.extras.seasons
        if known is not None:
            pane.parts[SEASONS] = season_mix(self._connection, series.number, window, known)
        own = seasonal_reference(found.baseline, seasons.kind, pane)
        return Reference(own.baseline, found.and_also(own.note), found.shift)

    def _beside(
        self,
        series: Series,
        window: Window,
        closed: bool,
        baseline: Baseline | None,
        width: Callable[[str, str], int],
    ) -> WindowContext:
        """Return what else is known of a window; of an open one, which is judged many times, only what is expected of
        it.
        """
        settings = self._series.settings(series.key.model)
        expect = settings.expectations
        trail: Ask = no_steps
        if baseline is not None:
            trail = partial(self._trails.until, series.number, baseline, window, settings.timezone)
        if not closed:
            return WindowContext(expect=expect, trail=trail, timezone=settings.timezone)
        known = baseline is not None and baseline.extras.repeats is not None
        recurrences = self._recurrences(series, window, settings.timezone) if known else []
        newest = None
        if expect.wants("freshness"):
            query = "SELECT max(time) FROM predictions WHERE series = ? AND time >= ? AND time < ?"
            newest = number(self._connection, query, series.number, window.start, window.end)
        counted = baseline is not None or expect.wants("duplicates")
        repeats = repeats_between(self._connection, series.number, window.start, window.end) if counted else None
        slices = {}
        if baseline is not None:
            slices = self._slices.of(series, window, baseline, settings.slices, settings.timezone, width)
        return WindowContext(
            *(repeats, {}, newest, None, expect, trail, settings.timezone, slices, recurrences),
        )

    def _recurrences(self, series: Series, window: Window, timezone: str) -> list[Recurrence | None]:
        """Return how often the rows of a window repeat those of the window before, and those of that one the ones
        before.
        """
        before = window_of(window.name, window.start - PANE, timezone)
        found = recurrence_of(self._connection, series.number, window, before)
        if found is None:
            return []
        first = window_of(window.name, before.start - PANE, timezone)
        return [found, recurrence_of(self._connection, series.number, before, first)]

    def _compared_with(self, folds: dict[str, Pane], in_force: Baseline | None) -> Baseline | None:
        """The baseline over whose bins the window was counted: the one in force, else the one with most rows."""
        if in_force is not None and in_force.fold in folds:
            return in_force
        known = [(sum(part.sum() for part in pane.parts.values()), fold) for fold, pane in folds.items()]
        counted = [(rows, fold) for rows, fold in known if self._baselines.by_fold(fold) is not None]
        return self._baselines.by_fold(max(counted)[1]) if counted else None

    def _mark_compared(self, series: Series, panes: Collection[int]) -> None:
        """Note the windows that were compared with these panes: late rows change what later windows drift from."""
        settings = self._series.settings(series.key.model)
        if settings.reference is None or not panes:
            return
        rolling, touched = settings.reference.rolling, np.sort(np.fromiter(panes, np.int64, len(panes)))
        for name, known in self._beliefs.history(series.number).items():
            for evaluation in known.values():
                window = evaluation.window
                if window.end <= touched[0]:
                    continue
                stretches = rolling.stretches(window, settings.timezone)
                ends = np.searchsorted(touched, [stretches[0].start, stretches[-1].end])
                if ends[0] < ends[1]:
                    self._mark_dirty(series, [window.start], (name,))

    def _mark_dirty(self, series: Series, panes: Iterable[int], names: tuple[str, ...] = ()) -> None:
        """Note the windows that hold these panes: of the names given, else of all that are configured.

        Not those shorter than what panes of their age are rolled up to: what was believed of them stays.
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
                    self._failed.discard((series.number, window))
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
            self._past.forget(which, starts)
            self._mark_compared(by_number[which], starts)
        for series in by_number.values():
            for name in self._series.settings(series.key.model).windows:
                later = "SELECT DISTINCT pane FROM panes WHERE series = ? AND pane >= ?"
                end = self._beliefs.ends.get((series.number, name), 0)
                found = read(self._connection, later, series.number, end).column(0)
                self._mark_dirty(series, found.to_pylist(), (name,))
