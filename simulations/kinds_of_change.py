"""Which kind of change is named, and how often estimates hold under label shift: evidence/kinds.json.

Every window has a baseline of its own: 5,000 rows of six features, of which the outcome follows from five. A change is
planted at about twice the size that is found in half of the windows, and the window judged as the product does.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from driftline.baseline.baseline import Baseline
from driftline.baseline.from_frame import table_from_frame
from driftline.panes.bins import assign
from driftline.panes.fold import fold
from driftline.panes.outcome_sums import fold_outcomes
from driftline.panes.pane import merge
from driftline.tables.row_losses import losses_of
from driftline.tables.table import F64, Column, ModelKey, PredictionTable
from driftline_processor.core.estimate.sums import score_parts
from driftline_processor.core.evaluation import Evaluation
from driftline_processor.core.explain.loss_evidence import RowLosses
from driftline_processor.core.judge_window import ModelWindow, judge_window
from driftline_processor.core.model_settings import DEFAULTS, ModelSettings
from driftline_processor.core.performance.objective import read_objective
from driftline_processor.core.performance.realized import from_rows
from driftline_processor.core.performance.settings import PerformanceSettings
from driftline_processor.core.reference.reference import Reference
from driftline_processor.core.service_level.sums import call_parts
from driftline_processor.core.window_context import WindowContext
from driftline_processor.core.windows.window import Window

from simulations.frame import Figures, Random, Row, Table, percent, table_of

DAY = Window("1d", 1_772_323_200_000_000_000, 1_772_409_600_000_000_000)
WEIGHTS = np.array([1.0, 0.8, 0.6, 0.4, 0.2, 0.0])
NAMES = tuple(f"f{at}" for at in range(len(WEIGHTS)))
REFERENCE, ROWS = 5_000, 4_000
KINDS = ("service", "data_fault", "output_fault", "covariate_shift", "label_shift", "calibration", "concept_change")

OBJECTIVES = tuple(map(read_objective, ("latency_p95 <= 100ms", "error_rate <= 1 %")))
"""Of the windows whose calls are known: a quiet p95 is 58 ms."""

Rows = dict[str, Any]


def drawn(n: int, rng: Random, shift: F64 | float = 0.0, higher: float = 0.0) -> Rows:
    """Draw rows; ``shift``: of the features, in standard deviations; ``higher``: of the outcome's logit."""
    x = rng.normal(0, 1, (n, len(WEIGHTS))) + shift
    logit = x @ WEIGHTS - 1
    actual = (rng.random(n) < 1 / (1 + np.exp(-(logit + higher)))).astype(np.float64)
    return {**dict(zip(NAMES, x.T, strict=True)), "p": 1 / (1 + np.exp(-(0.8 * logit + 0.2))), "y": actual}


def quiet(rng: Random) -> Rows:
    """Draw a window like the baseline."""
    return drawn(ROWS, rng)


def covariate(shift: F64) -> Callable[[Random], Rows]:
    """Draw a window whose features moved."""
    return lambda rng: drawn(ROWS, rng, shift)


def label(times: float) -> Callable[[Random], Rows]:
    """Draw a window with so many times the positives, each class as it is."""

    def draw(rng: Random) -> Rows:
        rows = drawn(10 * ROWS, rng)
        many = rng.binomial(ROWS, float(rows["y"].mean()) * times)
        at = np.concatenate([np.flatnonzero(rows["y"] == 1)[:many], np.flatnonzero(rows["y"] == 0)[: ROWS - many]])
        return {name: values[at] for name, values in rows.items()}

    return draw


def level(higher: float) -> Callable[[Random], Rows]:
    """Draw a window whose outcomes are more likely at the same inputs."""
    return lambda rng: drawn(ROWS, rng, higher=higher)


def reversed_effect(rng: Random) -> Rows:
    """Draw a window in which the outcome falls with the first input, and the model does not know."""
    rows = drawn(ROWS, rng)
    logit = np.column_stack([rows[name] for name in NAMES]) @ WEIGHTS - 1 - 2 * rows["f0"]
    return {**rows, "y": (rng.random(ROWS) < 1 / (1 + np.exp(-logit))).astype(np.float64)}


