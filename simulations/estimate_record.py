"""How often the record of estimates is wrong: `python -m simulations.estimate_record`.

90 daily windows of a binary model, each judged when its labels are there, a fresh baseline of 20,000 rows each time:
how often right estimates are ever called failed, and wrong ones within ten windows.
"""

from __future__ import annotations

import sys

import numpy as np
from driftline.baseline.baseline import Baseline
from driftline.baseline.sections.estimation import score_grid
from driftline.panes.outcome_sums import fold_outcomes
from driftline.panes.pane import Pane
from driftline.tables.table import F64, Column, ModelKey
from driftline.tables.task import Task
from driftline_processor.core.estimate.estimator import estimate_metrics
from driftline_processor.core.estimate.track_record import with_track_records
from driftline_processor.core.evaluation import Evaluation
from driftline_processor.core.performance.realized import realized
from driftline_processor.core.windows.window import Window

TASK = Task("binary", ("0", "1"), "1")
DAY = 86_400 * 10**9
DAYS, REFERENCE = 90, 20_000


def rows(n: int, rng: np.random.Generator, flipped: float = 0.0) -> tuple[F64, F64]:
    """Scores, and outcomes as likely as they say; a share ``flipped`` of the outcomes is the other one."""
    logit = rng.normal(0, 2, n)
    p = 1 / (1 + np.exp(-logit))
    return p, ((rng.random(n) < p) ^ (rng.random(n) < flipped)).astype(float)


def built(rng: np.random.Generator) -> Baseline:
    p, y = rows(REFERENCE, rng)
    return Baseline.from_frame({"p": p, "y": y}, score="p", actual="y", features=[], model="m", task="binary")


def window(at: int, n: int, baseline: Baseline, rng: np.random.Generator, flipped: float) -> Evaluation:
    p, y = rows(n, rng, flipped)
    parts = {one.part: one.dense(1)[0] for one in score_grid(TASK, p[:, np.newaxis], None, None, np.zeros(n, np.int64))}
    parts |= fold_outcomes(TASK, p[:, np.newaxis], None, Column(numbers=y)).parts | {"rows": np.full(3, float(n))}
    pane = Pane(parts)
    found = estimate_metrics(pane, baseline, TASK, DAY, realized(pane, TASK))
    return Evaluation(ModelKey("m"), Window("1d", at * DAY, (at + 1) * DAY), n, True, estimated=found)


def failed(days: list[Evaluation], metric: str) -> int | None:
    """The first day on which the record of a metric is failed."""
    states = [one.estimated[metric].record.state for one in with_track_records(days)]
    return states.index("failed") if "failed" in states else None


def simulate(n: int, runs: int, flipped: float, days: int, seed: int) -> tuple[float, float]:
    """Return the share of runs in which accuracy, and any of three metrics, was called failed."""
    rng = np.random.default_rng(seed)
    accuracy = any_of = 0
    for _ in range(runs):
        baseline = built(rng)
        made = [window(at, n, baseline, rng, flipped) for at in range(days)]
        found = [failed(made, metric) for metric in ("accuracy", "roc_auc", "log_loss")]
        accuracy += found[0] is not None
        any_of += any(one is not None for one in found)
    return accuracy / runs, any_of / runs


def main(runs: int = 200) -> None:
    for n in (300, 1_000, 10_000):
        some = runs if n < 10_000 else max(runs // 4, 1)
        quiet = simulate(n, some, 0.0, DAYS, 1)
        # a model of accuracy a becomes one of a - f (2 a - 1): 0.79 here, so 0.086 of the outcomes flip for 5 points
        less, far = (simulate(n, some, flipped, 10, 2)[0] for flipped in (0.086, 0.172))
        print(f"{n:,}: quiet {quiet[0]:.1%} (any of three {quiet[1]:.1%}), 5 points {less:.0%}, 10 points {far:.0%}")


if __name__ == "__main__":
    main(*(int(one) for one in sys.argv[1:]))
