"""Drills of each outcome, as their texts are made of them."""

from __future__ import annotations

from driftline_extensions.drills.drill import DrillResult, Fired
from driftline_extensions.drills.faults import FAULTS
from driftline_processor.core.windows.window import DAY, HOUR

HEALTH = Fired("health", "critical", "degraded", "The model has been degraded.", (), DAY, 1, "1d", ("slack",), ())
FOUND = DrillResult(
    FAULTS["unit-change"], "churn", ("tenure",), "found", at=20_000 * DAY, size=100, lived=3 * DAY, rows=500,
    found_after=DAY, named_after=DAY, seen_after=DAY, fired=[HEALTH],
)  # fmt: skip
LATER = DrillResult(
    FAULTS["unit-change"], "churn", ("tenure",), "found", found_after=DAY, named_after=2 * DAY, fired=[HEALTH]
)
UNNAMED = DrillResult(FAULTS["concept-shift"], "churn", (), "unnamed", found_after=6 * HOUR, fired=[HEALTH])
MISSED = DrillResult(
    FAULTS["label-delay"], "churn", (), "not_found", "no policy fired", lived=7 * DAY,
    would=("A policy 'coverage < 50 %' would have found it after 1 day.",),
)  # fmt: skip
THIN = DrillResult(FAULTS["feature-null"], "churn", ("age",), "inconclusive", "windows have 3 rows")
NONE = DrillResult(FAULTS["slow-model"], "fraud", (), "not_applicable", "there are no durations of calls")
ALL = [FOUND, UNNAMED, MISSED, THIN, NONE]
