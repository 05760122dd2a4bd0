"""An Evaluation as text and back, so that what was believed, and when, outlives the process; and small in memory."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import Any

import numpy as np
from driftline.tables import F64, ModelKey
from pydantic import TypeAdapter

from driftline_processor.core.estimate.result import Estimate, Record
from driftline_processor.core.evaluation import (
    Cause,
    Change,
    Curve,
    Evaluation,
    Expected,
    Explanation,
    Finding,
    JointDrift,
    MethodValue,
    Metric,
    ObjectiveState,
    SliceDrift,
    SlicePerformance,
    TargetDrift,
    Told,
    Window,
)
from driftline_processor.core.labels.delay import Delay, Kept
from driftline_processor.core.performance.fairness import Fairness
from driftline_processor.core.performance.fast_labels import FastLabels
from driftline_processor.core.performance.weak import WeakSearch

_SLICES = TypeAdapter(dict[str, SlicePerformance])
_WEAK = TypeAdapter(WeakSearch | None)
_FAIRNESS = TypeAdapter(tuple[Fairness, ...])


def to_text(evaluation: Evaluation) -> str:
    """Write an evaluation as JSON that :func:`from_text` reads back whole; equal evaluations are equal texts."""
    return json.dumps(asdict(evaluation), default=_plain, separators=(",", ":"))


def from_text(text: str) -> Evaluation:
    """Read what :func:`to_text` wrote."""
    said = json.loads(text)
    return Evaluation(
        key=ModelKey(**said["key"]),
        window=Window(**said["window"]),
        rows=said["rows"],
        closed=said["closed"],
        distributed=said.get("distributed", 0),  # beliefs from before distributions were read have none
        features={name: _target(target) for name, target in said["features"].items()},
        score=_target_or_none(said["score"]),
        predicted=_target_or_none(said["predicted"]),
        share=said["share"],
        weighted_share=said.get("weighted_share"),
        incident=said.get("incident", {}),
        realized={name: Metric(**metric) for name, metric in said["realized"].items()},
        reference={name: Metric(**metric) for name, metric in said["reference"].items()},
        outcome_rows=said["outcome_rows"],
        coverage=said["coverage"],
        missing_features=tuple(said["missing_features"]),
        new_features=tuple(said["new_features"]),
        findings=tuple(Finding(**{**one, "features": tuple(one["features"])}) for one in said.get("findings", ())),
        baseline_version=said.get("baseline_version"),
        compared=said.get("compared", ""),
        joint={name: _joint(one) for name, one in said.get("joint", {}).items()},
        slices={name: _slice(one) for name, one in said.get("slices", {}).items()},
        expected=tuple(Expected(**one) for one in said.get("expected", ())),
        explanation=None if said.get("explanation") is None else _explanation(said["explanation"]),
        maturity=said.get("maturity", "mature"),
        estimated={
            name: Estimate(**{**one, "record": Record(**one["record"])})
            for name, one in said.get("estimated", {}).items()
        },
        performance_slices=_SLICES.validate_python(said.get("performance_slices", {})),
        ages=_SLICES.validate_python(said.get("ages", {})),
        fast_labels=None if said.get("fast_labels") is None else FastLabels(**said["fast_labels"]),
        weak=_WEAK.validate_python(said.get("weak")),
        fairness=_FAIRNESS.validate_python(said.get("fairness", ())),
        curves={name: _curve(one) for name, one in said.get("curves", {}).items()},
        confusion=_array_or_none(said.get("confusion")),
        immature=said.get("immature", ""),
        unreviewed=said.get("unreviewed", {}),
        young=said.get("young", False),
        objectives=tuple(ObjectiveState(**one) for one in said.get("objectives", ())),
        delay=None if said.get("delay") is None else Delay(**said["delay"]),
        label_sla=None if said.get("label_sla") is None else Kept(**said["label_sla"]),
    )


def share(evaluation: Evaluation, other: Evaluation) -> None:
    """Let an evaluation hold the labels and reference shares of another where they are equal: half of its memory."""
    for name, target in evaluation.features.items():
        like = other.features.get(name)
        if like is not None and like.cells == target.cells and np.array_equal(_or_none(like.was), _or_none(target.was)):
            evaluation.features[name] = replace(target, cells=like.cells, was=like.was)


def _or_none(values: F64 | None) -> F64:
    return np.empty(0) if values is None else values


def _curve(said: dict[str, Any]) -> Curve:
    points = np.array(said["points"], dtype=np.float64).reshape(-1, 2)
    limits = None if said.get("limits") is None else np.array(said["limits"], np.float64).reshape(-1, 2)
    return Curve(said["x"], said["y"], points, _array_or_none(said["weight"]), limits)


def _array_or_none(values: list[Any] | None) -> F64 | None:
    return None if values is None else np.array(values, dtype=np.float64)


def _target(said: dict[str, Any]) -> TargetDrift:
    return TargetDrift(
        **{
            **said,
            "methods": {name: MethodValue(**method) for name, method in said["methods"].items()},
            "cells": tuple(said["cells"]),
            "blocks": None if said.get("blocks") is None else tuple(said["blocks"]),
            "was": _array_or_none(said["was"]),
            "now": _array_or_none(said["now"]),
        }
    )


def _slice(said: dict[str, Any]) -> SliceDrift:
    targets = {name: _target_or_none(said[name]) for name in ("score", "predicted")}
    return SliceDrift(**{**said, **targets, "features": {name: _target(one) for name, one in said["features"].items()}})


def _joint(said: dict[str, Any]) -> JointDrift:
    told = tuple(Told(**{**one, "features": tuple(one["features"])}) for one in said["told"])
    return JointDrift(**{**said, "told": told})


def _target_or_none(said: dict[str, Any] | None) -> TargetDrift | None:
    return None if said is None else _target(said)


def _explanation(said: dict[str, Any]) -> Explanation:
    causes = tuple(
        Cause(
            **{
                **one,
                "features": tuple(one["features"]),
                "changes": tuple(Change(**change) for change in one["changes"]),
            }
        )
        for one in said["causes"]
    )
    return Explanation(**{**said, "causes": causes})


def _plain(value: object) -> object:
    """Numpy values as JSON ones."""
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} has no place in an evaluation")
