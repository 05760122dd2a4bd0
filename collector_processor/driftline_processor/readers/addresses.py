"""Names of files, and addresses in a database: `sqlite:///log.db?table=predictions`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import parse_qs, quote, unquote

from .errors import BadInput

if TYPE_CHECKING:
    from .memory import Rows

SCHEME = "sqlite:"
_SUFFIXES = (".db", ".sqlite", ".sqlite3")


class Address(NamedTuple):
    """A database with its table or query; both are empty for the only table."""

    file: Path
    table: str = ""
    query: str = ""


def file_or_address(text: str) -> Path:
    """Return a path; for an address, slashes and query are stored in the path.

    >>> str(file_or_address("sqlite:////var/log.db?table=predictions")), str(file_or_address("a.csv"))
    ('sqlite:/var/log.db?table=predictions', 'a.csv')
    """
    if not text.startswith(SCHEME):
        return Path(text)
    rest = text.removeprefix(SCHEME)
    rest = rest.removeprefix("///") if rest.startswith("///") else rest
    file, sign, query = rest.partition("?")
    return Path(f"{SCHEME}{file}{sign}{quote(query, safe='=&%+', encoding='utf-8')}")


def is_database(path: Path) -> bool:
    """Return True if a path is a database, or an address in one.

    >>> is_database(Path("log.db")), is_database(Path("sqlite:log.db?table=t")), is_database(Path("log.csv"))
    (True, True, False)
    """
    return str(path).startswith(SCHEME) or path.suffix.lower() in _SUFFIXES


def address_of(path: Path) -> Address:
    """Split an address. Raises :class:`BadInput` for an invalid one."""
    text = str(path)
    file, _, query = text.removeprefix(SCHEME).partition("?") if text.startswith(SCHEME) else (text, "", "")
    parameters = parse_qs(query)
    wrong = [name for name in parameters if name not in ("table", "query")]
    if wrong or len(parameters) > 1 or (query and not parameters):
        raise BadInput(
            f"{text}: is not a valid address; use sqlite:///FILE?table=NAME or sqlite:///FILE?query=SELECT..."
        )
    return Address(Path(unquote(file)), parameters.get("table", [""])[0], parameters.get("query", [""])[0])


def name_of(path: Rows) -> str:
    """Return the name of the model in an address, if no option names it; a table in memory has none.

    >>> name_of(Path("sqlite:log.db?table=churn")), name_of(Path("logs/week.csv.gz"))
    ('churn', 'week')
    """
    if not isinstance(path, Path):
        return "model"
    address = address_of(path) if is_database(path) else Address(path)
    return address.table or address.file.name.split(".")[0]
