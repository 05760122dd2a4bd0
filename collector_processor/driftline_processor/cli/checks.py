"""The checks of ``driftline doctor``: everyday mistakes, each with its evidence and its fix.

Most facts are those of a running processor: its status, the hints of its models, and its counts of rejected rows. The
ports and destinations are asked.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
from cryptography import x509
from driftline.export.endpoint import resolve
from driftline.export.transport import ChannelError, open_channel
from msgspec import Struct

from driftline_processor.config.exporters import ExporterKeys
from driftline_processor.config.schema import Config, ConfigError, load
from driftline_processor.config.tls import TlsServer
from driftline_processor.config.values import Address
from driftline_processor.core.nearest_names import near, nearest
from driftline_processor.present import numbers
from driftline_processor.readers.errors import BadInput
from driftline_processor.receipts import NOT_PERMITTED
from driftline_processor.servers.ports import PortInUse, bind
from driftline_processor.store.disk_space import low_disk_sentence

from . import client
from .connection import Connection
from .port_probe import WORDS, PortAnswer, Speaks, ask_port

SOON = 21
"""Days before the end of a certificate from which it is a finding."""

APART = 5.0
"""Seconds by which clocks may differ."""

NEEDS_ATTENTION = "needs attention"
"""Words of a finding of the status."""

_WAIT = 10.0

_REPEATED = ("request_seen", "batch_seen", "row_seen", "point_seen", "expired")
"""Reasons of rejected rows that are no mistakes: repeated requests, and the end of the retention."""

_FIXES = {
    NOT_PERMITTED: "add the capability (ingest, outcomes or baselines), or the model, to the sender's token under auth",
    "time_out_of_range": "correct the clock of the sender, or the unit of its prediction times (nanoseconds in OTLP)",
    "model_limit": "increase limits.models, or correct a name of a model that contains a changing part",
    "no_model_name": "set ml.model.name in the sender",
    "not_marked": "set driftline.capture=metrics on the resource or the points of a sender without spans and records",
}

_ENDPOINTS = (
    "DRIFTLINE_ENDPOINT",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    *(f"OTEL_EXPORTER_OTLP_{signal}_ENDPOINT" for signal in ("TRACES", "METRICS", "LOGS")),
)


_BUNDLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
"""Variables from which the library of OpenTelemetry's OTLP/HTTP exporters reads certificates, the first one wins."""

_CERTIFICATES = (
    "OTEL_EXPORTER_OTLP_CERTIFICATE",
    *(f"OTEL_EXPORTER_OTLP_{signal}_CERTIFICATE" for signal in ("TRACES", "METRICS", "LOGS")),
)


class Finding(Struct, frozen=True):
    """A mistake.

    Attributes:
        what: What is wrong.
        evidence: What was seen.
        fix: What to do.
    """

    what: str
    evidence: str
    fix: str


# -- the shell ----------------------------------------------------------------------------------------------------


def check_environment(environ: Mapping[str, str]) -> Iterator[Finding]:
    """Yield the contradictions of the variables from which the SDK of a service reads its destination."""
    given = {name: environ[name].strip() for name in _ENDPOINTS if environ.get(name, "").strip()}
    if given and environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        yield Finding(
            "the SDK is disabled, although a destination is set",
            f"OTEL_SDK_DISABLED=true, and {', '.join(given)}",
            "unset OTEL_SDK_DISABLED",
        )
    own = given.get("DRIFTLINE_ENDPOINT", "")
    if environ.get("OTEL_LOGS_EXPORTER", "").strip() == "none" and given and not own:
        yield Finding(
            "predictions are not sent",
            "OTEL_LOGS_EXPORTER=none, and they are log records",
            "unset OTEL_LOGS_EXPORTER, or set DRIFTLINE_ENDPOINT, which sends only what Driftline needs",
        )
    headers = environ.get("OTEL_EXPORTER_OTLP_HEADERS", "")
    if own and "authorization" in headers.lower() and not environ.get("OTEL_EXPORTER_OTLP_LOGS_HEADERS", "").strip():
        yield Finding(
            "the token is not sent to DRIFTLINE_ENDPOINT",
            "OTEL_EXPORTER_OTLP_HEADERS is for the other destination of OpenTelemetry, so it is not sent there",
            "set OTEL_EXPORTER_OTLP_LOGS_HEADERS to the header of Driftline's token",
        )
    for name, url in given.items():
        if name in ("OTEL_EXPORTER_OTLP_ENDPOINT", "DRIFTLINE_ENDPOINT") and re.search(r"/v1/\w+/?$", url):
            yield Finding(
                f"{name} has the path of a signal, which is added twice",
                f"{name}={url}",
                "remove the path from the URL",
            )
    yield from _check_bundle(given, environ)
    yield from _check_endpoints(given, environ)


