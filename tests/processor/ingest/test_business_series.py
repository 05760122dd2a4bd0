"""A business series from OTLP to the windows of its model, to its page, and to a policy."""

from __future__ import annotations

from pathlib import Path

import pytest
from driftline_processor.config.schema import Config
from driftline_processor.core import facts
from driftline_processor.core.policy.condition import Finding, read_condition
from driftline_processor.state import State
from starlette.testclient import TestClient

from tests.support.fake_view import app_of
from tests.support.metric_requests import gauge_of, metrics_body
from tests.support.state_rows import DAY, NOON, Clock, Opened, predictions
from tests.support.unwrap import of_type

MIDNIGHT = NOON - DAY // 2
KEYS = {
    "business": {"conversion": {"metric": "shop.conversion", "model": "churn", "unit": "1"}},
    "models": {"churn": {"windows": ["1d"]}},
}


def opened(folder: Path) -> State:
    state = State(Config.model_validate({"storage": {"directory": str(folder)}, **KEYS}), clock=Clock(NOON + 10 * DAY))
    state.start_storing()
    return state


def send(state: State, values: dict[int, float]) -> None:
    """Send a day's conversion each: days from the first one on."""
    metrics = [gauge_of("shop.conversion", value, time=MIDNIGHT + at * DAY, unit="1") for at, value in values.items()]
    state.submit("metrics", metrics_body(metrics, captured=False, scope="shop")).result(60)
    state.catch_up()


def known(state: State) -> list[float | None]:
    state.evaluate_now()
    (model,) = state.publish().models
    return [one.business.get("conversion") for one in model.windows["1d"]]


@pytest.mark.slow
def test_days_know_what_came_late_and_what_was_restated_also_after_a_restart(tmp_path: Path) -> None:
    state = opened(tmp_path)
    for at in range(4):
        Opened(state).send(predictions([f"{at}-{row}" for row in range(3)], NOON + at * DAY))
    send(state, {0: 0.03, 2: 0.01})
    assert known(state) == [0.03, None, 0.01, None]
    send(state, {1: 0.032, 2: 0.031})
    assert known(state)[:3] == [0.03, 0.032, 0.031]
    state.stop()
    again = opened(tmp_path)
    assert known(again)[:3] == [0.03, 0.032, 0.031]
    app = app_of(again, Clock(NOON + 10 * DAY))
    client = TestClient(app)
    page = client.get("/models/churn?window=1d").text
    rows = client.get("/models/churn?window=1d&format=json").json()["windows"]
    again.stop()
    assert ">conversion, mean per window, from shop.conversion<" in page
    assert [row["business conversion"] for row in rows][:3] == [0.03, 0.032, 0.031]


@pytest.mark.slow
def test_a_condition_compares_a_series_with_its_own_past(tmp_path: Path) -> None:
    state = opened(tmp_path)
    for at in range(7):
        Opened(state).send(predictions([f"{at}"], NOON + at * DAY))
    send(state, {0: 0.030, 1: 0.031, 2: 0.029, 3: 0.010})
    state.evaluate_now()
    (model,) = state.publish().models
    windows = [one for one in model.windows["1d"] if one.closed]
    state.stop()
    condition = read_condition("business conversion < 0.8 * average of 3")
    judged = [condition.judge(Finding(windows, at, lambda _: None)) for at in (2, 3)]  # type: ignore[arg-type, return-value]
    assert [one.holds for one in judged] == [None, True]
    compared = of_type(judged[1].facts[0], facts.SignalCompared)
    assert (compared.signal, compared.side) == ("business conversion", "below")
    assert (compared.of, compared.windows) == ("average", 3)
    assert [compared.value, compared.limit] == pytest.approx([0.01, 0.024])
