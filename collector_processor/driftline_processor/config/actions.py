"""The keys below ``actions``: one class for each type of action, and the rules between its keys."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any, ClassVar, Literal, Self
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, ModelWrapValidatorHandler, StrictBool, ValidationInfo, model_validator

from driftline_processor.core.nearest_names import near
from driftline_processor.core.policy.template import FACTS, LINKS, check_template

from .exporters import header_problems
from .section import Section
from .values import Form, PageUrl, Seconds, Secret, Text, one_or_several, parse_duration

Occasion = Literal["opened", "worse", "over"]
Occasions = Annotated[tuple[Occasion, ...], BeforeValidator(one_or_several)]


@dataclass(frozen=True, slots=True)
class RateLimit:
    """A limit of how often.

    Attributes:
        count: Times at most.
        within: In so long.
    """

    count: int
    within: timedelta

    def __str__(self) -> str:
        seconds = int(self.within.total_seconds())
        unit, size = next((u, n) for u, n in (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)) if seconds % n == 0)
        return f"{self.count} per {seconds // size}{unit}"


def parse_rate(written: object) -> RateLimit:
    """Read ``3 per 1d``.

    >>> str(parse_rate("3 per 24h"))
    '3 per 1d'
    """
    if isinstance(written, RateLimit):
        return written
    found = re.fullmatch(r"\s*(\d{1,6})\s+per\s+(\S+)\s*", str(written))
    if found is None or not int(found[1]):
        raise ValueError(f"'{written:.60}' is no rate; write how often in how long, such as '3 per 1d'")
    within = parse_duration(found[2], "d", "h")
    if within < timedelta(seconds=1):
        raise ValueError(f"'{written:.60}' is less than a second; write how often in how long, such as '3 per 1d'")
    return RateLimit(int(found[1]), within)


def _template(written: object) -> object:
    check_template(written)
    return written


def _mapping(written: object) -> object:
    if not isinstance(written, Mapping):
        raise ValueError("is no mapping; write keys and values in braces, or indented below it")
    return _template(written)


PerTime = Annotated[RateLimit, BeforeValidator(parse_rate), Form("`COUNT per DURATION`")]
TextTemplate = Annotated[str, BeforeValidator(_template), Field(min_length=1), Form("template")]
Tree = Annotated[Any, BeforeValidator(_template), Form("template")]
Mapped = Annotated[dict[str, Any], BeforeValidator(_mapping), Form("mapping of templates")]


class Action(Section):
    """Keys of every type of action.

    Attributes:
        type: The module in ``policy/actions/``, and what the action's name begins with.
        follows: Whether it is carried out once more for an alert that was over and begins again.
    """

    type: ClassVar[str] = ""
    follows: ClassVar[bool] = False

    on: Occasions = Field(
        default=("opened",),
        description="When it is carried out for an alert: when it is `opened`, turns `worse`, is `over`.",
        examples=["[opened, worse]"],
    )
    dry_run: StrictBool = Field(
        default=False,
        description="Whether it only notes what it would send. Nothing is sent, and nobody has to approve it.",
        examples=["true"],
    )
    approval: StrictBool = Field(
        default=False,
        description="Whether it waits until somebody [approves](../how-to/act-on-alerts.md#approve) it.",
        examples=["true"],
    )
    at_most: PerTime | None = Field(
        default=None,
        description="How often it is carried out, over all alerts. What is beyond is noted as held back, and is not "
        "made up for.",
        examples=["3 per 1d"],
        json_schema_extra={"default": "no limit"},
    )
    timeout: Seconds = Field(
        default=timedelta(seconds=10), description="How long each request may take.", examples=["30s"]
    )

    @model_validator(mode="wrap")
    @classmethod
    def _of_its_type(cls, written: Any, read: ModelWrapValidatorHandler[Self], info: ValidationInfo) -> Any:
        """Read the keys of the type that the name says; :func:`with_action_names` puts the name beside them."""
        if cls is not Action:
            return read(written)
        name, keys = written
        section = action_keys(str(name))
        if section is None:
            kind, mark, rest = str(name).partition("/")
            if mark and rest:
                raise ValueError(f"'{kind:.40}' is no type of action; {near(kind, [*_BY_TYPE])}")
            raise ValueError(f"the name does not say what to do; write {ACTION_TYPES_IN_WORDS}")
        return section.model_validate(keys, context=info.context)

    def problems(self) -> Iterator[str]:
        """Yield a sentence for every rule that the keys break, beginning with ``KEY: ``."""
        if self.timeout <= timedelta(0):
            yield "timeout: must be more than nothing; write '10s'"
        if not self.on:
            yield "on: names no occasion, so that it is never carried out; write [opened]"


def _url_problems(url: str) -> Iterator[str]:
    """Yield what is wrong with a secret address, without saying it."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or re.search(r"\s", url):
        yield "url: is no address of HTTP; write 'https://host/path'"
    elif "{" in parts.netloc:
        yield "url: has a placeholder in its host; put it behind that"
    else:
        try:
            check_template(url)
        except ValueError:
            yield f"url: asks for what is no fact of a message; there are {', '.join([*FACTS, *LINKS])}"


