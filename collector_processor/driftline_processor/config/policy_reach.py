"""Which policies could never fire: what they ask for is not there in any model that they are about.

A model that nobody declared appears by itself, with windows of an hour and a day and without objectives. So a name that
no declared model has is a warning, and a problem only where it misspells one; what no model of that name could have,
declared or not, is a problem.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase

from driftline.tables.task import KINDS, Task

from driftline_processor.core.metrics import metric_of, metrics_of_task, misnamed
from driftline_processor.core.metrics.names import parse_name
from driftline_processor.core.nearest_names import listed, misspelt, near, nearest
from driftline_processor.core.policy import (
    BurnRate,
    Comparison,
    Condition,
    GroupsApart,
    ObjectiveBroken,
    contradiction,
    leaves,
    settled,
)
from driftline_processor.core.policy.signals import ESTIMATED, Signal
from driftline_processor.core.windows.window import length
from driftline_processor.custom_metrics import unusable_names

from .model import Model
from .policies import DEFAULT_POLICY, Policy, Silence

_WILD = "*?["


def unreachable(policies: Mapping[str, Policy], models: Mapping[str, Model]) -> Iterator[str]:
    """Yield a sentence for everything because of which a policy could never fire, or never be told or over.

    Args:
        policies: By name; those that are switched off are not looked at.
        models: The declared ones.
    """
    for name, policy in policies.items():
        if policy.enabled:
            yield from (f"policies.{name}.{problem}" for problem in _problems(name, policy, policies, models))


def misspelt_models(
    policies: Mapping[str, Policy], silences: Mapping[str, Silence], models: Mapping[str, Model]
) -> Iterator[str]:
    """Yield a sentence for every name of a model that misspells a declared one; whoever means another declares it.

    Args:
        policies: By name; those that are switched off are not looked at.
        silences: By name.
        models: The declared ones.
    """
    named = {f"policies.{name}": policy.models for name, policy in policies.items() if policy.enabled}
    named |= {f"silences.{name}": silence.models for name, silence in silences.items()}
    for place, patterns in named.items():
        for pattern in patterns:
            if meant := _misspelt(pattern, models):
                fix = f"did you mean '{meant:.80}'? If it is another model, declare it: models: {{{pattern:.80}: {{}}}}"
                yield f"{place}.models: no declared model is called '{pattern:.80}'; {fix}"


def unlikely(
    policies: Mapping[str, Policy], silences: Mapping[str, Silence], models: Mapping[str, Model], told: Collection[str]
) -> Iterator[str]:
    """Yield a sentence for everything of a policy or silence that was probably not meant so.

    Args:
        policies: By name.
        silences: By name.
        models: The declared ones.
        told: The channels of a policy that names none.
    """
    for name, policy in policies.items():
        if not policy.enabled:
            continue
        yield from (f"policies.{name}.models: {said}" for said in _undeclared(policy.models, models))
        about = [model for called, model in models.items() if policy.covers(called, model.tier)]
        yield from (f"policies.{name}.{said}" for said in _settled(policy))
        yield from (f"policies.{name}.{said}" for said in _undeclared_features(policy, about))
        named = [model for called, model in models.items() if policy.covers(called, (policy.tiers or (None,))[0])]
        if policy.tiers and named and not about:
            tiers = listed([str(tier) for tier in policy.tiers])
            yield f"policies.{name}.tiers: no declared model is of tier {tiers}; give one a tier, or leave the key out"
    untold = [name for name, policy in policies.items() if not told and _is_untold(name, policy)]
    if untold:
        yield (
            f"policies.{untold[0]}: nobody is told and nothing is done, also of {listed(untold[1:])}"
            if untold[1:]
            else f"policies.{untold[0]}: nobody is told and nothing is done"
        ) + "; write 'notify' at the top of the file, or 'notify' or 'actions' in the policy"
    for name, silence in silences.items():
        yield from (f"silences.{name}.models: {said}" for said in _undeclared(silence.models, models))
        for pattern in silence.policies:
            if not any(fnmatchcase(policy, pattern) for policy in policies):
                yield f"silences.{name}.policies: there is no policy '{pattern:.80}'; {near(pattern, [*policies])}"


def _is_untold(name: str, policy: Policy) -> bool:
    """Return True where somebody wrote a policy that tells nobody by itself, and does nothing."""
    written = name != DEFAULT_POLICY or policy.model_fields_set != {"when"}
    return policy.enabled and written and not policy.notify and not policy.actions


def _undeclared(patterns: Sequence[str], models: Mapping[str, Model]) -> Iterator[str]:
    """Yield each name of a model that none has which is declared; of a pattern only where one is nearly so called."""
    for pattern in patterns:
        if not models or any(fnmatchcase(name, pattern) for name in models) or _misspelt(pattern, models):
            continue
        plain = pattern.strip(_WILD + "]")
        meant = nearest(plain, [*models], 1)
        if not any(mark in pattern for mark in _WILD) or (plain and meant):
            fix = f"did you mean '{meant[0]}'? One" if meant else f"there are {listed([*models])}; one"
            yield f"no declared model is called '{pattern:.80}'; {fix} that appears by itself counts, too"


def _misspelt(pattern: str, models: Mapping[str, Model]) -> str:
    """Return the declared model that a name misspells; "" where it is a pattern, or none does."""
    plain = not any(mark in pattern for mark in _WILD)
    return misspelt(pattern, [*models]) if plain and pattern not in models else ""


def _undeclared_features(policy: Policy, about: Sequence[Model]) -> Iterator[str]:
    """Yield each feature of a condition that is nearly called as one which a model of the policy declares."""
    declared = {feature for model in about for feature in model.features}
    for key, condition in (("when", policy.condition), ("resolve", policy.resolution)):
        for one in leaves(condition) if condition is not None else ():
            feature = one.signal.feature if isinstance(one, Comparison) else ""
            meant = nearest(feature, [*declared], 1) if feature and feature not in declared else []
            if meant:
                yield f"{key}: no declared feature is called '{feature:.80}'; did you mean '{meant[0]}'?"


def _settled(policy: Policy) -> Iterator[str]:
    """Yield each comparison of a policy that holds in no window, or in every one."""
    for key, condition in (("when", policy.condition), ("resolve", policy.resolution)):
        for one in leaves(condition) if condition is not None else ():
            if isinstance(one, Comparison) and (said := settled(one)):
                yield f"{key}: '{one.written:.80}' {said}"


def _problems(name: str, policy: Policy, policies: Mapping[str, Policy], models: Mapping[str, Model]) -> Iterator[str]:
    about = {called: model for called, model in models.items() if policy.covers(called, model.tier)}
    every = about if _only_declared(policy.models, models) else {**about, "": Model()}
    condition = policy.condition
    for key, one in (("when", condition), ("resolve", policy.resolution)):
        if one is not None:
            yield from (f"{key}: {problem}" for problem in _unknown_to_all(one, every, about))
    if policy.resolution is not None and (found := contradiction(condition, policy.resolution)):
        yield f"resolve: {found}"
    lengths = {policy.window: "window"} if policy.window else {}
    lengths |= {of: "when" for one in leaves(condition) if isinstance(one, BurnRate) for of in (one.short, one.long)}
    known = sorted({window for model in every.values() for window in model.windows}, key=length)
    for of, key in lengths.items():
        if every and of not in known:
            yield f"{key}: no model that it is about has windows of '{of}'; there are {', '.join(known)}"
    if (circle := _circle(name, policies)) is not None:
        last = circle[-1]
        if last == name:
            yield "unless: it waits for itself, so it would never be told; name another"
        else:
            yield f"unless: it waits for '{last:.80}', which waits for it, so neither would be told; name another"


def _only_declared(patterns: Sequence[str], models: Mapping[str, Model]) -> bool:
    """Return True where each pattern is the name of a declared model, and no other model can be meant."""
    return all(pattern in models for pattern in patterns)


def _unknown_to_all(condition: Condition, every: Mapping[str, Model], about: Mapping[str, Model]) -> Iterator[str]:
    """Yield each metric and objective of a condition that no model has which a policy is about."""
    for one in leaves(condition):
        if isinstance(one, Comparison) and every and _is_metric(one.signal):
            name, custom = one.signal.name.removeprefix(ESTIMATED), unusable_names()
            found = [misnamed(name, model.task or "", custom) for model in every.values()]
            if all(found):
                yield found[0]
            elif not any(_is_computed(name, model) for model in every.values()):
                fix = "name it in performance.metrics of the model"
                yield f"'{name:.80}' is only computed where it is asked for; {fix}"
        elif isinstance(one, GroupsApart):
            yield from _unknown_groups(one, about)
        elif isinstance(one, ObjectiveBroken):
            rules = [asked.rule for model in about.values() for asked in model.performance.objectives]
            if not rules:
                yield f"'{one.written:.80}': no model that it is about has an objective; declare one below the model"
            elif one.rule and one.rule not in rules:
                yield f"'{one.written:.120}': no model that it is about has this objective; {near(one.rule, rules, 3)}"


def _unknown_groups(condition: GroupsApart, about: Mapping[str, Model]) -> Iterator[str]:
    """Yield why no model that a policy is about has the groups that a condition compares."""
    written = f"'{condition.written:.120}'"
    binary = [model for model in about.values() if not model.task or Task(model.task).has_threshold]
    if about and not binary:
        yield f"{written}: only the decisions of a binary model are compared, and no model that it is about is one"
        return
    named = list(dict.fromkeys(name for model in binary for name in model.performance.fairness.attributes))
    if not named:
        fix = f"write 'performance: {{fairness: {{attributes: [{condition.attribute:.80}]}}}}' below the model"
        yield f"{written}: no model that it is about names groups; {fix}"
    elif condition.attribute not in named:
        meant = near(condition.attribute, named)
        yield f"{written}: no model that it is about names groups by '{condition.attribute:.80}'; {meant}"


def _is_computed(name: str, model: Model) -> bool:
    """Return True where windows of a model may have a metric: it is usual for its task, or asked for."""
    parsed = parse_name(name)
    metric = None if parsed is None else metric_of(parsed.base)
    if parsed is None or metric is None or parsed.of is not None:
        return True
    if "ranking" in metric.tasks or (parsed.at is not None and "regression" in metric.tasks):
        return True  # cutoffs and quantiles are the model's own
    kinds = [model.task] if model.task else sorted(KINDS)
    return any(name in metrics_of_task(Task(kind), model.performance.asked.metrics) for kind in kinds)


def _is_metric(signal: Signal) -> bool:
    """Return True where a signal is a metric, which models of some tasks have and others have not."""
    return signal.of_outcomes or signal.name.startswith(ESTIMATED)


def _circle(name: str, policies: Mapping[str, Policy]) -> list[str] | None:
    """Return the policies that wait for each other, the first of which is ``name``; None where none does."""
    seen: set[str] = set()
    ahead = [name]
    while ahead:
        one = ahead.pop()
        if one in seen or one not in policies:
            continue
        seen.add(one)
        if name in policies[one].unless:
            return [one] if one == name else [name, one]
        ahead += policies[one].unless
    return None
