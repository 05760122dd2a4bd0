"""The verdict of one window: every branch, as facts."""

from __future__ import annotations

from typing import Any

import pytest
from driftline_processor.core import facts
from driftline_processor.core.change import kind_of_change
from driftline_processor.core.concept.result import Change, ConceptDrift
from driftline_processor.core.evaluation import (
    Cause,
    ColumnDrift,
    Evaluation,
    Finding,
    KindOfChange,
    LossEvidence,
    LossPart,
)
from driftline_processor.core.verdict.context import VerdictContext
from driftline_processor.core.verdict.reading import read_outcomes
from driftline_processor.core.windows.window import Window
from driftline_processor.present.sentences.verdict import verdict_certainty, verdict_sentence
from msgspec.structs import replace

from tests.support.unwrap import of_type, unwrap
from tests.support.verdict_examples import PAGE, examples, verdict_of_window
from tests.support.verdict_windows import (
    COLD,
    DAY,
    JULY,
    MISSING,
    change,
    column,
    drifted_slice,
    explained,
    known,
    right,
    value,
    verdict_of_model,
    window,
    wrong,
)
from tests.support.window_verdict_cases import BEYOND, CONSTANT, DRIFT, FAILED, LEVEL, RISE, WINDOWS, WORSE


@pytest.mark.parametrize(("evaluation", "state", "reasons", "advice"), WINDOWS)
def test_what_follows_from_a_window(evaluation: Evaluation, state: str, reasons: tuple[str, ...], advice: str) -> None:
    verdict = verdict_of_window(evaluation)
    assert (verdict.state, tuple(one.kind for one in verdict.reasons)) == (state, reasons)
    assert unwrap(verdict.advice).kind == advice
    assert (verdict.window_start, verdict.window_end) == (evaluation.window.start, evaluation.window.end)


@pytest.mark.parametrize(
    ("evaluation", "state"),
    [
        (wrong(**DRIFT), "degraded"),
        (wrong(maturity="immature", immature=(facts.CoverageTooLow(coverage=0.1, needed=0.5),)), "degraded"),
        (known(changes={"log_loss": change("not_worse")}, maturity="immature"), "unknown"),
        (known(changes={"log_loss": change("inconclusive", 0.1)}, **DRIFT), "at_risk"),
        (known(changes={"log_loss": change("inconclusive", 0.1), "roc_auc": change("not_worse")}), "unknown"),
        (known(changes={"log_loss": change("not_worse"), "accuracy": WORSE["accuracy"]}), "healthy"),
        (known(changes={"log_loss": change("not_worse"), "roc_auc": WORSE["accuracy"]}), "degraded"),
        (known(changes={"log_loss": change("not_worse"), "recall[cat]": WORSE["accuracy"]}), "degraded"),
        (known(changes={"log_loss": change("not_worse", margin=None), "roc_auc": change("inconclusive")}), "unknown"),
        (known(changes={"log_loss": change("not_worse")}, realized={"roc_auc": value(0.4, 0.3, 0.49)}), "degraded"),
        (right(score=column("ok", missing_was=0.0, missing_now=0.3)), "degraded"),
        (right(score=column("ok", missing_was=0.0, missing_now=0.1)), "healthy"),
        (window(features={"temp": column(size="small")}), "unknown"),
        (window(features={"temp": column("within_normal_variation")}), "unknown"),
        (window(features={"temp": column("inconclusive", "")}), "unknown"),
        (window(slices={"country=NL": drifted_slice("small")}), "unknown"),
        (window(findings=(replace(MISSING, severity="major"),)), "unknown"),
        (window(estimated={"accuracy": FAILED}, estimated_changes=WORSE), "unknown"),
        (known(realized=CONSTANT["realized"], constant_comparison=change("inconclusive", 0.18)), "unknown"),
        (known(**LEVEL | {"level": change("inconclusive", -0.18, -0.21, -0.15)}), "unknown"),
        (known(**LEVEL | {"level": None}), "unknown"),
        (known(**LEVEL, maturity="immature"), "unknown"),
        (window(rows=0), "unknown"),
    ],
)  # fmt: skip
def test_the_state_of_a_window(evaluation: Evaluation, state: str) -> None:
    assert verdict_of_window(evaluation).state == state