class Http(Action):
    """A request of HTTP, with the key of the message in `Idempotency-Key`."""

    type = "http"

    url: Secret = Field(
        description="Where to send; placeholders are those of `body`. It is never shown or logged, but for its host.",
        examples=['"https://models.example.com/{model}/rollback"'],
    )
    method: Literal["POST", "PUT", "PATCH", "DELETE", "GET"] = Field(
        default="POST", description="The method of the request.", examples=["PUT"]
    )
    headers: dict[str, Secret] = Field(
        default_factory=dict,
        description="Headers of the request. The values are never shown or logged.",
        examples=['{Authorization: "Bearer ${env:TOKEN:-none}"}'],
    )
    body: Tree | None = Field(
        default=None,
        description="What to send: keys and values go as JSON, text as it is. `{model}` and the like stand for "
        "[facts of the message](../how-to/act-on-alerts.md#placeholders).",
        examples=['{reason: "{title}", alert: "{alert}"}'],
        json_schema_extra={"default": "[the message](../how-to/get-told.md#as-json); nothing with GET and DELETE"},
    )

    def problems(self) -> Iterator[str]:
        """Yield a sentence for every rule that the keys break."""
        yield from super().problems()
        yield from _url_problems(self.url.get_secret_value())
        yield from header_problems(self.headers)


class Jira(Action):
    """One issue for each alert: it is found again by its label `driftline-ALERT`, so there is never a second one."""

    type = "jira"
    follows = True

    on: Occasions = Field(
        default=("opened", "worse", "over"),
        description="When it is carried out for an alert: `opened` makes the issue, `worse` and `over` comment on it.",
        examples=["[opened]"],
    )
    url: PageUrl = Field(description="The address of Jira.", examples=["https://example.atlassian.net"])
    project: Text = Field(description="The key of the project.", examples=["PAY"])
    issue_type: Text = Field(default="Task", description="The type of the issue.", examples=["Bug"])
    api: Literal[2, 3] = Field(
        default=3,
        description="The version of the REST API: `3` of Jira Cloud, `2` of Jira Data Center.",
        examples=["2"],
    )
    user: Text | None = Field(
        default=None,
        description="Whose token it is, for Jira Cloud: an email address.",
        examples=["driftline@example.com"],
        json_schema_extra={"default": "the token says it, as those of Jira Data Center do"},
    )
    token: Secret = Field(
        description="The API token of `user`, or a personal access token. It is never shown or logged.",
        examples=['"${env:JIRA_TOKEN:-none}"'],
    )
    summary: TextTemplate = Field(
        default="{title}", description="The first line of the issue.", examples=['"[{severity}] {title}"']
    )
    labels: Annotated[tuple[Text, ...], BeforeValidator(one_or_several)] = Field(
        default=(), description="Labels beside that of the alert.", examples=["[models]"]
    )
    fields: Mapped = Field(
        default_factory=dict,
        description="Other fields of a new issue, as Jira's API names them.",
        examples=["{priority: {name: High}}"],
    )
    transition: Text | None = Field(
        default=None,
        description="The transition, or the status it leads to, when the alert is over.",
        examples=["Done"],
        json_schema_extra={"default": "the issue stays as it is"},
    )
    reopen: Text | None = Field(
        default=None,
        description="The transition, or the status it leads to, when an alert begins again whose issue is done.",
        examples=["To Do"],
        json_schema_extra={"default": "the issue is commented on, and stays as it is"},
    )

    def problems(self) -> Iterator[str]:
        """Yield a sentence for every rule that the keys break."""
        yield from super().problems()
        yield from base_url_problems(self.url)
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]+", self.project):
            yield f"project: '{self.project:.40}' is no key of a project; write it as issues begin, such as 'PAY'"
        for label in self.labels:
            if re.search(r"\s", label):
                yield f"labels: '{label:.40}' has a space, which no label of Jira can; write a hyphen"
        for own in ("project", "issuetype", "summary", "description", "labels"):
            if own in self.fields:
                yield f"fields.{own}: has a key of its own in the action; leave it out here"
        if self.transition is not None and "over" not in self.on:
            yield "transition: is for when the alert is over, which 'on' does not name; add over"