def flipped(share: float) -> Callable[[Random], Rows]:
    """Draw a window whose outcomes are recorded wrongly for a share of the rows."""

    def draw(rng: Random) -> Rows:
        rows = drawn(ROWS, rng)
        return {**rows, "y": np.where(rng.random(ROWS) < share, 1 - rows["y"], rows["y"])}

    return draw


def missing(share: float) -> Callable[[Random], Rows]:
    """Draw a window in which a feature is newly missing."""

    def draw(rng: Random) -> Rows:
        rows = drawn(ROWS, rng)
        return {**rows, "f2": np.where(rng.random(ROWS) < share, np.nan, rows["f2"])}

    return draw


def unit(rng: Random) -> Rows:
    """Draw a window with a feature in another unit."""
    rows = drawn(ROWS, rng)
    return {**rows, "f1": rows["f1"] * 1_000}


def calls(median: float = 0.03, failing: float = 0.0, slow: float = 0.0) -> Callable[[Random], Rows]:
    """Draw a window whose calls take so long, of which a share fails, and a share takes five times as long."""

    def draw(rng: Random) -> Rows:
        seconds = median * np.exp(0.4 * rng.normal(size=ROWS))
        seconds = np.where(rng.random(ROWS) < slow, 5 * seconds, seconds)
        return {**drawn(ROWS, rng), "took": seconds, "failed": rng.random(ROWS) < failing}

    return draw


def default(share: float, value: float = 0.3) -> Callable[[Random], Rows]:
    """Draw a window in which a share of the calls get one answer, whatever the inputs."""

    def draw(rng: Random) -> Rows:
        rows = drawn(ROWS, rng)
        return {**rows, "p": np.where(rng.random(ROWS) < share, value, rows["p"])}

    return draw


def built(rng: Random) -> Baseline:
    """Build a baseline."""
    named = {"score": "p", "actual": "y", "features": list(NAMES), "model": "m", "task": "binary"}
    return Baseline.from_frame(drawn(REFERENCE, rng), **named)  # type: ignore[arg-type]


def judged(rows: Rows, baseline: Baseline, outcomes: bool) -> Evaluation:
    """Judge a window."""
    seconds, failed = rows.get("took"), rows.get("failed")
    rows = {name: values for name, values in rows.items() if name not in ("took", "failed")}
    table, truth, *_ = table_from_frame(rows, score="p", actual="y", features=list(NAMES), model="m", task="binary")
    one = np.zeros(len(table), np.int64)
    pane = fold(table, baseline.bins)
    pane.parts.update({part.part: part.dense(1)[0] for part in score_parts(table, one)})
    if outcomes:
        assert truth is not None
        pane = merge([pane, fold_outcomes(table.task, table.scores, None, truth)])
    settings, context = DEFAULTS, WindowContext(rows=lambda: row_losses(table, truth, baseline))
    if seconds is not None and failed is not None:
        errors = Column(codes=np.where(failed, 0, -1).astype(np.int32), categories=("TimeoutError",))
        pane.parts.update({part: sums.dense(1)[0] for part, sums in call_parts(seconds, errors, None, one, 1).items()})
        settings = ModelSettings(performance=PerformanceSettings(objectives=OBJECTIVES))
    return judge_window(ModelWindow(ModelKey("m"), DAY, pane), Reference(baseline), context, settings)


def row_losses(table: PredictionTable, truth: Column | None, baseline: Baseline) -> RowLosses | None:
    """Return the rows with their bins and losses, as a file or the store has them."""
    if truth is None:
        return None
    bins = baseline.bins.features
    codes = {name: assign(bins[name], column) for name, column in table.features.items() if name in bins}
    return RowLosses(codes, losses_of(table.task, table.scores, None, truth))


@dataclass(frozen=True)
class Planted(Row):
    """``what``: was planted; ``outcomes``: whether they are known."""

    what: str
    outcomes: bool


