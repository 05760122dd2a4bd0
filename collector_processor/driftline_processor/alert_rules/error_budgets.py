"""Error budgets of objectives: at which rate they are spent, and the alerts on it over several windows.

Calls are counted, so the budget of an availability, an error rate or a latency is watched over the windows and at the
rates of the workbook. What outcomes tell is known of the model's windows alone: there the interval of the long window
must lie beyond the rate, and the newest shorter window, where there is one, says that it still is so.

Source: Beyer et al., The Site Reliability Workbook, 2018, chapter 5, "Alerting on SLOs", table 5-8.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, Literal, NamedTuple

from driftline.panes.pane import DURATION_BOUNDS
from driftline.semconv import attributes as a
from driftline.semconv import metrics as m

from driftline_processor.config.model import Model
from driftline_processor.core.performance.objective import Objective
from driftline_processor.core.policy import error_budget
from driftline_processor.core.policy.signals import Signal, read_signal
from driftline_processor.core.service_level.level import LATENCIES
from driftline_processor.core.windows.window import length
from driftline_processor.present.names import LINKED, handle
from driftline_processor.present.wording import format_value

from .promql import MODEL, label, labels, matchers, one_of, series, summary
from .signal_queries import End, LeftOut, has_interval, query

PERIOD: Final = "30d"
"""The time that an error budget is for, as in the workbook."""

ALERT: Final = "BudgetBurns"
"""Name of the alerts on error budgets."""

Rule = dict[str, Any]
"""A rule, as Prometheus reads it."""


class Burn(NamedTuple):
    """An alert on the rate at which a budget is spent.

    Attributes:
        long: The longer window, whose rate must be greater.
        short: The shorter one, by which it is soon over; "" = none.
        factor: How many times too fast.
        severity: Whether somebody must come now.
    """

    long: str
    short: str
    factor: float
    severity: Literal["page", "ticket"]


WORKBOOK: Final = (
    Burn("1h", "5m", 14.4, "page"),
    Burn("6h", "30m", 6.0, "page"),
    Burn("1d", "2h", 3.0, "ticket"),
    Burn("3d", "6h", 1.0, "ticket"),
)
"""Table 5-8 of the workbook: 2 % of the budget of 30 days in an hour, 5 % in six, 10 % in one day and in three."""

COUNTED: Final = tuple(sorted({name for pair in WORKBOOK for name in (pair.long, pair.short)}, key=length))
"""The windows over which calls are counted."""


class Budget(NamedTuple):
    """The error budget of an objective.

    Attributes:
        model: Name of the model.
        objective: The objective.
        allowed: The share that may fail.
        counted: Whether calls are counted; else windows of the model tell.
        longs: Else the model's windows whose budget is watched, each with the shorter one, "" for none.
    """

    model: str
    objective: Objective
    allowed: float
    counted: bool
    longs: tuple[tuple[str, str], ...] = ()

    @property
    def signal(self) -> Signal:
        """The number that the objective is of."""
        return read_signal(self.objective.metric, self.objective.slice)

    @property
    def rule(self) -> str:
        """The objective as its label has it."""
        rule = self.objective.rule
        return rule if len(rule) <= LINKED else handle(rule)


def budgets(models: Mapping[str, Model]) -> tuple[list[Budget], list[LeftOut]]:
    """Return the error budgets of the objectives of some models, and the objectives that have none."""
    all_budgets: list[Budget] = []
    without: dict[tuple[str, str], list[str]] = {}
    for name, model in models.items():
        for objective in model.performance.objectives:
            budget = _budget(name, model, objective)
            if isinstance(budget, str):
                without.setdefault((objective.rule, budget), []).append(name)
            else:
                all_budgets.append(budget)
    return all_budgets, [LeftOut(_place(names, rule), reason) for (rule, reason), names in without.items()]


def _place(names: Sequence[str], rule: str) -> str:
    """Return where an objective is written, of the first model that has it: a tier may give it to many.

    >>> _place(["churn", "fraud", "spam"], "mae <= 3")
    "models.churn.performance.objectives, as in 2 more: 'mae <= 3'"
    """
    more = f", as in {len(names) - 1:,} more" if len(names) > 1 else ""
    return f"models.{names[0]}.performance.objectives{more}: '{rule}'"


def _budget(name: str, model: Model, objective: Objective) -> Budget | str:
    """Return the budget of an objective, or the sentence why it has none."""
    if (quantile := LATENCIES.get(objective.metric)) is not None:
        if objective.slice:
            return "calls of a slice are not counted by duration; alert on ObjectiveBroken"
        if objective.limit not in DURATION_BOUNDS:
            near = sorted(DURATION_BOUNDS, key=lambda bound: abs(bound - objective.limit))[:2]
            fix = " or ".join(f"{format_value(1000 * bound)}ms" for bound in sorted(near))
            return (
                "calls are counted in histogram buckets, "
                f"and {format_value(1000 * objective.limit)}ms is not a bound; use {fix}"
            )
        return Budget(name, objective, round(1 - quantile, 12), counted=True)
    allowed = error_budget(objective)
    if allowed is None:
        return "only a target below 100 % has an error budget, as in 'precision >= 0.95'; alert on ObjectiveBroken"
    if objective.of_service and not objective.slice:
        return Budget(name, objective, allowed, counted=True)
    if objective.slice and "=" not in objective.slice:
        return f"it applies to each value of {objective.slice}; use one value, as in '{objective.slice}=...'"
    if objective.window and objective.window not in model.windows:
        return f"there is no metric for rolling windows; add {objective.window} to windows, and remove rolling"
    watched = (objective.window,) if objective.window else model.windows
    pairs = tuple((long, _shorter(long, model.windows)) for long in sorted(watched, key=length))
    return Budget(name, objective, allowed, counted=False, longs=pairs)


def _shorter(long: str, windows: Sequence[str]) -> str:
    """Return the longest of the windows that are shorter; "" for none."""
    return max((name for name in windows if length(name) < length(long)), key=length, default="")


def burn_of(long: str, short: str) -> Burn:
    """Return the alert on a window of a model: the rate of the workbook's window that is at least as long."""
    row = next((row for row in WORKBOOK if length(long) <= length(row.long)), WORKBOOK[-1])
    return Burn(long, short, row.factor, row.severity)


