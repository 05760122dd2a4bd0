"""New proportions of several classes explain a loss if the model is as wrong in each class as before."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from driftline_processor.core import facts
from driftline_processor.core.evaluation import Verdict

from tests.support.evaluated import evaluated
from tests.support.unwrap import of_type, unwrap

WRONG = {"a": 0.02, "b": 0.05, "c": 0.9}
"""The fraction of wrong predictions by class."""


def verdict_of(shares: tuple[float, float, float], wrong: dict[str, float], seed: int = 1) -> Verdict:
    """Return the verdict of 1,000 rows beside a baseline in which 8 % of the rows are of class c."""

    def rows(n: int, of_classes: tuple[float, float, float], errors: dict[str, float]) -> pd.DataFrame:
        random = np.random.default_rng(seed + n)
        actual = pd.Series(random.choice(list("abc"), n, p=of_classes))
        missed = random.random(n) < actual.map(errors)
        decided = actual.where(~missed, actual.map({"a": "b", "b": "a", "c": "a"}))
        return pd.DataFrame({"x": random.normal(size=n), "predicted": decided, "actual": actual})

    options = {"task": "multiclass", "predicted": "predicted", "actual": "actual"}
    return unwrap(evaluated(rows(1_000, shares, wrong), rows(4_000, (0.5, 0.42, 0.08), WRONG), **options).verdict)


def test_a_class_that_was_always_hard_and_became_frequent_is_the_cause() -> None:
    verdict = verdict_of((0.35, 0.3, 0.35), WRONG)
    cause = of_type(verdict.cause, facts.ProportionsChanged)
    assert (verdict.state, verdict.kind, cause.class_name) == ("degraded", "label_shift", "c")
    assert (cause.was, cause.now, cause.error) == pytest.approx((0.08, 0.35, 0.9), abs=0.04)
    assert cause.share > 0.9
    assert unwrap(verdict.advice).kind == "retrain"


def test_errors_within_the_classes_are_not_explained_by_their_proportions() -> None:
    verdict = verdict_of((0.4, 0.48, 0.12), {"a": 0.3, "b": 0.3, "c": 0.9})
    assert (verdict.state, verdict.kind) == ("degraded", "concept_change")
