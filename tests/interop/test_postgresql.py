"""A business series from a real PostgreSQL: what is read, and that nothing is written and nothing hangs."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from driftline_extensions.business_sql.database import SqlError, SqlResult, open_database
from driftline_extensions.business_sql.keys import SqlQuery
from driftline_extensions.business_sql.queries import business_rows
from driftline_processor.demo.processes import free_ports

pytestmark = pytest.mark.interop

PASSWORD = "hunter22"
SINCE = 1_727_740_800 * 10**9
"""2024-10-01T00:00:00Z."""


def programs() -> Path:
    """Return where PostgreSQL is; skip the tests where it is not."""
    pytest.importorskip("sqlalchemy")
    pytest.importorskip("pg8000")
    found = [
        *sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb")),
        *map(Path, filter(None, [shutil.which("initdb")])),
    ]
    if not found:
        pytest.skip("PostgreSQL is not installed; `apt-get install postgresql` brings it")
    return found[-1].parent


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """A server of its own on the loopback interface, with one table; it refuses to run as root."""
    at, (free,) = programs(), free_ports(1)
    user = "nobody" if os.getuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="driftline-postgresql-"))
    if user:
        shutil.chown(folder, user)
    (secret := folder / "password").write_text(PASSWORD)
    secret.chmod(0o644)

    def run(*command: object) -> None:
        subprocess.run([*map(str, command)], check=True, user=user, cwd=folder, capture_output=True)

    run(at / "initdb", "-D", folder / "data", "-U", "admin", "-A", "scram-sha-256", "--pwfile", secret, "--no-sync")
    options = f"-c listen_addresses=127.0.0.1 -p {free} -k '' -c fsync=off -c shared_buffers=16MB"
    run(at / "pg_ctl", "-D", folder / "data", "-w", "-o", options, "-l", folder / "log", "start")
    try:
        write(
            free,
            "CREATE SEQUENCE numbers",
            "CREATE TABLE orders (day date, at timestamp, zoned timestamptz, amount numeric(10,2), country text)",
            "INSERT INTO orders VALUES"
            " ('2024-09-30', '2024-09-30 23:59', '2024-09-30 23:59+00', 1.5, 'NL'),"
            " ('2024-10-01', '2024-10-01 01:00', '2024-10-01 01:00+00', 2.5, 'NL'),"
            " ('2024-10-01', '2024-10-01 03:00', '2024-10-01 03:00+00', 4.0, 'BE'),"
            " ('2024-10-02', '2024-10-02 00:00', '2024-10-02 00:00+00', NULL, 'NL')",
        )
        yield free
    finally:
        run(at / "pg_ctl", "-D", folder / "data", "-m", "immediate", "stop")
        shutil.rmtree(folder)


def address(port: int, password: str = PASSWORD) -> str:
    return f"postgresql+pg8000://admin:{password}@127.0.0.1:{port}/postgres"


def write(port: int, *statements: str) -> None:
    from sqlalchemy import create_engine

    engine = create_engine(address(port))
    with engine.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)
    engine.dispose()


def read(port: int, query: str, most: int = 100, timeout: str = "30s", zone: str = "UTC") -> SqlResult:
    keys = SqlQuery.model_validate({"url": address(port), "query": query, "timeout": timeout, "timezone": zone})
    return open_database(keys.url.get_secret_value()).read(keys, SINCE, most)


@pytest.mark.parametrize(
    ("column", "times"),
    [
        ("day", [date(2024, 10, 1), date(2024, 10, 1), date(2024, 10, 2)]),
        ("at", [datetime(2024, 10, 1, 1), datetime(2024, 10, 1, 3), datetime(2024, 10, 2)]),
        ("zoned", [datetime(2024, 10, 1, hour, tzinfo=UTC) for hour in (1, 3)] + [datetime(2024, 10, 2, tzinfo=UTC)]),
    ],
)
def test_rows_since_a_time_are_read_by_dates_and_times(port: int, column: str, times: list[object]) -> None:
    result = read(
        port, f"SELECT {column} AS time, amount AS value, country FROM orders WHERE {column} >= :since ORDER BY 1"
    )
    assert [row[0] for row in result.rows] == times
    found = business_rows("revenue", bytes(8), result.columns, result.rows, ZoneInfo("UTC"), 2 * 10**18, period=0)
    assert [one.value for one in found.points] == [2.5, 4.0]
    assert [one.words.partition(" (")[0] for one in found.refused] == ["value is NULL"]


def test_times_without_a_zone_are_compared_in_the_zone_of_the_query(port: int) -> None:
    query = "SELECT at AS time, amount AS value FROM orders WHERE at >= :since ORDER BY 1"
    assert [row[1] for row in read(port, query, zone="Europe/Amsterdam").rows] == [Decimal("4.00"), None]


def test_the_time_since_comes_in_seconds_and_texts_and_casts_mean_nothing(port: int) -> None:
    query = "SELECT :since_unix AS time, ':since'::text AS value, '10:30:00'::time AS at -- :no"
    (row,) = read(port, query).rows
    assert [str(field) for field in row] == ["1727740800", ":since", "10:30:00"]


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM orders",
        "WITH gone AS (DELETE FROM orders RETURNING amount) SELECT now() AS time, amount AS value FROM gone",
        "CREATE TABLE other (x int)",
        "SELECT 1 AS time, 2 AS value; DELETE FROM orders",
    ],
)
def test_nothing_but_a_select_runs(port: int, statement: str) -> None:
    with pytest.raises(SqlError):
        read(port, statement)
    assert read(port, "SELECT count(*) AS value, now() AS time FROM orders").rows[0][0] == 4


def test_a_select_that_writes_is_refused(port: int) -> None:
    with pytest.raises(SqlError, match="in a read-only transaction"):
        read(port, "SELECT now() AS time, nextval('numbers') AS value")


def test_a_result_is_cut_without_reading_all_of_it(port: int) -> None:
    result = read(port, "SELECT generate_series(1, 2000000000) AS time, 1 AS value", most=5)
    assert (len(result.rows), result.cut) == (5, True)


def test_the_server_ends_a_query_that_takes_too_long(port: int) -> None:
    with pytest.raises(SqlError, match="statement timeout"):
        read(port, "SELECT pg_sleep(60) AS time, 1 AS value", timeout="1s")


def test_no_failure_shows_the_password(port: int) -> None:
    for url in (address(port, "wrong-hunter22"), address(1)):
        keys = SqlQuery.model_validate({"url": url, "query": "SELECT 1"})
        with pytest.raises(SqlError) as raised:
            open_database(url).read(keys, 0, 1)
        assert "hunter22" not in str(raised.value)
    with pytest.raises(SqlError, match='relation "sales" does not exist'):
        read(port, "SELECT * FROM sales")
