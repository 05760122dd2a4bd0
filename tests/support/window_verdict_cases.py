"""Windows with the state, the reasons and the advice that follow from them."""

from __future__ import annotations

from typing import Any

from driftline_processor.core import facts
from driftline_processor.core.concept.result import ConceptDrift
from driftline_processor.core.evaluation import (
    Estimate,
    Evaluation,
    Expected,
    Finding,
    JointDrift,
    TrackRecord,
)
from msgspec.structs import replace

from tests.support.verdict_windows import (
    DAY,
    JULY,
    MAY_COME,
    MISSING,
    change,
    column,
    drifted_slice,
    explained,
    known,
    objective,
    right,
    value,
    window,
    wrong,
)

DRIFT: dict[str, Any] = {"features": {"temp": column()}, "explanation": explained()}
RISE = ConceptDrift("drift", outcomes=9_000, since=JULY + DAY // 2, before=0.18, after=0.66)
CONSTANT: dict[str, Any] = {
    "realized": {
        "log_loss": value(0.87, 0.79, 0.95),
        "log_loss_constant": value(0.69),
        "mean_score": value(0.135, 0.12, 0.15),
        "actual_rate": value(0.315, 0.29, 0.34),
    },
    "constant_comparison": change("worse", 0.18, 0.1, 0.26),
}
LEVEL: dict[str, Any] = {
    "realized": CONSTANT["realized"] | {"log_loss": value(0.6, 0.5, 0.72)},
    "reference": {"mean_score": value(0.23), "actual_rate": value(0.22), "roc_auc": value(0.7)},
    "level": change("worse", -0.18, -0.21, -0.15),
}
ESTIMATE = Estimate(0.7, 0.68, 0.72, 0.01, 0.75, 0.85, True, 5_000, "rows", "cbpe", record=TrackRecord("ok", 5, 0, 1.0))
FAILED = replace(ESTIMATE, record=TrackRecord("failed", 5, 2))
BEYOND = Finding(
    "out_of_range",
    ("age",),
    "critical",
    0.0,
    0.57,
    0.0,
    3.0,
    45.0,
    "above",
)
WORSE = {"accuracy": change("worse", -0.1, -0.12, -0.08)}


MISSING_VALUES = facts.FractionOfValues(rule="missing", low=0.2, high=0.2)

WINDOWS: list[tuple[Evaluation, str, tuple[str, ...], str]] = [
    (
        right(),
        "healthy",
        ("no_worse_than_baseline",),
        "nothing_to_do",
    ),
    (
        right(**DRIFT),
        "healthy",
        ("no_worse_than_baseline", "harmless_cause"),
        "ignore_drift",
    ),
    (
        right(features={"temp": column(size="small")}, explanation=explained()),
        "healthy",
        ("no_worse_than_baseline", "harmless_cause"),
        "ignore_drift",
    ),
    (
        known(objectives=(objective("met", number=0.95),)),
        "healthy",
        ("objective_met",),
        "nothing_to_do",
    ),
    (
        wrong(features={"temp": column("ok", "")}),
        "degraded",
        ("metric_moved", "inputs_look_as_before"),
        "recalibrate",
    ),
    (
        known(**CONSTANT, **DRIFT),
        "degraded",
        ("level_of_scores", "coinciding_cause"),
        "recalibrate",
    ),
    (
        known(**LEVEL),
        "degraded",
        ("level_of_scores",),
        "recalibrate",
    ),
    (
        known(changes={"log_loss": change("not_worse"), "recall": change("worse", -0.1, -0.12, -0.08)}),
        "healthy",
        ("no_worse_than_baseline",),
        "check_threshold",
    ),
    (
        known(
            changes={"log_loss": change("inconclusive", -0.1, -0.3, 0.1), "f1": change("worse", -0.1, -0.12, -0.08)},
            realized={"log_loss": value(0.39, 0.19, 0.59)},
        ),
        "unknown",
        ("may_be_worse",),
        "send_more_outcomes",
    ),
    (
        known(
            changes={"log_loss": change("inconclusive", 0.1, -0.1, 0.3), "f1": change("worse", -0.1, -0.12, -0.08)},
            realized={"log_loss": value(0.59, 0.39, 0.79)},
        ),
        "unknown",
        ("may_be_worse",),
        "send_more_outcomes",
    ),
    (
        known(
            changes={"log_loss": change("inconclusive", -0.1, -0.2, -0.01, reason="too_few_days")},
            realized={"log_loss": value(0.39, 0.29, 0.48)},
        ),
        "healthy",
        ("no_worse_than_baseline",),
        "nothing_to_do",
    ),
    (
        window(findings=(BEYOND,)),
        "at_risk",
        ("finding", "and_also"),
        "rule_out_fault",
    ),
    (
        known(
            changes={**WORSE, "roc_auc": change("worse", -0.1, -0.12, -0.08)},
            realized={"roc_auc": value(0.6, 0.58, 0.62), "accuracy": value(0.7, 0.68, 0.72)},
            **DRIFT,
        ),
        "degraded",
        ("metric_moved", "coinciding_cause"),
        "retrain",
    ),
    (
        known(objectives=(objective("met", "recall"), objective())),
        "degraded",
        ("objective_missed",),
        "retrain",
    ),
    (
        known(objectives=(objective(slice="country=NL", rule="precision >= 0.9 in country"),)),
        "degraded",
        ("objective_missed",),
        "retrain_with_slice",
    ),
    (
        wrong(findings=(MISSING,)),
        "degraded",
        ("metric_moved", "likely_cause"),
        "repair_columns",
    ),
    (
        window(**DRIFT),
        "at_risk",
        ("first_cause", "and_also"),
        "send_outcomes",
    ),
    (
        window(score=column(kind="score", name=""), young=True, maturity="immature", immature=MAY_COME),
        "at_risk",
        ("output_moved", "and_also"),
        "wait_for_outcomes",
    ),
    (
        window(findings=(MISSING,)),
        "at_risk",
        ("finding", "and_also"),
        "repair_columns",
    ),
    (
        window(expected=(Expected("age", "missing: <= 0.1", "broken", 0.2, 0.2, 900, MISSING_VALUES),)),
        "at_risk",
        ("expectation_broken", "and_also"),
        "repair_columns",
    ),
    (
        window(estimated={"accuracy": ESTIMATE}, estimated_changes=WORSE),
        "at_risk",
        ("estimate_moved", "and_also"),
        "send_outcomes",
    ),
    (
        window(slices={"country=NL": drifted_slice()}),
        "at_risk",
        ("column_moved", "and_also"),
        "send_outcomes",
    ),
    (
        window(joint={"correlation": JointDrift("correlation", "drift", 5_000, 0.3, 1e-9, 0.3)}),
        "at_risk",
        ("relation_changed", "and_also"),
        "send_outcomes",
    ),
    (
        known(changes={"log_loss": change("inconclusive", 0.1, -0.1, 0.3)}, **DRIFT),
        "at_risk",
        ("may_be_worse", "and_also"),
        "send_more_outcomes",
    ),
    (
        known(
            changes={"log_loss": change("inconclusive", 0.1, -0.1, 0.3, reason="not_comparable")},
            score=column(kind="score", name=""),
            explanation=explained(),
        ),
        "at_risk",
        ("output_moved", "likely_cause", "and_also"),
        "send_more_outcomes",
    ),
    (
        known(
            changes={"log_loss": change("inconclusive", 0.1, -0.1, 0.3)},
            score=column(kind="score", name=""),
            explanation=explained(),
        ),
        "at_risk",
        ("may_be_worse", "and_also", "first_cause"),
        "send_more_outcomes",
    ),
    (
        known(
            **LEVEL | {"level": change("inconclusive", -0.18, -0.21, -0.15)},
            changes={"log_loss": change("inconclusive", 0.1, -0.1, 0.3)},
        ),
        "unknown",
        ("level_of_scores", "and_also"),
        "recalibrate",
    ),
    (
        known(
            **LEVEL | {"level": change("inconclusive", -0.18, -0.21, -0.15)} | DRIFT,
            changes={"log_loss": change("inconclusive", 0.1, -0.1, 0.3)},
        ),
        "at_risk",
        ("level_of_scores", "and_also", "first_cause"),
        "recalibrate",
    ),
    (
        wrong(realized=CONSTANT["realized"]),
        "degraded",
        ("level_of_scores",),
        "recalibrate",
    ),
    (
        window(),
        "unknown",
        ("no_outcomes",),
        "send_outcomes",
    ),
    (
        window(reference={"accuracy": value(0.8)}),
        "unknown",
        ("no_outcomes",),
        "send_outcomes_or_label",
    ),
    (
        known(reference={}),
        "unknown",
        ("no_objective",),
        "set_objective",
    ),
    (
        known(
            changes={"log_loss": change("inconclusive", 0.27, -0.4, 0.9, reason="too_few_days")},
            realized={"log_loss": value(0.76, 0.09, 1.39)},
        ),
        "unknown",
        ("may_be_worse",),
        "evaluate_longer_window",
    ),
    (
        window(closed=False, maturity="open"),
        "unknown",
        ("window_open",),
        "wait_for_end_of_window",
    ),
]
"""Windows, each with the state, reasons and advice that follow; ``tests/golden/sentences.txt`` has the words."""
