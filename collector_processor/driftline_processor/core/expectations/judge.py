"""Evaluate the expectations of a window: met, broken, or inconclusive.

Rules counted from rows are known exactly. From bins alone, the fraction of values that meet a rule is exact if the rule
cuts no bin, and lies between two bounds otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import numpy as np
from driftline.baseline.baseline import Baseline
from driftline.baseline.sections.duplicate_rows import Repeats
from driftline.panes.bins import Bins, NumberBins
from driftline.panes.pane import Pane
from driftline.panes.unbinned_values import octave_bounds
from driftline.tables.table import F64
from msgspec import Struct, field, structs

from driftline_processor.core import facts
from driftline_processor.core.evaluation import Expected, Judgement
from driftline_processor.core.fact import Fact
from driftline_processor.core.quality.feature_sums import Sums, sums_of
from driftline_processor.core.windows.window import Window

from .rule import Expectations, Rule

_BOUNDS = octave_bounds()


def share_from_bins(rule: Rule, bins: Bins, sums: Sums) -> tuple[float, float] | None:
    """Return the minimum and maximum fraction of the non-missing values that meet a rule.

    None for a rule that bins cannot evaluate. Values within a bin may lie anywhere in it; outside the outer edges,
    powers of two are used if the window has them.

    >>> from driftline.panes.bins import NumberBins
    >>> sums = Sums(np.array([0.0, 6.0, 4.0, 0.0]), 10.0, 0.0, 0.0)
    >>> bins = NumberBins(np.array([0.0, 1.0, 2.0]))
    >>> share_from_bins(Rule("range", "x", "", low=0.0, high=1.5), bins, sums)
    (0.6, 1.0)
    """
    with_value = sums.with_value
    if with_value <= 0:
        return None
    if isinstance(bins, NumberBins):
        if rule.kind == "range":
            low, high = _range(rule, bins, sums)
            return low / with_value, high / with_value
        if rule.kind == "type" and rule.type == "number":
            return sums.usable / with_value, sums.usable / with_value
        return None
    if rule.kind in ("values", "not_values"):
        wanted = set(rule.values)
        listed = np.array([category in wanted for category in bins.categories], dtype=np.bool_)
        inside, other = float(sums.counts[:-1][listed].sum()), float(sums.counts[-1])
        maybe = 0.0 if wanted <= set(bins.categories) else other
        if rule.kind == "values":
            return inside / with_value, (inside + maybe) / with_value
        return (with_value - inside - maybe) / with_value, (with_value - inside) / with_value
    return None


def _range(rule: Rule, bins: NumberBins, sums: Sums) -> tuple[float, float]:
    """Return the minimum and maximum weight of values within ``[low, high]``."""
    starts, ends, weights = _cells(bins, sums)
    low = -np.inf if rule.low is None else rule.low
    high = np.inf if rule.high is None else rule.high
    # a cell is [start, end): its greatest value lies below its end
    inside = (starts >= low) & (np.nextafter(ends, -np.inf) <= high)
    touched = (np.nextafter(ends, -np.inf) >= low) & (starts <= high)
    return float(weights[inside].sum()), float(weights[touched].sum())


def _cells(bins: NumberBins, sums: Sums) -> tuple[F64, F64, F64]:
    edges = bins.edges
    starts, ends = np.append(-np.inf, edges), np.append(edges, np.inf)
    weights = sums.counts.astype(np.float64)
    if sums.tails is None or not len(edges):
        return starts, ends, weights
    lows, highs = np.append(-np.inf, _BOUNDS), np.append(_BOUNDS, np.inf)
    below, above = lows < edges[0], highs > edges[-1]
    both = below & above  # an octave that contains the whole range: the bins show the side of its values
    under, over = np.where(below & ~both, sums.tails, 0.0), np.where(above & ~both, sums.tails, 0.0)
    if both.any():
        at = int(np.flatnonzero(both)[0])
        under[at], over[at] = weights[0] - under.sum(), weights[-1] - over.sum()
    return (
        np.concatenate([lows[below], starts[1:-1], np.maximum(lows, edges[-1])[above]]),
        np.concatenate([np.minimum(highs, edges[0])[below], ends[1:-1], highs[above]]),
        np.concatenate([under[below], weights[1:-1], over[above]]),
    )


class RowFacts(Struct, frozen=True):
    """Facts about the rows of a window that sums do not contain.

    Attributes:
        repeats: Repeats of whole rows; None without rows.
        unique: Repeats of the values of single features, by feature.
        newest: Time of the newest prediction, unix nanoseconds; None if unknown.
        until: Time for the age of the newest row, unix nanoseconds; None = the end of the window.
    """

    repeats: Repeats | None = None
    unique: Mapping[str, Repeats] = field(default_factory=dict)
    newest: int | None = None
    until: int | None = None


def judge_expectations(
    expectations: Expectations, row_facts: RowFacts, pane: Pane, baseline: Baseline | None, window: Window
) -> tuple[Expected, ...]:
    """Evaluate the expectations of a window.

    Args:
        expectations: The rules.
        row_facts: Facts about rows that ``pane`` does not contain.
        pane: Sums of the window, with the counts of rules (:mod:`.counting`).
        baseline: Its bins give bounds if rows were not counted: they came as distributions, or before the rule.
        window: The window.

    Returns:
        One result per rule: those of whole rows first.
    """
    return tuple(_judged(expectations, row_facts, pane, baseline, window))


def _judged(
    expectations: Expectations, row_facts: RowFacts, pane: Pane, baseline: Baseline | None, window: Window
) -> Iterator[Expected]:
    rows = pane.rows
    for rule in expectations.rows:
        if rule.kind == "rows":
            yield _of_rows(rule, rows)
        elif rule.kind == "duplicates":
            yield _of_repeats(rule, row_facts.repeats, "no_whole_rows")
        else:
            yield _of_age(rule, window.end if row_facts.until is None else row_facts.until, row_facts.newest, rows)
    for name, rules in expectations.features.items():
        for rule in rules:
            if rule.kind == "unique":
                stranger = baseline is not None and name not in baseline.bins.features
                yield _of_repeats(rule, row_facts.unique.get(name), "no_feature" if stranger else "values_not_stored")
            else:
                yield _of_feature(rule, pane, baseline, name)


def _of_feature(rule: Rule, pane: Pane, baseline: Baseline | None, name: str) -> Expected:
    counted = pane.parts.get(rule.part)
    if counted is None or counted[0] < pane.rows:
        return _of_bins(rule, pane, baseline, name)
    rows, with_value, third, fourth = counted.tolist()
    if rule.kind == "exists":
        return _of_arrival(rule, with_value > 0, int(rows))
    if rule.kind == "missing":
        return _of_fraction(rule, (rows - with_value) / rows if rows else None, int(rows))
    if with_value == 0:
        return _unknown(rule, "no_value", 0)
    if rule.kind in ("mean", "stddev"):
        return _of_moment(rule, with_value, third, fourth)
    if rule.kind in ("min", "max"):
        return _of_end(rule, with_value, third, fourth)
    return _of_fraction(rule, third / with_value, int(with_value))


def _of_bins(rule: Rule, pane: Pane, baseline: Baseline | None, name: str) -> Expected:
    """Return the result from bins, if the rows were not counted for the rule."""
    bins = None if baseline is None else baseline.bins.features.get(name)
    sums = None if bins is None else sums_of(pane, name, bins)
    if bins is None or sums is None:
        return _unknown(rule, "not_counted_without_baseline", 0)
    rows = round(sums.rows)
    if rule.kind == "exists":
        return _of_arrival(rule, sums.with_value > 0, rows)
    if rule.kind == "missing":
        return _of_fraction(rule, sums.missing / sums.rows, rows)
    known = share_from_bins(rule, bins, sums)
    if known is None:
        return _unknown(rule, "not_counted", rows)
    return _between(rule, *known, round(sums.with_value))


def _of_arrival(rule: Rule, arrived: bool, rows: int) -> Expected:
    return _of_value(rule, arrived, arrived, rows, facts.ColumnArrived(arrived=arrived))


def _of_fraction(rule: Rule, fraction: float | None, rows: int) -> Expected:
    if fraction is None:
        return _unknown(rule, "no_row", 0)
    return _between(rule, fraction, fraction, rows)


def _between(rule: Rule, low: float, high: float, rows: int) -> Expected:
    return _of_value(rule, low, high, rows, facts.FractionOfValues(rule=rule.kind, low=low, high=high))


def _of_value(rule: Rule, low: float, high: float, rows: int, measurement: Fact) -> Expected:
    low, high = float(low), float(high)
    return _expected(rule, rule.limit.verdict(low, high), rows, measurement, low, high)


def _expected(
    rule: Rule, state: Judgement, rows: int, measurement: Fact, low: float | None = None, high: float | None = None
) -> Expected:
    return Expected(
        feature=rule.feature,
        rule=rule.text,
        state=state,
        low=low,
        high=high,
        rows=rows,
        measurement=measurement,
    )


def _of_rows(rule: Rule, rows: int) -> Expected:
    counted = _of_value(rule, float(rows), float(rows), rows, facts.RowsInWindow(rows=rows))
    if rule.low is None and rule.high is None:
        return counted
    return structs.replace(counted, state=_state(rule, rows))


def _state(rule: Rule, value: float) -> Judgement:
    inside = (rule.low is None or value >= rule.low) and (rule.high is None or value <= rule.high)
    return "met" if inside else "broken"


def _of_repeats(rule: Rule, repeats: Repeats | None, reason: str) -> Expected:
    if repeats is None or not repeats.rows:
        return _unknown(rule, reason, 0)
    distinct = repeats.distinct / repeats.rows
    return _of_fraction(rule, distinct if rule.kind == "unique" else 1 - distinct, repeats.rows)


def _of_age(rule: Rule, until: int, newest: int | None, rows: int) -> Expected:
    if newest is None or until <= 0:
        return _unknown(rule, "no_times", rows)
    age = max(0.0, (until - newest) / 1e9)
    return _of_value(rule, age, age, rows, facts.AgeOfNewestRow(seconds=age))


def _of_moment(rule: Rule, rows: float, total: float, squares: float) -> Expected:
    mean = value = total / rows
    if rule.kind == "stddev":
        if rows < 2:
            return _unknown(rule, "one_value", int(rows))
        variance = (squares - rows * mean * mean) / (rows - 1)
        # 1e-9: a variance below this fraction of the squared mean is mostly rounding
        if variance < 1e-9 * mean * mean:
            return _unknown(rule, "values_too_close", int(rows))
        value = math.sqrt(variance)
    measurement = facts.MomentOfValues(moment=rule.kind, value=value)
    return _expected(rule, _state(rule, value), int(rows), measurement, value, value)


def _of_end(rule: Rule, rows: float, outside: float, within: float) -> Expected:
    """Return the result for the minimum or the maximum, from the number of values outside and within its limits."""
    state: Judgement = "met" if outside == 0 and within > 0 else "broken"
    measurement = facts.EndOfValues(rule.kind, rows, outside, within, rule.low, rule.high)
    return _expected(rule, state, int(rows), measurement)


def _unknown(rule: Rule, reason: str, rows: int) -> Expected:
    return _expected(rule, "inconclusive", rows, facts.MeasurementUnknown(reason=reason))
