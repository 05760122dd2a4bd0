"""Outcomes meet their predictions: a transaction of its own, every second, that can be done again after a crash.

The last outcome of a prediction, by outcome time, is the truth; where it replaces another, the pane is made anew.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from driftline.classes import class_codes, seen_classes
from driftline.semconv import attributes as a
from driftline.semconv import metrics as m
from driftline.tables import I64
from numpy.typing import NDArray

from driftline_processor.core.window import PANE

from .concept import ConceptWatch
from .health import Counters
from .matching import Matches, Progress, match, news_since, write_waiting
from .news import Touched
from .panes import PaneChanges, performance_fold
from .performance import add_outcomes, all_kept, recompute, stored_stretches
from .rows import actual_of, finite_actuals, integers_of
from .series import SeriesRegister
from .store import Connection, insert, mark, read, run, set_mark, transaction

Mask = NDArray[np.bool_]
Unusable = tuple[int, str]
"""A series and what its outcomes are folded over, see :func:`.panes.performance_fold`."""

_UNUSABLE = "unusable:"
Listener = Callable[[pa.Table], None]

_COLUMNS = [
    "seq",
    "prediction",
    "outcome",
    "series",
    "time",
    "score",
    "scores",
    "predicted",
    "actual",
    "number",
    "weight",
]


class Join:
    """Joins what is new. One thread uses it; others may read ``joined`` by series and ``pending`` by model.

    ``unusable``: outcomes by series and fold whose actual is none of the classes or no number; kept over restarts. A
    model whose classes change has another fold, so what was refused before is not held against the new ones.
    """

    def __init__(
        self,
        connection: Connection,
        series: SeriesRegister,
        touched: Touched,
        counters: Counters,
        concept: ConceptWatch,
    ) -> None:
        self._connection, self._series, self._concept = connection, series, concept
        self._touched, self._counters = touched, counters
        self._listeners: list[Listener] = []
        self._folds: dict[int, set[str]] = {}
        self.unusable = _read_unusable(connection)
        for row in read(connection, "SELECT DISTINCT series, fold FROM panes WHERE fold LIKE 'task:%'").to_pylist():
            self._folds.setdefault(row["series"], set()).add(row["fold"])
        self.recount()

    def recount(self) -> None:
        """Count again what is joined and what waits, after rows have expired."""
        rows = read(self._connection, "SELECT series, count(*) AS rows FROM joined GROUP BY series").to_pylist()
        self.joined = Counter({row["series"]: row["rows"] for row in rows})
        self.pending = self._count_pending()

    def listen(self, listener: Listener) -> None:
        """Call ``listener`` after each transaction with the rows it joined or corrected, see :mod:`.matching`."""
        self._listeners.append(listener)

    def step(self) -> bool:
        """Join some of what is new; False when there was nothing."""
        connection = self._connection
        done = Progress(mark(connection, "joined_outcomes"), mark(connection, "joined_predictions"))
        reached = news_since(connection, done)
        if reached is None:
            self.refold()
            return False
        work = _Work()
        try:
            with transaction(connection):
                self._join(done, reached, work)
        except BaseException:
            self._concept.forget()
            raise
        self._publish(work)
        self.refold()
        return True

    def _join(self, done: Progress, reached: Progress, work: _Work) -> None:
        """Everything that is written with the progress, in the caller's transaction."""
        connection = self._connection
        matches = match(connection, done, reached)
        if matches is not None:
            self._apply(matches, work)
            write_waiting(connection, matches.matched, done, reached)
            work.changes.write(connection)
            self._concept.write()
            for (series, fold), rows in work.unusable.items():
                set_mark(connection, f"{_UNUSABLE}{series}:{fold}", self.unusable[series, fold] + rows)
        set_mark(connection, "joined_outcomes", reached.outcomes)
        set_mark(connection, "joined_predictions", reached.predictions)

    def refold(self) -> None:
        """Make the performance of a series anew when its classes are not the ones it was folded over."""
        for series in self._series:
            fold = performance_fold(series.task)
            if self._folds.get(series.number, {fold}) == {fold}:
                continue
            times = "SELECT DISTINCT time - time % ? AS pane FROM joined WHERE series = ?"
            panes = integers_of(read(self._connection, times, PANE, series.number), "pane").tolist()
            stretches = stored_stretches(self._connection, series.number, panes)
            work = _Work()
            with transaction(self._connection):
                work.touched.append((series.number, recompute(self._connection, work.changes, series, stretches)))
                work.changes.write(self._connection)
            self._folds[series.number] = {fold}
            self._publish(work)

    def _apply(self, matches: Matches, work: _Work) -> None:
        connection, by_number = self._connection, self._series.by_number()
        usable = matches.matched.filter(pa.array(self._usable(matches.matched, work)))
        rows = _last_of_each(usable)
        old = matches.joined.sort_by("prediction")
        first, corrected = _compare(rows, old)
        corrected &= self._can_be_corrected(rows, corrected, work)
        homeless = ~np.isin(integers_of(old, "prediction"), integers_of(rows, "prediction"))

        removed = np.concatenate([integers_of(rows, "prediction")[corrected], integers_of(old, "prediction")[homeless]])
        replaced = pa.table({"prediction": removed})
        run(connection, "DELETE FROM joined WHERE prediction IN (SELECT prediction FROM replaced)", replaced=replaced)
        seq = mark(connection, "joined_seq")
        work.entered = rows.filter(pa.array(first | corrected))
        work.entered = work.entered.append_column("seq", pa.array(np.arange(seq + 1, seq + 1 + len(work.entered))))
        work.seq = seq + len(work.entered)
        set_mark(connection, "joined_seq", work.seq)
        insert(connection, "joined", work.entered.select(_COLUMNS))

        for number, some in _by_series(rows.filter(pa.array(first))):
            series = self._series.by_number()[number]
            work.touched.append((number, add_outcomes(work.changes, series, some)))
            work.joined[number] += len(some)
            self._folds.setdefault(number, set()).add(performance_fold(series.task))
        self._watch(usable, rows, old)
        anew: dict[int, set[int]] = {}
        for number, some in _by_series(rows.filter(pa.array(corrected))):
            self._concept.corrected(by_number[number], len(some))
            anew.setdefault(number, set()).update(_panes(some).tolist())
        for number, some in _by_series(old.filter(pa.array(homeless))):
            self._concept.corrected(by_number[number], len(some))
            anew.setdefault(number, set()).update(_panes(some).tolist())
            work.joined[number] -= len(some)
        work.changes.write(connection)
        for number, panes in anew.items():
            stretches = stored_stretches(connection, number, panes)
            work.touched.append((number, recompute(connection, work.changes, by_number[number], stretches)))

    def _watch(self, usable: pa.Table, last: pa.Table, old: pa.Table) -> None:
        """Feed the first outcome that came of every prediction that had none; one that was joined before was fed."""
        rows = _first_of_each(usable)
        new = ~np.isin(integers_of(rows, "prediction"), integers_of(old, "prediction"))
        new &= ~np.isin(integers_of(rows, "outcome"), integers_of(old, "outcome"))
        by_number = self._series.by_number()  # classes may have been learned just now
        for number, some in _by_series(rows.filter(pa.array(new))):
            self._concept.feed(by_number[number], some)
        for number, some in _by_series(rows.filter(pa.array(new & ~_says_the_same(rows, last)))):
            self._concept.corrected(by_number[number], len(some))

    def _usable(self, rows: pa.Table, work: _Work) -> Mask:
        """Which actuals can be used; the others are deleted and counted, so that nobody waits for them."""
        usable = np.ones(len(rows), dtype=bool)
        numbers = integers_of(rows, "series")
        for series in self._series:
            at = np.flatnonzero(numbers == series.number)
            if not len(at):
                continue
            actual = actual_of(rows.take(pa.array(at)))
            if series.task.kind == "regression":
                bad, reason = np.isnan(finite_actuals(actual)), "not_a_number"
            elif series.task.kind == "ranking":  # whatever is known of a list
                bad, reason = np.zeros(len(at), dtype=bool), ""
            else:
                if not series.declared:
                    series = self._series.learn(self._connection, series, seen_classes([actual]))
                codes = class_codes(actual, series.task.classes)
                most = len(series.task.classes)
                bad = np.ones(len(at), dtype=bool) if codes is None else (codes < 0) | (codes >= most)
                reason = "unknown_class"
            usable[at[bad]] = False
            work.rejected[reason] += int(np.count_nonzero(bad))
            if bad.any():
                work.unusable[series.number, performance_fold(series.task)] += int(np.count_nonzero(bad))
        if not usable.all():
            refused = rows.filter(pa.array(~usable)).select(["outcome"])
            run(self._connection, "DELETE FROM outcomes WHERE seq IN (SELECT outcome FROM refused)", refused=refused)
        return usable

    def _can_be_corrected(self, rows: pa.Table, corrected: Mask, work: _Work) -> Mask:
        """Refuse corrections in panes of which some rows have expired: those cannot be made anew."""
        allowed = np.ones(len(rows), dtype=bool)
        numbers, panes = integers_of(rows, "series"), _panes(rows)
        for number in np.unique(numbers[corrected]).tolist():
            mine = corrected & (numbers == number)
            for start, end in stored_stretches(self._connection, number, np.unique(panes[mine]).tolist()):
                if not all_kept(self._connection, number, (start, end)):
                    within = mine & (panes >= start) & (panes < end)
                    allowed &= ~within
                    work.rejected["expired"] += int(np.count_nonzero(within))
        return allowed

    def _publish(self, work: _Work) -> None:
        self._concept.publish()
        self._touched.touch(work.touched, joined=work.seq)
        self.joined.update(work.joined)
        self.unusable.update(work.unusable)
        self.pending = self._count_pending()
        for reason, rows in (+work.rejected).items():
            self._counters.add(m.DRIFTLINE_REJECTED_ROWS, rows, {a.DRIFTLINE_REASON: reason})
        if work.entered is not None and len(work.entered):
            self._counters.add(m.DRIFTLINE_OUTCOMES_JOINED, len(work.entered))
            for listener in self._listeners:
                listener(work.entered)

    def _count_pending(self) -> dict[str, int]:
        rows = read(self._connection, "SELECT model, count(*) AS rows FROM waiting GROUP BY model").to_pylist()
        return {row["model"]: row["rows"] for row in rows}


