"""Policies as Prometheus alerts, as far as the derived metrics can express them.

A window's value is exported while it is the newest one, so "in a row" becomes the time for which a condition
holds, and an average over windows an average over time. Both are equal if windows close on time.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final, NamedTuple

from driftline.semconv import attributes as a
from driftline.semconv import metrics as m

from driftline_processor.config.model import Model
from driftline_processor.config.policies import DEFAULT_POLICY, HEALTH, Policy
from driftline_processor.core.policy.condition import (
    FEWEST_EARLIER,
    AllOf,
    AnyOf,
    BurnRate,
    Comparison,
    Condition,
    DataFaulty,
    Drifts,
    Limit,
    ObjectiveBroken,
    OutcomesLate,
    VerdictIs,
    error_budget,
)
from driftline_processor.core.policy.signals import Signal
from driftline_processor.core.windows.window import length
from driftline_processor.present.wording import duration

from .error_budgets import Rule
from .promql import (
    MODEL,
    Models,
    Wanted,
    globs,
    label,
    labels,
    literal,
    none_of,
    one_of,
    series,
    summary,
)
from .signal_queries import End, LeftOut, NoQueryError, by_model, query, reference_query

ALERT: Final = "PolicyFires"
"""Name of the alerts of policies; their label ``policy`` is the policy's name."""

SEVERITIES: Final = {"critical": "page", "warning": "ticket", "info": "info", None: "ticket"}
"""Severity of a policy → the label ``severity`` of all alerts."""

SAMPLES: Final = 12
"""Samples per window in an average over windows; one may be missing at an edge."""

STALE: Final = "5m"
"""Time for which Prometheus shows the last sample of a series."""

GRAVE: Final = frozenset({"degraded", "no_data"})
"""Verdicts with severity page."""


class Scope(NamedTuple):
    """Models of a policy, and the windows of its evaluation.

    Attributes:
        models: The models.
        window: Name of the length of their windows.
    """

    models: Models
    window: str


def scopes(policy: Policy, models: Mapping[str, Model]) -> list[Scope]:
    """Return the models of a policy, grouped by their windows.

    A model without configuration has no tier and the default windows.
    """
    covered = {name: model for name, model in models.items() if policy.covers(name, model.tier)}
    patterned = any(set("*?[") & set(pattern) for pattern in policy.models)
    if not policy.tiers and not patterned:
        covered |= {name: Model() for name in policy.models if name not in models}
    by_window: dict[str, list[str]] = {}
    for name, model in covered.items():
        by_window.setdefault(_window(policy, model), []).append(name)
    if policy.tiers or not patterned:
        return [Scope((one_of(names),), window) for window, names in by_window.items()]
    usual = _window(policy, Model())
    window_scopes = [Scope((one_of(names),), window) for window, names in by_window.items() if window != usual]
    other_names = [name for window, names in by_window.items() if window != usual for name in names]
    all_of_them = globs(policy.models)
    every = () if all_of_them is None else (all_of_them,)
    return [Scope((*every, *([none_of(other_names)] if other_names else [])), usual), *window_scopes]


def _window(policy: Policy, model: Model) -> str:
    return policy.window or max(model.windows, key=length)


def policy_rules(
    policies: Mapping[str, Policy], models: Mapping[str, Model], runbook: str
) -> tuple[list[Rule], list[LeftOut]]:
    """Return the alerts of policies, and what PromQL cannot express of them.

    Args:
        policies: The enabled policies, by name.
        models: The models of the file, by name.
        runbook: Default runbook.
    """
    rules: list[Rule] = []
    left_out: list[LeftOut] = []
    for name, policy in policies.items():
        if name == DEFAULT_POLICY and policy.when == HEALTH:
            continue
        try:
            rules += [_alert(name, policy, scope, runbook) for scope in scopes(policy, models)]
        except NoQueryError as reason:
            left_out.append(LeftOut(f"policies.{name}.when", str(reason)))
            continue
        if policy.resolve is not None:
            why = (
                "PromQL cannot query whether an alert is open; "
                "the alert is resolved when the condition has been false for cool_down"
            )
            left_out.append(LeftOut(f"policies.{name}.resolve", why))
    return rules, left_out