def test_drift_that_an_earlier_window_showed_to_be_harmless_is_no_risk_where_outcomes_leave_it_open() -> None:
    undecided = known(changes={"log_loss": change("inconclusive", 0.1)}, **DRIFT)
    assert verdict_of_model([undecided]).state == "at_risk"
    later = replace(undecided, window=right(1).window)
    assert verdict_of_model([right(**DRIFT), later]).state == "healthy"
    assert verdict_of_model([right(), later, replace(later, window=right(2).window)]).state == "at_risk"


def test_the_effect_is_that_of_the_sentence() -> None:
    for evaluation in (known(**CONSTANT), wrong(**LEVEL)):
        verdict = verdict_of_window(evaluation)
        level = of_type(verdict.reasons[0], facts.LevelOfScores)
        assert verdict.metric == "mean_score"
        assert [verdict.effect, verdict.low, verdict.high] == pytest.approx(
            [level.predicted - end for end in (level.actual, unwrap(level.high), unwrap(level.low))]
        )


def test_a_rise_of_errors_makes_later_windows_wrong_from_where_it_began() -> None:
    context = VerdictContext(concept=RISE)
    assert verdict_of_window(window(), context).state == "unknown"  # its outcomes have not arrived
    verdict = verdict_of_window(known(), context)
    assert (verdict.state, verdict.since) == ("degraded", RISE.since)
    assert verdict.reasons == (facts.ErrorsRose(metric="error_rate", before=0.18, after=0.66),)
    assert unwrap(verdict.advice).kind == "retrain"
    assert verdict_of_window(window(day=-1), context).state == "unknown"
    fine = known(changes={"log_loss": change("not_worse"), "accuracy": change("not_worse")})
    assert verdict_of_window(fine, context).state == "healthy"
    in_a_slice = VerdictContext(concept=ConceptDrift("ok", outcomes=9_000, slices={"country=NL": RISE}))
    assert verdict_of_window(known(), in_a_slice).slice == "country=NL"
    as_all_rows = known(changes={"accuracy": change("inconclusive", -0.3, -0.6, 0.0)})
    assert verdict_of_window(as_all_rows, in_a_slice).slice == ""


@pytest.mark.parametrize(
    ("newest", "state", "clear"),
    [
        (-3, "degraded", True),  # the days before bear it out
        (0, "degraded", False),  # it is this one day, which is heard once
    ],
)
def test_a_rise_that_is_one_bad_day_needs_a_second_one(newest: int, state: str, clear: bool) -> None:
    """Errors rose first on 28 June and changed their level again later: that is what ``after`` is measured from."""
    again = Change(JULY + newest * DAY, JULY + DAY, 0.2, 0.26)
    rise = ConceptDrift("drift", outcomes=9_000, since=JULY - 4 * DAY, before=0.2, after=0.26, changes=(again,))
    day = known(
        changes={"accuracy": change("worse", -0.06, -0.1, -0.02)}, reference={"accuracy": value(0.8, 0.79, 0.81)}
    )
    reading = read_outcomes(day, VerdictContext(concept=rise))
    assert (reading.state, reading.clear) == (state, clear)
    undecided = known(changes={"accuracy": change("inconclusive", -0.06, -0.13, 0.01)}, reference=day.reference)
    assert read_outcomes(undecided, VerdictContext(concept=rise)).decides is clear


def test_a_lower_r2_alone_is_no_loss() -> None:
    """It follows how much the outcomes of a day differ."""
    lower = {"mae": change("inconclusive", 0.1, -0.1, 0.3), "r2": change("worse", -0.1, -0.15, -0.05)}
    assert verdict_of_window(known(changes=lower)).state == "unknown"
    both = lower | {"mae": change("worse", 0.2, 0.1, 0.3)}
    assert [sign.metric for sign in read_outcomes(known(changes=both)).signs] == ["mae"]
    alone = {"r2": lower["r2"]}
    assert verdict_of_window(known(changes=alone)).state == "degraded"


