"""Words for the reference of a window if it is not the plain baseline."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from driftline_processor.core import facts
from driftline_processor.core.fact import Fact
from driftline_processor.core.performance.margin import skill
from driftline_processor.core.performance.sample_size import (
    baseline_rows_needed,
    chance_of_longest,
    is_of_skill,
    margin_shown,
)
from driftline_processor.core.windows.window import DAY
from driftline_processor.present.metrics import metric_value, metric_words, size_of_change
from driftline_processor.present.numbers import many, roughly
from driftline_processor.present.times import date_words, span_words
from driftline_processor.present.wording import listed

from .register import clause, clauses, words_as, words_of

_SEASONS: Mapping[str, str] = {"hour": "hours", "weekday": "weekdays", "hour_of_week": "hours of the week"}
_BY_SEASON: Mapping[str, str] = {"hour": "by hour", "weekday": "by weekday", "hour_of_week": "by hour of the week"}
_REPEATS: Mapping[str, str] = {
    "hour": "the reference repeats every day",
    "weekday": "the reference repeats every week",
    "hour_of_week": "the reference repeats every day and every week",
}


def compared_words(notes: Iterable[Fact]) -> str:
    """Return the reference of a window; "" for the plain baseline.

    >>> from driftline_processor.core import facts
    >>> days = facts.OwnLastRows(last="30d", without="", rows=9_000, left_out=(), timezone="UTC")
    >>> compared_words([days, facts.SlicesAtSeason()])
    'its own last 30d, 9,000 rows; each slice with its own rows, corrected by the daily or weekly cycle of all rows'
    """
    notes = [*notes]
    of_slices = [note for note in notes if isinstance(note, facts.SlicesAtSeason)]
    all_rows = ", ".join(clauses(note for note in notes if not isinstance(note, facts.SlicesAtSeason)))
    return "; ".join([all_rows, *clauses(of_slices)])


@words_of(facts.OwnFirstRows)
def _own_first_rows(fact: facts.OwnFirstRows) -> str:
    hours = fact.covered / (DAY / 24)
    seen = f"{hours / 24:.1f} days" if hours >= 48 else f"{hours:.1f} hours"
    until = date_words(fact.until)
    provisional = f"provisional until {until} UTC: a shift below {fact.shift:.2f} σ is not called drift"
    return f"its own first {seen}, {fact.rows:,} rows, {provisional}"


@words_of(facts.BaselineReach)
def _baseline_reach(fact: facts.BaselineReach) -> str:
    larger = baseline_rows_needed(fact.outcomes, fact.half, fact.margin)
    name, half, margin, enough = margin_words(fact.metric, fact.half, fact.margin, margin_shown(fact.half))
    no_margin = no_margin_words(fact)
    value = metric_value(fact.metric, fact.value)
    known = f"the baseline's {name} of {value} is known to ±{half}, and the margin is {margin}"
    if fact.needed is None:
        rows = f"{roughly(larger):,} outcomes{traffic_words(round(fact.length * larger / fact.outcomes))}"
        shown = f"{longest_window_words(fact.half, fact.margin)}; a baseline of about {rows} would do"
        ask = f"If only {enough} or more matters, set performance.margin to that."
    else:
        length = traffic_words(round(fact.length * fact.needed / fact.outcomes))
        shown = f"nine of ten windows of about {roughly(fact.needed):,} outcomes{length} show that a model is as good"
        ask = "If it is not the margin, set performance.margin."
    return f"{known}: {shown}. {no_margin or f'How much worse would matter to you? {ask}'}"


def no_margin_words(fact: facts.BaselineReach | facts.BuildLargerBaseline) -> str:
    """Return the sentence that no margin helps, because the model has too little skill; "" if one does."""
    enough = margin_shown(fact.half)
    if fact.constant is None or is_of_skill(enough, fact.metric, fact.value, fact.constant):
        return ""
    name, smallest = margin_words(fact.metric, enough)
    value, constant = (metric_value(fact.metric, one) for one in (fact.value, fact.constant))
    part = "all" if enough > skill(fact.metric, fact.value, fact.constant) else "half"
    of_skill = f"{part} of the skill of the model ({name} {value}; {constant} for a constant prediction)"
    return (
        f"A wider margin does not help: {smallest}, the smallest that this baseline can show, is more than {of_skill}."
    )


def margin_words(metric: str, *sizes: float) -> tuple[str, ...]:
    """Return a metric and sizes of its change in words.

    >>> margin_words("accuracy", 0.05, 0.1)
    ('accuracy', '5 points', '10 points')
    """
    return metric_words(metric), *(size_of_change(metric, size, None, None) for size in sizes)


def longest_window_words(half: float, margin: float) -> str:
    """Return how often a window of unlimited length shows that a model is as good.

    Args:
        half: Half the interval of the metric that decides in the baseline.
        margin: Its margin.

    >>> longest_window_words(0.05, 0.05)
    'even the longest window shows in only 50 of 100 cases that a model is as good'
    """
    cases = round(100 * chance_of_longest(half, margin))
    return f"even the longest window shows in only {cases} of 100 cases that a model is as good"


def traffic_words(length: int) -> str:
    """Return how long outcomes take at the traffic of a window, in brackets; "" if unknown.

    >>> traffic_words(9 * DAY), traffic_words(DAY // 8), traffic_words(0)
    (' (about 9 days at this traffic)', ' (about 3 hours at this traffic)', '')
    """
    if length <= 0:
        return ""
    days, hours = round(length / DAY), max(1, round(24 * length / DAY))
    return f" (about {many(roughly(days), 'day') if days >= 2 else many(hours, 'hour')} at this traffic)"


@words_of(facts.BaselineWithoutSkill)
def _baseline_without_skill(fact: facts.BaselineWithoutSkill) -> str:
    own, other = metric_value(fact.metric, fact.value), metric_value(fact.metric, fact.constant)
    compared = f"its {metric_words(fact.metric)} of {own} is not better than {other}, that of a constant prediction"
    return f"{compared}; recalibrate the model before you monitor it"


@words_of(facts.BaselineLevelOff)
def _baseline_level_off(fact: facts.BaselineLevelOff) -> str:
    return f"in the baseline, {clause(fact.level)}; recalibrate the model before you monitor it"


@words_of(facts.BaselineDecidedAgain)
def _baseline_decided_again(fact: facts.BaselineDecidedAgain) -> str:
    thresholds = f"with the threshold {fact.threshold:g} of these rows instead of its own {fact.baseline_threshold:g}"
    return f"the baseline, {thresholds}; predicted classes are not compared"


@words_of(facts.BaselineWithoutDecisions)
def _baseline_without_decisions(fact: facts.BaselineWithoutDecisions) -> str:
    own = f"the baseline without its predicted classes, because its threshold was {fact.baseline_threshold:g}"
    if fact.decided_there:
        return f"{own}, and the threshold of these rows is {fact.threshold:g}"
    neither = f"neither at {fact.baseline_threshold:g} nor at the model's current threshold, {fact.threshold:g}"
    return f"{own}, and these rows were decided {neither}"


def _last_rows(last: str, without: str) -> str:
    return f"own last {last}" + (f" except the latest {without}" if without else "")


@words_of(facts.OwnLastRows)
def _own_last_rows(fact: facts.OwnLastRows) -> str:
    spans = [span_words(*edges, fact.timezone) for edges in zip(fact.left_out[::2], fact.left_out[1::2], strict=True)]
    drifted = f", with earlier rows instead of those of {listed(spans)}, which drifted" if spans else ""
    accept = " (to accept the drift, set reference.accepted_until)" if spans else ""
    return f"its {_last_rows(fact.last, fact.without)}, {fact.rows:,} rows{drifted}{accept}"


@words_of(facts.LastRowsTooFew)
def _last_rows_too_few(fact: facts.LastRowsTooFew) -> str:
    part = f"{fact.periods} of {fact.of}"
    held = f"on {part} days" if fact.unit == "1d" else f"in {part} periods of {fact.unit}"
    last = _last_rows(fact.last, fact.without)
    return f"the baseline, because the model's {last} have only {fact.rows:,} rows, {held}"


@words_of(facts.SameSeason)
def _same_season(fact: facts.SameSeason) -> str:
    several = f"{fact.thin} of them have" if fact.thin > 1 else "one of them has"
    few = f" ({several} few rows in the baseline, so neighbouring ones are used, too)" if fact.thin else ""
    return f"the same {_SEASONS[fact.season]}{few}" + ("" if fact.repeats is None else f": {_REPEATS[fact.repeats]}")


@words_of(facts.SeasonsUnknown)
def _seasons_unknown(fact: facts.SeasonsUnknown) -> str:
    return f"all of the baseline: its rows are not counted {_BY_SEASON[fact.season]}"


@words_of(facts.SeasonsSeenOnce)
def _seasons_seen_once(fact: facts.SeasonsSeenOnce) -> str:
    return f"all of the baseline: it covers less than two {'days' if fact.season == 'hour' else 'weeks'}"


@words_of(facts.RepeatsUnknown)
def _repeats_unknown(fact: facts.RepeatsUnknown) -> str:
    if fact.season is None:
        return "all of the reference: its rows have no times, so it is not known whether its hours or days differ"
    length = f"{fact.least} {'days' if fact.season == 'hour' else 'weeks'}"
    short = f"it covers less than {length}, too few to show whether its {_SEASONS[fact.season]} differ"
    return f"all of the reference: {short}"


words_as(
    {
        facts.OwnFirstWeek: "its own first week, {rows:,} rows",
        facts.SlicesAtSeason: "each slice with its own rows, corrected by the daily or weekly cycle of all rows",
        facts.NoRowWithTime: "all of the baseline: none of its rows has a time",
    }
)