def _check_bundle(given: Mapping[str, str], environ: Mapping[str, str]) -> Iterator[Finding]:
    """Yield certificates that OpenTelemetry's OTLP/HTTP exporters ignore; the SDK of Driftline uses them."""
    bundle = next((name for name in _BUNDLES if environ.get(name)), None)
    encrypted = any(
        name != "DRIFTLINE_ENDPOINT" and url.startswith("https:") and _protocol_of(name, url, environ) != "grpc"
        for name, url in given.items()
    )
    if bundle is None or not encrypted:
        return
    for name in _CERTIFICATES:
        if environ.get(name, "") not in ("", environ[bundle]):
            yield Finding(
                f"{bundle} replaces {name}",
                f"{bundle}={environ[bundle]}: OTLP/HTTP exporters of OpenTelemetry trust only these certificates",
                f"unset {bundle} for the service, or add the certificates of {environ[name]} to its file",
            )


def _check_endpoints(given: Mapping[str, str], environ: Mapping[str, str]) -> Iterator[Finding]:
    for name, url in given.items():
        place = _place(url)
        if place is None:
            yield Finding(f"{name} is not a URL", f"{name}={url}", "use a URL such as http://localhost:4318")
            continue
        answer, expected = ask_port(*place), _protocol_of(name, url, environ)
        variable = "OTEL_EXPORTER_OTLP_PROTOCOL"
        if answer.speaks != expected and answer.speaks != "nothing":
            yield _wrong_port(f"{name}={url}", expected, answer, f"{name}, or the protocol in {variable}")
        elif answer.speaks == "nothing":
            yield Finding(
                f"nothing answers at the address of {name}",
                f"{name}={url}",
                "start 'driftline up' or the Collector there, or correct the variable",
            )
        elif answer.tls != url.startswith("https:") and "://" in url:
            yield Finding(
                f"the scheme of {name} is wrong",
                f"{name}={url}, and the port {'uses' if answer.tls else 'does not use'} TLS",
                f"use {'https' if answer.tls else 'http'}://",
            )
        elif name in ("DRIFTLINE_ENDPOINT", "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT"):
            yield from _check_records(name, environ)


def _check_records(name: str, environ: Mapping[str, str]) -> Iterator[Finding]:
    """Send an empty request of log records as the SDK of a service does."""
    try:
        channel = open_channel(resolve(environ=environ))
    except (ChannelError, ValueError) as error:
        yield Finding(f"{name} cannot be used", str(error), "correct the variable")
        return
    try:
        delivery = channel.send(b"", _WAIT)
    finally:
        channel.close()
    if delivery.state != "delivered":
        yield Finding(
            f"records are not accepted at the address of {name}",
            delivery.reason or delivery.state,
            "set the token in OTEL_EXPORTER_OTLP_LOGS_HEADERS, and the certificate in OTEL_EXPORTER_OTLP_CERTIFICATE",
        )


def _protocol_of(name: str, url: str, environ: Mapping[str, str]) -> Speaks:
    port = (_place(url) or ("", 0))[1]
    if name == "DRIFTLINE_ENDPOINT" and port in (4317, 4318):
        return "grpc" if port == 4317 else "otlp_http"
    signal = next((one for one in ("TRACES", "METRICS", "LOGS") if f"_{one}_" in name), "")
    own = environ.get(f"OTEL_EXPORTER_OTLP_{signal}_PROTOCOL", "") if signal else ""
    protocol = own or environ.get("OTEL_EXPORTER_OTLP_PROTOCOL", "")
    return "grpc" if protocol.strip() == "grpc" else "otlp_http"


def _place(url: str) -> tuple[str, int] | None:
    """Return host and port of a URL or of ``host:port``; None if there is no host."""
    try:
        parts = urlsplit(url if "://" in url else f"//{url}")
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        return None
    return (parts.hostname, port) if parts.hostname else None


def _wrong_port(evidence: str, expected: Speaks, answer: PortAnswer, where: str) -> Finding:
    name, usual = {
        "grpc": ("OTLP over gRPC", "4317"),
        "otlp_http": ("OTLP over HTTP", "4318"),
        "pages": ("a page of Driftline", "8780"),
    }[expected]
    return Finding(
        f"wrong port: {name} is expected, but {WORDS[answer.speaks]}",
        evidence,
        f"change {where}; the usual port is {usual}",
    )


def _split(sentence: str) -> tuple[str, str]:
    """Return what a sentence says, and the fix after its last semicolon."""
    said, _, fix = sentence.rpartition("; ")
    return (said, fix) if said else (sentence, "docs/reference/configuration.md shows the allowed values")


# -- the configuration --------------------------------------------------------------------------------------------


