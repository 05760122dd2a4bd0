"""Words for the evidence of a window for or against its model."""

from __future__ import annotations

from collections.abc import Sequence

from driftline_processor.core.evaluation import Expected, InconclusiveReason
from driftline_processor.core.facts import Fact
from driftline_processor.core.performance.positive_class import POSITIVE
from driftline_processor.present.metrics import (
    interval_of_value,
    metric_value,
    metric_words,
    signed_ends,
    size_of_change,
)
from driftline_processor.present.numbers import number, percents
from driftline_processor.present.wording import NAME, duration, format_percent, printable, short, slice_words

from .register import clause, forms, voice_of, words_as, words_of


def _objective_value(
    metric: str, value: float | None, low: float | None, high: float | None, *, of_change: bool
) -> str:
    if value is None:
        return metric_words(metric)
    if of_change:
        return f"{metric_words(metric)} changed by {size_of_change(metric, value, low, high)} and"
    return f"{metric_words(metric)} of {metric_value(metric, value)}{interval_of_value(metric, low, high)}"


def _objective(kind: str, verb: str) -> None:
    @words_of(kind)
    def maker(
        metric: str, value: float | None, low: float | None, high: float | None, rule: str, of_change: bool, **_: bool
    ) -> str:
        value_words = _objective_value(metric, value, low, high, of_change=of_change)
        return f"its {value_words} {verb} the objective '{printable(rule)}'"


_objective("objective_met", "meets")
_objective("objective_missed", "misses")


@words_of("no_worse_than_baseline")
def _no_worse(metric: str, value: float | None, baseline: float | None, margin: float | None, better: bool) -> str:
    now = "" if value is None else f" of {metric_value(metric, value)}"
    than = "" if baseline is None else f" {metric_value(metric, baseline)}"
    compared = "better than" if better or margin is None else "no worse than"
    if margin is not None and not better and (value is None or baseline is None or abs(value - baseline) <= margin):
        compared = f"within {size_of_change(metric, margin, None, None)} of"
    return f"its {metric_words(metric)}{now} is {compared} the baseline's{than}"


@words_of("worse_inside_margin")
def _worse_inside_margin(
    metric: str, change: float, low: float | None, high: float | None, value: float | None, margin: float
) -> str:
    moved = _metric_moved(metric, change, low, high, value, None)
    return f"{moved}, inside the margin of {size_of_change(metric, margin, None, None)}"


@words_of("worse_than_constant")
def _worse_than_constant(value: float, low: float | None, high: float | None, constant: float) -> str:
    interval = interval_of_value("log_loss", low, high)
    own_loss = f"its log loss of {metric_value('log_loss', value)}{interval}"
    return f"{own_loss} is worse than the {metric_value('log_loss', constant)} of a constant prediction"


@words_of("ranks_the_wrong_way")
def _ranks_the_wrong_way(value: float, low: float, high: float) -> str:
    area = f"{metric_value('roc_auc', value)}{interval_of_value('roc_auc', low, high)}"
    return f"its score ranks the wrong way round, as if its classes were swapped: its AUC is {area}"


@words_of("never_as_good")
def _never_as_good(metric: str, baseline: float, best: float, windows: int) -> tuple[str, ...]:
    values = f"{metric_words(metric)} {metric_value(metric, baseline)}, {metric_value(metric, best)} at best since"
    since = f"none of its {windows:,} windows was" if windows > 1 else "it was not"
    plain = f"{since} as good as the baseline"
    if windows == 1:
        values = values.removesuffix(" at best since") + " now"
    return (f"{plain} ({values})", plain)


@words_of("same_rows")
def _same_rows(share: float) -> str:
    return f"{format_percent(share)} of its rows are rows of the baseline"


@words_of("outcomes_of_one_class")
def _outcomes_of_one_class(outcomes: int, positive: bool, was: float, positive_class: str) -> str:
    name = positive_class if positive_class == POSITIVE else f"'{short(positive_class, NAME)}'"
    which = f"all of its {outcomes:,} outcomes are" if positive else f"none of its {outcomes:,} outcomes is"
    return f"{which} {name}; in the baseline, {format_percent(was)} were"


