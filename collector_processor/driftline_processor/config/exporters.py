"""Keys shared by all kinds of exporters below ``exporters``; those of one kind are in ``exporters/types/KIND.py``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, Self, get_args

from pydantic import Field, ModelWrapValidatorHandler, ValidationInfo, model_validator

from .kinds import EXPORTERS
from .section import Problem, Section
from .values import Address, Text

Forwarded = Literal["traces", "metrics", "logs", "records"]
"""Signals that are forwarded unchanged; ``records`` are log records of predictions, outcomes and baselines."""

Derived = Literal["metrics", "traces", "logs"]
"""Signals that Driftline creates: drift and performance as metrics, outcomes as spans, new verdicts as logs."""


OutcomeParent = Literal["prediction", "none"]
"""Whether the span of an outcome is a child of the prediction's span, or has a trace of its own."""


class ExporterKeys(Section):
    """Keys of every kind of exporter: forwarded and derived signals of the destination."""

    forward: tuple[Forwarded, ...] = Field(
        default=(),
        description="The signals to forward unchanged: `traces`, `metrics`, `logs`, or `records` (the log records "
        "that are predictions, outcomes and baselines).",
        examples=["[traces]"],
        json_schema_extra={"shown": True},
    )
    derived: tuple[Derived, ...] = Field(
        default=(),
        description="The signals that Driftline derives: `metrics` (drift, performance), `traces` (outcomes as "
        "[spans](../deploy/configure.md#send-to-other-backends), at most 100 per second), or `logs` (a "
        "record when the verdict of a model changes).",
        examples=["[traces]"],
        json_schema_extra={"shown": True},
    )
    forward_headers: tuple[Text, ...] = Field(
        default=(),
        description="The names of request headers that are forwarded together with the request.",
        examples=["[x-scope-orgid]"],
    )
    temporality: Literal["cumulative", "delta"] = Field(
        default="cumulative",
        description="The temporality of derived metrics. Use `delta` for backends that require it (Datadog, "
        "Dynatrace).",
        examples=["delta"],
    )

    outcome_parent: OutcomeParent = Field(
        default="prediction",
        description="The parent of an outcome's [span](../deploy/configure.md#send-to-other-backends). The outcome's "
        "span always has a link to the prediction's span. `prediction`: an outcome that arrives within a day is in "
        "the trace of its prediction, so the trace ends with the last outcome. `none`: outcomes have traces of their "
        "own.",
        examples=["none"],
    )

    on_full: Literal["drop_oldest", "refuse"] = Field(
        default="drop_oldest",
        description="What happens if the destination lags so far behind that [the "
        "log](../deploy/configure.md#storage) cannot store all requests that wait for it. `drop_oldest`: the oldest "
        "requests are dropped and counted. `refuse`: all senders are asked to retry.",
        examples=["refuse"],
    )

    @model_validator(mode="wrap")
    @classmethod
    def _of_its_kind(cls, value: Any, read: ModelWrapValidatorHandler[Self], info: ValidationInfo) -> Any:
        """Read the keys of the kind in the exporter's name, which :func:`with_names` adds."""
        if cls is not ExporterKeys:
            return read(value)
        name, keys = value
        section = exporter_kind(name)
        if section is None:
            choice = " or ".join(f"{name}/NAME" for name in EXPORTERS.names())
            raise ValueError(f"the name must begin with the type of the exporter; use {choice}")
        return section.model_validate(keys, context=info.context)

    def connect(self) -> Any:
        """Return the exporter, see ``exporters/exporter.py``."""
        raise NotImplementedError

    @property
    def destination(self) -> str:
        """Address of the destination for people, without user and password."""
        raise NotImplementedError

    def problems(self, listeners: Sequence[tuple[str, Address]]) -> Iterator[Problem]:
        """Yield a problem for every rule that the keys break.

        Args:
            listeners: Key and address of every listener of this processor.
        """
        if not self.forward and not self.derived:
            forwarded_signals, derived_signals = (
                ", ".join(get_args(signal_type)) for signal_type in (Forwarded, Derived)
            )
            yield Problem(
                "",
                f"sends nothing; add forward or derived, with one or more of these values: "
                f"forward: [{forwarded_signals}], derived: [{derived_signals}]",
            )
        yield from self._own_problems(listeners)

    def _own_problems(self, listeners: Sequence[tuple[str, Address]]) -> Iterator[Problem]:
        """Yield a problem for every rule of the type that the keys break."""
        raise NotImplementedError


def exporter_kind(name: str) -> type[ExporterKeys] | None:
    """Return the kind in an exporter's name; None if there is no such kind.

    >>> exporter_kind("otlp/jaeger").__name__, exporter_kind("jaeger")
    ('OtlpGrpc', None)
    """
    kind: type[ExporterKeys] | None = EXPORTERS.find(name.partition("/")[0])
    return kind


def with_names(exporters: object) -> object:
    """Add each exporter's name to its keys, because the name determines the kind."""
    return {name: (name, keys) for name, keys in exporters.items()} if isinstance(exporters, Mapping) else exporters


def forward_exporter(url: str) -> tuple[str, dict[str, Any]]:
    """Return name and keys of the exporter of ``--forward URL``, which receives all signals.

    >>> forward_exporter("http://127.0.0.1:14318")[0], forward_exporter("127.0.0.1:14317")[0]
    ('otlp_http/forward', 'otlp_grpc/forward')
    """
    everything: dict[str, Any] = {"forward": list(get_args(Forwarded)), "derived": list(get_args(Derived))}
    if url.startswith(("http://", "https://")):
        return "otlp_http/forward", {"endpoint": url, **everything}
    scheme, _, rest = url.rpartition("://")
    if scheme not in ("", "grpc", "grpcs"):
        raise ValueError(
            f"--forward: '{scheme}://' is not a supported scheme; use http://, https://, grpc://, grpcs:// or host:port"
        )
    return "otlp_grpc/forward", {
        "endpoint": rest.rstrip("/"),
        "tls": {"insecure": scheme != "grpcs"},
        **everything,
    }
