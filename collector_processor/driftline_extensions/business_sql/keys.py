"""The keys of ``business.NAME.sql``: a database, a query, its interval, and the rules between them.

SQLite is read by the standard library, every other database by SQLAlchemy, which is an extra.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import unquote

from driftline_processor.config.business import BusinessSource
from driftline_processor.config.section import Problem
from driftline_processor.config.values import Days, Form, Seconds, Secret, Text, TimeZone
from driftline_processor.core.nearest_names import near
from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationInfo

SINCE: Final = "since"
"""Query parameter with the begin of the requested rows."""

SINCE_UNIX: Final = "since_unix"
"""The same in whole unix seconds."""

PARAMETERS: Final = (SINCE, SINCE_UNIX)

DATABASES: Final = ("sqlite", "postgresql", "mysql", "mariadb", "mssql", "oracle")
"""Kinds of database to suggest for a mistyped address."""

SHORTEST: Final = timedelta(seconds=1)
"""Minimum interval between queries, and minimum timeout of a query."""

LONG_OPTION: Final = 8
"""Minimum number of characters of an address option that may be a secret, whatever its name is."""

MOST_CHARACTERS: Final = 20_000
"""Upper limit of characters of a query."""

_SECRET_OPTION = re.compile(r"pass|pwd|secret|token|key|cred|auth", re.I)
"""Names of options that contain a secret, however short."""

_ADDRESS = re.compile(r"(?P<kind>[a-z][a-z0-9]*)(?P<driver>\+[a-z0-9_]+)?://(?P<rest>.*)", re.S)
_ASIDE = re.compile(
    r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|`[^`]*`|--[^\n]*|/\*.*?\*/|\$(?P<tag>\w*)\$.*?\$(?P=tag)\$", re.S
)
"""Texts, quoted names and comments of a query, whose content is ignored."""

_PARAMETER = re.compile(r"(?<![:\w\\]):([A-Za-z_]\w*)")


def _database(url: object, info: ValidationInfo) -> object:
    """Return the address of a database; the path of a SQLite file is relative to the configuration file."""
    if isinstance(url, SecretStr):
        url = url.get_secret_value()
    if not isinstance(url, str):
        raise ValueError("is not a database URL; use a URL such as 'sqlite:///shop.db'")
    match = _ADDRESS.fullmatch(url)
    if match is None:
        raise ValueError(
            "is not a database URL; use a URL such as 'sqlite:///shop.db' or "
            "'postgresql+psycopg://reader:${env:PASSWORD}@db/shop'"
        )
    if match["kind"] != "sqlite" or match["driver"]:
        return url
    path = match["rest"].removeprefix("/")
    if not path or path == ":memory:" or not match["rest"].startswith("/"):
        raise ValueError("contains no file; put its path after three slashes, as in 'sqlite:///shop.db'")
    if "?" in path or "\0" in path:
        raise ValueError(
            "must end with the path of its file; remove what follows the path (the file is always opened read-only)"
        )
    return f"sqlite:///{Path((info.context or {}).get('folder', '')) / Path(path).expanduser()}"


Database = Annotated[Secret, BeforeValidator(_database), Form("secret address of a database")]


def _positive(duration: timedelta) -> timedelta:
    if duration < SHORTEST:
        raise ValueError("must be at least 1 second, for example '5m'")
    return duration


class SqlQuery(BusinessSource):
    """One query of one database."""

    url: Database = Field(
        description="The SQLAlchemy URL of the database. `sqlite:///PATH` needs no other package; other databases "
        "need `pip install sqlalchemy` and their driver. The URL is a secret: pages and messages show it "
        "without user, password and options. Use a database user with read-only access.",
        examples=["sqlite:///shop.db", "postgresql+psycopg://reader:${env:SHOP_PASSWORD:-secret}@db/shop"],
    )
    query: Text = Field(
        max_length=MOST_CHARACTERS,
        description="One SELECT with the columns `time` and `value`, and optionally `weight`: the number of items "
        "whose mean is `value`. Rows with the same time must differ in another column. `:since` is the time from "
        "which rows are requested, and `:since_unix` is the same time in seconds since 1970.",
        examples=["SELECT day AS time, sum(amount) AS value FROM orders WHERE day >= :since GROUP BY day"],
    )
    every: Annotated[Seconds, AfterValidator(_positive)] = Field(
        default=timedelta(minutes=5), description="How often the query runs.", examples=["1h"]
    )
    timeout: Annotated[Seconds, AfterValidator(_positive)] = Field(
        default=timedelta(seconds=30),
        description="The maximum duration of the query, after which it is cancelled.",
        examples=["2m"],
    )
    look_back: Days = Field(
        default=timedelta(days=1),
        description="How late rows may arrive or change. Each query starts this long before the latest row.",
        examples=["7d"],
    )
    period: Seconds | None = Field(
        default=None,
        description="The length of the period that a row describes. The period starts at the time of the row. The row "
        "is used only after the period has ended. Otherwise the revenue of half a day would look like a drop.",
        examples=["1d"],
        json_schema_extra={"default": "the usual time between two rows"},
    )
    timezone: TimeZone = Field(
        default="UTC",
        description="The time zone of dates, and of times without a time zone.",
        examples=["Europe/Amsterdam"],
    )

    @property
    def place(self) -> str:
        """The database for people, without user, password and options."""
        return place_of(self.url.get_secret_value())

    def problems(self) -> Iterator[Problem]:
        """Yield a problem for everything that every database would reject."""
        yield from (Problem("query", problem) for problem in query_problems(self.query))
        yield from (Problem("url", problem) for problem in _driver_problems(self.url.get_secret_value()))


def place_of(url: str) -> str:
    """Return a database for people: kind, host and name; for a file its name.

    >>> place_of("postgresql+psycopg://me:p@ss/w:1@db.example.com:5432/shop?sslmode=require")
    'postgresql db.example.com:5432/shop'
    >>> place_of("sqlite:////var/lib/shop.db")
    'sqlite shop.db'
    """
    match = _ADDRESS.fullmatch(url)
    if match is None:
        return "SQL"
    rest = match["rest"].rpartition("@")[2].partition("?")[0].partition(";")[0]
    return f"{match['kind']} {Path(rest).name if match['kind'] == 'sqlite' else rest}".strip()


def secrets_of(url: str) -> list[str]:
    """Return the secrets of an address: password and options, encoded and decoded, longest first.

    >>> secrets_of("mysql+pymysql://me:p%40ss@db/shop?ssl_key=abc")
    ['p%40ss', 'p@ss', 'abc']
    """
    rest = url.partition("://")[2]
    before, _, behind = rest.rpartition("@")
    parts = [user.partition(":")[2] for user in (before, rest.partition("@")[0] if before else "")]
    for option in behind.partition("?")[2].split("&"):
        for name, _, value in (option.partition("="), *(part.partition("=") for part in unquote(option).split(";"))):
            if len(value) >= LONG_OPTION or _SECRET_OPTION.search(name):
                parts.append(value)
    forms = {form for part in parts for form in (part, unquote(part), unquote(part.replace("+", " "))) if form}
    return sorted(forms, key=lambda part: (-len(part), part))


def query_problems(query: str) -> Iterator[str]:
    """Yield problems of a query that are visible without its database.

    >>> list(query_problems("SELECT 1 AS time; DROP TABLE orders"))
    ['contains several statements; use a single SELECT']
    """
    plain = _ASIDE.sub(" ", query).strip()
    statement, _, more = plain.partition(";")
    if more.strip(" \n\t;"):
        yield "contains several statements; use a single SELECT"
        return
    first = re.match(r"[\s(]*([A-Za-z]*)", statement)
    if first is None or first[1].upper() not in ("SELECT", "WITH"):
        yield "is not a SELECT; use SELECT ... AS time, ... AS value FROM ..."
    for name in dict.fromkeys(parameters_of(query)):
        if name not in PARAMETERS:
            yield f"there is no parameter ':{name:.40}'; {near(name, PARAMETERS)}"


def parameters_of(query: str) -> list[str]:
    """Return the names of the parameters of a query.

    >>> parameters_of("SELECT day::date, ':no' FROM orders WHERE day >= :since -- :neither")
    ['since']
    """
    return _PARAMETER.findall(_ASIDE.sub(" ", query))


def escaped(query: str) -> str:
    r"""Return a query for SQLAlchemy, which reads colons in texts and comments as parameters, too.

    >>> escaped("SELECT ':no', :since")
    "SELECT '\\:no', :since"
    """
    return _ASIDE.sub(lambda aside: re.sub(r":(?=\w)", r"\\:", aside[0]), query)


def _driver_problems(url: str) -> Iterator[str]:
    """Yield missing packages, and unknown kinds of database."""
    match = _ADDRESS.fullmatch(url)
    if match is None or (match["kind"] == "sqlite" and not match["driver"]):
        return
    if find_spec("sqlalchemy") is None:
        if match["kind"] not in DATABASES and not match["driver"]:
            yield f"'{match['kind']:.40}' is not a type of database; {near(match['kind'], DATABASES)}"
        yield "databases other than SQLite are read by SQLAlchemy, which is not installed; pip install sqlalchemy"
        return
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError, NoSuchModuleError

    try:
        dialect: Any = make_url(url).get_dialect()
    except NoSuchModuleError:
        scheme = f"{match['kind']}{match['driver'] or ''}"
        yield f"'{scheme:.40}' is not an installed type of database; {near(match['kind'], DATABASES)}"
        return
    except (ArgumentError, ValueError):
        yield "is not a database URL; special characters of a password must be encoded as %40, %2F and so on"
        return
    try:
        dialect.import_dbapi()
    except ImportError as error:
        yield f"the driver of {match['kind']} is not installed; pip install {error.name or dialect.driver}"