@dataclass(slots=True)
class _Work:
    """What one transaction comes to."""

    changes: PaneChanges = field(default_factory=PaneChanges)
    entered: pa.Table | None = None
    seq: int = 0
    touched: list[tuple[int, I64]] = field(default_factory=list)
    joined: Counter[int] = field(default_factory=Counter)
    unusable: Counter[Unusable] = field(default_factory=Counter)
    rejected: Counter[str] = field(default_factory=Counter)


def _read_unusable(connection: Connection) -> Counter[Unusable]:
    found: Counter[Unusable] = Counter()
    for row in read(connection, "SELECT name, value FROM meta WHERE starts_with(name, ?)", _UNUSABLE).to_pylist():
        series, fold = row["name"].removeprefix(_UNUSABLE).split(":", 1)
        found[int(series), fold] = row["value"]
    return found


def _last_of_each(rows: pa.Table) -> pa.Table:
    """Keep the last outcome of each prediction: by outcome time, then by arrival; sorted by prediction."""
    rows = rows.sort_by([("prediction", "ascending"), ("outcome_time", "ascending"), ("outcome", "ascending")])
    prediction = integers_of(rows, "prediction")
    return rows.filter(pa.array(np.diff(prediction, append=-1) != 0))


def _first_of_each(rows: pa.Table) -> pa.Table:
    """Keep the outcome of each prediction that arrived first; sorted by prediction."""
    rows = rows.sort_by([("prediction", "ascending"), ("outcome", "ascending")])
    return rows.filter(pa.array(np.diff(integers_of(rows, "prediction"), prepend=-1) != 0))


