"""Keys shared by all kinds of actions below ``actions``. The keys of one kind are in ``policy/actions/KIND.py``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import (
    BeforeValidator,
    Field,
    ModelWrapValidatorHandler,
    PrivateAttr,
    SecretStr,
    StrictBool,
    ValidationInfo,
    model_validator,
)

from driftline_processor.core.nearest_names import near
from driftline_processor.core.policy.template import DECLARED_FACTS, FACTS, LINKS

from .kinds import ACTIONS
from .section import Problem, Section
from .values import Form, Seconds, one_or_several, parse_duration

Occasion = Literal["opened", "worse", "resolved"]
Occasions = Annotated[tuple[Occasion, ...], BeforeValidator(one_or_several)]


@dataclass(frozen=True, slots=True)
class RateLimit:
    """An upper limit of a rate.

    Attributes:
        count: Upper limit of times.
        within: Period of the limit.
    """

    count: int
    within: timedelta

    def __str__(self) -> str:
        seconds = int(self.within.total_seconds())
        unit, size = next((u, n) for u, n in (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)) if seconds % n == 0)
        return f"{self.count} per {seconds // size}{unit}"


def parse_rate(value: object) -> RateLimit:
    """Read ``3 per 1d``.

    >>> str(parse_rate("3 per 24h"))
    '3 per 1d'
    """
    if isinstance(value, RateLimit):
        return value
    match = re.fullmatch(r"\s*(\d{1,6})\s+per\s+(\S+)\s*", str(value))
    if match is None or not int(match[1]):
        raise ValueError(f"'{value:.60}' is not a rate; use a count and a period, such as '3 per 1d'")
    within = parse_duration(match[2], "d", "h")
    if within < timedelta(seconds=1):
        raise ValueError(f"'{value:.60}' has a period of less than 1 second; use a longer one, such as '3 per 1d'")
    return RateLimit(int(match[1]), within)


PerTime = Annotated[RateLimit, BeforeValidator(parse_rate), Form("`COUNT per DURATION`")]


class ActionKeys(Section):
    """Keys of every kind of action.

    Attributes:
        follows: Whether it runs again for what changes in its incident, and for an alert that ended and begins again.
        changes: Whether it may change what serves predictions, see :meth:`may_change_model`.
        targets: Keys whose placeholders choose what the action changes.
    """

    follows: ClassVar[bool] = False
    changes: ClassVar[bool] = True
    targets: ClassVar[tuple[str, ...]] = ()

    _filled: tuple[str, ...] = PrivateAttr(())

    on: Occasions = Field(
        default=("opened",),
        description="When the action runs for an incident: when the incident is `opened`, becomes `worse`, or is "
        "`resolved`.",
        examples=["[opened, worse]"],
    )
    dry_run: StrictBool = Field(
        default=False,
        description="Whether the action only records what it would send. Nothing is sent, and no approval is required.",
        examples=["true"],
    )
    approval: Literal["required", "none"] | None = Field(
        default=None,
        description="`required`: the action waits until a person [approves](../alert/actions.md#approve) it. `none`: "
        "the action runs without an approval. At each start, the processor writes to the audit log that no approval "
        "is required.",
        examples=["none"],
        json_schema_extra={
            "default": "`required` for `airflow`, `github`, `http`, `kubernetes` and `mlflow`, and for `cloudevents` "
            "if the name contains `retrain` or `rollback`; `none` for `jira` and `label_queue`"
        },
    )
    rate_limit: PerTime | None = Field(
        default=None,
        description="The maximum number of runs of the action, over all incidents. `limits.actions` also applies. "
        "Further runs are skipped: they are recorded as `held_back`, and do not run later.",
        examples=["3 per 1d"],
        json_schema_extra={"default": "no limit"},
    )
    retrains: StrictBool | None = Field(
        default=None,
        description="Whether the action retrains the model. While the verdict shows a data fault or a faulty output, "
        "such an action does not run, because the new model would learn the fault. The run is recorded as "
        "`held_back`. An action that needs an approval is not held back.",
        examples=["false"],
        json_schema_extra={"default": "`true` if the name contains `retrain`"},
    )
    timeout: Seconds = Field(
        default=timedelta(seconds=10), description="How long each request may take.", examples=["30s"]
    )

    @model_validator(mode="wrap")
    @classmethod
    def _of_its_kind(cls, written: Any, read: ModelWrapValidatorHandler[Self], info: ValidationInfo) -> Any:
        """Read the keys of the kind in the action's name, which :func:`with_action_names` adds."""
        if cls is not ActionKeys:
            return read(written)
        name, keys = written
        section = action_kind(str(name))
        if section is None:
            kind, mark, rest = str(name).partition("/")
            if mark and rest:
                raise ValueError(f"'{kind:.40}' is not a type of action; {near(kind, ACTIONS.names())}")
            choice = " or ".join(f"{name}/NAME" for name in ACTIONS.names())
            raise ValueError(f"the name must begin with the type of the action; use {choice}")
        action = section.model_validate(keys, context=info.context)
        of_files: Mapping[str, Mapping[str, str]] = (info.context or {}).get("filled", {})
        own_prefix = f"actions.{name}."
        action._filled = tuple(
            value for path, values in of_files.items() if path.startswith(own_prefix) for value in values
        )
        return action

    def is_retraining(self, name: str) -> bool:
        """Return True if the action retrains the model; ``name``: its name."""
        return "retrain" in name if self.retrains is None else self.retrains

    def may_change_model(self, name: str) -> bool:  # noqa: ARG002 - a kind may depend on it
        """Return True if the action may change what serves predictions; ``name``: its name."""
        return self.changes

    def needs_approval(self, name: str) -> bool:
        """Return True if a person must approve the action before it runs; ``name``: its name."""
        required = self.may_change_model(name) if self.approval is None else self.approval == "required"
        return required and not self.dry_run

    @property
    def filled(self) -> tuple[str, ...]:
        """Values of environment variables in the keys, which are treated as secrets."""
        return self._filled

    def problems(self) -> Iterator[Problem]:
        """Yield a problem for every rule that the keys break."""
        if self.timeout <= timedelta(0):
            yield Problem("timeout", "must be greater than 0; use a duration such as '10s'")
        if not self.on:
            yield Problem("on", "is an empty list, so the action would never run; use for example [opened]")
        for key in self.targets:
            value = getattr(self, key)
            text = value.get_secret_value() if isinstance(value, SecretStr) else value or ""
            for placeholder in dict.fromkeys(re.findall(r"(?<!\{)\{(\w+)\}", text)):
                if placeholder in {*FACTS, *LINKS} - {*DECLARED_FACTS}:
                    choice = ", ".join(f"{{{name}}}" for name in DECLARED_FACTS)
                    yield Problem(
                        key,
                        f"{{{placeholder}}} comes from telemetry, which must not choose the target of an action; "
                        f"use a fixed text, or some of {choice}",
                    )


