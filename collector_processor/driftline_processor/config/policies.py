"""The keys of ``policies.NAME`` and ``silences``: conditions, notifications, and when there are none."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import timedelta
from fnmatch import fnmatchcase
from typing import Annotated

from pydantic import BeforeValidator, Field, StrictBool, ValidationError

from driftline_processor.core.business import PREFIX
from driftline_processor.core.nearest_names import near
from driftline_processor.core.performance.objective import Objective
from driftline_processor.core.policy.condition import (
    AllOf,
    AnyOf,
    Comparison,
    Condition,
    VerdictIs,
    leaves,
    objective_of,
    read_condition,
)
from driftline_processor.core.policy.firing import Patience
from driftline_processor.core.policy.rule import MOST_WINDOWS, Rule
from driftline_processor.core.windows.window import length

from .channels import Escalation, Severity, Tier
from .problems import problem_of
from .section import Problem, Section
from .values import Days, Form, Moment, PageUrl, Text, WindowName, one_or_several

DEFAULT_POLICY = "health"
"""The policy that exists without configuration: every channel is notified of models that become degraded."""

MOST_PARTS = 20

Texts = Annotated[tuple[Text, ...], BeforeValidator(one_or_several)]


def _condition(value: object, depth: int = 0) -> object:
    """Check a condition: a sentence, or ``{all: [...]}`` and ``{any: [...]}`` of conditions."""
    read(value, significant=False, depth=depth)
    return value


def read(value: object, *, significant: bool, depth: int = 0) -> Condition:
    """Read a condition. Raises ``ValueError`` with the rule and the fix."""
    if isinstance(value, str):
        return read_condition(value, significant=significant)
    fix = "use a sentence such as 'accuracy < 85 %', or {all: [...]} or {any: [...]} with sentences"
    if not isinstance(value, Mapping) or len(value) != 1 or not {*value} <= {"all", "any"}:
        raise ValueError(f"{value!r:.80} is not a condition; {fix}")
    (kind, parts), *_ = value.items()
    if depth > 2 or not isinstance(parts, list | tuple) or not 1 <= len(parts) <= MOST_PARTS:
        raise ValueError(f"{kind}: {parts!r:.80} is not a list of 1 to {MOST_PARTS} conditions; {fix}")
    conditions = tuple(read(part, significant=significant, depth=depth + 1) for part in parts)
    return AllOf(conditions) if kind == "all" else AnyOf(conditions)


When = Annotated[str | dict[str, list[object]], BeforeValidator(_condition), Form("condition")]


class Policy(Section):
    """A condition over time, and who is notified when it holds."""

    enabled: StrictBool = Field(
        default=True,
        description="`false` disables the policy, even if it is the default policy.",
        examples=["false"],
    )
    when: When = Field(
        description="[The condition](../alert/policies.md#conditions): a sentence, or `all` or `any` of "
        "several conditions.",
        examples=["accuracy < 85 %", '{all: [features drift, "ctr < 0.95 * baseline"]}'],
    )
    significant: StrictBool = Field(
        default=False,
        description="Whether the whole confidence interval of the value must be beyond the limit, not only the value. "
        "This means fewer false alarms and later detection.",
        examples=["true"],
    )
    window: WindowName | None = Field(
        default=None,
        description="The windows in which the condition is evaluated.",
        examples=["1d"],
        json_schema_extra={
            "default": "for a burn rate, its shorter window; for a rolling objective, the shortest window of the "
            "model; otherwise the longest window of the model"
        },
    )
    in_a_row: Annotated[int, Field(ge=1, le=MOST_WINDOWS, strict=True)] = Field(
        default=1, description="In how many windows in a row the condition must be true.", examples=["3"]
    )
    resolve: When | None = Field(
        default=None,
        description="The condition that must be true before the alert is over. A second limit avoids repeated "
        "alerts for a value that stays close to the first limit.",
        examples=["accuracy > 87 %"],
        json_schema_extra={"default": "`when` is not true"},
    )
    resolve_after: Annotated[int, Field(ge=1, le=MOST_WINDOWS, strict=True)] = Field(
        default=1, description="In how many windows in a row `resolve` must be true.", examples=["2"]
    )
    cool_down: Days = Field(
        default=timedelta(hours=1),
        description="How long the condition must stay false before the alert ends. This time is measured from the end "
        "of the first window in which the condition is false to the end of the newest window. If the condition "
        "becomes true again within this time, the same alert continues. So one healthy window between two degraded "
        "windows does not end the alert.",
        examples=["6h"],
    )
    models: Texts = Field(
        default=("*",), description="The names of the models; `*` matches any part.", examples=["[churn-*]"]
    )
    tiers: tuple[Tier, ...] = Field(
        default=(),
        description="Apply the policy only to models of these tiers.",
        examples=["[1]"],
        json_schema_extra={"default": "all"},
    )
    severity: Severity | None = Field(
        default=None,
        description="The severity of the alert.",
        examples=["critical"],
        json_schema_extra={"default": "`critical` for a model that is degraded or has no data, otherwise `warning`"},
    )
    owner: Text | None = Field(
        default=None,
        description="Who is responsible for the alert.",
        examples=["fraud-oncall"],
        json_schema_extra={"default": "the team of the model"},
    )
    runbook: PageUrl = Field(
        default="",
        description="The URL of the runbook, which each message links to.",
        examples=["https://wiki.example.com/churn-accuracy"],
        json_schema_extra={"default": "[the included runbook](../runbooks/index.md) for the cause"},
    )
    notify: Texts = Field(
        default=(),
        description="The names of the channels.",
        examples=["[oncall]"],
        json_schema_extra={"default": "`notify` at the top of the file"},
    )
    escalate: Escalation | None = Field(
        default=None, description="Who else is notified if nobody acknowledges an alert."
    )
    actions: Texts = Field(
        default=(),
        description="The names of the [actions](../alert/actions.md), which run once per incident. "
        "[Several policies may name the same "
        "action](../alert/actions.md#when-an-action-runs).",
        examples=["[jira/payments]"],
    )
    unless: Texts = Field(
        default=(),
        description="The names of other policies. While one of these policies fires for the same model, this policy "
        "does not notify.",
        examples=["[feature-pipeline]"],
    )

    group: StrictBool = Field(
        default=True,
        description="Whether alerts of this policy share [one "
        "message](../alert/notifications.md#threads) with the alerts of other policies that fire for "
        "the same model. `false`: each alert has its own messages and actions.",
        examples=["false"],
    )

    @property
    def condition(self) -> Condition:
        """The parsed condition."""
        return read(self.when, significant=self.significant)

    @property
    def resolution(self) -> Condition | None:
        """The parsed resolve condition; None = the condition no longer holds."""
        return None if self.resolve is None else read(self.resolve, significant=self.significant)

    @property
    def rule(self) -> Rule:
        """The condition with its patience, for the evaluation of windows."""
        patience = Patience(self.in_a_row, self.resolve_after, self.cool_down // timedelta(microseconds=1) * 1_000)
        return Rule(self.condition, patience, self.resolution, self.window or "")

    def severity_in(self, state: str) -> Severity:
        """Return the severity of an alert in a state of the verdict, "" for a policy with another condition."""
        if self.severity is not None:
            return self.severity
        return "critical" if state in ("degraded", "no_data") else "warning"

    def covers(self, model: str, tier: int | None) -> bool:
        """Return True if the policy covers a model."""
        return _matches(model, self.models) and (not self.tiers or tier in self.tiers)

    def problems(
        self, policies: Collection[str], channels: Collection[str], actions: Collection[str]
    ) -> Iterator[Problem]:
        """Yield a problem for every policy, channel and action that does not exist."""
        for name in self.notify:
            if name not in channels:
                yield Problem("notify", f"there is no channel '{name:.80}'; {near(name, [*channels])}")
        if self.escalate is not None:
            yield from self.escalate.problems(channels)
        for name in self.actions:
            if name not in actions:
                yield Problem("actions", f"there is no action '{name:.80}'; {near(name, [*actions])}")
        for name in self.unless:
            if name not in policies:
                yield Problem("unless", f"there is no policy '{name:.80}'; {near(name, [*policies])}")
        if self.resolve is not None and isinstance(self.condition, VerdictIs):
            yield Problem("resolve", "a condition on the verdict ends when the verdict changes; remove resolve")


def policy_objectives(
    policies: Mapping[str, Policy], model: str, tier: int | None, windows: Collection[str]
) -> tuple[Objective, ...]:
    """Return the objectives of a model that policies of severity warning or above state, one per rule.

    Args:
        policies: The evaluated policies by name.
        model: Name of the model.
        tier: Its tier; None without one.
        windows: Names of its windows; () = all rows are one window.
    """
    longest, objectives = max(windows, key=length, default=""), dict[str, Objective]()
    for name, policy in policies.items():
        if policy.severity == "info" or not policy.covers(model, tier):
            continue
        objective = objective_of(policy.condition, policy.window or longest if windows else "", name)
        if objective is not None:
            objectives.setdefault(objective.rule, objective)
    return tuple(objectives.values())


def business_of(policy: Policy) -> Iterator[str]:
    """Yield the names of the business series in a policy's conditions."""
    for condition in (policy.condition, policy.resolution):
        for leaf in () if condition is None else leaves(condition):
            if isinstance(leaf, Comparison) and leaf.signal.is_business:
                yield leaf.signal.name.removeprefix(PREFIX)


