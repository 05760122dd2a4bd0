"""Words for the certainty of a verdict: a sentence per fact."""

from __future__ import annotations

from collections.abc import Sequence

from driftline_processor.core.evaluation import Expected
from driftline_processor.core.facts import Fact
from driftline_processor.present.metrics import metric_value, size_of_change
from driftline_processor.present.times import date_words
from driftline_processor.present.wording import NAME, format_percent, listed, printable, short

from .expectations import expectation_sentence
from .register import clause, words_as, words_of


def _from(outcomes: int, coverage: float | None) -> str:
    of_rows = "" if coverage is None or coverage > 1 else f", {format_percent(coverage)} of the rows"
    return f"({outcomes:,} outcomes{of_rows})."


def _certain_by_outcomes(kind: str, certain: str) -> None:
    @words_of(kind)
    def maker(outcomes: int, coverage: float | None) -> str:
        return f"Significant: {certain} {_from(outcomes, coverage)}"


for _kind, _certain in {
    "objective_certainly_met": "even the worst value in the confidence interval meets the objective",
    "better_than_baseline": "even the worst value in the confidence interval is better than in the baseline",
    "constant_certainly_better": "a constant prediction has a significantly lower log loss on the same rows",
    "level_certainly_off": "the predicted fraction is outside the confidence interval of the actual one",
    "certainly_below_chance": "even the highest value in the confidence interval is below 0.5",
    "certainly_worse": "even the best value in the confidence interval is worse than in the baseline",
}.items():
    _certain_by_outcomes(_kind, _certain)


@words_of("inside_margin")
def _inside_margin(metric: str, margin: float | None, outcomes: int, coverage: float | None) -> str:
    size = "" if margin is None else f" of {size_of_change(metric, margin, None, None)}"
    inside = f"the whole confidence interval of the change is inside the margin{size}"
    return f"Significant: {inside} {_from(outcomes, coverage)}"


@words_of("failures_certain")
def _failures(metric: str, limit: float) -> str:
    lowest = "even the lowest value in the confidence interval"
    return f"Significant: {lowest} of the failure rate is more than {metric_value(metric, limit)}."


@words_of("rows_counted")
def _rows_counted(expected: Expected) -> str:
    return f"Exact: every row was counted ({printable(expectation_sentence(expected))})."


@words_of("estimate_assumes")
def _estimate(inside: float | None) -> str:
    record = "" if inside is None else f"; so far, outcomes confirmed {format_percent(inside)} of such estimates"
    return f"The estimate assumes that the relation between inputs and outcomes did not change{record}."


@words_of("drift_open")
def _drift_open(outputs: Sequence[str], features: Sequence[str], missing: Sequence[str]) -> str:
    feature_names = [short(name, NAME) for name in features]
    feature_names = (
        feature_names if len(feature_names) == 1 else [f"{len(feature_names)} features"] if feature_names else []
    )
    few = " and ".join(reason.replace("_", " ") for reason in missing)
    columns = listed([*(f"its {name}" for name in outputs), *feature_names])
    return f"Drift of {columns} is inconclusive: {few}."


@words_of("baseline_lacks_features")
def _baseline_lacks_features(version: str, features: Sequence[str]) -> str:
    return f"The {_of_other_version(version, features)}; build one of this version."


@words_of("old_baseline")
def _old_baseline(version: str, features: Sequence[str]) -> str:
    return f"its {_of_other_version(version, features)}"


def _of_other_version(version: str, features: Sequence[str]) -> str:
    of_version = f" of version {short(version, NAME)}" if version else ""
    if not features:
        return f"baseline is{of_version}"
    more = [f"{len(features) - 2} more"] if len(features) > 2 else []
    return f"baseline{of_version} lacks {listed([*(short(name, NAME) for name in features[:2]), *more])}"


@words_of("to_be_confirmed")
def _to_be_confirmed(by_one: bool) -> str:
    return f"The state changes only if {'a second window confirms' if by_one else 'the next windows confirm'} this."


@words_of("newest_healthy_again")
def _newest_healthy(windows: int, left: int) -> str:
    newest = "window looks" if windows == 1 else f"{windows} windows look"
    more = "one more has" if left == 1 else f"{left} more have"
    return f"The newest {newest} healthy again; {more} to confirm that."


@words_of("healthy_until")
def _healthy_until(end: int, timezone: str) -> str:
    return f"The last conclusive outcomes, up to {date_words(end, timezone)}, showed that it was healthy."


@words_of("known_until")
def _known_until(end: int, timezone: str) -> str:
    return f"That is known up to {date_words(end, timezone)}; later windows are inconclusive so far."


@words_of("newest_may_be_chance")
def _newest_may_be_chance(shown: Fact) -> str:
    return (
        f"In the newest conclusive window, {clause(shown)}; this may be chance, unless the next window shows it, too."
    )


@words_of("drift_beyond_chance")
def _drift_beyond_chance(rows: int, size: str, chance: float, days: bool = True) -> str:
    most = f"at most {format_percent(chance)} of windows with {rows:,}"
    if days:
        return f"The shift is {size}; without drift, {most} rows show such a shift."
    alone = f"if rows are independent, {most} rows show such a shift without drift"
    return f"The shift is {size}; {alone}. The baseline does not show how much its days differ."


@words_of("joint_drift_beyond_chance")
def _joint_drift_beyond_chance(rows: int, chance: float) -> str:
    return f"Without drift, at most {format_percent(chance)} of windows with {rows:,} rows show such a change."


words_as(
    {
        "objective_certainly_missed": (
            "Significant: even the best value in the confidence interval misses the objective ({rows:,} rows)."
        ),
        "slice_certainly_worse": (
            "The rise in this slice is larger than that of all other rows, also after the correction for all searched "
            "slices ({rows:,} outcomes)."
        ),
        "rise_detected": "A change detector found the rise in {outcomes:,} outcomes.",
        "fault_certain": "Significant: without a fault, at most 1 in 1,000 windows would look like this.",
        "finding_certain": "Significant: without drift, at most 1 in 1,000 windows would look like this.",
        "drift_with_too_few_days": (
            "The rows differ significantly, but the baseline has too few days to show whether this is normal variation."
        ),
        "days_together": "The last {days} days show it together, as the mean over days.",
        "nothing_shows_either": "The data show neither that it is healthy nor that it is degraded.",
        "newest_without_drift": "The newest window has no drift; one more has to confirm that.",
        "outcomes_without_objective": "Outcomes arrived, but nothing defines what is good enough.",
        "no_window_before": "No window has conclusive outcomes yet.",
        "nothing_known": "Nothing is known yet.",
        "pause_unlikely": (
            "Such a long gap is improbable, given its traffic of the last four weeks; a holiday can explain it."
        ),
        "same_rows_compared": "Certain: the features of whole rows were compared; only other rows can show a change.",
        "shown_is_old": "The results shown for the model do not include its newest rows yet.",
    }
)
