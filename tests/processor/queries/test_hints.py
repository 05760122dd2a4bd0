"""A baseline of rows that the model was trained on: every window since does worse."""

from __future__ import annotations

import pytest
from driftline.tables.table import ModelKey
from driftline_processor.core.evaluation import Evaluation, MetricValue
from driftline_processor.core.windows.window import Window
from driftline_processor.queries.hints import suspicious_metric

from tests.support.state_fixtures import Open
from tests.support.state_rows import DAY, NOON, Clock, baseline, outcomes, predictions


def window(
    now: float | None, was: float = 0.9, name: str = "roc_auc", rows: int = 200, closed: bool = True
) -> Evaluation:
    return Evaluation(
        ModelKey("m"),
        Window("1d", 0, DAY),
        rows,
        closed,
        realized={name: MetricValue(now, rows, "rows")},
        reference={name: MetricValue(was, 1_000, "panes")},
        outcome_rows=rows,
    )


@pytest.mark.parametrize(
    ("windows", "found"),
    [
        ([window(0.8)] * 8, ("roc_auc", 0.9, 0.8, 8)),
        ([window(0.8)] * 9 + [window(0.7)] * 3, ("roc_auc", 0.9, 0.8, 12)),
        ([window(3.0, 2.0, "rmse"), *[window(2.5, 2.0, "rmse")] * 7], ("rmse", 2.0, 2.5, 8)),
        ([window(0.8)] * 7, None),
        ([window(0.8)] * 8 + [window(0.91)], None),
        ([window(0.8)] * 7 + [window(0.8, closed=False)], None),
        ([window(0.8)] * 7 + [window(0.8, rows=99)], None),
        ([window(0.8)] * 7 + [window(None)], None),
        ([window(1.9, 2.0, "rmse")] * 8, None),
    ],
)
def test_only_what_every_window_says_counts(windows: list[Evaluation], found: object) -> None:
    assert suspicious_metric(windows) == found


@pytest.mark.slow
def test_the_page_says_so_and_stops_when_one_window_is_as_good(open_state: Open, clock: Clock) -> None:
    state = open_state()
    clock.now = NOON + 30 * DAY
    scores = [0.1, 0.9] * 300
    trained = baseline(scores, {"x": scores}, actual=[0, 1] * 300)
    state.send(baselines=[trained.to_json()])

    def day(at: int, wrong: int) -> None:
        ids = [f"{at}-{row}" for row in range(200)]
        said = [0.1, 0.9] * 100
        state.send(predictions(ids, NOON + at * DAY, said, features={"x": said}))
        truth = [float(row % 2) if row >= wrong else 1.0 - row % 2 for row in range(200)]
        state.send(outcomes(ids, truth, NOON + at * DAY))

    for at in range(8):
        day(at, 40)
    day(9, 40)  # closes the eighth
    said = (
        "with outcomes perform worse than the rows of its baseline (ROC AUC 1 in the baseline, "
        "0.8 at best since then): if the model "
        "was trained on these rows, build the baseline from other rows."
    )
    assert any(said in hint for hint in state.view().hints)
    day(10, 0)
    day(12, 0)
    assert not any(said in hint for hint in state.view().hints)
