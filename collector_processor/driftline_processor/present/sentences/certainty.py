"""Words for the certainty of a verdict: a sentence per fact."""

from __future__ import annotations

from driftline_processor.core import facts
from driftline_processor.present.metrics import metric_value, metric_words, size_of_change
from driftline_processor.present.numbers import many
from driftline_processor.present.times import end_words, on_words
from driftline_processor.present.wording import NAME, format_percent, listed, printable, short

from .expectations import expectation_sentence
from .register import clause, words_as, words_of


def _from(certain: facts.Certain) -> str:
    coverage = certain.coverage
    of_rows = "" if coverage is None or coverage > 1 else f", {format_percent(coverage)} of the rows"
    return f"({certain.outcomes:,} outcomes{of_rows})."


def _certain_by_outcomes(kind: type[facts.Certain], certain: str) -> None:
    @words_of(kind)
    def maker(fact: facts.Certain) -> str:
        return f"Significant: {certain} {_from(fact)}"


for _kind, _certain in {
    facts.ObjectiveCertainlyMet: "even the worst value in the confidence interval meets the objective",
    facts.BetterThanBaseline: "even the worst value in the confidence interval is better than in the baseline",
    facts.ConstantCertainlyBetter: "a constant prediction has a significantly lower log loss on the same rows",
    facts.LevelCertainlyOff: "the predicted fraction is outside the confidence interval of the actual one",
    facts.BiasCertain: "0 is outside the confidence interval of the mean error",
    facts.CertainlyBelowChance: "even the highest value in the confidence interval is below 0.5",
    facts.CertainlyWorse: "even the best value in the confidence interval is worse than in the baseline",
}.items():
    _certain_by_outcomes(_kind, _certain)


@words_of(facts.InsideMargin)
def _inside_margin(fact: facts.InsideMargin) -> str:
    size = "" if fact.margin is None else f" of {size_of_change(fact.metric, fact.margin, None, None)}"
    inside = f"the whole confidence interval of the change is inside the margin{size}"
    return f"Significant: {inside} {_from(fact)}"


@words_of(facts.FailuresCertain)
def _failures(fact: facts.FailuresCertain) -> str:
    lowest = "even the lowest value in the confidence interval"
    return f"Significant: {lowest} of the failure rate is more than {metric_value(fact.metric, fact.limit)}."


@words_of(facts.RowsCounted)
def _rows_counted(fact: facts.RowsCounted) -> str:
    return f"Exact: every row was counted ({printable(expectation_sentence(fact.expected))})."


@words_of(facts.EstimateAssumes)
def _estimate(fact: facts.EstimateAssumes) -> str:
    record = (
        "" if fact.inside is None else f"; so far, outcomes confirmed {format_percent(fact.inside)} of such estimates"
    )
    return f"The estimate assumes that the relation between inputs and outcomes did not change{record}."


@words_of(facts.DriftOpen)
def _drift_open(fact: facts.DriftOpen) -> str:
    feature_names = [short(name, NAME) for name in fact.features]
    feature_names = (
        feature_names if len(feature_names) == 1 else [f"{len(feature_names)} features"] if feature_names else []
    )
    few = " and ".join(reason.replace("_", " ") for reason in fact.missing)
    columns = listed([*(f"its {name}" for name in fact.outputs), *feature_names])
    return f"Drift of {columns} is inconclusive: {few}."


@words_of(facts.BaselineLacksFeatures)
def _baseline_lacks_features(fact: facts.BaselineLacksFeatures) -> str:
    return f"The {_of_other_version(fact)}; build one of this version."


@words_of(facts.OldBaseline)
def _old_baseline(fact: facts.OldBaseline) -> str:
    return f"its {_of_other_version(fact)}"


def _of_other_version(fact: facts.OfOtherVersion) -> str:
    version, features = fact.version, fact.features
    of_version = f" of version {short(version, NAME)}" if version else ""
    if not features:
        return f"baseline is{of_version}"
    more = [f"{len(features) - 2} more"] if len(features) > 2 else []
    return f"baseline{of_version} lacks {listed([*(short(name, NAME) for name in features[:2]), *more])}"


@words_of(facts.ToBeConfirmed)
def _to_be_confirmed(fact: facts.ToBeConfirmed) -> str:
    return (
        f"The state changes only if {'a second window confirms' if fact.by_one else 'the next windows confirm'} this."
    )


@words_of(facts.Now)
def _now(fact: facts.Now) -> str:
    return f"{_newest_window(fact)}; {_what_ends(fact)}"


