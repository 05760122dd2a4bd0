"""Words for the measurement of an expectation in a window."""

from __future__ import annotations

from driftline_processor.core import facts
from driftline_processor.core.evaluation import Expected
from driftline_processor.present.wording import format_percent, short

from .register import clause, words_of

_FRACTION = {
    "missing": "of values are missing",
    "unique": "of values are distinct",
    "duplicates": "of rows repeat another row in full",
    "type": "of values have the expected type",
    "range": "of values are within the limits",
    "values": "of values are among the allowed values",
    "not_values": "of values are none of the forbidden values",
    "length": "of values have an allowed length",
    "pattern": "of values match the pattern",
}
"""Kind of a rule → the whole of its fraction."""

_UNKNOWN = {
    "no_value": "there is no value",
    "no_row": "there is no row",
    "no_whole_rows": "whole rows are not available",
    "no_times": "the window is open, or its rows have no time",
    "no_feature": "it is not a feature; values of ids and times are not checked",
    "values_not_stored": "single values are not stored",
    "one_value": "one value has no standard deviation",
    "values_too_close": "the values differ too little to compute their standard deviation from the stored sums",
    "not_counted": "not all rows were counted for this rule, and the bins of the feature do not decide it",
    "not_counted_without_baseline": "not all rows were counted for this rule, and no baseline has bins of the feature",
}
"""Reason → why the value is unknown."""

_UNITS = (("d", 86_400), ("h", 3_600), ("m", 60))


def expectation_sentence(expected: Expected) -> str:
    """Return the measurement of an expectation after the name of its feature.

    >>> from driftline_processor.core import facts
    >>> share = facts.FractionOfValues(rule="missing", low=0.2, high=0.2)
    >>> expectation_sentence(Expected("age", "missing: <= 0.1", "broken", 0.2, 0.2, 900, share))
    'age: 20 % of values are missing'
    """
    measured = clause(expected.measurement)
    return f"{short(expected.feature)}: {measured}" if expected.feature else measured


@words_of(facts.FractionOfValues)
def _fraction_of_values(fact: facts.FractionOfValues) -> str:
    ends = dict.fromkeys((fact.low, fact.high))  # one if they are equal
    return f"{' to '.join(map(format_percent, ends))} {_FRACTION[fact.rule]}"


@words_of(facts.ColumnArrived)
def _column_arrived(fact: facts.ColumnArrived) -> str:
    return "it arrived" if fact.arrived else "it never arrived"


@words_of(facts.RowsInWindow)
def _rows_in_window(fact: facts.RowsInWindow) -> str:
    return f"{fact.rows:,} rows"


@words_of(facts.AgeOfNewestRow)
def _age_of_newest_row(fact: facts.AgeOfNewestRow) -> str:
    for unit, size in _UNITS:
        if fact.seconds >= size:
            return f"the newest row is {fact.seconds / size:.1f} {unit} old"
    return f"the newest row is {fact.seconds:.0f} s old"


@words_of(facts.MomentOfValues)
def _moment_of_values(fact: facts.MomentOfValues) -> str:
    return f"the {'mean' if fact.moment == 'mean' else 'standard deviation'} is {fact.value:.5g}"


@words_of(facts.EndOfValues)
def _end_of_values(fact: facts.EndOfValues) -> str:
    beyond, limit = ("below", "at most") if fact.end == "min" else ("above", "at least")
    far, near = (fact.low, fact.high) if fact.end == "min" else (fact.high, fact.low)
    parts = [] if far is None else [f"{_are(fact.outside)} {beyond} {far:g}"]
    parts += [] if near is None else [f"{_are(fact.within)} {limit} {near:g}"]
    return f"of {fact.rows:.0f} values, {' and '.join(parts)}"


def _are(values: float) -> str:
    return f"{values:.0f} {'is' if round(values) == 1 else 'are'}"


@words_of(facts.MeasurementUnknown)
def _measurement_unknown(fact: facts.MeasurementUnknown) -> str:
    return f"inconclusive: {_UNKNOWN[fact.reason]}"
