"""Check Driftline, the OpenTelemetry Collector and rotel against the OTLP specification, and write the page of results.

    make conformance                       # measures those that are there, and writes the results and the page
    make conformance ARGS="driftline"      # only these; the other results are kept
    make conformance ARGS=--table          # only writes the page

The results are evidence/conformance.json, the page is docs/reference/conformance.md. The Collector is the one of
``make interop`` (``.peers/otel-collector``), rotel is installed into ``.venv-peers/``. Each has its default limits.
"""

from __future__ import annotations

import json
import socket
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from driftline_processor.conformance.endpoint import Trust, open_grpc, open_http
from driftline_processor.conformance.report import document, run
from driftline_processor.conformance.requirements import CHECKED, LEFT_OUT, SPECIFICATION, Requirement
from driftline_processor.demo.processes import free_ports

from tests.interop.peers import Driftline, running

from .__main__ import ROOT, VERSIONS, environment

COLLECTOR = ROOT / ".peers" / "otel-collector"
RESULTS = ROOT / "evidence" / "conformance.json"
PAGE = ROOT / "docs" / "reference" / "conformance.md"

OVER_LIMIT = 65
"""MiB above the limit of each of them."""


class Addresses(NamedTuple):
    """URLs of a running receiver."""

    http: str
    grpc: str


class Receiver(NamedTuple):
    """A receiver that is checked.

    Attributes:
        title: Name in the table.
        version: Returns its version; "" if it is not there.
        run: Runs it with the files in a folder.
    """

    title: str
    version: Callable[[], str]
    run: Callable[[Path], Any]


@contextmanager
def driftline(folder: Path) -> Iterator[Addresses]:
    """Run `driftline up`."""
    processor = Driftline()
    with processor.up(folder):
        yield Addresses(processor.http, f"http://{processor.grpc}")


@contextmanager
def collector(folder: Path) -> Iterator[Addresses]:
    """Run the Collector with its OTLP receiver and an exporter that drops everything."""
    http, grpc = (f"127.0.0.1:{port}" for port in free_ports(2))
    pipeline = {"receivers": ["otlp"], "exporters": ["debug"]}
    config = {
        "receivers": {"otlp": {"protocols": {"grpc": {"endpoint": grpc}, "http": {"endpoint": http}}}},
        "exporters": {"debug": {}},
        "service": {
            "telemetry": {"metrics": {"level": "none"}},
            "pipelines": dict.fromkeys(("traces", "metrics", "logs"), pipeline),
        },
    }
    file = folder / "collector.yaml"
    file.write_text(json.dumps(config), encoding="utf-8")
    with _listening([str(COLLECTOR), "--config", str(file)], folder, http, grpc) as addresses:
        yield addresses


@contextmanager
def rotel(folder: Path) -> Iterator[Addresses]:
    """Run rotel with an exporter that drops everything."""
    program = _rotel_program()
    if program is None:
        raise FileNotFoundError("rotel")
    http, grpc = (f"127.0.0.1:{port}" for port in free_ports(2))
    listen = ["--otlp-http-endpoint", http, "--otlp-grpc-endpoint", grpc, "--exporter", "blackhole"]
    files = ["--pid-file", str(folder / "rotel.pid"), "--log-file", str(folder / "rotel.log")]
    with _listening([str(program), "start", *listen, *files], folder, http, grpc) as addresses:
        yield addresses


@contextmanager
def _listening(command: list[str], folder: Path, http: str, grpc: str) -> Iterator[Addresses]:
    def connect() -> None:
        for address in (http, grpc):
            host, _, port = address.rpartition(":")
            socket.create_connection((host, int(port)), 1).close()

    with running(command, connect, folder / "output.log"):
        yield Addresses(f"http://{http}", f"http://{grpc}")


def _collector_version() -> str:
    file = COLLECTOR.with_name("otel-collector.version")
    return file.read_text(encoding="utf-8").split()[0].removeprefix("v") if file.exists() else ""


def _rotel_program() -> Path | None:
    found = next((ROOT / ".venv-peers").glob("rotel/lib/python*/site-packages/rotel/rotel-agent"), None)
    if found is not None:
        found.chmod(0o755)
    return found


RECEIVERS = {
    "driftline": Receiver("Driftline", lambda: version("driftline"), driftline),
    "collector": Receiver("OpenTelemetry Collector", _collector_version, collector),
    "rotel": Receiver("rotel", lambda: VERSIONS["rotel"] if _rotel_program() else "", rotel),
}


def measure(name: str) -> dict[str, Any]:
    """Return the results of a receiver as JSON, without what is the same for all."""
    receiver = RECEIVERS[name]
    with tempfile.TemporaryDirectory() as folder, receiver.run(Path(folder)) as addresses, ExitStack() as opened:
        trust = Trust({}, context=True)
        transports = {"http": open_http(addresses.http, trust), "grpc": open_grpc(addresses.grpc, trust)}
        for transport in transports.values():
            opened.callback(transport.close)
        whole = document(run(transports, OVER_LIMIT))
    kept = ("name", "outcome", "sent", "received")
    return {
        "title": receiver.title,
        "version": receiver.version(),
        "date": whole["time"][:10],
        "results": [{key: one[key] for key in kept} for one in whole["results"]],
    }


def failing(results: dict[str, Any]) -> list[str]:
    """Return the names of the requirements that a receiver breaks."""
    return [one["name"] for one in results["results"] if one["outcome"] == "fail"]


# -- the page -----------------------------------------------------------------------------------------------------

