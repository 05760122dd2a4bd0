"""What may be written in ``driftline.yaml``: the keys, their types and their defaults (see ``docs/configuration.md``).

What must hold *between* keys (two ports that are equal, a positive class that is no class) is in ``config_rules``.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

from driftline.seasonality import Seasonality
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictBool, ValidationError

from .config_expect import Expect, ExpectFeature, expectations
from .config_kafka import Kafka, renamed
from .config_metrics import Metric, mapped
from .config_performance import Performance
from .config_values import (
    Address,
    ClassText,
    ClassTexts,
    Confidence,
    Days,
    Deciding,
    FilePath,
    HostName,
    Keep,
    Keeping,
    Levels,
    Listen,
    Origin,
    Seconds,
    Secret,
    Share,
    Shown,
    Size,
    Text,
    TimeZone,
    Together,
    Watching,
    WindowName,
    one_or_several,
)
from .config_versions import Versions
from .config_yaml import Filled, masked, parse_yaml

if TYPE_CHECKING:
    from driftline_processor.core.compared.rolling import Rolling
    from driftline_processor.core.concept import Settings
    from driftline_processor.core.decode.mapped import Mapped
    from driftline_processor.core.drift.choice import Choice, Choices
    from driftline_processor.core.expectations.rule import Expectations

Forwarded = Literal["traces", "metrics", "logs", "records"]
"""What can be passed on as it came; ``records`` are the log records that are predictions, outcomes and baselines."""

Derived = Literal["metrics", "traces"]
"""What Driftline makes itself: drift and performance as metrics, outcomes as spans."""


class ConfigError(Exception):
    """The configuration cannot be used. ``problems``: one sentence each, with key, rule and fix."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def _empty_is_default(written: object) -> object:
    """``grpc:`` with nothing after it means "with its defaults", as in the Collector."""
    if isinstance(written, Mapping):
        return {key: {} if value is None else value for key, value in written.items()}
    return written


class Section(BaseModel):
    """A mapping of the file: unknown keys are errors, values do not change after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)


class Grpc(Section):
    """OTLP over gRPC."""

    endpoint: Listen = Address("127.0.0.1", 4317)


class Cors(Section):
    """Whose web pages may send OTLP: sites such as ``https://shop.example.com``; ``*`` is any part of one."""

    allowed_origins: tuple[Origin, ...] = ()


class Http(Section):
    """OTLP over HTTP; ``POST /v1/outcomes`` too."""

    endpoint: Listen = Address("127.0.0.1", 4318)
    cors: Cors = Cors()


class Protocols(Section):
    """Which OTLP transports are received: those that are named; both where the key is left out."""

    grpc: Grpc | None = None
    http: Http | None = None


class Otlp(Section):
    """The OTLP receiver."""

    protocols: Annotated[Protocols, BeforeValidator(_empty_is_default)] = Protocols(grpc=Grpc(), http=Http())


class Receivers(Section):
    """What is received."""

    otlp: Otlp = Otlp()
    kafka: dict[str, Kafka] = Field(default_factory=dict)


class Web(Section):
    """Pages, ``/metrics``, ``/api``, ``/healthz``, ``/readyz`` and ``POST /v1/outcomes``."""

    endpoint: Listen = Address("127.0.0.1", 8780)


class Limits(Section):
    """How much is taken in at a time by all receivers together, and how many names are kept apart."""

    connections: Annotated[int, Field(ge=8, strict=True)] = 1_000
    request_bytes: Size = 256 * 2**20
    """Room for one of the largest files of outcomes (128 MiB), and for all small requests beside it."""
    models: Annotated[int, Field(ge=1, strict=True)] = 1_000
    versions: Annotated[int, Field(ge=1, strict=True)] = 50
    environments: Annotated[int, Field(ge=1, strict=True)] = 20


class Storage(Section):
    """Where rows are kept, how long, and how much room they may take."""

    directory: FilePath = Field(default=Path("driftline-data"), validate_default=True)
    retention: Days = timedelta(days=90)
    max_size: Size | None = None


class Shutdown(Section):
    """How the processor ends: receivers, evaluation and forwarders share ``timeout``."""

    timeout: Seconds = timedelta(seconds=20)


class Concept(Section):
    """How concept drift is looked for: the first of the detectors decides, none switches it off."""

    detectors: Watching = ("adwin",)
    delta: Confidence = 0.002

    @property
    def settings(self) -> Settings:
        """The same, as the stream of errors takes it."""
        from driftline_processor.core.concept import Settings

        return Settings(self.detectors, self.delta)


class Reference(Section):
    """The past that a model's windows are compared with, instead of the baseline's own rows."""

    last: WindowName
    without: WindowName | None = None

    @property
    def rolling(self) -> Rolling:
        """The same, as windows take it."""
        from driftline_processor.core.compared.rolling import Rolling

        return Rolling(self.last, self.without or "")


