"""Label shift of several classes: the shares that a window's decisions tell, and what is estimated by them.

If each class is as it was, it is decided as it was: a class of share q is decided for d in ``q C[d | class]`` of the
rows. So the shares of a window solve ``C q = μ``, where μ are the shares of its decisions (BBSE; Lipton, Wang and
Smola, "Detecting and correcting for label shift with black box predictors", ICML 2018). The confusion of the window
follows, and every metric of decisions with it.

As many decisions as classes always fit new shares. Features can refute them: each must move as its own relation with
the classes says (:func:`.label_shift.feature_shifts`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from driftline.baseline.baseline import Baseline
from driftline.baseline.sections.estimation import CLASSES
from driftline.baseline.sections.scores import ScoreMeans
from driftline.panes.pane import Pane
from driftline.tables.table import F64

from driftline_processor.core.evaluation import ClassShare, LabelShift
from driftline_processor.core.outcomes.sums import effective_rows

from .cbpe_multiclass import decided
from .label_shift import POSSIBLE, ScalarOutcome, explanation, feature_shifts, shift_sentence
from .point import DEVIATIONS, Point


@dataclass(frozen=True, slots=True, eq=False)
class ClassShift:
    """The shares of classes of a window, and what they lead one to expect.

    Attributes:
        was: float64 (k,), shares of the reference.
        now: float64 (k,), shares of the window.
        points: Metric → what is expected of it; {} where decisions tell too little.
    """

    was: F64
    now: F64
    points: dict[str, Point] = field(default_factory=dict)


def explain_class_shift(pane: Pane, baseline: Baseline, between: float = 0.0) -> tuple[LabelShift, ClassShift] | None:
    """Say whether new shares of the classes explain that decisions moved; None where they are well within chance.

    Args:
        pane: Pane of the window.
        baseline: Baseline whose outcomes are known.
        between: Variance between stretches of time of the window's length, as a part of that of one row.
    """
    from scipy.special import chdtrc

    names = baseline.task.classes
    k = len(names)
    confusion, sums = baseline.pane.parts.get("confusion"), pane.parts.get(CLASSES)
    if confusion is None or sums is None or len(confusion) != k * k or sums[0] <= 0:
        return None
    table = confusion.reshape(k, k) * effective_rows(baseline.pane) / confusion.sum()  # actual by decided
    rows = effective_rows(pane, "rows")
    seen = sums[2 : 2 + k * k].reshape(k, k).sum(axis=0) / sums[0]
    of_class, total = table.sum(axis=1), float(table.sum())
    if rows <= 0 or not (of_class > 0).all():
        return None
    usual = table.sum(axis=0) / total
    held = usual > 0
    apart = float(((seen - usual)[held] ** 2 / usual[held]).sum()) / (1 / rows + 1 / total + between)
    p_value = float(chdtrc(max(1, int(held.sum()) - 1), apart))
    if p_value > POSSIBLE:
        return None
    given = (table / of_class[:, np.newaxis]).T  # decided by actual: each column is a class
    was = of_class / total
    # 1e3: condition of the confusion from which on decisions tell nothing of shares: an error of a thousandth of μ
    # moves q by as much as all rows
    if np.linalg.cond(given) > 1e3:
        return _untold(names, was, p_value), ClassShift(was, was)
    back = np.linalg.inv(given)
    now = np.clip(back @ seen, 0.0, None)
    now /= now.sum()
    deviation = _deviations(back, given, now, rows, of_class, between)
    found = ClassShift(was, now, _points(back, given, now, rows, of_class))
    told = _explained(pane, baseline, found, table, deviation, p_value)
    return told, found


def decisions_between(panes: Sequence[Pane], classes: int) -> float:
    """Return how much decisions of stretches of time differ beyond chance, as a part of the variance of one row.

    Args:
        panes: Panes of the stretches, with their outcomes.
        classes: Classes of the model.

    >>> cells = [np.array([a, 0.0, 0.0, 100 - a]) for a in (40.0, 60.0)]
    >>> rows = [Pane({"confusion": one, "outcomes": np.full(3, 100.0)}) for one in cells]
    >>> round(decisions_between(rows, 2), 6)
    0.07
    """
    said = [
        pane.parts["confusion"].reshape(classes, classes).sum(axis=0)
        * effective_rows(pane)
        / pane.parts["confusion"].sum()
        for pane in panes
        if "confusion" in pane.parts and pane.parts["confusion"].sum() > 0
    ]
    if len(said) < 2:
        return 0.0
    counts = np.stack(said)
    rows = counts.sum(axis=1)
    shares = counts.sum(axis=0) / counts.sum()
    held = shares > 0
    expected = np.outer(rows, shares[held])
    freedom = (len(counts) - 1) * max(1, int(held.sum()) - 1)
    beyond = float(((counts[:, held] - expected) ** 2 / expected).sum()) / freedom - 1
    return max(0.0, beyond) / float(rows.mean())


def _untold(names: Sequence[str], was: F64, p_value: float) -> LabelShift:
    at = int(np.argmax(was))
    sentence = (
        "the decisions moved; they tell classes apart too badly to say whether new shares of the classes explain it"
    )
    return LabelShift("either", float(was[at]), float(was[at]), 0.0, 1.0, p_value, 1.0, (), sentence, names[at])


def _explained(
    pane: Pane, baseline: Baseline, shift: ClassShift, table: F64, deviation: F64, p_value: float
) -> LabelShift:
    """Return what explains that decisions moved, by the move of the likelihood of the new shares."""
    names, was, now = baseline.task.classes, shift.was, shift.now
    worth = (now - was) / was
    size = float(((now - was) ** 2 / was).sum())
    said = table.sum(axis=0)
    by_decision = np.divide(worth @ table, said, out=np.zeros(len(was)), where=said > 0)
    explained = float(said @ by_decision**2) / float(said.sum()) / size if size > 0 else 0.0

    def of_cells(means: ScoreMeans) -> F64 | None:
        return None if means.classes is None else np.asarray(worth @ means.classes)

    given = (table / table.sum(axis=1, keepdims=True)).T
    back = np.linalg.inv(given)

    def within(means: ScoreMeans, rate: F64) -> float:
        # a feature and the decision move alike with the classes; within a class they may be independent
        assert means.classes is not None
        assert means.labelled is not None
        rows = means.classes * means.labelled
        cells = rows / np.maximum(rows.sum(axis=1, keepdims=True), 1e-12)
        of_class = cells @ rate
        due = back.T @ of_class
        both = (cells @ rate**2 - of_class**2) + (due**2 @ given - of_class**2)
        return float(now @ np.maximum(both, 0.0))

    outcome = ScalarOutcome(of_cells, size, max(explained, 1e-12), size, within)
    features = feature_shifts(pane, baseline, outcome) if size > 0 else []
    explains, by = explanation(features, p_value)
    low, high = (np.clip(now + side * DEVIATIONS * deviation, 0.0, 1.0) for side in (-1, 1))
    shares = {
        name: ClassShare(float(was[index]), float(now[index]), float(low[index]), float(high[index]))
        for index, name in enumerate(names)
    }
    at = int(np.argmax(np.abs(now - was) / np.maximum(deviation, 1e-12)))
    one = shares[names[at]]
    sentence = shift_sentence(explains, by, one, names[at])
    return LabelShift(explains, one.was, one.now, one.low, one.high, p_value, 1.0, by, sentence, names[at], shares)


def _deviations(back: F64, given: F64, now: F64, rows: float, of_class: F64, between: float) -> F64:
    """Return the standard error of the share of each class: float64 (k,).

    By chance of the decisions of each class, in the window and in the reference, and of the classes themselves.
    """
    mean = back @ given
    each = np.maximum(back**2 @ given - mean**2, 0.0)  # of the share of class i by a row of class j
    own = now * (1 - now) * (1 / rows + between)
    return np.sqrt(each @ (now * (1 / rows + between) + now**2 / of_class) + own)


def _points(back: F64, given: F64, now: F64, rows: float, of_class: F64) -> dict[str, Point]:
    """Return the metrics of decisions at the new shares.

    With ``G`` the slope of a metric in the cells of the confusion and ``g = C'^-1 Σ_d G C``, the decision of a row of
    class j errs by ``g[d] - G[j, d]``. So its variance is that of the window's rows and of the reference's alike.
    """
    cells = (given * now).T * rows
    found = {}
    none = np.zeros_like(cells)
    slopes = _slopes(cells)
    for name, point in decided(cells, none).items():
        if point.value is None:
            continue
        slope = slopes[name] * rows
        through = back.T @ (slope * given.T).sum(axis=1)
        away = through - slope
        mean = (away * given.T).sum(axis=1)
        each = np.maximum((away**2 * given.T).sum(axis=1) - mean**2, 0.0)
        found[name] = Point(point.value, float(each @ now) / rows, float(each @ (now**2 / of_class)))
    return found


def _slopes(cells: F64) -> dict[str, F64]:
    """Return the change of each metric per row in a cell of the confusion: float64 (k, k), actual × predicted.

    But for what is the same in all cells, which no variance depends on.
    """
    hits, actual, said, one = cells.diagonal(), cells.sum(axis=1), cells.sum(axis=0), np.eye(len(cells))
    with np.errstate(divide="ignore", invalid="ignore"):
        f1 = 2 * hits / (said + actual) ** 2
        macro = {
            "precision": ((one - hits / said) / said, said > 0),
            "recall": ((one - (hits / actual)[:, np.newaxis]) / actual[:, np.newaxis], actual > 0),
            "f1": (2 * one / (said + actual) - f1 - f1[:, np.newaxis], said + actual > 0),
        }
    found = {"accuracy": one / cells.sum()}
    for name, (slopes, defined) in macro.items():
        found[name] = np.nan_to_num(slopes, posinf=0.0, neginf=0.0) / max(1, int(np.count_nonzero(defined)))
    return found
