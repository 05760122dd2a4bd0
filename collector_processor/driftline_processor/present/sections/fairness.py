"""Fairness: the state of each criterion, its groups compared with each other, and the largest difference."""

from __future__ import annotations

from collections.abc import Collection

from driftline_processor.core.evaluation import Evaluation, Fairness, FairnessCriterion, GroupComparison
from driftline_processor.core.fairness.criteria import fewest_rows
from driftline_processor.present.numbers import percent
from driftline_processor.present.sections.performance import JUDGEMENTS
from driftline_processor.present.sections.section import Cell, Column, Section, Table, first_rows, row
from driftline_processor.present.states import state_word
from driftline_processor.present.wording import short

_RATES = {
    "selection_rate": "selection rate",
    "true_positive_rate": "true positive rate",
    "false_positive_rate": "false positive rate",
    "precision": "precision",
}
HIGHEST = "the highest rate"
"""Name of the reference group if none is configured."""
NAMED = 4
"""Upper limit of comparisons in a sentence, the largest difference first."""


def fairness(evaluation: Evaluation) -> Section:
    """Lay out the state of each criterion, a table per attribute."""
    return Section("fairness", "Fairness", tuple(map(_attribute, evaluation.fairness)), "fairness rule")


def _attribute(attribute: Fairness) -> Table:
    labelled = (
        ""
        if attribute.labelled_coverage is None
        else f", known for {percent(attribute.labelled_coverage)} of the outcomes"
    )
    coverage = "" if attribute.coverage is None else f" and {percent(attribute.coverage)} of the predictions"
    headings = (
        Column(short(attribute.attribute)),
        Column("state"),
        Column(f"compared with {short(attribute.reference) or HIGHEST}{labelled}{coverage}", "words"),
        Column("largest difference, as used by policies", "words", surfaces="page"),
    )
    rows = (
        row(
            state_word(criterion.name),
            Cell(state_word(criterion.state), JUDGEMENTS[criterion.state]),
            criterion_sentence(criterion),
            apart_sentence(attribute, criterion),
        )
        for criterion in attribute.criteria
    )
    return Table(headings, first_rows(rows, 5))


def criterion_sentence(criterion: FairnessCriterion) -> str:
    """Return the comparisons of groups, the largest difference first.

    >>> one = GroupComparison("F", "selection_rate", -0.06, -0.09, -0.03, "met", "M")
    >>> criterion_sentence(FairnessCriterion("demographic_parity", "predictions", "met", 0.06, 0.76, 0.1, (one,)))
    'F: selection rate −6 points compared with M (−9 to −3), over all predictions'
    """
    ratio = criterion.name == "disparate_impact"
    comparisons = [
        comparison
        for comparison in criterion.comparisons
        if comparison.value is not None and comparison.low is not None
    ]
    if not comparisons:
        unreviewed = any(comparison.value is not None for comparison in criterion.comparisons)
        return f"a group has no {'reviewed rows of one of the decisions' if unreviewed else 'usable rows'}"
    centre = 1.0 if ratio else 0.0
    comparisons.sort(key=lambda comparison: -abs((comparison.value or 0.0) - centre))
    parts = [_comparison(comparison, ratio) for comparison in comparisons[:NAMED]]
    more = f" and {len(comparisons) - NAMED} more" if len(comparisons) > NAMED else ""
    return f"{'; '.join(parts)}{more}, over {'all ' if criterion.basis == 'predictions' else ''}{criterion.basis}"


def apart_sentence(fairness: Fairness, criterion: FairnessCriterion) -> str:
    """Return the difference of groups with the interval that policies use, and the detectable difference.

    The interval is simultaneous over all windows of thirty days and therefore wider than a single window's.

    >>> odds = FairnessCriterion("equal_opportunity", "labelled rows", "inconclusive", 0.15, 0.8, 0.1, (), 0.02, 0.3)
    >>> apart_sentence(Fairness("gender", "", None, None, (), (odds,)), odds)
    '15 points (2 to 30); inconclusive whether it is more than 10: only 23 points or more would be conclusive'
    """
    ratio = criterion.name == "disparate_impact"
    value, write = (criterion.ratio, _ratio) if ratio else (criterion.difference, _bare_points)
    few = fewest_sentence(fairness, [criterion.name])
    if value is None or criterion.low is None:
        return "inconclusive" + (f": {few}" if few else "")
    low, high, limit = criterion.low, criterion.high, criterion.limit
    unit = "times as high" if ratio else "points"
    gap_words = f"{write(value)} {unit} ({write(low)} {'or more' if high is None else f'to {write(high)}'})"
    is_sure = low >= limit or (high is not None and high < limit) if ratio else low > limit or (high or 1.0) <= limit
    if is_sure:
        return gap_words
    if ratio:
        needed = limit * value / high if high else 0.0
        reached = (
            f"only {write(needed)} times or less would be conclusive"
            if needed
            else "no ratio would be conclusive with so few rows"
        )
    else:
        needed = limit + value - low
        reached = (
            f"only {write(needed)} points or more would be conclusive"
            if needed <= 1
            else "no gap would be conclusive with so few rows"
        )
    question = f"inconclusive whether it is {'less' if ratio else 'more'} than {write(limit)}: {reached}"
    return "; ".join(filter(None, (gap_words, question, few)))


def _bare_points(share: float) -> str:
    return f"{round(100 * share, 1):g}"


def _ratio(value: float) -> str:
    return f"{value:.2f}"


def fewest_sentence(fairness: Fairness, criteria: Collection[str]) -> str:
    """Return the group with the fewest rows for some criteria; "" if no group is known."""
    smallest_groups = [group for name in criteria if (group := fewest_rows(fairness, name)) is not None]
    if not smallest_groups:
        return ""
    smallest = min(smallest_groups, key=lambda group: group.rows)
    group_words = f"{short(fairness.attribute, 40)}={short(smallest.group, 40)}"
    rows = "1 row" if round(smallest.rows) == 1 else f"{smallest.rows:,.0f} rows"
    return f"{group_words} has {rows} for its {_RATES[smallest.rate]}"


def _comparison(group_comparison: GroupComparison, ratio: bool) -> str:
    rate, reference = (
        _RATES.get(group_comparison.rate, group_comparison.rate),
        f" compared with {group_comparison.compared_with}" if group_comparison.compared_with else "",
    )
    if ratio:
        high = "" if group_comparison.high is None else f" to {group_comparison.high:.2f}"
        interval = f"{group_comparison.low:.2f}{high or ' or more'}"
        return f"{group_comparison.group}: {rate} {group_comparison.value:.2f} times as high{reference} ({interval})"
    interval = f"{_points(group_comparison.low)} to {_points(group_comparison.high)}"
    return f"{group_comparison.group}: {rate} {_points(group_comparison.value)} points{reference} ({interval})"


def _points(share: float | None) -> str:
    value = round(100 * (share or 0.0), 1)
    sign = "−" if value < 0 else "+" if value > 0 else ""
    return f"{sign}{abs(value):g}"