class Feature(Section):
    """How one feature is compared, and what is expected of it.

    ``method``: the first that compares its kind decides; ``methods`` are shown.
    """

    method: Deciding = ()
    methods: Shown = ()
    expect: ExpectFeature | None = None

    @property
    def choice(self) -> Choice:
        """The same, as the drift rule takes it."""
        from driftline_processor.core.drift.choice import Choice

        return Choice(self.method, self.methods)


class Model(Section):
    """What the processor should know of one model beyond what arrives; everything is optional."""

    task: Literal["binary", "multiclass", "regression", "ranking"] | None = None
    classes: ClassTexts = ()
    positive_class: ClassText | None = None
    threshold: Share | None = None
    quantiles: Levels = ()
    baseline: FilePath | None = None
    reference: Reference | None = None
    windows: tuple[WindowName, ...] = ("1h", "1d")
    timezone: TimeZone = "UTC"
    outcome_delay: Days | None = None
    performance: Annotated[Performance, BeforeValidator(_empty_is_default)] = Performance()
    versions: Annotated[Versions, BeforeValidator(_empty_is_default)] = Versions()
    seasonality: Literal["hour", "weekday", "hour_of_week"] | None = None
    slices: tuple[Text, ...] = ()
    cluster: Text | None = None
    keep_features: Keeping = Keep(5_000)
    subject: Text | None = None
    min_effect: dict[str, Share] = Field(default_factory=dict)
    method: Deciding = ()
    methods: Shown = ()
    multivariate: Together = ("pca", "correlation")
    expect: Expect = Expect()
    concept: Annotated[Concept, BeforeValidator(_empty_is_default)] = Concept()
    features: Annotated[dict[str, Feature], BeforeValidator(_empty_is_default)] = Field(default_factory=dict)
    metrics: Annotated[dict[str, Metric], BeforeValidator(_empty_is_default)] = Field(default_factory=dict)

    @property
    def seasons(self) -> Seasonality | None:
        """By which seasons rows are told apart, None = by none: those of the model's clock."""
        return None if self.seasonality is None else Seasonality(self.seasonality, self.timezone)

    @property
    def sliced(self) -> tuple[str, ...]:
        """The keys by which rows are cut: slices, the attributes that tell groups of people, those of objectives."""
        return tuple(dict.fromkeys((*self.slices, *self.performance.asked.keys)))

    @property
    def choices(self) -> Choices:
        """Which methods compare the model's targets."""
        from driftline_processor.core.drift.choice import Choice, Choices

        own = {name: feature.choice for name, feature in self.features.items()}
        return Choices(Choice(self.method, self.methods), own)

    @cached_property
    def expectations(self) -> Expectations:
        """What is expected of the model's data."""
        own = {name: feature.expect for name, feature in self.features.items() if feature.expect is not None}
        return expectations(self.expect, own)

    def mapped(self, name: str) -> tuple[Mapped, ...]:
        """Return what metrics of other names mean for the model, which is called ``name``."""
        return mapped(name, self.metrics)


class Tls(Section):
    """How a destination is trusted. ``insecure``: no TLS (gRPC only; over HTTP the scheme says it)."""

    insecure: StrictBool = False
    ca_file: FilePath | None = None
    cert_file: FilePath | None = None
    key_file: FilePath | None = None

    def context(self) -> ssl.SSLContext:
        """Return the context of a client. Raises OSError for files that cannot be used."""
        context = ssl.create_default_context(cafile=self.ca_file)
        if self.cert_file is not None:
            context.load_cert_chain(self.cert_file, self.key_file)
        return context


class Exporter(Section):
    """One OTLP destination: what is forwarded to it as it came, and what is derived for it.

    ``compression``: gzip when it is not said, except on this machine, where there is nothing to save.
    """

    endpoint: Text
    headers: dict[str, Secret] = Field(default_factory=dict)
    compression: Literal["gzip", "none"] | None = None
    timeout: Seconds = timedelta(seconds=10)
    tls: Tls = Tls()
    forward: tuple[Forwarded, ...] = ()
    derived: tuple[Derived, ...] = ()
    temporality: Literal["cumulative", "delta"] = "cumulative"
    forward_headers: tuple[Text, ...] = ()


class Config(Section):
    """The whole file. ``exporters``: ``otlp_grpc/NAME`` and ``otlp_http/NAME`` (``otlp/``, ``otlphttp/`` too)."""

    receivers: Annotated[Receivers, BeforeValidator(_empty_is_default)] = Receivers()
    web: Web = Web()
    insecure_anonymous: StrictBool = False
    allowed_hosts: Annotated[tuple[HostName, ...], BeforeValidator(one_or_several)] = ()
    limits: Limits = Limits()
    storage: Storage = Storage()
    shutdown: Shutdown = Shutdown()
    models: Annotated[dict[str, Model], BeforeValidator(_empty_is_default)] = Field(default_factory=dict)
    exporters: dict[str, Exporter] = Field(default_factory=dict)


