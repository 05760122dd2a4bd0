"""The kind of change: each planted kind is named, with its evidence, and nothing is named where nothing changed."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from driftline.tables.table import ModelKey
from driftline_processor.core import facts
from driftline_processor.core.change import is_faulty, kind_of_change, kind_of_loss
from driftline_processor.core.evaluation import (
    ColumnDrift,
    Evaluation,
    Finding,
    LossEvidence,
    LossPart,
    MetricValue,
    ObjectiveState,
    ServiceLevel,
)
from driftline_processor.core.windows.window import Window
from driftline_processor.present.sentences.causes import CAVEAT, OPEN, change_sentence
from msgspec.structs import replace

from simulations.kinds_of_change import (
    Rows,
    built,
    calls,
    covariate,
    default,
    flipped,
    judged,
    label,
    level,
    missing,
    quiet,
    reversed_effect,
    unit,
)
from tests.support.unwrap import of_type, unwrap

DAY = Window("1d", 0, 86_400 * 10**9)
ONE = np.eye(6)[0]


def kind(draw: Callable[[np.random.Generator], Rows], outcomes: bool = True, seed: int = 3) -> Evaluation:
    rng = np.random.default_rng(seed)
    return judged(draw(rng), built(rng), outcomes)


@pytest.mark.parametrize(
    ("draw", "named"),
    [
        (missing(0.2), "data_fault"),
        (unit, "data_fault"),
        (covariate(0.4 * ONE), "covariate_shift"),
        (label(0.5), "label_shift"),
        (level(0.8), "calibration"),
        (reversed_effect, "concept_change"),
        (flipped(0.15), "concept_change"),
    ],
)
def test_a_planted_change_is_named_once_outcomes_are_known(
    draw: Callable[[np.random.Generator], Rows], named: str
) -> None:
    found = unwrap(kind(draw).change_kind)
    assert found.kind == named
    assert found.evidence


@pytest.mark.parametrize(("draw", "named"), [(covariate(0.4 * ONE), "covariate_shift"), (label(0.5), "label_shift")])
def test_without_outcomes_scores_and_features_tell_which_and_the_sentence_says_what_they_cannot(
    draw: Callable[[np.random.Generator], Rows], named: str
) -> None:
    found = unwrap(kind(draw, outcomes=False).change_kind)
    assert found.kind == named
    assert change_sentence(found).endswith(f"; {OPEN}")


def test_a_concept_change_says_that_labels_may_be_wrong_instead() -> None:
    found = unwrap(kind(flipped(0.15)).change_kind)
    assert (found.kind, found.reason) == ("concept_change", "meaning_changed")
    assert change_sentence(found).endswith(f"; {CAVEAT}")


@pytest.mark.parametrize("draw", [calls(0.06), calls(slow=0.2), calls(failing=0.03), default(0.1)])
def test_a_service_that_is_slow_fails_or_answers_with_one_value_is_named(
    draw: Callable[[np.random.Generator], Rows],
) -> None:
    found = unwrap(kind(draw, outcomes=False).change_kind)
    assert found.kind == "service"
    assert change_sentence(found).startswith("the service itself changed: ")


def test_one_answer_for_all_calls_is_a_fault_of_the_output() -> None:
    found = unwrap(kind(default(1.0), outcomes=False).change_kind)
    assert (found.kind, found.reason) == ("output_fault", "output_faulty")
    assert of_type(found.evidence[0], Finding).check == "score_constant"


def test_calls_that_are_as_usual_and_few_defaults_name_nothing() -> None:
    assert kind(calls(failing=0.003), outcomes=False).change_kind is None
    assert kind(default(0.01), outcomes=False).change_kind is None


def test_many_failures_need_no_objective() -> None:
    rate = MetricValue(0.2, 1_000, "panes", 0.0, 0.17, 0.23, "clopper_pearson")
    found = kind_of_change(window(service=ServiceLevel(1_000, 200, {"TimeoutError": 200}, {"error_rate": rate})))
    assert found is not None
    assert found.kind == "service"
    assert "200" not in change_sentence(found)
    assert "20.0 % of 1,000 calls failed" in change_sentence(found)


@pytest.mark.parametrize("outcomes", [True, False])
def test_a_quiet_window_has_no_kind(outcomes: bool) -> None:
    assert kind(quiet, outcomes).change_kind is None


def window(**fields: object) -> Evaluation:
    return Evaluation(ModelKey("m"), DAY, 1_000, True, **fields)  # type: ignore[arg-type]


def test_a_broken_objective_of_the_service_goes_before_all_else() -> None:
    slow = ObjectiveState("latency_p99", "latency_p99 <= 0.1", "broken", 0.4, 0.3, 0.5, 1_000)
    drift = ColumnDrift("feature", "x", "drift", "ks", 1_000, {})
    found = unwrap(kind_of_change(window(objectives=(slow,), features={"x": drift})))
    assert (found.kind, found.evidence) == ("service", (facts.RuleBroken(rule="latency_p99 <= 0.1"),))
    assert kind_of_change(window(objectives=(replace(slow, metric="accuracy"),))) is None


def test_values_out_of_range_are_inputs_that_moved() -> None:
    drift = ColumnDrift("feature", "x", "drift", "ks", 1_000, {})
    finding = Finding("out_of_range", ("x",), "critical", 0.0, 0.6, 0.0)
    found = unwrap(kind_of_change(window(findings=(finding,), features={"x": drift})))
    assert found.kind == "covariate_shift"
    assert found.evidence == (facts.ColumnsDrift(names=("x",)),)


@pytest.mark.parametrize(
    ("returns", "excess", "units", "faulty"),
    [
        (0.0, 0.05, ("km to miles",), True),
        (0.04, 0.05, ("km to miles",), False),
        (0.0, 0.02, ("km to miles",), False),
        (0.0, 0.05, (), False),
    ],
)
def test_a_factor_that_may_be_growth_is_a_fault_if_a_loss_does_not_return_with_the_old_values(
    returns: float, excess: float, units: tuple[str, ...], faulty: bool
) -> None:
    finding = Finding("unit_change", ("x",), "minor", 0.0, 1.0, 0.0, factors=(0.62,), units=units)
    part = LossPart(returns, 0.01**2)
    evidence = LossEvidence(1_000, "log_loss", LossPart(excess, 0.01**2), {"x": part}, part)
    assert is_faulty(finding, evidence) is faulty
    assert not is_faulty(finding)


@pytest.mark.parametrize(("covered", "kind"), [(0.1, "covariate_shift"), (0.9, "label_shift")])
def test_new_values_are_no_label_shift_while_another_metric_than_the_loss_is_worse(covered: float, kind: str) -> None:
    part = LossPart(0.01, 0.02**2, covered)
    evidence = LossEvidence(800, "log_loss", part, {"x": part}, part, rates=100.0, classes=1.0, scores=100.0)
    assert kind_of_loss(evidence) == kind
