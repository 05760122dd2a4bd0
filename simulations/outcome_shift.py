"""How often estimates hold where classes or a target shifted, and what is named: evidence/outcome_shift.json.

Every window has a baseline of its own. Rows of each outcome are as they were; outcomes come in new proportions. Beside
them windows whose inputs moved, which estimates follow.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from driftline.baseline.baseline import Baseline
from driftline.baseline.from_frame import table_from_frame
from driftline.panes.fold import fold
from driftline.panes.pane import Pane
from driftline.tables.table import F64, I64, Column
from driftline.tables.task import Task
from driftline_processor.core.estimate.estimator import estimate_metrics, explain_label_shift
from driftline_processor.core.estimate.label_shift import LEVEL
from driftline_processor.core.estimate.sums import learned_parts
from driftline_processor.core.evaluation import Estimate, LabelShift
from driftline_processor.core.performance.realized import from_rows

from simulations.frame import Figures, Random, Row, Table, percent, table_of

CLASSES = ("a", "b", "c")
NAMES = tuple(f"f{at}" for at in range(6))
WEIGHTS = np.array([[1.2, 0, 0], [0, 1.0, 0], [0, 0, 0.8], [0.5, -0.5, 0], [0, 0.4, -0.4], [0, 0, 0]])
"""Of six features for each class: one decides nothing."""

OFFSET = np.array([0.6, 0.0, -0.3])
TARGET = np.array([1.0, 0.8, 0.6, 0.4, 0.2, 0.0])
REFERENCE, ROWS = 5_000, 4_000

Rows = dict[str, Any]
Draw = Callable[[Random], Rows]


def classes(n: int, rng: Random, shift: F64 | float = 0.0) -> Rows:
    """Draw rows of three classes; ``shift``: of the features, in standard deviations."""
    x = rng.normal(0, 1, (n, len(NAMES))) + shift
    raw = x @ WEIGHTS + OFFSET
    likely = np.exp(raw) / np.exp(raw).sum(axis=1, keepdims=True)
    actual = np.minimum((rng.random((n, 1)) > likely.cumsum(axis=1)).sum(axis=1), 2)
    said = np.exp(0.8 * raw + np.array([0, 0.1, 0.2]))
    scores = said / said.sum(axis=1, keepdims=True)
    named = dict(zip(CLASSES, scores.T, strict=True))
    return {**dict(zip(NAMES, x.T, strict=True)), **named, "y": np.array(CLASSES)[actual]}


def target(n: int, rng: Random, shift: F64 | float = 0.0) -> Rows:
    """Draw rows of a regression whose errors are greater where the first feature is high."""
    x = rng.normal(0, 1, (n, len(NAMES))) + shift
    predicted = 10 + x @ TARGET
    actual = predicted + rng.normal(0, 1, n) * np.exp(0.3 * x[:, 0])
    return {**dict(zip(NAMES, x.T, strict=True)), "p": predicted, "y": actual}


def _take(rows: Rows, which: I64) -> Rows:
    return {name: values[which] for name, values in rows.items()}


def in_shares(*times: float) -> Draw:
    """Draw a window with so many times the rows of each class, each class as it is."""

    def draw(rng: Random) -> Rows:
        rows = classes(12 * ROWS, rng)
        of_class = [np.flatnonzero(rows["y"] == name) for name in CLASSES]
        shares = np.array([len(own) for own in of_class]) * np.array(times)
        many = rng.multinomial(ROWS, shares / shares.sum())
        return _take(rows, np.concatenate([own[:some] for own, some in zip(of_class, many, strict=True)]))

    return draw


def tilted(by: float) -> Draw:
    """Draw a window whose targets come ``exp(by * target)`` times as often, each value as it is."""

    def draw(rng: Random) -> Rows:
        rows = target(12 * ROWS, rng)
        weight = np.exp(by * (rows["y"] - 10))
        return _take(rows, rng.choice(len(weight), ROWS, replace=False, p=weight / weight.sum()))

    return draw


_OPTIONS: dict[str, dict[str, Any]] = {
    "multiclass": {"score": list(CLASSES), "classes": list(CLASSES)},
    "regression": {"score": "p"},
}


def seen(rows: Rows, baseline: Baseline, kind: str) -> tuple[Pane, dict[str, float | None]]:
    """Return the pane of a window, and what was realized."""
    given = {**_OPTIONS[kind], "actual": "y", "features": list(NAMES), "model": "m", "task": kind}
    table, *_ = table_from_frame(rows, **given)
    pane = fold(table, baseline.bins)
    for one in learned_parts(table, baseline, np.zeros(len(table), np.int64), 1):
        pane.parts[one.part] = one.dense(1)[0]
    if kind == "multiclass":
        codes = np.array([CLASSES.index(one) for one in rows["y"].tolist()], np.int32)
        actual, task = Column(codes=codes, categories=CLASSES), Task("multiclass", CLASSES)
    else:
        actual, task = Column(numbers=rows["y"]), baseline.task
    realized = from_rows(task, table.scores, None, actual, None)
    return pane, {name: one.value for name, one in realized.items()}


def built(kind: str, rng: Random) -> Baseline:
    """Build a baseline."""
    rows = (classes if kind == "multiclass" else target)(REFERENCE, rng)
    named = {**_OPTIONS[kind], "actual": "y", "features": list(NAMES), "model": "m", "task": kind}
    return Baseline.from_frame(rows, **named)


def estimated(
    rows: Rows, baseline: Baseline, kind: str
) -> tuple[LabelShift | None, dict[str, Estimate], dict[str, float | None]]:
    """Return what explains the scores where they moved beyond chance, the estimates, and what was realized."""
    pane, real = seen(rows, baseline, kind)
    shift = explain_label_shift(pane, baseline, baseline.task, 0)
    told = None if shift is None or shift[0].p_value > LEVEL else shift[0]
    return told, estimate_metrics(pane, baseline, baseline.task, 0, shift=shift), real


@dataclass(frozen=True)
class Shifted(Row):
    """``what``: was planted."""

    what: str


def measured(kind: str, draw: Draw, metric: str) -> Callable[[int, Random], Figures]:
    """Return how often each explanation is given, and how often the intervals of a metric hold, and of the worst."""

    def measure(windows: int, rng: Random) -> Figures:
        named: Counter[str] = Counter()
        held: dict[str, list[bool]] = {}
        for _ in range(windows):
            told, said, real = estimated(draw(rng), built(kind, rng), kind)
            named["none" if told is None else told.explains] += 1
            for name, one in said.items():
                value = real.get(name)
                if one.low is not None and one.high is not None and value is not None and name != "mape":
                    held.setdefault(name, []).append(one.low <= value <= one.high)
        shares = {name: float(np.mean(own)) for name, own in held.items() if len(own) >= windows / 4}
        least = min(shares, key=lambda name: shares[name], default="")
        found = {one: named[one] / windows for one in ("labels", "either", "inputs", "none")}
        given = len(held.get(metric, ())) / windows
        return {**found, "given": given, "held": shares.get(metric), "least": shares.get(least), "metric": least}

    return measure


def _rows() -> dict[str, Shifted]:
    def moved(draw: Callable[..., Rows], shift: Sequence[float]) -> Draw:
        return lambda rng: draw(ROWS, rng, np.array(shift))

    one, aligned = [0.3, 0, 0, 0, 0, 0], [0.2, 0.2, 0.2, 0, 0, 0]
    planted: list[tuple[str, str, str, Draw, int]] = [
        ("quiet", "multiclass", "three classes: nothing", lambda rng: classes(ROWS, rng), 100),
        ("fewer", "multiclass", "three classes: half as many of one", in_shares(0.5, 1, 1), 100),
        ("more", "multiclass", "three classes: 1.8 times as many of one", in_shares(1, 1, 1.8), 100),
        ("small", "multiclass", "three classes: a fifth fewer of one", in_shares(0.8, 1, 1), 100),
        ("three", "multiclass", "three classes: .4, 1.2 and 2 times as many", in_shares(0.4, 1.2, 2), 100),
        ("one-feature", "multiclass", "three classes: one feature by 0.3 sd", moved(classes, one), 100),
        ("aligned", "multiclass", "three classes: three features by 0.2 sd", moved(classes, aligned), 100),
        ("quiet", "regression", "a target: nothing", lambda rng: target(ROWS, rng), 12),
        ("tilted", "regression", "a target: higher values more often, by 0.3 of a variance", tilted(0.3), 12),
        ("slightly", "regression", "a target: the same, by 0.03", tilted(0.03), 12),
        ("one-feature", "regression", "a target: one feature by 0.3 sd", moved(target, one), 12),
        ("aligned", "regression", "a target: three features by 0.2 sd", moved(target, aligned), 12),
    ]
    rows = {}
    for name, kind, what, draw, windows in planted:
        key = f"outcome-{name}-{kind}"
        rows[key] = Shifted(key, measured(kind, draw, "accuracy" if kind == "multiclass" else "mae"), windows, what)
    return rows


ROWS_OF_TABLE = _rows()
EXPLAINED = ("labels", "either", "inputs", "none")
HEAD = ["planted", *EXPLAINED, "have an interval", "held (accuracy, MAE)", "least of a metric"]


def _told(_: Shifted, found: Figures) -> list[str]:
    shares = [percent(found[one]) if found[one] else "" for one in EXPLAINED]
    if found["held"] is None:
        return [*shares, percent(found["given"]), "\N{EN DASH}", "\N{EN DASH}"]
    return [*shares, percent(found["given"]), percent(found["held"]), f"{percent(found['least'])} ({found['metric']})"]


OUTCOME_SHIFT = Table("outcome_shift", ROWS_OF_TABLE, table_of(ROWS_OF_TABLE, HEAD, _told))