def transport_of(name: str) -> Literal["grpc", "http"] | None:
    """Say how an exporter of this name talks, or None where the name says nothing.

    >>> transport_of("otlp_grpc/jaeger"), transport_of("otlphttp/prometheus"), transport_of("jaeger")
    ('grpc', 'http', None)
    """
    kind = name.partition("/")[0]
    return "grpc" if kind in ("otlp_grpc", "otlp") else "http" if kind in ("otlp_http", "otlphttp") else None


def forward_exporter(url: str) -> tuple[str, dict[str, Any]]:
    """Name and keys of the exporter behind ``--forward URL``: everything goes there.

    >>> forward_exporter("http://127.0.0.1:14318")[0], forward_exporter("127.0.0.1:14317")[0]
    ('otlp_http/forward', 'otlp_grpc/forward')
    """
    everything: dict[str, Any] = {"forward": list(get_args(Forwarded)), "derived": list(get_args(Derived))}
    if url.startswith(("http://", "https://")):
        return "otlp_http/forward", {"endpoint": url, **everything}
    scheme, _, rest = url.rpartition("://")
    if scheme not in ("", "grpc", "grpcs"):
        raise ConfigError(
            [f"--forward: '{scheme}://' is not known; write http://, https://, grpc://, grpcs:// or host:port"]
        )
    return "otlp_grpc/forward", {"endpoint": rest.rstrip("/"), "tls": {"insecure": scheme != "grpcs"}, **everything}


def shown_endpoint(endpoint: str) -> str:
    """Return an endpoint for people: without the user and password that a URL may carry.

    >>> shown_endpoint("https://me:secret@collector.example/otlp")
    'https://collector.example/otlp'
    """
    scheme, mark, rest = endpoint.rpartition("://")
    netloc, slash, path = rest.partition("/")
    return f"{scheme}{mark}{netloc.rpartition('@')[2]}{slash}{path}"


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


def validate_file(path: Path | str) -> list[str]:
    """Return every problem of a configuration file as a sentence; none when ``driftline up`` would take it."""
    return _read(Path(path), None)[1]


def _read(path: Path | None, forward: str | None) -> tuple[Config | None, list[str]]:
    from .config_rules import broken_rules

    problems: list[str] = []
    filled: Filled = {}
    tree = _tree(path, problems, filled) if path is not None else {}
    if tree is None:
        return None, problems
    if forward is not None and isinstance(tree.get("exporters", {}), dict):
        name, keys = forward_exporter(forward)
        tree = {**tree, "exporters": {**tree.get("exporters", {}), name: keys}}
    config = _parse(tree, path.parent if path is not None else Path(), problems)
    if config is not None:
        # A rule about a key in which something wrong was found already would repeat that in other words.
        named = [problem.partition(": ")[0] for problem in problems]
        broken = [(problem.partition(": ")[0], problem) for problem in broken_rules(config)]
        problems += [problem for key, problem in broken if not any(other.startswith(key) for other in named)]
    return config, list(dict.fromkeys(masked(problem, filled) for problem in problems))


def _tree(path: Path, problems: list[str], filled: Filled) -> dict[str, Any] | None:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        problems.append(f"{path}: cannot be read: {reason}")
        return None
    tree = parse_yaml(text, os.environ, problems, filled)
    if isinstance(tree, dict):
        # `models:` with nothing after it is the same as no such key.
        return {key: value for key, value in tree.items() if value is not None or key not in Config.model_fields}
    if tree is None and not problems:
        return {}
    if tree is not None:
        problems.append("the file must be keys and values, such as 'web: {endpoint: \"127.0.0.1:8780\"}'")
    return None


def _within(said: str, problems: list[str]) -> bool:
    """Whether a problem below the key of this one has been named."""
    return any(problem.startswith(f"{said.partition(': ')[0]}.") for problem in problems)


def _parse(tree: dict[str, Any], folder: Path, problems: list[str]) -> Config | None:
    """Parse; what is wrong is named and taken out, so that the rules can still look at the rest."""
    from .config_messages import sentence, without

    if "receivers" in tree:
        tree = {**tree, "receivers": renamed(tree["receivers"])}
    tree = {"storage": {}, **tree}  # its default is a path, and paths are relative to the file
    for attempt in range(100):
        try:
            return Config.model_validate(tree, context={"folder": folder})
        except ValidationError as invalid:
            errors = invalid.errors(include_url=False)
        for error in errors:
            missing = error["type"] == "missing"
            said = sentence(error, Config)
            # What is missing, or wrong as a whole, because a wrong value was taken out has been named already.
            if attempt == 0 or not (missing or _within(said, problems)):
                problems.append(said)
            tree = without(tree, error["loc"][:-1] if missing else error["loc"])
    return None