def named(draw: Callable[[Random], Rows], outcomes: bool) -> Callable[[int, Random], Figures]:
    """Return the shares of windows of which each kind is named, and how often estimates of all rows hold."""

    def measure(windows: int, rng: Random) -> Figures:
        found: Counter[str] = Counter()
        held: dict[str, list[bool]] = {}
        for _ in range(windows):
            baseline, rows = built(rng), draw(rng)
            one = judged(rows, baseline, outcomes)
            found["none" if one.change_kind is None else one.change_kind.kind] += 1
            real = from_rows(baseline.task, rows["p"][:, np.newaxis], None, Column(numbers=rows["y"]), None)
            for name, estimate in one.estimated.items():
                value = real[name].value
                if estimate.low is not None and estimate.high is not None and value is not None:
                    held.setdefault(name, []).append(estimate.low <= value <= estimate.high)
        shares = {name: float(np.mean(values)) for name, values in held.items()}
        least = min(shares, key=lambda name: shares[name], default="")
        kinds = {kind: found[kind] / windows for kind in (*KINDS, "none")}
        return {**kinds, "accuracy": shares.get("accuracy"), "least": shares.get(least), "metric": least}

    return measure


_ONE, _THREE = np.eye(6)[0], np.array([1.0, 1.0, 1.0, 0.0, 0.0, 0.0])
_SIX = np.array([1.0, -1.0, 0.5, 0.5, -1.0, 1.0])
PLANTED: dict[str, tuple[str, Callable[[Random], Rows]]] = {
    "quiet": ("nothing", quiet),
    "calls": ("nothing, calls known: p95 of 58 ms, 0.3 % fail", calls(failing=0.003)),
    "slow": ("the service: calls take twice as long", calls(0.06)),
    "rollout": ("the service: a version of a fifth of the calls takes five times as long", calls(slow=0.2)),
    "failing": ("the service: 2 % of the calls fail", calls(failing=0.02)),
    "defaults": ("the service: a tenth of the calls get one answer", default(0.1)),
    "constant": ("the service: all calls get one answer", default(1.0)),
    "missing": ("a fault: 10 % of a feature newly missing", missing(0.1)),
    "unit": ("a fault: a feature in another unit", unit),
    "one-feature": ("covariate shift: one feature by 0.3 sd", covariate(0.3 * _ONE)),
    "six-features": ("covariate shift: six features by 0.15 to 0.3 sd, up and down", covariate(0.3 * _SIX)),
    "aligned": ("covariate shift that mimics label shift: three features up by 0.2 sd", covariate(0.2 * _THREE)),
    "fewer": ("label shift: half as many positives", label(0.5)),
    "more": ("label shift: 1.5 times as many positives", label(1.5)),
    "level": ("a higher level: odds of a positive 1.5 times as high at the same inputs", level(0.4)),
    "concept": ("concept change: the effect of an input is reversed", reversed_effect),
    "flipped": ("labelling error: 8 % of the outcomes the other one", flipped(0.08)),
}
WINDOWS = 100
OF_CALLS = ("calls", "slow", "rollout", "failing")


def _rows() -> dict[str, Planted]:
    rows: dict[str, Planted] = {}
    for outcomes in (True, False):
        for name, (what, draw) in PLANTED.items():
            if not outcomes and name in ("level", "concept", "flipped", *OF_CALLS):
                continue  # nobody sees them before outcomes come, or outcomes do not matter
            key = f"kind-{name}-{'with' if outcomes else 'without'}"
            windows = 4 * WINDOWS if name == "quiet" else WINDOWS
            rows[key] = Planted(key, named(draw, outcomes), windows, what, outcomes)
    return rows


ROWS_OF_TABLE = _rows()
HEAD = [
    "planted",
    "outcomes",
    *(kind.replace("_", " ") for kind in KINDS),
    "none",
    "accuracy held",
    "least of a metric",
]


def _told(row: Planted, found: Figures) -> list[str]:
    shares = [percent(found[kind]) if found.get(kind) else "" for kind in (*KINDS, "none")]
    known = "with" if row.outcomes else "without"
    if row.name.startswith(("kind-level", "kind-concept", "kind-flipped", "kind-defaults", "kind-constant")):
        return [known, *shares, "\N{EN DASH}", "\N{EN DASH}"]
    return [known, *shares, percent(found["accuracy"]), f"{percent(found['least'])} ({found['metric']})"]


KINDS_OF_CHANGE = Table("kinds", ROWS_OF_TABLE, table_of(ROWS_OF_TABLE, HEAD, _told))
