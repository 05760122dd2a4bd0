"""Which outcomes can be used: those whose actual the model can have and, of rows chosen for review, that weigh."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
from driftline.classes import class_codes, seen_classes
from driftline.tables import I64
from numpy.typing import NDArray

from .carrying import flags_of, with_what_stays
from .matching import Progress
from .panes import performance_fold
from .rankings import one_row_each, says_something
from .rows import actual_of, among, finite_actuals, integers_of, kept, taken
from .series import Series, SeriesRegister
from .store import Connection, read

Mask = NDArray[np.bool_]
Unusable = tuple[int, str]
"""A series and what its outcomes are folded over, see :func:`.panes.performance_fold`."""


@dataclass(slots=True)
class Refused:
    """Outcomes that found their prediction and are not used: by series and fold, and by reason."""

    unusable: Counter[Unusable] = field(default_factory=Counter)
    rejected: Counter[str] = field(default_factory=Counter)


class Usable:
    """Tells them. One thread uses it; the classes of a model that nobody declared are learned here."""

    def __init__(self, connection: Connection, series: SeriesRegister) -> None:
        self._connection, self._series = connection, series

    def wholly(self) -> set[str]:
        """Return the models of whose predictions all that was said counts: of lists, and of rows for review."""
        return {one.key.model for one in self._series if one.task.kind == "ranking" or self._is_sampled(one)}

    def of(self, matched: pa.Table, done: Progress, refused: Refused) -> pa.Table:
        """Return the rows that count, with what they keep of those before them, and one for each list.

        ``matched``: that of :class:`.matching.Matches`. ``done``: what was joined before; of the rest those that cannot
        be used are counted in ``refused``.
        """
        connection = self._connection
        rankings = [one.number for one in self._series if one.task.kind == "ranking"]
        usable = kept(matched, self._told(matched, done, refused))
        usable = self._weighted(with_what_stays(connection, usable, rankings), done, refused)
        return one_row_each(connection, usable, rankings)

    def _told(self, rows: pa.Table, done: Progress, refused: Refused) -> Mask:
        """Which rows say something: an actual that can be used, or that nothing is known; the others are counted."""
        retracted = flags_of(rows, "retracted")
        usable = np.ones(len(rows), dtype=bool)
        numbers = integers_of(rows, "series")
        reasons: dict[int, str] = {}
        for series in self._series:
            at = np.flatnonzero((numbers == series.number) & ~retracted)
            if not len(at):
                continue
            some = taken(rows, at)
            actual = actual_of(some)
            if series.task.kind == "regression":
                bad, reasons[series.number] = np.isnan(finite_actuals(actual)), "not_a_number"
            elif series.task.kind == "ranking":
                bad, reasons[series.number] = ~says_something(some), "not_a_relevance"
            else:
                if not series.declared:
                    series = self._series.learn(self._connection, series, seen_classes([actual]))
                codes = class_codes(actual, series.task.classes)
                most = len(series.task.classes)
                bad = np.ones(len(at), dtype=bool) if codes is None else (codes < 0) | (codes >= most)
                reasons[series.number] = "unknown_class"
            usable[at[bad]] = False
        if not usable.all():
            self._count(kept(rows, ~usable), reasons, done, refused)
        return usable

    def _weighted(self, rows: pa.Table, done: Progress, refused: Refused) -> pa.Table:
        """Return the rows without those that have no weight, of models of which rows are chosen for review."""
        of_samples = np.array([one.number for one in self._series if self._is_sampled(one)], np.int64)
        lacking = ~flags_of(rows, "weighted") & ~flags_of(rows, "retracted")
        lacking &= among(integers_of(rows, "series"), of_samples)
        if lacking.any():
            refused.rejected["no_weight"] += len(self._new(kept(rows, lacking), done))
        return kept(rows, ~lacking)

    def _is_sampled(self, series: Series) -> bool:
        return self._series.settings(series.key.model).performance.outcomes == "sampled"

    def _count(self, rows: pa.Table, reasons: dict[int, str], done: Progress, refused: Refused) -> None:
        """Count the outcomes that found their predictions only now and cannot be used; they stay as they came."""
        by_number, new = self._series.by_number(), self._new(rows, done)
        numbers: I64
        numbers, some = np.unique(integers_of(new, "series"), return_counts=True)
        for number, rows_of in zip(numbers.tolist(), some.tolist(), strict=True):
            refused.unusable[number, performance_fold(by_number[number].task)] += rows_of
            refused.rejected[reasons[number]] += rows_of

    def _new(self, rows: pa.Table, done: Progress) -> pa.Table:
        """Return those that found their predictions only now."""
        waited = read(self._connection, "SELECT outcome FROM waiting SEMI JOIN rows USING (outcome)", rows=rows)
        outcome = integers_of(rows, "outcome")
        return kept(rows, (outcome > done.outcomes) | among(outcome, integers_of(waited, "outcome")))
