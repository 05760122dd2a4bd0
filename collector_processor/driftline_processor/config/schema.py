"""The keys of ``driftline.yaml`` with their types and defaults, and what must hold between them.

What may be written in ``driftline.yaml``: the keys, their types and their defaults (see
``docs/reference/configuration.md``).

What must hold *between* keys (two ports that are equal, a positive class that is no class) is in ``config_rules``.
"""

from __future__ import annotations

import os
import re
import ssl
from collections.abc import Iterator, Mapping
from datetime import timedelta
from functools import cached_property
from os.path import isfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args
from urllib.parse import urlsplit

from driftline.tables.timestamps import Seasonality
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictBool, ValidationError

from .expectations import Expect, ExpectFeature, expectations
from .kafka import Kafka, broken_kafka, renamed
from .performance import Performance
from .performance import broken as broken_performance
from .recorded_metrics import Metric, broken, mapped
from .values import (
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
from .versions import Versions
from .yaml_loader import Filled, masked, parse_yaml

if TYPE_CHECKING:
    from driftline_processor.core.concept import Settings
    from driftline_processor.core.decode.foreign_metrics import MetricMapping
    from driftline_processor.core.drift.method_choice import Choice, Choices
    from driftline_processor.core.expectations.rule import Expectations
    from driftline_processor.core.reference.rolling import Rolling


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
        from driftline_processor.core.reference.rolling import Rolling

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
        from driftline_processor.core.drift.method_choice import Choice

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
        """Return which methods compare the model's targets."""
        from driftline_processor.core.drift.method_choice import Choice, Choices

        own = {name: feature.choice for name, feature in self.features.items()}
        return Choices(Choice(self.method, self.methods), own)

    @cached_property
    def expectations(self) -> Expectations:
        """Return what is expected of the model's data."""
        own = {name: feature.expect for name, feature in self.features.items() if feature.expect is not None}
        return expectations(self.expect, own)

    def mapped(self, name: str) -> tuple[MetricMapping, ...]:
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
    pass

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
    """Return whether a problem below the key of this one has been named."""
    return any(problem.startswith(f"{said.partition(': ')[0]}.") for problem in problems)


def _parse(tree: dict[str, Any], folder: Path, problems: list[str]) -> Config | None:
    """Parse; what is wrong is named and taken out, so that the rules can still look at the rest."""
    from .yaml_loader import sentence, without

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


_EXAMPLES = {"grpc": "'host:port', as in '127.0.0.1:14317'", "http": "a URL, as in 'http://127.0.0.1:14318'"}
SMALLEST = 20 * 10**6
"""Bytes of the smallest file that is worth keeping rows in."""
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_OF_THE_REQUEST = (
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "host",
    "te",
    "transfer-encoding",
)


def broken_rules(config: Config) -> list[str]:
    """Return a sentence for every rule that the configuration breaks."""
    problems = [*_listeners(config), *(f"receivers.kafka/{one}" for one in broken_kafka(config.receivers.kafka))]
    for name, model in config.models.items():
        problems += [f"models.{name}.{problem}" for problem in (*_model(model), *_baseline(model), *_metrics(model))]
    for name, exporter in config.exporters.items():
        problems += [f"exporters.{name}{problem}" for problem in _exporter(name, exporter, config)]
    return problems


def listeners(config: Config) -> list[tuple[str, Address]]:
    """Return key and address of everything that listens."""
    protocols = config.receivers.otlp.protocols
    found = [("web.endpoint", config.web.endpoint)]
    if protocols.http is not None:
        found.insert(0, ("receivers.otlp.protocols.http.endpoint", protocols.http.endpoint))
    if protocols.grpc is not None:
        found.insert(0, ("receivers.otlp.protocols.grpc.endpoint", protocols.grpc.endpoint))
    return found


def _listeners(config: Config) -> Iterator[str]:
    found = listeners(config)
    for i, (key, address) in enumerate(found):
        for other_key, other in found[:i]:
            if address.meets(other):
                yield f"{key}: {address} is also {other_key}; give each its own port"
    if not config.insecure_anonymous:
        for key, address in found:
            if not address.loopback:
                yield (
                    f"{key}: {address} can be reached from other machines, and there is no authentication yet: anyone "
                    "there could read, add and delete; write '127.0.0.1', or 'insecure_anonymous: true' if nobody else "
                    "can connect"
                )
    least = 32 * 2**20
    if config.limits.request_bytes < least:
        yield f"limits.request_bytes: is less than {least // 2**20}MiB, which one request of 20MiB needs; write more"
    if len(found) == 1 and not config.receivers.kafka:
        yield "receivers.otlp.protocols: nothing is received; name grpc, http or both"
    if config.storage.max_size is not None and config.storage.max_size < SMALLEST:
        yield f"storage.max_size: is less than {SMALLEST // 10**6}MB, which sums alone may take; write more"
    if config.storage.retention <= timedelta(0):
        yield "storage.retention: nothing would be kept; write how long, such as '90d'"
    if config.shutdown.timeout < timedelta(seconds=1):
        yield "shutdown.timeout: is less than a second, in which nothing could be delivered; write more, such as '20s'"


def _model(model: Model) -> Iterator[str]:
    from driftline.tables.table import CLASSLESS

    listed = ", ".join(model.classes)
    if len(set(model.classes)) < len(model.classes):
        yield f"classes: one class is named twice ({listed}); 1, 1.0, '1' and true are one class"
    if model.task == "binary" and model.classes and len(model.classes) != 2:
        yield f"classes: a binary model has two, not {len(model.classes)} ({listed}); or is its task multiclass?"
    if model.task == "multiclass" and len(model.classes) == 1:
        yield f"classes: a multiclass model has at least two, not one ({listed})"
    if model.task in CLASSLESS and model.classes:
        yield f"classes: a {model.task} model has none; leave the key out, or write another task"
    if model.positive_class is not None:
        if model.task in ("multiclass", *CLASSLESS):
            yield f"positive_class: only a binary model has one; leave it out, or write task: binary, not {model.task}"
        elif model.classes and model.positive_class not in model.classes:
            yield f"positive_class: '{model.positive_class}' is not in classes ({listed}); write one of them"
    if model.quantiles and model.task in ("binary", "multiclass", "ranking"):
        yield f"quantiles: only a regression has any; leave them out, or write task: regression, not {model.task}"
    if model.threshold is not None and model.task in ("multiclass", *CLASSLESS):
        yield f"threshold: only a binary model has one; leave it out, or write task: binary, not {model.task}"
    of_performance = broken_performance(model.performance, model.task or "", model.classes)
    yield from (f"performance.{problem}" for problem in of_performance)
    if model.performance.cutoffs and model.task in ("binary", "multiclass", "regression"):
        yield f"performance.cutoffs: only a ranking has any; leave it out, or write task: ranking, not {model.task}"
    named: tuple[tuple[str, tuple[object, ...]], ...] = (
        ("windows", model.windows),
        ("slices", model.slices),
        ("performance.cutoffs", model.performance.cutoffs),
    )
    for key, values in named:
        if len(set(values)) < len(values):
            yield f"{key}: one of {', '.join(map(str, values))} is named twice; name each once"
    if model.subject is not None and model.subject in model.slices:
        yield (
            f"subject: '{model.subject}' is also one of slices, whose values are shown; a subject is whom rows are "
            "about: leave it out of slices"
        )
    for objective in model.performance.objectives:
        if objective.window and not objective.rolling and objective.window not in model.windows:
            yield (
                f"performance.objectives: '{objective.rule}' is over {objective.window}, and windows are "
                f"{', '.join(model.windows)}; name it there, too, or write rolling: true"
            )
        minutes = [name.endswith("m") for name in ((objective.window,) if objective.window else model.windows)]
        if objective.slice and minutes and all(minutes):
            yield (
                f"performance.objectives: '{objective.rule}' is of a slice, and of windows of minutes none is known; "
                "write a window of an hour or more"
            )
    if "delta" in model.concept.model_fields_set and "adwin" not in model.concept.detectors:
        yield "concept.delta: is of adwin, which is not among concept.detectors; name it there, or leave delta out"
    yield from (f"versions: {problem}" for problem in model.versions.problems())
    if not model.windows:
        yield "windows: none are named; write at least one, such as [1d]"
    if model.outcome_delay is not None and model.outcome_delay < timedelta(0):
        yield "outcome_delay: is negative; write '0s' or more, or leave the key out: the delay is then learned"


def _baseline(model: Model) -> Iterator[str]:
    if model.baseline is None:
        return
    from driftline.baseline.baseline import Baseline

    if not isfile(model.baseline):
        yield (
            f"baseline: there is no file {model.baseline} (the path is relative to this one); "
            "build it with 'driftline baseline build'"
        )
        return
    try:
        baseline = Baseline.load(model.baseline)
    except (OSError, ValueError) as error:
        yield f"baseline: {error}"
        return
    if model.task and baseline.task.kind and model.task != baseline.task.kind:
        yield f"task: '{model.task}', but the baseline {model.baseline} is of a {baseline.task.kind} model; write that"
    known = baseline.extras.seasons
    if model.seasonality is not None and (known is None or known.seasonality.kind != model.seasonality):
        yield (
            f"seasonality: the baseline {model.baseline} does not know its seasons of {model.seasonality}; build it "
            f"with 'driftline baseline build --seasonality {model.seasonality} --timezone {model.timezone}'"
        )
    elif model.seasonality is not None and known is not None and known.seasonality.timezone != model.timezone:
        yield (
            f"timezone: '{model.timezone}', but the seasons of the baseline {model.baseline} are those of "
            f"{known.seasonality.timezone}; write that, or build it with --timezone {model.timezone}"
        )
    if model.classes and baseline.task.classes and set(model.classes) != set(baseline.task.classes):
        yield (
            f"classes: {', '.join(model.classes)}, but the baseline {model.baseline} has "
            f"{', '.join(baseline.task.classes)}; write those, or build it again"
        )


def _metrics(model: Model) -> Iterator[str]:
    yield from (f"metrics.{problem}" for problem in broken(model.metrics, bool(model.task or model.baseline)))


def _exporter(name: str, exporter: Exporter, config: Config) -> Iterator[str]:
    transport = transport_of(name)
    if transport is None:
        yield ": the name does not say how to send; write otlp_grpc/NAME or otlp_http/NAME"
        return
    if not exporter.forward and not exporter.derived:
        yield ": sends nothing; add some of forward: [traces, metrics, logs, records], derived: [metrics, traces]"
    if exporter.timeout <= timedelta(0):
        yield ".timeout: must be more than nothing; write '10s'"
    if (exporter.tls.cert_file is None) != (exporter.tls.key_file is None):
        yield ".tls: cert_file and key_file belong together; write both or none"
    named = {key: getattr(exporter.tls, key) for key in ("ca_file", "cert_file", "key_file")}
    absent = {key: path for key, path in named.items() if path is not None and not isfile(path)}
    for key, path in absent.items():
        yield f".tls.{key}: there is no file {path}; the path is relative to this file"
    if not absent and any(named.values()):
        try:
            exporter.tls.context()
        except OSError as error:
            yield f".tls: the files cannot be used ({error}); write PEM files, and a key that fits"
    if exporter.tls.insecure and (exporter.tls.ca_file or exporter.tls.cert_file):
        yield ".tls.insecure: true means no TLS, but certificates are given; leave one of the two out"
    for header, value in exporter.headers.items():
        if not _HEADER.fullmatch(header):
            yield f".headers: '{header}' is not a header; write letters, digits and hyphens"
        if not re.fullmatch(r"[\x20-\x7e]*", value.get_secret_value()):
            yield f".headers.{header}: the value has a line break, or another character that no header can carry"
    for header in exporter.forward_headers:
        if header.lower() in _OF_THE_REQUEST:
            yield f".forward_headers: '{header}' is of the request itself and cannot travel; leave it out"
    target = _target(transport, exporter.endpoint)
    if isinstance(target, str):
        yield f".endpoint: {target}"
        return
    for key, address in listeners(config):
        if address.meets(target) and (address.host == target.host or target.loopback or target.everywhere):
            yield f".endpoint: {exporter.endpoint} is driftline's own {key}: a loop; write where it should go instead"


def _target(transport: str, endpoint: str) -> Address | str:
    """Return where an exporter sends, or what is wrong with its endpoint."""
    try:
        parts = urlsplit(endpoint if "://" in endpoint else f"//{endpoint}")
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return f"'{endpoint}' has no usable port; write a number up to 65535"
    if transport == "http" and parts.scheme not in ("http", "https"):
        return f"'{endpoint}' has no scheme; write 'http://{endpoint}' or 'https://{endpoint}'"
    if parts.scheme in ("dns", "unix"):
        return Address("", 0)
    if not host or re.search(r"\s", endpoint):
        return f"'{endpoint}' has no host; write {_EXAMPLES[transport]}"
    if transport == "http":
        for path in ("/v1/traces", "/v1/metrics", "/v1/logs"):
            if parts.path.rstrip("/").endswith(path):
                return f"'{endpoint}' names one signal; driftline adds {path} itself, so leave it out"
        return Address(host, port or (443 if parts.scheme == "https" else 80))
    if parts.scheme not in ("", "http", "https", "grpc", "grpcs"):
        return f"'{parts.scheme}://' is not known; write {_EXAMPLES[transport]}"
    if parts.path not in ("", "/"):
        return f"'{endpoint}' has a path, which gRPC does not; write 'host:port', or name the exporter otlp_http/NAME"
    if port is None:
        return f"'{endpoint}' has no port; write '{endpoint.rstrip('/')}:4317'"
    return Address(host, port)
