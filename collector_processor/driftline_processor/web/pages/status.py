"""The status page of the processor: input, progress, destinations, and problems."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version

from driftline.semconv import attributes as a
from driftline.semconv import metrics as m
from starlette.requests import Request
from starlette.routing import BaseRoute

from driftline_processor.access.routes import Guarded
from driftline_processor.evaluation.window_queue import LONG
from driftline_processor.health import Problem
from driftline_processor.present import numbers
from driftline_processor.queries.model_view import ModelView
from driftline_processor.web.page import Page, Table
from driftline_processor.web.probes import probes
from driftline_processor.web.process_status import ProcessStatus, process_status
from driftline_processor.web.site import Counted, Process, Site, evaluated_until, lags_in_seconds

PARTS = ("duckdb", "opentelemetry-sdk", "pyarrow", "numpy")
"""Packages whose versions are most useful in a bug report."""

DOING: tuple[tuple[str, tuple[tuple[str, str, str], ...]], ...] = (
    (
        "Evaluation",
        (
            ("waiting windows", m.DRIFTLINE_PENDING_WINDOWS, "count"),
            ("longest wait of a window", m.DRIFTLINE_PENDING_WINDOW_AGE, "seconds"),
        ),
    ),
    (
        "Outcomes",
        (
            ("joined outcomes", m.DRIFTLINE_JOINED_OUTCOMES, "count"),
            ("outcomes without their prediction", m.DRIFTLINE_PENDING_OUTCOMES, "count"),
            ("longest wait of an outcome", m.DRIFTLINE_PENDING_OUTCOME_AGE, "seconds"),
        ),
    ),
    (
        "Intake",
        (
            ("acknowledged requests", m.DRIFTLINE_RECEIVED_REQUESTS, "count"),
            ("stored rows", m.DRIFTLINE_RECEIVED_ROWS, "count"),
            ("rejected rows", m.DRIFTLINE_REJECTED_ROWS, "count"),
            ("rows beyond a limit on names", m.DRIFTLINE_LIMITED_ROWS, "count"),
            ("bytes waiting to be decoded", m.DRIFTLINE_ANALYSIS_QUEUE_SIZE, "bytes"),
            ("log of accepted requests", m.DRIFTLINE_LOG_SIZE, "bytes"),
            ("damaged bytes of the log", m.DRIFTLINE_LOG_DAMAGED, "bytes"),
        ),
    ),
)
"""Title of a stage → its counters: words, metric, and unit."""

FORWARDING = {
    "sent": m.DRIFTLINE_FORWARD_SENT_REQUESTS,
    "waiting": m.DRIFTLINE_FORWARD_QUEUE_SIZE,
    "refused": m.DRIFTLINE_FORWARD_FAILED_REQUESTS,
    "rejected": m.DRIFTLINE_FORWARD_REJECTED_RECORDS,
    "dropped": m.DRIFTLINE_FORWARD_DROPPED_REQUESTS,
}
"""Title of a destination's counter → metric.

