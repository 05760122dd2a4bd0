"""Error budgets of objectives: burn rates, and alerts on them over several windows.

Calls are counted, so the budget of availability, error rate or latency uses the windows and rates of the
workbook. Objectives on outcomes are known only per window of the model: the interval of the long window must
exceed the rate, and the newest shorter window, if there is one, must confirm it.

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
from driftline_processor.core.policy.condition import error_budget
from driftline_processor.core.policy.signals import Signal, read_signal
from driftline_processor.core.service_level.level import LATENCIES
from driftline_processor.core.windows.window import length
from driftline_processor.present.names import LINKED, handle
from driftline_processor.present.wording import format_value

from .promql import MODEL, label, labels, matchers, one_of, series, summary
from .signal_queries import End, LeftOut, has_interval, query

PERIOD: Final = "30d"
"""Period of an error budget, as in the workbook."""

ALERT: Final = "BudgetBurns"
"""Name of the alerts on error budgets."""

Rule = dict[str, Any]
"""A rule in Prometheus's format."""


class Burn(NamedTuple):
    """An alert on the burn rate of a budget.

    Attributes:
        long: The longer window, whose rate must exceed the factor.
        short: The shorter window, which ends the alert soon; "" = none.
        factor: Threshold of the burn rate.
        severity: Severity of the alert.
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
"""Windows over which calls are counted."""


class Budget(NamedTuple):
    """The error budget of an objective.

    Attributes:
        model: Name of the model.
        objective: The objective.
        allowed: Allowed fraction of failures.
        counted: Whether calls are counted; else the model's windows are used.
        longs: If not counted: window of the model → its shorter window, "" for none.
    """

    model: str
    objective: Objective
    allowed: float
    counted: bool
    longs: tuple[tuple[str, str], ...] = ()

    @property
    def signal(self) -> Signal:
        """The signal of the objective."""
        return read_signal(self.objective.metric, self.objective.slice)

    @property
    def rule(self) -> str:
        """The objective as a label value."""
        rule = self.objective.rule
        return rule if len(rule) <= LINKED else handle(rule)


def budgets(models: Mapping[str, Model]) -> tuple[list[Budget], list[LeftOut]]:
    """Return the error budgets of the objectives of models, and the objectives without one."""
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
    """Return the configuration key of an objective, for the first model; a tier may define it for many.

    >>> _place(["churn", "fraud", "spam"], "mae <= 3")
    "models.churn.performance.objectives, as in 2 more: 'mae <= 3'"
    """
    more = f", as in {len(names) - 1:,} more" if len(names) > 1 else ""
    return f"models.{names[0]}.performance.objectives{more}: '{rule}'"


def _budget(name: str, model: Model, objective: Objective) -> Budget | str:
    """Return the budget of an objective, or the reason why it has none."""
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
    """Return the longest of the windows shorter than ``long``; "" for none."""
    return max((name for name in windows if length(name) < length(long)), key=length, default="")


def burn_of(long: str, short: str) -> Burn:
    """Return the alert on a window of a model: the rate of the workbook's shortest window of at least this length."""
    row = next((row for row in WORKBOOK if length(long) <= length(row.long)), WORKBOOK[-1])
    return Burn(long, short, row.factor, row.severity)


def recorded(kind: str, window: str) -> str:
    """Return the name of a recorded rate: ``rate`` of counted calls, ``window`` or ``window_least`` of windows."""
    level = m.INSTRUMENTS[m.DRIFTLINE_OBJECTIVE_STATUS].prometheus.removesuffix("_status")
    return f"{level}:burn_{kind}{window}"


def recording_rules(budgets: Sequence[Budget]) -> Iterator[Rule]:
    """Yield rules that record burn rates; at rate 1, the budget is used up exactly at the end of the period.

    The model is a label of each rule although the series have it, because ``promtool check rules`` treats two rules
    with the same labels as duplicates, whatever their expressions are.
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
    """Return the fraction of counted calls that failed the objective over a past period."""
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
    """Return the rate of calls that an objective counts."""
    models = (one_of([budget.model]),)
    if budget.objective.metric in LATENCIES:
        return f"rate({series(m.DRIFTLINE_PREDICT_DURATION, models, {}, '_count')}[{window}])"
    return (
        f"sum without ({label(a.ML_PREDICTION_CLASS)}) (rate({series(m.DRIFTLINE_PREDICTIONS, models, {})}[{window}]))"
    )


def _bounds(limit: float) -> list[str]:
    """Return the notations of a bucket bound in the text format and in OpenMetrics; only one of them occurs."""
    return [f"{limit:g}", repr(float(limit))]


def _spent(budget: Budget, window: str, *, significant: bool) -> str:
    """Return the fraction of failures in the newest window; ``significant``: the lower end of its interval."""
    objective = budget.objective
    end: End = ("high" if objective.upwards else "low") if significant else "value"
    spent_query = query(budget.signal, window, (one_of([budget.model]),), end)
    without = f"max by ({labels(MODEL)}) ({spent_query})"
    return f"(1 - {without})" if objective.upwards else without


def alerts(budgets: Sequence[Budget], runbook: str) -> Iterator[Rule]:
    """Yield the alerts on burn rates: one per pair of windows over all its models."""
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
            f"{burn.factor:g}. The page of the model shows the cause.",
            "runbook": runbook,
        },
    }
