"""What must hold between the keys of a configuration, and with the files it names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from os.path import isfile
from urllib.parse import urlsplit

from .config import Config, Exporter, Model, transport_of
from .config_kafka import broken_kafka
from .config_metrics import broken
from .config_performance import broken as broken_performance
from .config_values import Address

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
    from driftline.tables import CLASSLESS

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
    from driftline.baseline import Baseline

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
