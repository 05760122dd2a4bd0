"""The schema of ``driftline.yaml``: its sections, and reading and checking a file.

Meaning, default and example of a key are on its field. ``scripts/generate_configuration.py`` writes
``docs/reference/configuration.md`` and ``otel-config/driftline.yaml`` from them. Rules between the keys of one
section are in its ``problems``; rules between sections are in :meth:`Config.problems`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, StrictBool, ValidationError

from driftline_processor.core.nearest_names import near
from driftline_processor.custom_metrics import load_custom_metrics
from driftline_processor.memory_ceiling import DEFAULT_MEMORY, LEAST_MEMORY

from .actions import ActionKeys, ActionLimits, PerTime, RateLimit, with_action_names
from .auth import Auth
from .business import Business, BusinessName, by_source
from .channels import Channel, channels_of, notify_problems
from .composition import with_included, with_tiers
from .exporters import ExporterKeys, forward_exporter, with_names
from .model import Model
from .policies import (
    DEFAULT_POLICY,
    Policy,
    Silence,
    Texts,
    business_of,
    with_default_policy,
)
from .policy_warnings import policy_warnings
from .problems import problem_of, without
from .receivers import Receivers, by_name, tls_problems
from .section import Problem, Section, empty_is_default, under
from .tls import TlsServer
from .values import (
    Address,
    Days,
    FilePath,
    Form,
    HostName,
    Listen,
    PageUrl,
    Seconds,
    Secret,
    Size,
    TraceUrl,
    one_or_several,
)
from .yaml_loader import Filled, follows_unset, masked, parse_yaml


class ConfigError(Exception):
    """The configuration is invalid.

    Attributes:
        problems: Each with its key, the rule and the fix.
    """

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


class Web(Section):
    """The pages and the API."""

    endpoint: Listen = Field(
        default=Address("127.0.0.1", 8780),
        description="The address of the pages, `/metrics`, `/api`, `/healthz`, `/readyz` and `POST /v1/outcomes`.",
        examples=['"127.0.0.1:18780"'],
    )
    tls: TlsServer | None = Field(
        default=None,
        description="TLS of this address. [How to configure it](../deploy/security.md#tls).",
        json_schema_extra={"shown": "comment"},
    )
    public_url: PageUrl = Field(
        default="",
        description="The external URL of the pages. Links from traces and dashboards start with it.",
        examples=["https://driftline.example.com"],
        json_schema_extra={"default": "no links from traces and dashboards"},
    )
    trace_url: TraceUrl = Field(
        default="",
        description="The URL of a trace, with `{trace_id}` and optionally `{span_id}`. The pages and the API link "
        "predictions to it. [How to configure it](../see/traces.md).",
        examples=['"http://localhost:16686/trace/{trace_id}"'],
        json_schema_extra={"default": "no links to traces"},
    )


class Limits(Section):
    """Limits of what all receivers together take in at a time, and of the names that are kept apart."""

    connections: Annotated[int, Field(ge=8, strict=True)] = Field(
        default=1_000,
        description="The maximum number of open HTTP connections, on both ports together. If this number is greater "
        "than half of the number of files that the process may open, the processor uses that half. [What happens at "
        "the limit](../deploy/configure.md#limits).",
        examples=["2000"],
    )
    memory: Size = Field(
        default=DEFAULT_MEMORY,
        description="The maximum memory of the process. The value must be at least `1GiB`. Near the limit, requests "
        "are answered with 503 (gRPC: `UNAVAILABLE`). [How the memory is divided](../deploy/configure.md#limits).",
        examples=["4GiB"],
    )
    request_bytes: Size | None = Field(
        default=None,
        description="The maximum total size of the requests in progress, over all receivers. The value must be at "
        "least `32MiB`. Above this size, requests are answered with 503 (gRPC: `UNAVAILABLE`). [How large one request "
        "may be](../deploy/configure.md#limits).",
        examples=["512MiB"],
        json_schema_extra={"default": "a fraction of `memory`: `256MiB` for the default"},
    )
    models: Annotated[int, Field(ge=1, strict=True)] = Field(
        default=1_000,
        description="The maximum number of models. Rows of further models are counted "
        "(`driftline_limited_rows_total`) and not stored. A model that is named in this file is always accepted. A "
        "token can be restricted to some models. The models of such a token that this file does not name can take at "
        "most half of this number.",
        examples=["200"],
    )
    versions: Annotated[int, Field(ge=1, strict=True)] = Field(
        default=50,
        description="The maximum number of versions per model. Rows of further versions are stored as version "
        "`other`, and outcomes are still joined with them. [Which versions are "
        "replaced](../deploy/configure.md#limits).",
        examples=["20"],
    )
    environments: Annotated[int, Field(ge=1, strict=True)] = Field(
        default=20,
        description="The maximum number of environments per model. Rows and outcomes of further environments are "
        "stored as environment `other`.",
        examples=["5"],
    )
    new_models: PerTime = Field(
        default=RateLimit(20, timedelta(days=1)),
        description="How many models that are not named in this file may become known per period. If more models "
        "appear, one message contains their number. [Nobody is notified of their "
        "alerts](../alert/notifications.md#unknown-models) until they become known in a later period.",
        examples=["200 per 1d"],
    )
    actions: ActionLimits = Field(
        default=ActionLimits(), description="[Limits of actions](../alert/actions.md#targets-and-limits)."
    )


class Log(Section):
    """The log of accepted requests, from which rows are decoded and requests go on to destinations."""

    max_size: Size = Field(
        default=2**30,
        description="The maximum size of all files of the log together. The value must be at least `8MiB`. The log "
        "grows while the processor or a destination lags behind. [What happens at the "
        "limit](../deploy/configure.md#storage).",
        examples=["4GiB"],
    )
    max_age: Days = Field(
        default=timedelta(days=1),
        description="How long a request is stored for a destination that is not reachable.",
        examples=["3d"],
    )
    segment_size: Size = Field(
        default=64 * 2**20,
        description="The maximum size of one file of the log. The value must be at most a quarter of `max_size`.",
        examples=["16MiB"],
    )


class AuditLimits(Section):
    """How long the entries of the audit log are kept. A cut is an entry with the hash of the last removed one."""

    max_age: Days = Field(
        default=timedelta(days=7 * 365),
        description="How long an entry is kept.",
        examples=["3650d"],
    )
    max_entries: Annotated[int, Field(ge=1_000, strict=True)] = Field(
        default=1_000_000,
        description="How many entries are kept. A million entries take about 300 MB.",
        examples=["100000"],
    )


class Storage(Section):
    """The place of rows, the time for which they are kept, and the room that they may take."""

    directory: FilePath = Field(
        default=Path("driftline-data"),
        validate_default=True,
        description="The directory of the DuckDB file and its write-ahead log. Only one process can use it at a "
        "time, and [only its owner can read it](../deploy/configure.md#storage).",
        examples=["/var/lib/driftline"],
    )
    in_memory: StrictBool = Field(
        default=False,
        description="Store nothing on disk: rows and the log are in memory and are lost when the process ends. "
        "`storage: memory` is the short form. [When to use it](../deploy/configure.md#storage).",
        examples=["true"],
    )
    retention: Days = Field(
        default=timedelta(days=90),
        description="How long predictions and outcomes are stored. An outcome that arrives later cannot be joined. An "
        "outcome that waits this long for its prediction expires.",
        examples=["30d"],
    )
    max_size: Size | None = Field(
        default=None,
        description="The maximum size of the file. If the file is larger, the rows that arrived first are deleted "
        "before the end of their retention. [Their statistics are kept](../deploy/configure.md#storage), so the "
        "results of windows do not change.",
        examples=["10GB"],
    )
    log: Log = Field(
        default=Log(),
        description="The limits of the log, which stores requests until they are processed and forwarded.",
    )
    audit: AuditLimits = Field(
        default=AuditLimits(),
        description="The limits of the [audit log](../deploy/audit.md).",
    )


def tier_templates(value: object) -> object:
    """Check the keys of each tier like those of a model. Raises ``ValueError`` with the first problem."""
    if not isinstance(value, Mapping):
        raise ValueError("must map a tier to keys of a model, such as {1: {windows: [1h]}}")
    for tier, keys in value.items():
        if tier not in ("1", "2", "3"):
            raise ValueError(f"'{tier}' is not a tier; use 1, 2 or 3")
        if not isinstance(keys, Mapping) or "tier" in keys:
            raise ValueError(f"{tier}: must contain keys of a model except 'tier', such as {{windows: [1h]}}")
        try:
            Model.model_validate(keys)
        except ValidationError as invalid:
            raise ValueError(f"{tier}.{problem_of(invalid.errors(include_url=False)[0], Model)}") from None
    return value


def _memory_in_short(value: object) -> object:
    """Read ``storage: memory`` as its long form."""
    return {"in_memory": True} if value == "memory" else value


class Shutdown(Section):
    """The end of the processor."""

    timeout: Seconds = Field(
        default=timedelta(seconds=20),
        description="The maximum duration of all steps of the shutdown together, after SIGTERM or SIGINT. The value "
        "must be at least `1s`. [What happens during the shutdown](../deploy/configure.md#stop).",
        examples=["60s"],
    )


SMALLEST = 20 * 10**6
"""Minimum size of the state file in bytes."""

LEAST_LOG = 8 * 2**20
"""Minimum size of the log in bytes."""

LEAST_REQUEST_BYTES = 32 * 2**20
"""Minimum memory for requests in bytes: the need of one request of 20 MiB."""


class Config(Section):
    """The whole file."""

    receivers: Annotated[Receivers, BeforeValidator(empty_is_default)] = Field(
        default=Receivers(), description="The receivers of telemetry and outcomes."
    )
    web: Web = Field(default=Web(), description="The pages and the API.")
    insecure_anonymous: StrictBool = Field(
        default=False,
        description="Allow addresses other than loopback without `auth`. Everyone who can connect to these addresses "
        "can then read, add and delete data. [Who may connect](../deploy/configure.md#hosts-and-origins).",
        examples=["true"],
    )
    auth: Auth = Field(
        default=Auth(),
        description="Who may do what: tokens, and log-ins of people. [How to configure it](../deploy/security.md).",
    )
    metrics_anonymous: StrictBool = Field(
        default=False,
        description="Whether everybody may read `/metrics` without a log-in, even if `auth` is set.",
        examples=["true"],
    )
    allowed_hosts: Annotated[tuple[HostName, ...], BeforeValidator(one_or_several)] = Field(
        default=(),
        description="The host names under which people and programs reach this processor; `*` allows every name. "
        "[Who may connect](../deploy/configure.md#hosts-and-origins).",
        examples=['[drift.example.com, "*.monitoring.svc"]'],
    )
    limits: Limits = Field(
        default=Limits(), description="Limits of memory and connections, and of the number of names."
    )
    storage: Annotated[Storage, BeforeValidator(_memory_in_short)] = Field(
        default=Storage(), description="Where rows are stored, and for how long."
    )
    shutdown: Shutdown = Field(default=Shutdown(), description="How the processor stops.")
    models: Annotated[dict[str, Model], BeforeValidator(empty_is_default)] = Field(
        default_factory=dict,
        description="Settings of single models. A model that is not named is discovered and evaluated with the "
        "defaults. These settings take precedence over the values of the sender.",
        json_schema_extra={"name": "churn"},
    )
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")] | Literal[""] = Field(
        default="",
        description="The currency of `costs` and of the values of outcomes, as an ISO 4217 code. If it is set, "
        "the pages, alerts and reviews show what a model [loses per day](../see/many-models.md#what-errors-cost).",
        examples=["EUR"],
        json_schema_extra={"default": "losses are not shown as money"},
    )
    include: Texts = Field(
        default=(),
        description="Files, or glob patterns of files, that contain more `models`, `channels`, `policies`, `actions`, "
        "`silences`, `business` and `tiers`. The paths of these files, and the paths inside them, are relative to "
        "this file. Each name can be defined in one file only.",
        examples=["[models/*.yaml]"],
        json_schema_extra={"shown": "comment"},
    )
    tiers: Annotated[dict[str, dict[str, Any]], BeforeValidator(tier_templates), Form("keys of a model, by tier")] = (
        Field(
            default_factory=dict,
            description="Default keys for the models of a [tier](../see/many-models.md) (a level of importance), by "
            "the number of the tier. The keys of a model override these defaults.",
            examples=['{1: {windows: [1h, 1d], performance: {objectives: ["availability >= 99.9 %"]}}}'],
            json_schema_extra={"shown": "comment"},
        )
    )
    notify: Annotated[tuple[Secret, ...], BeforeValidator(one_or_several)] = Field(
        default=(),
        description="Who is notified when a model becomes degraded, has no data, or stays at risk: names of "
        "`channels`, or [Apprise](https://appriseit.com/services/) addresses. The addresses are never shown or "
        "logged. [What is sent](../alert/notifications.md).",
        examples=["slack://${env:SLACK_TOKEN:-a/b/c}/#models"],
    )
    channels: Annotated[dict[str, Channel], BeforeValidator(channels_of)] = Field(
        default_factory=dict,
        description="Destinations of messages, by the names that policies use. Instead of these keys, a channel can "
        "be written as one text, which is the address of the channel.",
        examples=["oncall: pagerduty://${env:PAGERDUTY:-key@key}"],
        json_schema_extra={"name": "team", "shown": "comment"},
    )
    policies: Annotated[dict[str, Policy], BeforeValidator(with_default_policy)] = Field(
        default_factory=dict,
        validate_default=True,
        description="Conditions over time, and who is notified when they are true. The policy `health` exists by "
        "default; `health: {enabled: false}` disables it. [How to configure it](../alert/policies.md).",
        examples=["accuracy: {when: accuracy < 85 %, in_a_row: 2}"],
        json_schema_extra={"name": "accuracy-falls", "shown": "comment"},
    )
    actions: Annotated[dict[str, ActionKeys], BeforeValidator(with_action_names)] = Field(
        default_factory=dict,
        description="Actions that policies run for an alert. The name starts with the kind of the action, such as "
        "`jira` in `jira/payments`. [How to configure it](../alert/actions.md).",
        examples=["jira/payments: {url: https://example.atlassian.net, project: PAY, token: none}"],
        json_schema_extra={"name": "http/rollback", "shown": "comment"},
    )
    business: Annotated[
        dict[BusinessName, Business],
        BeforeValidator(empty_is_default),
    ] = Field(
        default_factory=dict,
        description="Business metrics that are shown next to a model, such as conversion or revenue. [How to "
        "configure it](../see/many-models.md#business-metrics).",
        json_schema_extra={"name": "conversion", "shown": "comment"},
    )
    silences: Annotated[dict[str, Silence], BeforeValidator(empty_is_default)] = Field(
        default_factory=dict,
        description="Periods without notifications for some models. If an alert is still open at the end of the "
        "period, the notification is sent then.",
        json_schema_extra={"name": "yearly-sale", "shown": "comment"},
    )
    exporters: Annotated[dict[str, ExporterKeys], BeforeValidator(with_names)] = Field(
        default_factory=dict,
        description="Destinations of telemetry. The name starts with the kind of the exporter: `otlp_grpc/NAME`, "
        "`otlp_http/NAME`.",
        examples=[
            'otlp_http/prometheus: {endpoint: "${env:PROMETHEUS:-http://127.0.0.1:9090}/api/v1/otlp", '
            "derived: [metrics]}"
        ],
        json_schema_extra={"name": "otlp_grpc/jaeger"},
    )

    @property
    def listeners(self) -> list[tuple[str, Address]]:
        """Key and address of every listener."""
        declared = ((f"receivers.{receiver.key}.endpoint", receiver.endpoint) for receiver in self.receivers.declared)
        received = [(key, endpoint) for key, endpoint in declared if endpoint is not None]
        return [*received, ("web.endpoint", self.web.endpoint)]

    def asks_for_certificates(self, key: str) -> bool:
        """Return True if a listener accepts only clients with a certificate; ``key``: of its address."""
        section: Any = self
        for part in key.split(".")[:-1]:
            section = getattr(section, part, None)
        return getattr(getattr(section, "tls", None), "client_ca_file", None) is not None

    @property
    def notified_channels(self) -> tuple[str, ...]:
        """Names of the channels of ``notify``; a plain address is named after its service."""
        return tuple(self._notified)

    def recipients_of(self, policy: Policy | None) -> tuple[str, ...]:
        """Return the names of the channels of a policy: its own, else those of ``notify``."""
        return (() if policy is None else policy.notify) or self.notified_channels

    @property
    def all_channels(self) -> dict[str, Channel]:
        """All channels by name: those of `channels`, and the addresses of `notify`."""
        return {**self.channels, **self._notified}

    @property
    def _notified(self) -> dict[str, Channel]:
        channels_by_key: dict[str, Channel] = {}
        for address_text in self.notify:
            address = address_text.get_secret_value()
            if (channel := self.channels.get(address)) is not None:
                channels_by_key[address] = channel
                continue
            scheme, number = address.partition("://")[0], 1
            while (name := scheme if number == 1 else f"{scheme} {number}") in {*channels_by_key, *self.channels}:
                number += 1
            channels_by_key[name] = Channel(url=address_text)
        return channels_by_key

    @property
    def watched_policies(self) -> dict[str, Policy]:
        """The evaluated policies; the default policy is included if there is a channel or if it is configured."""
        has_policies = len(self.policies) > 1 or self.policies[DEFAULT_POLICY].model_fields_set != {"when"}
        is_watched = self.notify or self.channels or has_policies
        return {name: policy for name, policy in self.policies.items() if policy.enabled} if is_watched else {}

    def problems(self) -> Iterator[Problem]:
        """Yield a problem for every rule that the configuration breaks."""
        yield from self._listener_problems()
        yield from self._size_problems()
        yield from under("limits.actions", self.limits.actions.problems())
        yield from under("receivers", self.receivers.problems())
        yield from under("web", tls_problems(self.web.tls))
        yield from self._auth_problems()
        for name, model in self.models.items():
            if name in ("", ".", ".."):
                yield Problem("models", f"'{name}' cannot be the name of a model, because actions use names in paths")
            yield from under(f"models.{name}", model.problems())
        for name, exporter in self.exporters.items():
            yield from under(f"exporters.{name}", exporter.problems(self.listeners))
        yield from self._policy_problems()

    def warnings(self) -> Iterator[Problem]:
        """Yield a problem for everything that is valid but probably unintended."""
        yield from policy_warnings(self.watched_policies, self.silences, self.models, self.notified_channels)

    def _policy_problems(self) -> Iterator[Problem]:
        names = {"channels": [*self.channels], "policies": [*self.policies], "silences": [*self.silences]}
        for section, section_names in names.items():
            if any(not name.strip() for name in section_names):
                yield Problem(section, "one entry has an empty name; enter a name, which messages and pages show")
        for index, address_text in enumerate(self.notify):
            texts = notify_problems(address_text.get_secret_value(), self.channels)
            yield from (Problem(f"notify.{index}", text) for text in texts)
        for name, channel in self.channels.items():
            yield from under(f"channels.{name}", channel.problems(self.channels))
            if "/" in name:
                yield Problem(
                    f"channels.{name}",
                    f"contains a '/', which is allowed only in names of actions; use '{name.replace('/', '-')}'",
                )
        for name, policy in self.policies.items():
            yield from under(f"policies.{name}", policy.problems(self.policies, self.channels, self.actions))
        for name, business in self.business.items():
            yield from under(f"business.{name}", business.problems(self.models))
        for name, policy in self.policies.items():
            for metric_name in business_of(policy):
                if metric_name not in self.business:
                    fix = near(metric_name, [*self.business]) if self.business else "declare it under 'business'"
                    yield Problem(f"policies.{name}.when", f"there is no business metric '{metric_name:.80}'; {fix}")
        for name, action in self.actions.items():
            yield from under(f"actions.{name}", action.problems())
        for name, silence in self.silences.items():
            yield from under(f"silences.{name}", silence.problems())

    def _listener_problems(self) -> Iterator[Problem]:
        listeners = self.listeners
        for i, (key, address) in enumerate(listeners):
            for other_key, other_address in listeners[:i]:
                if address.meets(other_address):
                    yield Problem(key, f"{address} is also the address of {other_key}; use a different port")
        for key, address in [] if self.insecure_anonymous or self.auth.enabled else listeners:
            if not address.loopback and not self.asks_for_certificates(key):
                yield (
                    Problem(
                        key,
                        f"{address} can be reached from other machines, and anyone there could read, add and delete; "
                        "run 'driftline token create NAME --may all' and add to this file: "
                        "'auth: {tokens: [{name: NAME, token_file: NAME.token, may: all}]}' (or use '127.0.0.1', or "
                        "set 'insecure_anonymous: true' if a firewall or container network keeps other machines out)",
                    )
                )

    def _auth_problems(self) -> Iterator[Problem]:
        yield from under("auth", self.auth.problems())
        if self.auth.enabled and self.insecure_anonymous:
            yield Problem(
                "insecure_anonymous", "would make the log-ins of 'auth' pointless; remove one of the two keys"
            )
        if self.auth.oidc is not None and not self.web.public_url:
            yield Problem(
                "web.public_url",
                "is missing, but the OpenID Connect provider sends people back to it; set the URL under which browsers "
                "reach the pages, such as https://driftline.example.com",
            )
        for name, keys in self.exporters.items() if self.auth.tokens else ():
            if "authorization" in map(str.lower, keys.forward_headers):
                yield Problem(
                    f"exporters.{name}.forward_headers",
                    "'authorization' is the sender's token for this processor, which the destination would receive; "
                    "remove it, and set 'headers' for a token of the destination",
                )

    def _size_problems(self) -> Iterator[Problem]:
        if self.limits.memory < LEAST_MEMORY:
            min_gib = LEAST_MEMORY // 2**30
            yield Problem(
                "limits.memory",
                f"is less than {min_gib}GiB, half of which an empty process may need; use {min_gib}GiB or more",
            )
        if (bodies := self.limits.request_bytes) is not None and bodies < LEAST_REQUEST_BYTES:
            needed = f"{LEAST_REQUEST_BYTES // 2**20}MiB"
            yield Problem(
                "limits.request_bytes",
                f"is less than {needed}, the memory that one request of 20MiB needs; use {needed} or more",
            )
        if bodies is not None and 2 * bodies > self.limits.memory >= LEAST_MEMORY:
            yield Problem(
                "limits.request_bytes",
                "is more than half of limits.memory, but the processor needs memory for everything else, too; use less",
            )
        if not self.receivers.declared:
            yield Problem("receivers.otlp.protocols", "is empty, so nothing would be received; add grpc, http or both")
        if self.storage.max_size is not None and self.storage.max_size < SMALLEST:
            yield Problem(
                "storage.max_size",
                f"is less than {SMALLEST // 10**6}MB, which aggregates may need without any rows; use more",
            )
        if self.storage.log.max_size < LEAST_LOG:
            yield Problem(
                "storage.log.max_size", f"is less than {LEAST_LOG // 2**20}MiB, which a few requests fill; use more"
            )
        if not 0 < 4 * self.storage.log.segment_size <= self.storage.log.max_size:
            yield (
                Problem(
                    "storage.log.segment_size",
                    "is more than a quarter of storage.log.max_size; log files are deleted as a whole, so use less, "
                    "or a larger max_size",
                )
            )
        if self.storage.log.max_age <= timedelta(0):
            yield Problem(
                "storage.log.max_age",
                "nothing would be kept for a destination that is down; use a duration such as '1d'",
            )
        if self.storage.audit.max_age <= timedelta(0):
            yield Problem("storage.audit.max_age", "nothing would be kept; use a longer duration, such as '2555d'")
        if self.storage.retention <= timedelta(0):
            yield Problem("storage.retention", "nothing would be kept; use a longer duration, such as '90d'")
        if self.shutdown.timeout < timedelta(seconds=1):
            yield (
                Problem(
                    "shutdown.timeout",
                    "is less than a second, which is too short to deliver anything; use more, such as '20s'",
                )
            )


def load(path: Path | str | None = None, forward: str | None = None) -> Config:
    """Read and check the configuration; with no file, the defaults. ``forward``: the URL of ``--forward``.

    Raises ConfigError with every problem at once.

    >>> str(load().web.endpoint)
    '127.0.0.1:8780'
    """
    config, problems = _read(Path(path) if path is not None else None, forward)
    if problems or config is None:
        raise ConfigError(problems)
    return config


def validate_file(path: Path | str) -> list[Problem]:
    """Return all problems of a configuration file; empty if ``driftline up`` accepts it."""
    return _read(Path(path), None)[1]


def written_policies(path: Path | str) -> object:
    """Return the section ``policies`` of a valid file and its included files as plain data."""
    problems: list[Problem] = []
    tree = with_included(_tree(Path(path), problems, {}) or {}, Path(path).parent, problems, {})
    return tree.get("policies", {})


def _read(path: Path | None, forward: str | None) -> tuple[Config | None, list[Problem]]:
    problems: list[Problem] = []
    filled: Filled = {}
    load_custom_metrics()  # the file may use them; their errors are reported when they are computed
    tree = _tree(path, problems, filled) if path is not None else {}
    if tree is None:
        return None, problems
    tree = with_included(tree, path.parent if path is not None else Path(), problems, filled)
    with suppress(ValueError):  # reported for the key itself, not again for each model
        tier_templates(tree.get("tiers", {}))
        tree = with_tiers(tree)
    if forward is not None and isinstance(tree.get("exporters", {}), dict):
        try:
            name, keys = forward_exporter(forward)
        except ValueError as unknown:
            raise ConfigError([Problem("", str(unknown))]) from None
        tree = {**tree, "exporters": {**tree.get("exporters", {}), name: keys}}
    before = len(problems)
    config = _parse(tree, path.parent if path is not None else Path(), problems, filled)
    problems[before:] = [problem for problem in problems[before:] if not follows_unset(problem, filled)]
    if config is not None:
        # A rule about a key that already has a problem would repeat it in other words.
        broken_keys = [problem.key for problem in problems]
        broken = [problem for problem in config.problems() if not follows_unset(problem, filled)]
        problems += [problem for problem in broken if not any(key.startswith(problem.key) for key in broken_keys)]
    return config, list(dict.fromkeys(masked(problem, filled) for problem in problems))


def _tree(path: Path, problems: list[Problem], filled: Filled) -> dict[str, Any] | None:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        problems.append(Problem(str(path), f"cannot be read: {reason}"))
        return None
    tree = parse_yaml(text, os.environ, problems, filled)
    if isinstance(tree, dict):
        # `models:` with nothing after it is the same as no such key.
        return {key: value for key, value in tree.items() if value is not None or key not in Config.model_fields}
    if tree is None and not problems:
        return {}
    if tree is not None:
        problems.append(
            Problem("", "the file must be a mapping of keys to values, such as 'web: {endpoint: \"127.0.0.1:8780\"}'")
        )
    return None


def _within(key: str, problems: list[Problem]) -> bool:
    """Return True if there is a problem below a key."""
    return any(problem.key.startswith(f"{key}.") for problem in problems)


def _parse(tree: dict[str, Any], folder: Path, problems: list[Problem], filled: Filled) -> Config | None:
    """Parse a tree; invalid entries become problems and are removed, so that the other rules can be checked."""
    if "receivers" in tree:
        tree = {**tree, "receivers": by_name(tree["receivers"])}
    if "business" in tree:
        tree = {**tree, "business": by_source(tree["business"])}
    tree = {"storage": {}, **tree}  # its default is a path, and paths are relative to the file
    for attempt in range(100):
        try:
            return Config.model_validate(tree, context={"folder": folder, "filled": filled})
        except ValidationError as invalid:
            errors = invalid.errors(include_url=False)
        for error in errors:
            missing = error["type"] == "missing"
            problem = problem_of(error, Config)
            # Problems that follow from a removed value have been reported already.
            if attempt == 0 or not (missing or _within(problem.key, problems)):
                problems.append(problem)
            tree = without(tree, error["loc"][:-1] if missing else error["loc"])
    return None
