"""Mapped metrics over time: resets, resends, late points, several instances, and a baseline learned from them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from driftline.semconv import metrics as m
from driftline.tables.table import F64
from driftline_processor.config.model import Model
from driftline_processor.queries.model_view import ModelView
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric

from tests.support.metric_requests import CUMULATIVE, DELTA, histogram_of, metrics_body, sum_of
from tests.support.state_fixtures import Open
from tests.support.state_rows import HOUR, MINUTE, NOON, Clock, Opened

BOUNDS = np.linspace(5, 95, 31)
PRICING = Model.model_validate(
    {
        "task": "binary",
        "metrics": {
            "order.amount": {"feature": "amount"},
            "order.plan": {"feature": "plan", "category_attribute": "plan"},
            "churn.score": {"score": True},
        },
    }
)


def histogram(name: str, values: F64, bounds: F64, start: int, time: int, how: int) -> Metric:
    counts = np.bincount(np.searchsorted(bounds, values, side="left"), minlength=len(bounds) + 1)
    return histogram_of(name, bounds, counts, start=start, time=time, how=how, sum=float(values.sum()))


def orders(values: F64, start: int, time: int, how: int = CUMULATIVE, plans: tuple[int, int] = (0, 0)) -> list[Metric]:
    """Return what a service has recorded of orders of these amounts."""
    scores = np.linspace(0.01, 0.99, len(values))
    found = [histogram("order.amount", values, BOUNDS, start, time, how)]
    found.append(histogram("churn.score", scores, np.linspace(0.05, 0.95, 19), start, time, how))
    for plan, n in zip(("free", "pro"), plans, strict=True):
        if n:
            found.append(sum_of("order.plan", n, {"plan": plan}, start=start, time=time, how=how))
    return found


def submit(state: Opened, metrics: list[Metric], **said: Any) -> None:
    body = metrics_body(metrics, captured=False, scope="shop", **said)
    state.state.submit("metrics", body).result(60)
    state.state.catch_up()


def seen(state: Opened) -> ModelView:
    return state.view("pricing")


def normal(n: int, mean: float, seed: int) -> F64:
    return np.random.default_rng(seed).normal(mean, 12, n)


@pytest.mark.slow
def test_the_first_thousand_rows_of_histograms_become_a_provisional_baseline(open_state: Open, clock: Clock) -> None:
    state = open_state(pricing=PRICING)
    submit(state, orders(normal(600, 50, 1), NOON, NOON + MINUTE, DELTA, (400, 200)))
    view = seen(state)
    assert view.baseline is not None
    assert (view.baseline.learned, view.windows["1h"][-1].features) == (600, {})
    assert any("learning 600 of 1,000 rows" in hint for hint in view.hints)
    state = open_state(pricing=PRICING)  # what was kept is on disk
    submit(state, orders(normal(1_400, 50, 2), NOON + MINUTE, NOON + 2 * MINUTE, DELTA, (900, 500)))
    state = open_state(pricing=PRICING)
    clock.now = NOON + 3 * HOUR
    submit(state, orders(normal(1_000, 50, 3), NOON + HOUR, NOON + HOUR + MINUTE, DELTA, (650, 350)))
    submit(state, orders(normal(1_000, 56, 4), NOON + 2 * HOUR, NOON + 2 * HOUR + MINUTE, DELTA, (300, 700)))
    view = seen(state)
    assert view.baseline is not None
    assert (view.baseline.source, view.baseline.rows, view.distributed) == ("provisional", 2_000, 4_000)
    still, moved = view.windows["1h"][-2:]
    assert {name: column.state for name, column in still.features.items()} == {"amount": "ok", "plan": "ok"}
    assert {name: column.state for name, column in moved.features.items()} == {"amount": "drift", "plan": "drift"}
    assert moved.score is not None
    assert moved.score.state == "ok"
    assert state.rows("SELECT count(*) FROM learning_points") == [(0,)]


def test_cumulative_points_are_told_apart_from_resets_resends_and_late_ones(open_state: Open) -> None:
    values = normal(2_000, 50, 5)
    state = open_state(pricing=PRICING)

    def send(n: int, minute: int, start: int = NOON, **said: Any) -> None:
        submit(state, orders(values[:n], start, NOON + minute * MINUTE), **said)

    send(100, 1)
    send(100, 1)  # a resend
    send(300, 4)  # after a gap
    send(200, 3)  # late
    send(150, 5)  # fewer than before: counted anew by a process that says no other start
    send(250, 6)
    assert seen(state).distributed == 300 + 150 + 100
    send(80, 7, start=NOON + 6 * MINUTE)  # another start: another stream
    send(500, 7, instance="two")  # another instance
    assert seen(state).distributed == 550 + 80 + 500
    assert state.counted("point_seen") == 2


def test_deltas_add_even_late_and_a_resent_one_does_not(open_state: Open) -> None:
    values = normal(100, 50, 6)
    state = open_state(pricing=PRICING)
    for since in (0, 2, 1, 1):
        points = orders(values, NOON + since * MINUTE, NOON + (since + 1) * MINUTE, DELTA)
        submit(state, points)
    assert seen(state).distributed == 300


def test_a_process_that_ran_before_it_was_first_heard_only_begins_to_count(open_state: Open) -> None:
    values = normal(2_000, 50, 7)
    state = open_state(pricing=PRICING)
    submit(state, orders(values[:1_500], NOON - HOUR, NOON + MINUTE))
    submit(state, orders(values, NOON - HOUR, NOON + 2 * MINUTE))
    assert seen(state).distributed == 500


def test_values_are_not_taken_for_missing_because_they_were_not_recorded(open_state: Open) -> None:
    state = open_state(pricing=PRICING)
    submit(state, orders(normal(1_500, 50, 8), NOON, NOON + MINUTE, DELTA, (900, 600)))
    submit(state, orders(normal(500, 50, 9), NOON + MINUTE, NOON + 2 * MINUTE, DELTA, (100, 50)))
    window = seen(state).windows["1h"][-1]
    assert window.features["plan"].missing_now == 0.0
    assert [finding for finding in window.findings if finding.check == "missing"] == []


def test_a_counter_by_class_is_counted_by_class(open_state: Open) -> None:
    model = Model.model_validate({"task": "binary", "metrics": {"decisions": {"class_attribute": "churn"}}})
    state = open_state(pricing=model)
    for label, n in (("yes", 30), ("no", 70)):
        submit(state, [sum_of("decisions", n, {"churn": label}, start=NOON, time=NOON + MINUTE)])
    view = seen(state)
    assert (view.distributed, view.by_class) == (100, {"yes": 30.0, "no": 70.0})
    assert m.ML_PREDICTIONS not in str(view.hints)
