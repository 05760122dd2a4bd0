"""Every sentence about a fact, as ``sentences.txt`` holds it: ``python -m tests.golden.sentences`` writes it anew.

A change of words changes that one file. All other tests assert kinds, values and states.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

from driftline.tables.row_losses import RowLoss
from driftline_processor.core.evaluation import (
    Cause,
    Change,
    ClassShare,
    ColumnDrift,
    ComparedOutcomes,
    DriftContributor,
    Expected,
    Explanation,
    FastLabels,
    Finding,
    JointDrift,
    KindOfChange,
    LabelShift,
    MethodValue,
    ObjectiveState,
    SliceCondition,
    SliceDrift,
    Verdict,
    WeakSlice,
)
from driftline_processor.core.facts import Fact, fact
from driftline_processor.core.outcomes.id_form import IdForm
from driftline_processor.core.outcomes.unknown import UnknownOutcomes
from driftline_processor.core.policy.condition import read_condition
from driftline_processor.core.policy.replay import QuietTime
from driftline_processor.core.retraining.decision import LossChange, RetrainCost, RetrainQuestion, weigh_retraining
from driftline_processor.core.verdict.improbable_times import ImprobableTimes
from driftline_processor.core.verdict.window import verdict_of_window
from driftline_processor.present.sentences import clause, forms
from driftline_processor.present.sentences.advice import advise
from driftline_processor.present.sentences.causes import cause_sentence, change_sentence, explanation_sentence
from driftline_processor.present.sentences.drift import column_sentence, joint_sentence, slice_sentence
from driftline_processor.present.sentences.expectations import expectation_sentence
from driftline_processor.present.sentences.findings import finding_sentence
from driftline_processor.present.sentences.objectives import objective_sentence, overdue
from driftline_processor.present.sentences.outcomes import weak_slice_sentence
from driftline_processor.present.sentences.policies import ENDINGS, claim_words, ending_words, quiet_sentence
from driftline_processor.present.sentences.retraining import retraining_reasons, retraining_sentence
from driftline_processor.present.sentences.verdict import (
    verdict_action,
    verdict_cause,
    verdict_certainty,
    verdict_evidence,
    verdict_headline,
    verdict_sentence,
    verdict_size,
    verdict_step,
)
from msgspec import structs
from msgspec.structs import replace

from tests.golden.messages import message_lines
from tests.support.verdict_examples import examples
from tests.support.window_verdict_cases import WINDOWS

PATH = Path(__file__).with_name("sentences.txt")
JULY, DAY, HOUR = 1_372_636_800 * 10**9, 86_400 * 10**9, 3_600 * 10**9

FINDINGS = (
    Finding("missing", ("age",), "major", 0.02, 0.9, 0.0),
    Finding("missing", ("age",), "critical", 0.02, 1.0, 0.0, similar="age_years"),
    Finding("missing", ("age",), "major", 0.4, 0.0, 0.0),
    Finding("missing", ("age",), "major", 0.4, 0.01, 0.0),
    Finding("missing", ("age",), "major", 1.0, 0.3, 0.0),
    Finding("constant", ("plan",), "critical", 0.3, 1.0, 0.0, category="basic"),
    Finding("constant", ("age",), "critical", 0.3, 1.0, 0.0, low=18.0, high=18.0),
    Finding("constant", ("age",), "critical", 0.01, 1.0, 0.0, low=18.0, high=19.0),
    Finding("duplicates", (), "critical", 0.001, 0.5, 0.0),
    Finding("stale", (), "critical", 0.001, 0.5, 0.0),
    Finding("swapped", ("age", "pay"), "critical", 0.0, 0.9, 0.0),
    Finding("unit_change", ("pay",), "critical", 0.0, 0.998, 0.0, factors=(0.01, 1 / 60, 1000.0), without_zero=True),
    Finding("unit_change", ("pay",), "critical", 0.0, 0.998, 0.0, factors=(10.0,)),
    Finding("recoded", ("city",), "critical", 0.0, 1.0, 0.0),
    Finding("copied", ("dew",), "critical", 0.0, 1.0, 0.0, sources=("temp",)),
    Finding("unlinked", ("dew",), "critical", 1.0, 0.04, 0.0),
    Finding("unlinked", ("dew", "temp"), "critical", 1.0, 0.04, 0.0),
    Finding("hours_shifted", ("hour",), "critical", 0.0, 1.0, 0.0, hours=-5),
    Finding("misplaced", ("temp", "dew", "wind"), "critical", 0.0, 1.0, 0.0, sources=("dew", "wind", "temp")),
    Finding("unit_change", ("trip",), "critical", 0.0, 1.0, 0.0, factors=(1.609344,), units=("miles to km",)),
    Finding("unit_change", ("pay",), "critical", 0.0, 1.0, 0.0, factors=(7.46,)),
    Finding("unit_change", ("temp",), "critical", 0.0, 1.0, 0.0, units=("°C to °F",)),
    Finding("unit_change", ("pay",), "critical", 0.0, 1.0, 0.0, units=("natural logarithm", "logarithm of 1 + x")),
    Finding("unit_change", ("pay",), "critical", 0.0, 1.0, 0.0, units=("common logarithm to values",)),
    Finding("type_change", ("age",), "major", 0.0, 0.3, 0.0, given="number_in_text"),
    Finding("type_change", ("age",), "major", 0.0, 0.3, 0.0, given="text"),
    Finding("type_change", ("plan",), "major", 0.0, 0.3, 0.0, given="number"),
    Finding("unseen", ("plan",), "minor", 0.0, 0.03, 0.0),
    Finding("unseen", ("rooms",), "minor", 0.0, 0.03, 0.0, numbers=True),
    Finding("out_of_range", ("temp",), "critical", 0.0024, 0.998, 0.0, 12.92, 55.04, "above"),
    Finding("out_of_range", ("temp",), "critical", 0.0024, 0.998, 0.0, 12.92, 55.04, "below", infinite=0.1),
    Finding("out_of_range", ("temp",), "critical", 0.0, 0.6, 0.0, 12.92, 55.04),
    Finding("out_of_range", ("age",), "critical", 0.0, 0.6, 0.0, 18.0, 67.0, "above", high_outside=True),
    Finding("out_of_range", ("temp",), "critical", 0.0, 0.6, 0.0, 5.0, 5.0, lengths=True),
    Finding("out_of_range", ("temp",), "minor", 0.0, 0.002, 0.0, infinite=0.001, far=0.001),
    Finding("out_of_range", ("temp",), "minor", 0.0, 0.001, 0.0, far=0.001, lengths=True),
    Finding("score_constant", (), "critical", 0.0014, 0.97, 0.0, 0.3684, 0.3702),
    Finding("score_out_of_range", (), "critical", 0.0, 1.0, 0.0),
    Finding("score_constant", (), "critical", 0.01, 0.97, 0.0, low=0.3, high=0.3),
    Finding("score_constant", (), "critical", 0.01, 0.97, 0.0, low=30.0, high=32.5),
    Finding("score_classes", (), "critical", 0.02, 1.0, 0.0),
)
COLD = Cause(("temp",), "", 0.35, (Change("values below 5", 0.41, 0.06),))
CAUSES = (
    COLD,
    structs.replace(COLD, since=JULY, or_earlier=True, score_shift=0.34, importance=0.2),
    structs.replace(
        COLD, slice="country=NL", changes=(*COLD.changes, Change("values of 9 or more", 0.1, 0.3)), since=JULY
    ),
    Cause(("age", "pay"), "swapped", 0.9, finding=FINDINGS[10], score_shift=-0.3, since=JULY),
)
UNKNOWN_OUTCOMES = (
    UnknownOutcomes(
        "id",
        2_400,
        2_400,
        form=IdForm("digits", 1, 2),
        stored=IdForm("digits", 12, 12, leading_zeros=True),
    ),
    UnknownOutcomes("id", 1, 1, form=IdForm("digits", 8, 8)),
    UnknownOutcomes("time", 2_400, 2_400),
    UnknownOutcomes("environment", 2_400, 2_400),
    UnknownOutcomes("actual", 2_400, 2_400, possible="none of the classes 0, 1"),
)
CLOCK: dict[str, Any] = {"since": JULY, "timezone": "UTC", "of_days": True}
OUTCOMES = {"outcomes": 900, "coverage": 0.45}
OBJECTIVE = ObjectiveState("precision", "precision >= 0.9", "broken", 0.8, 0.7, 0.85, 90)
MISSING = fact("fraction_of_values", rule="missing", low=0.2, high=0.2)
EXPECTED = Expected(
    "age", "missing: <= 0.1", "broken", 0.2, 0.2, 900, fact("fraction_of_values", rule="missing", low=0.2, high=0.2)
)
SHIFT = LabelShift("labels", 0.2, 0.31, 0.28, 0.34, 1e-9, 0.4, ("age",))
ENDS = {"low": 0.7, "high": 0.85}
MOVED = fact("metric_moved", metric="accuracy", change=-0.1, low=-0.12, high=-0.08, value=0.7, level=None)
LEVEL: dict[str, Any] = {"predicted": 0.14, "actual": 0.36, "low": 0.28, "high": 0.45, "positive_class": "late"}
FAILING: dict[str, Any] = {"metric": "error_rate", "value": 0.08, "low": 0.07, "high": 0.09, "usual": 0.01}
COMPARED: dict[str, Any] = {"signal": "accuracy", "signal_column": "", "slice": "", "value": 0.8, **ENDS}
LIMIT: dict[str, Any] = {"side": "below", "limit": 0.85, "of": "", "windows": 0, "is_fraction": True}
GROUPS: dict[str, Any] = {"measure": "equal_opportunity_difference", "attribute": "gender", "low": 0.1, "high": 0.3}
DAYS_LACK: dict[str, Any] = {"reason": "too_few_days", "needed": None, "rows": None}
CAUSE = fact("cause", cause=COLD)
COSTS: tuple[tuple[float, Any], ...] = (
    (500.0, "given"),
    (800.0, "price sheet"),
    (900.0, "past runs"),
    (2_000.0, "given"),
)
UNKNOWN = (
    *("no_value", "no_row", "no_whole_rows", "no_times", "no_feature", "values_not_stored", "one_value"),
    *("values_too_close", "not_counted", "not_counted_without_baseline"),
)
NOT_CONFIRMED = (
    fact("known_until", end=JULY, timezone="UTC"),
    fact("newest_may_be_chance", shown=MOVED),
    fact("drift_open", outputs=("score",), features=("age",), missing=("too_few_days", "too_few_rows")),
    fact("newest_healthy_again", windows=1, left=2),
)
OBJECTIVES = (
    OBJECTIVE,
    structs.replace(OBJECTIVE, relative=True, value=-0.1, low=None, remarks=(fact("compared_with_slice", rows=9),)),
    structs.replace(OBJECTIVE, metric="latency_p99", value=0.08, low=0.07, high=0.09),
    structs.replace(
        OBJECTIVE,
        state="inconclusive",
        slice="country=NL",
        slices={"country=NL": "inconclusive"},
        alert_after=3,
        inconclusive_windows=3,
        needed=1_200,
        remarks=(fact("rows_decide", needed=1_200),),
    ),
    structs.replace(OBJECTIVE, state="inconclusive", alert_after=3, inconclusive_windows=3, reason="too_few_days"),
)
SHARE = {"low": 0.2, "high": 0.25}
LACKING = ("metric", "decisions", "rows", "interval")

FACTS: tuple[Fact, ...] = (
    fact("no_worse_than_baseline", metric="accuracy", value=0.79, baseline=0.8, margin=0.05, better=False),
    fact("no_worse_than_baseline", metric="log_loss", value=0.436, baseline=0.506, margin=0.007, better=False),
    fact("no_worse_than_baseline", metric="mae", value=None, baseline=None, margin=None, better=True),
    fact(
        "objective_met", metric="precision", value=0.95, low=0.93, high=0.97, rule="precision >= 0.9", of_change=False
    ),
    fact("objective_missed", metric="accuracy", value=-0.1, low=-0.12, high=-0.08, rule="accuracy", of_change=True),
    fact("objectives_met", count=3),
    fact("worse_inside_margin", metric="log_loss", change=0.02, low=0.01, high=0.03, value=0.51, margin=0.05),
    fact("ranks_the_wrong_way", value=0.26, low=0.22, high=0.3),
    fact("score_missing", was=0.0, now=0.3),
    fact("classes_without_score", was=0.0, now=1.0),
    fact("same_rows", share=0.75),
    fact("improbable_times", times=ImprobableTimes(2_400, refused=1_200), timezone="UTC"),
    fact("improbable_times", times=ImprobableTimes(2_400, undated=2_400), timezone="UTC"),
    fact("improbable_times", times=ImprobableTimes(2_400, misread=2_400, unit="milliseconds"), timezone="UTC"),
    fact("improbable_times", times=ImprobableTimes(2_400, ahead=2_400, latest=JULY), timezone="UTC"),
    fact("old_baseline", version="1", features=()),
    fact("old_baseline", version="", features=("a", "b", "c")),
    fact("baseline_lacks_features", version="1", features=()),
    fact("baseline_lacks_features", version="1", features=("tenure",)),
    fact("baseline_lacks_features", version="", features=("a", "b", "c")),
    fact("never_as_good", metric="roc_auc", baseline=0.99, best=0.78, windows=10),
    fact("never_as_good", metric="roc_auc", baseline=1.0, best=0.78, windows=1),
    *(fact("outcomes_unknown", unknown=unknown) for unknown in UNKNOWN_OUTCOMES),
    fact("outcomes_of_one_class", outcomes=600, positive=True, was=0.3, positive_class="late"),
    fact("outcomes_of_one_class", outcomes=600, positive=False, was=0.3, positive_class="positive"),
    fact("bias_rose", value=-3.2, low=-3.8, high=-2.6),
    fact("no_skill"),
    fact("worse_than_constant", value=0.76, low=0.66, high=0.87, constant=0.7),
    fact("level_of_scores", **LEVEL, constant_is_better=True),
    MOVED,
    fact("metric_moved", **dict(MOVED.values) | {"level": fact("level_of_scores", **LEVEL, constant_is_better=False)}),
    fact("estimate_moved", metric="roc_auc", change=-0.1, low=-0.12, high=-0.08),
    fact("errors_rose", metric="error_rate", before=0.176, after=0.655),
    fact("errors_rose", metric="mae", before=4.0, after=7.5),
    fact("expectation_broken", expected=EXPECTED),
    fact("column_moved", name="age"),
    fact("output_moved", column="class", name="predicted class"),
    fact("output_moved", column="score", name="score"),
    fact("relation_changed", features=("age", "pay")),
    fact("service_failing", **FAILING, calls=4_000, error="TimeoutError"),
    fact("service_failing", **FAILING | {"metric": "latency_p95", "usual": 0.02}, calls=4_000, error=""),
    fact("likely_cause", cause=CAUSE, others=("age",)),
    fact("likely_cause", cause=CAUSE, others=(), share=0.61),
    fact("coinciding_cause", cause=CAUSE, others=("age",)),
    fact("inputs_explain", share=1.0, drifted=True),
    fact("inputs_explain", share=1.0, drifted=False),
    fact("no_input_explains"),
    fact("no_input_explains", meaning=True),
    fact("proportions_changed"),
    fact("first_cause", cause=FINDINGS[18].fact, others=("age", "pay")),
    fact("harmless_cause", cause=CAUSE, others=()),
    fact("harmless_cause", cause=CAUSE, others=(), of_newest=True),
    fact("slice_worse", slice="country=NL", metric="log_loss", was=0.45, now=1.2, share=0.9, days=14),
    fact("slice_worse", slice="", metric="log_loss", was=0.45, now=1.2, share=1.0, days=1),
    fact("slice_certainly_worse", rows=301, p_value=1e-6),
    fact("inputs_look_as_before", cause=CAUSE),
    fact("inputs_look_as_before", cause=None),
    fact("inputs_look_as_before", cause=None, meaning=True),
    *map(fact, ("harmless_inputs", "window_open", "no_rows", "outcomes_may_come", "no_outcomes", "few_outcomes")),
    fact("harmless_output", name="score"),
    fact("chance_possible", windows=1),
    fact("chance_possible", windows=2),
    fact("outcomes_inconclusive", outcomes=90),
    fact("and_also", reason=fact("no_outcomes")),
    *(
        fact("may_be_worse", metric="log_loss", **ends, certain=False, margin=0.05, reason=reason, outcomes=90)
        for reason in ("too_few_rows", "too_few_days", "not_comparable", "easier_outcomes", "harder_outcomes", "")
        for ends in ({"low": -0.03, "high": 0.08}, {"low": None, "high": None})
    ),
    fact("may_be_worse", metric="accuracy", low=-0.08, high=-0.01, certain=True, margin=None, reason="", outcomes=90),
    fact("no_prediction", pause=2 * HOUR),
    fact("windows_wait", windows=1),
    fact("windows_wait", windows=1_200),
    *map(fact, ("no_objective", "no_window_closed", "fault_certain", "finding_certain", "drift_with_too_few_days")),
    fact("objective_certainly_met", **OUTCOMES),
    fact("objective_certainly_missed", rows=900),
    fact("better_than_baseline", **OUTCOMES),
    fact("inside_margin", metric="log_loss", margin=0.05, **OUTCOMES),
    fact("inside_margin", metric="accuracy", margin=None, outcomes=900, coverage=None),
    fact("certainly_below_chance", **OUTCOMES),
    fact("failures_certain", metric="error_rate", limit=0.05),
    fact("constant_certainly_better", **OUTCOMES),
    fact("level_certainly_off", **OUTCOMES),
    fact("certainly_worse", **OUTCOMES),
    fact("days_together", days=30),
    fact("rise_detected", outcomes=12_000),
    fact("rows_counted", expected=EXPECTED),
    fact("estimate_assumes", inside=0.97),
    fact("drift_beyond_chance", rows=5_000, size="large", chance=0.001, days=True),
    fact("drift_beyond_chance", rows=5_000, size="large", chance=0.001, days=False),
    fact("joint_drift_beyond_chance", rows=5_000, chance=0.01),
    fact("drift_open", outputs=("score",), features=("age", "pay"), missing=("too_few_days", "too_few_rows")),
    fact("to_be_confirmed", by_one=True),
    fact("to_be_confirmed", by_one=False),
    fact("newest_healthy_again", windows=1, left=1),
    fact("newest_healthy_again", windows=2, left=2),
    fact("healthy_until", end=JULY, timezone="UTC"),
    fact("known_until", end=JULY, timezone="UTC"),
    fact("newest_may_be_chance", shown=MOVED),
    *map(fact, ("nothing_shows_either", "newest_without_drift", "outcomes_without_objective", "no_window_before")),
    *map(fact, ("nothing_known", "pause_unlikely", "same_rows_compared", "shown_is_old")),
    fact("rule_broken", rule="latency_p99 <= 0.1"),
    fact("one_answer", part=0.4),
    fact("columns_drift", names=("age",)),
    fact("columns_drift", names=("age", "pay", "plan", "city", "zip")),
    fact("output_drifts", name="score"),
    fact("positive_rate", observed=0.3, expected=0.2),
    fact("estimate_missed", metric="mae", error=2.0),
    fact("worse_without_drift", metric="mae"),
    *map(fact, ("no_input_drifts", "scores_of_classes_hold", "outcomes_as_expected")),
    SHIFT.fact,
    structs.replace(SHIFT, explains="inputs").fact,
    structs.replace(SHIFT, explains="either", features=()).fact,
    structs.replace(SHIFT, class_name="plan", shares={"plan": ClassShare(0.2, 0.31, 0.28, 0.34)}).fact,
    structs.replace(SHIFT, class_name="plan").fact,
    *(structs.replace(SHIFT, quantity="mean", explains=explains).fact for explains in ("labels", "inputs", "either")),
    fact("signal_unknown", signal="accuracy", slice="country=NL", waits=True),
    *(fact("limit_unknown", signal="mae", slice="", of=of, windows=3) for of in ("baseline", "last week", "average")),
    fact("signal_without_interval", signal="mae"),
    fact("signal_compared", **COMPARED | {"slice": "country=NL"}, **LIMIT),
    fact(
        "signal_compared", **COMPARED | {"low": None}, **LIMIT | {"of": "average", "windows": 7, "is_fraction": False}
    ),
    fact("drift_evaluated", columns=1, of=3),
    fact("column_statistics", name="temp", statistics={"ks": 0.9}, p_value=1e-9, size="large"),
    fact("objective_broken", objective=OBJECTIVE),
    fact("objective_inconclusive", objective=structs.replace(OBJECTIVE, value=None)),
    fact("no_two_groups", attribute="gender"),
    fact("groups_unknown", measure="equal_opportunity_difference", attribute="gender", yet=True),
    fact("groups_inconclusive", **GROUPS, group="f", rate="true_positive_rate", rows=90.0),
    fact("groups_compared", **GROUPS, value=0.2, side="above", limit=0.1, apart=("recall", 0.5, "f", 0.7, "m")),
    fact("outcomes_in_time", at_most=0.6, agreed=0.95),
    fact("burn_rate_unknown", signal="precision", window="6h"),
    fact(
        "budget_spent",
        signal="precision",
        rule="precision >= 0.95",
        short_rate=20.0,
        long_rate=15.0,
        short="1h",
        long="6h",
    ),
    *map(fact, ("no_more_drift", "no_objective_evaluated", "no_objective_broken", "outcome_agreement_unknown")),
    fact("no_grave_fault"),
    fact(
        "verdict", verdict=Verdict("unknown", reasons=(fact("no_window_closed"),), advice=fact("wait_for_first_window"))
    ),
    CAUSE,
    FINDINGS[0].fact,
    replace(FINDINGS[0].fact, kind="named_finding"),
    *(FastLabels("<1d", True, metric, 0.12, 0.31, 800, 700, 1e-4).fact for metric in get_args(ComparedOutcomes)),
    FastLabels("<1h", False, "error_rate", 0.12, 0.12, 800, 700, 0.9).fact,
    fact("outcomes_may_still_come", delay=2 * DAY, learned_from=None),
    fact("outcomes_may_still_come", delay=2 * DAY, learned_from=1_200),
    fact("outstanding_cannot_change", outstanding=120),
    fact("outstanding_cannot_change", outstanding=1),
    fact("final_before_outcomes", outstanding=1_200),
    fact("coverage_too_low", coverage=0.4, needed=0.5),
    fact("decisions_unreviewed", predictions={"0": 9_500}),
    fact("decisions_unreviewed", predictions={"a": 12, "b": 4_000, "c": 90, "d": 7}),
    *(fact("fraction_of_values", rule=rule, **SHARE) for rule in ("missing", "unique", "duplicates", "type", "range")),
    *(fact("fraction_of_values", rule=rule, **SHARE) for rule in ("values", "not_values", "length", "pattern")),
    fact("column_arrived", arrived=True),
    fact("column_arrived", arrived=False),
    fact("rows_in_window", rows=12_000),
    fact("age_of_newest_row", seconds=30.0),
    fact("age_of_newest_row", seconds=5_400.0),
    fact("moment_of_values", moment="mean", value=3.5),
    fact("moment_of_values", moment="stddev", value=3.5),
    fact("end_of_values", end="min", rows=900.0, outside=1.0, within=900.0, low=None, high=3.0),
    fact("end_of_values", end="max", rows=900.0, outside=1.0, within=900.0, low=2.0, high=3.0),
    *(fact("measurement_unknown", reason=reason) for reason in UNKNOWN),
    *map(fact, ("window_open_yet", "more_days_decide", "interval_unknown", "compared_with_all_rows")),
    fact("rows_decide", needed=1_421),
    fact("rows_decide", needed=None),
    fact("no_row_reviewed", metric="precision", slice="country=NL", needed=72),
    fact("no_row_reviewed", metric="mae", slice="", needed=None),
    fact("no_call", metric="latency_p99", slice=""),
    fact("no_call", metric="availability", slice="country=NL"),
    *(fact("baseline_lacks", metric="accuracy", lacking=lacking) for lacking in LACKING),
    fact("compared_with_slice", rows=2_000),
    fact("slice_folded", slice="country=c77", key="country", most=20, other="country=other"),
    fact("no_period_ended", of_calls=False),
    fact("no_period_ended", of_calls=True),
    fact("no_slice_with_rows", key="country", metric="recall", min_rows=50, most=("country=NL", 49), of_calls=False),
    fact("no_slice_with_rows", key="country", metric="latency_p99", min_rows=50, most=None, of_calls=True),
    fact("few_predictions_reviewed", rows=3, predictions=200, needed=50),
    fact("slices_of_key", key="country", states={"met": 1, "broken": 0, "inconclusive": 2}, few=1, min_rows=50),
    *map(fact, ("no_final_outcomes", "baseline_without_outcomes", "no_window_compared", "factors_too_large")),
    fact("loss_not_compared", metric="mae", compared=("accuracy",)),
    fact("no_metric_of_loss", metrics=("accuracy", "mae")),
    fact("loss_without_interval", metric="log_loss"),
    fact("loss_not_worse", metric="log_loss"),
    fact("retraining_does_not_help", change="service"),
    fact("retraining_does_not_help", change="data_fault"),
    fact("retraining_does_not_help", change="output_fault"),
    fact("factors_lacking", names=("value", "predictions", "cost")),
    fact("run_failed", error="MemoryError"),
    *map(fact, ("no_outcomes_after_run", "no_outcomes_before_run", "no_baseline_outcomes_before_run")),
    *map(fact, ("not_worse_before_run", "no_outcomes_yet", "no_request_of_both", "no_hour_of_both")),
    fact("tasks_differ", champion="binary", challenger=""),
    fact("task_not_compared", task="ranking"),
    fact("version_unreviewed", version="", predictions={"0": 9_500}),
    fact("version_without_outcomes", version="2"),
    fact("own_first_week", rows=12_000),
    fact("own_first_rows", covered=7 * HOUR, rows=1_850, until=JULY, shift=1.25),
    fact("own_first_rows", covered=3 * DAY, rows=9_850, until=JULY, shift=0.25),
    fact("baseline_without_skill", metric="log_loss", value=0.7, constant=0.61),
    fact(
        "baseline_level_off",
        level=fact(
            "level_of_scores",
            predicted=0.24,
            actual=0.03,
            low=0.028,
            high=0.032,
            positive_class="positive",
            constant_is_better=True,
        ),
    ),
    fact("baseline_decided_again", threshold=0.3, baseline_threshold=0.5),
    fact("baseline_without_decisions", baseline_threshold=0.5, threshold=0.3, decided_there=True),
    fact("baseline_without_decisions", baseline_threshold=0.5, threshold=0.3, decided_there=False),
    fact("own_last_rows", last="30d", without="24h", rows=9_000, left_out=(), timezone="UTC"),
    fact("own_last_rows", last="30d", without="", rows=9_000, left_out=(0, 2 * DAY, 3 * DAY, 4 * DAY), timezone="UTC"),
    fact("last_rows_too_few", last="30d", without="", rows=990, periods=3, of=30, unit="1d"),
    fact("last_rows_too_few", last="12h", without="", rows=990, periods=3, of=12, unit="1h"),
    *(fact("same_season", season=season, thin=0, repeats=season) for season in ("hour", "weekday", "hour_of_week")),
    *(fact("same_season", season="hour", thin=thin, repeats=None) for thin in (1, 3)),
    *map(fact, ("slices_at_season", "no_row_with_time")),
    fact("seasons_unknown", season="weekday"),
    fact("seasons_seen_once", season="hour"),
    fact("seasons_seen_once", season="weekday"),
    *(fact("repeats_unknown", season=season, least=2) for season in ("hour", "weekday", None)),
)
"""Facts of all kinds, some with several values of which the words depend."""

CONDITIONS = (
    *(
        "accuracy < 85 %",
        "psi of age >= 0.2",
        "accuracy >= baseline - 0.02 in country=NL",
        "predictions <= 10",
        "mae > 3",
    ),
    *("features drift", "3 features drift", "score drifts", "verdict is degraded or at_risk", "no data"),
    *("objective 'accuracy >= 0.9' is broken", "objectives broken", "outcomes late", "data faulty"),
    *("burn rate of 'precision >= 0.95' > 14.4 over 1h and 6h", "equal_opportunity_difference of gender > 10 %"),
)

ADVICE: tuple[Fact, ...] = (
    fact("repair_service", fault=fact("service_failing", **FAILING, calls=4_000, error="")),
    fact("repair_columns", columns=("age", "pay"), fault=FINDINGS[10].fact),
    fact("repair_columns_all_the_same", columns=("age",), fault=FINDINGS[0].fact),
    fact("repair_data", fault=FINDINGS[9].fact),
    fact("stop_duplicates", fault=FINDINGS[8].fact),
    fact("evaluate_newer_rows"),
    fact("check_baseline", then=fact("retrain", **CLOCK, check_outcomes=True)),
    fact("build_baseline", cause=fact("old_baseline", version="1", features=("tenure",))),
    *(fact("correct_times", times=kind) for kind in ("refused", "undated", "ahead")),
    *(fact("correct_outcomes", unknown=unknown) for unknown in UNKNOWN_OUTCOMES),
    fact("check_labels", fault=fact("outcomes_of_one_class", outcomes=600, positive=True, was=0.3, positive_class="a")),
    fact("repair_output", fault=fact("ranks_the_wrong_way", value=0.26, low=0.22, high=0.3)),
    fact("repair_output", fault=fact("score_missing", was=0.0, now=0.3)),
    fact("repair_output", fault=fact("classes_without_score", was=0.0, now=1.0)),
    fact("repair_output", fault=FINDINGS[-1].fact),
    fact("repair_output", fault=FINDINGS[-4].fact),
    fact("repair_output", fault=FINDINGS[-3].fact),
    fact("change_version", version="7"),
    fact("change_version", version="7", loss="error", challenger=0.1, champion=0.2),
    fact("retrain", **CLOCK),
    fact("retrain", **CLOCK, check_outcomes=True),
    fact("retrain", **CLOCK | {"since": None}),
    fact("rows_are_harder"),
    fact("compare_with_such_rows"),
    fact("review_decisions"),
    fact("retrain_with_slice", slice="country=NL", **CLOCK),
    fact("retrain_with_slice", slice="country=NL", **CLOCK, check_outcomes=True),
    fact("recalibrate", roc_auc=0.7, baseline=0.71, **CLOCK),
    fact("recalibrate", roc_auc=None, baseline=None, **CLOCK),
    fact("retrain_with_range", column="age", outside=0.57, **CLOCK),
    fact("check_threshold", moved=MOVED),
    fact("wait_for_end_of_window", end=JULY, timezone="UTC"),
    fact("wait_for_outcomes", immature=()),
    fact("wait_for_outcomes", immature=(fact("coverage_too_low", coverage=0.4, needed=0.5),)),
    fact(
        "wait_for_longer_window",
        start=JULY,
        end=JULY + 7 * DAY,
        timezone="UTC",
        reason="too_few_days",
        needed=None,
        rows=None,
    ),
    fact("evaluate_longer_window", reason="too_few_rows", needed=900, rows=100),
    fact("evaluate_longer_window", reason="too_few_rows", needed=None, rows=100),
    fact("evaluate_more_rows", **DAYS_LACK),
    *map(
        fact,
        (
            "set_objective",
            "recalibrate_first",
            "send_outcomes",
            "send_more_outcomes",
            "nothing_to_do",
            "wait_for_first_window",
        ),
    ),
    fact("send_outcomes_or_label", needed=1_200),
    fact("label_more", more=670, needed=790),
    fact("ignore_drift", small=True),
    fact("ignore_drift", small=False),
    fact("look_again", then=fact("retrain", **CLOCK)),
    fact("wait_for_windows", windows=1),
    fact("wait_for_windows", windows=1_200),
    *map(fact, ("check_service", "wait_or_add_processor")),
)
RATES = fact("positive_rate", observed=0.3, expected=0.2)
DRIFT = fact("columns_drift", names=("age",))
CHANGES = (
    KindOfChange("service", "service_changed", (fact("rule_broken", rule="latency_p99 <= 0.1"),)),
    KindOfChange("output_fault", "output_faulty", (fact("score_missing", was=0.0, now=0.3),)),
    KindOfChange("data_fault", "data_faulty", (replace(FINDINGS[0].fact, kind="named_finding"),)),
    KindOfChange("concept_change", "meaning_changed", (RATES,)),
    KindOfChange("calibration", "level_off", (RATES,)),
    KindOfChange("covariate_shift", "inputs_explain", (fact("inputs_explain", share=0.61),)),
    KindOfChange("label_shift", "proportions_changed", (RATES,)),
    KindOfChange("label_shift", "proportions_changed_by_scores", (SHIFT.fact,)),
    KindOfChange("covariate_shift", "inputs_moved", (DRIFT,)),
    KindOfChange("covariate_shift", "inputs_moved_as_expected", (DRIFT, fact("outcomes_as_expected"))),
    KindOfChange("covariate_shift", "inputs_or_proportions_moved", (DRIFT,)),
    KindOfChange("covariate_shift", "inputs_moved_without_outcomes", (DRIFT,)),
)
QUIET = (
    QuietTime(circular=True),
    QuietTime(untold=3, reasons=(fact("signal_unknown", signal="accuracy", slice="", waits=False),)),
    QuietTime(),
    QuietTime(windows=60, days=60.0),
    QuietTime(windows=20, days=20.0, fired=1),
)


METHODS = {"ks": MethodValue(0.41, 1e-9), "psi": MethodValue(0.6)}
TEMP = ColumnDrift("feature", "temp", "drift", "ks", 900, METHODS, size="large", alike=(1, 60), detectable_change=0.3)
COLUMNS = (
    TEMP,
    structs.replace(TEMP, alike=(0, 60)),
    structs.replace(TEMP, state="within_normal_variation", alike=(7, 60)),
    structs.replace(TEMP, state="within_normal_variation", alike=(0, 60)),
    structs.replace(TEMP, reason="too_few_days"),
    structs.replace(TEMP, state="ok", column="score", name="", size="small", methods={"ks": MethodValue(0.02, 0.4)}),
    structs.replace(TEMP, state="ok", decided_by="chi2", methods={"chi2": MethodValue(90.0, 1e-9), **METHODS}),
    structs.replace(TEMP, state="inconclusive", reason="too_few_rows", size="small"),
    *(
        structs.replace(TEMP, state="inconclusive", reason=reason, p_normal_variation=p)
        for reason, p in (("not_comparable", None), ("too_few_rows", None), ("too_few_days", None), ("", 0.1))
    ),
    structs.replace(TEMP, state="no_baseline", column="class", name=""),
)
SLICE = SliceDrift(900, "drift", "", 12, 1 / 12, {"temp": TEMP}, None, None)
AGE_AND_PAY = DriftContributor(("age", "pay"), -0.9, 0.6, -0.3)
JOINT = (
    JointDrift("correlation", "drift", 900, -0.9, 1e-9, 0.9, 0.6, -0.3, (AGE_AND_PAY,), 3),
    JointDrift("pca", "drift", 900, 1.5, 1e-9, 1.4, 2.0, 2.6, (DriftContributor(("age",), 0.4, 1.0, 1.4),)),
    JointDrift("pca", "inconclusive", 900, None, None, 1.4, missing=(DriftContributor(("age",), 0.4, 0.1, 0.5),)),
    JointDrift("domain_classifier", "drift", 900, 0.3, 1e-9, 0.3, 0.5, 0.8, (DriftContributor(("age",), 0.1),)),
)
LOSS = LossChange("mae", 12.0, 10.0, 2.0, 1.5, 2.5, 5000, 0.4, 0.4, 0, 1)
QUESTION = RetrainQuestion(LOSS, None, 0.01, 30.0, 100_000.0, RetrainCost(500.0, "EUR"))
QUESTIONS = (
    *(replace(QUESTION, cost=RetrainCost(cost, "EUR", source, 3)) for cost, source in COSTS),
    replace(QUESTION, share=0.5, cost=RetrainCost(2_000.0)),
    replace(QUESTION, loss=None, no_loss=fact("no_final_outcomes")),
    replace(QUESTION, loss=replace(LOSS, kind="service")),
    replace(QUESTION, cost=None),
)


def lines() -> Iterator[str]:
    """Yield the lines of the file: what it is, and the words for it."""
    yield from fact_lines()
    yield from message_lines()


def fact_lines() -> Iterator[str]:
    """Yield the lines of facts."""
    for column in COLUMNS:
        yield f"column {column.state}: {column_sentence(column)}"
    for slice_drift in (SLICE, structs.replace(SLICE, features={}, state="ok"), structs.replace(SLICE, features={})):
        yield f"slice {slice_drift.state}: {slice_sentence(slice_drift)}"
    for joint in JOINT:
        yield f"joint {joint.method}: {joint_sentence(joint)}"
    yield f"expectation {EXPECTED.state}: {expectation_sentence(EXPECTED)}"
    for by in get_args(RowLoss):
        weak = WeakSlice(by, (SliceCondition("age", "below 25", high=25.0),), 900, 0.3, 0.2, 0.4, 0.1, 1e-6, 0.1)
        yield f"weak slice {by}: {weak_slice_sentence(weak)}"
    for objective in OBJECTIVES:
        yield f"objective {objective.state}: {objective_sentence(objective)}"
        yield f"  overdue: {overdue(objective)}"
    for answer in map(weigh_retraining, QUESTIONS):
        yield f"retraining {answer.answer}: {retraining_sentence(answer)}"
        yield from (f"  reason: {reason}" for reason in retraining_reasons(answer))
    for one in FACTS:
        yield f"{one.kind}: {' | '.join(forms(one))}"
    for one in ADVICE:
        words = advise(one)
        yield f"advice {one.kind}: {words.action} | {words.sentence}"
    for finding in FINDINGS:
        yield f"finding {finding.check}: {finding_sentence(finding)} | {clause(finding.fact)}"
    for cause in CAUSES:
        yield f"cause {cause.check or 'drift'}: {cause_sentence(cause)}"
    for explanation in (Explanation(CAUSES, "score"), Explanation(CAUSES[:1]), Explanation((), "score")):
        yield f"explanation: {explanation_sentence(explanation)}"
    for change in CHANGES:
        yield f"change {change.reason}: {change_sentence(change)}"
    for condition in map(read_condition, CONDITIONS):
        yield f"claim: {claim_words(condition)} | {claim_words(condition, past=True)}"
    for quiet in QUIET:
        yield f"false alarms: {quiet_sentence(quiet)}"
    for ending in ENDINGS:
        yield f"ending {ending}: {ending_words(ending)}"
    for verdict in verdicts():
        yield f"verdict {verdict.state}: {verdict_sentence(verdict)}"
        yield f"  certainty: {verdict_certainty(verdict)}"
        yield f"  headline: {verdict_headline(verdict)}"
        yield f"  size: {verdict_size(verdict)}"
        yield f"  evidence: {verdict_evidence(verdict) or None}"
        yield f"  cause: {verdict_cause(verdict) or None}"
        yield f"  action: {verdict_action(verdict)}"
        yield f"  step: {verdict_step(verdict)}"


def verdicts() -> Iterator[Verdict]:
    """Yield verdicts of all states, on windows and models, and of one of several versions and environments."""
    yield from (verdict_of_window(evaluation) for evaluation, *_ in WINDOWS)
    known = [verdict for _, verdict in examples()]
    yield from known
    healthy, harmless, degraded, *_ = known
    yield structs.replace(healthy, of_window=False, certainty=(*healthy.certainty, *NOT_CONFIRMED[:2]))
    yield structs.replace(degraded, of_window=False, certainty=(*degraded.certainty, *NOT_CONFIRMED[2:]))
    yield structs.replace(
        degraded,
        state="at_risk",
        of_window=False,
        reasons=(MOVED, fact("chance_possible", windows=1)),
        certainty=(*degraded.certainty, fact("to_be_confirmed", by_one=True)),
        advice=fact("look_again", then=fact("recalibrate", roc_auc=0.7, baseline=0.71, **CLOCK)),
    )
    yield structs.replace(healthy, since=None, window_start=None, window_end=None)
    for zone in ("UTC", "America/New_York"):
        yield structs.replace(healthy, timezone=zone)
        yield structs.replace(healthy, timezone=zone, window_end=JULY + HOUR, of_days=False)
    for verdict in (healthy, harmless, degraded):
        yield structs.replace(verdict, version="7", environment="eu")
        yield structs.replace(verdict, version="", of_window=False)
        yield structs.replace(verdict, environment="eu", slice="country=NL")


if __name__ == "__main__":
    PATH.write_text("\n".join(lines()) + "\n", encoding="utf-8")