def recorded(kind: str, window: str) -> str:
    """Return the name of a recorded rate: ``rate``: of counted calls, ``window`` or ``window_least``: of windows."""
    level = m.PROMETHEUS[m.DRIFTLINE_OBJECTIVE_STATUS].removesuffix("_status")
    return f"{level}:burn_{kind}{window}"


def recording_rules(budgets: Sequence[Budget]) -> Iterator[Rule]:
    """Yield rules that record how fast budgets are spent: 1 = so fast that just nothing is left after the period.

    The model, which the series carry anyhow, is a label of each rule, too: two rules with the same labels are one to
    ``promtool check rules``, whatever their expressions say.
    """
    for budget in budgets:
        labels = {label(a.ML_MODEL_NAME): budget.model, label(a.DRIFTLINE_OBJECTIVE_RULE): budget.rule}
        if budget.counted:
            for window in COUNTED:
                spent = f"({failed_share(budget, window)}) / {budget.allowed:.12g}"
                yield {"record": recorded("rate", window), "expr": spent, "labels": {**labels}}
            continue
        for window in sorted({name for pair in budget.longs for name in pair if name}, key=length):
            spent = f"{_spent(budget, window, significant=False)} / {budget.allowed:.12g}"
            yield {"record": recorded("window", window), "expr": spent, "labels": {**labels}}
        for window, _ in budget.longs:
            least_spent = _spent(budget, window, significant=False)
            if has_interval(budget.signal):
                least_spent = f"({_spent(budget, window, significant=True)} or {least_spent})"
            expression = f"{least_spent} / {budget.allowed:.12g}"
            yield {"record": recorded("window_least", window), "expr": expression, "labels": {**labels}}