HEAD = f"""# OTLP conformance

`driftline conformance` checks whether an OTLP endpoint meets the requirements of the [OTLP
specification]({SPECIFICATION}) for receivers. This page explains the check, and shows its results for Driftline, the
OpenTelemetry Collector and rotel. `make conformance` generates it.

```bash
driftline conformance http://localhost:4318 --grpc http://localhost:4317
```

```text
outcome       level   requirement                     sent                                 received
pass          MUST    grpc.none                       traces, metrics, logs as protobuf    OK without partial_success
                      Protocol Details
…
MUST: 28 passed, 0 failed, 6 not observed
```

| exit code | meaning |
|---|---|
| 0 | no MUST failed |
| 1 | a MUST failed |
| 2 | the endpoint cannot be checked |

`--json` adds the sentence of the specification and its link. [Options](cli.md#driftline-conformance) set headers and
certificates.

"""

CONTENT = """
Each receiver had its default limits. The limit of Driftline is 20 MiB, and cannot be configured.

## Requests

The check sends about 60 small requests of the service `otlp-conformance`: spans, data points and log records, some of
which a receiver may reject, empty requests, and requests that cannot be decoded. It does not overload the endpoint.
`--over-limit {limit}` adds four large requests per transport, for an endpoint whose limit is below {limit} MiB:
{limit} MiB and 64 MiB, each plain and compressed with gzip. The results of this page include them.

## Outcomes

| outcome | meaning |
|---|---|
| passed | every response meets the requirement |
| failed | a response does not meet it |
| not observed | the endpoint did not do what the requirement is about, or does not support it, such as JSON |

A requirement of level *other* has no keyword such as MUST: it defines the format, or is a recommendation in lower case.
Only the signals that the endpoint receives are checked, without profiles, which are in development. The specification
is read literally: `success.unset` fails if a response has an empty `partial_success`, and `http.failure.message` fails
if an unknown path is answered in plain text.

"""


def main(arguments: list[str]) -> int:
    """Measure, write the results and the page; return the exit code."""
    if "--check" in arguments:
        if PAGE.exists() and PAGE.read_text(encoding="utf-8") == page(_results()):
            return 0
        print("the page does not show evidence/conformance.json; run: make conformance ARGS=--table")
        return 1
    if "--table" not in arguments:
        results = _results()
        for name in arguments or RECEIVERS:
            if name == "rotel":
                environment("rotel")
            if RECEIVERS[name].version():
                results[name] = measure(name)
                print(f"{name}: {len(failing(results[name]))} failed")
            else:
                print(f"{name}: NOT RUN: it is not installed; its earlier results are kept")
        results = {name: results[name] for name in RECEIVERS if name in results}
        RESULTS.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    PAGE.write_text(page(_results()), encoding="utf-8")
    return 0


def _results() -> dict[str, Any]:
    return json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}


def page(results: dict[str, Any]) -> str:
    """Return the page of the results."""
    shown = [results[name] for name in RECEIVERS if name in results]
    parts = (_summary(results), [CONTENT.format(limit=OVER_LIMIT)], _table(shown), _failures(shown), _left_out())
    return HEAD + "\n".join(line for part in parts for line in part)


def _summary(results: dict[str, Any]) -> Iterator[str]:
    yield "## Results\n"
    yield "| receiver | version | date | | passed | failed | not observed |"
    yield "|---|---|---|---|---|---|---|"
    levels = {one.name: one.level for one in CHECKED}
    for name, receiver in RECEIVERS.items():
        if name not in results:
            yield f"| {receiver.title} | NOT RUN | | | | | |"
            continue
        measured = results[name]
        counts: Counter[tuple[str, str]] = Counter((levels[one["name"]], one["outcome"]) for one in measured["results"])
        cells = [f"{measured['title']} | {measured['version']} | {measured['date']}", "| |", "| |"]
        for cell, level in zip(cells, ("MUST", "SHOULD", "other"), strict=True):
            numbers = " | ".join(str(counts[level, outcome]) for outcome in ("pass", "fail", "not observed"))
            yield f"| {cell} | {level} | {numbers} |"


def _table(shown: list[dict[str, Any]]) -> Iterator[str]:
    yield "## Requirements\n"
    yield f"| requirement | level | section | {' | '.join(receiver['title'] for receiver in shown)} |"
    yield "|---|---|---|" + "---|" * len(shown)
    outcomes = [{one["name"]: one["outcome"] for one in receiver["results"]} for receiver in shown]
    words = {"pass": "passed", "fail": "**failed**", "not observed": "not observed"}
    for one in CHECKED:
        cells = " | ".join(words[receiver[one.name]] for receiver in outcomes)
        yield f"| `{one.name}` | {one.level} | {_section(one)} | {cells} |"
    yield ""


def _failures(shown: list[dict[str, Any]]) -> Iterator[str]:
    yield "## Responses that failed\n"
    known = {one.name: one for one in CHECKED}
    for receiver in shown:
        yield f"### {receiver['title']} {receiver['version']}\n"
        yield "| requirement | level | received |"
        yield "|---|---|---|"
        for one in receiver["results"]:
            if one["outcome"] == "fail":
                yield f"| `{one['name']}` | {known[one['name']].level} | {_cell(one['received'])} |"
        yield ""


def _left_out() -> Iterator[str]:
    yield "## Requirements without a check\n"
    yield "| requirement | level | section | reason |"
    yield "|---|---|---|---|"
    for one in LEFT_OUT:
        yield f"| `{one.name}` {_cell(one.sentence)} | {one.level} | {_section(one)} | {one.reason} |"
    yield ""


def _section(requirement: Requirement) -> str:
    return f"[{requirement.section}]({requirement.link})"


def _cell(text: str) -> str:
    return text.replace("|", r"\|").replace("<", "&lt;").replace("\n", " ")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
