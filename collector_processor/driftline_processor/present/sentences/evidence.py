"""Words for the evidence of a window for or against its model."""

from __future__ import annotations

from driftline_processor.core import facts
from driftline_processor.core.metrics import direction
from driftline_processor.core.performance.positive_class import POSITIVE
from driftline_processor.present.metrics import (
    interval_of_value,
    metric_value,
    metric_words,
    signed_ends,
    size_of_change,
)
from driftline_processor.present.names import first_names
from driftline_processor.present.numbers import many_are, number, percents
from driftline_processor.present.times import on_words
from driftline_processor.present.wording import NAME, duration, format_percent, printable, short, slice_words

from .causes import NAMED
from .register import clause, forms, voice_of, words_as, words_of


@words_of(facts.ObjectiveMet, facts.ObjectiveMissed)
def _objective(fact: facts.OfObjective) -> str:
    verb, metric, value = "meets" if isinstance(fact, facts.ObjectiveMet) else "misses", fact.metric, fact.value
    words = metric_words(metric)
    if value is not None and fact.of_change:
        words += f" changed by {size_of_change(metric, value, fact.low, fact.high)} and"
    elif value is not None:
        words += f" of {metric_value(metric, value)}{interval_of_value(metric, fact.low, fact.high)}"
    return f"its {words} {verb} the objective '{printable(fact.rule)}'"


@words_of(facts.NoWorseThanBaseline)
def _no_worse(fact: facts.NoWorseThanBaseline) -> str:
    value, baseline, margin = fact.value, fact.baseline, fact.margin
    now = "" if value is None else f" of {metric_value(fact.metric, value)}"
    than = "" if baseline is None else f" {metric_value(fact.metric, baseline)}"
    compared = "better than" if fact.better or margin is None else "no worse than"
    if (
        margin is not None
        and not fact.better
        and (value is None or baseline is None or abs(value - baseline) <= margin)
    ):
        compared = f"within {size_of_change(fact.metric, margin, None, None)} of"
    return f"its {metric_words(fact.metric)}{now} is {compared} the baseline's{than}"


@words_of(facts.BrokenInNewest)
def _broken_in_newest(fact: facts.BrokenInNewest) -> str:
    return f"{on_words(fact.start, fact.end, fact.timezone, days=fact.of_days)}, {clause(fact.shown)}"


@words_of(facts.FurtherLoss)
def _further_loss(fact: facts.FurtherLoss) -> str:
    verb = "fell" if direction(fact.metric) > 0 else "rose"
    rise = size_of_change(fact.metric, fact.rise, fact.low, fact.high)
    return f"its {metric_words(fact.metric)} {verb} by another {rise}"


@words_of(facts.WorseInsideMargin)
def _worse_inside_margin(fact: facts.WorseInsideMargin) -> str:
    return f"{_moved(fact, fact.value)}, inside the margin of {size_of_change(fact.metric, fact.margin, None, None)}"


@words_of(facts.WorseThanConstant)
def _worse_than_constant(fact: facts.WorseThanConstant) -> str:
    interval = interval_of_value("log_loss", fact.low, fact.high)
    own_loss = f"its log loss of {metric_value('log_loss', fact.value)}{interval}"
    return f"{own_loss} is worse than the {metric_value('log_loss', fact.constant)} of a constant prediction"


@words_of(facts.RanksTheWrongWay)
def _ranks_the_wrong_way(fact: facts.RanksTheWrongWay) -> str:
    area = f"{metric_value('roc_auc', fact.value)}{interval_of_value('roc_auc', fact.low, fact.high)}"
    return f"its score ranks the wrong way round, as if its classes were swapped: its AUC is {area}"