def failed_share(budget: Budget, window: str) -> str:
    """Return the share of counted calls that failed the objective over a time before now."""
    return f"{counted_failures(budget, window)} / {counted_calls(budget, window)}"


def counted_failures(budget: Budget, window: str) -> str:
    """Return the rate of calls that failed an objective."""
    models = (one_of([budget.model]),)
    if budget.objective.metric not in LATENCIES:
        failed = series(m.DRIFTLINE_PREDICTION_FAILURES, models, {})
        return f"sum without ({label(a.ERROR_TYPE)}) (rate({failed}[{window}]))"
    within = series(m.DRIFTLINE_PREDICT_DURATION, models, {"le": one_of(_bounds(budget.objective.limit))}, "_bucket")
    return f"({counted_calls(budget, window)} - sum without (le) (rate({within}[{window}])))"


def counted_calls(budget: Budget, window: str) -> str:
    """Return the rate of calls by which an objective is counted."""
    models = (one_of([budget.model]),)
    if budget.objective.metric in LATENCIES:
        return f"rate({series(m.DRIFTLINE_PREDICT_DURATION, models, {}, '_count')}[{window}])"
    return (
        f"sum without ({label(a.ML_PREDICTION_CLASS)}) (rate({series(m.DRIFTLINE_PREDICTIONS, models, {})}[{window}]))"
    )


def _bounds(limit: float) -> list[str]:
    """Return how a bound is written in the text format and in OpenMetrics, of which there is one at a time."""
    return [f"{limit:g}", repr(float(limit))]


def _spent(budget: Budget, window: str, *, significant: bool) -> str:
    """Return the share that failed in the newest window; ``significant``: at least, by its interval."""
    objective = budget.objective
    end: End = ("high" if objective.upwards else "low") if significant else "value"
    spent_query = query(budget.signal, window, (one_of([budget.model]),), end)
    without = f"max by ({labels(MODEL)}) ({spent_query})"
    return f"(1 - {without})" if objective.upwards else without


def alerts(budgets: Sequence[Budget], runbook: str) -> Iterator[Rule]:
    """Yield the alerts on budgets that are spent too fast: one for each pair of windows, over all its models."""
    if any(budget.counted for budget in budgets):
        yield from (_alert("rate", "rate", burn, "", "calls", runbook) for burn in WORKBOOK)
    pairs: dict[tuple[str, str], list[str]] = {}
    for budget in budgets:
        for pair in budget.longs:
            pairs.setdefault(pair, []).append(budget.model)
    for long, short in sorted(pairs, key=lambda pair: (length(pair[0]), pair[1])):
        label_matchers = matchers([(a.ML_MODEL_NAME, one_of(pairs[long, short]))])
        yield _alert("window_least", "window", burn_of(long, short), label_matchers, "windows", runbook)


def _alert(long: str, short: str, burn: Burn, label_matchers: str, unit: str, runbook: str) -> Rule:
    limit = f"> {burn.factor:g}"
    expression = f"{recorded(long, burn.long)}{label_matchers} {limit}"
    if burn.short:
        expression += f" and {recorded(short, burn.short)} {limit}"
    rule = f"{{{{ $labels.{label(a.DRIFTLINE_OBJECTIVE_RULE)} }}}}"
    times = '{{ $value | printf "%.3g" }}'
    return {
        "alert": ALERT,
        "expr": expression,
        "for": "2m" if burn.severity == "page" else "15m",
        "labels": {"severity": burn.severity, "over": f"{unit} of {' and '.join(filter(None, burn[:2]))}"},
        "annotations": {
            "summary": summary(f"the error budget of {rule} is being spent {times} times too fast over {burn.long}"),
            "description": f"At a rate of 1 the budget of {PERIOD} lasts exactly {PERIOD}; this alert fires above "
            f"{burn.factor:g}. The page of the model says why, and where.",
            "runbook": runbook,
        },
    }
