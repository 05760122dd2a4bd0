"""The JSON of ``driftline evaluate --json`` and of ``/api``. Its shape is a promise to scripts.

The JSON of what was realized by slice, of weak slices and of fairness.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from driftline_processor.core.concept.result import ConceptDrift, error_rise
from driftline_processor.core.estimate.point import ASSUMES
from driftline_processor.core.evaluation import (
    Cause,
    Estimate,
    Evaluation,
    Expected,
    Explanation,
    Fairness,
    FairnessCriterion,
    FastLabels,
    Finding,
    JointDrift,
    MetricValue,
    ObjectiveState,
    SlaResult,
    SliceDrift,
    SlicePerformance,
    TargetDrift,
    WeakSearch,
    WeakSlice,
)
from driftline_processor.core.labels.delay import OutcomeDelay
from driftline_processor.core.performance.objective import overdue
from driftline_processor.core.wording import iso_time


def picked(one: object, *names: str) -> dict[str, Any]:
    """Return attributes of something by their names, in this order.

    >>> picked(MetricValue(0.9, 20, "rows"), "value", "rows")
    {'value': 0.9, 'rows': 20}
    """
    return {name: getattr(one, name) for name in names}


def metric_to_json(metric: MetricValue) -> dict[str, Any]:
    """Return a metric with its interval; null where there is none."""
    found = picked(metric, "value", "low", "high", "interval", "rows", "effective_rows", "source")
    return {**found, "interval": metric.interval or None}


def slices_to_json(slices: Mapping[str, SlicePerformance]) -> dict[str, Any]:
    """Return name → rows, predictions (null where not known), coverage and metrics."""
    return {
        name: {
            "rows": one.rows,
            "predictions": one.predictions,
            "coverage": one.rows / one.predictions if one.predictions else None,
            "metrics": {which: metric_to_json(measured) for which, measured in one.metrics.items()},
        }
        for name, one in slices.items()
    }


def weak_to_json(weak: WeakSearch | None) -> dict[str, Any] | None:
    """Return what the search for weak slices found; null where there was none."""
    if weak is None:
        return None
    return {**picked(weak, "rows", "features", "pairs"), "found": [_weak(one) for one in weak.slices]}


def _weak(found: WeakSlice) -> dict[str, Any]:
    conditions = [
        {**picked(one, "feature", "low", "high", "label", "absent", "text"), "absent": one.absent or None}
        for one in found.conditions
    ]
    told = picked(found, "rows", "value", "low", "high", "rest", "p_value", "excess", "sentence")
    return {**picked(found, "by", "name"), "conditions": conditions, **told}


def fairness_to_json(found: Fairness) -> dict[str, Any]:
    """Return the groups of an attribute and what came of each criterion."""
    return {
        "attribute": found.attribute,
        "reference": found.reference or None,
        "coverage": found.coverage,
        "labelled_coverage": found.labelled,
        "groups": {
            group.value: {
                "rows": group.rows,
                **{name: picked(rate, "value", "low", "high", "rows") for name, rate in group.rates.items()},
            }
            for group in found.groups
        },
        "criteria": {one.name: _criterion(one) for one in found.criteria},
    }


def _criterion(one: FairnessCriterion) -> dict[str, Any]:
    comparisons = [picked(pair, "group", "beside", "rate", "value", "low", "high", "state") for pair in one.comparisons]
    return {**picked(one, "state", "basis", "difference", "ratio", "limit"), "comparisons": comparisons}


def evaluations_to_json(
    model: str,
    version: str,
    evaluations: Iterable[Evaluation],
    concept: ConceptDrift | None = None,
    curves: bool = False,
    versions: Sequence[dict[str, Any]] = (),
    delay: OutcomeDelay | None = None,
) -> dict[str, Any]:
    """Return the whole answer for one model and version: ``{"model", "version", "concept", "windows": [...]}``.

    ``delay``: how long outcomes take, where it was looked at.

    ``curves``: with what is drawn of the performance. ``versions``: challengers beside their champion, where there are.

    >>> evaluations_to_json("churn", "3", [])
    {'model': 'churn', 'version': '3', 'concept': None, 'windows': []}
    """
    windows = [to_json(evaluation, curves) for evaluation in evaluations]
    more = {"versions": list(versions)} if versions else {}
    late = {} if delay is None else {"outcome_delay": delay.to_json()}
    return {"model": model, "version": version, "concept": concept_to_json(concept), **late, "windows": windows, **more}


def concept_to_json(concept: ConceptDrift | None) -> dict[str, Any] | None:
    """Return what is known of the stream of errors; null where nothing can or shall tell."""
    if concept is None:
        return None
    return {
        "state": concept.state,
        "decided_by": concept.decided_by or None,
        "measure": concept.measure,
        "since": _time(concept.since),
        "before": concept.before,
        "after": concept.after,
        "rise": error_rise(concept),
        "outcomes": concept.outcomes,
        "unusable": concept.unusable,
        "corrected": concept.corrected,
        "reason": concept.reason or None,
        "changes": [
            {"since": _time(one.since), "found": _time(one.found), "before": one.before, "after": one.after}
            for one in concept.changes
        ],
        "detectors": {
            name: {
                "state": found.state,
                "since": _time(found.since),
                **picked(found, "before", "after", "changes"),
            }
            for name, found in concept.detectors.items()
        },
        "slices": {
            name: {
                "state": own.state,
                "since": _time(own.since),
                "before": own.before,
                "after": own.after,
                "rise": error_rise(own),
                "outcomes": own.outcomes,
            }
            for name, own in concept.slices.items()
        },
    }


def _time(nanoseconds: int | None) -> str | None:
    """A time; null where there is none, or rows have none and count from 0."""
    return iso_time(nanoseconds) if nanoseconds else None


def to_json(evaluation: Evaluation, curves: bool = False, slices: bool = True) -> dict[str, Any]:
    """Return one window as plain JSON values. What is unknown is null, never 0. ``curves``: with what is drawn.

    ``slices``: False leaves out what is known of single ones, and of the ages of labels, which may be most of it.
    ``start`` and ``end`` are null where rows have no time. ``distributed``: how many of the rows are known from
    distributions only. ``weighted_share``: null where the importance of the features is unknown. ``incident``: the
    targets whose drift lasts, as ``feature:NAME``, ``score`` or ``class``, those of a slice with `` where key=value``
    behind, and since when. ``low`` and ``high``: null
    where a metric has no interval.
    """
    window = evaluation.window
    timeless = window.start == 0 and window.end == 0
    return {
        "start": None if timeless else iso_time(window.start),
        "end": None if timeless else iso_time(window.end),
        "rows": evaluation.rows,
        "distributed": evaluation.distributed,
        "closed": evaluation.closed,
        "baseline": _baseline(evaluation),
        "drift": {
            "features": {name: _target(target) for name, target in evaluation.features.items()},
            "score": None if evaluation.score is None else _target(evaluation.score),
            "class": None if evaluation.predicted is None else _target(evaluation.predicted),
            "multivariate": {name: _joint(found) for name, found in evaluation.joint.items()},
            "share": evaluation.share,
            "weighted_share": evaluation.weighted_share,
            "drifted_slices": sum(found.state == "drift" for found in evaluation.slices.values()),
            "slices": {name: _slice(found) for name, found in evaluation.slices.items()} if slices else None,
            "incident": {part: iso_time(since) for part, since in evaluation.incident.items()},
        },
        "explanation": None if evaluation.explanation is None else _explanation(evaluation.explanation),
        "performance": {
            "maturity": evaluation.maturity,
            "immature": evaluation.immature or None,
            "unreviewed": evaluation.unreviewed,
            "realized": {name: metric_to_json(metric) for name, metric in evaluation.realized.items()},
            "estimated": {name: _estimate(estimate) for name, estimate in evaluation.estimated.items()},
            "importance_weighted": {name: _estimate(estimate) for name, estimate in evaluation.weighted.items()},
            "slices": slices_to_json(evaluation.performance_slices) if slices else None,
            "label_age": slices_to_json(evaluation.ages) if slices else None,
            "fast_labels": None if evaluation.fast_labels is None else _fast_labels(evaluation.fast_labels),
            "weak_slices": weak_to_json(evaluation.weak),
            "fairness": [fairness_to_json(one) for one in evaluation.fairness],
            **(_drawn(evaluation) if curves else {}),
            "broken": sum(objective.state == "broken" for objective in evaluation.objectives),
            "undecided": max((objective.undecided for objective in evaluation.objectives), default=0),
            "overdue": sum(objective.overdue for objective in evaluation.objectives),
            "objectives": [_objective(objective) for objective in evaluation.objectives],
        },
        "outcomes": {
            "rows": evaluation.outcome_rows,
            "coverage": evaluation.coverage,
            "delay": None if evaluation.delay is None else asdict(evaluation.delay),
            "sla": None if evaluation.label_sla is None else _kept(evaluation.label_sla),
        },
        "quality": {
            "found": len(evaluation.findings),
            "critical": sum(finding.severity == "critical" for finding in evaluation.findings),
            "findings": [_finding(finding) for finding in evaluation.findings],
            "broken": sum(expected.state == "broken" for expected in evaluation.expected),
            "expectations": [_expected(expected) for expected in evaluation.expected],
        },
    }


def _drawn(evaluation: Evaluation) -> dict[str, Any]:
    """The points of curves, and the weight per actual (row) and predicted class; null where there is none."""
    return {
        "curves": {
            name: {
                "x": curve.x,
                "y": curve.y,
                "points": curve.points.tolist(),
                "weight": None if curve.weight is None else curve.weight.tolist(),
                "limits": None if curve.limits is None else curve.limits.tolist(),
            }
            for name, curve in evaluation.curves.items()
        },
        "confusion": None if evaluation.confusion is None else evaluation.confusion.tolist(),
    }


def _baseline(evaluation: Evaluation) -> dict[str, Any] | None:
    """Whose baseline it was compared with: ``own`` where it was made for this version; "" is that of any version.

    ``compared``: what of it, in words; null = the baseline as it is.
    """
    version = evaluation.baseline_version
    if version is None:
        return None
    own = version == evaluation.key.version
    return {"version": version, "own": own, "compared": evaluation.compared or None}


def _target(target: TargetDrift) -> dict[str, Any]:
    return {
        "state": target.state,
        "decided_by": target.decided_by or None,
        "rows": target.rows,
        "methods": {name: picked(method, "value", "p_value") for name, method in target.methods.items()},
        "effect": target.effect,
        "size": target.size or None,
        "missing": {"was": target.missing_was, "now": target.missing_now},
        "design_effect": target.design_effect,
        "blocks": None if target.blocks is None else list(target.blocks),
    }


def _slice(found: SliceDrift) -> dict[str, Any]:
    """Drift in a slice; ``compared``: with what, where that is not the same slice of the baseline."""
    return {
        "rows": found.rows,
        "state": found.state,
        "compared": found.compared or None,
        "judged": found.judged,
        "share": found.share,
        "features": {name: _target(target) for name, target in found.features.items()},
        "score": None if found.score is None else _target(found.score),
        "class": None if found.predicted is None else _target(found.predicted),
    }


def _joint(found: JointDrift) -> dict[str, Any]:
    told = [{"features": list(one.features), **picked(one, "value", "was", "now", "p_value")} for one in found.told]
    known = picked(found, "state", "rows", "value", "p_value", "was", "now")
    return {**known, "told_by": told, "sentence": found.sentence}


def _explanation(explanation: Explanation) -> dict[str, Any]:
    return {
        "sentence": explanation.sentence,
        "score": {"was": explanation.score_was, "now": explanation.score_now},
        "causes": [_cause(cause) for cause in explanation.causes],
    }


def _cause(cause: Cause) -> dict[str, Any]:
    return {
        "features": list(cause.features),
        "check": cause.check or None,
        "moved": cause.moved,
        "changes": [picked(one, "where", "was", "now") for one in cause.changes],
        "slice": cause.slice or None,
        "since": None if cause.since is None else iso_time(cause.since),
        "or_before": cause.before,
        **picked(cause, "p_value", "importance", "weight", "score_shift", "sentence"),
    }


def _kept(kept: SlaResult) -> dict[str, Any]:
    """Return whether outcomes came in time; ``within`` in seconds."""
    return {**asdict(kept), "within": kept.within / 10**9}


def _finding(finding: Finding) -> dict[str, Any]:
    found = picked(finding, "check", "features", "severity", "was", "now", "p_value", "sentence")
    return {**found, "features": list(finding.features)}


def _expected(expected: Expected) -> dict[str, Any]:
    found = picked(expected, "feature", "rule", "state", "low", "high", "rows", "sentence")
    return {**found, "feature": expected.feature or None}


def _objective(objective: ObjectiveState) -> dict[str, Any]:
    """Return what came of an objective; ``overdue``: a sentence where nobody could tell for too long."""
    return {
        "objective": objective.rule,
        **picked(objective, "metric", "state", "value", "low", "high", "limit", "rows", "needed", "undecided"),
        "overdue": overdue(objective) or None,
        "since": _time(objective.since),
        "until": _time(objective.until),
        "slice": objective.slice or None,
        **picked(objective, "slices", "sentence"),
    }


def _fast_labels(found: FastLabels) -> dict[str, Any]:
    return {**asdict(found), "sentence": found.sentence}


def _estimate(estimate: Estimate) -> dict[str, Any]:
    """An estimate; ``bounds``: what a window has while all is as in the reference."""
    return {
        **picked(estimate, "value", "low", "high", "sampling_error", "unsure", "reference"),
        "bounds": {"low": estimate.lower_bound, "high": estimate.upper_bound},
        **picked(estimate, "alert", "rows", "source", "method", "error", "error_deviation"),
        "record": picked(estimate.record, "state", "windows", "missed", "inside", "mean_error"),
        "assumes": ASSUMES.removeprefix("assumes "),
    }
