"""Faults of a model's output: scores that are missing, out of range, classes, constant or the wrong way round.

Also predictions that collapsed to one class or a narrow range, new predicted classes, and outcomes of one class.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

from driftline_processor.core import facts
from driftline_processor.core.drift.display_cells import OTHER
from driftline_processor.core.drift.reference import SCORE_NAMES
from driftline_processor.core.evaluation import ColumnDrift, Evaluation, Finding
from driftline_processor.core.fact import Fact
from driftline_processor.core.intervals.confidence import normal_quantile
from driftline_processor.core.performance.one_class import BY_CHANCE
from driftline_processor.core.performance.positive_class import POSITIVE
from driftline_processor.core.performance.settings import STANDARD
from driftline_processor.core.quality.checks.score_classes import CHECK as CLASSES
from driftline_processor.core.quality.checks.score_constant import CHECK as CONSTANT
from driftline_processor.core.quality.checks.score_out_of_range import CHECK as OUT_OF_RANGE

FAULTY = 0.1
"""Rise of the fraction of predictions with a faulty score from which on the output is faulty."""

CHECKS = (OUT_OF_RANGE.name, CLASSES.name, CONSTANT.name)
"""Names of the checks of the score."""


DOUBTFUL = 0.01
"""Maximum probability of outcomes of only one class, at the rate of the baseline, for a window that may be part of a
fault (:data:`.performance.one_class.BY_CHANCE`), so that its outcomes show nothing about the model.
"""


class OutputFault(NamedTuple):
    """A fault of the output.

    Attributes:
        fact: The fault.
        metric: The metric of ``effect``: of rows with a faulty score, or of the ranking.
        effect: Distance of the metric from the baseline's, or of an AUC from one half.
        low: Lower end of the interval of ``effect``; None if every row was counted.
        high: Upper end of the same interval.
    """

    fact: Fact
    metric: str
    effect: float
    low: float | None = None
    high: float | None = None

    def follows_from(self, finding: Finding) -> bool:
        """Return True if a critical fault of a column may be its cause. No column moves scores out of their range."""
        return bool(finding.features) and finding.severity == "critical" and self.metric != OUT_OF_RANGE.name


def is_of_output(finding: Finding) -> bool:
    """Return True for a finding about the score."""
    return finding.check in CHECKS


def output_faults(evaluation: Evaluation) -> Iterator[OutputFault]:
    """Yield the faults of the output of a window: missing, out of range, classes, constant, the wrong way round."""
    score = evaluation.score
    if score is not None and score.missing_now is not None and evaluation.rows:
        was, now = score.missing_was or 0.0, score.missing_now
        error = math.sqrt(max(now * (1 - now), 0.25 / evaluation.rows) / evaluation.rows)
        if now - was - FAULTY > normal_quantile(STANDARD.confidence) * error:
            kind = facts.ClassesWithoutScore if _has_classes(evaluation) else facts.ScoreMissing
            yield OutputFault(kind(was, now), "missing", now - was)
    for check in CHECKS:
        for finding in evaluation.findings:
            was, now = finding.was or 0.0, finding.now or 0.0
            if finding.check == check and now - was >= FAULTY:
                yield OutputFault(finding, check, now - was)
    yield from _collapsed(evaluation)
    area = evaluation.realized.get("roc_auc")
    if evaluation.maturity != "mature" or area is None or area.value is None or area.low is None or area.high is None:
        return
    if area.high < 0.5:
        reversed_ranking = facts.RanksTheWrongWay(value=area.value, low=area.low, high=area.high)
        yield OutputFault(reversed_ranking, "roc_auc", area.value - 0.5, area.low - 0.5, area.high - 0.5)


COLLAPSED, MOST_BEFORE = 0.9, 0.25
"""Minimum fraction of the scores in a range that had at most the second fraction of the baseline's, for a collapse."""

ONE_CLASS, MOST_OF_CLASS = 0.99, 0.9
"""The same of one predicted class: nearly all predictions may be of a class that most were of before."""


