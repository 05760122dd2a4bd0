"""The lines of ``driftline status``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from driftline.tables.timestamps import instant

from driftline_processor.present import numbers
from driftline_processor.present.times import ago
from driftline_processor.present.wording import printable, short


def status_lines(status: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines of ``GET /api/v1/status`` for people."""
    now = instant(status["time"])
    state = "ready" if status["ready"] else "not ready: no data are accepted"
    started = f", started {_ago(status['started'], now)}" if status["started"] else ""
    yield f"driftline {status['version']}: {state}{started}"
    yield _row("configuration", _configuration(status["configuration"], now))
    yield _row("addresses", ", ".join(f"{_address(name)} {at}" for name, at in status["addresses"].items()))
    yield _row("evaluation", _evaluation(status["evaluation"], now))
    yield _row("disk", _disk(status["disk"]))
    memory = status["memory"]
    used = numbers.size(memory["used"]) if memory["used"] else "unknown"
    yield _row("memory", f"{used} of {numbers.size(memory['limit'])}" if memory["limit"] else used)
    yield from _reports("destinations", status["destinations"], now, is_bytes=True)
    yield from _reports("channels", status["channels"], now, is_bytes=False)
    alerts = [f"{short(one['name'], 60)} ({_open(one['open_alerts'])})" for one in status["policies"]]
    if alerts:
        yield _row("policies", ", ".join(alerts))
    if status["attention"]:
        yield "needs attention:"
        for one in status["attention"]:
            yield f"  {printable(one['name'])}: {printable(one['message'])}"
    else:
        yield "the processor is well; 'driftline doctor' also looks at models and senders"


def _row(name: str, text: str) -> str:
    return f"  {name:<14} {text}"


def _ago(time: str, now: int) -> str:
    return ago(instant(time), now)


def _address(name: str) -> str:
    return "pages" if name == "web" else name


def _open(alerts: int) -> str:
    return f"{numbers.many(alerts, 'open alert')}" if alerts else "no open alert"


def _configuration(configuration: Mapping[str, Any], now: int) -> str:
    if configuration["file"] is None:
        return "no file: the defaults"
    differs = "; the file on disk is another" if configuration["outdated"] else ""
    return (
        f"{configuration['file']}, loaded {_ago(configuration['loaded'], now)}, SHA-256 "
        f"{str(configuration['sha256'])[:12]}{differs}"
    )


def _evaluation(evaluation: Mapping[str, Any], now: int) -> str:
    lags = [f"{name} {numbers.seconds(lag)}" for name, lag in evaluation["lag_seconds"].items() if lag]
    lag = f"windows are late: {', '.join(lags)}" if lags else "no lag"
    if evaluation["evaluated_until"]:
        lag += f"; evaluated up to {_ago(evaluation['evaluated_until'], now)}"
    return f"{lag}; {numbers.many(evaluation['pending_windows'], 'window')} waiting"


def _disk(disk: Mapping[str, Any]) -> str:
    log = f"log {numbers.size(disk['log'])}"
    if disk["log_limit"]:
        log += f" of {numbers.size(disk['log_limit'])}"
    if disk["directory"] is None:
        return f"state in memory, {log}"
    size = "" if disk["state"] is None else f" {numbers.size(disk['state'])},"
    free = "" if disk["free"] is None else f", {numbers.size(disk['free'])} of {numbers.size(disk['total'])} free"
    return f"{disk['directory']}:{size} {log}{free}"


def _reports(title: str, reports: Sequence[Mapping[str, Any]], now: int, *, is_bytes: bool) -> Iterator[str]:
    for index, report in enumerate(reports):
        waiting = report["waiting"]
        waits = numbers.size(waiting) if is_bytes else numbers.many(waiting, "message")
        parts = [f"last success {_ago(report['last_success'], now)}" if report["last_success"] else "no success yet"]
        if report["last_error"]:
            parts.append(f"last error {_ago(report['last_error_time'], now)}: {printable(report['last_error'])}")
        if waiting:
            parts.append(f"{waits} waiting")
        yield _row(title if not index else "", f"{short(report['name'], 60)}: {'; '.join(parts)}")
