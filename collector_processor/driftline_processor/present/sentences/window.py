"""Sentences on the details of a window: its drift in a few words, its metrics, and remarks on single columns.

Whether the model is healthy is its verdict (:mod:`driftline_processor.core.verdict`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from driftline_processor.core.evaluation import ColumnDrift, Evaluation, MetricChange, MetricValue, ObjectiveState
from driftline_processor.core.windows.window import Window
from driftline_processor.present.numbers import UNKNOWN, change, count, ends, many, number, percent
from driftline_processor.present.states import compared, drifted, inconclusive_reason, overall, state_word
from driftline_processor.present.times import window_name
from driftline_processor.present.wording import printable, short

from .drift import among_frequent, column_sentence
from .objectives import objective_sentence, overdue

COMPLETE = 0.99
"""Minimum completeness of records without a remark: the edges of a window cause errors of this size."""

MOST_REMARKS = 5
"""Columns that are explained one by one."""


_INTERVALS = {
    "clopper_pearson": "exact, by Clopper and Pearson",
    "wilson": "Wilson's",
    "mover": "from the exact limits of its parts",
    "normal": "by Student's t",
    "log": "by Student's t, on the logarithm",
    "logit": "on the logit scale",
    "blocks": "from how blocks of time differ",
    "row_blocks": "from how blocks of consecutive rows differ",
    "order": "between two of the ordered calls",
    "too_few_rows": "too few rows",
    "unreviewed": "there are no reviewed rows of a decision",
}
"""``MetricValue.interval`` → source of the interval in words."""


def drift_words(evaluation: Evaluation) -> str:
    """Return the drift of a window in a few words."""
    n, total = drifted(evaluation), compared(evaluation)
    state = overall(evaluation)
    if total and n:
        return f"{n} of {total} features {'drifts' if n == 1 else 'drift'}"
    parts, outputs = evaluation.drift.slices, (evaluation.drift.score, evaluation.drift.predicted)
    if parts and not any(output is not None and output[0] == "drift" for output in outputs):
        return f"drift in {many(parts, 'slice')}; over all rows none of {total} features drifts"
    if state == "drift":
        return "the predictions drift, no feature does"
    if total:
        return f"none of {total} features drifts"
    return state_word(state, inconclusive_reason(evaluation))


def window_facts(evaluation: Evaluation, timezone: str = "UTC") -> list[str]:
    """Return version, environment, time, rows, coverage, and whether the window is open, a few words each."""
    key = evaluation.key
    facts = [key.version and f"version {short(key.version)}", short(key.environment)]
    facts += [window_name(evaluation.window, timezone), many(evaluation.rows)]
    facts += [f"outcomes for {percent(evaluation.coverage)}" if evaluation.outcome_rows else ""]
    return [fact for fact in (*facts, "" if evaluation.closed else "open") if fact]


def column_name(column: ColumnDrift) -> str:
    """Return the name of a column: the score, the predicted class, or the feature."""
    return printable(column.words)


def drift_remarks(columns: Iterable[ColumnDrift]) -> list[str]:
    """Return remarks on states: why a column is normal or inconclusive, and the detectable change of ``ok``.

    >>> ok = ColumnDrift("feature", "age", "ok", "ks", 100, {}, detectable_change=0.31)
    >>> few = ColumnDrift("feature", "temp", "inconclusive", "ks", 20, {}, reason="too_few_rows")
    >>> for remark in drift_remarks([ok, few]):
    ...     print(remark)
    temp is inconclusive: 20 rows are too few; use a longer window
    a shift of 0.31 σ or more would have been detected in age
    """
    lines, sizes, limits = [], [], dict[str, str]()
    for column in columns:
        if column.state == "within_normal_variation" or column.reason.startswith("too_few"):
            lines.append(printable(column_sentence(column)).rstrip("."))
        elif column.state == "ok" and column.detectable_change is not None:
            sizes.append((column.detectable_change, column_name(column)))
            limits[column_name(column)] = among_frequent(column)
    if lines[MOST_REMARKS:]:
        lines = [*lines[:MOST_REMARKS], f"likewise {many(len(lines) - MOST_REMARKS, 'more column')}"]
    if sizes:
        (smallest, _), (greatest, name) = min(sizes), max(sizes)
        detected = "or more would have been detected"
        if len(sizes) == 1:
            lines.append(f"a shift of {number(greatest)} σ {detected} in {name}{limits[name]}")
        else:
            sizes_by_column = f"depending on the column (the largest in {name})"
            lines.append(f"a shift of {ends(smallest, greatest)} σ {detected}, {sizes_by_column}")
            lines += [f"in {name}, only{limit}" for name, limit in limits.items() if limit][:MOST_REMARKS]
    return lines


def origin(evaluation: Evaluation) -> str:
    """Return the source of a window's numbers if it is not rows alone."""
    if not evaluation.distributed:
        return ""
    if evaluation.distributed >= evaluation.rows:
        return ", known from distributions only: the service sent no rows"
    return f", {count(evaluation.distributed)} of them known from distributions only: the service sent no rows"


