"""A baseline in the terminal: its rows and statistics, and the difference of two baselines."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from driftline.baseline.baseline import Baseline
from driftline.panes.bins import Bins, CategoryBins
from driftline.tables.table import F64, ModelKey
from rich.console import Console, Group, RenderableType

from driftline_processor.core.drift.display_cells import cells
from driftline_processor.core.estimate.sums import calibration
from driftline_processor.core.evaluation import Evaluation
from driftline_processor.core.judge_window import ModelWindow, judge_window
from driftline_processor.core.performance.realized import realized
from driftline_processor.core.reference.decision_threshold import align_threshold
from driftline_processor.core.reference.rebinning import changed_types, rebin_baseline
from driftline_processor.core.windows.window import Window
from driftline_processor.present.metrics import metric_title
from driftline_processor.present.numbers import count, many, number, percent
from driftline_processor.present.sections.drift import fewer_cells
from driftline_processor.present.sections.section import Cell, Column, Section, Spark, Table, floats, row
from driftline_processor.present.times import window_name
from driftline_processor.present.wording import printable

from .console import Readable, Text, terminal
from .evaluation import evaluation_view
from .sections import section_views

_SPARE = {"type": 0, "distribution": 1, "range": 4, "missing": 2, "invalid": 3, "importance": 5}
"""Columns of a feature → order in which they are removed from a narrow table."""

_OPTIONAL = ("missing", "invalid", "importance")
_TOLD = np.array([0.1, 0.3, 0.5, 0.7, 0.9])
"""Quantiles of the scores at which calibration is shown."""


def show_baseline(baseline: Baseline, console: Console | None = None) -> None:
    """Print a baseline."""
    (console or terminal()).print(baseline_view(baseline))


def baseline_view(baseline: Baseline, timezone: str = "UTC") -> RenderableType:
    """Return a baseline: heading, features with their distributions, performance on the reference rows."""
    sections = (_features(baseline), _performance(baseline))
    parts: list[RenderableType] = [heading(baseline, timezone)]
    parts += section_views(section for section in sections if section.parts)
    parts += [Text(line, style="dim") for line in ("", *_facts(baseline))]
    return Readable(Group(*parts))


def heading(baseline: Baseline, timezone: str = "UTC") -> Text:
    """Return the heading of a baseline: model, version, task, rows, period."""
    task = baseline.task
    classes = f"{len(task.classes)} classes" if len(task.classes) > 2 else ", ".join(map(printable, task.classes))
    kind = f"{task.kind} ({classes})" if task.classes else task.kind or "features only"
    period = baseline.extras.period
    facts = [
        f"version {printable(baseline.version)}" if baseline.version else "",
        kind,
        many(baseline.pane.rows),
        window_name(Window("", period.first, period.last + 1), timezone) if period is not None else "",
        "provisional" if baseline.provisional else "",
    ]
    text = Text(printable(baseline.model), style="bold")
    text.append("".join(f" · {fact}" for fact in facts if fact), style="not bold")
    return text


def _features(baseline: Baseline) -> Section:
    """Lay out score, class and features; empty table columns are left out."""
    rows = dict(_columns(baseline))
    keys = [key for key in _SPARE if key not in _OPTIONAL or any(row[key].text for row in rows.values())]
    columns = (Column(""), *(Column(key, "number" if key in _OPTIONAL else "text", spare=_SPARE[key]) for key in keys))
    lines = tuple(row(name, *(cells[key] for key in keys)) for name, cells in rows.items())
    return Section("features", "Features", (Table(columns, lines),))


def _performance(baseline: Baseline) -> Section:
    """Lay out the performance on the reference rows."""
    metrics = realized(baseline.pane, baseline.task)
    lines = tuple(
        row(metric_title(name), ("≈ " if metric.bound else "") + number(metric.value), count(metric.rows))
        for name, metric in metrics.items()
    )
    columns = (Column("metric"), Column("value", "number"), Column("outcomes", "number"))
    return Section("performance", "Performance", (Table(columns, lines),) if lines else ())


def _columns(baseline: Baseline) -> Iterator[tuple[str, dict[str, Cell]]]:
    parts, shares = baseline.pane.parts, None
    importance = baseline.extras.importance
    if importance is not None:
        shares = importance.shares(baseline.raw_features)
    for name, part, over in (
        ("score", "score", baseline.bins.score),
        ("predicted class", "class", baseline.bins.classes),
    ):
        if over is not None and part in parts:
            yield name, _row(over, parts[part], "")
    ranges, marks = baseline.extras.ranges, baseline.extras.marks
    for name, over in baseline.bins.features.items():
        range_ends = None if ranges is None else ranges.by_feature.get(name)
        raw = baseline.raw_name(name)
        range_text = "" if range_ends is None else " to ".join(map(number, range_ends))
        mark = "" if marks is None else marks.by_feature.get(name, "")
        if name in baseline.bins.projections:
            mark, range_text = mark or "embedding", f"length (L2 norm) {range_text}" if range_text else ""
        cells_of_row = _row(over, parts[f"feature:{name}"], range_text, mark)
        if shares is not None:
            cells_of_row["importance"] = Cell(percent(shares[raw]))
        yield printable(name), cells_of_row


def _row(over: Bins, counts: F64, both: str, mark: str = "") -> dict[str, Cell]:
    shares_drawn = fewer_cells(cells(over, counts[: over.size], counts[: over.size]).was)
    total = float(counts.sum())
    if isinstance(over, CategoryBins):
        first = ", ".join(printable(category) for category in over.categories[:3])
        both = f"{first}, …" if len(over.categories) > 3 else first
    missing, invalid = (share / total if total else 0.0 for share in counts[over.size :].tolist())
    texts = {
        "type": mark or (f"{len(over.categories)} categories" if isinstance(over, CategoryBins) else "number"),
        "range": both if len(both) <= 40 else f"{both[:39]}…",
        "missing": percent(missing) if missing else "",
        "invalid": percent(invalid) if invalid else "",
        "importance": "",
    }
    drawing = Spark(floats(shares_drawn), float(shares_drawn.max(initial=0.0)))
    return {**{key: Cell(text) for key, text in texts.items()}, "distribution": Cell(drawing=drawing)}


def _facts(baseline: Baseline) -> Iterator[str]:
    calibration_curve = calibration(baseline.pane)
    if calibration_curve is not None:
        below = np.cumsum(calibration_curve.weights) / calibration_curve.weights.sum()
        indices = np.unique(np.searchsorted(below, _TOLD))
        scores = calibration_curve.scores[indices]
        rates = [
            f"{number(score)} → {number(rate)}"
            for score, rate in zip(scores, calibration_curve.of(scores), strict=True)
        ]
        yield f"calibration, score → fraction of positive outcomes: {', '.join(rates)}"
    blocks = baseline.extras.blocks
    if blocks is not None:
        hours = blocks.length / 3.6e12
        facts = (
            f"{hours / 24:g} days" if hours >= 24 else f"{hours:g} hours" if hours >= 1 else f"{hours * 60:g} minutes"
        )

        yield f"time: {len(blocks.starts)} blocks of {facts}"
    slices = baseline.extras.slices
    if slices is not None:
        rates = [f"{printable(key)} ({len(slices.values(key))} values)" for key in slices.by_key]
        yield f"slices: {', '.join(rates)}"
    if baseline.extras.importance is None:
        yield "importance unknown; pass importance= to Baseline.from_frame"
    size = len(baseline.to_json().encode())
    yield f"{count(size / 1000)} kB, digest {baseline.digest}"


def compare_baselines(old: Baseline, new: Baseline) -> Evaluation:
    """Evaluate the rows of one baseline against another, as the rows of a window.

    A feature's distribution is exact if the edges of both agree; see
    :func:`driftline_processor.core.reference.rebinning.rebin_baseline`.
    """
    period = new.extras.period
    window = Window("", 0, 0) if period is None else Window("", period.first, period.last + 1)
    pane, task = rebin_baseline(old, new), replace(old.task, threshold=new.task.threshold)
    aligned = align_threshold(old, pane, task)
    key = ModelKey(new.model, new.version)
    return judge_window(ModelWindow(key, window, pane, task=task), aligned)


def changes(old: Baseline, new: Baseline) -> Iterator[str]:
    """Yield the differences of two baselines, a sentence each."""
    for what, before, after in (
        ("the model", old.model, new.model),
        ("the version", old.version, new.version),
        ("the task", old.task.kind, new.task.kind),
        ("the classes", ", ".join(old.task.classes), ", ".join(new.task.classes)),
        ("the positive class", old.task.positive_class, new.task.positive_class),
        ("the threshold", number(old.task.threshold), number(new.task.threshold)),
    ):
        if before != after:
            yield f"{what} changed from {printable(before) or 'unknown'} to {printable(after) or 'unknown'}"
    for name in changed_types(old, new):
        old_kind, new_kind = (type(baseline.bins.features[name]).__name__ for baseline in (old, new))
        yield f"{printable(name)} changed from a {_KINDS[old_kind]} to a {_KINDS[new_kind]}"


_KINDS = {"NumberBins": "number", "CategoryBins": "category"}


def show_diff(old: Baseline, new: Baseline, console: Console | None = None) -> None:
    """Print what changed between two baselines."""
    console = console or terminal()
    if old.digest == new.digest:
        console.print("the two baselines are the same")
        return
    for sign, baseline in (("old", old), ("new", new)):
        console.print(Readable(Text(f"{sign:4}", style="dim").append_text(heading(baseline))))
    for sentence in changes(old, new):
        console.print(Readable(Text(sentence)))
    console.print()
    console.print(evaluation_view(compare_baselines(old, new)))