@words_of("bias_rose")
def _bias_rose(value: float, low: float | None, high: float | None) -> str:
    side = "high" if value > 0 else "low"
    ends = (low, high) if value > 0 else (None if high is None else -high, None if low is None else -low)
    return f"its predictions are too {side} by {metric_value('bias', abs(value))}{interval_of_value('bias', *ends)}"


@words_of("score_missing")
def _score_missing(was: float, now: float) -> str:
    return f"{format_percent(now)} of its predictions have no usable score; in the baseline, {format_percent(was)}"


@words_of("classes_without_score")
def _classes_without_score(was: float, now: float) -> str:
    before = f"{format_percent(1 - was)} had one in the baseline"
    return f"{format_percent(now)} of its predictions are classes without a score; {before}"


@words_of("level_of_scores")
def _level_of_scores(
    predicted: float,
    actual: float,
    low: float | None,
    high: float | None,
    positive_class: str,
    constant_is_better: bool,
    baseline: tuple[float, float] | None = None,
) -> tuple[str, ...]:
    interval = "" if low is None or high is None else percents(low, high)
    name = short(positive_class, NAME)
    several, one = ("positives", "positive") if positive_class == POSITIVE else (f"'{name}'", f"'{name}'")
    level = f"its scores predict {format_percent(predicted)} {several}, but {format_percent(actual)} were {one}"
    before = "" if baseline is None else "in the baseline " + " and ".join(map(format_percent, baseline))
    levels = [
        f"{level} ({'; '.join(more)})" if (more := [one for one in ends if one]) else level
        for ends in ((interval, before), (interval,))
    ]
    constant = ("; a constant prediction is better", "") if constant_is_better else ("",)
    return tuple(dict.fromkeys(level + end for level in levels for end in constant))


@words_of("metric_moved")
def _metric_moved(
    metric: str, change: float, low: float | None, high: float | None, value: float | None, level: Fact | None
) -> str:
    verb = "fell" if change < 0 else "rose"
    to = "" if value is None else f" to {metric_value(metric, value)}"
    change_clause = f"its {metric_words(metric)} {verb} by {size_of_change(metric, change, low, high)}{to}"
    return change_clause if level is None else f"{clause(level)}, and {change_clause}"


@words_of("estimate_moved")
def _estimate_moved(metric: str, change: float, low: float | None, high: float | None) -> str:
    verb = "fallen" if change < 0 else "risen"
    size = size_of_change(metric, change, low, high)
    return f"its {metric_words(metric)} is estimated to have {verb} by {size}"


@words_of("errors_rose")
def _errors_rose(metric: str, before: float, after: float) -> str:
    of_classes = metric == "error_rate"
    levels = [format_percent(level, 3) if of_classes else number(level) for level in (before, after)]
    return f"its {'error rate' if of_classes else 'absolute error'} rose from {' to '.join(levels)}"


@words_of("slice_worse")
def _slice_worse(slice: str, metric: str, was: float, now: float, share: float, days: int) -> tuple[str, ...]:
    place = f" for {slice_words(slice)}" if slice else ""
    rise = f"its {metric_words(metric)}{place} rose from {metric_value(metric, was)} in the baseline"
    rise += f" to {metric_value(metric, now)}{f' over {days} days' if days > 1 else ''}"
    if share == 1:
        return f"{rise}, and that of all other rows did not rise significantly", rise
    return f"{rise}, {format_percent(share)} of the rise over all rows", rise


def slice_cause(worse: Fact) -> str:
    """Return which rows have the rise of a loss whose size is said already."""
    rows, metric, share = (
        slice_words(worse.values["slice"]),
        metric_words(worse.values["metric"]),
        worse.values["share"],
    )
    if share == 1:
        return voice_of(f"only the rows with {rows}: the {metric} of all other rows did not rise significantly")
    return voice_of(f"the rows with {rows} have {format_percent(share)} of the rise of the {metric} over all rows")


@words_of("expectation_broken")
def _expectation_broken(expected: Expected) -> str:
    feature_words = f" of {short(expected.feature, NAME)}" if expected.feature else ""
    return f"the expectation '{printable(expected.rule)}'{feature_words} is not met"