def test_the_clock_and_the_length_of_the_window_are_those_of_the_model() -> None:
    verdict = verdict_of_window(window(), VerdictContext(timezone="America/New_York"))
    assert (verdict.timezone, verdict.of_window, verdict.of_days) == ("America/New_York", True, True)
    hour = verdict_of_window(replace(window(), window=Window("1h", JULY, JULY + DAY // 24)))
    assert (hour.timezone, hour.of_window, hour.of_days) == ("UTC", True, False)
    assert (hour.window_start, hour.window_end) == (JULY, JULY + DAY // 24)


def test_the_kind_is_the_one_that_the_window_shows() -> None:
    kind = KindOfChange("label_shift", "proportions_changed", ())
    assert verdict_of_window(wrong(change_kind=kind)).kind == "label_shift"
    assert verdict_of_window(window(findings=(MISSING,))).kind == "data_fault"
    assert verdict_of_window(right(change_kind=kind)).kind == ""


def kind_of_advice(evaluation: Evaluation) -> str:
    advice = verdict_of_window(evaluation).advice
    return "" if advice is None else advice.kind


def test_a_critical_fault_is_repaired_before_the_model_is() -> None:
    assert kind_of_advice(wrong(**DRIFT)) == "recalibrate"
    assert kind_of_advice(wrong(findings=(MISSING,), **DRIFT)) == "repair_columns"


def test_values_that_came_to_be_missing_are_mended_and_not_learned() -> None:
    gaps = Finding("missing", ("age",), "major", 0.02, 0.2, 1e-12)
    cause = Cause(("age",), "missing", 0.2, finding=gaps)
    kind = KindOfChange("data_fault", "data_faulty", ())
    missing = wrong(change_kind=kind, findings=(gaps,), explanation=explained(cause), features={"age": column("ok")})
    verdict = verdict_of_window(missing)
    assert of_type(verdict.advice, facts.RepairColumns).columns == ("age",)
    assert [reason.kind for reason in verdict.reasons] == ["metric_moved", "likely_cause"]
    assert verdict.kind == "data_fault"


def test_the_first_cause_goes_before_the_others_and_faults_before_drift() -> None:
    first = verdict_of_window(wrong(explanation=explained(replace(COLD, features=("dewp",)), COLD))).cause
    assert of_type(first, Cause).features == ("dewp",)
    assert verdict_of_window(wrong(findings=(MISSING,), **DRIFT)).cause == MISSING


def test_rows_without_times_have_no_since() -> None:
    verdict = verdict_of_window(replace(right(), window=replace(right().window, start=0, end=0)))
    assert (verdict.state, verdict.since, verdict.window_start, verdict.window_end) == ("healthy", None, None, None)


def test_several_causes_are_the_first_and_the_names_of_the_others() -> None:
    assert causes(explanation=explained(COLD, replace(COLD, features=("dewp",)))) == (("temp",), "", ("dewp",))
    three = explained(*(replace(COLD, features=(name,)) for name in "abc"))
    assert causes(explanation=three) == (("a",), "", ("b", "c"))
    left = explained(Cause(("age",), "out_of_range", 1.0, finding=BEYOND), COLD)
    assert causes(findings=(BEYOND,), explanation=left) == (("age",), "out_of_range", ("temp",))


def test_most_values_of_an_input_out_of_range_are_new_and_learned() -> None:
    worse = {"log_loss": change("worse", 0.2, 0.17, 0.23), "roc_auc": change("worse", -0.1, -0.12, -0.08)}
    left: dict[str, Any] = {
        "changes": worse,
        "explanation": explained(Cause(("age",), "out_of_range", 1.0, finding=BEYOND)),
    }
    advice = of_type(verdict_of_window(known(findings=(BEYOND,), **left)).advice, facts.RetrainWithRange)
    assert (advice.column, advice.outside) == ("age", 0.57)
    assert kind_of_advice(known(findings=(replace(BEYOND, now=0.49),), **left)) == "retrain"


def causes(**more: Any) -> tuple[tuple[str, ...], str, tuple[str, ...]]:
    """Return the features and the check of the first cause, and the other features."""
    likely = of_type(verdict_of_window(wrong(**more)).reasons[1], facts.Explained)
    assert isinstance(likely, facts.LikelyCause | facts.CoincidingCause)
    cause = of_type(likely.cause, Cause)
    return cause.features, cause.check, likely.others


def test_the_level_of_the_scores_is_told_before_a_metric_of_one_threshold() -> None:
    recall = {"recall": change("worse", -0.1, -0.13, -0.07)}
    wide = {"mean_score": value(0.14, 0.13, 0.15), "actual_rate": value(0.36, 0.1, 0.7), "recall": value(0.013)}
    moved = of_type(verdict_of_window(known(realized=wide, changes=recall)).reasons[0], facts.MetricMoved)
    assert (moved.metric, moved.change, moved.low, moved.high) == ("recall", -0.1, -0.13, -0.07)
    level = unwrap(moved.level)
    assert (level.predicted, level.actual, level.low, level.high) == (0.14, 0.36, 0.1, 0.7)
    both = {**recall, "accuracy": change("worse", -0.1, -0.13, -0.07)}
    assert of_type(verdict_of_window(known(changes=both)).reasons[0], facts.MetricMoved).metric == "accuracy"
    near = {"mean_score": value(0.34, 0.33, 0.35), "actual_rate": value(0.36, 0.1, 0.7)}
    near_moved = of_type(verdict_of_window(known(realized=near, changes=recall)).reasons[0], facts.MetricMoved)
    assert (near_moved.metric, near_moved.level) == ("recall", None)


def test_a_certain_loss_has_which_drift_stays_open() -> None:
    few = {"age": replace(column(), name="age", state="inconclusive", reason="too_few_days")}
    certain = facts.CertainlyWorse(outcomes=4_000, coverage=0.8)
    of_days = facts.DriftOpen(outputs=(), features=("age",), missing=("too_few_days",))
    assert verdict_of_window(replace(wrong(), features=few)).certainty == (certain, of_days)
    score = replace(column(), column="score", name="", state="inconclusive", reason="too_few_rows")
    of_both = facts.DriftOpen(outputs=("score",), features=("age",), missing=("too_few_days", "too_few_rows"))
    assert verdict_of_window(replace(wrong(), features=few, score=score)).certainty == (certain, of_both)
    assert verdict_of_window(wrong()).certainty == (certain,)


@pytest.mark.parametrize(
    ("features", "returns", "reason"),
    [
        ({"age": column("ok", name="age")}, {}, facts.NoInputExplains(meaning=True)),
        ({"age": column(name="age")}, {"age": 0.02}, facts.NoInputExplains(changed=("age",))),
        (
            {"age": column(name="age"), "pay": column(name="pay")},
            {"age": 0.01, "pay": 0.02},
            facts.NoInputExplains(changed=("pay", "age")),
        ),
        ({"age": column(name="age")}, {}, facts.NoInputExplains(open=True)),
        ({"age": column("inconclusive", name="age")}, {}, facts.NoInputExplains(open=True)),
    ],
)
def test_inputs_that_changed_are_named_and_those_that_may_have_leave_open_what_explains_a_loss(
    features: dict[str, ColumnDrift], returns: dict[str, float], reason: facts.NoInputExplains
) -> None:
    inputs = {name: LossPart(part, 0.01**2) for name, part in returns.items()}
    rows = LossEvidence(4_000, "log_loss", LossPart(0.2, 0.01**2), inputs, LossPart(0.03, 0.01**2))
    verdict = verdict_of_window(wrong(features=features, score=column("drift", kind="score"), loss_evidence=rows))
    assert (verdict.kind, verdict.cause, verdict.reasons[1]) == ("concept_change", None, reason)
    kind = unwrap(kind_of_change(wrong(features=features, loss_evidence=rows)))
    assert kind.evidence[0] == replace(reason, meaning=False)


@pytest.mark.parametrize(("covered", "first"), [(0.9, "temp"), (0.3, "dewp")])
def test_an_input_with_new_values_goes_first_if_they_leave_open_what_explains_a_loss(
    covered: float, first: str
) -> None:
    inputs = {"temp": LossPart(0.1, 0.01**2), "dewp": LossPart(0.0, 0.01**2, covered)}
    excess, together = LossPart(0.2, 0.01**2), LossPart(0.2, 0.01**2, covered)
    rows = LossEvidence(4_000, "log_loss", excess, inputs, together, largest_part=0.2)
    both = {name: column(name=name) for name in ("temp", "dewp")}
    moved = explained(replace(COLD, features=("dewp",)), COLD)
    verdict = verdict_of_window(wrong(loss_evidence=rows, explanation=moved, features=both))
    assert of_type(verdict.cause, Cause).features == (first,)


def test_the_part_of_a_loss_that_is_told_is_that_of_the_named_input() -> None:
    parts = {"temp": LossPart(0.12, 0.01**2), "dewp": LossPart(0.06, 0.01**2)}
    rows = LossEvidence(4_000, "log_loss", LossPart(0.2, 0.01**2), parts, LossPart(0.19, 0.01**2), largest_part=0.19)
    both = {name: column(name=name) for name in parts}
    verdict = verdict_of_window(wrong(loss_evidence=rows, explanation=explained(COLD), features=both))
    likely = of_type(verdict.reasons[1], facts.LikelyCause)
    assert likely.cause == COLD
    assert likely.share == pytest.approx(0.6)


def test_an_input_that_moved_by_new_values_is_not_open() -> None:
    few = {"temp": column("inconclusive", reason="too_few_days")}
    verdict = verdict_of_window(wrong(features=few, explanation=explained(COLD)))
    assert not any(isinstance(one, facts.DriftOpen) for one in verdict.certainty)


@pytest.mark.parametrize(("interval", "assumes"), [("blocks", "independent_rows"), ("row_blocks", "")])
def test_intervals_of_blocks_of_rows_do_not_assume_independent_rows(interval: str, assumes: str) -> None:
    losses = {"log_loss": replace(value(0.69, 0.5, 0.8), interval=interval)}
    rows = replace(wrong(realized=losses), window=Window("", 0, 0))
    assert verdict_of_window(rows).assumes == assumes


def test_a_block_without_times_is_one_of_as_many_looks_as_a_day() -> None:
    for loss, lone in ((wrong(), False), (wrong(stands_out=True), True)):
        [sign] = read_outcomes(loss).signs
        assert [sign.stands_out(length) for length in (0, DAY)] == [lone, lone]


def test_what_a_regression_predicts_is_no_score() -> None:
    moved = replace(column(), column="score", name="predicted value")
    assert verdict_of_window(window(score=moved)).reasons[0] == facts.OutputMoved(
        column="score", name="predicted value"
    )
    unnamed = replace(moved, name="")
    assert verdict_of_window(window(score=unnamed)).reasons[0] == facts.OutputMoved(column="score", name="score")


def test_the_certainty_of_a_drift_names_the_column_and_counts_its_values() -> None:
    half_known, score = replace(column(size="moderate"), rows=2_208), replace(column(), column="score", name="")
    [of_input, *_] = verdict_of_window(window(features={"temp": half_known}, rows=4_361)).certainty
    assert of_input == facts.DriftBeyondChance(2_208, "moderate", chance=0.001, days=False, name="temp")
    [of_score, *_] = verdict_of_window(window(score=score)).certainty
    assert of_score == facts.DriftBeyondChance(5_000, "large", chance=0.001, days=False, name="score", of_output=True)


SUNSHINE = Finding("missing", ("sun",), "major", 0.36, 0.73, 1e-12)
OPEN = {"log_loss": change("inconclusive", 0.06, -0.001, 0.12, reason="too_few_days")}
SMALL_BASE = {"log_loss": value(0.49, 0.46, 0.52)}


def test_the_fault_in_the_headline_of_a_risk_is_repaired_whatever_the_outcomes_lack() -> None:
    moved = known(changes=OPEN, features={"sun": column(name="sun")}, findings=(SUNSHINE,), reference=SMALL_BASE)
    assert of_type(verdict_of_window(moved).advice, facts.BuildLargerBaseline).metric == "log_loss"
    moved.explanation = explained(Cause(("sun",), "missing", 0.4, finding=SUNSHINE))
    moved.change_kind = kind_of_change(moved)
    verdict = verdict_of_window(moved)
    assert (verdict.state, verdict.kind) == ("at_risk", "data_fault")
    assert verdict.advice == facts.RepairColumns(columns=("sun",), fault=SUNSHINE)


def test_the_worst_fault_is_both_in_the_headline_and_repaired() -> None:
    faults = tuple(replace(MISSING, features=(name,)) for name in ("age", "pay"))
    causes = explained(*(Cause((name,), "missing", 0.9) for name in ("pay", "age")))
    verdict = verdict_of_window(window(findings=faults, explanation=causes))
    assert (verdict.cause, verdict.advice) == (faults[1], facts.RepairColumns(columns=("pay",), fault=faults[1]))


@pytest.mark.parametrize("fraction", [0.87, 0.27])
def test_a_column_with_new_values_is_checked_before_outcomes_are_asked_for(fraction: float) -> None:
    new = replace(BEYOND, features=("temp",), severity="major", now=fraction)
    moved = known(changes=OPEN, **DRIFT, findings=(new,), reference=SMALL_BASE)
    advice = verdict_of_window(moved).advice
    if fraction > 0.5:
        first = of_type(advice, facts.RuleOutFault)
        assert (first.column, first.outside) == ("temp", fraction)
        advice = first.then
    assert isinstance(advice, facts.BuildLargerBaseline)


def test_a_level_in_the_headline_is_mended_whatever_the_outcomes_lack() -> None:
    off = known(**LEVEL | DRIFT, changes=OPEN, findings=(replace(BEYOND, features=("temp",)),))
    off.level = change("inconclusive", -0.18, -0.21, -0.15)
    verdict = verdict_of_window(off)
    assert (verdict.state, verdict.reasons[0].kind) == ("at_risk", "level_of_scores")
    first = of_type(verdict.advice, facts.RuleOutFault)
    assert of_type(first.then, facts.Recalibrate).roc_auc == 0.7
    broken = replace(off, findings=(), change_kind=KindOfChange("service", "service_changed", ()))
    assert isinstance(verdict_of_window(broken).advice, facts.EvaluateLongerWindow), "nothing is learned from a fault"
    of_few = verdict_of_window(replace(off, findings=(), outcome_rows=40))
    assert of_few.advice == facts.WaitToRetrain(outcomes=40, needed=50, wrong=8)


def table() -> list[str]:
    return [
        f"| {case} | `{one.state}` | {verdict_sentence(one)} | {verdict_certainty(one)} |" for case, one in examples()
    ]


def test_the_examples_of_the_page_are_those_of_the_code() -> None:
    told = PAGE.read_text(encoding="utf-8").partition("<!-- examples -->\n")[2].partition("<!-- /examples -->")[0]
    assert told.splitlines() == table()


def test_every_state_has_an_example_that_says_what_to_do() -> None:
    verdicts = [one for _, one in examples()]
    assert {one.state for one in verdicts} == {"healthy", "degraded", "at_risk", "unknown", "no_data", "lagging"}
    assert all(one.reasons and one.advice for one in verdicts)


def test_a_baseline_of_another_version_is_the_cause_where_none_is_proved() -> None:
    undecided = known(0, {"log_loss": change("inconclusive", 0.1, -0.3, 0.5, reason="too_few_rows")})
    old = replace(undecided, baseline_version="0", new_features=("tenure",))
    verdict = verdict_of_window(old)
    cause = facts.OldBaseline(version="0", features=("tenure",))
    assert (verdict.cause, verdict.reasons[-1]) == (cause, cause)
    assert verdict.advice == facts.BuildBaseline(cause=cause)
    assert unwrap(verdict_of_window(replace(old, outcome_rows=0)).advice).kind == "send_outcomes_or_label"
    healthy = replace(right(0), baseline_version="0")
    verdict = verdict_of_window(healthy)
    assert verdict.cause is None
    assert "baseline_lacks_features" in [one.kind for one in verdict.certainty]