def _alert(name: str, policy: Policy, scope: Scope, runbook: str) -> Rule:
    condition = policy.condition
    hold_time = (policy.in_a_row - 1) * length(scope.window)
    windows = max(policy.resolve_after - 1, -(-policy.rule.patience.cool_down // length(scope.window)))
    quiet = windows * length(scope.window)
    severity = SEVERITIES[policy.severity]
    if policy.severity is None and isinstance(condition, VerdictIs) and set(condition.states) <= GRAVE:
        severity = "page"
    labels = {"severity": severity, "policy": literal(name), label(a.DRIFTLINE_WINDOW): scope.window}
    # 300 * 10**9: nanoseconds for which the last window must show it, to ignore a restart or a failed scrape
    return {
        "alert": ALERT,
        "expr": _expression(condition, scope),
        "for": duration(hold_time + (300 * 10**9)),
        **({"keep_firing_for": duration(quiet)} if quiet else {}),
        "labels": {**labels, **({"owner": literal(policy.owner)} if policy.owner else {})},
        "annotations": {
            "summary": summary(f"the policy {literal(name)} fires"),
            "description": f"The condition is {literal(condition.text)}, in windows of {scope.window}.",
            "runbook": literal(policy.runbook) or runbook,
        },
    }


def _expression(condition: Condition, scope: Scope) -> str:
    """Return the query whose series are the versions of models for which a condition holds.

    Raises:
        NoQueryError: No query of the derived metrics expresses it.
    """
    models, window = scope
    of_window: Wanted = {a.DRIFTLINE_WINDOW: window}
    match condition:
        case AllOf(parts):
            return " and ".join(f"({_expression(part, scope)})" for part in parts)
        case AnyOf(parts):
            return " or ".join(f"({_expression(part, scope)})" for part in parts)
        case Comparison():
            return _comparison(condition, scope)
        case VerdictIs(states=states):
            return f"{by_model(series(m.DRIFTLINE_MODEL_STATUS, models, {a.DRIFTLINE_STATE: one_of(states)}))} == 1"
        case Drifts(column=column, count=count):
            drifted = {a.DRIFTLINE_DRIFT_COLUMN: column.removesuffix("s") if column == "features" else column}
            selected = {**of_window, **drifted, a.DRIFTLINE_DRIFT_SLICE: "", a.DRIFTLINE_STATE: "drift"}
            return f"count by ({labels(MODEL)}) ({series(m.DRIFTLINE_DRIFT_STATUS, models, selected)} == 1) >= {count}"
        case ObjectiveBroken(rule=rule):
            rule_label = {a.DRIFTLINE_OBJECTIVE_RULE: rule} if rule else {}
            selected = {**of_window, **rule_label, a.DRIFTLINE_STATE: "broken"}
            return f"{by_model(series(m.DRIFTLINE_OBJECTIVE_STATUS, models, selected))} == 1"
        case OutcomesLate():
            late = series(m.DRIFTLINE_OUTCOME_SLA_STATUS, models, {**of_window, a.DRIFTLINE_STATE: "broken"})
            return f"{by_model(late)} == 1"
        case BurnRate():
            return " and ".join(
                f"({_burn(condition, name, models)})" for name in (condition.short, condition.long_window)
            )
        case DataFaulty():
            raise NoQueryError(
                "the metric of data faults also counts minor faults, so a query would differ from this condition; "
                "use the alert DataFault, which includes minor faults"
            )
        case _:
            raise NoQueryError(
                f"'{condition.text}' cannot be written as a query of the metrics that Driftline exports; "
                "let Driftline send the notification"
            )


def _comparison(condition: Comparison, scope: Scope) -> str:
    end: End = "value"
    if condition.significant:
        end = "high" if condition.sign.startswith("<") else "low"
    number = by_model(query(condition.signal, scope.window, scope.models, end))
    compared = f"{number} {condition.sign} {_limit(condition.signal, condition.limit, scope)}"
    if condition.limit.of != "average":
        return compared
    window_count = _over_windows("count", condition.signal, condition.limit.windows, scope)
    return f"{compared} and {window_count} >= {SAMPLES * min(FEWEST_EARLIER, condition.limit.windows) - 1}"


def _limit(signal: Signal, limit: Limit, scope: Scope) -> str:
    """Return the limit as a number, or as a query per version of a model."""
    if not limit.of:
        return f"{limit.number:.12g}"
    if limit.of == "baseline":
        base = by_model(reference_query(signal, scope.window, scope.models))
    elif limit.of == "last week":
        base = f"last_over_time({by_model(query(signal, scope.window, scope.models))}[{STALE}:1m] offset 1w)"
    else:
        base = _over_windows("avg", signal, limit.windows, scope)
    expression = base if limit.factor == 1 else f"{limit.factor:.12g} * {base}"
    if limit.number:
        expression += f" {_sign(limit.number)} {abs(limit.number):.12g}"
    if limit.deviations:
        of_sample = math.sqrt(limit.windows / (limit.windows - 1))
        deviation = _over_windows("stddev", signal, limit.windows, scope)
        expression += f" {_sign(limit.deviations)} {abs(limit.deviations) * of_sample:.6g} * {deviation}"
    return f"({expression})"


def _sign(number: float) -> str:
    return "-" if number < 0 else "+"


def _over_windows(function: str, signal: Signal, windows: int, scope: Scope) -> str:
    """Return an aggregate over the time of the ``windows`` windows before the newest one."""
    base = by_model(query(signal, scope.window, scope.models))
    span = length(scope.window)
    return (
        f"{function}_over_time({base}[{duration(windows * span)}:{duration(span // SAMPLES)}] offset {duration(span)})"
    )


def _burn(condition: BurnRate, window: str, models: Models) -> str:
    """Return the query for a burn rate above the factor in the newest window of a length."""
    share = by_model(query(condition.signal, window, models))
    spent = f"(1 - {share})" if condition.objective.upwards else share
    allowed = error_budget(condition.objective)
    return f"{spent} / {allowed:.12g} > {condition.factor:.12g}"