def load_configuration(file: Path | None) -> tuple[Config | None, list[Finding]]:
    """Return a configuration, None if it is not valid, and its problems."""
    if file is None:
        return None, []
    try:
        return load(file), []
    except ConfigError as invalid:
        problems = [str(problem) for problem in invalid.problems]
    return None, [Finding(f"{file} is not valid", *_split(problem)) for problem in problems]


def address_of_pages(config: Config) -> str:
    """Return the URL at which a processor with this configuration answers on this machine.

    >>> from driftline_processor.config.schema import Config
    >>> address_of_pages(Config.model_validate({"web": {"endpoint": "0.0.0.0:9000"}}))
    'http://127.0.0.1:9000'
    """
    web = config.web
    address = Address("127.0.0.1", web.endpoint.port) if web.endpoint.everywhere else web.endpoint
    return f"{'http' if web.tls is None else 'https'}://{address}"


def check_configuration(config: Config, *, is_running: bool) -> Iterator[Finding]:
    """Yield what is wrong around a valid configuration: ports, files, disk and destinations."""
    for warning in config.warnings():
        yield Finding("a part of the configuration is probably unintended", *_split(str(warning)))
    for key, address in [] if is_running else config.listeners:
        try:
            for listener in bind(address, key):
                listener.close()
        except PortInUse as used:
            answer = ask_port(address.host, address.port)
            yield Finding(f"{key}: the port is not free", WORDS[answer.speaks], str(used))
    if not config.storage.in_memory and not is_running:  # the status of a running processor has its disk
        yield from _check_directory(config.storage.directory)
    for key, tls in _certificates(config):
        expires = _end_of(tls.cert_file)
        if expires is not None:
            yield from _check_certificate(f"{key}.tls", str(tls.cert_file), expires)
    for name, exporter in config.exporters.items():
        yield from check_destination(name, exporter)


def _check_directory(directory: Path) -> Iterator[Finding]:
    existing = next((folder for folder in (directory, *directory.absolute().parents) if folder.exists()), None)
    if existing is None or not os.access(existing, os.W_OK | os.X_OK):
        yield Finding(
            "storage.directory cannot be written",
            str(existing or directory),
            "change its owner to the user of the processor, or use another directory",
        )
    elif (low := low_disk_sentence(existing)) is not None:
        yield Finding("the disk of storage.directory is nearly full", *_split(low))


def check_destination(name: str, exporter: ExporterKeys) -> Iterator[Finding]:
    """Send an empty request to a destination, with its headers and certificates."""
    signals = [*exporter.forward, *exporter.derived]
    signal = next((signal for signal in ("traces", "metrics", "logs") if signal in signals), "logs")
    keys = exporter
    if hasattr(exporter, "timeout"):
        keys = exporter.model_copy(update={"timeout": min(exporter.timeout, timedelta(seconds=3))})
    try:
        connection = keys.connect()
    except OSError as error:
        yield Finding(f"exporters.{name} cannot be used", str(error), "correct the files of its tls")
        return
    try:
        answer = connection.export(signal, b"", {})
    finally:
        connection.close()
    if answer.result == "success":
        return
    expected: Speaks = "grpc" if name.startswith("otlp_grpc") or name.startswith("otlp/") else "otlp_http"
    place = _place(str(getattr(exporter, "endpoint", "")))
    port = PortAnswer("nothing") if place is None else ask_port(*place)
    evidence = f"{exporter.destination}: {answer.kind}{f': {answer.message}' if answer.message else ''}"
    if port.speaks not in (expected, "nothing", "http"):
        yield _wrong_port(evidence, expected, port, f"exporters.{name}.endpoint, or the type in its name")
    elif port.speaks == "nothing":
        yield Finding(
            f"the destination exporters.{name} does not answer",
            evidence,
            f"start it, or correct exporters.{name}.endpoint",
        )
    else:
        yield Finding(
            f"the destination exporters.{name} rejects requests",
            evidence,
            f"check exporters.{name}: its endpoint, its headers (credentials) and its tls",
        )


def _certificates(config: Config) -> Iterator[tuple[str, TlsServer]]:
    """Yield the keys of the listeners with TLS."""
    sections: list[tuple[str, Any]] = [(f"receivers.{one.key}", one) for one in config.receivers.declared]
    for key, section in [*sections, ("web", config.web)]:
        tls = getattr(section, "tls", None)
        if isinstance(tls, TlsServer):
            yield key, tls


def _end_of(file: Path) -> datetime | None:
    """Return the end of a certificate; None if it cannot be read, which is a problem of the configuration."""
    try:
        return x509.load_pem_x509_certificates(file.read_bytes())[0].not_valid_after_utc
    except (OSError, ValueError, IndexError):
        return None


