"""Business series from a real SQLite into a real state: what is read again, what comes back, what hangs."""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from driftline_extensions.business_sql import queries as business_queries
from driftline_extensions.business_sql.database import SqlError, SqlResult, open_database
from driftline_extensions.business_sql.keys import SqlQuery
from driftline_extensions.business_sql.queries import MOST_HUNG, BusinessQueries
from driftline_processor.config.schema import Config
from driftline_processor.ingest.transaction import Request
from driftline_processor.maintenance.erasure import ErasureOrder
from driftline_processor.receipts import Overloaded, Receipt
from driftline_processor.service import Service
from driftline_processor.state import State

from tests.support.facts import lacking
from tests.support.state_rows import DAY, HOUR, NOON, Clock, Opened, predictions
from tests.support.waiting import wait_until

MIDNIGHT = NOON - DAY // 2
DAILY = "SELECT day AS time, sum(amount) AS value FROM orders WHERE day >= :since GROUP BY day ORDER BY day"


class Shop:
    """A database of orders."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "shop.db"
        self.write("CREATE TABLE orders (day TEXT, amount)")

    def write(self, statement: str, *values: object) -> None:
        with closing(sqlite3.connect(self.file)) as connection:
            connection.execute(statement, values)
            connection.commit()

    def sell(self, day: int, amount: object) -> None:
        """Sell so many days after 2024-10-04."""
        self.write("INSERT INTO orders VALUES (date(?, 'unixepoch'), ?)", (MIDNIGHT + day * DAY) // 10**9, amount)


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


class Databases:
    """Opens databases, and counts how often each query was run to its end, and since when."""

    def __init__(self) -> None:
        self.since: list[int] = []
        self.failing: str | None = None

    def __call__(self, url: str) -> Databases:
        self._real = open_database(url)
        return self

    def read(self, query: SqlQuery, since: int, most: int) -> SqlResult:
        try:
            if self.failing is not None:
                raise SqlError(self.failing)
            return self._real.read(query, since, most)
        finally:
            self.since.append(since)

    def cancel(self) -> None:
        self._real.cancel()


def opened(folder: Path, shop: Shop, clock: Clock, query: str = DAILY, **keys: Any) -> tuple[State, Config]:
    sql = {"url": f"sqlite:///{shop.file}", "query": query, "every": "1h", **keys}
    series = {"model": "churn", "aggregation": "sum", "sql": sql}
    config = Config.model_validate({"storage": {"directory": str(folder / "state")}, "business": {"revenue": series}})
    state = State(config, clock=clock)
    state.start_storing()
    return state, config


def queries_of(config: Config) -> dict[str, SqlQuery]:
    """Return the queries of the series of a configuration."""
    return {name: one.sources["sql"] for name, one in config.business.items()}  # type: ignore[misc]


class Reading:
    """A state, and what reads into it; each :meth:`turn` reads every series once more."""

    def __init__(self, state: State, config: Config, clock: Clock) -> None:
        self.state, self.clock, self.databases = state, clock, Databases()
        self._now = 0.0
        retention = int(config.storage.retention.total_seconds() * 10**9)
        self.queries = BusinessQueries(queries_of(config), retention, clock, lambda: self._now, self.databases)
        (self._reader,) = self.queries._databases
        self._reader._intake = state

    def turn(self, hours: float = 1.0) -> None:
        """Read once, as the thread does when its time comes."""
        self._now += hours * 3_600
        self.clock.now += int(hours * HOUR)
        (series,) = self._reader.series
        self._reader._turn(series)

    @property
    def points(self) -> dict[int, float]:
        """Days from the first one on, and their values."""
        (series,) = self.state.points().of("churn")
        return {int(t - MIDNIGHT) // DAY: float(v) for t, v in zip(series.time, series.value, strict=True)}

    @property
    def rejected(self) -> dict[str, float]:
        found = self.state.health.counters.snapshot()
        return {labels[0][1]: n for (name, labels), n in found.items() if name == "driftline.rejected.rows"}


@contextmanager
def reading(folder: Path, shop: Shop, query: str = DAILY, days: int = 10, **keys: Any) -> Iterator[Reading]:
    clock = Clock(MIDNIGHT + days * DAY + HOUR)
    state, config = opened(folder, shop, clock, query, **keys)
    try:
        yield Reading(state, config, clock)
    finally:
        state.stop()


def test_rows_are_read_once_and_what_comes_late_or_changes_is_read_again(tmp_path: Path, shop: Shop) -> None:
    for day in (1, 2, 4, 9):
        shop.sell(day, 10.0 * day)
    with reading(tmp_path, shop, look_back="7d", period="1d") as series:
        series.turn()
        assert series.points == {1: 10.0, 2: 20.0, 4: 40.0, 9: 90.0}
        assert series.databases.since == [series.clock.now - 90 * DAY]
        shop.sell(3, 30.0)
        shop.sell(9, 5.0)
        shop.sell(1, 1.0)  # later than rows may come
        series.turn()
        assert series.points == {1: 10.0, 2: 20.0, 3: 30.0, 4: 40.0, 9: 95.0}
        assert series.databases.since[1:] == [MIDNIGHT + 2 * DAY]


@pytest.mark.slow
def test_a_restart_goes_on_where_the_last_transaction_ended(tmp_path: Path, shop: Shop) -> None:
    shop.sell(1, 10.0)
    shop.sell(2, 20.0)
    with reading(tmp_path, shop) as series:
        series.turn()
    shop.sell(3, 30.0)
    with reading(tmp_path, shop) as series:
        assert series.points == {1: 10.0, 2: 20.0}
        series.turn()
        assert series.points == {1: 10.0, 2: 20.0, 3: 30.0}
        assert series.databases.since == [MIDNIGHT + DAY]


def test_nothing_is_written_where_nothing_is_new(tmp_path: Path, shop: Shop) -> None:
    shop.sell(1, 10.0)
    with reading(tmp_path, shop, period="0s") as series:
        series.turn()
        series.state.offer = pytest.fail  # type: ignore[method-assign, assignment]
        series.turn()
        assert series.points == {1: 10.0}


def test_a_day_that_is_not_over_waits_until_it_is(tmp_path: Path, shop: Shop) -> None:
    for day in (8, 9, 10):
        shop.sell(day, 10.0 * day)
    with reading(tmp_path, shop) as series:
        series.turn()
        assert series.points == {8: 80.0, 9: 90.0}
        shop.sell(10, 1.0)
        series.turn(24)
        assert series.points == {8: 80.0, 9: 90.0, 10: 101.0}


@pytest.mark.slow
def test_another_query_begins_anew_and_takes_the_rows_of_the_old_one_away(tmp_path: Path, shop: Shop) -> None:
    for day in (1, 2):
        shop.sell(day, 10.0 * day)
    with reading(tmp_path, shop) as series:
        series.turn()
    halves = DAILY.replace("sum(amount)", "sum(amount) / 2").replace("day >=", "day = '2024-10-05' AND day >=")
    for _ in range(2):
        with reading(tmp_path, shop, halves) as series:
            series.turn()
            assert series.points == {1: 5.0}


def test_bad_rows_are_counted_and_named_once(tmp_path: Path, shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
    for day, amount in ((1, 10.0), (2, None), (3, "a\x1b[31mb"), (40, 1.0), (4, 40.0)):
        shop.sell(day, amount)
    raw = "SELECT day AS time, amount AS value FROM orders"
    with reading(tmp_path, shop, raw, period="0s") as series, caplog.at_level(logging.WARNING, "driftline"):
        series.turn()
        series.turn()
        assert series.points == {1: 10.0, 4: 40.0}
        assert series.rejected == {"bad_point": 2.0, "time_out_of_range": 1.0}
        shop.sell(5, None)
        series.turn()
        assert series.rejected == {"bad_point": 3.0, "time_out_of_range": 1.0}
    assert [record.getMessage() for record in caplog.records] == [
        "business.revenue.sql: ignored: value is NULL (time '2024-10-06'), and 2 more",
        "business.revenue.sql: ignored: value is NULL (time '2024-10-09')",
    ]


def test_a_row_of_the_future_counts_when_its_time_has_come(tmp_path: Path, shop: Shop) -> None:
    shop.sell(9, 90.0)
    shop.sell(11, 110.0)
    with reading(tmp_path, shop, period="0s") as series:
        series.turn()
        assert series.points == {9: 90.0}
        series.turn(24)
        assert series.points == {9: 90.0, 11: 110.0}


def test_a_database_that_goes_and_comes_back_is_said_twice(
    tmp_path: Path, shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    shop.sell(1, 10.0)
    with reading(tmp_path, shop, period="0s") as series, caplog.at_level(logging.INFO, "driftline"):
        series.turn()
        series.databases.failing = "connection refused"
        pauses = []
        for _ in range(12):
            series.turn()
            pauses.append(series._reader.series[0].due - series._now)
        assert pauses == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 300.0, 300.0, 300.0]
        assert lacking(str(series.queries.sentence()), "business.revenue.sql:", "shop.db") == []
        series.databases.failing = None
        shop.sell(2, 20.0)
        series.turn()
        assert series.queries.sentence() is None
        assert series.points == {1: 10.0, 2: 20.0}
    assert [record.getMessage() for record in caplog.records] == [
        "business.revenue.sql: sqlite shop.db cannot be read: connection refused; Driftline will retry",
        "business.revenue.sql: the query works again",
    ]


def test_columns_that_are_missing_are_said(tmp_path: Path, shop: Shop) -> None:
    with reading(tmp_path, shop, "SELECT day, amount AS value FROM orders") as series:
        series.turn()
        assert (
            lacking(
                str(series.queries.sentence()), "business.revenue.sql:", "shop.db", "'time'", "'SELECT ... AS time'"
            )
            == []
        )


def test_a_result_beyond_the_limit_is_read_in_pieces(
    tmp_path: Path, shop: Shop, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(business_queries, "MOST_ROWS", 3)
    for day in range(1, 8):
        shop.sell(day, 10.0 * day)
    with reading(tmp_path, shop, look_back="7d", period="0s") as series:
        for expected in (3, 5, 7):
            series.turn(0)
            assert len(series.points) == expected
        assert (series.queries.sentence(), series._reader.series[0].at_once) == (None, False)
    (record,) = caplog.records
    assert lacking(record.getMessage(), "3 rows") == []


@pytest.mark.slow
def test_rows_out_of_order_beyond_the_limit_are_an_error_with_its_fix(
    tmp_path: Path, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(business_queries, "MOST_ROWS", 3)
    for day in range(1, 8):
        shop.sell(day, 10.0 * day)
    with reading(
        tmp_path, shop, DAILY.replace("BY day ORDER BY day", "BY day ORDER BY day DESC"), period="0s"
    ) as series:
        for _ in range(2):
            series.turn()
            assert series.points == {5: 50.0, 6: 60.0, 7: 70.0}
        assert lacking(str(series.queries.sentence()), "'ORDER BY time'", "'time >= :since'") == []
    with reading(tmp_path, shop, DAILY.replace(":since", "'2024'"), period="0s") as series:
        for _ in range(2):
            series.turn()
        assert lacking(str(series.queries.sentence()), "'time >= :since'") == []


def test_many_points_are_stored_in_parts_and_how_far_with_the_last(
    tmp_path: Path, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(business_queries, "TOGETHER", 3)
    for day in range(1, 8):
        shop.sell(day, 10.0 * day)
    with reading(tmp_path, shop, period="0s") as series:
        offered: list[tuple[int, bool]] = []
        real = series.state.offer

        def offer(request: Request) -> Future[Receipt]:
            offered.append((len(request.business), bool(request.readings)))
            if len(offered) == 2:
                raise Overloaded
            return real(request)

        series.state.offer = offer  # type: ignore[method-assign]
        series.turn()
        assert (len(series.points), series.state.points().reading("revenue")) == (3, None)
        series.turn()
        assert len(series.points) == 7
        assert offered == [(3, False), (3, False), (3, False), (1, True)]
        assert series.queries.sentence() is None


def test_a_service_says_what_it_reads_and_takes_data_while_a_database_is_away(tmp_path: Path) -> None:
    anywhere = {"endpoint": "127.0.0.1:0"}
    sql = {"url": f"sqlite:///{tmp_path}/none.db", "query": DAILY}
    tree = {
        "receivers": {"otlp": {"protocols": {"grpc": anywhere, "http": anywhere}}},
        "web": anywhere,
        "storage": {"directory": str(tmp_path / "state")},
        "business": {"revenue": {"model": "churn", "sql": sql}},
    }
    service = Service(Config.model_validate(tree))
    service.start()
    try:
        wait_until(lambda: any(problem.name == "business" for problem in service.health.problems()))
        (problem,) = service.health.problems()
        assert lacking(problem.message, "business.revenue.sql:", "none.db", "'none.db'") == []
        assert service.health.ready
        assert lacking(" ".join(service.lines()), "revenue", "none.db") == []
    finally:
        service.stop()


@pytest.mark.slow
def test_a_model_that_is_deleted_begins_anew(tmp_path: Path, shop: Shop) -> None:
    shop.sell(1, 10.0)
    with reading(tmp_path, shop, period="0s") as series:
        Opened(series.state).send(predictions(["a"], NOON))
        series.turn()
        series.state.erase(ErasureOrder("churn", "model"))
        assert (series.points, series.state.points().reading("revenue")) == ({}, None)
        series.turn()
        assert series.points == {1: 10.0}


class Hanging:
    """A database whose queries end when they are told to."""

    def __init__(self) -> None:
        self.go_on, self.begun, self.cancelled = threading.Event(), 0, 0

    def read(self, query: SqlQuery, since: int, most: int) -> SqlResult:
        del query, since, most
        self.begun += 1
        assert self.go_on.wait(60)
        return SqlResult(("time", "value"), [("2024-10-05", 10.0)], False)

    def cancel(self) -> None:
        self.cancelled += 1


@pytest.fixture
def hanging() -> Iterator[Hanging]:
    database = Hanging()
    yield database
    database.go_on.set()


def test_a_query_that_hangs_delays_no_end(tmp_path: Path, shop: Shop, hanging: Hanging) -> None:
    state, config = opened(tmp_path, shop, Clock(NOON))
    queries = BusinessQueries(queries_of(config), 90 * DAY, Clock(NOON), connect=lambda _: hanging)
    queries.start(state)
    wait_until(lambda: hanging.begun == 1)
    queries.stop(60.0)
    assert not queries._databases[0]._thread.is_alive()
    assert hanging.cancelled == 1
    state.stop()


def test_a_query_that_hangs_is_given_up_and_few_hang_at_a_time(
    tmp_path: Path, shop: Shop, hanging: Hanging, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(business_queries, "ENDING", 0.001)
    with reading(tmp_path, shop, period="0s") as series:
        reader, (one,) = series._reader, series._reader.series
        object.__setattr__(one.query, "timeout", one.query.timeout / 30_000)
        reader._database = hanging
        for _ in range(MOST_HUNG + 1):
            series.turn()
        assert (hanging.begun, hanging.cancelled) == (MOST_HUNG, MOST_HUNG)
        assert lacking(str(series.queries.sentence()), f"{MOST_HUNG}") == []
        hanging.go_on.set()
        for thread in reader._hung:
            thread.join()
        object.__setattr__(one.query, "timeout", one.query.timeout * 30_000)
        series.turn()
        assert (series.points, series.queries.sentence()) == ({1: 10.0}, None)


def test_an_error_of_a_driver_that_is_no_error_of_a_database_is_said_by_its_name(tmp_path: Path, shop: Shop) -> None:
    class Broken(Hanging):
        def read(self, query: SqlQuery, since: int, most: int) -> SqlResult:
            del query, since, most
            raise MemoryError("hunter22")

    with reading(tmp_path, shop) as series:
        series._reader._database = Broken()
        series.turn()
        assert str(series.queries.sentence()).endswith("cannot be read: MemoryError")


def test_series_of_one_database_are_read_one_after_another_and_fail_apart(tmp_path: Path, shop: Shop) -> None:
    shop.sell(1, 10.0)
    url = f"sqlite:///{shop.file}"
    names: Sequence[tuple[str, str]] = (
        ("revenue", DAILY),
        ("broken", "SELECT 1"),
        ("orders", DAILY.replace("sum", "count")),
    )
    tree = {name: {"model": "churn", "sql": {"url": url, "query": query, "period": "0s"}} for name, query in names}
    config = Config.model_validate({"storage": {"directory": str(tmp_path / "state")}, "business": tree})
    clock = Clock(NOON + 5 * DAY)
    state = State(config, clock=clock)
    state.start_storing()
    queries = BusinessQueries(queries_of(config), 90 * DAY, clock)
    assert len(queries._databases) == 1
    queries.start(state)
    wait_until(lambda: all(len(one.value) == (one.keys.name != "broken") for one in state.points().of("churn")))
    wait_until(lambda: queries.sentence() is not None)
    queries.stop(60.0)
    assert {one.keys.name: one.value.tolist() for one in state.points().of("churn")} == {
        "revenue": [10.0],
        "broken": [],
        "orders": [1.0],
    }
    assert lacking(str(queries.sentence()), "business.broken.sql:", "shop.db") == []
    state.stop()
