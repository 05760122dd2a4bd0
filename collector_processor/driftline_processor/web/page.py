"""One page in three formats from the same data: HTML for people, CSV for a spreadsheet and JSON for a program."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import msgspec
import xxhash
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from msgspec import Struct
from starlette.datastructures import QueryParams
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response

from driftline_processor.access.routes import form_token_of, principal_of
from driftline_processor.present import (
    metrics,
    names,
    numbers,
    states,
    times,
)
from driftline_processor.present import sections as facts
from driftline_processor.present.csv_cells import plain_cell
from driftline_processor.present.glossary import Definitions
from driftline_processor.present.json_shapes import Key
from driftline_processor.present.sections.section import PAGE
from driftline_processor.present.sentences import policies as policy_words
from driftline_processor.present.sentences import verdict as verdicts
from driftline_processor.present.sentences import window as sentences
from driftline_processor.present.sentences.causes import change_sentence
from driftline_processor.present.sentences.outcomes import OTHER_PROCESSORS, delay_sentence
from driftline_processor.present.sentences.policies import found_words
from driftline_processor.present.sentences.register import clause
from driftline_processor.present.times import date_label, date_words
from driftline_processor.present.wording import capital, iso_time, keep_units_of_page
from driftline_processor.queries.hints import NO_PREDICTION
from driftline_processor.web.charts import curves, sparklines, timelines
from driftline_processor.web.charts.distributions import distribution

from .answers import FiniteJSON
from .place import TABS, anchor, feature_page


def first_shown(query_params: QueryParams, rows: int, step: int) -> int:
    """Return the first row of the page that contains the row ``skip``.

    >>> [first_shown(QueryParams(f"skip={skip}"), 250, 100) for skip in ("", "120", "999", "-1")]
    [0, 100, 200, 0]
    """
    begin = query_params.get("skip", "")
    return min(int(begin) if begin.isdecimal() and len(begin) < 9 else 0, max(rows - 1, 0)) // step * step


class Table(Struct, frozen=True):
    """A table of a page as data.

    Attributes:
        columns: Names of the columns.
        rows: Plain values, one per column: text, number, boolean or None if unknown.
    """

    columns: tuple[str, ...]
    rows: Sequence[Sequence[Any]] = ()


@dataclass(frozen=True, slots=True)
class _Rows(Sequence[Sequence[Any]]):
    """Rows that are created on demand for CSV or JSON; HTML does not need them."""

    items: Sequence[Any]
    readers: tuple[Callable[[Any], Any], ...]

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> Sequence[Any]:  # type: ignore[override]
        return tuple(read(self.items[index]) for read in self.readers)


def table_of(items: Sequence[Any], *columns: str | Key) -> Table:
    """Return a table with a row for each object.

    Args:
        items: The objects.
        *columns: Names of columns, each an attribute, as in ``"rows closed"``, or with a path to an attribute, as in
            ``"model=key.model"``; and :class:`~driftline_processor.present.json_shapes.Key`. A missing value is None.

    >>> from types import SimpleNamespace as Some
    >>> table = table_of([Some(a=1, b=Some(c=2)), Some(a=3, b=None)], "a d=b.c", Key("double", "a", lambda a: 2 * a))
    >>> table.columns, list(table.rows)
    (('a', 'd', 'double'), [(1, 2, 2), (3, None, 6)])
    """
    keys: list[Key] = []
    for column in columns:
        paths = [part.partition("=") for part in column.split()] if isinstance(column, str) else []
        keys += [Key(name, path or None) for name, _, path in paths] if isinstance(column, str) else [column]
    return Table(tuple(key.name for key in keys), _Rows(items, tuple(map(_reader, keys))))


def _reader(key: Key) -> Callable[[Any], Any]:
    path = (key.name if key.attribute is None else key.attribute).split(".")

    def read(value: Any) -> Any:
        for name in path:
            value = getattr(value, name) if name and value is not None else value
        return value if key.by is None else key.by(value)

    return read


class Page(Struct, frozen=True):
    """The content of a page, from which all formats are made.

    Attributes:
        template: Name of its template.
        context: Name → value of the template's variables.
        tables: Name → table, for CSV and JSON; CSV uses the first by default.
        about: Further JSON keys next to the tables.
    """

    template: str
    context: Mapping[str, Any]
    tables: Mapping[str, Table] = msgspec.field(default_factory=dict)
    about: Mapping[str, Any] = msgspec.field(default_factory=dict)


def answer(request: Request, page: Page, behind: int | None = None) -> Response:
    """Return a response in the format of ``?format=``; 304 if the client has the same content already.

    Args:
        request: The request.
        page: The content.
        behind: End of the evaluated time, unix nanoseconds, if windows are late; else None.
    """
    form = request.query_params.get("format", "html")
    if form == "csv":
        return PlainTextResponse(to_csv(_table(page, request.query_params)), media_type="text/csv; charset=utf-8")
    if form == "json":
        return FiniteJSON(to_json(page))
    if form != "html":
        raise HTTPException(400, f"format={form[:40]} is not supported; use html, csv or json")
    return _to_html(request, page, 200, behind)


def answer_failure(request: Request, status: int, sentence: str) -> Response:
    """Return an error in the format of ``?format=``; an unknown format gets HTML."""
    form = request.query_params.get("format")
    if form == "json":
        return FiniteJSON({"error": sentence}, status_code=status)
    if form == "csv":
        return PlainTextResponse(f"{sentence}\n".encode("utf-8", "replace"), status_code=status)
    return _to_html(request, Page("failure.html", {"code": status, "sentence": sentence}), status)


def _to_html(request: Request, page: Page, status: int, behind: int | None = None) -> Response:
    # A lone surrogate in a received name cannot be encoded; it is shown as a question mark.
    of_request = {
        "formats": bool(page.tables),
        "address": _own_address(request),
        "behind": behind,
        "person": principal_of(request.scope).name,
        "form_token": form_token_of(request),
    }
    body = render(page.template, **of_request, **page.context).encode("utf-8", "replace")
    tag = f'W/"{xxhash.xxh3_64_hexdigest(body)}"'
    headers = {"Cache-Control": "no-store", "ETag": tag}
    if status == 200 and tag in request.headers.get("If-None-Match", ""):
        return Response(status_code=304, headers=headers)
    return HTMLResponse(body, status_code=status, headers=headers)


def render(template: str, frame: Literal["", "report"] = "", /, **context: Any) -> str:
    """Return a rendered template; ``frame``: surrounding template if it is not a browser page."""
    context.setdefault("define", Definitions())
    return keep_units_of_page(templates(frame).get_template(template).render(context))


def to_csv(table: Table) -> str:
    r"""Return a table as CSV with a header line; no cell is a formula.

    >>> to_csv(Table(("feature", "psi"), [("=1+1", 0.5), ("age", None)]))
    "feature,psi\r\n'=1+1,0.5\r\nage,\r\n"
    """
    text = io.StringIO()
    sheet = csv.writer(text)
    sheet.writerow(map(plain_cell, table.columns))
    sheet.writerows([_cell(value) for value in row] for row in table.rows)
    return text.getvalue().encode("utf-8", "replace").decode()


def to_json(page: Page) -> dict[str, Any]:
    """Return the tables of a page, each a list of objects, and the keys of ``about``."""
    tables = {
        name: [dict(zip(table.columns, map(_finite, row), strict=True)) for row in table.rows]
        for name, table in page.tables.items()
    }
    return {**page.about, **tables}


def _table(page: Page, query_params: QueryParams) -> Table:
    name = query_params.get("table") or next(iter(page.tables), "")
    if name not in page.tables:
        has = ", ".join(page.tables) or "none"
        raise HTTPException(404, f"this page has no table {name[:40]!r}; it has {has}")
    return page.tables[name]


def _cell(value: Any) -> Any:
    value = plain_cell(_finite(value))
    return "" if value is None else value


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _own_address(request: Request) -> Any:
    """Return a function for the address of this page in another format or with other parameters."""

    def address(**changes: str) -> str:
        query = [(name, value) for name, value in request.query_params.multi_items() if name not in changes]
        query_params = QueryParams([*query, *((name, value) for name, value in changes.items() if value)])
        path = request.scope.get("raw_path") or request.url.path.encode()
        return path.decode("ascii", "replace").partition("?")[0] + (f"?{query_params}" if str(query_params) else "")

    return address


def compile_templates(ended: Callable[[], bool] = lambda: False) -> None:
    """Compile the templates of all pages in advance, because that takes as long as rendering some pages.

    ``ended``: whether to stop. A template that cannot be read now, for instance because no file can be opened, is
    compiled on first use.
    """
    made = templates("")
    for name in made.list_templates(extensions=["html"]):
        if ended():
            return
        with suppress(OSError):
            made.get_template(name)


# the control characters that HTML does not allow, and those that reverse the text around them
_CONTROL_CHARACTERS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def _without_control_characters(value: object) -> object:
    """Replace the control characters of a received text by dots, in whatever sentence it is."""
    return _CONTROL_CHARACTERS.sub("·", value) if type(value) is str else value


@lru_cache(maxsize=2)
def templates(frame: str) -> Environment:
    """Return the templates with their shared functions; those in the folder of ``frame`` come first."""
    folder = Path(__file__).parent / "templates"
    environment = Environment(
        loader=FileSystemLoader([folder / frame, folder] if frame else folder),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_without_control_characters,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(in_report=frame == "report")
    environment.globals.update(
        numbers=numbers, names=names, states=states, titles=metrics, times=times, iso_time=iso_time
    )
    environment.globals.update(date_words=date_words, date_label=date_label)
    environment.globals.update(capital=capital, change_sentence=change_sentence)
    environment.globals.update(found_words=found_words, clause=clause)
    environment.globals.update(verdicts=verdicts, sentences=sentences)
    environment.globals.update(charts=timelines, sparklines=sparklines, distribution=distribution)
    environment.globals.update(facts=facts, surfaces=PAGE, drawn=sparklines.cell_drawing)
    environment.globals.update(anchor=anchor, feature_page=feature_page, tabs=TABS)
    environment.globals.update(delay_sentence=delay_sentence, no_prediction=NO_PREDICTION)
    environment.globals.update(other_processors=OTHER_PROCESSORS)
    environment.globals.update(estimate_chart=timelines.estimate)
    environment.globals.update(drawn_curves=curves.curve_charts_of, confusion_matrix=curves.confusion_matrix)
    environment.globals.update(policy_words=policy_words)
    return environment
