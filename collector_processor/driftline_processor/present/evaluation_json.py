"""The JSON of ``driftline evaluate --json`` and of ``/api/v1``, a stable interface for scripts.

An unknown value is null, never 0. ``docs/reference/evaluations.schema.json`` is generated from the same shapes.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from driftline_processor.core import facts
from driftline_processor.core.concept import result as concept_result
from driftline_processor.core.concept.result import ConceptDrift, error_rise
from driftline_processor.core.evaluation import (
    Cause,
    Change,
    ClassShare,
    ColumnDrift,
    Curve,
    Delay,
    DriftContributor,
    Estimate,
    Evaluation,
    Expected,
    Explanation,
    Fairness,
    FairnessCriterion,
    FastLabels,
    Finding,
    GroupComparison,
    GroupRate,
    JointDrift,
    KindOfChange,
    LabelShift,
    LastingShift,
    LaterFinding,
    MethodValue,
    MetricChange,
    MetricValue,
    ObjectiveState,
    ServiceLevel,
    SlaResult,
    SliceChange,
    SliceCondition,
    SliceDrift,
    SlicePerformance,
    TrackRecord,
    Verdict,
    WeakSearch,
    WeakSlice,
)
from driftline_processor.core.labels.delay import OutcomeDelay
from driftline_processor.core.performance.mispredictions import Misprediction, Worst
from driftline_processor.core.versions.comparison import Comparison
from driftline_processor.core.versions.side_by_side import SideBySide, Version
from driftline_processor.present.sentences.causes import change_sentence
from driftline_processor.present.sentences.verdict import (
    verdict_action,
    verdict_cause,
    verdict_certainty,
    verdict_evidence,
    verdict_headline,
    verdict_later,
    verdict_now,
    verdict_sentence,
)
from driftline_processor.present.wording import iso_time

from .json_shapes import Key, Shapes, array, computed, group, or_null, time_at, time_or_null
from .links import LinkedMisprediction
from .sections.estimates import assumption
from .sections.versions import comparison_sentence
from .sentences.causes import cause_sentence, explanation_sentence
from .sentences.drift import column_sentence, joint_sentence
from .sentences.expectations import expectation_sentence
from .sentences.findings import finding_sentence
from .sentences.objectives import objective_sentence, overdue
from .sentences.outcomes import fast_labels_sentence, immature_words, weak_slice_sentence
from .sentences.references import compared_words
from .sentences.register import clause

INCIDENT = Key("incident", by=lambda since: {part: iso_time(at) for part, at in since.items()}, type=dict[str, str])
"""Column with persistent drift → its begin: ``feature:NAME``, ``score``, ``class``, followed by `` where
key=value`` for a slice.
"""

CURVES, SLICES = "curves", "slices"
"""Parts of a window that are written on request only."""


class BaselineOfWindow(Evaluation):
    """The baseline that a window was compared with. ``own``: whether it is this version's; "" = any version."""


class ChangeOfErrors(concept_result.Change, frozen=True):
    """A change of the level of errors, up or down."""


class ConceptOfSlice(ConceptDrift, frozen=True):
    """Concept drift in the outcomes of a slice."""


def _end_of_window(end: str) -> Key:
    """Declare an end of the window; null if rows have no time."""

    def time(evaluation: Evaluation) -> str | None:
        window = evaluation.window
        return None if window.start == window.end == 0 else iso_time(getattr(window, end))

    return computed(end, time, str | None)


def _left_out(evaluation: Evaluation) -> list[list[str]]:
    """Return start and end of the ranges that the rolling reference leaves out because they drifted."""
    edges = next((note.left_out for note in evaluation.compared if isinstance(note, facts.OwnLastRows)), ())
    return [[iso_time(start), iso_time(end)] for start, end in zip(edges[::2], edges[1::2], strict=True)]


def _interval(verdict: Verdict) -> list[float | None] | None:
    return None if verdict.low is None and verdict.high is None else [verdict.low, verdict.high]


def _number_of(name: str, attribute: str, state: str) -> Key:
    return Key(name, attribute, lambda found: sum(one.state == state for one in found), int)