@words_of(facts.NeverAsGood)
def _never_as_good(fact: facts.NeverAsGood) -> tuple[str, ...]:
    baseline, best = (metric_value(fact.metric, value) for value in (fact.baseline, fact.best))
    values = f"{metric_words(fact.metric)} {baseline}, {best} at best since"
    since = f"none of its {fact.windows:,} windows was" if fact.windows > 1 else "it was not"
    plain = f"{since} as good as the baseline"
    if fact.windows == 1:
        values = values.removesuffix(" at best since") + " now"
    return (f"{plain} ({values})", plain)


@words_of(facts.SameRows)
def _same_rows(fact: facts.SameRows) -> str:
    return f"{format_percent(fact.share)} of its rows are rows of the baseline"


@words_of(facts.OutcomesOfOneClass)
def _outcomes_of_one_class(fact: facts.OutcomesOfOneClass) -> str:
    name = fact.positive_class if fact.positive_class == POSITIVE else f"'{short(fact.positive_class, NAME)}'"
    outcomes = f"of its {fact.outcomes:,} outcomes"
    which = f"all {outcomes} are" if fact.positive else f"none {outcomes} is"
    return f"{which} {name}; in the baseline, {format_percent(fact.was)} were"


@words_of(facts.BiasRose)
def _bias_rose(fact: facts.BiasRose) -> str:
    side, low, high = "high" if fact.value > 0 else "low", fact.low, fact.high
    if fact.value <= 0:
        low, high = None if high is None else -high, None if low is None else -low
    size = f"{metric_value('bias', abs(fact.value))}{interval_of_value('bias', low, high)}"
    return f"its predictions are too {side} by {size}"


@words_of(facts.ScoreMissing)
def _score_missing(fact: facts.ScoreMissing) -> str:
    was = f"in the baseline, {format_percent(fact.was)}"
    return f"{format_percent(fact.now)} of its predictions have no usable score; {was}"


@words_of(facts.ClassesWithoutScore)
def _classes_without_score(fact: facts.ClassesWithoutScore) -> str:
    before = f"{format_percent(1 - fact.was)} had one in the baseline"
    return f"{format_percent(fact.now)} of its predictions are classes without a score; {before}"


@words_of(facts.NewClasses)
def _new_classes(fact: facts.NewClasses) -> str:
    return f"{format_percent(fact.now)} of its predictions are classes that the baseline does not have"


@words_of(facts.OutputCollapsed)
def _output_collapsed(fact: facts.OutputCollapsed) -> str:
    place = f"are of class {short(fact.first)}"
    if fact.name == "score":
        low, high = fact.first.partition(" – ")[0], fact.last.rpartition(" – ")[2]
        place = f"are in the range {low} to {high}" if low != high else f"are {low}"
    before = f"{format_percent(fact.was)} in the baseline"
    return f"{format_percent(fact.now)} of its predictions {place} ({before}), while no input drifted"


@words_of(facts.LevelOfScores)
def _level_of_scores(fact: facts.LevelOfScores) -> tuple[str, ...]:
    interval = "" if fact.low is None or fact.high is None else percents(fact.low, fact.high)
    name = short(fact.positive_class, NAME)
    several, one = ("positives", "positive") if fact.positive_class == POSITIVE else (f"'{name}'", f"'{name}'")
    actual = f"{format_percent(fact.actual)} were {one}"
    level = f"its scores predict {format_percent(fact.predicted)} {several}, but {actual}"
    before = "" if fact.baseline is None else "in the baseline " + " and ".join(map(format_percent, fact.baseline))
    levels = [
        f"{level} ({'; '.join(more)})" if (more := [one for one in ends if one]) else level
        for ends in ((interval, before), (interval,))
    ]
    constant = ("; a constant prediction is better", "") if fact.constant_is_better else ("",)
    return tuple(dict.fromkeys(level + end for level in levels for end in constant))


@words_of(facts.MetricMoved)
def _metric_moved(fact: facts.MetricMoved) -> str:
    moved = _moved(fact, fact.value)
    return moved if fact.level is None else f"{clause(fact.level)}, and {moved}"