def _newest_window(fact: facts.Now) -> str:
    """Return what the newest window shows: "on 5 July 2013, its log loss was 0.69 (baseline 0.49)"."""
    when = _rows(fact) if fact.start is None else on_words(fact.start, fact.end, fact.timezone, days=fact.of_days)
    lasts = "looks healthy again" if fact.healthy else "still shows it"
    shown = f"the newest window {lasts}" if fact.start is not None else "the degradation shows"
    if fact.value is not None:
        compared = "" if fact.baseline is None else f" (baseline {metric_value(fact.metric, fact.baseline)})"
        compared = f" ('{printable(fact.rule)}')" if fact.rule else compared
        shown = f"its {metric_words(fact.metric)} was {metric_value(fact.metric, fact.value)}{compared}"
        shown += ", healthy again" if fact.healthy == 1 else ""
    if fact.healthy > 1:
        shown += f"; the {fact.healthy} newest windows look healthy"
    waiting = f"; {many(fact.waiting, 'newer window')} cannot tell" if fact.waiting else ""
    return f"{when}, {shown}{waiting}"


def _rows(fact: facts.Now) -> str:
    """Return which rows without times show it: "in the newest of 3 windows in a row that show it"."""
    if fact.in_a_row > 1:
        return f"in the newest of {fact.in_a_row} windows in a row that show it"
    return "in these rows" if fact.in_a_row else "in the newest rows"


def _what_ends(fact: facts.Now) -> str:
    if fact.start is None:
        return "newer rows show whether it lasts"
    if not fact.left:
        return "the degradation ends when the newest days together are significantly better"
    more = "more " if fact.healthy else ""
    if fact.left == 1:
        return f"one {more}healthy window ends the degradation"
    clear = ", or one clearly healthy one," if fact.clear_ends else ""
    return f"{fact.left} {more}healthy windows in a row{clear} end the degradation"


@words_of(facts.ConclusiveUntil)
def _conclusive_until(fact: facts.ConclusiveUntil) -> str:
    shown = "shows a degradation" if fact.degraded else "shows that it is healthy"
    if fact.newest:
        return f"The newest window {shown}, but one with more outcomes is inconclusive."
    rest = "newer ones, and those with more outcomes, are inconclusive"
    return f"The last conclusive window, up to {end_words(fact.end, fact.timezone)}, {shown}; {rest}."


@words_of(facts.HealthyUntil)
def _healthy_until(fact: facts.HealthyUntil) -> str:
    return f"The last conclusive outcomes, up to {end_words(fact.end, fact.timezone)}, showed that it was healthy."


@words_of(facts.KnownUntil)
def _known_until(fact: facts.KnownUntil) -> str:
    return f"That is known up to {end_words(fact.end, fact.timezone)}; later windows are inconclusive so far."


@words_of(facts.NewestMayBeChance)
def _newest_may_be_chance(fact: facts.NewestMayBeChance) -> str:
    chance = "this may be chance, unless the next window shows it, too"
    return f"In the newest conclusive window, {clause(fact.shown)}; {chance}."


@words_of(facts.DriftBeyondChance)
def _drift_beyond_chance(fact: facts.DriftBeyondChance) -> str:
    of_column = f" of {'its ' if fact.of_output else ''}{short(fact.name, NAME)}" if fact.name else ""
    shift = f"The shift{of_column} is {fact.size}"
    most = f"at most {format_percent(fact.chance)} of windows with {fact.rows:,} values show such a shift"
    if fact.days:
        return f"{shift}; without drift, {most}."
    alone = f"if rows are independent, {most} without drift"
    return f"{shift}; {alone}. The baseline does not show how much its days differ."


@words_of(facts.JointDriftBeyondChance)
def _joint_drift_beyond_chance(fact: facts.JointDriftBeyondChance) -> str:
    return f"Without drift, at most {format_percent(fact.chance)} of samples of {fact.rows:,} rows show such a change."


words_as(
    {
        facts.ObjectiveCertainlyMissed: (
            "Significant: even the best value in the confidence interval misses the objective ({rows:,} rows)."
        ),
        facts.SliceCertainlyWorse: (
            "The rise in this slice is larger than that of all other rows, also after the correction for all searched "
            "slices ({rows:,} outcomes)."
        ),
        facts.RiseDetected: "A change detector found the rise in {outcomes:,} outcomes.",
        facts.FaultCertain: "Significant: without a fault, at most 1 in 1,000 windows would look like this.",
        facts.FindingCertain: "Significant: without drift, at most 1 in 1,000 windows would look like this.",
        facts.DriftWithTooFewDays: (
            "The rows differ significantly, but the baseline has too few days to show whether this is normal variation."
        ),
        facts.DaysTogether: "The last {days} days show it together, as the mean over days.",
        facts.NothingShowsEither: "The data show neither that it is healthy nor that it is degraded.",
        facts.NewestWithoutDrift: "The newest window has no drift; one more has to confirm that.",
        facts.OutcomesWithoutObjective: "Outcomes arrived, but nothing defines what is good enough.",
        facts.NoWindowBefore: "No window has conclusive outcomes yet.",
        facts.WindowsForgotten: "The windows that showed this are no longer in memory.",
        facts.NothingKnown: "Nothing is known yet.",
        facts.PauseUnlikely: (
            "Such a long gap is improbable, given its traffic of the last four weeks; a holiday can explain it."
        ),
        facts.SameRowsCompared: "Certain: the features of whole rows were compared; only other rows can show a change.",
        facts.ShownIsOld: "The results shown for the model do not include its newest rows yet.",
    }
)
