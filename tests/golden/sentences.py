"""Every sentence about a fact, as ``sentences.txt`` holds it: ``python -m tests.golden.sentences`` writes it anew.

A change of words changes that one file. All other tests assert kinds, values and states.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

from driftline.tables.row_losses import RowLoss
from driftline_processor.core import facts
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
from driftline_processor.core.fact import Fact
from driftline_processor.core.outcomes.id_form import IdForm
from driftline_processor.core.outcomes.unknown import UnknownOutcomes
from driftline_processor.core.policy.condition import read_condition
from driftline_processor.core.policy.replay import QuietTime
from driftline_processor.core.retraining.decision import LossChange, RetrainCost, RetrainQuestion, weigh_retraining
from driftline_processor.core.windows.improbable_times import ImprobableTimes
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
    verdict_now,
    verdict_sentence,
    verdict_size,
    verdict_step,
)
from msgspec import structs
from msgspec.structs import replace

from tests.golden.messages import message_lines
from tests.support.verdict_examples import examples, verdict_of_window
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
    Finding("pile_up", ("pay",), "critical", 0.0, 0.52, 0.0, low=0.0, high=0.0),
    Finding("pile_up", ("pay",), "major", 0.01, 0.4, 0.0, low=24_931.4, high=25_227.0, side="above"),
    Finding("unit_change", ("temp",), "critical", 0.0, 1.0, 0.0, factors=(-1.0,)),
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
SINCE_JULY = facts.Since(JULY, "UTC", of_days=True)
OUTCOMES = 900, 0.45
OBJECTIVE = ObjectiveState("precision", "precision >= 0.9", "broken", 0.8, 0.7, 0.85, 90)
MISSING = facts.FractionOfValues(rule="missing", low=0.2, high=0.2)
EXPECTED = Expected(
    "age", "missing: <= 0.1", "broken", 0.2, 0.2, 900, facts.FractionOfValues(rule="missing", low=0.2, high=0.2)
)
SHIFT = LabelShift("labels", 0.2, 0.31, 0.28, 0.34, 1e-9, 0.4, ("age",))
SHIFTS = (
    SHIFT,
    replace(SHIFT, explains="inputs"),
    replace(SHIFT, explains="either", features=()),
    replace(SHIFT, class_name="plan", shares={"plan": ClassShare(0.2, 0.31, 0.28, 0.34)}),
    replace(SHIFT, class_name="plan"),
    *(replace(SHIFT, quantity="mean", explains=explains) for explains in ("labels", "inputs", "either")),
)
ENDS = {"low": 0.7, "high": 0.85}
MOVED = facts.MetricMoved(metric="accuracy", change=-0.1, low=-0.12, high=-0.08, value=0.7, level=None)
LEVEL: dict[str, Any] = {"predicted": 0.14, "actual": 0.36, "low": 0.28, "high": 0.45, "positive_class": "late"}
FAILING: dict[str, Any] = {"metric": "error_rate", "value": 0.08, "low": 0.07, "high": 0.09, "usual": 0.01}
COMPARED: dict[str, Any] = {"signal": "accuracy", "signal_column": "", "slice": "", "value": 0.8, **ENDS}
LIMIT: dict[str, Any] = {"side": "below", "limit": 0.85, "of": "", "windows": 0, "is_fraction": True}
GROUPS: dict[str, Any] = {"measure": "equal_opportunity_difference", "attribute": "gender", "low": 0.1, "high": 0.3}
DAYS_LACK: dict[str, Any] = {"reason": "too_few_days", "needed": None, "rows": None}
CAUSE = COLD
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
    facts.KnownUntil(end=JULY, timezone="UTC"),
    facts.NewestMayBeChance(shown=MOVED),
    facts.DriftOpen(outputs=("score",), features=("age",), missing=("too_few_days", "too_few_rows")),
)
OBJECTIVES = (
    OBJECTIVE,
    structs.replace(OBJECTIVE, relative=True, value=-0.1, low=None, remarks=(facts.ComparedWithSlice(rows=9),)),
    structs.replace(OBJECTIVE, metric="latency_p99", value=0.08, low=0.07, high=0.09),
    structs.replace(
        OBJECTIVE,
        state="inconclusive",
        slice="country=NL",
        slices={"country=NL": "inconclusive"},
        alert_after=3,
        inconclusive_windows=3,
        needed=1_200,
        remarks=(facts.RowsDecide(needed=1_200),),
    ),
    structs.replace(OBJECTIVE, state="inconclusive", alert_after=3, inconclusive_windows=3, reason="too_few_days"),
)
NOW = facts.Now(
    metric="log_loss",
    value=0.69,
    baseline=0.49,
    rule="",
    start=JULY,
    end=JULY + DAY,
    waiting=0,
    healthy=0,
    left=2,
    clear_ends=True,
    timezone="UTC",
    of_days=True,
)
SHARE = {"low": 0.2, "high": 0.25}
LACKING = ("metric", "decisions", "rows", "interval")

FACTS: tuple[Fact, ...] = (
    facts.NoWorseThanBaseline(metric="accuracy", value=0.79, baseline=0.8, margin=0.05, better=False),
    facts.NoWorseThanBaseline(metric="log_loss", value=0.436, baseline=0.506, margin=0.007, better=False),
    facts.NoWorseThanBaseline(metric="mae", value=None, baseline=None, margin=None, better=True),
    facts.ObjectiveMet(metric="precision", value=0.95, low=0.93, high=0.97, rule="precision >= 0.9", of_change=False),
    facts.ObjectiveMissed(metric="accuracy", value=-0.1, low=-0.12, high=-0.08, rule="accuracy", of_change=True),
    facts.ObjectivesMet(count=3),
    facts.BrokenInNewest(
        shown=facts.ObjectiveMissed(
            "availability", 0.958, 0.95, 0.965, "availability >= 99 %", of_change=False, rolling=False
        ),
        start=1_372_636_800 * 10**9,
        end=1_372_723_200 * 10**9,
        timezone="UTC",
        of_days=True,
    ),
    facts.FurtherLoss(metric="rmse", rise=0.51, low=0.42, high=0.6),
    facts.FurtherLoss(metric="roc_auc", rise=0.04, low=0.01, high=0.07),
    facts.WorseInsideMargin(metric="log_loss", change=0.02, low=0.01, high=0.03, value=0.51, margin=0.05),
    facts.RanksTheWrongWay(value=0.26, low=0.22, high=0.3),
    facts.ScoreMissing(was=0.0, now=0.3),
    facts.ClassesWithoutScore(was=0.0, now=1.0),
    facts.NewClasses(was=0.0, now=0.3),
    facts.OutputCollapsed(was=0.33, now=1.0, first="2", last="2", name="predicted class"),
    facts.OutputCollapsed(was=0.21, now=0.98, first="0.3 – 0.35", last="0.4 – 0.45", name="score"),
    facts.SameRows(share=0.75),
    facts.ImprobableTimes(times=ImprobableTimes(2_400, refused=1_200), timezone="UTC"),
    facts.ImprobableTimes(times=ImprobableTimes(2_400, undated=2_400), timezone="UTC"),
    facts.ImprobableTimes(times=ImprobableTimes(2_400, misread=2_400, unit="milliseconds"), timezone="UTC"),
    facts.ImprobableTimes(times=ImprobableTimes(2_400, ahead=2_400, latest=JULY), timezone="UTC"),
    facts.OldBaseline(version="1", features=()),
    facts.OldBaseline(version="", features=("a", "b", "c")),
    facts.BaselineLacksFeatures(version="1", features=()),
    facts.BaselineLacksFeatures(version="1", features=("tenure",)),
    facts.BaselineLacksFeatures(version="", features=("a", "b", "c")),
    facts.NeverAsGood(metric="roc_auc", baseline=0.99, best=0.78, windows=10),
    facts.NeverAsGood(metric="roc_auc", baseline=1.0, best=0.78, windows=1),
    *(facts.OutcomesUnknown(unknown=unknown) for unknown in UNKNOWN_OUTCOMES),
    facts.OutcomesOfOneClass(outcomes=600, positive=True, was=0.3, positive_class="late"),
    facts.OutcomesOfOneClass(outcomes=600, positive=False, was=0.3, positive_class="positive"),
    facts.BiasRose(value=-3.2, low=-3.8, high=-2.6),
    facts.NoSkill(),
    facts.WorseThanConstant(value=0.76, low=0.66, high=0.87, constant=0.7),
    facts.LevelOfScores(**LEVEL, constant_is_better=True),
    MOVED,
    replace(MOVED, level=facts.LevelOfScores(**LEVEL, constant_is_better=False)),
    facts.EstimateMoved(metric="roc_auc", change=-0.1, low=-0.12, high=-0.08),
    facts.ErrorsRose(metric="error_rate", before=0.176, after=0.655),
    facts.ErrorsRose(metric="mae", before=4.0, after=7.5),
    facts.ExpectationBroken(expected=EXPECTED),
    facts.ColumnMoved(name="age"),
    facts.OutputMoved(column="class", name="predicted class"),
    facts.OutputMoved(column="score", name="score"),
    facts.RelationChanged(features=("age", "pay")),
    facts.ServiceFailing(**FAILING, calls=4_000, error="TimeoutError"),
    facts.ServiceFailing(**FAILING | {"metric": "latency_p95", "usual": 0.02}, calls=4_000, error=""),
    facts.LikelyCause(cause=CAUSE, others=("age",)),
    facts.LikelyCause(cause=CAUSE, others=(), share=0.61),
    facts.CoincidingCause(cause=CAUSE, others=("age",)),
    facts.InputsExplain(share=1.0, drifted=True),
    facts.InputsExplain(share=1.0, drifted=False),
    facts.NoInputExplains(),
    facts.NoInputExplains(meaning=True),
    facts.NoInputExplains(changed=("age",), open=True),
    facts.NoInputExplains(changed=("age", "plan", "region", "pay")),
    facts.NoInputExplains(open=True),
    facts.ProportionsChanged(),
    facts.ProportionsChanged("cat", 0.09, 0.32, 0.95, 0.8),
    facts.FirstCause(cause=FINDINGS[18], others=("age", "pay")),
    facts.HarmlessCause(cause=CAUSE, others=()),
    facts.HarmlessCause(cause=CAUSE, others=(), of_newest=True),
    facts.SliceWorse(slice="country=NL", metric="log_loss", was=0.45, now=1.2, share=0.9, days=14),
    facts.SliceWorse(slice="", metric="log_loss", was=0.45, now=1.2, share=1.0, days=1),
    facts.SliceWorse("country=rare or new category", "log_loss", 0.45, 1.2, share=0.9, days=14, rest=0.5),
    facts.SliceCertainlyWorse(rows=301, p_value=1e-6),
    facts.InputsLookAsBefore(cause=CAUSE),
    facts.InputsLookAsBefore(cause=None),
    facts.InputsLookAsBefore(cause=None, meaning=True),
    facts.HarmlessInputs(),
    facts.WindowOpen(),
    facts.NoRows(),
    facts.OutcomesMayCome(),
    facts.NoOutcomes(),
    facts.FewOutcomes(),
    facts.HarmlessOutput(name="score"),
    facts.ChancePossible(windows=1),
    facts.ChancePossible(windows=2),
    facts.OutcomesInconclusive(outcomes=90),
    facts.AndAlso(reason=facts.NoOutcomes()),
    *(
        facts.MayBeWorse(metric="log_loss", **ends, certain=False, margin=0.05, reason=reason, outcomes=90)
        for reason in ("too_few_rows", "too_few_days", "not_comparable", "easier_outcomes", "harder_outcomes", "")
        for ends in ({"low": -0.03, "high": 0.08}, {"low": None, "high": None})
    ),
    facts.MayBeWorse(
        "log_loss", -0.1, 0.3, certain=False, margin=0.05, reason="too_few_days", outcomes=90, by_rows=(-0.03, 0.01)
    ),
    facts.MayBeWorse(metric="accuracy", low=-0.08, high=-0.01, certain=True, margin=None, reason="", outcomes=90),
    facts.NoPrediction(pause=2 * HOUR),
    facts.WindowsWait(windows=1),
    facts.WindowsWait(windows=1_200),
    facts.NoObjective(),
    facts.NoWindowClosed(),
    facts.FaultCertain(),
    facts.FindingCertain(),
    facts.DriftWithTooFewDays(),
    facts.ObjectiveCertainlyMet(*OUTCOMES),
    facts.ObjectiveCertainlyMissed(rows=900),
    facts.BetterThanBaseline(*OUTCOMES),
    facts.InsideMargin(*OUTCOMES, metric="log_loss", margin=0.05),
    facts.InsideMargin(metric="accuracy", margin=None, outcomes=900, coverage=None),
    facts.CertainlyBelowChance(*OUTCOMES),
    facts.FailuresCertain(metric="error_rate", limit=0.05),
    facts.ConstantCertainlyBetter(*OUTCOMES),
    facts.LevelCertainlyOff(*OUTCOMES),
    facts.BiasCertain(*OUTCOMES),
    facts.CertainlyWorse(*OUTCOMES),
    facts.DaysTogether(days=30),
    facts.RiseDetected(outcomes=12_000),
    facts.RowsCounted(expected=EXPECTED),
    facts.EstimateAssumes(inside=0.97),
    facts.DriftBeyondChance(rows=5_000, size="large", chance=0.001, days=True),
    facts.DriftBeyondChance(rows=2_208, size="large", chance=0.001, days=True, name="age"),
    facts.DriftBeyondChance(rows=5_000, size="large", chance=0.001, days=False, name="score", of_output=True),
    facts.JointDriftBeyondChance(rows=5_000, chance=0.01),
    facts.DriftOpen(outputs=("score",), features=("age", "pay"), missing=("too_few_days", "too_few_rows")),
    facts.ToBeConfirmed(by_one=True),
    facts.ToBeConfirmed(by_one=False),
    NOW,
    replace(NOW, healthy=1, left=1, clear_ends=False),
    replace(NOW, healthy=2, left=1, clear_ends=False),
    replace(NOW, waiting=1),
    replace(NOW, waiting=3, baseline=None, metric="availability", value=0.958, rule="availability >= 99 %"),
    replace(NOW, left=3, clear_ends=False),
    replace(NOW, left=0, clear_ends=False),
    replace(NOW, metric="", value=None, baseline=None),
    replace(NOW, metric="", value=None, baseline=None, healthy=1, left=1, clear_ends=False),
    replace(NOW, start=None, end=0),
    facts.HealthyUntil(end=JULY, timezone="UTC"),
    facts.ConclusiveUntil(end=JULY, timezone="UTC", newest=False),
    facts.ConclusiveUntil(end=JULY, timezone="UTC", newest=True, degraded=True),
    facts.WindowsForgotten(),
    facts.KnownUntil(end=JULY, timezone="UTC"),
    facts.NewestMayBeChance(shown=MOVED),
    facts.NothingShowsEither(),
    facts.NewestWithoutDrift(),
    facts.OutcomesWithoutObjective(),
    facts.NoWindowBefore(),
    facts.NothingKnown(),
    facts.PauseUnlikely(),
    facts.SameRowsCompared(),
    facts.ShownIsOld(),
    facts.RuleBroken(rule="latency_p99 <= 0.1"),
    facts.OneAnswer(part=0.4),
    facts.ColumnsDrift(names=("age",)),
    facts.ColumnsDrift(names=("age", "pay", "plan", "city", "zip")),
    facts.OutputDrifts(name="score"),
    facts.PositiveRate(observed=0.3, expected=0.2),
    facts.EstimateMissed(metric="mae", error=2.0),
    facts.WorseWithoutDrift(metric="mae"),
    facts.NoInputDrifts(),
    facts.ScoresOfClassesHold(),
    facts.OutcomesAsExpected(),
    *map(facts.LabelShift.of, SHIFTS),
    facts.SignalUnknown(signal="accuracy", slice="country=NL", waits=True),
    *(facts.LimitUnknown(signal="mae", slice="", of=of, windows=3) for of in ("baseline", "last week", "average")),
    facts.SignalWithoutInterval(signal="mae"),
    facts.SignalCompared(**COMPARED | {"slice": "country=NL"}, **LIMIT),
    facts.SignalCompared(**COMPARED | {"low": None}, **LIMIT | {"of": "average", "windows": 7, "is_fraction": False}),
    facts.DriftEvaluated(columns=1, of=3),
    facts.ColumnStatistics(name="temp", statistics={"ks": 0.9}, p_value=1e-9, size="large"),
    facts.ObjectiveBroken(objective=OBJECTIVE),
    facts.ObjectiveInconclusive(objective=structs.replace(OBJECTIVE, value=None)),
    facts.NoTwoGroups(attribute="gender"),
    facts.GroupsUnknown(measure="equal_opportunity_difference", attribute="gender", yet=True),
    facts.GroupsInconclusive(**GROUPS, group="f", rate="true_positive_rate", rows=90.0),
    facts.GroupsCompared(**GROUPS, value=0.2, side="above", limit=0.1, apart=("recall", 0.5, "f", 0.7, "m")),
    facts.OutcomesInTime(at_most=0.6, agreed=0.95),
    facts.BurnRateUnknown(signal="precision", window="6h"),
    facts.BudgetSpent(
        signal="precision",
        rule="precision >= 0.95",
        short_rate=20.0,
        long_rate=15.0,
        short="1h",
        long="6h",
    ),
    facts.NoMoreDrift(),
    facts.NoObjectiveEvaluated(),
    facts.NoObjectiveBroken(),
    facts.OutcomeAgreementUnknown(),
    facts.NoGraveFault(),
    facts.Verdict(verdict=Verdict("unknown", reasons=(facts.NoWindowClosed(),), advice=facts.WaitForFirstWindow())),
    CAUSE,
    FINDINGS[0],
    facts.NamedFinding(FINDINGS[0]),
    *(FastLabels("<1d", True, metric, 0.12, 0.31, 800, 700, 1e-4) for metric in get_args(ComparedOutcomes)),
    FastLabels("<1h", False, "error_rate", 0.12, 0.12, 800, 700, 0.9),
    facts.OutcomesMayStillCome(delay=2 * DAY, learned_from=None),
    facts.OutcomesMayStillCome(delay=2 * DAY, learned_from=1_200),
    facts.OutstandingCannotChange(outstanding=120),
    facts.OutstandingCannotChange(outstanding=1),
    facts.FinalBeforeOutcomes(outstanding=1_200),
    facts.CoverageTooLow(coverage=0.4, needed=0.5),
    facts.DecisionsUnreviewed(predictions={"0": 9_500}),
    facts.DecisionsUnreviewed(predictions={"a": 12, "b": 4_000, "c": 90, "d": 7}),
    *(facts.FractionOfValues(rule=rule, **SHARE) for rule in ("missing", "unique", "duplicates", "type", "range")),
    *(facts.FractionOfValues(rule=rule, **SHARE) for rule in ("values", "not_values", "length", "pattern")),
    facts.ColumnArrived(arrived=True),
    facts.ColumnArrived(arrived=False),
    facts.RowsInWindow(rows=12_000),
    facts.AgeOfNewestRow(seconds=30.0),
    facts.AgeOfNewestRow(seconds=5_400.0),
    facts.MomentOfValues(moment="mean", value=3.5),
    facts.MomentOfValues(moment="stddev", value=3.5),
    facts.EndOfValues(end="min", rows=900.0, outside=1.0, within=900.0, low=None, high=3.0),
    facts.EndOfValues(end="max", rows=900.0, outside=1.0, within=900.0, low=2.0, high=3.0),
    *(facts.MeasurementUnknown(reason=reason) for reason in UNKNOWN),
    facts.WindowOpenYet(),
    facts.MoreDaysDecide(),
    facts.IntervalUnknown(),
    facts.ComparedWithAllRows(),
    facts.RowsDecide(needed=1_421),
    facts.RowsDecide(needed=None),
    facts.NoRowReviewed(metric="precision", slice="country=NL", needed=72),
    facts.NoRowReviewed(metric="mae", slice="", needed=None),
    facts.NoCall(metric="latency_p99", slice=""),
    facts.NoCall(metric="availability", slice="country=NL"),
    *(facts.BaselineLacks(metric="accuracy", lacking=lacking) for lacking in LACKING),
    facts.ComparedWithSlice(rows=2_000),
    facts.SliceFolded(slice="country=c77", key="country", most=20, other="country=other"),
    facts.NoPeriodEnded(of_calls=False),
    facts.NoPeriodEnded(of_calls=True),
    facts.NoSliceWithRows(key="country", metric="recall", min_rows=50, most=("country=NL", 49), of_calls=False),
    facts.NoSliceWithRows(key="country", metric="latency_p99", min_rows=50, most=None, of_calls=True),
    facts.FewPredictionsReviewed(rows=3, predictions=200, needed=50),
    facts.SlicesOfKey(key="country", states={"met": 1, "broken": 0, "inconclusive": 2}, few=1, min_rows=50),
    facts.NoFinalOutcomes(),
    facts.BaselineWithoutOutcomes(),
    facts.NoWindowCompared(),
    facts.FactorsTooLarge(),
    facts.LossNotCompared(metric="mae", compared=("accuracy",)),
    facts.NoMetricOfLoss(metrics=("accuracy", "mae")),
    facts.LossWithoutInterval(metric="log_loss"),
    facts.LossNotWorse(metric="log_loss"),
    facts.RetrainingDoesNotHelp(change="service"),
    facts.RetrainingDoesNotHelp(change="data_fault"),
    facts.RetrainingDoesNotHelp(change="output_fault"),
    facts.FactorsLacking(names=("value", "predictions", "cost")),
    facts.RunFailed(error="MemoryError"),
    facts.NoOutcomesAfterRun(),
    facts.NoOutcomesBeforeRun(),
    facts.NoBaselineOutcomesBeforeRun(),
    facts.NotWorseBeforeRun(),
    facts.NoOutcomesYet(),
    facts.NoRequestOfBoth(),
    facts.NoHourOfBoth(),
    facts.TasksDiffer(champion="binary", challenger=""),
    facts.TaskNotCompared(task="ranking"),
    facts.VersionUnreviewed(version="", predictions={"0": 9_500}),
    facts.VersionWithoutOutcomes(version="2"),
    facts.OwnFirstWeek(rows=12_000),
    facts.OwnFirstRows(covered=7 * HOUR, rows=1_850, until=JULY, shift=1.25),
    facts.OwnFirstRows(covered=3 * DAY, rows=9_850, until=JULY, shift=0.25),
    facts.BaselineReach("log_loss", 0.431, 0.012, 0.021, 12_000, needed=127_000, length=30 * DAY),
    facts.BaselineReach("accuracy", 0.9, 0.01, 0.03, 12_000, needed=5_260, length=0),
    facts.BaselineReach("roc_auc", 0.8, 0.05, 0.03, 12_000, needed=None, length=30 * DAY, constant=0.5),
    facts.BaselineReach("roc_auc", 0.6, 0.05, 0.03, 12_000, needed=None, length=30 * DAY, constant=0.5),
    facts.BaselineWithoutSkill(metric="log_loss", value=0.7, constant=0.61),
    facts.BaselineLevelOff(
        level=facts.LevelOfScores(
            predicted=0.24,
            actual=0.03,
            low=0.028,
            high=0.032,
            positive_class="positive",
            constant_is_better=True,
        ),
    ),
    facts.BaselineDecidedAgain(threshold=0.3, baseline_threshold=0.5),
    facts.BaselineWithoutDecisions(baseline_threshold=0.5, threshold=0.3, decided_there=True),
    facts.BaselineWithoutDecisions(baseline_threshold=0.5, threshold=0.3, decided_there=False),
    facts.OwnLastRows(last="30d", without="24h", rows=9_000, left_out=(), timezone="UTC"),
    facts.OwnLastRows(last="30d", without="", rows=9_000, left_out=(0, 2 * DAY, 3 * DAY, 4 * DAY), timezone="UTC"),
    facts.LastRowsTooFew(last="30d", without="", rows=990, periods=3, of=30, unit="1d"),
    facts.LastRowsTooFew(last="12h", without="", rows=990, periods=3, of=12, unit="1h"),
    *(facts.SameSeason(season=season, thin=0, repeats=season) for season in ("hour", "weekday", "hour_of_week")),
    *(facts.SameSeason(season="hour", thin=thin, repeats=None) for thin in (1, 3)),
    facts.SlicesAtSeason(),
    facts.NoRowWithTime(),
    facts.SeasonsUnknown(season="weekday"),
    facts.SeasonsSeenOnce(season="hour"),
    facts.SeasonsSeenOnce(season="weekday"),
    *(facts.RepeatsUnknown(season=season, least=2) for season in ("hour", "weekday", None)),
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
    facts.RepairService(fault=facts.ServiceFailing(**FAILING, calls=4_000, error="")),
    facts.RepairColumns(columns=("age", "pay"), fault=FINDINGS[10]),
    facts.RepairColumnsAllTheSame(columns=("age",), fault=FINDINGS[0]),
    facts.RepairData(fault=FINDINGS[9]),
    facts.StopDuplicates(fault=FINDINGS[8]),
    facts.EvaluateNewerRows(),
    facts.CheckBaseline(then=facts.Retrain(since=SINCE_JULY, check_outcomes=True)),
    facts.BuildBaseline(cause=facts.OldBaseline(version="1", features=("tenure",))),
    *(facts.CorrectTimes(times=kind) for kind in ("refused", "undated", "ahead")),
    *(facts.CorrectOutcomes(unknown=unknown) for unknown in UNKNOWN_OUTCOMES),
    facts.CheckLabels(fault=facts.OutcomesOfOneClass(outcomes=600, positive=True, was=0.3, positive_class="a")),
    facts.RepairOutput(fault=facts.RanksTheWrongWay(value=0.26, low=0.22, high=0.3)),
    facts.RepairOutput(fault=facts.ScoreMissing(was=0.0, now=0.3)),
    facts.RepairOutput(fault=facts.ClassesWithoutScore(was=0.0, now=1.0)),
    facts.RepairOutput(fault=facts.NewClasses(was=0.0, now=0.3)),
    facts.RepairOutput(fault=facts.OutputCollapsed(0.33, 1.0, "2", "2", "predicted class")),
    facts.RepairOutput(fault=FINDINGS[-1]),
    facts.RepairOutput(fault=FINDINGS[-4]),
    facts.RepairOutput(fault=FINDINGS[-3]),
    facts.ChangeVersion(version="7"),
    facts.ChangeVersion(version="7", loss="error", challenger=0.1, champion=0.2),
    facts.Retrain(since=SINCE_JULY),
    facts.Retrain(since=SINCE_JULY, check_outcomes=True),
    facts.Retrain(facts.Since(None, "UTC", of_days=True)),
    facts.RowsAreHarder(),
    facts.CompareWithSuchRows(),
    facts.ReviewDecisions(),
    facts.RetrainWithSlice(slice="country=NL", since=SINCE_JULY),
    facts.RetrainWithSlice(slice="country=NL", since=SINCE_JULY, check_outcomes=True),
    facts.Recalibrate(roc_auc=0.7, baseline=0.71, since=SINCE_JULY),
    facts.Recalibrate(roc_auc=None, baseline=None, since=SINCE_JULY),
    facts.RecalibrateIntervals(moved=MOVED, since=SINCE_JULY),
    facts.RetrainWithRange(column="age", outside=0.57, since=SINCE_JULY),
    facts.CheckThreshold(moved=MOVED),
    facts.WaitForEndOfWindow(end=JULY, timezone="UTC"),
    facts.WaitForOutcomes(immature=()),
    facts.WaitForOutcomes(immature=(facts.CoverageTooLow(coverage=0.4, needed=0.5),)),
    facts.WaitForLongerWindow(
        start=JULY,
        end=JULY + 7 * DAY,
        timezone="UTC",
        reason="too_few_days",
        needed=None,
        rows=None,
    ),
    facts.EvaluateLongerWindow(reason="too_few_rows", needed=facts.Needed(900, "log_loss", length=9 * DAY), rows=100),
    facts.EvaluateLongerWindow(reason="too_few_days", needed=facts.Needed(900, "log_loss", length=9 * DAY), rows=100),
    facts.EvaluateLongerWindow(reason="too_few_rows", needed=None, rows=100),
    facts.EvaluateMoreRows(**DAYS_LACK),
    facts.SetObjective(),
    facts.RecalibrateFirst(),
    facts.SendOutcomes(),
    facts.SendMoreOutcomes(),
    facts.NothingToDo(),
    facts.CheckAlert(policy="slow"),
    facts.CheckOutcomeDelay(),
    facts.WaitForFirstWindow(),
    facts.SendOutcomesOrLabel(needed=facts.Needed(1_200, "accuracy", drop=0.05)),
    facts.LabelMore(more=670, needed=facts.Needed(790, "log_loss")),
    facts.LabelMore(more=670, needed=facts.Needed(790, "precision", "precision >= 0.9")),
    facts.WaitToRetrain(outcomes=8, needed=50, wrong=3),
    facts.WaitToRetrain(outcomes=8, needed=50, wrong=None, slice="country=NL"),
    facts.RuleOutFault("age", 0.87, then=facts.SendOutcomes()),
    facts.BuildLargerBaseline(metric="log_loss", half=0.08, margin=0.05, rows=12_000),
    facts.BuildLargerBaseline("log_loss", half=0.0053, margin=0.0031, rows=77_000, value=0.6806, constant=0.6931),
    facts.BuildLargerBaseline(metric="accuracy", half=0.025, margin=0.05, rows=12_000, needed=45_120),
    facts.ChooseMargin(metric="accuracy", change=-0.04, margin=0.05),
    facts.IgnoreDrift(small=True),
    facts.IgnoreDrift(small=False),
    facts.LookAgain(then=facts.Retrain(since=SINCE_JULY)),
    facts.WaitForWindows(windows=1),
    facts.WaitForWindows(windows=1_200),
    facts.CheckService(),
    facts.WaitOrAddProcessor(),
)
RATES = facts.PositiveRate(observed=0.3, expected=0.2)
DRIFT = facts.ColumnsDrift(names=("age",))
CHANGES = (
    KindOfChange("service", "service_changed", (facts.RuleBroken(rule="latency_p99 <= 0.1"),)),
    KindOfChange("output_fault", "output_faulty", (facts.ScoreMissing(was=0.0, now=0.3),)),
    KindOfChange("data_fault", "data_faulty", (facts.NamedFinding(FINDINGS[0]),)),
    KindOfChange("concept_change", "meaning_changed", (RATES,)),
    KindOfChange("calibration", "level_off", (RATES,)),
    KindOfChange("covariate_shift", "inputs_explain", (facts.InputsExplain(share=0.61),)),
    KindOfChange("label_shift", "proportions_changed", (RATES,)),
    KindOfChange("label_shift", "proportions_changed_by_scores", (facts.LabelShift.of(SHIFT),)),
    KindOfChange("covariate_shift", "inputs_moved", (DRIFT,)),
    KindOfChange("covariate_shift", "inputs_moved_as_expected", (DRIFT, facts.OutcomesAsExpected())),
    KindOfChange("covariate_shift", "inputs_or_proportions_moved", (DRIFT,)),
    KindOfChange("covariate_shift", "inputs_moved_without_outcomes", (DRIFT,)),
)
QUIET = (
    QuietTime(circular=True),
    QuietTime(untold=3, reasons=(facts.SignalUnknown(signal="accuracy", slice="", waits=False),)),
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
    replace(QUESTION, loss=None, no_loss=facts.NoFinalOutcomes()),
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
        yield f"finding {finding.check}: {finding_sentence(finding)} | {clause(finding)}"
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
        yield from (f"  now: {words}" for words in filter(None, (verdict_now(verdict),)))
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
        reasons=(MOVED, facts.ChancePossible(windows=1)),
        certainty=(*degraded.certainty, facts.ToBeConfirmed(by_one=True)),
        advice=facts.LookAgain(then=facts.Recalibrate(roc_auc=0.7, baseline=0.71, since=SINCE_JULY)),
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