Waiting data is counted in bytes, rejected data in the records of requests that were accepted, other data in requests.
"""


def routes(site: Site) -> list[BaseRoute]:
    """Return the routes of the page and of the probes."""

    def show(_: Request) -> Page:
        counted, snapshot, process = site.state.counters(), site.state.snapshot, site.process
        problems, addresses = site.health.problems(), site.addresses
        return page(
            status=process_status(site),
            counted=counted,
            problems=problems,
            hints=snapshot.hints,
            models=snapshot.models,
            process=process,
            addresses=addresses,
            now=site.clock(),
        )

    return [Guarded("/status", site.shows(show), may="read"), *probes(site.health, site.access)]


def page(
    status: ProcessStatus,
    counted: Counted,
    problems: Sequence[Problem],
    hints: Sequence[str],
    models: Sequence[ModelView],
    process: Process,
    addresses: Mapping[str, str],
    now: int,
) -> Page:
    """Return the page of the processor.

    Args:
        status: Its status, as in ``GET /api/v1/status``.
        counted: Its counters and gauges.
        problems: All current problems.
        hints: Sentences that belong to no model.
        models: All versions of all models.
        process: Facts of the process besides its counters.
        addresses: Name of a receiver, or ``web`` → its address.
        now: Unix nanoseconds.
    """
    work = [(title, _measured(counted, rows)) for title, rows in DOING]
    forwarded = _destinations(counted)
    memory, lines = process.memory(), list(process.lines())
    lags = {name: lag for name, lag in lags_in_seconds(counted).items() if lag}
    return Page(
        "status.html",
        {
            "now": now,
            "status": status,
            "attention": [one for one in status.attention if one.name not in {problem.name for problem in problems}],
            "problems": problems,
            "hints": hints,
            "lines": lines,
            "addresses": addresses,
            "work": work,
            "lags": [(name, numbers.seconds(lag)) for name, lag in lags.items()],
            "evaluated": evaluated_until(counted, now),
            "pending": long_pending(counted),
            "forwarded": forwarded,
            "memory": numbers.size(memory) if memory else "",
            "memory_limit": numbers.size(process.memory_limit) if process.memory_limit else "",
            "limits": _limits(process.limits, models),
            "versions": _versions(),
            "started": process.started,
        },
        {
            "measurements": Table(
                ("name", "labels", "value"),
                [
                    (name, ", ".join(f"{key}={value}" for key, value in labels), value)
                    for (name, labels), value in sorted(counted.items())
                ],
            ),
            "problems": Table(
                ("name", "message", "ready"), [(problem.name, problem.message, problem.ready) for problem in problems]
            ),
            "destinations": Table(("destination", *FORWARDING), [(name, *row) for name, row in forwarded]),
            "versions": Table(("package", "version"), list(_versions().items())),
        },
        {"hints": list(hints), "listening": lines, "addresses": dict(addresses)},
    )


def long_pending(counted: Counted) -> int:
    """Return the number of pending windows, live and past, if the oldest waits for a minute or more; else 0."""
    longest = sum(value for (name, _), value in counted.items() if name == m.DRIFTLINE_PENDING_WINDOW_AGE)
    waiting = sum(value for (name, _), value in counted.items() if name == m.DRIFTLINE_PENDING_WINDOWS)
    return int(waiting) if longest * 1e9 >= LONG else 0


def _measured(counted: Counted, rows: Sequence[tuple[str, str, str]]) -> list[tuple[str, str, list[tuple[str, str]]]]:
    """Return words, total, and the values per label of the counters that exist."""
    measurements = []
    for words, metric, unit in rows:
        value_by_labels = {labels: value for (name, labels), value in counted.items() if name == metric}
        if value_by_labels:
            write = _UNITS[unit]
            parts = [
                (", ".join(value for _, value in labels), write(value))
                for labels, value in sorted(value_by_labels.items())
            ]
            measurements.append((words, write(sum(value_by_labels.values())), parts if len(parts) > 1 else []))
    return measurements


def _destinations(counted: Counted) -> list[tuple[str, list[float]]]:
    """Return the sums of :data:`FORWARDING` per destination over signals and reasons."""
    destinations: dict[str, dict[str, float]] = {}
    kinds = {metric: kind for kind, metric in FORWARDING.items()}
    for (name, labels), value in counted.items():
        if name in kinds:
            of_one = destinations.setdefault(dict(labels).get(a.DRIFTLINE_DESTINATION, ""), {})
            of_one[kinds[name]] = of_one.get(kinds[name], 0.0) + value
    return [(name, [of_one.get(kind, 0.0) for kind in FORWARDING]) for name, of_one in sorted(destinations.items())]


def _limits(limits: Mapping[str, int], models: Sequence[ModelView]) -> list[tuple[str, str, str]]:
    """Return name, usage, and limit if both are known."""
    names = {model.key.model for model in models}
    used = {"models": len(names)}
    return [
        (name, numbers.count(used[name]) if name in used else "", numbers.count(limit))
        for name, limit in limits.items()
    ]


def _versions() -> dict[str, str]:
    """Return package → version: Driftline, Python, and its main dependencies."""
    return {"driftline": version("driftline"), "Python": platform.python_version()} | {
        part: version(part) for part in PARTS
    }


_UNITS: Mapping[str, Callable[[float], str]] = {
    "count": numbers.count,
    "seconds": numbers.seconds,
    "bytes": numbers.size,
}
