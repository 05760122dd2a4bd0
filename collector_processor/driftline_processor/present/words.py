"""Numbers, names and states as people read them.

An unknown value is the word "unknown" or a dash, never 0.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import xxhash
from driftline.tables.table import ModelKey

from driftline_processor.core.drift.methods import METHODS
from driftline_processor.core.evaluation import Evaluation, Metric, ObjectiveState, Source, State, TargetDrift
from driftline_processor.core.intervals.confidence import METHODS as INTERVALS
from driftline_processor.core.labels.sentences import lateness as lateness
from driftline_processor.core.metrics.names import direction as better
from driftline_processor.core.outcomes.review import advice as advice
from driftline_processor.core.performance.objective import overdue
from driftline_processor.core.windows.window import Window

from . import times

UNKNOWN = "–"

MINUS = "−"

SHOWN = 80
"""Characters of a name that a page shows; the rest is behind an ellipsis."""

LINKED = 200
"""Characters of a name that fit in an address; longer names are addressed by a digest."""

COMPLETE = 0.99
"""From this share of predictions on nothing is said of those that are missing: that much the edges can be off."""

STATE_WORDS: dict[State, str] = {
    "ok": "no drift",
    "drift": "drift",
    "too_few_rows": "too few rows",
    "blind": "cannot tell",
    "no_baseline": "no baseline",
}

METRIC_WORDS: dict[str, str] = {name: method.title for name, method in METHODS.items()} | {
    "log_loss": "log loss",
    "log_loss_constant": "log loss of a constant",
    "mean_score": "predicted rate",
    "roc_auc": "ROC AUC",
    "f1": "F1",
    "brier": "Brier score",
    "mae": "mean absolute error",
    "rmse": "root mean squared error",
    "r2": "R²",
    "ks": "KS",
    "roc_auc_ovr": "ROC AUC, one against the rest",
    "mape": "mean absolute percentage error",
    "f1_weighted": "F1, weighted",
    "ctr": "click rate",
    "ndcg": "NDCG",
    "mrr": "MRR",
    "map": "MAP",
}

BESIDE = {"log_loss": "log_loss_constant", "mean_score": "actual_rate"}
"""Metric → what it is read against: drawn in one chart. Above a constant's log loss a model is worse than none."""

_METRIC_ORDER = (
    "log_loss",
    "mean_score",
    "roc_auc",
    "accuracy",
    "mae",
    "rmse",
    "r2",
    "precision",
    "recall",
    "f1",
    "brier",
    "ctr",
)

SOURCE_WORDS: dict[Source, str] = {"rows": "rows", "panes": "counts"}
"""What a metric was computed from: the rows themselves, or the counts that are kept of them."""


def finite(value: float | None) -> float | None:
    """Return a number that can be drawn and that JSON can say; None for NaN and infinities."""
    return value if value is not None and math.isfinite(value) else None


def number(value: float | None) -> str:
    """Write a value with three or four digits that matter; a dash when it is unknown.

    >>> number(0.12345), number(1234.5), number(-2.0), number(None), number(0.0000012)
    ('0.1235', '1,234', '−2', '–', '1.2e−06')
    """
    if value is None or not math.isfinite(value):
        return UNKNOWN
    if value == 0:
        return "0"
    size = abs(value)
    if size >= 1e15 or size < 1e-3:
        text = f"{value:.2g}"
    elif size >= 1000:
        text = f"{value:,.0f}"
    else:
        text = f"{value:.4g}"
    return text.replace("-", MINUS)


def count(value: float | None) -> str:
    """Write a whole number with thousands separated.

    >>> count(56965)
    '56,965'
    """
    return UNKNOWN if value is None else f"{value:,.0f}"


def many(n: int, noun: str) -> str:
    """Write a count with its noun.

    >>> many(1, "row"), many(5693, "row")
    ('1 row', '5,693 rows')
    """
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


def compact(value: float) -> str:
    """Write a count in at most four characters.

    >>> compact(999), compact(5693), compact(56965), compact(2_400_000)
    ('999', '5.7k', '57k', '2.4M')
    """
    for limit, unit in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= limit:
            scaled = value / limit
            return f"{scaled:.1f}{unit}" if scaled < 9.95 else f"{scaled:.0f}{unit}"
    return f"{value:.0f}"