def _groups(fairness: Fairness) -> dict[str, dict[str, Any]]:
    """Return the labelled rows and the rates of each group."""
    return {
        group.value: {"rows": group.rows} | {name: json_of(rate) for name, rate in group.rates.items()}
        for group in fairness.groups
    }


_MISPREDICTION = (
    "id",
    time_or_null("time"),
    "score scores predicted actual",
    time_or_null("outcome_time"),
    "loss weight slices",
    or_null("trace_id"),
    or_null("span_id"),
)

SHAPES = Shapes(
    {
        MetricValue: ("value low high", or_null("interval"), "rows effective_rows source"),
        MetricChange: ("state", or_null("reason"), "change low high p_value margin"),
        ServiceLevel: "calls failed errors values",
        KindOfChange: (
            "kind reason",
            computed("sentence", change_sentence, str),
            Key("evidence", by=lambda evidence: [clause(fact) for fact in evidence], type=list[str]),
        ),
        Verdict: (
            "state",
            time_at("since"),
            time_or_null("since_earliest"),
            or_null("metric"),
            "effect",
            computed("interval", _interval, list[float | None] | None),
            computed("headline", verdict_headline, str),
            computed("evidence", lambda one: verdict_evidence(one) or None, str | None),
            computed("cause", lambda one: verdict_cause(one) or None, str | None),
            computed("later", lambda one: verdict_later(one) or None, str | None),
            computed("now", lambda one: verdict_now(one) or None, str | None),
            computed("action", verdict_action, str),
            or_null("kind"),
            computed("certainty", verdict_certainty, str),
            computed("sentence", verdict_sentence, str),
            computed("advice", lambda one: one.advice and one.advice.kind, str | None),
            computed("reasons", lambda one: [reason.kind for reason in one.reasons], list[str]),
            or_null("reason"),
            or_null("assumes"),
            or_null("slice"),
            group("window", time_at("start", "window_start"), time_at("end", "window_end")),
            Key("later_findings", "later"),
            time_or_null("cause_until"),
            computed("but", lambda one: None if one.but is None else clause(one.but), str | None),
        ),
        LaterFinding: (
            "role shown subject",
            time_at("since"),
            time_or_null("until"),
            computed("finding", lambda one: clause(one.fact), str),
            computed("kind", lambda one: one.fact.kind, str),
            computed("advice", lambda one: one.advice.kind, str),
        ),
        MethodValue: "value p_value",
        LastingShift: (
            "state",
            or_null("reason"),
            or_null("measure"),
            "shift windows",
            time_at("since"),
            time_at("found"),
            "evidence",
        ),
        ColumnDrift: (
            "state",
            or_null("reason"),
            or_null("decided_by"),
            "rows methods effect",
            or_null("size"),
            group("missing", Key("was", "missing_was"), Key("now", "missing_now")),
            "design_effect blocks detectable_change pooled alike p_normal_variation",
            computed("sentence", column_sentence, str),
        ),
        SliceDrift: (
            "rows state",
            or_null("reason"),
            or_null("compared"),
            "evaluated fraction features score",
            Key("class", "predicted"),
        ),
        DriftContributor: "features value was now p_value",
        JointDrift: (
            "state",
            or_null("reason"),
            "rows value p_value was now contributors",
            computed("sentence", joint_sentence, str),
        ),
        Change: "where was now",
        Cause: (
            "features",
            or_null("check"),
            "moved changes",
            or_null("slice"),
            time_at("since"),
            "or_earlier p_value importance weight score_shift",
            computed("sentence", cause_sentence, str),
        ),
        Explanation: (
            computed("sentence", explanation_sentence, str),
            group("score", Key("was", "score_was"), Key("now", "score_now")),
            "causes",
        ),
        ClassShare: "was now low high",
        LabelShift: (
            "explains was now low high p_value fit features",
            computed("sentence", lambda one: clause(facts.LabelShift.of(one)), str),
            or_null("class", "class_name"),
            "shares",
        ),
        TrackRecord: "state windows missed inside mean_error",
        Estimate: (
            "value low high sampling_error reason reference",
            group("bounds", Key("low", "lower_bound"), Key("high", "upper_bound")),
            "alert rows source method error error_deviation record",
            computed("assumes", assumption, str),
        ),
        SlicePerformance: (
            "rows predictions",
            computed("coverage", lambda one: one.rows / one.predictions if one.predictions else None, float | None),
            "metrics",
        ),
        FastLabels: (
            "until differ metric fast slow fast_rows slow_rows p_value",
            computed("sentence", fast_labels_sentence, str),
        ),
        SliceCondition: ("feature low high category", or_null("absent"), "text"),
        WeakSlice: (
            "by name conditions rows value low high rest p_value excess",
            computed("sentence", weak_slice_sentence, str),
        ),
        WeakSearch: ("rows features pairs", "slices"),
        SliceChange: (
            "name features by rows was now low high rest_was rest_now share p_value days",
            time_or_null("since"),
            time_or_null("since_earliest"),
        ),
        GroupRate: "value low high rows",
        GroupComparison: "group compared_with rate value low high state",
        FairnessCriterion: "state basis difference ratio limit low high comparisons",
        Fairness: (
            "attribute",
            or_null("reference"),
            "coverage labelled_coverage",
            computed("groups", _groups, dict[str, dict[str, int | GroupRate]]),
            computed("criteria", lambda found: {one.name: one for one in found.criteria}, dict[str, FairnessCriterion]),
        ),
        ObjectiveState: (
            Key("objective", "rule"),
            "metric state value low high limit rows needed inconclusive_windows",
            computed("overdue", lambda one: overdue(one) or None, str | None),
            time_or_null("since"),
            time_or_null("until"),
            or_null("slice"),
            "slices",
            computed("sentence", objective_sentence, str),
        ),
        Curve: (
            "x y",
            array("points", list[list[float]]),
            array("weight", list[float] | None),
            array("limits", list[list[float]] | None),
        ),
        Delay: "rows median p90 p99",
        SlaResult: (
            "state",
            Key("within", by=lambda within: within / 10**9, type=float),
            "coverage low high rows",
        ),
        Finding: ("check features severity was now p_value", computed("sentence", finding_sentence, str)),
        Expected: (
            or_null("feature"),
            "rule state low high rows",
            computed("sentence", expectation_sentence, str),
        ),
        BaselineOfWindow: (
            Key("version", "baseline_version", type=str),
            computed("is_own", lambda one: one.baseline_version == one.key.version, bool),
            computed("compared", lambda one: compared_words(one.compared) or None, str | None),
            computed("left_out", _left_out, list[list[str]]),
        ),
        Evaluation: (
            _end_of_window("start"),
            _end_of_window("end"),
            "rows distributed closed verdict",
            computed("baseline", lambda one: None if one.baseline_version is None else one, BaselineOfWindow | None),
            group(
                "drift",
                "features score",
                Key("class", "predicted"),
                Key("multivariate", "joint"),
                "fraction weighted_fraction",
                computed("drifted_slices", lambda one: sum(it.state == "drift" for it in one.slices.values()), int),
                Key("slices", part=SLICES),
                INCIDENT,
                Key("lasting", by=lambda one: {} if one is None else one.columns, type=dict[str, LastingShift]),
            ),
            "explanation",
            Key("change", "change_kind"),
            "service",
            Key("service_slices", part=SLICES),
            group(
                "performance",
                "maturity",
                computed("immature", lambda one: immature_words(one) or None, str | None),
                or_null("positive_class"),
                "unreviewed realized estimated",
                Key("changes", "realized_changes"),
                "estimated_changes level constant_comparison",
                Key("importance_weighted", "weighted"),
                "label_shift",
                Key("slices", "performance_slices", part=SLICES),
                Key("label_age", "ages", part=SLICES),
                "fast_labels",
                Key("weak_slices", "weak"),
                "slice_change",
                "fairness",
                Key("curves", part=CURVES, optional=True),
                array("confusion", list[list[float]] | None, CURVES),
                _number_of("broken", "objectives", "broken"),
                computed(
                    "inconclusive_windows",
                    lambda one: max((objective.inconclusive_windows for objective in one.objectives), default=0),
                    int,
                ),
                computed("overdue", lambda one: sum(objective.overdue for objective in one.objectives), int),
                "objectives",
                Key("mispredictions", type=Worst, optional=True),
            ),
            group("outcomes", Key("rows", "outcome_rows"), "coverage delay", Key("sla", "label_sla")),
            group(
                "quality",
                Key("count", "findings", len, int),
                Key("critical", "findings", lambda found: sum(one.severity == "critical" for one in found), int),
                "findings",
                _number_of("broken", "expected", "broken"),
                Key("expectations", "expected"),
            ),
            Key("believed", type=str, optional=True),
        ),
        ChangeOfErrors: (time_or_null("since"), time_or_null("detected_at"), "before after"),
        ConceptOfSlice: (
            "state",
            time_or_null("since"),
            "before after",
            computed("rise", error_rise, float | None),
            "outcomes",
        ),
        ConceptDrift: (
            "state",
            "measure",
            time_or_null("since"),
            "before after",
            computed("rise", error_rise, float | None),
            "outcomes unusable corrected",
            or_null("reason"),
            Key("changes", type=list[ChangeOfErrors]),
            Key("slices", type=dict[str, ConceptOfSlice]),
        ),
        OutcomeDelay: (
            computed("seconds", lambda one: None if one.source == "unknown" else one.nanoseconds // 10**9, int | None),
            "source",
            computed("outcomes", lambda one: one.outcomes if one.source == "learned" else None, int | None),
        ),
        Misprediction: _MISPREDICTION,
        LinkedMisprediction: (*_MISPREDICTION, or_null("trace_url")),
        Worst: "outcomes wrong rows",
        Version: (Key("version", "name"), "rows outcomes metrics service"),
        Comparison: "verdict reason paired rows champion challenger difference low high confidence method rows_needed",
        SideBySide: (
            "champion challenger role",
            time_or_null("start"),
            time_or_null("end"),
            "pairs verdict",
            Key("decided_by", "decides", lambda one: None if one is None else one.loss, str | None),
            computed("sentence", comparison_sentence, str),
            computed("reason", lambda one: clause(one.reason) or None, str | None),
            "comparisons",
        ),
    }
)


def json_of(one: object) -> Any:
    """Return the JSON values of an object that has a shape; None for None."""
    return None if one is None else SHAPES.writer(type(one))(one)


def to_json(evaluation: Evaluation, curves: bool = False, slices: bool = True) -> dict[str, Any]:
    """Return one window as plain JSON values.

    Args:
        evaluation: The evaluated window.
        curves: Whether to add the curves of the performance.
        slices: Whether to add slices and label ages, which can be most of the document; else they are null.
    """
    parts = frozenset(part for part, is_wanted in ((CURVES, curves), (SLICES, slices)) if is_wanted)
    document: dict[str, Any] = SHAPES.writer(Evaluation, parts)(evaluation)
    return document


def evaluations_to_json(
    model: str,
    version: str,
    evaluations: Iterable[Evaluation],
    concept: ConceptDrift | None = None,
    curves: bool = False,
    versions: Iterable[SideBySide] = (),
    delay: OutcomeDelay | None = None,
    verdict: Verdict | None = None,
) -> dict[str, Any]:
    """Return the document of ``driftline evaluate --json`` for one model and version.

    >>> evaluations_to_json("churn", "3", [])
    {'model': 'churn', 'version': '3', 'verdict': None, 'concept': None, 'windows': []}
    """
    windows, version_documents = (
        [to_json(evaluation, curves) for evaluation in evaluations],
        list(map(json_of, versions)),
    )
    identity = {"model": model, "version": version, "verdict": json_of(verdict), "concept": json_of(concept)}
    late = {} if delay is None else {"outcome_delay": json_of(delay)}
    return {**identity, **late, "windows": windows, **({"versions": version_documents} if version_documents else {})}
