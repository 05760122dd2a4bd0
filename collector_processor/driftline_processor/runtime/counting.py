"""What rows add to the panes they fall into."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from driftline.baseline import Baseline
from driftline.classes import class_column
from driftline.fold import ModelBins, decide, fold_by, usable_weight
from driftline.pane import Pane
from driftline.slices import places_of
from driftline.tables import CLASSLESS, F64, I64, Column, PredictionTable, Task

from driftline_processor.core.estimate.parts import learned_parts, score_parts
from driftline_processor.core.expectations.counted import count_rules
from driftline_processor.core.expectations.rule import Expectations
from driftline_processor.core.sent import DECIDED
from driftline_processor.core.window import PANE

from .panes import PaneChanges, learned_fold, score_fold
from .series import Series
from .slices import UNCUT, Cutting, add_to_slices, hour_of_each, powers_of
from .take import take_predictions

MOST_LABELS = 100
_PANES_AT_ONCE = 256


def panes_of(table: PredictionTable) -> I64:
    """Return the start of the pane each row falls into: int64 (n,), unix nanoseconds."""
    return table.time - table.time % PANE


def add_plain(
    changes: PaneChanges, series: Series, table: PredictionTable, decided: Column | None
) -> tuple[dict[str, float], F64 | None]:
    """Add what needs no bins: rows, durations, and the weight of each decided class.

    Return the sums over the table of the last two: class → weight ("" where none is known, "other" for what is none of
    the first 100 classes of the task), and durations.
    """
    panes, group = np.unique(panes_of(table), return_inverse=True)
    folded = fold_by(table, ModelBins(), group, len(panes))
    changes.add(series.number, "", panes, folded)
    weight = np.ones(len(table)) if table.weight is None else usable_weight(table.weight)
    labels = class_labels(series.task)
    sums = add_by_class(changes, series, DECIDED, panes, group, decided, weight).sum(axis=0)
    by_class = {label: total for label, total in zip(labels, sums.tolist(), strict=True) if total}
    durations = [pane.parts["duration"] for pane in folded if "duration" in pane.parts]
    return by_class, np.sum(durations, axis=0) if durations else None


def add_plain_slices(
    changes: PaneChanges,
    series: Series,
    table: PredictionTable,
    decided: Column | None,
    values: Mapping[str, Sequence[str]],
    timezone: str,
) -> None:
    """Add what needs no bins of slices: rows, and the weight of each decided class. ``values``: key → those told apart.

    So a slice has as many rows as it has, also where a baseline came in the middle of a window, or none has come yet.
    """
    cuts = {key: known for key, known in values.items() if key in table.slices}
    if not cuts:
        return
    hour = hour_of_each(panes_of(table), timezone)
    weight = np.ones(len(table)) if table.weight is None else usable_weight(table.weight)
    powers = powers_of(weight)
    for key, known in cuts.items():
        place = places_of(table.slices[key], known, len(table))
        add_to_slices(changes, series.number, "rows", key, known, place, hour, powers)
        add_slices_by_class(changes, series, DECIDED, key, known, place, hour, decided, weight)


def class_labels(task: Task) -> tuple[str, ...]:
    """Return the classes by which decisions are counted, "other" for what is none of the first 100, "" = unknown."""
    return (*task.classes[:MOST_LABELS], "other", "")


def add_by_class(
    changes: PaneChanges, series: Series, prefix: str, panes: I64, group: I64, decided: Column | None, weight: F64
) -> F64:
    """Add the weight of each decided class to panes, one part a class; return it: float64 (panes, labels).

    ``panes``: their starts; ``group``: which one each row is in, int64 (n,); ``decided``, ``weight``: of each row.
    """
    labels = class_labels(series.task)
    codes = _label_codes(decided, labels, len(weight))
    sums = np.bincount(group * len(labels) + codes, weight, minlength=len(panes) * len(labels))
    by_label: F64 = sums.astype(np.float64, copy=False).reshape(len(panes), len(labels))
    for code, label in enumerate(labels):
        changes.add_part(series.number, "", panes, f"{prefix}{label}", by_label[:, code : code + 1])
    return by_label


def add_slices_by_class(
    changes: PaneChanges,
    series: Series,
    prefix: str,
    key: str,
    values: Sequence[str],
    place: I64,
    hour: I64,
    decided: Column | None,
    weight: F64,
) -> None:
    """Add the same to the slices of one key; ``values``, ``place``, ``hour``: as :func:`.slices.add_to_slices`."""
    labels = class_labels(series.task)
    codes = _label_codes(decided, labels, len(weight))
    for code in np.unique(codes).tolist():
        own = np.where(codes == code, weight, 0.0)[:, np.newaxis]
        add_to_slices(changes, series.number, f"{prefix}{labels[code]}", key, values, place, hour, own)


def _label_codes(decided: Column | None, labels: tuple[str, ...], n: int) -> I64:
    """The position of each row's class among the labels, of which the last two are other and unknown."""
    if decided is None or decided.codes is None:
        return np.full(n, len(labels) - 1, dtype=np.int64)
    index = {label: code for code, label in enumerate(labels[:-2])}
    lookup = [*(index.get(label, len(labels) - 2) for label in decided.labels), len(labels) - 1]
    return np.array(lookup, dtype=np.int64)[decided.codes]