def percent(share: float | None) -> str:
    """Write a share; what is nearly all or nearly nothing is never rounded to it.

    >>> percent(0.974), percent(0.9999), percent(0.0001), percent(1), percent(0), percent(None)
    ('97.4 %', '> 99.9 %', '< 0.1 %', '100 %', '0 %', '–')
    """
    if share is None or not math.isfinite(share):
        return UNKNOWN
    if 0 < share < 0.001:
        return "< 0.1 %"
    if 0.999 < share < 1:
        return "> 99.9 %"
    return f"{share * 100:.3g} %"


def no_outcome(outcomes: int, waiting: int) -> str:
    """Say why a window shows no outcome: none has come, those that came are of others, or they are not counted yet.

    ``outcomes``: joined of its model; ``waiting``: windows of it that wait to be evaluated.

    >>> no_outcome(0, 2)
    'no outcome known yet'
    >>> no_outcome(12_789, 0)
    'no outcome known yet; the 12,789 outcomes joined are of other windows'
    >>> no_outcome(12_789, 1)
    'how many outcomes are known is not counted yet: 1 window of the model waits to be evaluated'
    """
    if not outcomes:
        return "no outcome known yet"
    if not waiting:
        joined = "1 outcome joined is" if outcomes == 1 else f"{outcomes:,} outcomes joined are"
        return f"no outcome known yet; the {joined} of other windows"
    windows = "1 window of the model waits" if waiting == 1 else f"{waiting:,} windows of the model wait"
    return f"how many outcomes are known is not counted yet: {windows} to be evaluated"


def exact_to(bound: float) -> str:
    """Say how far a value from counts can be from the one from rows: two digits, rounded up, so that it holds.

    >>> exact_to(0.001278), exact_to(5e-05), exact_to(1e-12)
    ('exact to 0.0013', 'exact to 0.00005', 'exact to 0.000001')
    """
    bound = max(bound, 1e-6)
    digits = max(1 - math.floor(math.log10(bound)), 0)
    text = f"{math.ceil(bound * 10**digits * (1 - 1e-9)) / 10**digits:.{digits}f}"
    return "exact to " + (text.rstrip("0").rstrip(".") if digits else text)


def p_value(value: float | None) -> str:
    """Write a p-value.

    >>> p_value(0.0321), p_value(1e-30), p_value(0.9999)
    ('p = 0.032', 'p < 0.0001', 'p = 1')
    """
    if value is None:
        return "p unknown"
    return "p < 0.0001" if value < 0.0001 else f"p = {value:.2g}"


def short(name: str, length: int = SHOWN) -> str:
    """Cut a name that came from the wire to what a page can show, and make what is invisible in it visible.

    >>> short("x" * 1_000_000, 5), short("a\\u202eb")
    ('xxxx…', 'a�b')
    """
    name = "".join(letter if letter.isprintable() else "\ufffd" for letter in name[: length + 1])
    return name if len(name) <= length else name[: length - 1] + "…"


def listed(names: Sequence[str]) -> str:
    """Name the first ten of many.

    >>> listed(["a", "b"]), listed(["x"] * 12)
    ('a, b', 'x, x, x, x, x, x, x, x, x, x and 2 more')
    """
    more = f" and {len(names) - 10:,} more" if len(names) > 10 else ""
    return ", ".join(short(name, 40) for name in names[:10]) + more


@lru_cache(maxsize=4096)
def handle(name: str) -> str:
    """Return what stands for a name in an address: itself, or a digest behind what can be printed of its beginning.

    >>> handle("churn"), handle("x" * 1000)[198:]
    ('churn', 'x…~c0a4877b962cba82')
    """
    if len(name) <= LINKED and name.isprintable():
        return name
    return f"{short(name, LINKED)}~{xxhash.xxh3_64_hexdigest(name.encode('utf-8', 'surrogatepass'))}"


def model_name(key: ModelKey) -> str:
    """Name a model with its version and environment.

    >>> model_name(ModelKey("churn", "v2", "prod"))
    'churn v2 prod'
    """
    return " ".join(short(part) for part in (key.model, key.version, key.environment) if part)


def state_word(state: State) -> str:
    """Say a drift state in words."""
    return STATE_WORDS.get(state, state.replace("_", " "))


