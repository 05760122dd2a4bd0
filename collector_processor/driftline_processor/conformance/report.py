"""Runs the conformance suite against an endpoint, and renders the results as a table and as JSON."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import Any

from msgspec import Struct
from msgspec.structs import asdict
from rich.console import Console
from rich.table import Table
from rich.text import Text

from driftline_processor.present.wording import printable

from .checks import Observation, Subject
from .endpoint import Transport
from .messages import TRACES, Requests
from .requirements import CHECKED, LEFT_OUT, SPECIFICATION, Requirement


class NotCheckedError(Exception):
    """An endpoint cannot be checked; the message says why, with the fix."""


class Result(Struct, frozen=True):
    """A requirement with what was observed."""

    requirement: Requirement
    observed: Observation


class Report(Struct, frozen=True):
    """The results of a run.

    Attributes:
        urls: URLs by transport, ``http`` and ``grpc``.
        signals: Signals that the endpoint has, by transport.
        requests: Number of requests that were sent.
        results: One result for each checked requirement of these transports.
    """

    urls: dict[str, str]
    signals: dict[str, list[str]]
    requests: int
    results: list[Result]

    @property
    def counts(self) -> Counter[tuple[str, str]]:
        """Number of results by level and outcome."""
        return Counter((one.requirement.level, one.observed.outcome) for one in self.results)

    @property
    def conforms(self) -> bool:
        """Whether no MUST fails."""
        return self.counts["MUST", "fail"] == 0


def run(transports: dict[str, Transport], over_limit: int = 0) -> Report:
    """Check an endpoint.

    Args:
        transports: Transports by ``http`` and ``grpc``.
        over_limit: MiB that exceed the limit of the endpoint; 0 = no large request is sent.

    Raises:
        NotCheckedError: An endpoint does not answer, rejects the log-in, or receives no signal.
    """
    subjects = {name: _subject(name, transport, over_limit) for name, transport in transports.items()}
    results = [
        Result(one, one.check(subjects[one.transport]))
        for one in CHECKED
        if one.transport in subjects and one.check is not None
    ]
    return Report(
        {name: transport.url for name, transport in transports.items()},
        {name: [signal.name for signal in subject.signals] for name, subject in subjects.items()},
        sum(len(transport.answers) for transport in transports.values()),
        results,
    )


def _subject(name: str, transport: Transport, over_limit: int) -> Subject:
    requests = Requests()
    answer = transport.send(requests.valid(TRACES))
    if answer.code in ("", "UNAVAILABLE", "DEADLINE_EXCEEDED"):
        raise NotCheckedError(f"no response from {transport.url}: {answer.reason}")
    if answer.code in ("401", "403", "UNAUTHENTICATED", "PERMISSION_DENIED"):
        raise NotCheckedError(f"{transport.url} answers {answer.code}; use --token-file or --header")
    subject = Subject(transport, requests, over_limit)
    if not subject.signals:
        fix = f"use the URL of an {'OTLP/HTTP' if name == 'http' else 'OTLP/gRPC'} receiver"
        raise NotCheckedError(f"{transport.url} answers {answer.code} to all signals; {fix}")
    return subject


def print_table(report: Report) -> None:
    """Print the results as a table with a row per requirement, and the counts."""
    console = Console(soft_wrap=False)
    if not console.is_terminal:
        console.width = 160
    table = Table(box=None, pad_edge=False, show_header=True, header_style="bold")
    for heading, smallest in (("outcome", 12), ("level", 6), ("requirement", 22), ("sent", 20), ("received", 20)):
        table.add_column(heading, min_width=smallest, overflow="fold")
    for one in report.results:
        wanted, observed = one.requirement, one.observed
        cells = (observed.outcome, wanted.level, f"{wanted.name}\n{wanted.section}", observed.sent, observed.received)
        table.add_row(*(Text(_printable_lines(cell)) for cell in cells))
    console.print(table)
    console.print()
    for level in ("MUST", "SHOULD", "other"):
        parts = [f"{report.counts[level, outcome]} {words}" for outcome, words in _OUTCOMES]
        console.print(f"{level}: {', '.join(parts)}", highlight=False)
    left_out = f"{len(LEFT_OUT)} sentences cannot be observed (--json lists them)"
    console.print(f"{report.requests} requests; {left_out}", highlight=False)
    console.print(f"specification: {SPECIFICATION}", highlight=False, soft_wrap=True)


_OUTCOMES = (("pass", "passed"), ("fail", "failed"), ("not observed", "not observed"))


def _printable_lines(text: str) -> str:
    """Return a text without control characters other than line breaks."""
    return "\n".join(map(printable, text.split("\n")))


def document(report: Report) -> dict[str, Any]:
    """Return the results as JSON, with the time of this call."""
    return {
        "specification": SPECIFICATION,
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "urls": report.urls,
        "signals": report.signals,
        "requests": report.requests,
        "conforms": report.conforms,
        "results": [{**_sentence(one.requirement), **asdict(one.observed)} for one in report.results],
        "not_observable": [{**_sentence(one), "reason": one.reason} for one in LEFT_OUT],
    }


def _sentence(requirement: Requirement) -> dict[str, str]:
    return {
        "name": requirement.name,
        "level": requirement.level,
        "section": requirement.section,
        "link": requirement.link,
        "sentence": requirement.sentence,
    }
