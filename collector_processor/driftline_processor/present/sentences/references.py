"""Words for the reference of a window if it is not the plain baseline."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from driftline_processor.core.facts import Fact
from driftline_processor.core.windows.window import DAY
from driftline_processor.present.metrics import metric_value, metric_words
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

    >>> from driftline_processor.core.facts import fact
    >>> days = fact("own_last_rows", last="30d", without="", rows=9_000, left_out=(), timezone="UTC")
    >>> compared_words([days, fact("slices_at_season")])
    'its own last 30d, 9,000 rows; each slice with its own rows, corrected by the daily or weekly cycle of all rows'
    """
    notes = [*notes]
    of_slices = [note for note in notes if note.kind == "slices_at_season"]
    all_rows = ", ".join(clauses(note for note in notes if note.kind != "slices_at_season"))
    return "; ".join([all_rows, *clauses(of_slices)])


@words_of("own_first_rows")
def _own_first_rows(covered: int, rows: int, until: int, shift: float) -> str:
    hours = covered / (DAY / 24)
    seen = f"{hours / 24:.1f} days" if hours >= 48 else f"{hours:.1f} hours"
    provisional = f"provisional until {date_words(until)} UTC: a shift below {shift:.2f} σ is not called drift"
    return f"its own first {seen}, {rows:,} rows, {provisional}"


@words_of("baseline_without_skill")
def _baseline_without_skill(metric: str, value: float, constant: float) -> str:
    own, other = metric_value(metric, value), metric_value(metric, constant)
    return (
        f"its {metric_words(metric)} of {own} is not better than {other}, that of a constant prediction; recalibrate "
        "the model before you monitor it"
    )


@words_of("baseline_level_off")
def _baseline_level_off(level: Fact) -> str:
    return f"in the baseline, {clause(level)}; recalibrate the model before you monitor it"


@words_of("baseline_decided_again")
def _baseline_decided_again(threshold: float, baseline_threshold: float) -> str:
    thresholds = f"with the threshold {threshold:g} of these rows instead of its own {baseline_threshold:g}"
    return f"the baseline, {thresholds}; predicted classes are not compared"


@words_of("baseline_without_decisions")
def _baseline_without_decisions(baseline_threshold: float, threshold: float, decided_there: bool) -> str:
    own = f"the baseline without its predicted classes, because its threshold was {baseline_threshold:g}"
    if decided_there:
        return f"{own}, and the threshold of these rows is {threshold:g}"
    neither = f"neither at {baseline_threshold:g} nor at the model's current threshold, {threshold:g}"
    return f"{own}, and these rows were decided {neither}"


def _last_rows(last: str, without: str) -> str:
    return f"own last {last}" + (f" except the latest {without}" if without else "")


@words_of("own_last_rows")
def _own_last_rows(last: str, without: str, rows: int, left_out: Sequence[int], timezone: str) -> str:
    spans = [span_words(*edges, timezone) for edges in zip(left_out[::2], left_out[1::2], strict=True)]
    drifted = f", with earlier rows instead of those of {listed(spans)}, which drifted" if spans else ""
    accept = " (to accept the drift, set reference.accepted_until)" if spans else ""
    return f"its {_last_rows(last, without)}, {rows:,} rows{drifted}{accept}"


@words_of("last_rows_too_few")
def _last_rows_too_few(last: str, without: str, rows: int, periods: int, of: int, unit: str) -> str:
    held = f"on {periods} of {of} days" if unit == "1d" else f"in {periods} of {of} periods of {unit}"
    return f"the baseline, because the model's {_last_rows(last, without)} have only {rows:,} rows, {held}"


@words_of("same_season")
def _same_season(season: str, thin: int, repeats: str | None) -> str:
    several = f"{thin} of them have" if thin > 1 else "one of them has"
    few = f" ({several} few rows in the baseline, so neighbouring ones are used, too)" if thin else ""
    return f"the same {_SEASONS[season]}{few}" + ("" if repeats is None else f": {_REPEATS[repeats]}")


@words_of("seasons_unknown")
def _seasons_unknown(season: str) -> str:
    return f"all of the baseline: its rows are not counted {_BY_SEASON[season]}"


@words_of("seasons_seen_once")
def _seasons_seen_once(season: str) -> str:
    return f"all of the baseline: it covers less than two {'days' if season == 'hour' else 'weeks'}"


@words_of("repeats_unknown")
def _repeats_unknown(season: str | None, least: int) -> str:
    if season is None:
        return "all of the reference: its rows have no times, so it is not known whether its hours or days differ"
    length = f"{least} {'days' if season == 'hour' else 'weeks'}"
    return f"all of the reference: it covers less than {length}, too few to show whether its {_SEASONS[season]} differ"


words_as(
    {
        "own_first_week": "its own first week, {rows:,} rows",
        "slices_at_season": "each slice with its own rows, corrected by the daily or weekly cycle of all rows",
        "no_row_with_time": "all of the baseline: none of its rows has a time",
    }
)
