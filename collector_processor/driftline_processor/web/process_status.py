"""The status of the processor: what the page, the API and `driftline status` show."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

from driftline.semconv import attributes as a
from driftline.semconv import metrics as m
from msgspec import Struct

from driftline_processor.health import Problem, SendingReport
from driftline_processor.present import numbers
from driftline_processor.present.times import ago

from .site import Counted, Site, evaluated_until, lags_in_seconds

LOG_USE = 0.5
"""Fraction of ``storage.log.max_size`` above which the log needs attention."""


_WITH_DETAILS = ("configuration", "destinations")
"""Problems of which the status itself says more."""


class ConfigurationStatus(Struct, frozen=True):
    """The file of the configuration.

    Attributes:
        file: The file; "" = the defaults.
        loaded: When it was loaded, unix nanoseconds.
        sha256: Its digest; "" without a file.
        outdated: Whether the file on disk is another.
        needs_restart: Keys of the file that are used after a restart.
        problems: Problems of the last reload.
    """

    file: str = ""
    loaded: int = 0
    sha256: str = ""
    outdated: bool = False
    needs_restart: Sequence[str] = ()
    problems: Sequence[str] = ()


class Disk(Struct, frozen=True):
    """The disk of the state. All sizes in bytes; None for a state in memory."""

    directory: str
    log: float
    log_limit: int
    state: int | None = None
    free: int | None = None
    total: int | None = None


class Attention(Struct, frozen=True):
    """Something that a person should look at.

    Attributes:
        name: A stable name, for programs.
        message: What is wrong, and what to do.
    """

    name: str
    message: str


class ProcessStatus(Struct, frozen=True, kw_only=True):
    """The status of the processor.

    Attributes:
        ready: Whether data are accepted.
        started: Start of the process, unix nanoseconds; 0 if unknown.
        lags: Lag of evaluation in seconds, by length of windows.
        evaluated: The time up to which windows are evaluated, unix nanoseconds; None if no window is late.
        pending: Number of windows that wait to be evaluated.
        memory: Bytes in use; 0 if unknown.
        memory_limit: ``limits.memory`` in bytes.
        policies: Number of open alerts by policy.
        rejected: Number of rejected rows by reason, since the start.
        attention: What needs attention, the most urgent first.
    """

    version: str
    ready: bool
    started: int
    configuration: ConfigurationStatus
    addresses: Mapping[str, str]
    lags: Mapping[str, float]
    evaluated: int | None
    pending: int
    disk: Disk
    memory: int
    memory_limit: int
    destinations: Sequence[SendingReport]
    channels: Sequence[SendingReport]
    policies: Mapping[str, int]
    rejected: Mapping[str, int]
    attention: Sequence[Attention]


def process_status(site: Site) -> ProcessStatus:
    """Return the status of the processor."""
    counted, process, problems, now = site.state.counters(), site.process, site.health.problems(), site.clock()
    configuration, disk = _configuration(site), _disk(site, counted)
    destinations, channels = process.destinations(), process.channels()
    open_alerts = Counter(alert.policy for alert in site.state.alerts.alerts.values() if alert.open)
    return ProcessStatus(
        version=version("driftline"),
        ready=all(problem.ready for problem in problems),
        started=process.started,
        configuration=configuration,
        addresses=site.addresses,
        lags=lags_in_seconds(counted),
        evaluated=evaluated_until(counted, now),
        pending=int(counted.get((m.DRIFTLINE_PENDING_WINDOWS, ()), 0)),
        disk=disk,
        memory=process.memory(),
        memory_limit=process.memory_limit,
        destinations=destinations,
        channels=channels,
        policies={name: open_alerts[name] for name in process.policies()},
        rejected={
            dict(labels).get(a.DRIFTLINE_REASON, ""): int(rows)
            for (name, labels), rows in sorted(counted.items())
            if name == m.DRIFTLINE_REJECTED_ROWS
        },
        attention=[*_attention(problems, configuration, disk, destinations, channels, now)],
    )


def _configuration(site: Site) -> ConfigurationStatus:
    reloads = site.process.reloads
    if reloads is None:
        return ConfigurationStatus()
    file = "" if reloads.file.path is None else str(reloads.file.path)
    return ConfigurationStatus(
        file, reloads.loaded, reloads.digest, reloads.outdated, [*reloads.waiting], [*reloads.problems]
    )


def _disk(site: Site, counted: Counted) -> Disk:
    process, log = site.process, counted.get((m.DRIFTLINE_LOG_SIZE, ()), 0.0)
    if process.directory is None:
        return Disk("", log, process.log_limit)
    try:
        usage, size = shutil.disk_usage(process.directory), _size(process.directory)
    except OSError:
        return Disk(str(process.directory), log, process.log_limit)
    return Disk(str(process.directory), log, process.log_limit, size, usage.free, usage.total)


def _size(directory: Path) -> int:
    """Return the bytes of the files of the state, without the log."""
    return sum(path.stat().st_size for path in directory.iterdir() if path.is_file())


def _attention(
    problems: Sequence[Problem],
    configuration: ConfigurationStatus,
    disk: Disk,
    destinations: Sequence[SendingReport],
    channels: Sequence[SendingReport],
    now: int,
) -> Iterator[Attention]:
    for problem in sorted(problems, key=lambda one: one.ready):
        if problem.name not in _WITH_DETAILS:
            yield Attention(problem.name, problem.message)
    if configuration.problems:
        yield Attention(
            "configuration",
            f"the last reload failed: {'; '.join(configuration.problems)}; fix {configuration.file} and send SIGHUP",
        )
    elif configuration.outdated:
        yield Attention(
            "configuration",
            f"{configuration.file} was changed after it was loaded, {ago(configuration.loaded, now)}; use it by SIGHUP "
            "or 'POST /-/reload'",
        )
    if configuration.needs_restart:
        keys = ", ".join(configuration.needs_restart)
        yield Attention("restart", f"restart driftline to use the new values of {keys}")
    if disk.log_limit and disk.log > LOG_USE * disk.log_limit:
        yield Attention(
            "log",
            f"the log has {numbers.size(disk.log)} of {numbers.size(disk.log_limit)} (storage.log.max_size), because a "
            "destination or the analysis lags; repair the destination, or increase the limit",
        )
    for kind, reports in (("destination", destinations), ("channel", channels)):
        for report in reports:
            if report.is_failing:
                since = "never" if report.succeeded is None else ago(report.succeeded, now)
                yield Attention(
                    report.name,
                    f"the {kind} fails ({report.error}), last tried {ago(report.failed or now, now)}, last success "
                    f"{since}; check its address, its credentials and its log",
                )
