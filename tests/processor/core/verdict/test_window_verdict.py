"""The verdict of one window: every branch, in the words that a reader gets."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from driftline_processor.core.concept.result import Change, ConceptDrift
from driftline_processor.core.evaluation import (
    Cause,
    Estimate,
    Evaluation,
    Expected,
    Finding,
    JointDrift,
    KindOfChange,
    TrackRecord,
)
from driftline_processor.core.verdict import NO_CONTEXT, VerdictContext, read_outcomes, verdict_of_window, with_verdicts
from driftline_processor.core.windows.window import Window

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
    "beside_constant": change("worse", 0.18, 0.1, 0.26),
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
    "age: 57 % of values lie above 45 (before, 0 % lay outside 3 to 45)",
)
WORSE = {"accuracy": change("worse", -0.1, -0.12, -0.08)}


@pytest.mark.parametrize(
    ("evaluation", "state", "sentence", "do"),
    [
        (
            right(),
            "healthy",
            "In the rows of 1 July 2013 the model is healthy: its log loss of 0.5 is no worse than the baseline's "
            "0.49; nothing to do.",
            "Nothing: keep sending outcomes.",
        ),
        (
            right(**DRIFT),
            "healthy",
            "In the rows of 1 July 2013 the model is healthy: its log loss of 0.5 is no worse than the baseline's "
            "0.49; temp moved (values below 54 went from 99 % to 0 %), and that did no harm; nothing to do.",
            "Ignore the drift: outcomes show no loss. Look again when they do.",
        ),
        (
            right(features={"temp": column(size="small")}, explanation=explained()),
            "healthy",
            "In the rows of 1 July 2013 the model is healthy: its log loss of 0.5 is no worse than the baseline's "
            "0.49; temp moved (values below 54 went from 99 % to 0 %), and that did no harm; nothing to do.",
            "Ignore the drift: its effect is small, and outcomes show no loss.",
        ),
        (
            known(objectives=(objective("met", number=0.95),)),
            "healthy",
            "In the rows of 1 July 2013 the model is healthy: its precision of 95 % (93 % to 97 %) meets the objective "
            "precision >= 0.9; nothing to do.",
            "Nothing: keep sending outcomes.",
        ),
        (
            wrong(features={"temp": column("ok", "")}),
            "degraded",
            "In the rows of 1 July 2013 the model is degraded: its log loss rose by 0.2 (0.02 to 0.38) to 0.5; its "
            "inputs look as before, so only the outcomes show it; recalibrate it.",
            "Recalibrate its score on the outcomes since 1 July 2013: it ranks as before (ROC AUC 0.7, 0.7 in the "
            "baseline), and only the level of its score is off.",
        ),
        (
            known(**CONSTANT, **DRIFT),
            "degraded",
            "In the rows of 1 July 2013 the model is degraded: it says 14 % positive, 32 % were (29 % to 34 %), and a "
            "constant would do better; likely because temp moved (values below 54 went from 99 % to 0 %); "
            "recalibrate it.",
            "Recalibrate its score on the outcomes since 1 July 2013: it ranks as before (ROC AUC 0.7, 0.7 in the "
            "baseline), and only the level of its score is off.",
        ),
        (
            known(**LEVEL),
            "degraded",
            "In the rows of 1 July 2013 the model is degraded: it says 14 % positive, 32 % were (29 % to 34 %); "
            "recalibrate it.",
            "Recalibrate its score on the outcomes since 1 July 2013: it ranks as before (ROC AUC 0.7, 0.7 in the "
            "baseline), and only the level of its score is off.",
        ),
        (
            known(changes={"log_loss": change("not_worse"), "recall": change("worse", -0.1, -0.12, -0.08)}),
            "healthy",
            "In the rows of 1 July 2013 the model is healthy: its log loss of 0.5 is no worse than the baseline's "
            "0.49; look at its threshold.",
            "Look whether its threshold still fits: its recall fell by 10 points (8 to 12 points).",
        ),
        (
            known(
                changes={"log_loss": change("cannot_tell", -0.1, -0.3, 0.1), "f1": change("worse", -0.1, -0.12, -0.08)}
            ),
            "at_risk",
            "In the rows of 1 July 2013 the model is at risk: its F1 fell by 0.1 (0.08 to 0.12), and its outcomes do"
            " not tell whether its log loss of 0.5 (0.48 to 0.52) is worse than the baseline's 0.49; look at its "
            "threshold.",
            "Look whether its threshold still fits: its F1 fell by 0.1 (0.08 to 0.12).",
        ),
        (
            known(
                changes={"log_loss": change("cannot_tell", 0.1, -0.1, 0.3), "f1": change("worse", -0.1, -0.12, -0.08)}
            ),
            "at_risk",
            "In the rows of 1 July 2013 the model is at risk: its F1 fell by 0.1 (0.08 to 0.12), and its outcomes do"
            " not tell whether its log loss of 0.5 (0.48 to 0.52) is worse than the baseline's 0.49; look at its "
            "threshold.",
            "Look whether its threshold still fits: its F1 fell by 0.1 (0.08 to 0.12).",
        ),
        (
            known(changes={"log_loss": change("cannot_tell", -0.1, -0.2, -0.01, lacking="days")}),
            "healthy",
            "In the rows of 1 July 2013 the model is healthy: its log loss of 0.5 is better than the baseline's 0.49; "
            "nothing to do.",
            "Nothing: keep sending outcomes.",
        ),
        (
            window(findings=(BEYOND,)),
            "at_risk",
            "In the rows of 1 July 2013 the model is at risk: age left its usual range (57 % above 45, 0 % before), "
            "and no outcome is known; send its outcomes.",
            "Send its outcomes: without them nobody knows.",
        ),
        (
            known(changes={**WORSE, "roc_auc": change("worse", -0.1, -0.12, -0.08)}, **DRIFT),
            "degraded",
            "In the rows of 1 July 2013 the model is degraded: its ROC AUC fell by 0.1 (0.08 to 0.12) to 0.7; likely "
            "because temp moved (values below 54 went from 99 % to 0 %); retrain it.",
            "Retrain it with the outcomes since 1 July 2013, and build its baseline anew.",
        ),
        (
            known(objectives=(objective("met", "recall"), objective())),
            "degraded",
            "In the rows of 1 July 2013 the model is degraded: its precision of 85 % (83 % to 87 %) misses the "
            "objective precision >= 0.9; retrain it.",
            "Retrain it with the outcomes since 1 July 2013, and build its baseline anew.",
        ),
        (
            known(objectives=(objective(slice="country=NL", rule="precision >= 0.9 in country"),)),
            "degraded",
            "For country = NL, in the rows of 1 July 2013, the model is degraded: its precision of 85 % (83 % to 87 %) "
            "misses the objective precision >= 0.9 in country; retrain it with more rows of country = NL.",
            "Retrain it with more rows of country = NL, from the outcomes since 1 July 2013, and do not rely on it "
            "there until then.",
        ),
        (
            wrong(findings=(MISSING,)),
            "degraded",
            "In the rows of 1 July 2013 the model is degraded: its log loss rose by 0.2 (0.02 to 0.38) to 0.5; likely "
            "because 100 % of values are missing in age (was 2 %); repair age.",
            "Repair age where it is made, then judge again: 100 % of values are missing in age (was 2 %).",
        ),
        (
            window(**DRIFT),
            "at_risk",
            "In the rows of 1 July 2013 the model is at risk: temp moved (values below 54 went from 99 % to 0 %), "
            "and no outcome is known; send its outcomes.",
            "Send its outcomes: without them nobody knows.",
        ),
        (
            window(score=column(kind="score", name=""), young=True, maturity="immature", immature="they take 3d"),
            "at_risk",
            "In the rows of 1 July 2013 the model is at risk: the score moved, and its outcomes may still come; "
            "wait for them.",
            "Wait: they take 3d.",
        ),
        (
            window(findings=(MISSING,)),
            "at_risk",
            "In the rows of 1 July 2013 the model is at risk: 100 % of values are missing in age (was 2 %), and no "
            "outcome is known; repair age.",
            "Repair age where it is made, then judge again: 100 % of values are missing in age (was 2 %).",
        ),
        (
            window(expected=(Expected("age", "missing: <= 0.1", "broken", 0.2, 0.2, 900, "20 % are missing"),)),
            "at_risk",
            "In the rows of 1 July 2013 the model is at risk: the expectation missing: <= 0.1 of age is broken, and no "
            "outcome is known; repair age.",
            "Repair age where it is made, then judge again: the expectation missing: <= 0.1 of age is broken.",
        ),
        (
            window(estimated={"accuracy": ESTIMATE}, estimated_changes=WORSE),
            "at_risk",
            "In the rows of 1 July 2013 the model is at risk: its accuracy is estimated to have fallen by 10 points "
            "(8 to 12 points), and no outcome is known; send its outcomes.",
            "Send its outcomes: without them nobody knows.",
        ),
        (
            window(slices={"country=NL": drifted_slice()}),
            "at_risk",
            "For country = NL, in the rows of 1 July 2013, the model is at risk: temp moved, and no outcome is known; "
            "send its outcomes.",
            "Send its outcomes: without them nobody knows.",
        ),
        (
            window(joint={"correlation": JointDrift("correlation", "drift", 5_000, 0.3, 1e-9, 0.3)}),
            "at_risk",
            "In the rows of 1 July 2013 the model is at risk: the features no longer go together as they did, and no "
            "outcome is known; send its outcomes.",
            "Send its outcomes: without them nobody knows.",
        ),
        (
            window(),
            "unknown",
            "Whether the model was healthy in the rows of 1 July 2013 is unknown: no outcome is known; send its "
            "outcomes.",
            "Send its outcomes: without them nobody knows.",
        ),
        (
            window(reference={"accuracy": value(0.8)}),
            "unknown",
            "Whether the model was healthy in the rows of 1 July 2013 is unknown: no outcome is known; send its "
            "outcomes, or label 790 rows.",
            "Send its outcomes, or label 790 of its rows: they would show a loss that matters.",
        ),
        (
            known(reference={}),
            "unknown",
            "Whether the model was healthy in the rows of 1 July 2013 is unknown: nobody said what is good enough; say "
            "what is good enough.",
            "Say what is good enough: build the baseline with actual values, or set an objective.",
        ),
        (
            known(changes={"log_loss": change("cannot_tell", 0.27, -0.4, 0.9, lacking="days")}),
            "unknown",
            "Whether the model was healthy in the rows of 1 July 2013 is unknown: its days differ too much to tell "
            "whether its log loss of 0.5 (0.48 to 0.52) is worse than the baseline's 0.49; judge a longer window.",
            "Judge a longer window: one with more days would tell.",
        ),
        (
            window(closed=False, maturity="open"),
            "unknown",
            "Whether the model was healthy in the rows of 1 July 2013 is unknown: its window is still open; wait until "
            "the window closes on 2 July 2013.",
            "Wait until the window closes on 2 July 2013.",
        ),
    ],
)
def test_the_words_of_a_window(evaluation: Evaluation, state: str, sentence: str, do: str) -> None:
    verdict = verdict_of_window(evaluation)
    assert (verdict.state, verdict.sentence, verdict.next) == (state, sentence, do)
    assert (verdict.window_start, verdict.window_end) == (evaluation.window.start, evaluation.window.end)


@pytest.mark.parametrize(
    ("evaluation", "state"),
    [
        (wrong(**DRIFT), "degraded"),
        (wrong(maturity="immature", immature="too few"), "unknown"),
        (known(changes={"log_loss": change("cannot_tell", 0.1)}, **DRIFT), "at_risk"),
        (known(changes={"log_loss": change("cannot_tell", 0.1), "roc_auc": change("not_worse")}), "unknown"),
        (known(changes={"log_loss": change("not_worse"), "accuracy": WORSE["accuracy"]}), "degraded"),
        (window(features={"temp": column(size="small")}), "unknown"),
        (window(features={"temp": column("usual")}), "unknown"),
        (window(features={"temp": column("cannot_tell", "")}), "unknown"),
        (window(slices={"country=NL": drifted_slice("small")}), "unknown"),
        (window(findings=(replace(MISSING, severity="major"),)), "unknown"),
        (window(estimated={"accuracy": FAILED}, estimated_changes=WORSE), "unknown"),
        (known(realized=CONSTANT["realized"], beside_constant=change("cannot_tell", 0.18)), "unknown"),
        (known(**LEVEL | {"level": change("cannot_tell", -0.18, -0.21, -0.15)}), "unknown"),
        (known(**LEVEL | {"level": None}), "unknown"),
        (known(**LEVEL, maturity="immature"), "unknown"),
        (window(rows=0), "unknown"),
    ],
)  # fmt: skip
def test_the_state_of_a_window(evaluation: Evaluation, state: str) -> None:
    assert verdict_of_window(evaluation).state == state


def test_the_effect_is_the_distance_from_what_it_is_compared_with() -> None:
    verdict = verdict_of_window(known(**CONSTANT))
    assert verdict.metric == "log_loss"
    assert [verdict.effect, verdict.low, verdict.high] == pytest.approx([0.18, 0.10, 0.26])
    missed = verdict_of_window(known(objectives=(objective(),)))
    assert missed.metric == "precision"
    assert [missed.effect, missed.low] == pytest.approx([-0.05, -0.07])
    worse = verdict_of_window(wrong())
    assert (worse.metric, worse.effect, worse.low, worse.high) == ("log_loss", 0.2, 0.02, 0.38)


def test_a_rise_of_errors_makes_later_windows_wrong_from_where_it_began() -> None:
    context = VerdictContext(concept=RISE)
    verdict = verdict_of_window(window(), context)
    assert (verdict.state, verdict.since) == ("degraded", RISE.since)
    assert verdict.sentence == (
        "The model has been degraded since 1 July 2013: its error rate rose from 18 % to 66 %; retrain it."
    )
    assert verdict_of_window(window(day=-1), context).state == "unknown"
    fine = known(changes={"log_loss": change("not_worse"), "accuracy": change("not_worse")})
    assert verdict_of_window(fine, context).state == "healthy"
    in_a_slice = VerdictContext(concept=ConceptDrift("ok", outcomes=9_000, slices={"country=NL": RISE}))
    assert verdict_of_window(window(), in_a_slice).slice == "country=NL"


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
    undecided = known(changes={"accuracy": change("cannot_tell", -0.06, -0.13, 0.01)}, reference=day.reference)
    assert read_outcomes(undecided, VerdictContext(concept=rise)).decides is clear


def test_a_lower_r2_alone_is_no_loss() -> None:
    """It follows how much the outcomes of a day differ."""
    lower = {"mae": change("cannot_tell", 0.1, -0.1, 0.3), "r2": change("worse", -0.1, -0.15, -0.05)}
    assert verdict_of_window(known(changes=lower)).state == "unknown"
    both = lower | {"mae": change("worse", 0.2, 0.1, 0.3)}
    assert [sign.metric for sign in read_outcomes(known(changes=both)).signs] == ["mae", "r2"]
    alone = {"r2": lower["r2"]}
    assert verdict_of_window(known(changes=alone)).state == "degraded"


def test_the_date_is_that_of_the_clock_of_the_model() -> None:
    told = verdict_of_window(window(), VerdictContext(timezone="America/New_York"))
    assert "in the rows of 30 June to 1 July 2013 is" in told.sentence
    hour = replace(window(), window=Window("1h", JULY, JULY + DAY // 24))
    assert "of 1 July 2013, 00:00 to 01:00 is" in verdict_of_window(hour).sentence
    assert (
        "of 30 June 2013, 20:00 to 21:00 is"
        in verdict_of_window(hour, VerdictContext(timezone="America/New_York")).sentence
    )


def test_the_kind_is_the_one_that_the_window_shows() -> None:
    kind = KindOfChange("label_shift", ("more positives",), "Positives are more frequent.")
    assert verdict_of_window(wrong(change_kind=kind)).kind == "label_shift"
    assert verdict_of_window(window(findings=(MISSING,))).kind == "data_fault"
    assert verdict_of_window(right(change_kind=kind)).kind == ""


def test_only_a_critical_fault_is_repaired_before_the_model_is() -> None:
    kind = KindOfChange("data_fault", ("fewer are missing",), "Fewer values are missing.")
    assert verdict_of_window(wrong(change_kind=kind, **DRIFT)).next.startswith("Recalibrate")
    assert verdict_of_window(wrong(change_kind=kind, findings=(MISSING,), **DRIFT)).next.startswith("Repair age")


def test_values_that_came_to_be_missing_are_mended_and_not_learned() -> None:
    gaps = Finding("missing", ("age",), "major", 0.02, 0.2, 1e-12, "age: 20 % of values are missing (was 2 %)")
    cause = Cause(("age",), "missing", 0.2, sentence="20 % of values are missing in age")
    kind = KindOfChange("data_fault", ("more are missing",), "More values are missing.")
    found = wrong(change_kind=kind, findings=(gaps,), explanation=explained(cause), features={"age": column("ok")})
    told = verdict_of_window(found)
    assert told.next.startswith("Repair age where it is made")
    assert "look as before" not in told.sentence
    assert told.kind == "data_fault"


def test_the_first_cause_goes_before_the_others_and_faults_before_drift() -> None:
    cause = replace(COLD, features=("dewp",))
    assert verdict_of_window(wrong(explanation=explained(cause, COLD))).cause.startswith("dewp moved (")
    assert (
        verdict_of_window(wrong(findings=(MISSING,), **DRIFT)).cause == "100 % of values are missing in age (was 2 %)"
    )


def test_every_window_gets_its_verdict() -> None:
    found = with_verdicts([right(), wrong(1)], NO_CONTEXT)
    assert [one.verdict.state for one in found if one.verdict is not None] == ["healthy", "degraded"]


def test_rows_without_times_have_no_since() -> None:
    verdict = verdict_of_window(replace(right(), window=replace(right().window, start=0, end=0)))
    assert (verdict.since, verdict.window_start, verdict.window_end) == (None, None, None)
    assert verdict.sentence.startswith("The model is healthy: its log loss")


def test_several_causes_are_the_first_and_how_many_more() -> None:
    two, three = (
        explained(COLD, replace(COLD, features=("dewp",))),
        explained(*(replace(COLD, features=(n,)) for n in "abc")),
    )
    assert "likely because temp moved (values below 54 went from 99 % to 0 %), as did dewp;" in said(explanation=two)
    assert "likely because a moved (values below 54 went from 99 % to 0 %), as did 2 more inputs;" in said(
        explanation=three
    )
    left = Cause(("age",), "out_of_range", 1.0)
    beyond = {"findings": (BEYOND,), "explanation": explained(left, COLD)}
    assert "likely because age left its usual range (57 % above 45, 0 % before) and temp moved;" in said(**beyond)


def test_an_input_that_left_its_range_is_checked_before_the_model_is_retrained() -> None:
    worse = {"log_loss": change("worse", 0.2, 0.17, 0.23), "roc_auc": change("worse", -0.1, -0.12, -0.08)}
    left: dict[str, Any] = {"changes": worse, "explanation": explained(Cause(("age",), "out_of_range", 1.0))}
    verdict = verdict_of_window(known(findings=(BEYOND,), **left))
    assert verdict.sentence.endswith("; check age first.")
    assert verdict.next.startswith(
        "See first whether age is right where it is made: 57 % of its values lie where the model learned nothing. "
        "If it is, retrain it with the outcomes since"
    )
    few = known(findings=(replace(BEYOND, now=0.49),), **left)
    assert verdict_of_window(few).sentence.endswith("; retrain it.")


def said(**more: Any) -> str:
    return verdict_of_window(wrong(**more)).sentence


def test_the_level_of_the_scores_is_told_before_a_metric_of_one_threshold() -> None:
    recall = {"recall": change("worse", -0.1, -0.13, -0.07), "balanced_accuracy": change("worse", -0.1, -0.13, -0.07)}
    wide = {"mean_score": value(0.14, 0.13, 0.15), "actual_rate": value(0.36, 0.1, 0.7), "recall": value(0.013)}
    told = verdict_of_window(known(realized=wide, changes=recall)).sentence
    assert "it says 14 % positive, 36 % were (10 % to 70 %), and its recall fell by 10 points (7 to 13 points)" in told
    both = {**recall, "accuracy": change("worse", -0.1, -0.13, -0.07)}
    assert "its accuracy fell by 10 points" in verdict_of_window(known(changes=both)).sentence
    near = {"mean_score": value(0.34, 0.33, 0.35), "actual_rate": value(0.36, 0.1, 0.7)}
    assert ": its recall fell by" in verdict_of_window(known(realized=near, changes=recall)).sentence


def test_a_certain_loss_says_in_the_same_sentence_which_drift_stays_open() -> None:
    few = {"age": replace(column(), name="age", state="cannot_tell", lacking="days")}
    verdict = verdict_of_window(replace(wrong(), features=few))
    assert verdict.sure == (
        "Certain: even the best that the outcomes allow is worse than before, from 4,000 outcomes (80 % of the rows); "
        "whether age drifted stays open: too few days."
    )
    score = replace(column(), column="score", name="", state="cannot_tell", lacking="rows")
    both = verdict_of_window(replace(wrong(), features=few, score=score))
    assert both.sure.endswith("; whether its score and age drifted stays open: too few days and too few rows.")
    assert "open" not in verdict_of_window(wrong()).sure


def test_what_a_regression_predicts_is_no_score() -> None:
    moved = replace(column(), column="score", name="predicted value")
    assert "the predicted value moved" in verdict_of_window(window(score=moved)).sentence
    assert "the score moved" in verdict_of_window(window(score=replace(moved, name=""))).sentence