def _moved(moved: facts.Moved, value: float | None) -> str:
    verb = "fell" if moved.change < 0 else "rose"
    to = "" if value is None else f" to {metric_value(moved.metric, value)}"
    size = size_of_change(moved.metric, moved.change, moved.low, moved.high)
    return f"its {metric_words(moved.metric)} {verb} by {size}{to}"


@words_of(facts.EstimateMoved)
def _estimate_moved(fact: facts.EstimateMoved) -> str:
    verb = "fallen" if fact.change < 0 else "risen"
    size = size_of_change(fact.metric, fact.change, fact.low, fact.high)
    return f"its {metric_words(fact.metric)} is estimated to have {verb} by {size}"


@words_of(facts.ErrorsRose)
def _errors_rose(fact: facts.ErrorsRose) -> str:
    of_classes = fact.metric == "error_rate"
    levels = [format_percent(level, 3) if of_classes else number(level) for level in (fact.before, fact.after)]
    return f"its {'error rate' if of_classes else 'absolute error'} rose from {' to '.join(levels)}"


@words_of(facts.SliceWorse)
def _slice_worse(fact: facts.SliceWorse) -> tuple[str, ...]:
    place = f" for {slice_words(fact.slice)}" if fact.slice else ""
    metric, over = metric_words(fact.metric), f" over {fact.days} days" if fact.days > 1 else ""
    was, now = (metric_value(fact.metric, value) for value in (fact.was, fact.now))
    if fact.rest is not None:
        level = f"its {metric}{place} is {now}{over}, and {metric_value(fact.metric, fact.rest)} for all other rows"
        return f"{level} (in the baseline, {was} for rare categories; the new ones have no baseline)", level
    rise = f"its {metric}{place} rose from {was} in the baseline to {now}{over}"
    if fact.share == 1:
        return f"{rise}, and that of all other rows did not rise significantly", rise
    return f"{rise}, {format_percent(fact.share)} of the rise over all rows", rise


def slice_cause(worse: facts.SliceWorse) -> str:
    """Return which rows have the rise of a loss whose size is said already."""
    rows, metric, share = slice_words(worse.slice), metric_words(worse.metric), worse.share
    if worse.rest is not None:
        return voice_of(f"the rows with {rows}; the baseline had the rare ones only")
    if share == 1:
        return voice_of(f"only the rows with {rows}: the {metric} of all other rows did not rise significantly")
    return voice_of(f"the rows with {rows} have {format_percent(share)} of the rise of the {metric} over all rows")


@words_of(facts.ExpectationBroken)
def _expectation_broken(fact: facts.ExpectationBroken) -> str:
    feature_words = f" of {short(fact.expected.feature, NAME)}" if fact.expected.feature else ""
    return f"the expectation '{printable(fact.expected.rule)}'{feature_words} is not met"


@words_of(facts.ColumnMoved)
def _column_moved(fact: facts.ColumnMoved) -> str:
    return f"{short(fact.name, NAME)} drifted"


@words_of(facts.OutputMoved)
def _output_moved(fact: facts.OutputMoved) -> str:
    return f"the {'decisions' if fact.column == 'class' else fact.name} drifted"


@words_of(facts.RelationChanged)
def _relation_changed(fact: facts.RelationChanged) -> str:
    names = " and ".join(short(name, NAME) for name in fact.features)
    strongest = f"between {names}" if len(fact.features) > 1 else f"those of {names}"
    return f"the correlations between the features changed{f', most strongly {strongest}' if names else ''}"


@words_of(facts.InputsLookAsBefore)
def _inputs_look_as_before(fact: facts.InputsLookAsBefore) -> tuple[str, ...]:
    follows = "so their meaning, or that of its outcomes, changed" if fact.meaning else "so only the outcomes show it"
    steady = f"none of its inputs drifted, {follows}"
    if fact.cause is None:
        return (steady,)
    return f"its inputs look almost as before, although {clause(fact.cause)}, {follows}", steady


