"""Windows that are judged together are judged as each is alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
import pytest
from driftline.baseline.baseline import Baseline
from driftline.baseline.from_frame import table_from_frame
from driftline.panes.fold import fold
from driftline.panes.outcome_sums import fold_outcomes
from driftline.panes.pane import Pane, merge
from driftline.tables.table import ModelKey
from driftline_processor.core.drift import rule
from driftline_processor.core.drift.method_choice import Choice, Choices
from driftline_processor.core.judge_window import AskedWindow, ModelWindow, judge_windows
from driftline_processor.core.model_settings import ModelSettings
from driftline_processor.core.reference.reference import Reference
from driftline_processor.core.window_context import SliceContext, WindowContext
from driftline_processor.core.windows.window import DAY, HOUR, Window
from msgspec import Struct
from msgspec.structs import astuple

from tests.support.slow import slow

START = 1_772_323_200_000_000_000
SAID: dict[str, Any] = {"score": "score", "actual": "actual", "model": "m", "task": "binary", "time": "time"}
NAMES = ("amount", "tail", "few", "flag", "city", "constant", "vector")


def frame(rng: np.random.Generator, n: int, hours: int, shift: float, *, vectors: bool) -> dict[str, Any]:
    """Rows of numbers, of few values, of categories of which some are rare, and of vectors, with values that lack."""
    amount = rng.normal(shift, 1.0, n)
    amount[rng.random(n) < 0.1 * abs(shift)] = np.nan
    score = rng.random(n)
    columns = {
        "amount": amount,
        "tail": rng.lognormal(shift, 1.5, n),
        "few": rng.integers(0, 4, n).astype(float),
        "flag": rng.random(n) < 0.5 + 0.2 * shift,
        "city": np.array([f"city {one}" for one in np.minimum(rng.geometric(0.15, n), 40)], object),
        "constant": np.ones(n),
        "score": score,
        "actual": (rng.random(n) < score).astype(int),
        "time": START + np.sort(rng.integers(0, hours * HOUR, n)),
    }
    return columns | ({"vector": list(rng.normal(shift, 1.0, (n, 8)))} if vectors else {})


def folded(rows: dict[str, Any], baseline: Baseline) -> Pane:
    table, truth, *_ = table_from_frame(rows, features=[name for name in NAMES if name in rows], **SAID)
    assert truth is not None
    return merge([fold(table, baseline.bins), fold_outcomes(table.task, table.scores, None, truth)])


def plain(value: Any) -> Any:
    """Everything in a value, as lists, texts and numbers."""
    if isinstance(value, Struct):
        return [plain(each) for each in astuple(value)]
    if is_dataclass(value) and not isinstance(value, type):
        return [plain(getattr(value, field.name)) for field in fields(value)]
    if isinstance(value, dict):
        return [[key, plain(one)] for key, one in value.items()]
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    return plain(value.tolist()) if isinstance(value, np.ndarray) else value


def same(one: Any, other: Any) -> bool:
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, float) and isinstance(other, float):
        return one == pytest.approx(other, rel=1e-9, abs=1e-12, nan_ok=True)
    return bool(one == other)


def windows_of(seed: int) -> list[AskedWindow]:
    """Windows beside three references: days that differ, hours, and a slice; some moved, empty or without a feature."""
    rng = np.random.default_rng(seed)
    weeks = Baseline.from_frame(frame(rng, 4_000, 24 * 21, 0.0, vectors=True), features=list(NAMES), **SAID)
    hours = Baseline.from_frame(frame(rng, 900, 6, 0.0, vectors=False), features=[*NAMES[:-1]], slices=["city"], **SAID)
    asked = []
    for at in range(8):
        baseline = (weeks, hours)[at % 2]
        rows = frame(rng, int(rng.integers(1, 1_500)), 1, float(rng.choice([0.0, 0.1, 1.0])), vectors=at % 4 != 2)
        pane = Pane() if at == 3 else folded(rows, baseline)
        if at == 5:
            del pane.parts["feature:tail"]
        slices = {"city=city 1": SliceContext(folded({k: v[:300] for k, v in rows.items()}, baseline))}
        window = Window("1h", START + at * HOUR, START + (at + 1) * HOUR)
        context = WindowContext(slices=slices if at in (1, 7) else {})
        asked.append(AskedWindow(ModelWindow(ModelKey("m"), window, pane), Reference(baseline), context))
    week = Window("1w", START, START + 7 * DAY)
    rows = frame(rng, 3_000, 24 * 7, 0.3, vectors=True)
    asked.append(AskedWindow(ModelWindow(ModelKey("m"), week, folded(rows, weeks)), Reference(weeks, shift=0.5)))
    asked.append(AskedWindow(ModelWindow(ModelKey("m"), week, folded(rows, weeks))))
    return asked


@pytest.mark.parametrize("seed", [0, slow(1), slow(2), slow(3)])
def test_windows_that_are_judged_together_are_judged_as_each_is_alone(seed: int) -> None:
    choices = Choices(Choice(("psi",), ("wasserstein", "hellinger")), {"amount": Choice(("cramer_von_mises",))})
    for settings in (ModelSettings(), ModelSettings(min_effect={"amount": 0.3}, choices=choices)):
        asked = [window._replace(settings=settings) for window in windows_of(seed)]
        together = judge_windows(asked)
        states = {column.state for found in together for column in found.features.values()}
        assert {"ok", "drift", "inconclusive"} <= states
        for one, found in zip(asked, together, strict=True):
            assert same(plain(found), plain(judge_windows([one])[0]))


@pytest.mark.slow
def test_many_targets_are_compared_a_few_windows_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, sizes, together = windows_of(5), list[int](), rule._drift_together
    whole = plain(judge_windows(asked))

    def counted(families: Sequence[rule.Family]) -> list[dict[str, rule.Drift]]:
        sizes.append(sum(len(family.slices) for family in families))
        return together(families)

    monkeypatch.setattr(rule, "MOST_TARGETS", 20)
    monkeypatch.setattr(rule, "_drift_together", counted)
    assert same(plain(judge_windows(asked)), whole)
    assert max(sizes) <= 3  # samples of six to eight columns
    assert sum(sizes) == 11  # nine windows that have a reference, two of them with a slice


def test_no_windows_are_no_evaluations() -> None:
    assert judge_windows([]) == []
