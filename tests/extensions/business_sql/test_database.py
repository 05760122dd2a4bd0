"""One SELECT of a real SQLite, by the standard library and by SQLAlchemy: what is read, and what nobody can do."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest
from driftline_extensions.business_sql import database as sql_database
from driftline_extensions.business_sql.database import MOST_BYTES, SqlError, SqlResult, open_database, said_by
from driftline_extensions.business_sql.keys import SqlQuery

NIGHT = 1_727_740_800 * 10**9
"""2024-10-01T00:00:00Z."""
ORDERS = "SELECT day AS time, amount AS value FROM orders WHERE day >= :since ORDER BY day"


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    file = tmp_path / "shop.db"
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("CREATE TABLE orders (day TEXT, amount REAL)")
        days = [("2024-09-30", 1.0), ("2024-10-01", 2.0), ("2024-10-01 09:00:00", 3.0), ("2024-10-01T10:00:00Z", 4.0)]
        connection.executemany("INSERT INTO orders VALUES (?, ?)", days)
        connection.commit()
    return file


@pytest.fixture(params=["sqlite", "sqlite+pysqlite"])
def url(request: pytest.FixtureRequest, shop: Path) -> str:
    """The address of the shop, for the standard library and for SQLAlchemy."""
    if request.param != "sqlite":
        pytest.importorskip("sqlalchemy")
    return f"{request.param}:///{shop}"


def read(url: str, query: str, since: int = 0, most: int = 100, timezone: str = "UTC") -> SqlResult:
    keys = SqlQuery.model_validate({"url": url, "query": query, "timezone": timezone, "timeout": "5s"})
    return open_database(url).read(keys, since, most)


def read_values(result: SqlResult) -> Sequence[object]:
    return [row[1] for row in result.rows]


def test_rows_since_a_time_are_read_however_their_times_are_written(url: str) -> None:
    result = read(url, ORDERS, NIGHT)
    assert (result.columns, read_values(result), result.cut) == (["time", "value"], [2.0, 3.0, 4.0], False)
    assert read_values(read(url, ORDERS, NIGHT + 9 * 3_600 * 10**9)) == [3.0, 4.0]


def test_the_time_since_is_written_in_the_zone_of_the_query(url: str) -> None:
    assert [row[0] for row in read(url, "SELECT :since AS time, 1 AS value", NIGHT, timezone="Asia/Tokyo").rows] == [
        "2024-10-01 09:00:00"
    ]


def test_the_time_since_comes_in_seconds_too(url: str) -> None:
    assert read(url, "SELECT :since_unix AS time, ':since' AS value", NIGHT + 5).rows == [(1_727_740_800, ":since")]


def test_more_rows_than_asked_for_are_cut(url: str) -> None:
    assert (read(url, ORDERS, most=3).cut, len(read(url, ORDERS, most=3).rows)) == (True, 3)
    assert (read(url, ORDERS, most=4).cut, len(read(url, ORDERS, most=4).rows)) == (False, 4)


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM orders",
        "INSERT INTO orders VALUES ('2024-10-02', 1)",
        "DROP TABLE orders",
        "CREATE TABLE other (x)",
        "CREATE TEMP TABLE other (x)",
        "ATTACH '{other}' AS other",
        "PRAGMA writable_schema = 1",
        "SELECT * FROM pragma_table_info('orders')",
        "VACUUM INTO '{other}'",
        "BEGIN IMMEDIATE",
        "SELECT 1 AS time, 2 AS value; DELETE FROM orders",
        "SELECT load_extension('{other}')",
        "SELECT writefile('{other}', 'x')",
    ],
)
def test_nothing_but_a_select_runs_and_no_file_is_made(shop: Path, tmp_path: Path, statement: str) -> None:
    other = tmp_path / "other.db"
    before = shop.read_bytes()
    with pytest.raises(SqlError):
        read(f"sqlite:///{shop}", statement.format(other=other))
    assert shop.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["shop.db"]


@pytest.mark.parametrize("statement", ["DELETE FROM orders", "DROP TABLE orders", "UPDATE orders SET amount = 0"])
def test_sqlalchemy_writes_nothing_either(shop: Path, statement: str) -> None:
    pytest.importorskip("sqlalchemy")
    with pytest.raises(SqlError, match="attempt to write a readonly database"):
        read(f"sqlite+pysqlite:///{shop}", statement)
    assert read_values(read(f"sqlite:///{shop}", ORDERS)) == [1.0, 2.0, 3.0, 4.0]


@pytest.mark.parametrize(
    "query",
    [
        f"SELECT zeroblob({2 * MOST_BYTES}) AS time, 1 AS value",
        f"SELECT hex(randomblob({MOST_BYTES})) AS time, 1 AS value",
        "WITH RECURSIVE n(x) AS (SELECT 'a' UNION ALL SELECT x || x FROM n) SELECT x AS time, 1 AS value FROM n",
    ],
)
def test_a_row_that_is_too_large_fails_its_query(shop: Path, query: str) -> None:
    with pytest.raises(SqlError, match="too big"):
        read(f"sqlite:///{shop}", query)


def test_rows_that_take_too_much_memory_fail_their_query(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sql_database, "MOST_MEMORY", 1 << 20)
    numbers = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n LIMIT 400)"
    assert len(read(url, f"{numbers} SELECT x AS time, hex(zeroblob(1000)) AS value FROM n", most=500).rows) == 400
    with pytest.raises(SqlError, match="its rows need more than 1 MiB; select only time, value,"):
        read(url, f"{numbers} SELECT x AS time, 1 AS value, hex(zeroblob(5000)) AS page FROM n", most=500)


def test_a_text_that_is_no_utf8_costs_no_other_row(shop: Path) -> None:
    said = "SELECT day AS time, amount AS value, CAST(x'ff41' AS TEXT) AS shop FROM orders WHERE day < '2024-10-01'"
    assert read(f"sqlite:///{shop}", said).rows == [("2024-09-30", 1.0, "\ufffdA")]


def test_a_query_without_end_is_cut_or_cancelled(shop: Path) -> None:
    numbers = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n)"
    assert read(f"sqlite:///{shop}", f"{numbers} SELECT x AS time, x AS value FROM n").cut
    url = f"sqlite:///{shop}"
    keys = SqlQuery.model_validate({"url": url, "query": f"{numbers} SELECT max(x) AS time, 1 AS value FROM n"})
    database, failed = open_database(url), threading.Event()

    def run() -> None:
        with pytest.raises(SqlError, match="interrupted"):
            database.read(keys, 0, 10)
        failed.set()

    thread = threading.Thread(target=run)
    thread.start()
    while not failed.wait(0.01):
        database.cancel()
    thread.join()


def test_a_cancelled_database_that_runs_nothing_is_well(url: str) -> None:
    database = open_database(url)
    database.cancel()
    assert database.read(SqlQuery.model_validate({"url": url, "query": ORDERS}), 0, 10).cut is False


def test_a_file_that_is_not_there_is_said_and_not_made(tmp_path: Path) -> None:
    with pytest.raises(SqlError, match=r"'shop\.db'"):
        read(f"sqlite:///{tmp_path}/shop.db", ORDERS)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("SELECT total FROM orders", "no such column: total"),
        ("SELECT * FROM sales", "no such table: sales"),
        ("SELECT FROM WHERE", 'near "FROM": syntax error'),
    ],
)
def test_what_is_wrong_with_a_query_is_said_in_one_line(url: str, query: str, said: str) -> None:
    with pytest.raises(SqlError) as raised:
        read(url, query)
    assert str(raised.value) == said


def test_a_file_that_is_no_database_is_said(tmp_path: Path) -> None:
    (tmp_path / "shop.db").write_bytes(b"x" * 5_000)
    with pytest.raises(SqlError, match="file is not a database"):
        read(f"sqlite:///{tmp_path}/shop.db", ORDERS)


def test_a_failure_of_sqlalchemy_shows_no_password(tmp_path: Path) -> None:
    pytest.importorskip("sqlalchemy")
    with pytest.raises(SqlError) as raised:
        read(f"sqlite+pysqlite:///file:{tmp_path}/none.db?mode=ro&uri=true&key=hunter22", ORDERS)
    assert "unable to open database file" in str(raised.value)
    with pytest.raises(SqlError) as raised:
        read("postgresql+pg8000://me:hunter22@127.0.0.1:1/shop", ORDERS)
    assert "hunter22" not in str(raised.value)


@pytest.mark.parametrize(
    ("text", "url", "said"),
    [
        ("no 'p@ss!' nor p%40ss! here", "mysql://me:p%40ss!@db/x", "no '***' nor *** here"),
        ("the password abc is wrong", "mysql://me:abc@db/x", "ValueError"),
        ("a\x1b[2J\u202eb\nsecond", "mysql://db/x", "a·[2J·b"),
        ("", "mysql://db/x", "ValueError"),
        ("x" * 1_000, "mysql://db/x", "x" * 300),
    ],
)
def test_what_a_driver_says_is_passed_on_without_secrets(text: str, url: str, said: str) -> None:
    assert said_by(ValueError(text), url) == said
