"""The headline of faultless models is not that of their lucky hours."""

from __future__ import annotations

import numpy as np
from driftline.baseline.baseline import Baseline
from driftline.baseline.sections.catalogue import Extras
from driftline.baseline.sections.estimation import Estimation
from driftline.baseline.sections.time_blocks import OutcomeBlocks
from driftline.panes.model_bins import ModelBins
from driftline.panes.pane import Pane, merge
from driftline.tables.table import ModelKey
from driftline_processor.core.evaluation import Evaluation
from driftline_processor.core.performance.judge import judge_performance
from driftline_processor.core.performance.settings import STANDARD
from driftline_processor.core.performance.window_outcomes import WindowOutcomes
from driftline_processor.core.windows.window import DAY, HOUR, Window

from simulations.worse import BINARY, Scores
from tests.support.verdict_windows import verdict_of_model

MODELS, DAYS, ROWS = 12, 5, 25
"""Models, days of each, and rows of an hour."""


def evaluate(pane: Pane, baseline: Baseline, start: int, length: int) -> Evaluation:
    name, rows = "1d" if length == DAY else "1h", int(pane.parts["outcomes"][0])
    evaluation = Evaluation(
        ModelKey("m"), Window(name, start, start + length), rows, True, outcome_rows=rows, coverage=1.0
    )
    judge_performance(evaluation, pane, baseline, BINARY, WindowOutcomes(), STANDARD)
    return evaluation


def test_the_loss_of_the_headline_is_on_neither_side_of_that_of_all_rows() -> None:
    rng, faultless, deviations, states = np.random.default_rng(27), Scores(), [], []
    for _ in range(MODELS):
        reference = [faultless(rng, 2_000, 0.0) for _ in range(14)]
        extras = Extras(estimation=Estimation(blocks=OutcomeBlocks.of(DAY, reference)))
        baseline = Baseline("m", "", BINARY, ModelBins(), merge(reference), extras=extras)
        hours = [faultless(rng, ROWS, 0.0) for _ in range(24 * DAYS)]
        days = [merge(hours[at : at + 24]) for at in range(0, len(hours), 24)]
        windows = [evaluate(pane, baseline, at * HOUR, HOUR) for at, pane in enumerate(hours)]
        windows += [evaluate(pane, baseline, at * DAY, DAY) for at, pane in enumerate(days)]
        verdict = verdict_of_model(windows)
        states.append(verdict.state)
        assert verdict.window_start is not None
        assert verdict.window_end is not None
        assert verdict.window_end - verdict.window_start >= DAY
        spoken = merge(hours[verdict.window_start // HOUR : verdict.window_end // HOUR])
        deviations.append(loss(spoken) - loss(merge(hours)))
    assert set(states) == {"healthy"}
    error = np.std(deviations, ddof=1) / np.sqrt(MODELS)
    assert abs(np.mean(deviations)) <= 3 * error + 1e-12


def loss(pane: Pane) -> float:
    losses = pane.parts["losses"]
    return float(losses[BINARY.losses.index("log_loss")] / losses[0])
