"""Label shift of several classes: the class fractions implied by a window's decisions, and estimates based on them.

Under label shift each class is decided as before: a class with fraction q is decided as d in ``q C[d | class]`` of the
rows. So the fractions of a window solve ``C q = μ``, with μ the fractions of its decisions (BBSE; Lipton, Wang and
Smola, "Detecting and correcting for label shift with black box predictors", ICML 2018). The confusion of the window and
all metrics of decisions follow.

Decisions alone fit some fractions in any case, as there are as many equations as classes. Features can refute label
shift: each must move according to its own relation with the classes (:func:`.label_shift.feature_shifts`).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from driftline.baseline.baseline import Baseline
from driftline.baseline.sections.estimation import CLASSES
from driftline.baseline.sections.scores import ScoreMeans
from driftline.panes.pane import Pane
from driftline.tables.table import F64
from msgspec import Struct, field

from driftline_processor.core.evaluation import ClassShare, LabelShift
from driftline_processor.core.outcomes.sums import effective_rows

from .cbpe_multiclass import decided
from .label_shift import POSSIBLE, ScalarOutcome, explanation, feature_shifts
from .point import DEVIATIONS, Point


class ClassShift(Struct, frozen=True, eq=False):
    """The class fractions of a window, and the metrics expected with them.

    Attributes:
        was: float64 (k,), fractions of the reference.
        now: float64 (k,), fractions of the window.
        points: Metric → its expected value; {} if decisions contain too little information.
    """

    was: F64
    now: F64
    points: dict[str, Point] = field(default_factory=dict)


def explain_class_shift(pane: Pane, baseline: Baseline, between: float = 0.0) -> tuple[LabelShift, ClassShift] | None:
    """Return whether new class fractions explain that decisions moved; None if they moved within chance.

    Args:
        pane: Pane of the window.
        baseline: Baseline with outcomes.
        between: Variance between periods of the window's length, relative to that of one row.
    """
    from driftline_processor.core.special_functions import chdtrc

    names = baseline.task.classes
    k = len(names)
    confusion, sums = baseline.pane.parts.get("confusion"), pane.parts.get(CLASSES)
    if confusion is None or sums is None or len(confusion) != k * k or sums[0] <= 0:
        return None
    table = confusion.reshape(k, k) * effective_rows(baseline.pane) / confusion.sum()  # actual by decided
    rows = effective_rows(pane, "rows")
    decision_shares = sums[2 : 2 + k * k].reshape(k, k).sum(axis=0) / sums[0]
    of_class, total = table.sum(axis=1), float(table.sum())
    if rows <= 0 or not (of_class > 0).all():
        return None
    expected_shares = table.sum(axis=0) / total
    filled = expected_shares > 0
    chi_square = float(((decision_shares - expected_shares)[filled] ** 2 / expected_shares[filled]).sum()) / (
        1 / rows + 1 / total + between
    )
    p_value = float(chdtrc(max(1, int(filled.sum()) - 1), chi_square))
    if p_value > POSSIBLE:
        return None
    decided_by_actual = (table / of_class[:, np.newaxis]).T  # decided by actual: each column is a class
    was = of_class / total
    # 1e3: condition number from which decisions contain no information on fractions: an error of 0.001 in μ changes q
    # by up to 1
    if np.linalg.cond(decided_by_actual) > 1e3:
        return _unknown_shift(names, was, p_value), ClassShift(was, was)
    inverse = np.linalg.inv(decided_by_actual)
    now = np.clip(inverse @ decision_shares, 0.0, None)
    now /= now.sum()
    deviation = _deviations(inverse, decided_by_actual, now, rows, of_class, between)
    class_shift = ClassShift(was, now, _points(inverse, decided_by_actual, now, rows, of_class))
    label_shift = _explained(pane, baseline, class_shift, table, deviation, p_value)
    return label_shift, class_shift


def decisions_between(panes: Sequence[Pane], classes: int) -> float:
    """Return the variance of decisions between periods beyond chance, relative to the variance of one row.

    Args:
        panes: Panes of the periods, with outcomes.
        classes: Number of classes of the model.

    >>> cells = [np.array([a, 0.0, 0.0, 100 - a]) for a in (40.0, 60.0)]
    >>> rows = [Pane({"confusion": one, "outcomes": np.full(3, 100.0)}) for one in cells]
    >>> round(decisions_between(rows, 2), 6)
    0.07
    """
    decision_counts = [
        pane.parts["confusion"].reshape(classes, classes).sum(axis=0)
        * effective_rows(pane)
        / pane.parts["confusion"].sum()
        for pane in panes
        if "confusion" in pane.parts and pane.parts["confusion"].sum() > 0
    ]
    if len(decision_counts) < 2:
        return 0.0
    counts = np.stack(decision_counts)
    rows = counts.sum(axis=1)
    shares = counts.sum(axis=0) / counts.sum()
    filled = shares > 0
    expected = np.outer(rows, shares[filled])
    freedom = (len(counts) - 1) * max(1, int(filled.sum()) - 1)
    beyond = float(((counts[:, filled] - expected) ** 2 / expected).sum()) / freedom - 1
    return max(0.0, beyond) / float(rows.mean())


def _unknown_shift(names: Sequence[str], was: F64, p_value: float) -> LabelShift:
    class_index = int(np.argmax(was))
    return LabelShift(
        explains="either",
        was=float(was[class_index]),
        now=float(was[class_index]),
        low=0.0,
        high=1.0,
        p_value=p_value,
        fit=1.0,
        features=(),
        class_name=names[class_index],
    )


def _explained(
    pane: Pane, baseline: Baseline, shift: ClassShift, table: F64, deviation: F64, p_value: float
) -> LabelShift:
    """Return what explains that decisions moved, by the move of the likelihood of the new fractions."""
    names, was, now = baseline.task.classes, shift.was, shift.now
    worth = (now - was) / was
    size = float(((now - was) ** 2 / was).sum())
    decisions = table.sum(axis=0)
    by_decision = np.divide(worth @ table, decisions, out=np.zeros(len(was)), where=decisions > 0)
    explained = float(decisions @ by_decision**2) / float(decisions.sum()) / size if size > 0 else 0.0

    def of_cells(means: ScoreMeans) -> F64 | None:
        return None if means.classes is None else np.asarray(worth @ means.classes)

    decided_by_actual = (table / table.sum(axis=1, keepdims=True)).T
    inverse = np.linalg.inv(decided_by_actual)

    def within(means: ScoreMeans, rate: F64) -> float:
        # both a feature and the decision depend on the class; within a class they are assumed to be independent
        assert means.classes is not None
        assert means.labelled is not None
        rows = means.classes * means.labelled
        cells = rows / np.maximum(rows.sum(axis=1, keepdims=True), 1e-12)
        of_class = cells @ rate
        due = inverse.T @ of_class
        variances = (cells @ rate**2 - of_class**2) + (due**2 @ decided_by_actual - of_class**2)
        return float(now @ np.maximum(variances, 0.0))

    outcome = ScalarOutcome(of_cells, size, max(explained, 1e-12), size, within)
    features = feature_shifts(pane, baseline, outcome) if size > 0 else []
    explains, by = explanation(features, p_value)
    low, high = (np.clip(now + side * DEVIATIONS * deviation, 0.0, 1.0) for side in (-1, 1))
    shares = {
        name: ClassShare(float(was[index]), float(now[index]), float(low[index]), float(high[index]))
        for index, name in enumerate(names)
    }
    class_index = int(np.argmax(np.abs(now - was) / np.maximum(deviation, 1e-12)))
    class_share = shares[names[class_index]]
    return LabelShift(
        explains=explains,
        was=class_share.was,
        now=class_share.now,
        low=class_share.low,
        high=class_share.high,
        p_value=p_value,
        fit=1.0,
        features=by,
        class_name=names[class_index],
        shares=shares,
    )


def _deviations(back: F64, given: F64, now: F64, rows: float, of_class: F64, between: float) -> F64:
    """Return the standard error of the fraction of each class: float64 (k,).

    It includes the sampling error of the decisions of each class, in the window and in the reference, and of the
    classes.
    """
    mean = back @ given
    row_variance = np.maximum(back**2 @ given - mean**2, 0.0)  # of the fraction of class i by a row of class j
    class_variance = now * (1 - now) * (1 / rows + between)
    return np.sqrt(row_variance @ (now * (1 / rows + between) + now**2 / of_class) + class_variance)


def _points(back: F64, given: F64, now: F64, rows: float, of_class: F64) -> dict[str, Point]:
    """Return the metrics of decisions with the new fractions.

    With ``G`` the slope of a metric in the cells of the confusion and ``g = C'^-1 Σ_d G C``, the decision d of a row of
    class j has the error ``g[d] - G[j, d]``. Its variance applies to the rows of the window and of the reference.
    """
    cells = (given * now).T * rows
    points = {}
    zeros = np.zeros_like(cells)
    slopes = _slopes(cells)
    for name, point in decided(cells, zeros).items():
        if point.value is None:
            continue
        slope = slopes[name] * rows
        through = back.T @ (slope * given.T).sum(axis=1)
        slope_difference = through - slope
        mean = (slope_difference * given.T).sum(axis=1)
        row_variance = np.maximum((slope_difference**2 * given.T).sum(axis=1) - mean**2, 0.0)
        points[name] = Point(point.value, float(row_variance @ now) / rows, float(row_variance @ (now**2 / of_class)))
    return points


def _slopes(cells: F64) -> dict[str, F64]:
    """Return the change of each metric per row in a cell of the confusion: float64 (k, k), actual × predicted.

    A constant that is the same in all cells is omitted, since no variance depends on it.
    """
    hits, actual, decided, identity = cells.diagonal(), cells.sum(axis=1), cells.sum(axis=0), np.eye(len(cells))
    with np.errstate(divide="ignore", invalid="ignore"):
        f1 = 2 * hits / (decided + actual) ** 2
        macro = {
            "precision": ((identity - hits / decided) / decided, decided > 0),
            "recall": ((identity - (hits / actual)[:, np.newaxis]) / actual[:, np.newaxis], actual > 0),
            "f1": (2 * identity / (decided + actual) - f1 - f1[:, np.newaxis], decided + actual > 0),
        }
    slopes_by_metric = {"accuracy": identity / cells.sum()}
    for name, (slopes, defined) in macro.items():
        slopes_by_metric[name] = np.nan_to_num(slopes, posinf=0.0, neginf=0.0) / max(1, int(np.count_nonzero(defined)))
    return slopes_by_metric
