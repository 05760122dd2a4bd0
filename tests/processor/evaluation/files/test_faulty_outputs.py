"""Faulty outputs, faulty labels and double rows are named first, of a model that errs on ordinary days."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from driftline.baseline.baseline import Baseline
from driftline_processor.core import facts
from driftline_processor.core.evaluation import Finding, Verdict
from driftline_processor.core.fact import facts_within
from driftline_processor.evaluation.files.evaluate import evaluate_files
from driftline_processor.evaluation.files.evaluate_options import EvaluationOptions
from driftline_processor.evaluation.files.inputs import EvaluationInputs
from driftline_processor.readers.memory import MemoryBaseline, MemoryRows, read_table

from tests.support.paths import ROOT
from tests.support.slow import slow
from tests.support.unwrap import of_type

SEEDS = [0, slow(1), slow(2)]
TWO_FILES = ROOT / "examples/two_files"
Rows = pd.DataFrame
Change = Callable[[Rows, np.random.Generator], Rows]


def rows(n: int, days: int, rng: np.random.Generator) -> Rows:
    """Return rows of a model without an interaction that the truth has, on days that differ."""
    frame = pd.DataFrame(
        {"age": rng.normal(45, 15, n), "visits": rng.poisson(4, n) * 1.0, "pay": rng.lognormal(10, 0.5, n)}
    )
    day = np.sort(rng.integers(0, days, n))
    known = 0.08 * (frame.age - 45) - 0.8 * (np.log(frame.pay) - 10)
    truth = known - 0.3 * (frame.visits - 4) * np.sign(frame.age - 40) + rng.normal(0, 0.1, days)[day]
    frame["score"] = 1 / (1 + np.exp(-known))
    frame["late"] = (rng.random(n) < 1 / (1 + np.exp(-truth))).astype(int)
    frame["time"] = pd.Timestamp("2026-03-01", tz="UTC") + pd.to_timedelta(
        day * 86_400 + rng.random(n) * 86_000, unit="s"
    )
    return frame.assign(id=[f"{at:08d}" for at in range(n)])


def verdict_of(change: Change, seed: int) -> Verdict:
    rng = np.random.default_rng(seed)
    reference = rows(4_000, 20, rng)
    current = change(rows(2_400, 8, rng), rng)
    return evaluated(current, read_table(reference, "baseline"))


def evaluated(current: Rows, reference: MemoryRows | MemoryBaseline, **more: str) -> Verdict:
    columns: dict[str, Any] = {"score": ("score",), "actual": "late", "id": "id", "time": "time", **more}
    of_rows: dict[str, Any] = {} if isinstance(reference, MemoryBaseline) else {"task": "binary", "positive_class": "1"}
    inputs = EvaluationInputs([read_table(current, "current")], reference)
    return evaluate_files(inputs, EvaluationOptions(**columns, **of_rows), lambda _: None).verdict


def built(reference: Rows) -> MemoryBaseline:
    columns: dict[str, Any] = {"score": "score", "actual": "late", "time": "time"}
    return MemoryBaseline(Baseline.from_frame(reference.drop(columns="id"), **columns, model="m", task="binary"))


def with_score(score: Callable[[Rows, np.random.Generator], Any]) -> Change:
    return lambda frame, rng: frame.assign(score=score(frame, rng))


FAULTS: dict[str, tuple[Change, str, str, str]] = {
    "classes swapped": (
        with_score(lambda frame, _: 1 - frame.score),
        "output_fault",
        "ranks_the_wrong_way",
        "repair_output",
    ),
    "percentages": (
        with_score(lambda frame, _: frame.score * 100),
        "output_fault",
        "score_out_of_range",
        "repair_output",
    ),
    "30 % NaN": (
        with_score(lambda frame, rng: frame.score.where(rng.random(len(frame)) > 0.3)),
        "output_fault",
        "score_missing",
        "repair_output",
    ),
    "classes as scores": (
        with_score(lambda frame, _: (frame.score > 0.5) * 1.0),
        "output_fault",
        "score_classes",
        "repair_output",
    ),
    "a default": (with_score(lambda *_: 0.5), "output_fault", "score_constant", "repair_output"),
    "a default in nineteen of twenty": (
        with_score(lambda frame, rng: frame.score.where(rng.random(len(frame)) > 0.95, 0.0)),
        "output_fault",
        "score_constant",
        "repair_output",
    ),
    "only positives": (lambda frame, _: frame.assign(late=1), "data_fault", "outcomes_of_one_class", "check_labels"),
    "only negatives": (lambda frame, _: frame.assign(late=0), "data_fault", "outcomes_of_one_class", "check_labels"),
    "sent twice": (
        lambda frame, _: pd.concat([frame, frame.assign(id=frame.id + "-2")], ignore_index=True),
        "data_fault",
        "duplicates",
        "stop_duplicates",
    ),
}


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_the_cause_and_its_repair_the_advice(fault: str, seed: int) -> None:
    change, kind, cause, advice = FAULTS[fault]
    verdict = verdict_of(change, seed)
    assert verdict.cause is not None
    assert verdict.advice is not None
    found = verdict.cause.check if isinstance(verdict.cause, Finding) else verdict.cause.kind
    assert (found, verdict.advice.kind) == (cause, advice)
    assert verdict.kind in (kind, "")
    assert verdict.cause in [one for reason in verdict.reasons for one in facts_within(reason)]
    assert verdict.state == "degraded" if kind == "output_fault" else verdict.state != "degraded"


def test_classes_without_a_score_are_said_to_be_classes() -> None:
    rng = np.random.default_rng(0)
    reference, current = (
        frame.assign(predicted=(frame.score > 0.5).astype(int)) for frame in (rows(4_000, 20, rng), rows(2_400, 8, rng))
    )
    verdict = evaluated(current.assign(score=np.nan), read_table(reference, "baseline"), predicted="predicted")
    assert (verdict.state, verdict.cause) == ("degraded", facts.ClassesWithoutScore(was=0.0, now=1.0))


@pytest.mark.parametrize("seed", SEEDS)
def test_a_model_without_a_fault_is_not_told_to_repair_anything(seed: int) -> None:
    verdict = verdict_of(lambda frame, _: frame, seed)
    assert verdict.state != "degraded"
    assert verdict.kind == ""


@pytest.mark.parametrize("share", [1.0, 0.6])
@pytest.mark.parametrize("is_built", [False, True])
def test_rows_of_the_baseline_are_healthy_and_said_to_be_its_rows(share: float, is_built: bool) -> None:
    rng = np.random.default_rng(7)
    reference, other = rows(4_000, 20, rng), rows(4_000, 8, rng)
    current = pd.concat([reference[: round(4_000 * share)], other[round(4_000 * share) :]], ignore_index=True)
    verdict = evaluated(current, built(reference) if is_built else read_table(reference, "baseline"))
    if is_built and share < 1:  # a built baseline has only sums
        assert verdict.reasons[0].kind != "same_rows"
    else:
        assert (verdict.state, verdict.reasons[0]) == ("healthy", facts.SameRows(share=share))


def test_rows_of_the_baseline_with_other_scores_are_judged_by_their_outcomes() -> None:
    reference = rows(4_000, 20, np.random.default_rng(8))
    verdict = evaluated(reference.assign(score=1 - reference.score), read_table(reference, "baseline"))
    assert (verdict.state, verdict.kind) == ("degraded", "output_fault")


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("is_trained", [True, False])
def test_a_baseline_of_training_rows_is_asked_about(is_trained: bool, seed: int) -> None:
    rng = np.random.default_rng(seed)
    reference, current = rows(4_000, 20, rng), rows(2_400, 4, rng)
    if is_trained:  # as of a forest, whose scores of its own rows lie near their outcomes
        reference["score"] = 0.5 * reference.score + 0.5 * reference.late
    verdict = evaluated(current, read_table(reference, "baseline"), window="1d")
    advice = verdict.advice
    assert advice is not None
    assert (advice.kind == "check_baseline") == is_trained
    assert ("never_as_good" in [reason.kind for reason in verdict.reasons]) == is_trained


def test_a_perfect_baseline_is_asked_about_in_the_first_window() -> None:
    rng = np.random.default_rng(0)
    reference, current = rows(4_000, 20, rng), rows(2_400, 4, rng)
    reference["score"] = 0.4 * reference.score + 0.6 * reference.late
    verdict = evaluated(current, read_table(reference, "baseline"))
    assert verdict.cause is not None
    assert verdict.advice is not None
    assert (verdict.cause.kind, verdict.advice.kind) == ("never_as_good", "check_baseline")


def test_outcomes_of_other_names_are_the_cause() -> None:
    rng = np.random.default_rng(4)
    reference, current = rows(4_000, 20, rng), rows(2_400, 4, rng)
    named = pd.DataFrame({"id": current.id, "actual": current.late.map({0: "no", 1: "yes"})})
    inputs = EvaluationInputs(
        [read_table(current.drop(columns="late"), "current")],
        read_table(reference.rename(columns={"late": "actual"}), "baseline"),
        read_table(named, "outcomes"),
    )
    options = EvaluationOptions(score=("score",), id="id", time="time", task="binary")
    verdict = evaluate_files(inputs, options, lambda _: None).verdict
    unknown = of_type(verdict.cause, facts.OutcomesUnknown).unknown
    assert (verdict.state, unknown.kind, unknown.rows) == ("unknown", "actual", 2_400)


@pytest.mark.slow
def test_a_model_that_became_worse_later_is_not_asked_about_its_baseline() -> None:
    rng = np.random.default_rng(3)
    reference, current = rows(4_000, 20, rng), rows(6_000, 10, rng)
    later = current.time >= current.time.min() + pd.Timedelta(days=5)
    current["late"] = current.late.where(~later | (rng.random(len(current)) > 0.4), 1 - current.late)
    verdict = evaluated(current, read_table(reference, "baseline"), window="1d")
    assert verdict.state == "degraded"
    assert "never_as_good" not in [reason.kind for reason in verdict.reasons]


@pytest.mark.parametrize("window", ["6h", "1d"])
def test_short_windows_of_one_class_do_not_degrade_the_model(window: str) -> None:
    rng = np.random.default_rng(5)
    reference, current = rows(4_000, 20, rng), rows(480, 4, rng).assign(late=1)
    verdict = evaluated(current, read_table(reference, "baseline"), window=window)
    assert verdict.state in ("at_risk", "unknown")
    assert verdict.advice is not None
    assert not verdict.advice.kind.startswith(("retrain", "recalibrate"))


def test_swapped_classes_beside_new_values_are_a_fault_of_the_output() -> None:
    current, reference = (pd.read_parquet(TWO_FILES / f"{name}.parquet") for name in ("lastweek", "reference"))
    verdict = evaluated(current.assign(score=1 - current.score), read_table(reference, "baseline"))
    assert verdict.advice is not None
    assert (verdict.kind, verdict.advice.kind) == ("output_fault", "repair_output")