def _compare(rows: pa.Table, old: pa.Table) -> tuple[Mask, Mask]:
    """Which predictions get their first outcome, and which another one than they have; both sorted by prediction.

    An outcome that says the same again changes nothing.
    """
    prediction, joined = integers_of(rows, "prediction"), integers_of(old, "prediction")
    if not len(joined):
        return np.ones(len(rows), dtype=bool), np.zeros(len(rows), dtype=bool)
    at = np.minimum(np.searchsorted(joined, prediction), len(joined) - 1)
    has = joined[at] == prediction
    return ~has, has & ~_says_the_same(rows, old.take(pa.array(at)))


def _says_the_same(rows: pa.Table, before: pa.Table) -> Mask:
    same = np.ones(len(rows), dtype=bool)
    for name, nothing in (("actual", ""), ("number", 0.0), ("weight", 1.0)):
        equal = pc.equal(pc.fill_null(rows[name], nothing), pc.fill_null(before[name], nothing))
        same &= equal.to_numpy() & pc.equal(pc.is_null(rows[name]), pc.is_null(before[name])).to_numpy()
    return same


def _by_series(rows: pa.Table) -> Iterator[tuple[int, pa.Table]]:
    numbers = integers_of(rows, "series")
    for number in np.unique(numbers).tolist():
        yield number, rows.filter(pa.array(numbers == number))


def _panes(rows: pa.Table) -> I64:
    time = integers_of(rows, "time")
    return time - time % PANE
