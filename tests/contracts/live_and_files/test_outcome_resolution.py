"""A correction that says no weight, no worth or no slice keeps those of the word before it, live and on files alike."""

from __future__ import annotations

from datetime import timedelta
from itertools import permutations
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from driftline_processor.config.model import Model
from driftline_processor.config.performance import Performance
from driftline_processor.core.model_settings import ModelSettings
from driftline_processor.core.performance.settings import Outcomes
from driftline_processor.evaluation.files.evaluate import evaluate_files
from driftline_processor.evaluation.files.inputs import EvaluationInputs
from driftline_processor.evaluation.files.options import EvaluationOptions

from tests.support.state_fixtures import Open
from tests.support.state_rows import DAY, HOUR, NOON, Clock, Opened, baseline, outcomes, predictions

COUNTS = (
    "SELECT p.id, j.number::INTEGER AS actual, j.weight, j.value, j.slices['plan'], j.slices['region']"
    " FROM joined j JOIN predictions p ON p.seq = j.prediction ORDER BY p.id"
)


def counts(state: Opened) -> list[tuple[object, ...]]:
    state.state.settle()
    return state.rows(COUNTS)


@pytest.mark.slow
def test_a_correction_keeps_weight_worth_and_slices_of_the_word_before_it(open_state: Open) -> None:
    model = Model(slices=("plan", "region"))
    state = open_state(churn=model)
    state.send(predictions(["a"], slices={"plan": ["basic"]}))
    state.send(outcomes(["a"], [1], weight=[20.0], value=[3.0], slices={"region": ["n"], "plan": ["gold"]}))
    state.state.join_now()
    state.send(outcomes(["a"], [0], NOON + 2 * HOUR, slices={"region": ["s"]}))
    assert counts(state) == [("a", 0, 20.0, 3.0, "gold", "s")]
    state.send(outcomes(["a"], [0], NOON + 3 * HOUR, weight=[5.0]))
    assert counts(state)[0][2:4] == (5.0, 3.0)
    state.send(outcomes(["a"], [0], NOON + HOUR + 1, value=[7.0]))  # between the first two, and later than both
    assert counts(state)[0][2:4] == (5.0, 7.0)
    state = open_state(churn=model)
    state.send(outcomes(["a"], [None], NOON + 4 * HOUR, retracted=True))
    state.send(outcomes(["a"], [1], NOON + 5 * HOUR))  # what was taken back says nothing more
    assert counts(state) == [("a", 1, 1.0, None, "basic", None)]


def test_what_is_kept_depends_on_no_order_of_arrival(open_state: Open) -> None:
    words: list[dict[str, Any]] = [{"weight": [4.0]}, {"value": [2.0]}, {}, {"weight": [9.0], "value": [5.0]}]
    times, orders = (3, 2, 4, 1), {f"id-{at}": order for at, order in enumerate(permutations(range(4)))}
    state = open_state()
    state.send(predictions(list(orders)))
    for step in range(4):
        said = [(id, order[step]) for id, order in orders.items()]
        state.send(*(outcomes([id], [which % 2], NOON + times[which] * HOUR, **words[which]) for id, which in said))
        state.state.join_now()
    assert {row[1:4] for row in counts(state)} == {(0, 4.0, 2.0)}
    assert len(counts(state)) == len(orders) == 24


@pytest.mark.parametrize("how", ["explicit", "sampled"])
def test_files_and_the_processor_agree_on_corrections_without_weight(
    open_state: Open, clock: Clock, tmp_path: Path, how: Outcomes
) -> None:
    """Of 40 reviewed rows 10 are corrected without a weight; 10 more have none at all."""
    performance = Performance(outcomes=how)
    state = open_state(churn=Model(windows=("1d",), slices=("region",), performance=performance))
    ids = [f"id-{at}" for at in range(50)]
    state.send(predictions(ids, NOON, [0.9] * 50))
    first = [("n", 10.0 if at % 2 else 1.0, 1.0) for at in range(40)]
    state.send(outcomes(ids[:10], [1] * 10, NOON + 2 * HOUR))  # the corrections come first
    state.state.join_now()
    weights, values = [one[1] for one in first], [one[2] for one in first]
    state.send(outcomes(ids[:40], [0] * 40, NOON + HOUR, weight=weights, value=values, slices={"region": ["n"] * 40}))
    state.send(outcomes(ids[40:], [1] * 10, NOON + HOUR))
    clock.now += 3 * DAY
    (live,) = state.view().windows["1d"]
    expected = 55 / 220 if how == "sampled" else 65 / 230
    assert live.realized["accuracy"].value == pytest.approx(expected, rel=1e-12)
    assert state.counted("no_weight") == (20 if how == "sampled" else 0)  # ten of them counted when their weight came

    table = pd.DataFrame({"id": ids, "time": NOON / 1e9, "score": 0.9, "x": 1.0})
    table.to_parquet(tmp_path / "rows.parquet")
    later = pd.DataFrame({"id": ids[:10], "actual": 1, "time": (NOON + 2 * HOUR) / 1e9})
    before = pd.DataFrame(
        {
            "id": ids[:40],
            "actual": 0,
            "time": (NOON + HOUR) / 1e9,
            "weight": weights,
            "value": values,
            "slice.region": "n",
        }
    )
    unweighted = pd.DataFrame({"id": ids[40:], "actual": 1, "time": (NOON + HOUR) / 1e9})
    pd.concat([later, before, unweighted]).to_parquet(tmp_path / "labels.parquet")
    baseline([0.2, 0.8] * 50, {"x": [1.0, 2.0] * 50}).save(tmp_path / "churn.json")
    (files,) = evaluate_files(
        EvaluationInputs(
            [tmp_path / "rows.parquet"],
            tmp_path / "churn.json",
            tmp_path / "labels.parquet",
            settings=ModelSettings(performance=performance.asked),
        ),
        EvaluationOptions(time="time", id="id", slices=("region",), window="1d"),
        lambda _: None,
    ).evaluations
    assert files.outcome_rows == live.outcome_rows == (40 if how == "sampled" else 50)
    for name, metric in live.realized.items():
        if metric.bound:
            continue
        assert files.realized[name].value == pytest.approx(metric.value, rel=1e-12), name
    of_files, of_live = (one.performance_slices["region=n"] for one in (files, live))
    assert (of_files.rows, of_files.metrics["accuracy"].value) == (of_live.rows, of_live.metrics["accuracy"].value)
    assert of_live.metrics["accuracy"].value == 55 / 220


def test_an_outcome_that_came_before_its_prediction_is_kept_as_long_as_it_counts(
    open_state: Open, clock: Clock
) -> None:
    state = open_state(retention=timedelta(days=10))
    state.send(outcomes(["a"], [1], NOON + 2 * DAY, weight=[3.0]), predictions(["z"]))
    state.state.settle()
    clock.now += 5 * DAY
    state.send(predictions(["a"], NOON + DAY))
    state.state.settle()
    clock.now += 7 * DAY
    state.state.tidy_now()
    state.send(outcomes(["a"], [0], NOON + DAY), outcomes(["a"], [1], NOON + 3 * DAY, value=[1.0]))
    assert [row[1:4] for row in counts(state)] == [(1, 3.0, 1.0)]
    clock.now += 7 * DAY
    state.state.tidy_now()
    assert state.rows("SELECT seq FROM outcomes WHERE weight = 3") == []
