"""Touched windows → Evaluations, in memory for readers and, once closed, in the store with the time of belief."""

from __future__ import annotations

import logging
from collections.abc import Callable

import pyarrow as pa
from driftline.baseline import Baseline
from driftline.pane import Pane

from driftline_processor.core.evaluate import evaluate
from driftline_processor.core.evaluation import Evaluation, Window
from driftline_processor.core.window import PANE, is_closed, window_of

from .archive import from_text, share, to_text
from .baselines import Baselines
from .news import Reached, Touched
from .panes import part_width, performance_fold, read_window
from .seen import digest_of
from .series import Series, SeriesRegister
from .store import Connection, insert, mark, number, read, set_mark, transaction

_log = logging.getLogger(__name__)

KEPT = 400
"""Evaluations of one window name and series that are held in memory, some 30 kB each; the table keeps all."""

AT_ONCE = 200
"""Windows that are evaluated in one go, the newest first; the rest waits for the next."""

History = dict[str, dict[int, Evaluation]]
"""Window name → start → the latest evaluation, oldest first."""


class Evaluator:
    """Evaluates what was touched. One thread uses it; any may read :meth:`history`."""

    def __init__(
        self,
        connection: Connection,
        series: SeriesRegister,
        baselines: Baselines,
        touched: Touched,
        watermark: Callable[[Series], int],
        clock: Callable[[], int],
    ) -> None:
        """Read what was believed last, and note what has to be looked at again. ``watermark``: of a series, now."""
        self._connection, self._series, self._baselines = connection, series, baselines
        self._touched, self._watermark, self._clock = touched, watermark, clock
        self._history: dict[int, History] = {}
        self._stored: dict[tuple[int, str, int], bytes] = {}
        self._dirty: dict[int, set[Window]] = {}
        self._load()

    def history(self, series: int) -> History:
        """Return the evaluations of a series; what is returned is replaced, never changed, by later steps."""
        return self._history.get(series, {})

    def step(self) -> bool:
        """Evaluate touched windows, the newest first, and those that can be closed; False when there was nothing."""
        reached = self._collect()
        work = [(window.start, which, window) for which, windows in self._dirty.items() for window in windows]
        work.sort(key=lambda item: item[0], reverse=True)
        by_number = self._series.by_number()
        closed: list[tuple[int, Evaluation, str]] = []
        for _, which, window in work[:AT_ONCE]:
            evaluation = self._evaluate(by_number[which], window)
            if evaluation is not None and evaluation.closed:
                text = to_text(evaluation)
                if self._stored.get((which, window.name, window.start)) != digest_of(text.encode()):
                    closed.append((which, evaluation, text))
        everything = 0 < len(work) <= AT_ONCE
        if closed or everything:
            with transaction(self._connection):
                self._write(closed)
                if everything:
                    set_mark(self._connection, "evaluated_predictions", reached.predictions)
                    set_mark(self._connection, "evaluated_joined", reached.joined)
        for _, which, window in work[:AT_ONCE]:
            self._dirty[which].discard(window)
        return bool(work)

    def _collect(self) -> Reached:
        """Note which windows were touched, and which can be closed now."""
        panes, reached = self._touched.take()
        by_number = self._series.by_number()
        for which, starts in panes.items():
            self._mark_dirty(by_number[which], starts)
        for which, history in self._history.items():
            watermark = self._watermark(by_number[which])
            shown = [evaluation for found in history.values() for evaluation in found.values()]
            ripe = {one.window for one in shown if not one.closed and is_closed(one.window, watermark)}
            self._dirty.setdefault(which, set()).update(ripe)
        return reached

    def _evaluate(self, series: Series, window: Window) -> Evaluation | None:
        try:
            evaluation = self._of(series, window)
        except Exception:
            # One window that cannot be evaluated must not stop the others; it is tried when touched again.
            _log.exception("window %s of %s at %d could not be evaluated", window.name, series.key.model, window.start)
            return None
        self._remember(series.number, evaluation)
        return evaluation

    def _remember(self, which: int, evaluation: Evaluation) -> None:
        window, history = evaluation.window, self._history.setdefault(which, {})
        found = history.get(window.name, {})
        if found:
            share(evaluation, next(reversed(found.values())))
        history[window.name] = dict(sorted({**found, window.start: evaluation}.items())[-KEPT:])

    def _of(self, series: Series, window: Window) -> Evaluation:
        in_force = self._baselines.in_force(series.key)

        def width(fold: str, part: str) -> int:
            return part_width(part, self._baselines.by_digest(fold), series.task)

        folds = read_window(self._connection, series.number, window.start, window.end, width)
        baseline = self._compared_with(folds, None if in_force is None else in_force.baseline)
        pane = Pane()
        for fold in ("", performance_fold(series.task), baseline.digest if baseline is not None else ""):
            pane.parts.update(folds.get(fold, Pane()).parts)
        settings = self._series.settings(series.key.model)
        closed = is_closed(window, self._watermark(series))
        return evaluate(pane, baseline, series.key, window, closed, settings.min_effect, task=series.task)

    def _compared_with(self, folds: dict[str, Pane], in_force: Baseline | None) -> Baseline | None:
        """The baseline over whose bins the window was counted: the one in force, else the one with most rows."""
        if in_force is not None and in_force.digest in folds:
            return in_force
        known = [(sum(part.sum() for part in pane.parts.values()), fold) for fold, pane in folds.items()]
        counted = [(rows, fold) for rows, fold in known if self._baselines.by_digest(fold) is not None]
        return self._baselines.by_digest(max(counted)[1]) if counted else None

    def _mark_dirty(self, series: Series, panes: set[int], names: tuple[str, ...] = ()) -> None:
        """Note the windows that hold these panes: of the names given, else of all that are configured."""
        settings = self._series.settings(series.key.model)
        dirty = self._dirty.setdefault(series.number, set())
        for name in names or settings.windows:
            end = min(panes, default=0)
            for pane in sorted(panes):
                if pane >= end:
                    window = window_of(name, pane, settings.timezone)
                    end = window.end
                    dirty.add(window)

    def _write(self, closed: list[tuple[int, Evaluation, str]]) -> None:
        rows = [
            {
                "series": which,
                "name": evaluation.window.name,
                "start": evaluation.window.start,
                "stop": evaluation.window.end,
                "believed": self._clock(),
                "json": text,
            }
            for which, evaluation, text in closed
        ]
        if rows:
            insert(self._connection, "evaluations", pa.Table.from_pylist(rows))
        for which, evaluation, text in closed:
            self._stored[which, evaluation.window.name, evaluation.window.start] = digest_of(text.encode())

    def _load(self) -> None:
        """What is believed is shown at once; what came after it was written is evaluated next.

        Windows that were open are not stored: they are those after the last closed one of their name.
        """
        believed = read(
            self._connection,
            "SELECT * FROM evaluations QUALIFY"
            " row_number() OVER (PARTITION BY series, name, start ORDER BY believed DESC) = 1"
            " AND dense_rank() OVER (PARTITION BY series, name ORDER BY start DESC) <= ? ORDER BY start",
            KEPT,
        )
        ends: dict[tuple[int, str], int] = {}
        for row in believed.to_pylist():
            which, name = row["series"], row["name"]
            self._remember(which, from_text(row["json"]))
            self._stored[which, name, row["start"]] = digest_of(row["json"].encode())
            ends[which, name] = row["stop"]
        changed = read(
            self._connection,
            f"SELECT series, time - time % {PANE} AS pane FROM predictions WHERE seq > ? UNION"
            f" SELECT series, time - time % {PANE} FROM joined WHERE seq > ?",
            mark(self._connection, "evaluated_predictions"),
            mark(self._connection, "evaluated_joined"),
        )
        self._touched.touch(
            [],
            number(self._connection, "SELECT max(seq) FROM predictions") or 0,
            number(self._connection, "SELECT max(seq) FROM joined") or 0,
        )
        by_number = self._series.by_number()
        panes: dict[int, set[int]] = {}
        for row in changed.to_pylist():
            panes.setdefault(row["series"], set()).add(row["pane"])
        for which, starts in panes.items():
            self._mark_dirty(by_number[which], starts)
        for series in by_number.values():
            for name in self._series.settings(series.key.model).windows:
                later = "SELECT DISTINCT pane FROM panes WHERE series = ? AND pane >= ?"
                found = read(self._connection, later, series.number, ends.get((series.number, name), 0)).column(0)
                self._mark_dirty(series, set(found.to_pylist()), (name,))