HEALTH = "verdict is degraded or no_data or at_risk"
"""The condition of the default policy; a model at risk needs two consecutive windows."""


def with_default_policy(value: object) -> object:
    """Add the default policy; a configured policy of its name overrides single keys."""
    if not isinstance(value, Mapping):
        return value
    default_policy = value.get(DEFAULT_POLICY)
    named_policy = (
        default_policy if isinstance(default_policy, Mapping) else {} if default_policy is None else default_policy
    )
    health = {"when": HEALTH, **named_policy} if isinstance(named_policy, Mapping) else named_policy
    return {DEFAULT_POLICY: health, **{name: policy for name, policy in value.items() if name != DEFAULT_POLICY}}


class Silence(Section):
    """A period without notifications about some models. Alerts that are open at its end are notified then."""

    models: Texts = Field(
        default=("*",), description="The names of the models; `*` matches any part.", examples=["[churn]"]
    )
    environments: Texts = Field(default=("*",), description="The environments of the models.", examples=["[staging]"])
    policies: Texts = Field(default=("*",), description="The names of the policies.", examples=["[health]"])
    since: Moment = Field(description="The start of the silence.", examples=["2026-12-24T00:00:00Z"])
    until: Moment = Field(description="The end of the silence.", examples=["2026-12-27T00:00:00Z"])

    def covers(self, model: str, environment: str, policy: str, now: int) -> bool:
        """Return True if a model is silenced in an environment for a policy at a time, unix nanoseconds."""
        if not self.since <= now < self.until:
            return False
        return self.names(model) and _matches(environment, self.environments) and _matches(policy, self.policies)

    def names(self, model: str) -> bool:
        """Return True if it covers a model."""
        return _matches(model, self.models)

    def problems(self) -> Iterator[Problem]:
        """Yield a problem for every rule that is broken."""
        if self.until <= self.since:
            yield Problem("until", "must be later than 'since'; use a later time")


def _matches(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


class _Policies(Section):
    """A file with only the section ``policies``."""

    policies: Annotated[dict[str, Policy], BeforeValidator(with_default_policy)]


def read_policies(value: object) -> dict[str, Policy]:
    """Read the section ``policies`` and add the default policy; channels are not checked.

    Raises:
        ValueError: All problems, one per line.
    """
    try:
        return _Policies.model_validate({"policies": value}).policies
    except ValidationError as invalid:
        problems = [problem_of(error, _Policies) for error in invalid.errors(include_url=False)]
        raise ValueError("\n".join(dict.fromkeys(map(str, problems)))) from None