def add_binned(
    changes: PaneChanges,
    series: Series,
    table: PredictionTable,
    baseline: Baseline,
    cluster: str = "",
    cutting: Cutting = UNCUT,
) -> None:
    """Add what a baseline's bins count; some panes at a time, because one batch may reach over months.

    Rows without any feature say nothing of features, neither that they are missing: theirs come as distributions
    (``capture="scores"``). ``cluster``: the slice or feature whose rows of one value belong together. ``cutting``: the
    slices that are counted along with all rows.
    """
    over = baseline.bins if table.features else replace(baseline.bins, features={})
    panes, group = np.unique(panes_of(table), return_inverse=True)
    order = np.argsort(group, kind="stable")
    edges = np.searchsorted(group[order], np.arange(len(panes) + 1))
    for first in range(0, len(panes), _PANES_AT_ONCE):
        last = min(first + _PANES_AT_ONCE, len(panes))
        rows = order[edges[first] : edges[last]]
        some, at = (table, group) if len(rows) == len(table) else (take_predictions(table, rows), group[rows] - first)
        cuts = cutting.begin(some)
        folded = fold_by(some, over, at, last - first, cluster, [cut.counted for cut in cuts])
        binned = [Pane({k: v for k, v in pane.parts.items() if k not in ("rows", "duration")}) for pane in folded]
        changes.add(series.number, baseline.fold, panes[first:last], binned)
        for cut in cuts:
            cut.write(cutting.changes, series.number, baseline)


def add_expected(changes: PaneChanges, series: Series, table: PredictionTable, expect: Expectations) -> None:
    """Count how many rows keep what is expected of them. Needs no bins, and features that came with the rows."""
    if not expect.features or not table.features:
        return
    panes, group = np.unique(panes_of(table), return_inverse=True)
    for part, sums in count_rules(table.features, expect, group, len(panes)).items():
        changes.add_part(series.number, "", panes, part, sums)


def add_scores(changes: PaneChanges, series: Series, table: PredictionTable) -> None:
    """Add the scores of a binary model by decided class, from which its performance is estimated."""
    panes, group = np.unique(panes_of(table), return_inverse=True)
    changes.add_entries(series.number, score_fold(series.task), panes, score_parts(table, group))


def add_learned(changes: PaneChanges, series: Series, table: PredictionTable, baseline: Baseline) -> None:
    """Add what a model of another kind leads one to expect, by what its baseline has learned; some panes at a time."""
    fold = learned_fold(baseline)
    if not fold:
        return
    order = np.argsort(panes_of(table), kind="stable")
    starts = panes_of(table)[order]
    edges = np.flatnonzero(np.diff(starts, prepend=starts[0] - 1))[::_PANES_AT_ONCE].tolist()
    for first, last in zip(edges, [*edges[1:], len(table)], strict=True):
        some = table if len(edges) == 1 else take_predictions(table, order[first:last])
        panes, group = np.unique(panes_of(some), return_inverse=True)
        changes.add_entries(series.number, fold, panes, learned_parts(some, baseline, group, len(panes)))


def unscored(table: PredictionTable, decided: Column | None) -> int:
    """Count the rows that have neither a score nor a decided class."""
    nothing = np.ones(len(table), dtype=bool)
    if table.scores is not None:
        nothing &= np.isnan(table.scores[:, 0])
    if decided is not None and decided.codes is not None:
        nothing &= decided.codes < 0
    return int(np.count_nonzero(nothing))


def decided_classes(table: PredictionTable) -> Column | None:
    """Return the decided class of each row as canonical text; None where nothing decides (regression, ranking).

    The service's own decision where it was sent, else the one its scores and threshold give now: a threshold that
    changes later changes no decision that was made.
    """
    if table.task.kind in CLASSLESS:
        return None
    sent = None if table.predicted is None else class_column(table.predicted)
    if sent is not None and sent.codes is None:
        sent = None
    if table.scores is None:
        return sent
    derived = Column(codes=decide(table.task, table.scores, None), labels=table.task.classes)
    if sent is None or sent.codes is None or derived.codes is None:
        return derived
    shifted = np.where(derived.codes >= 0, derived.codes + len(sent.labels), -1)
    return Column(codes=np.where(sent.codes >= 0, sent.codes, shifted), labels=(*sent.labels, *derived.labels))