@words_of(facts.NoInputExplains)
def _no_input_explains(fact: facts.NoInputExplains) -> tuple[str, ...]:
    unproved = "no input is shown to explain it"
    if fact.changed:
        old = "its old distribution" if len(fact.changed) == 1 else "their old distributions"
        return f"{first_names(fact.changed, NAMED)} changed, but with {old} most of the degradation remains", unproved
    if fact.open:
        return (unproved,)
    plain = "no input explains it"
    return (f"{plain}, so the meaning of inputs or outcomes changed", plain) if fact.meaning else (plain,)


@words_of(facts.ChancePossible)
def _chance_possible(fact: facts.ChancePossible) -> str:
    return f"{'one window alone' if fact.windows == 1 else f'{fact.windows} windows in a row'} may be chance"


@words_of(facts.MayBeWorse)
def _may_be_worse(fact: facts.MayBeWorse) -> tuple[str, ...]:
    name = metric_words(fact.metric)
    if fact.reason == "not_comparable":
        others = "the rows with outcomes are not representative of all rows (their scores differ)"
        return f"{others}, so its {name} cannot be compared", others
    if fact.reason == "easier_outcomes":
        easier = "its outcomes are easier to predict than those of the baseline"
        return f"{easier}, so a lower {name} does not show that it is as good", easier
    if fact.reason == "harder_outcomes":
        harder = "its outcomes are harder to predict than those of the baseline, and its scores fit them as before"
        return f"{harder}, so a higher {name} does not show that it is worse", harder
    too_few = {
        "too_few_rows": f"{many_are(fact.outcomes, 'outcome')} too few to tell",
        "too_few_days": "it has too few days to tell",
    }.get(fact.reason, "")
    if fact.low is None:
        return f"its outcomes do not show whether its {name} is worse", too_few or "its outcomes are inconclusive"
    within = "" if fact.margin is None else f"; margin {size_of_change(fact.metric, fact.margin, None, None)}"
    alone = f", {signed_ends(fact.metric, *fact.by_rows)} if days do not differ" if fact.by_rows else ""
    change = f"difference from the baseline: {signed_ends(fact.metric, fact.low, fact.high)}{alone}{within}"
    worse = f"its {name} {'is probably' if fact.certain else 'may be'} worse ({change})"
    return (f"{worse}, and {too_few}", worse, too_few) if too_few else (worse,)


@words_of(facts.AndAlso)
def _and_also(fact: facts.AndAlso) -> tuple[str, ...]:
    return tuple(f"and {form}" for form in forms(fact.reason))


@words_of(facts.NoPrediction)
def _no_prediction(fact: facts.NoPrediction) -> str:
    return f"no prediction arrived, although pauses at this time of day last at most {duration(fact.pause)}"


@words_of(facts.WindowsWait)
def _windows_wait(fact: facts.WindowsWait) -> str:
    return f"{many_are(fact.windows, 'window')} waiting to be evaluated"


@words_of(facts.OutcomesInconclusive)
def _outcomes_inconclusive(fact: facts.OutcomesInconclusive) -> str:
    return f"its {many_are(fact.outcomes, 'outcome')} inconclusive"


words_as(
    {
        facts.NoSkill: "its baseline is no better than a constant prediction",
        facts.ObjectivesMet: "all its {count} objectives are met",
        facts.HarmlessInputs: "its inputs drifted, and that did no harm",
        facts.HarmlessOutput: "its {name} drifted, and that did no harm",
        facts.WindowOpen: "its window is still open",
        facts.NoRows: "the window has no rows",
        facts.OutcomesMayCome: "its outcomes may still arrive",
        facts.NoOutcomes: "no outcome is known",
        facts.FewOutcomes: "too few of its outcomes are known",
        facts.NoObjective: "nothing defines what is good enough",
        facts.NoWindowClosed: "no window has closed yet",
    }
)
