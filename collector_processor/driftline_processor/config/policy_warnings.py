"""Warnings about policies and silences that match no declared model.

Undeclared models appear with their first prediction, so these are warnings and not errors.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase

from driftline.tables.task import Task

from driftline_processor.core.evaluation import MetricValue
from driftline_processor.core.metrics import direction, metrics_of_task, misnamed
from driftline_processor.core.nearest_names import listed, near, nearest
from driftline_processor.core.policy.condition import (
    BurnRate,
    Comparison,
    Condition,
    GroupsApart,
    ObjectiveBroken,
    leaves,
    objective_of,
    settled,
)
from driftline_processor.core.policy.signals import ESTIMATED
from driftline_processor.custom_metrics import unusable_names

from .model import Model
from .policies import DEFAULT_POLICY, Policy, Silence
from .section import Problem, under


def policy_warnings(
    policies: Mapping[str, Policy],
    silences: Mapping[str, Silence],
    models: Mapping[str, Model],
    channels: Collection[str],
) -> Iterator[Problem]:
    """Yield a problem for each part of a policy or silence that has no effect.

    Args:
        policies: The enabled policies, by name.
        silences: Silences by name.
        models: The declared models, by name.
        channels: Default channels of policies.
    """
    for name, policy in policies.items():
        yield from under(f"policies.{name}", _warnings(name, policy, models))
        is_declared = name != DEFAULT_POLICY or policy.model_fields_set != {"when"}
        if is_declared and not (channels or policy.notify or policy.actions):
            yield Problem(f"policies.{name}", "has no channel and no action; add 'notify' or 'actions'")
        if policy.actions and not any(policy.covers(model, keys.tier) for model, keys in models.items()):
            yield Problem(
                f"policies.{name}.actions",
                "never run, because the policy covers no declared model; declare its models under 'models'",
            )
    for name, silence in silences.items():
        yield from under(f"silences.{name}", _undeclared(silence.models, models))
        for pattern in silence.policies:
            if not any(fnmatchcase(policy, pattern) for policy in policies):
                yield Problem(
                    f"silences.{name}.policies", f"there is no policy '{pattern:.80}'; {near(pattern, [*policies])}"
                )


def _warnings(name: str, policy: Policy, models: Mapping[str, Model]) -> Iterator[Problem]:
    yield from _undeclared(policy.models, models)
    covered = [model for model_name, model in models.items() if policy.covers(model_name, model.tier)]
    if models and policy.tiers and not covered:
        yield Problem("tiers", f"no model in the configuration has tier {listed([str(tier) for tier in policy.tiers])}")
    if name in policy.unless:
        yield Problem("unless", "contains the policy itself, so the policy never sends an alert")
    for key, condition in (("when", policy.condition), ("resolve", policy.resolution)):
        for leaf in () if condition is None else leaves(condition):
            yield from (Problem(key, f"'{leaf.text:.80}' {warning}") for warning in _condition_warnings(leaf, covered))
    objective = None if policy.condition is None else objective_of(policy.condition, policy=name)
    if objective is not None and not objective.slice:
        for model in covered:
            if words := no_room(f"'{objective.rule:.80}'", objective.metric, objective.limit, _baseline_metrics(model)):
                yield Problem("when", words)
    windows = {window for model in covered for window in model.windows}
    if policy.window and covered and policy.window not in windows:
        yield Problem(
            "window",
            f"no model in the configuration has windows of '{policy.window}'; {near(policy.window, sorted(windows))}",
        )


def no_room(limit_name: str, metric: str, limit: float, reference: Mapping[str, MetricValue]) -> str:
    """Return the warning that a baseline's own interval reaches beyond a limit; "" if it does not.

    >>> was = {"accuracy": MetricValue(0.72, 900, "panes", low=0.69, high=0.75)}
    >>> no_room("the limit", "accuracy", 0.7, was)
    'the limit is too close to the baseline: accuracy is 0.72 (0.69 to 0.75) there; relax it'
    >>> no_room("the limit", "accuracy", 0.65, was)
    ''
    """
    was, good = reference.get(metric), direction(metric)
    if was is None or was.value is None or was.low is None or was.high is None:
        return ""
    if good * ((was.low if good > 0 else was.high) - limit) >= 0:
        return ""
    value, low, high = (f"{end:.3g}" for end in (was.value, was.low, was.high))
    return f"{limit_name} is too close to the baseline: {metric} is {value} ({low} to {high}) there; relax it"


def _baseline_metrics(model: Model) -> Mapping[str, MetricValue]:
    """Return the metrics of a configured baseline; {} without one, or if it is not readable."""
    from driftline.baseline.baseline import Baseline

    from driftline_processor.core.performance.reference import reference_of

    if model.baseline is None:
        return {}
    try:
        return reference_of(Baseline.load(model.baseline), model.performance.settings)
    except (OSError, ValueError):
        return {}  # an error of the configuration


def _undeclared(patterns: Sequence[str], models: Mapping[str, Model]) -> Iterator[Problem]:
    for pattern in patterns:
        if models and pattern != "*" and not any(fnmatchcase(name, pattern) for name in models):
            yield Problem("models", f"the configuration has no model '{pattern:.80}'; {near(pattern, [*models])}")


def _condition_warnings(condition: Condition, models: Sequence[Model]) -> Iterator[str]:
    """Yield why a condition never or always holds; ``models``: the declared models of its policy."""
    match condition:
        case Comparison(signal=signal):
            if warning := settled(condition):
                yield warning
            columns = [column for model in models for column in model.features]
            if signal.feature and signal.feature not in columns and nearest(signal.feature, columns):
                yield f"uses a column that is not declared; {near(signal.feature, columns)}"
            metric = signal.name.removeprefix(ESTIMATED)
            if models and (signal.of_outcomes or metric != signal.name):
                problems = [_metric_problem(metric, model) for model in models]
                if all(problems):
                    yield f"has no value: {problems[0]}"
        case GroupsApart(attribute=attribute) if models:
            attributes = [name for model in models for name in model.performance.fairness.attributes]
            if attribute not in attributes:
                fix = near(attribute, attributes)
                yield f"compares groups of an attribute that no model has in performance.fairness.attributes; {fix}"
        case ObjectiveBroken(rule=rule) if models:
            rules = [objective.rule for model in models for objective in model.performance.objectives]
            if not rules or (rule and rule not in rules):
                yield f"uses an objective that no model has; {near(rule, rules)}"
        case BurnRate(short=short, long_window=long) if models:
            windows = {window for model in models for window in model.windows}
            for window in {short, long} - windows:
                yield f"needs windows of '{window}', which no declared model has"
        case _:
            pass


def _metric_problem(name: str, model: Model) -> str:
    """Return why the windows of a model cannot have a metric; "" if they can."""
    if problem := misnamed(name, model.task or "", unusable_names()):
        return problem
    task = Task(model.task or "")
    is_parametrized = "[" in name or (
        "@" in name and not task.has_classes
    )  # the metric of a class, a cutoff or a quantile
    if is_parametrized or task.may_rank_items or name in metrics_of_task(task, model.performance.settings.metrics):
        return ""
    return f"'{name:.80}' is computed only if it is in performance.metrics of the model"
