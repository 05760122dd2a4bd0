"""The keys below ``actions``: one class for each type of action, and the rules between its keys."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from importlib.util import find_spec
from typing import Annotated, Any, ClassVar, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    BeforeValidator,
    Field,
    ModelWrapValidatorHandler,
    PrivateAttr,
    StrictBool,
    ValidationInfo,
    model_validator,
)

from driftline_processor.core.nearest_names import near
from driftline_processor.core.policy.template import FACTS, LINKS, check_template

from .exporters import header_problems
from .kubernetes_kinds import KubernetesKind, known_kinds, patch_problems
from .section import Section
from .values import FilePath, Form, PageUrl, Seconds, Secret, Text, is_here, one_or_several, parse_duration

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
Attached = Literal["report"] | None
Mapped = Annotated[dict[str, Any], BeforeValidator(_mapping), Form("mapping of templates")]


class Action(Section):
    """Keys of every type of action.

    Attributes:
        type: The module in ``policy/actions/``, and what the action's name begins with.
        follows: Whether it is carried out once more for an alert that was over and begins again.
    """

    type: ClassVar[str] = ""
    follows: ClassVar[bool] = False

    _filled: tuple[str, ...] = PrivateAttr(())

    on: Occasions = Field(
        default=("opened",),
        description="When it is carried out for an incident: when it is `opened`, turns `worse`, is `over`.",
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
        description="How often it is carried out, over all incidents. What is beyond is noted as held back, and is not "
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
        found = section.model_validate(keys, context=info.context)
        of_files: Mapping[str, Mapping[str, str]] = (info.context or {}).get("filled", {})
        own = f"actions.{name}."
        found._filled = tuple(value for path, values in of_files.items() if path.startswith(own) for value in values)
        return found

    @property
    def filled(self) -> tuple[str, ...]:
        """What environment variables held that stand in the keys: taken for secret."""
        return self._filled

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
    attach: Attached = Field(
        default=None,
        description="`report`: send a form (`multipart/form-data`) with the body as its part `message`, and "
        "[the report of the window](../how-to/send-a-report.md) as its part `report`.",
        examples=["report"],
        json_schema_extra={"default": "nothing"},
    )

    def problems(self) -> Iterator[str]:
        """Yield a sentence for every rule that the keys break."""
        yield from super().problems()
        yield from _url_problems(self.url.get_secret_value())
        yield from header_problems(self.headers)
        if self.attach is not None and self.method in ("GET", "DELETE"):
            yield f"attach: a {self.method} has no body; write method: POST"
        for header in self.headers:
            if self.attach is not None and header.lower() == "content-type":
                yield f"headers.{header}: is that of the form; leave it out"


class Jira(Action):
    """One issue for each incident, found again by its label `driftline-ALERT`, so there is never a second one."""

    type = "jira"
    follows = True

    on: Occasions = Field(
        default=("opened", "worse", "over"),
        description="When it is carried out: `opened` makes the issue, and what joins comments on it, as do `worse` "
        "and `over`.",
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
        default=(), description="Labels beside that of the incident.", examples=["[models]"]
    )
    fields: Mapped = Field(
        default_factory=dict,
        description="Other fields of a new issue, as Jira's API names them.",
        examples=["{priority: {name: High}}"],
    )
    transition: Text | None = Field(
        default=None,
        description="The transition, or the status it leads to, when the incident is over.",
        examples=["Done"],
        json_schema_extra={"default": "the issue stays as it is"},
    )
    reopen: Text | None = Field(
        default=None,
        description="The transition, or the status it leads to, when an alert begins whose issue is done.",
        examples=["To Do"],
        json_schema_extra={"default": "the issue is commented on, and stays as it is"},
    )
    attach: Attached = Field(
        default=None,
        description="`report`: attach [the report of the window](../how-to/send-a-report.md) to the issue when the "
        "alert is opened, and when it turns worse.",
        examples=["report"],
        json_schema_extra={"default": "nothing"},
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
    """A run of a DAG, whose id is made from the incident: Airflow has each run once, however often it is asked."""

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


class CloudEvents(Action):
    """An event as of CloudEvents 1.0, over HTTP or Kafka. Its id is the key of the message, so receivers see twins."""

    type = "cloudevents"
    follows = True

    on: Occasions = Field(
        default=("opened", "worse", "over"),
        description="When it is carried out. The type of the event is `io.driftline.alert.opened`, or `.joined` where "
        "another alert of the model lasts, `io.driftline.alert.worse` or `io.driftline.alert.over`.",
        examples=["[opened, over]"],
    )
    url: Secret | None = Field(
        default=None,
        description="Where to send over HTTP. It is never shown or logged, but for its host.",
        examples=['"https://events.example.com/"'],
    )
    headers: dict[str, Secret] = Field(
        default_factory=dict,
        description="Headers of the request beside those of the event. The values are never shown or logged.",
        examples=['{Authorization: "Bearer ${env:TOKEN:-none}"}'],
    )
    brokers: Annotated[tuple[Text, ...], BeforeValidator(one_or_several)] = Field(
        default=(),
        description="The brokers of Kafka to connect to first, instead of `url`; needs `pip install confluent-kafka`.",
        examples=['["kafka:9092"]'],
    )
    topic: Text | None = Field(default=None, description="The topic. The key is the incident.", examples=["alerts"])
    options: dict[str, Secret] = Field(
        default_factory=dict,
        description="Settings of [librdkafka](https://github.com/confluentinc/librdkafka/blob/master/CONFIGURATION.md),"
        " such as `security.protocol` and `sasl.password`. The values are never shown or logged.",
        examples=['{security.protocol: sasl_ssl, sasl.username: me, sasl.password: "${env:KAFKA_PASSWORD:-none}"}'],
    )
    mode: Literal["structured", "binary"] = Field(
        default="structured",
        description="Where the attributes of the event stand: beside its data in one JSON document, or in headers.",
        examples=["binary"],
    )
    source: Text = Field(
        default="/driftline",
        description="Where the event comes from, as a URI reference. Receivers tell events apart by `source` and `id`.",
        examples=["https://driftline.example.com"],
    )
    data: Mapped | None = Field(
        default=None,
        description="The data of the event, with [placeholders](../how-to/act-on-alerts.md#placeholders).",
        examples=['{model: "{model}", page: "{page}"}'],
        json_schema_extra={"default": "[the message](../how-to/get-told.md#as-json)"},
    )

    def problems(self) -> Iterator[str]:
        """Yield a sentence for every rule that the keys break."""
        yield from super().problems()
        if (self.url is None) == (not self.brokers):
            yield "url: write either url, or brokers and topic"
        elif self.url is not None:
            yield from self._http_problems(self.url.get_secret_value())
        else:
            yield from self._kafka_problems()
        if not re.fullmatch(r"(?:[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=-]|%[0-9A-Fa-f]{2})+", self.source):
            yield f"source: '{self.source:.80}' is no URI reference; write '/driftline' or 'https://host/path'"

    def _http_problems(self, url: str) -> Iterator[str]:
        yield from _url_problems(url)
        if "{" in url:
            yield "url: has a brace, and is no template; receivers tell events apart by their attributes"
        yield from header_problems(self.headers)
        for header in self.headers:
            if header.lower().startswith("ce-") or header.lower() == "content-type":
                yield f"headers.{header}: is the event's own; leave it out"
        for key in ("topic", "options"):
            if key in self.model_fields_set:
                yield f"{key}: is for Kafka; leave it out, or write brokers instead of url"

    def _kafka_problems(self) -> Iterator[str]:
        if find_spec("confluent_kafka") is None:
            yield "brokers: Kafka's client is not installed; pip install confluent-kafka"
        for broker in self.brokers:
            if not broker.rpartition(":")[2].isdecimal():
                yield f"brokers: '{broker:.80}' has no port; write '{broker:.80}:9092'"
        if self.topic is None:
            yield "topic: is missing; write the name of a topic"
        elif not re.fullmatch(r"[A-Za-z0-9._-]{1,249}", self.topic):
            yield f"topic: '{self.topic:.40}' is no name of a topic; write letters, digits, '.', '_' and '-'"
        for option in self.options:
            if option in _PRODUCER:
                yield f"options: '{option:.40}' is Driftline's own; {_PRODUCER[option]}"
        if self.headers:
            yield "headers: are for HTTP; leave them out"


_PRODUCER: Mapping[str, str] = {
    "bootstrap.servers": "write brokers",
    "enable.idempotence": "leave it out: an event is written once",
    "acks": "leave it out: an event counts when all replicas have it",
    "message.timeout.ms": "write timeout",
}


class GitHub(Action):
    """A run of GitHub Actions: of one workflow, or of all that wait for an event of the repository."""

    type = "github"

    url: PageUrl = Field(
        default="https://api.github.com",
        description="The address of the API; of GitHub Enterprise Server `https://HOST/api/v3`.",
        examples=["https://github.example.com/api/v3"],
    )
    repository: Text = Field(description="Owner and name of the repository.", examples=["example/churn"])
    token: Secret = Field(
        description="A token that may read and write Actions and, for `event`, write Contents. It is never shown or "
        "logged.",
        examples=['"${env:GITHUB_TOKEN:-none}"'],
    )
    workflow: Text | None = Field(
        default=None, description="The file name of the workflow to run, or its id.", examples=["retrain.yml"]
    )
    ref: Text = Field(default="main", description="The branch or tag whose workflow runs.", examples=["release"])
    inputs: Mapped = Field(
        default={"message": "{id}", "model": "{model}"},
        description="The inputs of the workflow, which it has to declare. One of them holds `{id}`, by which a run is "
        "found again.",
        examples=['{message: "{id}", version: "{version}"}'],
        json_schema_extra={"default": "message and model"},
    )
    event: Text | None = Field(
        default=None,
        description="The type of the event, instead of `workflow`: every workflow that waits for it runs.",
        examples=["model-is-wrong"],
    )
    payload: Mapped = Field(
        default={
            "message": "{id}",
            "alert": "{alert}",
            "kind": "{kind}",
            "policy": "{policy}",
            "model": "{model}",
            "version": "{version}",
            "environment": "{environment}",
            "severity": "{severity}",
            "since": "{since}",
            "page": "{page}",
        },
        description="The payload of the event: ten keys at most.",
        examples=['{message: "{id}", model: "{model}"}'],
        json_schema_extra={
            "default": "message, alert, kind, policy, model, version, environment, severity, since and page"
        },
    )

    def problems(self) -> Iterator[str]:
        """Yield a sentence for every rule that the keys break."""
        yield from super().problems()
        yield from base_url_problems(self.url)
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,100}/(?!\.{1,2}$)[A-Za-z0-9._-]{1,100}", self.repository):
            yield f"repository: '{self.repository:.80}' is no repository; write OWNER/NAME"
        yield from header_problems({"token": self.token})
        if (self.workflow is None) == (self.event is None):
            yield "workflow: write either workflow or event"
        elif self.workflow is not None:
            yield from self._workflow_problems(self.workflow)
        elif self.event is not None:
            yield from self._event_problems(self.event)

    def _workflow_problems(self, workflow: str) -> Iterator[str]:
        if not re.fullmatch(r"(?!\.{1,2}$)[A-Za-z0-9._-]+", workflow):
            yield f"workflow: '{workflow:.80}' is no file name of a workflow; write it without its folder"
        if len(self.inputs) > MOST_INPUTS:
            yield f"inputs: are more than the {MOST_INPUTS} that GitHub takes; write fewer"
        for name, value in self.inputs.items():
            if isinstance(value, Mapping | list | tuple) or value is None:
                yield f"inputs.{name:.80}: is no text, and inputs of a workflow are; write one"
        yield from _without_id("inputs", self.inputs)
        if "payload" in self.model_fields_set:
            yield "payload: is of an event; write inputs"

    def _event_problems(self, event: str) -> Iterator[str]:
        if len(event) > 100:
            yield "event: is longer than the 100 characters that GitHub takes; write less"
        if len(self.payload) > MOST_PAYLOAD:
            yield f"payload: has more than the {MOST_PAYLOAD} keys that GitHub takes; put some of them below one key"
        yield from _without_id("payload", self.payload)
        for key in ("inputs", "ref"):
            if key in self.model_fields_set:
                yield f"{key}: is of a workflow; leave it out"


MOST_INPUTS, MOST_PAYLOAD = 25, 10
"""Inputs of a workflow, and keys of a payload, that GitHub takes."""


def _without_id(key: str, tree: Mapping[str, Any]) -> Iterator[str]:
    """Yield a sentence where no part of a tree holds the key of the message."""
    if "{id}" not in json.dumps(tree, default=str):
        yield f'{key}: nothing holds {{id}}, by which a run is found again; add message: "{{id}}"'


class MLflow(Action):
    """An alias of a registered model, back from the version that is wrong to the one before it."""

    type = "mlflow"

    url: PageUrl = Field(description="The address of the tracking server.", examples=["https://mlflow.example.com"])
    user: Text | None = Field(default=None, description="Who asks, by basic authentication.", examples=["driftline"])
    password: Secret | None = Field(
        default=None,
        description="The password of `user`. It is never shown or logged.",
        examples=['"${env:MLFLOW_PASSWORD:-none}"'],
    )
    token: Secret | None = Field(
        default=None,
        description="A token to send instead of user and password. It is never shown or logged.",
        examples=['"${env:MLFLOW_TOKEN:-none}"'],
    )
    model: TextTemplate = Field(
        default="{model}", description="The name of the registered model.", examples=["churn-classifier"]
    )
    alias: Text = Field(description="The alias to move.", examples=["champion"])
    previous: Text | None = Field(
        default=None,
        description="The alias of the version to go back to.",
        examples=["fallback"],
        json_schema_extra={"default": "the newest version that is older, and is ready"},
    )
    version: TextTemplate = Field(
        default="{version}",
        description="Only from this version: the alias stays where it is when it points to another one. What is no "
        "whole number is no version of MLflow, and holds nothing back.",
        examples=['"7"'],
    )

    def problems(self) -> Iterator[str]:
        """Yield a sentence for every rule that the keys break."""
        yield from super().problems()
        yield from base_url_problems(self.url)
        if (self.user is None) != (self.password is None):
            yield "password: belongs to user; write both or none"
        if self.token is not None and self.user is not None:
            yield "token: is sent instead of user and password; leave one of the two out"
        if self.token is not None:
            yield from header_problems({"token": self.token})
        for key in ("alias", "previous"):
            name = getattr(self, key)
            if name is not None and not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_-]*", name):
                yield f"{key}: '{name:.40}' is no alias of MLflow; write letters, digits, '_' and '-'"
        if self.previous == self.alias:
            yield "previous: is the alias itself; name the one of the version to go back to"


class LabelQueue(Action):
    """The predictions whose label would teach most, of the window of the alert: in a file, or over HTTP."""

    type = "label_queue"

    directory: FilePath | None = Field(
        default=None,
        description="The folder for files, one for each message.",
        examples=["/var/spool/labels"],
    )
    url: Secret | None = Field(
        default=None,
        description="Where to send them instead; placeholders are those of `body` of an `http` action. It is never "
        "shown or logged, but for its host.",
        examples=['"https://labels.example.com/queues/{model}"'],
    )
    headers: dict[str, Secret] = Field(
        default_factory=dict,
        description="Headers of the request. The values are never shown or logged.",
        examples=['{Authorization: "Bearer ${env:TOKEN:-none}"}'],
    )
    format: Literal["csv", "spreadsheet", "json"] = Field(
        default="csv",
        description="The form: those of [`label-next`](http-api.md#get-apiv1modelsnamelabel-next).",
        examples=["json"],
    )
    rows: Annotated[int, Field(ge=1, le=10_000, strict=True)] = Field(
        default=100, description="How many rows at most.", examples=["500"]
    )

    def problems(self) -> Iterator[str]:
        """Yield a sentence for every rule that the keys break."""
        yield from super().problems()
        if (self.directory is None) == (self.url is None):
            yield "directory: write either directory or url"
        if self.directory is not None and self.directory.exists() and not self.directory.is_dir():
            yield f"directory: {self.directory} is no folder; write another one"
        if self.url is not None:
            yield from _url_problems(self.url.get_secret_value())
            yield from header_problems(self.headers)
        elif self.headers:
            yield "headers: are for url; leave them out"


class Kubernetes(Action):
    """A patch of a resource of Kubernetes: Argo Rollouts, KServe, Seldon Core, or any other kind."""

    type = "kubernetes"

    server: PageUrl = Field(
        default="",
        description="The address of the API server.",
        examples=["https://10.0.0.1:6443"],
        json_schema_extra={"default": "that of the cluster in which the processor runs"},
    )
    token: Secret | None = Field(
        default=None,
        description="The token of a service account. It is never shown or logged.",
        examples=['"${env:KUBERNETES_TOKEN:-none}"'],
        json_schema_extra={"default": "that of `token_file`"},
    )
    token_file: FilePath | None = Field(
        default=None,
        description="A file with the token, which is read again before each request.",
        examples=["/run/secrets/token"],
        json_schema_extra={"default": "that of the pod"},
    )
    ca_file: FilePath | None = Field(
        default=None,
        description="The file (PEM) with the certificates of whom to trust.",
        examples=["ca.pem"],
        json_schema_extra={"default": "that of the pod; with `server` those of the system"},
    )
    kind: Text = Field(description="The kind of the resource.", examples=["Rollout"])
    api_version: Text | None = Field(
        default=None,
        description="Group and version of the kind.",
        examples=["apps/v1"],
        json_schema_extra={"default": "known of `Rollout`, `InferenceService` and `SeldonDeployment`"},
    )
    namespace: TextTemplate = Field(description="Where the resource is.", examples=["models"])
    name: TextTemplate = Field(description="The name of the resource.", examples=['"{model}"'])
    traffic: dict[str, Annotated[int, Field(ge=0, le=100, strict=True)]] = Field(
        default_factory=dict,
        description="Predictor of a `SeldonDeployment` → its share of the traffic in percent.",
        examples=["{main: 100, canary: 0}"],
    )
    patch: Tree | None = Field(
        default=None,
        description="What to change, with [placeholders](../how-to/act-on-alerts.md#placeholders).",
        examples=["{spec: {paused: true}}"],
        json_schema_extra={
            "default": "`{status: {abort: true}}` of a `Rollout`, `{spec: {predictor: {canaryTrafficPercent: 0}}}` of "
            "an `InferenceService`"
        },
    )
    patch_type: Literal["merge", "json", "strategic"] = Field(
        default="merge", description="The type of `patch`; `strategic` is for Kubernetes' own kinds.", examples=["json"]
    )
    subresource: Literal["status", "scale"] | None = Field(
        default=None, description="The part of the resource that `patch` changes.", examples=["scale"]
    )

    @property
    def is_known(self) -> bool:
        """Whether its kind is one whose schema is known."""
        kind = known_kinds().get(self.kind)
        return kind is not None and self.api_version in (None, kind.api_version)

    def problems(self) -> Iterator[str]:
        """Yield a sentence for every rule that the keys break."""
        yield from super().problems()
        kind = known_kinds().get(self.kind) if self.is_known else None
        if not re.fullmatch(r"[A-Z][A-Za-z0-9]{0,62}", self.kind):
            fix = near(self.kind, [*known_kinds()])
            yield f"kind: '{self.kind:.40}' is no kind of Kubernetes; {fix}"
        elif self.api_version is None and kind is None:
            yield f"api_version: is not known of {self.kind}; write it, such as 'apps/v1'"
        if self.api_version is not None and not re.fullmatch(
            r"([a-z0-9]([a-z0-9.-]*[a-z0-9])?/)?v[0-9][a-z0-9]*", self.api_version
        ):
            yield f"api_version: '{self.api_version:.40}' is none; write group and version, such as 'apps/v1'"
        if self.token is not None:
            yield from header_problems({"token": self.token})
        if self.token is not None and self.token_file is not None:
            yield "token: stands in token_file, too; leave one of the two out"
        if self.server.startswith("http:") and not is_here(self.server):
            yield "server: is not encrypted, and the token would be read on the way; write https://"
        if self.server and self.token is None and self.token_file is None:
            yield "token: is missing, and that of a pod is not for another server; write token or token_file"
        if self.traffic:
            yield from self._traffic_problems()
        elif self.patch is None and (kind is None or not kind.rollback):
            fix = "traffic or patch" if kind is not None else "patch"
            yield f"{fix.partition(' ')[0]}: is missing, and no rollback of {self.kind} is known; write {fix}"
        if self.patch is None and (self.subresource is not None or "patch_type" in self.model_fields_set):
            yield "patch: is missing, to which subresource and patch_type belong"
        if self.patch is not None:
            yield from self._patch_problems(kind)

    def _traffic_problems(self) -> Iterator[str]:
        if self.kind != "SeldonDeployment" or not self.is_known:
            yield "traffic: is for a SeldonDeployment; write patch"
        if self.patch is not None:
            yield "traffic: is a patch itself; leave one of the two out"
        if sum(self.traffic.values()) != 100:
            yield f"traffic: is {sum(self.traffic.values())} % together; write shares that make 100"

    def _patch_problems(self, kind: KubernetesKind | None) -> Iterator[str]:
        if self.patch_type == "json":
            for at, one in enumerate(self.patch if isinstance(self.patch, list | tuple) else ()):
                if not isinstance(one, Mapping) or one.get("op") not in _OPERATIONS or "path" not in one:
                    yield f"patch.{at}: is no operation; write op ({', '.join(_OPERATIONS)}), path and value"
                elif str(one["path"]).endswith("/-"):
                    yield f"patch.{at}.path: adds to a list, once more each time; name the place, and test it first"
            if not isinstance(self.patch, list | tuple) or not self.patch:
                yield "patch: is no list of operations, as patch_type json wants; write [{op: replace, path: ...}]"
        elif not isinstance(self.patch, Mapping) or not self.patch:
            yield "patch: is no mapping; write what the resource shall be, such as {spec: {paused: true}}"
        elif kind is not None:
            if self.patch_type == "strategic":
                yield f"patch_type: {self.kind} takes no strategic patch, as no custom resource does; write merge"
            yield from (f"patch{said}" for said in patch_problems(kind.schema, self.patch))


_OPERATIONS = ("add", "remove", "replace", "test")
"""Operations of a JSON patch; ``move`` and ``copy`` do another thing the second time."""


def base_url_problems(url: str) -> Iterator[str]:
    """Yield a sentence for an address that is empty."""
    if not url:
        yield "url: is empty; write 'https://host'"


ACTIONS: tuple[type[Action], ...] = (Http, Jira, Airflow, CloudEvents, GitHub, MLflow, Kubernetes, LabelQueue)
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