def _collapsed(evaluation: Evaluation) -> Iterator[OutputFault]:
    """Yield the collapse of predictions to one class, else of scores to a narrow range; and new predicted classes.

    A model whose inputs did not change does not change its answers. Inputs that are all alike have one answer, and so
    have outcomes of one class, of which a model is as good as before: neither is a fault of the output. A constant
    score is a fault of its own.
    """
    compared = {change.state for change in evaluation.realized_changes.values() if change.margin is not None}
    if "not_worse" in compared and "worse" not in compared:
        return
    predicted = evaluation.predicted
    new = 0.0 if predicted is None else _new_classes(predicted)
    if new >= FAULTY:
        yield OutputFault(facts.NewClasses(0.0, new), "new_classes", new)
    if not evaluation.features or any(feature.state == "drift" for feature in evaluation.features.values()):
        return
    if any(finding.check == CONSTANT.name for finding in evaluation.findings):
        return
    for column, width, least, most in (
        (predicted, 1, ONE_CLASS, MOST_OF_CLASS),
        (evaluation.score, None, COLLAPSED, MOST_BEFORE),
    ):
        found = None if column is None else _narrow_range(column, width, least, most)
        if found is not None:
            yield OutputFault(found, "collapsed", found.now - found.was)
            return


def _new_classes(predicted: ColumnDrift) -> float:
    """Return the fraction of predicted classes of which the baseline has none."""
    if predicted.state != "drift" or predicted.was is None or predicted.now is None or OTHER not in predicted.cells:
        return 0.0
    place = predicted.cells.index(OTHER)
    return 0.0 if predicted.was[place] else float(predicted.now[place])


def _narrow_range(column: ColumnDrift, width: int | None, least: float, most: float) -> facts.OutputCollapsed | None:
    """Return the collapse of a column into the fewest display cells that have nearly all values; None without one.

    ``width``: maximum number of cells; None = any.
    """
    if column.state != "drift" or column.was is None or column.now is None:
        return None
    # the outer cells of numbers have no end: values there left the range, and may be far apart
    start = 1 if column.name == SCORE_NAMES.regression else 0
    cells = len(column.cells) - start
    for size in range(1, (width or cells) + 1):
        for first in range(start, cells - size + 1):
            was, now = (float(one[first : first + size].sum()) for one in (column.was, column.now))
            if now >= least:
                ends = column.cells[first], column.cells[first + size - 1]
                return facts.OutputCollapsed(was, now, *ends, column.words) if was <= most else None
    return None


def _has_classes(evaluation: Evaluation) -> bool:
    """Return True if its predictions without a score have a class."""
    score, predicted = evaluation.score, evaluation.predicted
    if score is None or predicted is None or not predicted.rows:
        return False
    return (score.missing_now or 0.0) - (predicted.missing_now or 0.0) > FAULTY


INVERTED, SURELY_INVERTED = 0.5, 0.75
"""Minimum skill of scores the other way round, as a fraction of the baseline's. A reversed effect of the most important
input leaves 0.1 to 0.3, inputs that move to where the model errs at most 0.67, and swapped classes about 1.
"""


def is_inverted(evaluation: Evaluation, least: float = INVERTED) -> bool:
    """Return True if scores would rank about as well as in the baseline the other way round."""
    now, was = evaluation.realized.get("roc_auc"), evaluation.reference.get("roc_auc")
    if now is None or now.value is None or was is None or was.value is None:
        return True
    return 0.5 - now.value >= least * (was.value - 0.5)


def outcomes_of_one_class(evaluation: Evaluation, by_chance: float = BY_CHANCE) -> Fact | None:
    """Return the fact that all outcomes of a window have one class, which chance does not explain; else None.

    ``by_chance``: the maximum probability that it does.
    """
    now, was = evaluation.realized.get("actual_rate"), evaluation.reference.get("actual_rate")
    if not evaluation.has_mature_outcomes or now is None or was is None or was.value is None:
        return None
    if now.value not in (0.0, 1.0):
        return None
    rate = was.value if was.low is None or was.high is None else was.high if now.value else was.low
    if (rate if now.value else 1 - rate) ** evaluation.outcome_rows > by_chance:
        return None
    return facts.OutcomesOfOneClass(
        outcomes=evaluation.outcome_rows,
        positive=bool(now.value),
        was=was.value,
        positive_class=evaluation.positive_class or POSITIVE,
    )
