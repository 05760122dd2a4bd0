"""Queries of business series in the configuration: what is refused at start, and that no message shows a password."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from driftline_extensions.business_sql import keys as sql_queries
from driftline_extensions.business_sql.keys import place_of, secrets_of
from driftline_processor.config.schema import load, validate_file

from tests.support.facts import Facts, lacking

QUERY = "SELECT day AS time, sum(amount) AS value FROM orders WHERE day >= :since GROUP BY day"


def write(folder: Path, sql: str) -> Path:
    file = folder / "driftline.yaml"
    file.write_text(f"models: {{churn: {{}}}}\nbusiness: {{revenue: {{model: churn, sql: {sql}}}}}\n", encoding="utf-8")
    return file


def test_a_query_is_read_with_its_defaults_and_a_path_relative_to_the_file(tmp_path: Path) -> None:
    found = load(write(tmp_path, f'{{url: "sqlite:///data/shop.db", query: "{QUERY}"}}')).business["revenue"]
    query = found.sources["sql"]
    assert isinstance(query, sql_queries.SqlQuery)
    assert query.url.get_secret_value() == f"sqlite:///{tmp_path}/data/shop.db"
    assert (query.every, query.timeout) == (timedelta(minutes=5), timedelta(seconds=30))
    assert found.keys("revenue").source == "sqlite shop.db"


def test_a_series_may_have_a_metric_and_a_query(tmp_path: Path) -> None:
    file = write(tmp_path, f'{{url: "sqlite:////x/shop.db", query: "{QUERY}"}}, metric: shop.revenue')
    assert load(file).business["revenue"].keys("revenue").source == "shop.revenue and sqlite shop.db"


def test_a_series_needs_a_metric_or_a_query(tmp_path: Path) -> None:
    file = tmp_path / "driftline.yaml"
    file.write_text("models: {churn: {}}\nbusiness: {revenue: {model: churn, match: {country: NL}}}\n")
    assert [problem.partition(";")[0] for problem in [*map(str, validate_file(file))]] == [
        "business.revenue: has no source",
        "business.revenue.match: selects points of a metric, but no metric is set",
    ]


@pytest.mark.parametrize(
    ("sql", "facts"),
    [
        (f'{{url: "sqlite:///x.db", query: "{QUERY}", evry: 1h}}', ("sql.evry:", "'every'")),
        (f'{{query: "{QUERY}"}}', ("sql.url: is missing",)),
        ('{url: "sqlite:///x.db"}', ("sql.query: is missing",)),
        (f'{{url: "shop.db", query: "{QUERY}"}}', ("sql.url:", "URL")),
        (f'{{url: "sqlite://shop.db", query: "{QUERY}"}}', ("sql.url: contains no file",)),
        (f'{{url: "sqlite:///:memory:", query: "{QUERY}"}}', ("sql.url: contains no file",)),
        (f'{{url: "sqlite:///x.db?mode=rw", query: "{QUERY}"}}', ("sql.url:",)),
        ('{url: "sqlite:///x.db", query: "DELETE FROM orders"}', ("sql.query: is not a SELECT",)),
        ('{url: "sqlite:///x.db", query: "-- SELECT\\n DROP TABLE x"}', ("sql.query: is not a SELECT",)),
        ('{url: "sqlite:///x.db", query: "SELECT 1; DELETE FROM x"}', ("sql.query: contains several statements",)),
        ("{url: 'sqlite:///x.db', query: 'SELECT :sinse'}", ("':sinse'", "'since'")),
        (f'{{url: "sqlite:///x.db", query: "{QUERY}", every: 5}}', ("sql.every: '5' has no unit",)),
        (f'{{url: "sqlite:///x.db", query: "{QUERY}", every: 0s}}', ("sql.every:", "1 second")),
        (f'{{url: "sqlite:///x.db", query: "{QUERY}", timeout: 10ms}}', ("sql.timeout:", "1 second")),
        (f'{{url: "sqlite:///x.db", query: "{QUERY}", timezone: Mars}}', ("sql.timezone",)),
    ],
)
def test_what_is_wrong_with_a_query_is_said_with_its_key(tmp_path: Path, sql: str, facts: Facts) -> None:
    (problem,) = [*map(str, validate_file(write(tmp_path, sql)))]
    assert problem.startswith("business.revenue.sql.")
    assert lacking(problem, *facts) == []


@pytest.mark.parametrize(
    "query",
    ["SELECT ';' AS time, 1 AS value", "WITH a AS (SELECT 1) SELECT 2;", "(SELECT 1)", "/* ; */ SELECT ':x' -- :y ;"],
)
def test_texts_and_comments_of_a_query_mean_nothing(query: str) -> None:
    assert list(sql_queries.query_problems(query)) == []


@pytest.mark.parametrize(
    "sql",
    [
        '"postgresql://me:hunter22@db/shop"',
        '["postgresql://me:hunter22@db/shop"]',
        f'{{url: ["postgresql://me:hunter22@db/shop"], query: "{QUERY}"}}',
        f'{{url: "postgresq://me:hunter22@db/shop", query: "{QUERY}"}}',
        f'{{url: "postgresql+nodriver://me:hunter22@db/shop", query: "{QUERY}"}}',
        f'{{url: "postgresql://me:hunter22@db:x/shop", query: "{QUERY}"}}',
        f'{{url: "hunter22", query: "{QUERY}"}}',
        f'{{url: "${{env:SHOP}}", query: "{QUERY}", timeout: 1}}',
    ],
)
def test_no_problem_shows_a_password(tmp_path: Path, sql: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP", "mysql://me:hunter22")
    found = [*map(str, validate_file(write(tmp_path, sql)))]
    assert found
    assert "hunter22" not in " ".join(found)


def test_a_query_that_is_too_long_is_refused(tmp_path: Path) -> None:
    (problem,) = [
        *map(str, validate_file(write(tmp_path, f'{{url: "sqlite:///x.db", query: "SELECT {"x" * 20_000}"}}')))
    ]
    assert problem.startswith("business.revenue.sql.query: ")


def test_without_sqlalchemy_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sql_queries, "find_spec", lambda _: None)
    (problem,) = [
        *map(str, validate_file(write(tmp_path, f'{{url: "postgresql+psycopg://db/shop", query: "{QUERY}"}}')))
    ]
    assert lacking(problem, "pip install sqlalchemy") == []
    assert [*map(str, validate_file(write(tmp_path, f'{{url: "sqlite:///shop.db", query: "{QUERY}"}}')))] == []


def test_with_sqlalchemy_the_driver_that_is_missing_is_named(tmp_path: Path) -> None:
    pytest.importorskip("sqlalchemy")
    (problem,) = [*map(str, validate_file(write(tmp_path, f'{{url: "mysql+mysqldb://db/shop", query: "{QUERY}"}}')))]
    assert lacking(problem, "business.revenue.sql.url:", "MySQLdb") == []
    (problem,) = [*map(str, validate_file(write(tmp_path, f'{{url: "postgress://db/shop", query: "{QUERY}"}}')))]
    assert lacking(problem, "'postgress'", "'postgresql'") == []


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("postgresql://me:a@b:c@db/shop?password=secret", "postgresql db/shop"),
        ("mssql+pyodbc:///?odbc_connect=DRIVER%3DX%3BPWD%3Dsecret", "mssql /"),
        ("postgresql://me:secret@db/shop?options=-c%20x@y", "postgresql y"),
        ("nothing", "SQL"),
    ],
)
def test_the_place_of_a_database_has_no_secret(url: str, place: str) -> None:
    assert place_of(url) == place


def test_passwords_in_options_are_secrets_too() -> None:
    found = secrets_of("mssql+pyodbc:///?odbc_connect=DRIVER%3DX%3BPWD%3Dhunter22")
    assert "hunter22" in found
    assert secrets_of("postgresql://db/shop?connect_timeout=5&sslmode=prefer&passfile=x") == ["x"]
    assert "hunter22" in secrets_of("postgresql://me:hunter22@db/shop?user=a@b")


def test_the_configuration_shows_no_address(tmp_path: Path) -> None:
    found = load(write(tmp_path, f'{{url: "sqlite:////x/hunter22.db", query: "{QUERY}"}}'))
    assert "hunter22" not in repr(found)
    assert "hunter22" not in found.model_dump_json()