class ActionLimits(Section):
    """How much all actions together may do, and how many rows an alert needs before an action runs."""

    per_model: PerTime = Field(
        default=RateLimit(3, timedelta(days=1)),
        description="The maximum number of runs of each action per model.",
        examples=["10 per 1d"],
    )
    total: PerTime = Field(
        default=RateLimit(10, timedelta(hours=1)),
        description="The maximum number of runs of all actions together. Actions for the most severe alerts run first.",
        examples=["50 per 1h"],
    )
    tier_1: Annotated[int, Field(ge=0, strict=True)] = Field(
        default=5,
        description="How many runs of `total` are reserved for models of tier 1, if there are such models.",
        examples=["20"],
    )
    min_rows: Annotated[int, Field(ge=1, strict=True)] = Field(
        default=30,
        description="The minimum number of rows in the window of an alert. If the window has fewer rows, actions wait "
        "for more rows.",
        examples=["200"],
    )

    def problems(self) -> Iterator[Problem]:
        """Yield a problem for every rule that is broken."""
        if self.tier_1 >= self.total.count:
            yield Problem(
                "tier_1", f"must be less than the {self.total.count} runs of total, or no other model could act"
            )


def action_kind(name: str) -> type[ActionKeys] | None:
    """Return the kind in an action's name; None if there is no such kind.

    >>> action_kind("jira/payments").__name__, action_kind("jira")
    ('Jira', None)
    """
    kind, mark, rest = name.partition("/")
    return ACTIONS.find(kind) if mark and rest else None


def with_action_names(actions: object) -> object:
    """Add each action's name to its keys, because the name determines the kind."""
    if not isinstance(actions, Mapping):
        return actions
    return {name: (name, {} if keys is None else keys) for name, keys in actions.items()}
