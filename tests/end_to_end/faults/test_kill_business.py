"""`kill -9` while business series come in, by SQL and as cumulative counters: each point counts exactly once."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import time
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from driftline_processor.config.schema import load
from driftline_processor.state import State

from tests.support.metric_requests import metrics_body, sum_of
from tests.support.processes import addresses, post_until_taken, process

DECLARED = """
storage: {directory: state}
business:
  revenue:
    model: churn
    aggregation: sum
    sql:
      url: sqlite:///shop.db
      query: SELECT at AS time, amount AS value, id FROM orders WHERE at >= :since_unix ORDER BY at
      every: 1s
      period: 0s
  orders: {metric: shop.orders, model: churn, aggregation: sum}
"""
NOW = int(time.time())


def write(folder: Path, statement: str, *rows: tuple[int, float | None]) -> None:
    with closing(sqlite3.connect(folder / "shop.db")) as connection:
        connection.executemany(statement, rows)
        connection.commit()


def sell(folder: Path, *orders: tuple[int, float | None]) -> None:
    """Write orders at once: seconds ago, and amounts."""
    rows = [(NOW - ago, amount) for ago, amount in orders]
    write(folder, "INSERT INTO orders (at, amount) VALUES (?, ?)", *rows)


def wait_for_bad_row(child: subprocess.Popen[str]) -> None:
    """Wait until an order without amount is named: that is said when its neighbours are on disk."""
    assert child.stderr is not None
    while "ignored: value is NULL" not in (line := child.stderr.readline()):
        assert line, "the process ended"


def send(otlp: str, began: int, total: int) -> None:
    """Send what a counter has counted since it began: one a second."""
    orders = sum_of("shop.orders", total, start=began * 10**9, time=(began + total) * 10**9)
    body = metrics_body([orders], captured=False, scope="shop", instance="a")
    post_until_taken(f"{otlp}/v1/metrics", body)


def stored(folder: Path) -> dict[str, list[float]]:
    """Return the values of each series that a process left, in the order of time, once its log is stored, too."""
    state = State(load(folder / "driftline.yaml"))
    state.start_storing()
    state.catch_up()
    found = {one.keys.name: one for one in state.points().of("churn")}
    state.stop()
    return {name: one.value[np.lexsort((one.value, one.time))].tolist() for name, one in found.items()}


@pytest.mark.slow
def test_points_of_queries_and_of_counters_count_once_over_kills(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "shop.db")) as connection:
        connection.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, at INTEGER, amount REAL)")
    sell(tmp_path, (7_000, 1.0), (6_000, 2.0), (5_000, None))
    with process(tmp_path, DECLARED) as first:
        otlp, _ = addresses(first)
        wait_for_bad_row(first)
        began = int(time.time()) + 1  # a counter that began before it was listened to brings what nobody can date
        send(otlp, began, 5)
        sell(tmp_path, (4_000, 4.0), (6_500, 8.0))  # read, or not yet
        first.send_signal(signal.SIGKILL)
    sell(tmp_path, (3_000, 16.0), (6_600, 32.0))  # late, while it was away
    with process(tmp_path, DECLARED) as second:
        otlp, _ = addresses(second)
        wait_for_bad_row(second)
        send(otlp, began, 5)
        send(otlp, began, 12)
        second.send_signal(signal.SIGKILL)
    assert stored(tmp_path) == {"revenue": [1.0, 32.0, 8.0, 2.0, 4.0, 16.0], "orders": [5.0, 7.0]}
