"""Counters and histograms of a stock OpenTelemetry SDK, with its defaults, as a business series: also over restarts."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import pytest
from driftline_processor.config.schema import Config
from driftline_processor.service import Service
from driftline_processor.state import State
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource

from tests.support.metric_requests import metrics_body, sum_of
from tests.support.running_service import PROTOCOLS, receivers, running
from tests.support.state_rows import NOON, Clock

KEYS = {
    "orders": {"metric": "shop.orders", "model": "churn", "aggregation": "sum"},
    "dutch": {"metric": "shop.orders", "model": "churn", "aggregation": "sum", "match": {"country": "NL"}},
    "basket": {"metric": "shop.basket", "model": "churn", "unit": "EUR"},
    "open": {"metric": "shop.open", "model": "churn", "aggregation": "last"},
}


def counting(folder: Path, address: str = "127.0.0.1:0") -> AbstractContextManager[Service]:
    return running(folder, **receivers({**PROTOCOLS, "http": {"endpoint": address}}), business=KEYS)


class Shop:
    """A process that sells, with nothing of ours in it and no setting of its exporter."""

    def __init__(self, address: str) -> None:
        reader = PeriodicExportingMetricReader(OTLPMetricExporter(f"http://{address}/v1/metrics"), 3_600_000)
        self._provider = MeterProvider([reader], Resource({"service.name": "shop"}), shutdown_on_exit=False)
        meter = self._provider.get_meter("shop")
        self.orders, self.basket = meter.create_counter("shop.orders"), meter.create_histogram("shop.basket", "EUR")
        self.open = meter.create_up_down_counter("shop.open")

    def sell(self, country: str, *baskets: float) -> None:
        """Sell, and send all that is known."""
        for basket in baskets:
            self.orders.add(1, {"country": country})
            self.basket.record(basket)
            self.open.add(1)
        assert self._provider.force_flush()

    def stop(self) -> None:
        self._provider.shutdown()


def state_of(service: Service) -> State:
    state = service._state
    assert state is not None
    state.settle()
    return state


def sums(service: Service) -> dict[str, float]:
    """Return what was counted in all, the mean of baskets, and how many orders are open."""
    known = {one.keys.name: one for one in state_of(service).points().of("churn")}
    basket = known["basket"]
    return {
        **{name: float((known[name].value * known[name].weight).sum()) for name in ("orders", "dutch")},
        "basket": float(np.average(basket.value, weights=basket.weight)),
        "open": float(known["open"].value[-1]),
    }


@pytest.mark.slow
def test_what_a_stock_sdk_counts_is_neither_lost_nor_doubled_over_restarts_of_both(tmp_path: Path) -> None:
    with counting(tmp_path) as service:
        address = str(service.addresses["http"])
        shop = Shop(address)
        shop.sell("NL", 10.0, 20.0)
        shop.sell("BE", 60.0)
        assert sums(service) == {"orders": 3.0, "dutch": 2.0, "basket": 30.0, "open": 3.0}
    with counting(tmp_path, address) as service:
        shop.sell("NL", 50.0)
        assert sums(service) == {"orders": 4.0, "dutch": 3.0, "basket": 35.0, "open": 4.0}
        shop.stop()
        again = Shop(address)
        again.sell("NL", 60.0)
        assert sums(service) == {"orders": 5.0, "dutch": 4.0, "basket": 40.0, "open": 1.0}
        again.sell("NL")
        assert sums(service) == {"orders": 5.0, "dutch": 4.0, "basket": 40.0, "open": 1.0}
        again.stop()
        assert sums(service) == {"orders": 5.0, "dutch": 4.0, "basket": 40.0, "open": 1.0}


def opened(folder: Path) -> State:
    tree = {"storage": {"directory": str(folder)}, "business": {"orders": KEYS["orders"]}}
    state = State(Config.model_validate(tree), clock=Clock(NOON))
    state.start_storing()
    return state


def points(state: State) -> list[tuple[int, float]]:
    (series,) = state.parts.intake.business.of("churn")
    return list(zip(series.time.tolist(), series.value.tolist(), strict=True))


def test_points_that_come_again_in_another_request_count_once_and_are_not_refused(tmp_path: Path) -> None:
    state = opened(tmp_path)
    for second, instance in ((60, "a"), (60, "b"), (120, "a")):
        metrics = [sum_of("shop.orders", second, start=NOON, time=NOON + second, how=2)]
        for more in ("x", "y"):  # other bytes, the same point
            said = {"service.name": "shop", "deployment": more}
            body = metrics_body(metrics, captured=False, scope="shop", instance=instance, resource=said)
            assert not state.submit("metrics", body).result(60).rejected
    state.catch_up()
    assert points(state) == [(NOON + 59, 60.0), (NOON + 59, 60.0), (NOON + 119, 60.0)]
    state.stop()