def _check_certificate(what: str, evidence: str, expires: datetime) -> Iterator[Finding]:
    left = (expires - datetime.now(UTC)).total_seconds()
    if left < SOON * 86_400:
        verb = "has expired" if left < 0 else "expires soon"
        yield Finding(
            f"the certificate of {what} {verb}",
            f"{evidence}: {expires:%Y-%m-%d %H:%M} UTC",
            "renew it; the processor reads the new file after SIGHUP or tls.reload_interval",
        )


# -- the processor ------------------------------------------------------------------------------------------------


def check_processor(server: Connection, declared: Sequence[str] = ()) -> tuple[str | None, list[Finding]]:
    """Return why the processor does not answer, None if it does, and what is wrong.

    ``declared``: the models of the configuration. Raises BadInput if a file of the connection cannot be used.
    """
    place = _place(server.address)
    port = PortAnswer("nothing") if place is None else ask_port(*place)
    if port.speaks == "nothing":
        return f"nothing answers at {server.address}; start 'driftline up', or use --url", []
    findings: list[Finding] = []
    if port.expires is not None:
        findings += _check_certificate(server.address, "its certificate ends", port.expires)
    if port.speaks != "pages":
        return "", [*findings, _wrong_port(f"--url {server.address}", "pages", port, "--url")]
    if port.tls and server.address.startswith("http://"):
        encrypted = f"https{server.address.removeprefix('http')}"
        return "", [
            *findings,
            Finding(
                f"--url {server.address} has no TLS", "the processor answers by TLS only", f"use --url {encrypted}"
            ),
        ]
    findings += _check_clock(server)
    try:
        status, (names, hints) = client.fetch_status(server), client.fetch_names_and_hints(server)
    except BadInput as refused:
        return "", [*findings, Finding("the processor does not answer this command", str(refused), _READ)]
    return None, [*findings, *check_status(status), *check_names(names, declared), *hint_findings(hints)]


_READ = "use --token-file with a token whose 'may' contains read, for all models"


def _check_clock(server: Connection) -> Iterator[Finding]:
    try:
        with server.open(_WAIT) as session:
            before, answer, after = datetime.now(UTC), session.get("/healthz"), datetime.now(UTC)
        there = parsedate_to_datetime(answer.headers["date"])
    except (httpx.HTTPError, KeyError, ValueError, OverflowError):
        return
    apart = max((before - there).total_seconds() - 1.0, (there - after).total_seconds())  # the header has whole seconds
    if apart > APART:
        yield Finding(
            "the clocks of this machine and of the processor differ",
            f"by {numbers.seconds(apart)}: here {before:%H:%M:%S}, there {there:%H:%M:%S} UTC",
            "synchronize both by NTP: predictions of a wrong clock are in the wrong windows",
        )


def check_status(status: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield what needs attention in ``GET /api/v1/status``, and the rows that were rejected."""
    for one in status["attention"]:
        yield Finding(f"{one['name']} {NEEDS_ATTENTION}", *_split(one["message"]))
    for reason, rows in status["rejected_rows"].items():
        if reason not in _REPEATED:
            yield Finding(
                "rows are rejected",
                f"{numbers.many(int(rows))} since the start, reason {reason}",
                _FIXES.get(reason, "docs/reference/bad-input.md says what the sender has to change"),
            )


def check_names(names: Sequence[str], declared: Sequence[str]) -> Iterator[Finding]:
    """Yield the models that are not declared, but whose name is nearly that of a declared one."""
    for name in names:
        if name not in declared and nearest(name, declared):
            yield Finding(
                "a model is not declared",
                f"{name} has sent predictions, and 'models' has no {name}",
                f"{near(name, declared)} If not, add {name} to 'models': actions run only for declared models",
            )


def hint_findings(hints: Sequence[str]) -> Iterator[Finding]:
    """Yield a finding for each hint about missing settings and data of a model."""
    for hint in hints:
        evidence, separator, fix = hint.partition("; ")
        if not separator:
            evidence, separator, fix = hint.partition(": ")
        yield Finding(_subject(hint), evidence, fix.rstrip(".") or "compare the configuration with the senders")


_SUBJECTS = (
    (("no baseline", "own first", "no baseline of its own"), "a model has no baseline of its own"),
    (("baseline features arrived",), "the features are not those of the baseline"),
    (("have arrived",), "rows are lost between the service and the processor"),
    (("outcome waits", "outcomes wait"), "outcomes do not find their prediction"),
    (("could not be used",), "outcomes cannot be used"),
    (("No outcomes yet",), "a model has no outcomes"),
    (("repeat the id",), "predictions arrive more than once"),
    (("time",), "prediction times are improbable"),
)
"""Words of a hint → what it is about."""


def _subject(hint: str) -> str:
    return next((what for words, what in _SUBJECTS if any(word in hint for word in words)), "a model needs a setting")
