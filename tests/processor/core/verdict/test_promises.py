"""What every verdict keeps, whatever a window holds."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from driftline_processor.core.concept.result import ConceptDrift
from driftline_processor.core.evaluation import Evaluation, Verdict
from driftline_processor.core.verdict.context import VerdictContext
from driftline_processor.core.verdict.states import ORDER, rank_state
from driftline_processor.core.verdict.traffic import Traffic
from driftline_processor.core.versions.side_by_side import SideBySide
from driftline_processor.core.windows.window import Window
from driftline_processor.present.sentences.verdict import verdict_action, verdict_certainty, verdict_sentence
from msgspec.structs import replace

from tests.support.any_object import Builder
from tests.support.paths import ROOT
from tests.support.slow import slow
from tests.support.verdict_examples import verdict_of_window
from tests.support.verdict_windows import (
    COLD,
    DAY,
    JULY,
    MISSING,
    column,
    explained,
    objective,
    right,
    verdict_of_model,
    window,
    wrong,
)

JARGON = re.compile(r"p-value|p_value|\bPSI\b|\bKS\b|Kolmogorov|chi-sq|null hypoth|at_risk|not_worse|bootstrap")
MOST_CHARACTERS = 520
"""Names are shortened, so no sentence is longer, whatever names are given."""

PAGE = ROOT / "docs/concepts/verdict.md"
METRICS = (
    "log_loss",
    "roc_auc",
    "accuracy",
    "mae",
    "actual_rate",
    "mean_score",
    "log_loss_constant",
    "ndcg@10",
    "mine",
)
HOSTILE = "\x1b[31m a b c d e f g h i j k l m n o p q r s t u v w x y z 0 1 2 3 4 5 6 7 8 9 \u202e<script>\n" * 3
SEEDS = [*range(30), *map(slow, range(30, 120))]


def any_evaluation(seed: int) -> Evaluation:
    """Return an evaluation with something in every field, whose metrics have names that there are."""
    found: Evaluation = Builder(seed, gaps=seed % 4 / 4).build(Evaluation)
    draw = np.random.default_rng(seed)
    for name in ("realized", "reference", "realized_changes", "estimated", "estimated_changes"):
        metrics = getattr(found, name)
        names = draw.choice(METRICS, len(metrics), replace=False)
        setattr(found, name, dict(zip(map(str, names), metrics.values(), strict=True)))
    start = JULY + seed % 50 * DAY
    return replace(found, window=Window("1d", start, start + DAY) if seed % 5 else Window("", 0, 0))


def any_context(seed: int) -> VerdictContext:
    build = Builder(seed, gaps=seed % 3 / 4, depth=3).build
    return VerdictContext(build(ConceptDrift), (build(SideBySide),), "Europe/Paris" if seed % 2 else "UTC")


def check_words(verdict: Verdict) -> None:
    for text in (verdict_sentence(verdict), verdict_action(verdict), verdict_certainty(verdict)):
        assert text.endswith("."), text
        assert text.isprintable(), text
        assert not text.endswith(".."), text
        assert not JARGON.search(text), text
    assert len(verdict_sentence(verdict)) <= MOST_CHARACTERS
    assert "\n" not in verdict_sentence(verdict)
    assert bool(verdict.assumes) == ("--time" in verdict_sentence(verdict)) or verdict.slice


@pytest.mark.parametrize("seed", SEEDS)
def test_whatever_a_window_holds_there_is_one_plain_sentence(seed: int) -> None:
    evaluation, context = any_evaluation(seed), any_context(seed)
    verdict = verdict_of_window(evaluation, context)
    check_words(verdict)
    assert verdict == verdict_of_window(any_evaluation(seed), any_context(seed))


@pytest.mark.parametrize("seed", [*range(8), *map(slow, range(8, 30))])
def test_whatever_windows_there_are_their_order_does_not_matter(seed: int) -> None:
    windows = [any_evaluation(seed * 7 + at) for at in range(6)]
    shuffled = [windows[at] for at in np.random.default_rng(seed).permutation(len(windows))]
    traffic = Builder(seed, gaps=0.3).build(Traffic)
    verdict = verdict_of_model(windows, traffic, context=any_context(seed))
    check_words(verdict)
    starts = [one.window for one in windows]
    if len(set(starts)) == len(starts):
        assert verdict == verdict_of_model(shuffled, traffic, context=any_context(seed))


@pytest.mark.parametrize("seed", SEEDS)
def test_a_broken_objective_never_makes_a_window_better(seed: int) -> None:
    evaluation = any_evaluation(seed)
    before = verdict_of_window(evaluation)
    after = verdict_of_window(replace(evaluation, objectives=(*evaluation.objectives, objective())))
    assert rank_state(after.state) <= rank_state(before.state)


@pytest.mark.parametrize("seed", SEEDS)
def test_faulty_data_never_makes_a_window_better(seed: int) -> None:
    evaluation = any_evaluation(seed)
    before = verdict_of_window(evaluation)
    after = verdict_of_window(replace(evaluation, findings=(*evaluation.findings, MISSING)))
    assert rank_state(after.state) <= rank_state(before.state)


@pytest.mark.parametrize(
    "more",
    [
        {"objectives": (objective(rule=HOSTILE, slice=f"a={HOSTILE}"),)},
        {"explanation": explained(replace(COLD, features=(HOSTILE, HOSTILE)))},
        {"findings": (replace(MISSING, features=(HOSTILE,)),)},
        {"features": {HOSTILE: column(name=HOSTILE)}},
        {"realized": {}, "reference": {}},
    ],
)
def test_names_of_strangers_neither_break_nor_lengthen_a_sentence(more: dict[str, Any]) -> None:
    for evaluation in (window(**more), wrong(**more), right(**more)):
        check_words(verdict_of_window(evaluation))


def test_the_table_of_the_page_has_the_states_in_their_order() -> None:
    table = PAGE.read_text(encoding="utf-8").partition("<!-- states -->\n")[2].partition("<!-- /states -->")[0]
    assert [row.split("`")[1] for row in table.splitlines()] == [*ORDER]
