"""A baseline of rows on which the model was trained: no window since has been as good."""

from __future__ import annotations

from collections.abc import Sequence

from driftline_processor.core import facts
from driftline_processor.core.evaluation import Evaluation, MetricValue
from driftline_processor.core.metrics import direction
from driftline_processor.core.output_faults import DOUBTFUL, outcomes_of_one_class

from .comparisons import deciding_change
from .risks import is_fault
from .signs import faulty_output

FEWEST_WINDOWS, FEWEST_WORSE = 8, 3
"""Windows that are all worse than the baseline: eight by chance with a probability of 1 in 256; of three, each must be
worse by itself, beyond the margin.
"""

PERFECT = {"roc_auc": 0.999, "accuracy": 0.999, "f1": 0.999, "r2": 0.999}
"""Metrics of a baseline that only rows on which the model was trained reach, or an easy task: one window is enough."""

FEWEST_ROWS = 100
"""Minimum outcomes of a window."""


METRICS = ("roc_auc", "accuracy", "mae", "rmse", "r2", "f1")
"""The metrics of which the first known one counts."""


def never_as_good(windows: Sequence[Evaluation]) -> facts.NeverAsGood | None:
    """Return a metric that no window reaches.

    None with too few windows, and if one of them is faulty, or no worse than the baseline.

    A model that was worse from its first day on cannot be distinguished from a baseline of training rows.

    Args:
        windows: Windows of one length with outcomes, the oldest first.
    """
    windows = [one for one in windows if one.closed and one.outcome_rows >= FEWEST_ROWS]
    if any(map(_is_faulty, windows)):
        return None
    states = [decides[1].state for one in windows if (decides := deciding_change(one)) is not None]
    perfect = bool(windows) and _is_perfect(windows[-1])
    all_worse = len(windows) == states.count("worse") >= (1 if perfect else FEWEST_WORSE)
    if "not_worse" in states or (len(windows) < FEWEST_WINDOWS and not all_worse):
        return None
    known = ((name, _values(name, windows)) for name in METRICS)
    enough = min(len(windows), FEWEST_WINDOWS)
    first = next(((name, values) for name, values in known if len(values) >= enough), None)
    return None if first is None else _never_reached(*first)


def _values(name: str, windows: Sequence[Evaluation]) -> list[tuple[MetricValue, float, float]]:
    """Return a metric of each window that has it, with its value and that of the baseline."""
    pairs = ((one.realized.get(name), one.reference.get(name)) for one in windows)
    found = ((now, now.value, was.value) for now, was in pairs if now is not None and was is not None)
    return [(now, value, before) for now, value, before in found if value is not None and before is not None]


def _never_reached(name: str, values: Sequence[tuple[MetricValue, float, float]]) -> facts.NeverAsGood | None:
    """Return that a metric was never as good as in the baseline; None if it was, or if the model has no skill."""
    better = direction(name)
    if any(now * better >= was * better for _, now, was in values):
        return None
    lows = [value.low for value, _, _ in values if value.low is not None]
    if name == "roc_auc" and lows and max(lows) <= 0.5:
        return None  # without any skill, it is another model, or its scores are random
    best = max((now for _, now, _ in values), key=lambda now: now * better)
    return facts.NeverAsGood(name, values[-1][2], best, len(values))


def _is_perfect(evaluation: Evaluation) -> bool:
    values = ((evaluation.reference.get(name), limit) for name, limit in PERFECT.items())
    return any(was is not None and was.value is not None and was.value >= limit for was, limit in values)


def _is_faulty(evaluation: Evaluation) -> bool:
    """Return True if the output, the outcomes or the data of a window are faulty, which explains its loss."""
    of_data = any(map(is_fault, evaluation.findings))
    return bool(faulty_output(evaluation)) or of_data or outcomes_of_one_class(evaluation, DOUBTFUL) is not None
