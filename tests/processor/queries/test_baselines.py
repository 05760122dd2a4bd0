"""Baselines of the running processor: put one in force, get it, get one of what production was."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from driftline.baseline.baseline import Baseline
from driftline.baseline.sections.duplicate_rows import Repeats
from driftline.panes.fold import fold
from driftline.panes.outcome_sums import fold_outcomes
from driftline.panes.pane import merge
from driftline.tables.table import ModelKey, PredictionTable
from driftline.tables.task import Task
from driftline_processor.config.model import Model
from driftline_processor.queries.baselines import ConfiguredBaselineError

from tests.support.state_fixtures import Open
from tests.support.state_rows import (
    DAY,
    HOUR,
    MINUTE,
    NOON,
    Opened,
    baseline,
    column,
    outcomes,
    predictions,
)
from tests.support.unwrap import unwrap

ONE = baseline([0.1, 0.9] * 200, {"x": [0.1, 0.9] * 200}, version="1")
TWO = baseline([0.2, 0.8] * 200, {"x": [0.2, 0.8] * 200}, version="1")
KEY = ModelKey("churn", "1")


def rows(n: int, start: int = 0, times: np.ndarray | int = NOON, version: str = "1") -> PredictionTable:
    rng = np.random.default_rng(start)
    ids = [str(start + at) for at in range(n)]
    at = times if isinstance(times, int) else times.tolist()
    return predictions(ids, at, rng.random(n).tolist(), version=version, features={"x": rng.random(n).tolist()})


def put(state: Opened, pushed: Baseline) -> None:
    receipt = state.state.queries.baselines.put(pushed).result(60)
    assert (receipt.accepted, dict(receipt.rejected)) == (1, {})


def in_force(state: Opened, version: str = "1") -> tuple[str, str]:
    found = unwrap(state.state.queries.baselines.in_force(ModelKey("churn", version)))
    return found.baseline.digest, found.source


def test_a_pushed_baseline_is_in_force_at_once_and_after_a_restart(open_state: Open) -> None:
    state = open_state()
    state.send(rows(5), baselines=[ONE.to_json()])
    put(state, TWO)
    assert in_force(state) == (TWO.digest, "push")
    state.send(rows(7, 5))
    view = state.view()
    assert view.baseline is not None
    assert (view.baseline.source, view.baseline.digest) == ("push", TWO.digest)
    assert in_force(open_state()) == (TWO.digest, "push")


def test_what_every_process_sends_at_its_start_does_not_undo_a_push(open_state: Open) -> None:
    state = open_state()
    state.send(baselines=[ONE.to_json()])
    put(state, TWO)
    state.send(baselines=[ONE.to_json()])
    assert in_force(state) == (TWO.digest, "push")
    state = open_state()
    state.send(baselines=[ONE.to_json()])
    assert in_force(state) == (TWO.digest, "push")
    newer = baseline([0.3, 0.7] * 200, {"x": [0.3, 0.7] * 200}, version="1")
    state.send(baselines=[newer.to_json()])
    assert in_force(state) == (newer.digest, "event")


def test_a_baseline_that_was_pushed_before_can_be_pushed_again(state: Opened) -> None:
    for pushed in (ONE, TWO, ONE):
        put(state, pushed)
    assert in_force(state) == (ONE.digest, "push")


def test_a_version_without_one_uses_the_newest_and_says_whose_it_is(state: Opened) -> None:
    put(state, ONE)
    state.send(rows(5), rows(5, 5, version="2"))
    assert state.view(version="1").baseline.other_version == ""  # type: ignore[union-attr]
    assert state.view(version="2").baseline.other_version == "1"  # type: ignore[union-attr]
    window = state.view(version="2").windows["1d"][0]
    assert (window.baseline_version, window.key.version) == ("1", "2")


def test_a_baseline_that_the_configuration_names_is_not_pushed_away(open_state: Open, tmp_path: Path) -> None:
    ONE.save(tmp_path / "one.json")
    state = open_state(churn=Model(baseline=tmp_path / "one.json"))
    with pytest.raises(ConfiguredBaselineError, match=r"driftline\.yaml.*set"):
        state.state.queries.baselines.put(TWO)
    put(state, ONE)
    assert in_force(state) == (ONE.digest, "config")


def test_panes_of_one_fold_go_on_under_a_baseline_with_the_same_bins(state: Opened) -> None:
    """A rolling reference has the bins of the one before: what was counted over them counts on."""
    put(state, ONE)
    state.send(rows(60))
    rolled = unwrap(state.state.queries.baselines.of_production(KEY, NOON - DAY, NOON + DAY))
    assert rolled.fold == ONE.fold != TWO.fold
    assert rolled.digest != ONE.digest
    put(state, rolled)
    state.send(rows(40, 60))
    assert state.view().windows["1d"][-1].features["x"].rows == 100


@pytest.mark.slow
def test_production_as_a_baseline_is_the_fold_of_its_rows(open_state: Open, clock: object) -> None:
    state = open_state(churn=Model(windows=("1d",)))
    clock.now = NOON + 40 * DAY  # type: ignore[attr-defined]
    put(state, ONE)
    times = NOON + np.arange(600) * (30 * DAY // 600)
    table = rows(600, 0, times)
    state.send(table)
    actual = [float(at % 3 == 0) for at in range(600)]
    state.send(outcomes([str(at) for at in range(600)], actual, NOON + 31 * DAY))
    state.state.settle()
    since, until = NOON + 5 * DAY, NOON + 20 * DAY
    found = unwrap(state.state.queries.baselines.of_production(KEY, since, until))
    inside = (times >= since) & (times < until)
    assert found.pane.rows == int(inside.sum()) == 300
    which = np.flatnonzero(inside)
    some = predictions(
        [str(at) for at in which],
        times[which].tolist(),
        table.scores[which, 0].tolist(),  # type: ignore[index]
        features={"x": table.features["x"].numbers[which].tolist()},  # type: ignore[index]
    )
    task = Task("binary", ("0", "1"), "1")
    truth = column([actual[at] for at in which])
    expected = merge([fold(some, ONE.bins), fold_outcomes(task, some.scores, None, truth)])
    assert found.pane.parts.keys() == expected.parts.keys()
    for name, sums in expected.parts.items():
        np.testing.assert_allclose(found.pane.parts[name], sums, rtol=1e-12, err_msg=name)
    assert (found.model, found.version, found.bins, found.provisional) == ("churn", "1", ONE.bins, False)
    period, blocks = found.extras.period, found.extras.blocks
    assert period is not None
    assert blocks is not None
    assert since <= period.first <= period.last < until
    assert blocks.rows[:, 0].sum() == 300
    assert blocks.length == DAY
    values = table.features["x"].numbers[which]  # type: ignore[index]
    least, greatest = found.extras.ranges.by_feature["x"]  # type: ignore[union-attr]
    assert 0 <= least <= values.min()
    assert values.max() <= greatest <= 1
    assert found.extras.repeats == Repeats(300, 300)
    again = Baseline.from_json(found.to_json())
    assert (again.to_json(), again.fold) == (found.to_json(), ONE.fold)


def test_rows_counted_over_another_baseline_are_in_no_baseline_of_production(state: Opened) -> None:
    put(state, ONE)
    state.send(rows(50, 0, NOON - 2 * HOUR))
    put(state, TWO)
    state.send(rows(30, 50, NOON))
    state.state.settle()
    found = unwrap(state.state.queries.baselines.of_production(KEY, NOON - DAY, NOON + DAY))
    assert (found.pane.rows, found.pane.parts["feature:x"].sum()) == (30, 30)
    assert found.bins == TWO.bins


def test_where_nothing_was_there_is_no_baseline_of_production(state: Opened) -> None:
    assert state.state.queries.baselines.of_production(KEY, 0, NOON) is None
    put(state, ONE)
    state.send(rows(5))
    assert state.state.queries.baselines.of_production(KEY, NOON + HOUR, NOON + 2 * HOUR) is None
    assert state.state.queries.baselines.of_production(ModelKey("risk"), NOON - MINUTE, NOON + HOUR) is None