@words_of("column_moved")
def _column_moved(name: str) -> str:
    return f"{short(name, NAME)} drifted"


@words_of("output_moved")
def _output_moved(column: str, name: str) -> str:
    return f"the {'decisions' if column == 'class' else name} drifted"


@words_of("relation_changed")
def _relation_changed(features: Sequence[str]) -> str:
    names = " and ".join(short(name, NAME) for name in features)
    return f"the correlations between the features changed{f', most strongly between {names}' if names else ''}"


@words_of("inputs_look_as_before")
def _inputs_look_as_before(cause: Fact | None, meaning: bool = False) -> tuple[str, ...]:
    follows = "so their meaning, or that of its outcomes, changed" if meaning else "so only the outcomes show it"
    steady = f"none of its inputs drifted, {follows}"
    if cause is None:
        return (steady,)
    return f"its inputs look almost as before, although {clause(cause)}, {follows}", steady


@words_of("no_input_explains")
def _no_input_explains(meaning: bool = False) -> tuple[str, ...]:
    plain = "no input explains it"
    return (f"{plain}, so the meaning of inputs or outcomes changed", plain) if meaning else (plain,)


@words_of("chance_possible")
def _chance_possible(windows: int) -> str:
    return f"{'one window alone' if windows == 1 else f'{windows} windows in a row'} may be chance"


@words_of("may_be_worse")
def _may_be_worse(
    metric: str,
    low: float | None,
    high: float | None,
    certain: bool,
    margin: float | None,
    reason: InconclusiveReason,
    outcomes: int,
) -> tuple[str, ...]:
    name = metric_words(metric)
    if reason == "not_comparable":
        others = "the rows with outcomes are not representative of all rows (their scores differ)"
        return f"{others}, so its {name} cannot be compared", others
    if reason == "easier_outcomes":
        easier = "its outcomes are easier to predict than those of the baseline"
        return f"{easier}, so a lower {name} does not show that it is as good", easier
    if reason == "harder_outcomes":
        harder = "its outcomes are harder to predict than those of the baseline, and its scores fit them as before"
        return f"{harder}, so a higher {name} does not show that it is worse", harder
    too_few = {
        "too_few_rows": f"{outcomes:,} outcomes are too few to tell",
        "too_few_days": "it has too few days to tell",
    }.get(reason, "")
    if low is None:
        return f"its outcomes do not show whether its {name} is worse", too_few or "its outcomes are inconclusive"
    within = "" if margin is None else f"; margin {size_of_change(metric, margin, None, None)}"
    change = f"difference from the baseline: {signed_ends(metric, low, high)}{within}"
    worse = f"its {name} {'is probably' if certain else 'may be'} worse ({change})"
    return (f"{worse}, and {too_few}", worse, too_few) if too_few else (worse,)


@words_of("and_also")
def _and_also(reason: Fact) -> tuple[str, ...]:
    return tuple(f"and {form}" for form in forms(reason))


@words_of("no_prediction")
def _no_prediction(pause: int) -> str:
    return f"no prediction arrived, although pauses at this time of day last at most {duration(pause)}"


@words_of("windows_wait")
def _windows_wait(windows: int) -> str:
    return f"{'1 window is waiting' if windows == 1 else f'{windows:,} windows are waiting'} to be evaluated"


words_as(
    {
        "no_skill": "its baseline is no better than a constant prediction",
        "objectives_met": "all its {count} objectives are met",
        "harmless_inputs": "its inputs drifted, and that did no harm",
        "harmless_output": "its {name} drifted, and that did no harm",
        "window_open": "its window is still open",
        "no_rows": "the window has no rows",
        "outcomes_may_come": "its outcomes may still arrive",
        "no_outcomes": "no outcome is known",
        "few_outcomes": "too few of its outcomes are known",
        "no_objective": "nothing defines what is good enough",
        "outcomes_inconclusive": "its {outcomes:,} outcomes are inconclusive",
        "no_window_closed": "no window has closed yet",
    }
)
