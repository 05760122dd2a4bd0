"""What past retrainings brought: the loss before and after, and the share that came back."""

from __future__ import annotations

import pytest
from driftline.tables.table import ModelKey
from driftline_processor.core.decode.training_runs import TrainingRun
from driftline_processor.core.evaluation import BaselineComparison, Evaluation, MetricChange, MetricValue
from driftline_processor.core.retraining.past import RecoveredShare, RetrainGain, gains_of_runs, recovered_share
from driftline_processor.core.windows.window import DAY, Window


def day(
    number: int, version: str, accuracy: float, state: BaselineComparison = "not_worse", rows: int = 100
) -> Evaluation:
    return Evaluation(
        ModelKey("churn", version),
        Window("1d", number * DAY, (number + 1) * DAY),
        rows,
        closed=True,
        realized={"accuracy": MetricValue(accuracy, rows, "rows")},
        reference={"accuracy": MetricValue(0.9, 1000, "rows")},
        realized_changes={"accuracy": MetricChange(state, accuracy - 0.9)},
    )


def run(end: float, version: str = "v2", error: str = "") -> TrainingRun:
    return TrainingRun(f"r{end}", "churn", version, "", 0, int(end * DAY), error=error)


OLD = [day(number, "v1", 0.7, "worse") for number in range(10)]


def test_the_share_of_the_worsening_that_came_back() -> None:
    (gain,) = gains_of_runs([run(9.5)], [*OLD, day(10, "v2", 0.85), day(11, "v2", 0.85)], "accuracy")

    assert gain.before == pytest.approx(0.7)
    assert gain.after == pytest.approx(0.85)
    assert gain.reference == 0.9
    assert gain.recovered == pytest.approx(0.75)
    assert (gain.outcomes_before, gain.outcomes_after, gain.reason) == (700, 200, None)


def test_windows_count_by_their_outcomes_and_only_the_nearest_seven() -> None:
    before = [day(0, "v1", 0.1, "worse", 10_000), *OLD[3:]]
    after = [day(10, "v2", 0.8, rows=300), day(11, "v2", 0.9), *(day(n, "v2", 0.1) for n in range(17, 20))]
    (gain,) = gains_of_runs([run(9.5)], [*before, *after], "accuracy")

    assert gain.before == pytest.approx(0.7)
    assert gain.after == pytest.approx((0.8 * 300 + 0.9 * 100 + 0.1 * 300) / 700)


@pytest.mark.parametrize(("after", "share"), [(0.5, 0.0), (0.95, 1.0)])
def test_a_share_is_neither_negative_nor_more_than_all(after: float, share: float) -> None:
    (gain,) = gains_of_runs([run(9.5)], [*OLD, day(10, "v2", after)], "accuracy")

    assert gain.recovered == share


@pytest.mark.parametrize(
    ("run", "windows", "reason"),
    [
        (run(9.5, error="MemoryError"), [*OLD, day(10, "v2", 0.85)], "run_failed"),
        (run(9.5), OLD, "no_outcomes_after_run"),
        (run(10.5), [*OLD, day(10, "v2", 0.85)], "no_outcomes_after_run"),
        (run(9.5), [day(10, "v2", 0.85)], "no_outcomes_before_run"),
        (run(9.5), [day(9, "v1", 0.8), day(10, "v2", 0.85)], "not_worse_before_run"),
    ],
)
def test_where_no_share_is_told_it_says_why(run: TrainingRun, windows: list[Evaluation], reason: str) -> None:
    (gain,) = gains_of_runs([run], windows, "accuracy")

    assert gain.reason is not None
    assert (gain.recovered, gain.reason.kind) == (None, reason)


def test_without_names_of_versions_the_time_of_the_run_parts_before_from_after() -> None:
    windows = [*(day(n, "", 0.7, "worse") for n in range(10)), day(10, "", 0.9)]
    (gain,) = gains_of_runs([run(9.5, "")], windows, "accuracy")

    assert gain.recovered == pytest.approx(1.0)


def test_what_is_expected_is_the_median_of_known_shares() -> None:
    gains = [RetrainGain(run(n), recovered=share) for n, share in enumerate([0.2, None, 0.9, 0.4])]

    assert recovered_share(gains, 0.5) == RecoveredShare(0.4, 3)
    assert recovered_share(gains[1:2], 0.5) == RecoveredShare(0.5, 0)
