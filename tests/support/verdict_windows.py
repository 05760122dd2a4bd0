"""Windows for tests of verdicts: one day of a binary model, and what may be so of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

from driftline.tables.table import ModelKey
from driftline_processor.core import facts
from driftline_processor.core.evaluation import (
    Cause,
    Change,
    ColumnDrift,
    Evaluation,
    Explanation,
    Finding,
    MethodValue,
    MetricChange,
    MetricValue,
    ObjectiveState,
    SliceDrift,
    Verdict,
)
from driftline_processor.core.verdict.context import NO_CONTEXT, VerdictContext
from driftline_processor.core.verdict.model import decide, with_traffic
from driftline_processor.core.verdict.traffic import Traffic
from driftline_processor.core.windows.window import Window

DAY = 86_400 * 10**9
JULY = 1_372_636_800 * 10**9
"""1 July 2013, 00:00 UTC."""

MAY_COME = (facts.OutcomesMayStillCome(delay=3 * DAY, learned_from=None),)
MISSING = Finding("missing", ("age",), "critical", 0.02, 1.0, 1e-12)
COLD = Cause(("temp",), "", 0.9, (Change("values below 54", 0.99, 0.0),))


def value(number: float, low: float | None = None, high: float | None = None) -> MetricValue:
    return MetricValue(number, 5_000, "rows", low=low, high=high, interval="" if low is None else "blocks")


def change(
    state: Literal["worse", "not_worse", "inconclusive"],
    number: float = 0.0,
    low: float | None = None,
    high: float | None = None,
    **more: Any,
) -> MetricChange:
    """Return the change of a metric that has a margin."""
    return MetricChange(state, number, low, high, **{"margin": 0.05} | more)


def column(
    state: str = "drift", size: str = "large", p: float = 1e-9, kind: str = "feature", name: str = "temp", **more: Any
) -> ColumnDrift:
    effect = more.pop("effect", 0.9)
    methods = {"ks": MethodValue(effect, p)}
    return ColumnDrift(kind, name, state, "ks", 5_000, methods, effect, size, **more)  # type: ignore[arg-type]


def objective(state: str = "broken", metric: str = "precision", number: float = 0.85, **more: Any) -> ObjectiveState:
    low, high = more.pop("low", number - 0.02), more.pop("high", number + 0.02)
    rule = more.pop("rule", f"{metric} >= 0.9")
    return ObjectiveState(metric, rule, state, number, low, high, 4_000, limit=0.9, **more)  # type: ignore[arg-type]


def drifted_slice(size: str = "large") -> SliceDrift:
    return SliceDrift(900, "drift", "", 1, 1.0, {"temp": column(size=size)}, None, None)


def explained(*causes: Cause) -> Explanation:
    return Explanation(causes or (COLD,))


def window(day: int = 0, length: int = 1, name: str = "1d", **more: Any) -> Evaluation:
    """Return a closed, mature window without outcomes; ``more`` are fields of the Evaluation."""
    start = JULY + day * DAY
    key = more.pop("key", ModelKey("late", "1"))
    rows = more.pop("rows", 5_000)
    closed = more.pop("closed", True)
    return Evaluation(key, Window(name, start, start + length * DAY), rows, closed, **more)


def known(day: int = 0, changes: Mapping[str, MetricChange] | None = None, **more: Any) -> Evaluation:
    """Return a window whose 4,000 outcomes are known, and their metrics those of the baseline."""
    same = {"log_loss": value(0.5, 0.48, 0.52), "roc_auc": value(0.7, 0.68, 0.72), "accuracy": value(0.8, 0.78, 0.82)}
    realized = same | more.pop("realized", {})
    reference = more.pop("reference", {"log_loss": value(0.49), "roc_auc": value(0.7), "accuracy": value(0.8)})
    more = {"outcome_rows": 4_000, "coverage": 0.8} | more
    found = window(day, realized=realized, reference=reference, **more)
    found.realized_changes = dict(changes or {})
    return found


def right(day: int = 0, **more: Any) -> Evaluation:
    return known(day, {"log_loss": change("not_worse", 0.01, -0.01, 0.03)}, **more)


def wrong(day: int = 0, clear: bool = False, stands_out: bool = False, **more: Any) -> Evaluation:
    low = 0.18 if clear else 0.1 if stands_out else 0.02
    losses = {"log_loss": value(0.69, 0.49 + low, 0.89 - low)} | more.pop("realized", {})
    return known(day, {"log_loss": change("worse", 0.2, low, 0.4 - low)}, realized=losses, **more)


def verdict_of_model(
    evaluations: Iterable[Evaluation],
    traffic: Traffic | None = None,
    previous: Verdict | None = None,
    context: VerdictContext = NO_CONTEXT,
) -> Verdict:
    """Return the verdict of a model of which no earlier verdict is on record but ``previous``."""
    windows = [*evaluations]
    verdict = decide(windows, previous, context).verdict()
    if traffic is None:
        return verdict
    return with_traffic(verdict, traffic, context, sum(one.closed for one in windows))
