"""Words for faults of the data: in a list of findings, and as a clause of a verdict."""

from __future__ import annotations

import math

from driftline.panes.bins import between

from driftline_processor.core import facts
from driftline_processor.core.evaluation import Finding
from driftline_processor.present.numbers import MINUS
from driftline_processor.present.wording import NAME, format_percent, listed, short, slice_words

from .register import worded, words_of


@worded
def finding_sentence(finding: Finding) -> str:
    """Return a finding as a sentence that begins with the names of its features.

    >>> finding_sentence(Finding("missing", ("age",), "critical", 0.02, 0.9, 0.0))
    'age: 90 % of values are missing (was 2 %)'
    """
    names = " and ".join(short(name) for name in finding.features)
    if _never_arrived(finding):
        return _absence(finding, names)
    text, more = _fault(finding)
    subject = f"{names}: " if names and finding.check != "misplaced" else ""
    return f"{subject}{text}{more}{_only_where(finding)}"


MOST_LISTED = 4
"""Columns in the wrong place that are named one by one."""


def fault_clause(finding: Finding, *, numbers: bool = True) -> str:
    """Return a finding as a clause that contains the names of its features.

    Args:
        finding: A fault of the data.
        numbers: Whether the old value or the fraction out of range follows in brackets.

    >>> fault_clause(Finding("missing", ("age",), "critical", 0.02, 0.9, 0.0))
    '90 % of values in age are missing (was 2 %)'
    >>> fault_clause(Finding("out_of_range", ("temp",), "critical", 0.0024, 1.0, 0.0, 12.92, 55.04, "above"))
    'temp left its normal range (100 % of values above 55.04; before, at most 0.24 %)'
    >>> of_the_south = Finding("missing", ("age",), "major", 0.02, 0.3, 0.0, slice="region=south")
    >>> fault_clause(of_the_south)
    '30 % of values in age are missing (was 2 %), only where region = south'
    """
    return f"{_clause(finding, numbers)}{_only_where(finding)}"


def _only_where(finding: Finding) -> str:
    return f", only where {slice_words(finding.slice)}" if finding.slice else ""


def _clause(finding: Finding, numbers: bool) -> str:
    names = " and ".join(short(name, NAME) for name in finding.features)
    if _never_arrived(finding):
        return _absence(finding, names) if numbers else f"{names} never arrived"
    if finding.check == "out_of_range" and finding.low is not None and finding.was is not None:
        before = format_percent(finding.was)
        before = f"at most {before}" if finding.side and finding.was else before
        share = format_percent(finding.now or 0.0)
        if not numbers:
            return f"{names} left its normal range"
        return f"{names} left its normal range ({share} of values {_beyond(finding)}; before, {before})"
    text, more = _fault(finding, f" in {names}" if names else "")
    return f"{text}{more}" if numbers or not more.startswith(" (") else text


@words_of(Finding)
def _finding(finding: Finding) -> str:
    return fault_clause(finding)


@words_of(facts.NamedFinding)
def _named_finding(fact: facts.NamedFinding) -> str:
    return finding_sentence(fact.finding)


def factor_words(factor: float) -> str:
    """Return a factor in words.

    >>> factor_words(1000.0), factor_words(0.01), factor_words(1 / 60), factor_words(1.609344), factor_words(0.62137)
    ('1,000', '1/100', '1/60', 'about 1.61', 'about 0.621')
    """
    times, over = (factor, "") if factor >= 1 else (1 / factor, "1/")
    return f"{over}{times:,.0f}" if math.isclose(times, round(times), rel_tol=1e-6) else f"about {factor:.3g}"


def _never_arrived(finding: Finding) -> bool:
    return finding.check == "missing" and finding.now == 1.0


def _absence(finding: Finding, names: str) -> str:
    similar = f"; did you mean {short(finding.similar)}?" if finding.similar else ""
    before = f"{format_percent(finding.was)} of its values were missing" if finding.was else "no value was missing"
    return f"{names} never arrived (before, {before}{similar})"


def _fault(finding: Finding, place: str = "") -> tuple[str, str]:
    """Return the fault and, in brackets, the value before it; ``place``: the columns, such as " in age"."""
    now, was = finding.now or 0.0, finding.was or 0.0
    share, before = format_percent(now), f" (was {format_percent(was)})"
    values = f"{'lengths (L2 norm)' if finding.lengths else 'values'}{place}"
    match finding.check:
        case "missing":
            return _missing(now, was, place)
        case "constant":
            return _constant(finding, was, place)
        case "duplicates":
            return f"{share} of rows repeat another row of the window in full", f" (expected: {format_percent(was)})"
        case "score_out_of_range":
            return f"{share} of its scores are not between 0 and 1", before
        case "score_classes":
            return f"{share} of its scores are 0 or 1, like classes", f" (was at most {format_percent(was)})"
        case "score_constant":
            return f"{share} of its scores are {_one_value(finding)}", f" (was at most {format_percent(was)})"
        case "stale":
            return f"{share} of rows repeat a row of the window before in full", (
                f" (expected: {format_percent(was)}; stale?)"
            )
        case "swapped":
            return f"{share} of values{place} are in each other's column", " (swapped?)"
        case "recoded":
            return (
                f"{share} of values{place} are new texts, as frequent as the old values",
                " (encoded differently?)",
            )
        case "pile_up":
            return _pile_up(finding, share, values)
        case "copied":
            return f"{share} of values{place} are those of {short(finding.sources[0], NAME)}", " (copied?)"
        case "unlinked":
            rows = "to their rows" if len(finding.features) == 1 else "together"
            return f"values{place} no longer belong {rows}", (
                f" ({share} of its correlations with other columns are left; shifted by a row?)"
            )
        case "hours_shifted":
            hours = f"{abs(finding.hours)} {'hour' if abs(finding.hours) == 1 else 'hours'}"
            return f"values{place} are {hours} {'later' if finding.hours > 0 else 'earlier'}", " (time zone?)"
        case "misplaced":
            first, source = short(finding.features[0], NAME), short(finding.sources[0], NAME)
            columns = listed([short(name, NAME) for name in finding.features])
            if len(finding.features) > MOST_LISTED:
                columns = f"{len(finding.features)} columns from {first} on"
            return f"{share} of values of {columns} are those of another column", (
                f" ({first} has the values of {source}; shifted by one?)"
            )
        case "unit_change":
            return _unit_change(finding, share, place)
        case "type_change":
            given = {
                "number_in_text": "numbers written as texts",
                "text": "texts where numbers belong",
                "number": "numbers where texts belong",
            }
            return f"{share} of {values} are {given[finding.given]}", before
        case "unseen":
            new = "were never seen in the baseline"
            new = new if finding.numbers else "are categories that the baseline did not have, or had in only a few rows"
            return f"{share} of {values} {new}", before
        case "out_of_range":
            return _out_of_range(finding, values)
        case check:
            return f"{share} of {values} are reported by the check {check!r}", before


