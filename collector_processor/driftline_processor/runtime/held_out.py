"""Whether a baseline is too good to be held-out: every window since does worse than its own rows."""

from __future__ import annotations

from collections.abc import Sequence

from driftline_processor.core.evaluation import Evaluation

FEWEST_WINDOWS = 8
"""Of a model that does as well as on its reference rows, so many windows are all worse once in 256 times, by chance."""

FEWEST_ROWS = 100
_HEADLINES = {"roc_auc": 1, "accuracy": 1, "rmse": -1}
"""The metric that stands for a model: the first that is known; 1 where more is better."""


def too_good(windows: Sequence[Evaluation]) -> tuple[str, float, float, int] | None:
    """Return a metric, its value on the reference rows, the best since, and of how many windows; else None.

    ``windows``: of one length, those that have outcomes to show. A model that was worse from its first day on, and a
    baseline of rows that it was trained on, look alike here.
    """
    judged = [one for one in windows if one.closed and one.outcome_rows >= FEWEST_ROWS]
    if len(judged) < FEWEST_WINDOWS:
        return None
    for name, better in _HEADLINES.items():
        pairs = [(one.realized.get(name), one.reference.get(name)) for one in judged]
        known = [(now.value, was.value) for now, was in pairs if now is not None and was is not None]
        values = [(now, was) for now, was in known if now is not None and was is not None]
        if len(values) >= FEWEST_WINDOWS:
            if any(now * better >= was * better for now, was in values):
                return None
            best = max((now for now, _ in values), key=lambda now: now * better)
            return name, values[-1][1], best, len(values)
    return None
