"""A fault of the data is named if the rows prove it, and not if another explanation is as good."""

from __future__ import annotations

from typing import cast

import driftline
import numpy as np
import pandas as pd
from driftline.baseline.baseline import Baseline
from driftline.tables.table import F64
from driftline_processor.core import facts
from driftline_processor.core.evaluation import Evaluation
from driftline_processor.core.output_faults import output_faults
from driftline_processor.notebook.report import NotebookReport

from tests.support.planted_faults import Frame, N, judged, rows


def checks(was: Frame, now: Frame) -> list[tuple[str, tuple[str, ...]]]:
    baseline = Baseline.from_frame(was, score="score", model="m", task="binary")
    return [(one.check, one.features) for one in judged(now, baseline=baseline)]


def test_columns_with_the_same_sentinel_are_no_copies() -> None:
    def air(n: int, seed: int, temp: float) -> Frame:
        rng = np.random.default_rng(seed)
        silent = rng.random(n) < 0.08
        warm, humid = rng.normal(temp, 4, n), rng.uniform(0.2, 2.0, n)
        frame = {"temp": warm, "humid": humid, "wind": rng.normal(5, 1, n), "score": rng.random(n)}
        return {**frame, "temp": np.where(silent, -200.0, warm), "humid": np.where(silent, -200.0, humid)}

    assert ("copied", ("temp",)) not in checks(air(10_000, 1, 25.0), air(N, 2, 3.0))
    assert ("unit_change", ("temp",)) not in checks(air(10_000, 1, 25.0), air(N, 2, 3.0))


def test_lost_correlations_of_a_column_in_another_regime_are_not_lost_rows() -> None:
    now = rows(N, 7)
    assert ("unlinked", ("waist",)) in [(one.check, one.features) for one in judged({**now, "waist": _rolled(now)})]
    moved = judged({**now, "waist": _rolled(now) + 4.0})
    assert "unlinked" not in {one.check for one in moved}


def _rolled(frame: Frame) -> F64:
    rolled: F64 = np.roll(frame["waist"], 1)
    return rolled


def test_a_few_rows_of_one_thing_are_no_constant() -> None:
    now = rows(20, 7)
    assert judged({**now, "income": np.full(20, now["income"][0]) + np.arange(20) * 1e-3}) == ()


def binary(n: int, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    x, z = rng.normal(size=n), rng.normal(size=n)
    score = 1 / (1 + np.exp(-(x + 0.5 * z)))
    return pd.DataFrame({"x": x, "z": z, "score": score, "actual": (rng.random(n) < score).astype(int)})


def evaluated(was: pd.DataFrame, now: pd.DataFrame, task: str) -> Evaluation:
    report = driftline.evaluate(now, baseline=was, task=task, progress=False)
    [evaluation] = cast(NotebookReport, report).result.evaluations
    return evaluation


def test_a_collapsed_output_is_a_fault_of_the_output() -> None:
    was, now = (
        one.assign(predicted=one["score"] > 0.5).drop(columns="score") for one in (binary(3_000, 1), binary(1_500, 2))
    )
    was, now = (one.astype({"predicted": int}) for one in (was, now))
    evaluation = evaluated(was, now.assign(predicted=1), "binary")
    assert evaluation.change_kind is not None
    assert evaluation.change_kind.kind == "output_fault"
    [fact] = evaluation.change_kind.evidence
    assert isinstance(fact, facts.OutputCollapsed)
    assert (fact.first, fact.now) == ("1", 1.0)
    healthy = evaluated(was, now, "binary")
    assert healthy.change_kind is None
    far = now.assign(predicted=1, x=now["x"] + 8, actual=1)
    kind = evaluated(was, far, "binary").change_kind
    assert kind is None or kind.kind != "output_fault"


def test_a_constant_score_is_one_fault() -> None:
    was, now = binary(3_000, 1), binary(1_500, 2)
    constant = evaluated(was, now.assign(score=0.8), "binary")
    assert [one.metric for one in output_faults(constant)][:2] == ["score_constant"]


def test_an_input_that_changed_at_once_is_ruled_out_before_the_model_is_retrained() -> None:
    was, now = binary(3_000, 1), binary(1_500, 2)
    shifted = now.assign(x=now["x"] + 4, score=1 / (1 + np.exp(-(now["x"] + 4 + 0.5 * now["z"]))))
    verdict = evaluated(was, shifted, "binary").verdict
    assert verdict is not None
    advice = verdict.advice
    assert isinstance(advice, facts.LearnAnew)
    assert advice.rule_out == ("x",)