class Airflow(Action):
    """A run of a DAG, whose id is made from the alert: Airflow has each run once, however often it is asked."""

    type = "airflow"

    url: PageUrl = Field(description="The address of Airflow.", examples=["https://airflow.example.com"])
    dag: Text = Field(description="Id of the DAG.", examples=["retrain_churn"])
    api: Literal[1, 2] = Field(
        default=2, description="The version of the REST API: `2` of Airflow 3, `1` of Airflow 2.", examples=["1"]
    )
    user: Text | None = Field(
        default=None,
        description="Who asks: with API 1 as basic authentication, with API 2 for a token of `/auth/token`.",
        examples=["driftline"],
    )
    password: Secret | None = Field(
        default=None,
        description="The password of `user`. It is never shown or logged.",
        examples=['"${env:AIRFLOW_PASSWORD:-none}"'],
    )
    token: Secret | None = Field(
        default=None,
        description="A token to send instead of user and password. It is never shown or logged.",
        examples=['"${env:AIRFLOW_TOKEN:-none}"'],
    )
    conf: Mapped = Field(
        default={
            "alert": "{alert}",
            "kind": "{kind}",
            "policy": "{policy}",
            "model": "{model}",
            "version": "{version}",
            "environment": "{environment}",
            "since": "{since}",
            "page": "{page}",
        },
        description="The configuration of the run.",
        examples=['{model: "{model}", version: "{version}"}'],
        json_schema_extra={"default": "alert, kind, policy, model, version, environment, since and page"},
    )

    def problems(self) -> Iterator[str]:
        """Yield a sentence for every rule that the keys break."""
        yield from super().problems()
        yield from base_url_problems(self.url)
        if not re.fullmatch(r"[A-Za-z0-9_.-]{1,250}", self.dag):
            yield f"dag: '{self.dag:.40}' is no id of a DAG; write letters, digits, '_', '-' and '.'"
        if (self.user is None) != (self.password is None):
            yield "password: belongs to user; write both or none"
        if (self.token is None) == (self.user is None):
            yield "token: write either a token, or user and password"


def base_url_problems(url: str) -> Iterator[str]:
    """Yield a sentence for an address that is empty."""
    if not url:
        yield "url: is empty; write 'https://host'"


ACTIONS: tuple[type[Action], ...] = (Http, Jira, Airflow)
"""The keys of each type of action; to add a type, add its class here and its module to ``policy/actions/``."""

ACTION_TYPES_IN_WORDS = " or ".join(f"{section.type}/NAME" for section in ACTIONS)

_BY_TYPE = {section.type: section for section in ACTIONS}


def action_keys(name: str) -> type[Action] | None:
    """Return the keys that an action of a name has, or None where the name says no type.

    >>> action_keys("jira/payments"), action_keys("jira")
    (<class 'driftline_processor.config.actions.Jira'>, None)
    """
    kind, mark, rest = name.partition("/")
    return _BY_TYPE.get(kind) if mark and rest else None


def with_action_names(actions: object) -> object:
    """Put each action's name beside its keys, since the name says which keys there are."""
    if not isinstance(actions, Mapping):
        return actions
    return {name: (name, {} if keys is None else keys) for name, keys in actions.items()}