def no_outcome(outcomes: int, waiting: int) -> str:
    """Return why a window has no outcomes: none arrived, they belong to other windows, or they are not counted yet.

    Args:
        outcomes: Number of the model's joined outcomes in all windows.
        waiting: Number of the model's windows that wait for evaluation.

    >>> no_outcome(0, 2)
    'no outcome known yet'
    >>> no_outcome(12_789, 0)
    'no outcome known yet; the 12,789 joined outcomes belong to other windows'
    >>> no_outcome(12_789, 1)
    'outcomes are not counted yet: 1 window of the model waits to be evaluated'
    """
    if not outcomes:
        return "no outcome known yet"
    if not waiting:
        belong = "belongs to another window" if outcomes == 1 else "belong to other windows"
        return f"no outcome known yet; the {many(outcomes, 'joined outcome')} {belong}"
    windows = f"{many(waiting, 'window')} of the model {'waits' if waiting == 1 else 'wait'}"
    return f"outcomes are not counted yet: {windows} to be evaluated"


def interval(metric: MetricValue) -> str:
    """Return the interval of a metric and its source.

    >>> bounded = MetricValue(0.9, 20, "rows", low=0.7, high=0.98, interval="blocks")
    >>> interval(bounded), interval(MetricValue(0.9, 20, "rows"))
    ('0.7 to 0.98, from how blocks of time differ', '–')
    """
    how = _INTERVALS.get(metric.interval, metric.interval)
    if metric.low is None or metric.high is None:
        return how or UNKNOWN
    return f"{ends(metric.low, metric.high)}, {how}"


def effective(metric: MetricValue) -> str:
    """Return the effective sample size if weights reduce it.

    >>> effective(MetricValue(0.9, 200, "rows", effective_rows=40.0)), effective(MetricValue(0.9, 20, "rows"))
    (', effective sample size 40', '')
    """
    worth = metric.effective_rows
    return "" if worth is None or worth >= 0.99 * metric.rows else f", effective sample size {count(worth)}"


def objective(objective_state: ObjectiveState, timezone: str = "UTC") -> str:
    """Return the result of an objective; for a rolling one with its time and its number of inconclusive windows."""
    when = (
        f"{window_name(Window('', objective_state.since, objective_state.until), timezone)}: "
        if objective_state.until
        else ""
    )
    long = overdue(objective_state) or (
        f"for {many(objective_state.inconclusive_windows, 'window')} in a row"
        if objective_state.inconclusive_windows > 1
        else ""
    )
    return when + "; ".join(filter(None, (objective_sentence(objective_state), long)))


def change_words(changes: Mapping[str, MetricChange], name: str) -> str:
    """Return whether a metric is worse than the baseline's, with the interval of the change.

    >>> worse = MetricChange("worse", -0.03, -0.041, -0.019, 0.001, 0.024)
    >>> change_words({"accuracy": worse}, "accuracy"), change_words({}, "accuracy")
    ('worse (−0.041 to −0.019)', '')
    >>> few = MetricChange("inconclusive", -0.03, -0.08, 0.02, 0.2, 0.11, "too_few_rows")
    >>> change_words({"accuracy": few}, "accuracy")
    'too few rows (−0.08 to +0.02)'
    """
    metric_change = changes.get(name)
    if metric_change is None:
        return ""
    word = state_word(metric_change.state, metric_change.reason)
    low, high = (change(0.0, end) for end in (metric_change.low, metric_change.high))
    return f"{word} ({low} to {high})" if low and high else word
