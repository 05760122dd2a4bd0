"""Show one model from ``/api/v1``: its verdict, causes, features, performance, windows and versions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from rich.console import Group, RenderableType
from rich.table import Table

from driftline_processor.core.wording import short
from driftline_processor.present import times
from driftline_processor.present.numbers import change, compact, count, ends, many, number, shares
from driftline_processor.present.states import state_word
from driftline_processor.present.titles import METHOD_SYMBOLS, metric_names, metric_title

from .api_tables import ModelRow, metric_value, nanoseconds, part_label, state_text, window_title, windows_table
from .console import Text, empty, histogram
from .evaluation import VERDICT_STYLES

WINDOWS = 24
"""Windows of a model that are asked for: what a small line of blocks shows."""

_WIDE = 120
_LONGEST_NAME = 40
_ORDER = {
    state: place
    for place, state in enumerate(("drift", "within_normal_variation", "ok", "inconclusive", "no_baseline"))
}
_SIZES = {"large": "bold red", "moderate": "bold yellow", "small": "yellow"}


def model_view(
    row: ModelRow, part: Mapping[str, Any], answer: Mapping[str, Any] | None, width: int, now: int
) -> RenderableType:
    """Show a model.

    Args:
        row: The model, with all of its versions.
        part: The version in an environment that is shown, as ``/api/v1/models`` has it.
        answer: Its windows of one length, from ``/api/v1/models/{name}/evaluations``; None while they are fetched.
        width: Characters of a line.
        now: Unix nanoseconds.
    """
    parts: list[RenderableType] = [_heading(part, now), Text(), *_verdict(row, part)]
    parts += [Text(short(hint, 300), "cyan") for hint in part["hints"]]
    if answer is None:
        return Group(*parts, Text(), Text("its windows are being fetched", "dim"))
    sections = {
        "Why": _causes(answer),
        "Features": _features(answer, width),
        "Performance": _performance(answer, width),
        "Windows": _windows(answer, width),
        "Versions": _versions(row, part),
    }
    for title, section in sections.items():
        for of, shown in section:
            parts += [Text(), Text.assemble((title, "bold"), (f"  {of}" if of else "", "dim")), shown]
    return Group(*parts)


def _heading(part: Mapping[str, Any], now: int) -> Text:
    received = nanoseconds(part["received"]) if part["received"] else 0
    facts = [part["task"], many(part["rows"] + part.get("distributed", 0)), many(part["outcomes"], "outcome")]
    facts += [f"last row {times.ago(received, now)}" if received else "no row yet"]
    facts += [] if part.get("in_use", True) else ["out of use"]
    return Text.assemble((part_label(part), "bold"), "".join(f" · {fact}" for fact in facts if fact))


def _verdict(row: ModelRow, part: Mapping[str, Any]) -> Iterator[Text]:
    """Say the verdict whole: that of the model, and that of the version where it is another."""
    verdicts = [row.verdict] if part is row.shown or row.verdict is None else [row.verdict, part.get("verdict")]
    if all(verdict is None for verdict in verdicts):
        yield Text("Nothing can be said of it before its first window.", "dim")
    for verdict in verdicts:
        if verdict is not None:
            yield Text(short(verdict["sentence"], 1000), f"bold {VERDICT_STYLES.get(verdict['state'], '')}")
            yield from (Text(short(verdict[key], 1000), style) for key, style in (("next", ""), ("sure", "dim")))


def _causes(answer: Mapping[str, Any]) -> Iterator[tuple[str, Table]]:
    window = _newest(answer)
    why = None if window is None else window.get("explanation")
    if window is None or not why or not why["causes"]:
        return
    table = Table.grid(padding=(0, 1))
    for place, cause in enumerate(why["causes"], 1):
        table.add_row(Text(f"{place}.", "dim"), Text(short(cause["sentence"], 400)))
    yield _name(answer, window), table


def _features(answer: Mapping[str, Any], width: int) -> Iterator[tuple[str, Table]]:
    """Show every feature of the newest closed window, those that drift first, and its effect over the windows."""
    window = _newest(answer)
    if window is None:
        return
    drift, history = window["drift"], [one["drift"] for one in answer["windows"]]
    columns = [(title, drift[key], [one[key] for one in history]) for title, key in _PREDICTIONS if drift[key]]
    ranked_features = sorted(drift["features"].items(), key=lambda item: _place(*item))
    columns += [
        (short(name, _LONGEST_NAME), one, [it["features"].get(name) for it in history]) for name, one in ranked_features
    ]
    if not columns:
        return
    wide = width >= _WIDE
    limit = WINDOWS if wide else WINDOWS // 2
    effects = [[0.0 if one is None else one["effect"] or 0.0 for one in before[-limit:]] for *_, before in columns]
    highest = max((max(line, default=0.0) for line in effects), default=0.0)
    table = empty()
    table.add_column("", no_wrap=True, overflow="ellipsis")
    for title in ("state", "size", "test", *(("missing",) if wide else ())):
        table.add_column(title, justify="right" if title == "test" else "left", no_wrap=True)
    table.add_column("over time", no_wrap=True, min_width=min(limit, len(history)))
    for (title, column, _), line in zip(columns, effects, strict=True):
        size = column["size"] if column["state"] == "drift" else None
        style = _SIZES.get(size or "", "green" if column["state"] == "ok" else "cyan")
        table.add_row(
            Text(title),
            Text(state_word(column["state"], column["reason"] or ""), style),
            Text(short(size or "", 12), style),
            Text(_deciding(column)),
            *([Text(_missing(column["missing"]))] if wide else []),
            Text(histogram(np.array(line), highest), style),
        )
    yield _name(answer, window), table


_PREDICTIONS = (("score", "score"), ("predicted class", "class"))


def _place(name: str, column: Mapping[str, Any]) -> tuple[int, float, str]:
    psi = (column["methods"].get("psi") or {}).get("value")
    return _ORDER.get(column["state"], len(_ORDER)), -(column["effect"] or 0.0 if psi is None else psi), name


def _deciding(column: Mapping[str, Any]) -> str:
    method = column["decided_by"] or ""
    value = (column["methods"].get(method) or {}).get("value")
    return "" if value is None else f"{METHOD_SYMBOLS.get(method, short(method, 20))} {number(value)}"


def _missing(share: Mapping[str, Any]) -> str:
    was, now = share["was"] or 0.0, share["now"] or 0.0
    return shares(was, now) if was or now else ""


def _performance(answer: Mapping[str, Any], width: int) -> Iterator[tuple[str, Table]]:
    """Show the metrics of the newest window with outcomes, with their intervals, beside those of the baseline."""
    measured = [window for window in answer["windows"] if window["outcomes"]["rows"]]
    mature = [window for window in measured if window["closed"] and window["performance"]["maturity"] == "mature"]
    window = (mature or measured or [None])[-1]
    if window is None or not window["performance"]["realized"]:
        return
    realized, changes = window["performance"]["realized"], window["performance"]["changes"]
    titles = ["is", "interval"] if any(metric["low"] is not None for metric in realized.values()) else ["is"]
    titles += ["baseline", "than the baseline"] if changes else []
    titles += ["outcomes"] if width >= _WIDE else []
    table = empty()
    table.add_column("", no_wrap=True, overflow="ellipsis")
    for title in titles:
        table.add_column(title, justify="left" if title.startswith("than") else "right", no_wrap=True)
    for name in metric_names(realized):
        metric, changed = realized[name], changes.get(name) or {}
        value, difference = metric_value(realized, name), changed.get("change")
        state, reason = changed.get("state", ""), changed.get("reason") or ""
        change_text = "" if difference is None else f"{state_word(state, reason)} ({change(0.0, difference)})"
        cells = {
            "is": Text(number(value)),
            "interval": Text(ends(metric["low"], metric["high"]), "dim"),
            "baseline": Text("" if value is None or difference is None else number(value - difference), "dim"),
            "than the baseline": Text(change_text, "bold red" if state == "worse" else ""),
            "outcomes": Text(count(metric["rows"]), "dim"),
        }
        table.add_row(Text(metric_title(name)), *(cells[title] for title in titles))
    yield _name(answer, window), table


def _windows(answer: Mapping[str, Any], width: int) -> Iterator[tuple[str, Table]]:
    """Show the windows, the newest first, with the intervals of their first metrics."""
    if answer["windows"]:
        newest_first = {**answer, "windows": answer["windows"][::-1]}
        metrics = 3 if width >= _WIDE else 1
        yield "the newest first", windows_table(newest_first, metrics, intervals=True)


def _versions(row: ModelRow, shown: Mapping[str, Any]) -> Iterator[tuple[str, Table]]:
    """Show the versions and environments, where there are several."""
    if len(row.parts) == 1:
        return
    table = empty()
    table.add_column("", no_wrap=True, overflow="ellipsis")
    for title in ("state", "rows", "outcomes", ""):
        table.add_column(title, justify="right" if title in ("rows", "outcomes") else "left", no_wrap=True)
    for part in row.parts:
        note = "shown here" if part is shown else "" if part.get("in_use", True) else "out of use"
        rows = compact(part["rows"] + part.get("distributed", 0))
        outcomes = compact(part["outcomes"])
        table.add_row(Text(part_label(part)), state_text(part.get("verdict")), rows, outcomes, Text(note, "dim"))
    yield "v shows the next", table


def _newest(answer: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the newest closed window, else the newest."""
    windows = answer["windows"]
    closed = (window for window in reversed(windows) if window["closed"])
    return next(closed, windows[-1] if windows else None)


def _name(answer: Mapping[str, Any], window: Mapping[str, Any]) -> str:
    return window_title(window, answer.get("window", ""), answer.get("timezone", "UTC"))