def metric_word(name: str) -> str:
    """Say a metric's or method's name in words.

    >>> metric_word("log_loss"), metric_word("actual_rate"), metric_word("ndcg@10")
    ('log loss', 'actual rate', 'NDCG@10')
    """
    base, at, cutoff = name.partition("@")
    return METRIC_WORDS.get(name, short(METRIC_WORDS.get(base, base.replace("_", " ")) + at + cutoff))


def metric_names(metrics: dict[str, Metric]) -> list[str]:
    """Return the names of metrics in the order in which people ask for them."""
    known = [name for name in _METRIC_ORDER if name in metrics]
    return known + [name for name in metrics if name not in known]


def direction(metric: str) -> str:
    """Say which way is good. Whether a difference means anything is not said: intervals have to come first.

    >>> direction("log_loss"), direction("roc_auc"), direction("mean_score")
    ('lower is better', 'higher is better', '')
    """
    return {1: "higher is better", -1: "lower is better"}.get(better(metric), "")


def interval(metric: Metric) -> str:
    """Say where the true value is, and how that is known.

    >>> interval(Metric(0.9, 20, "rows", low=0.7, high=0.98, interval="blocks")), interval(Metric(0.9, 20, "rows"))
    ('0.7 to 0.98, from how blocks of time differ', '–')
    """
    how = INTERVALS.get(metric.interval, metric.interval)
    if metric.low is None or metric.high is None:
        return how or UNKNOWN
    return f"{number(metric.low)} to {number(metric.high)}, {how}"


def effective(metric: Metric) -> str:
    """Say how many rows of equal weight say as much, where weights make a difference.

    >>> effective(Metric(0.9, 200, "rows", effective_rows=40.0)), effective(Metric(0.9, 20, "rows"))
    (', worth 40', '')
    """
    worth = metric.effective_rows
    return "" if worth is None or worth >= 0.99 * metric.rows else f", worth {worth:,.0f}"


def objective(one: ObjectiveState, timezone: str) -> str:
    """Say what came of an objective, of a rolling one when, and for how long nobody can tell."""
    when = f"{times.span(Window('', one.since, one.until), timezone)}: " if one.until else ""
    long = overdue(one) or (f"for {many(one.undecided, 'window')} in a row" if one.undecided > 1 else "")
    return when + "; ".join(filter(None, (one.sentence, long)))


def objective_state(one: ObjectiveState) -> str:
    """Return the word for what came of an objective."""
    return "too little reviewed" if one.overdue and one.needed and not one.lacks else one.state.replace("_", " ")


def drifted(evaluation: Evaluation) -> int:
    """Count the features in state drift."""
    return sum(target.state == "drift" for target in evaluation.features.values())


def compared(evaluation: Evaluation) -> int:
    """Count the features that could be compared with the baseline."""
    return sum(target.state in ("ok", "drift") for target in evaluation.features.values())


def overall(evaluation: Evaluation) -> State:
    """Return the one state that stands for a window: drift when anything drifts, else the least sure one."""
    targets: list[TargetDrift] = [*evaluation.features.values()]
    targets += [target for target in (evaluation.score, evaluation.predicted) if target is not None]
    states = {target.state for target in targets}
    if any(found.state == "drift" for found in evaluation.slices.values()):
        states.add("drift")
    order: tuple[State, ...] = ("drift", "ok", "blind", "too_few_rows")
    return next((state for state in order if state in states), "no_baseline")


def origin(evaluation: Evaluation) -> str:
    """Say where a window's numbers come from, where it is not from rows alone."""
    if not evaluation.distributed:
        return ""
    if evaluation.distributed >= evaluation.rows:
        return ", known from distributions: no row of them was sent"
    return f", {count(evaluation.distributed)} of them known from distributions: no row was sent"


def verdict(evaluation: Evaluation) -> str:
    """Say in a few words what a window's drift comes to."""
    n, of = drifted(evaluation), compared(evaluation)
    state = overall(evaluation)
    if of and n:
        return f"{n} of {of} features {'drifts' if n == 1 else 'drift'}"
    slices = sum(found.state == "drift" for found in evaluation.slices.values())
    if slices and not any(one is not None and one.state == "drift" for one in (evaluation.score, evaluation.predicted)):
        return f"drift in {many(slices, 'slice')}, none of {of} features drifts in all rows"
    if state == "drift":
        return "the predictions drift, no feature does"
    if of:
        return f"none of {of} features drifts"
    return state_word(state)