def _unit_change(finding: Finding, share: str, place: str) -> tuple[str, str]:
    values = f"values{place} other than 0" if finding.without_zero and finding.factors else f"values{place}"
    if finding.factors == (-1.0,):
        return f"{share} of {values} have the opposite sign", ""
    if finding.factors:
        factors = " or ".join(factor_words(factor) for factor in finding.factors)
        units = ", or ".join(unit for unit in finding.units if "logarithm" not in unit)
        return f"{share} of {values} are multiplied by {factors}", f" ({units}?)" if units else " (unit change?)"
    unit = finding.units[0]
    if unit.endswith(" to values"):
        change = f"are no longer a {unit.removesuffix(' to values')}"
    else:
        change = f"are replaced by their {unit}" if "logarithm" in unit else f"changed from {unit}"
    return f"{share} of {values} {change}", " (unit change?)"


def _missing(now: float, was: float, place: str) -> tuple[str, str]:
    if now > was:
        return f"{format_percent(now)} of values{place} are missing", f" (was {format_percent(was)})"
    if was == 1.0:
        presence = f"{format_percent(1 - now)} of rows have a value" if now else "every row has a value"
        return f"{presence}{place}, but no row of the baseline has", ": there is nothing to compare them with"
    few = f"only {format_percent(now)} of values{place} are" if now else f"no value{place} is"
    return f"{few} missing", f" (was {format_percent(was)}; are missing values now replaced by a default?)"


def _constant(finding: Finding, was: float, place: str) -> tuple[str, str]:
    every, before = f"every value{place} is", f" (in the baseline, {format_percent(was)} were)"
    if finding.category is not None:
        return f"{every} {short(finding.category)!r}", before
    return f"{every} {_one_value(finding)}", before


def _pile_up(finding: Finding, share: str, values: str) -> tuple[str, str]:
    before = f"was {format_percent(finding.was or 0.0)}"
    text = f"{share} of {values} are {_one_value(finding)}"
    if finding.side:
        return f"{text} and none is {finding.side} it", f" ({before}; limited?)"
    return text, f" ({before}; a default?)"


def _one_value(finding: Finding) -> str:
    """Return the value of a constant column, to 1 % if that is all that is known, or its two ends."""
    low, high = finding.low, finding.high
    if low is None or high is None:
        return "the same"
    if low == high:
        return _number(low)
    if high - low <= 0.01 * max(abs(low), abs(high)):
        return f"about {_number(between(low, high))}"
    return f"between {_number(low)} and {_number(high)}"


def _out_of_range(finding: Finding, values: str) -> tuple[str, str]:
    if finding.low is None or finding.high is None:
        parts = []
        if finding.infinite:
            parts.append(f"{format_percent(finding.infinite)} of {values} are infinite (none was in the baseline)")
        if finding.far:
            share_words = format_percent(finding.far) + ("" if parts else f" of {values}")
            parts.append(f"{share_words} are more than a million times as large as the largest in the baseline")
        return ", and ".join(parts), ""
    infinite = f", and {format_percent(finding.infinite)} are infinite" if finding.infinite else ""
    before = "were outside it" if finding.side and finding.low != finding.high else "were"
    text = f"{format_percent(finding.now or 0.0)} of {values} are {_place(finding)}{infinite}"
    return text, f" (before, {format_percent(finding.was or 0.0)} {before})"


def _place(finding: Finding) -> str:
    """Return where values out of range lie."""
    low, high = (_number(end or 0.0) for end in (finding.low, finding.high))
    if low == high:
        return f"different from {low}"
    return f"{finding.side or 'outside'} the range of {low} to {'below ' if finding.high_outside else ''}{high}"


def _beyond(finding: Finding) -> str:
    """Return where values out of range lie, in a clause that names the range."""
    if finding.side == "above":
        return f"{'at or above' if finding.high_outside else 'above'} {_number(finding.high or 0.0)}"
    return f"below {_number(finding.low or 0.0)}" if finding.side == "below" else _place(finding)


def _number(value: float) -> str:
    """Return a number with all its digits, since the fractions of the sentence are exact for it."""
    return f"{value:,.15g}".replace("-", MINUS)
