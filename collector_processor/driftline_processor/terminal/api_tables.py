"""The table of ``/api/v1/models``: the models of a processor, grouped, sorted and filtered."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

import httpx
import numpy as np
from msgspec import Struct
from rich.table import Table

from driftline_processor.core.metrics import direction
from driftline_processor.core.verdict.states import ORDER
from driftline_processor.core.windows.window import Window
from driftline_processor.present import times
from driftline_processor.present.metrics import HEADLINES, metric_title
from driftline_processor.present.numbers import UNKNOWN, cell, compact, many, percent, shares
from driftline_processor.present.sentences.verdict import verdict_word
from driftline_processor.present.sentences.window import COMPLETE
from driftline_processor.present.states import state_word
from driftline_processor.present.wording import short

from .console import Text, histogram
from .evaluation import VERDICT_STYLES

STATES: tuple[str, ...] = ORDER
"""States of a verdict, the worst first."""

LARGE_PSI = 0.25
"""Minimum PSI of large drift."""

TIMEOUT = 5.0
"""Timeout of a request, seconds."""

_WIDE, _WIDEST = 120, 170
"""Minimum widths in characters for more columns, and for all columns."""

NARROW_NAME, WIDE_NAME = 16, 30
"""Characters of a model's name in a narrow and in a wide table."""


class ModelRow(Struct, frozen=True):
    """One model of ``/api/v1/models`` with its versions and environments.

    Attributes:
        name: The model's name.
        parts: Its versions and environments from the API, those in use first.
        verdict: The overall verdict; None before the first window.
    """

    name: str
    parts: tuple[Mapping[str, Any], ...]
    verdict: Mapping[str, Any] | None

    @property
    def version(self) -> Mapping[str, Any]:
        """The version whose numbers are shown: the worst of those in use, ties by traffic."""
        return self.parts[0]

    @property
    def state(self) -> str:
        """State of the verdict; "" without a verdict."""
        return "" if self.verdict is None else str(self.verdict["state"])

    @property
    def used(self) -> tuple[Mapping[str, Any], ...]:
        """The versions that count for the verdict; all if none counts."""
        return tuple(part for part in self.parts if part.get("in_use", True)) or self.parts

    @property
    def rows(self) -> float:
        """Number of predictions of all versions in use."""
        return float(sum(part["rows"] + part.get("distributed", 0) for part in self.used))

    @property
    def label(self) -> str:
        """The name, with its version and environment if there is only one of each."""
        if len(self.used) == 1:
            return part_label(self.version)
        versions = len({part["version"] for part in self.used})
        other_words = many(versions, "version") if versions > 1 else many(len(self.used), "environment")
        return f"{short(self.name, 40)} ({other_words})"


def part_label(part: Mapping[str, Any]) -> str:
    """Return the name of a version of a model in an environment."""
    return " ".join(short(part[key], 40) for key in ("model", "version", "environment") if part[key])


def fold_models(document: Mapping[str, Any]) -> list[ModelRow]:
    """Return a row per model from the JSON of ``/api/v1/models``, the busiest first."""
    by_name: dict[str, list[Mapping[str, Any]]] = {}
    for part in document["models"]:
        by_name.setdefault(part["model"], []).append(part)
    verdicts, rows = document.get("verdicts", {}), []
    for name, parts in by_name.items():
        ordered = tuple(sorted(parts, key=_place))
        rows.append(ModelRow(name, ordered, verdicts.get(name, ordered[0].get("verdict"))))
    return rows


def _place(part: Mapping[str, Any]) -> tuple[bool, int]:
    """Return the rank of a part, as in :func:`driftline_processor.core.verdict.parts.fold_verdicts`."""
    state = (part.get("verdict") or {}).get("state", "")
    return not part.get("in_use", True), _rank("unknown" if state == "healthy" else state)


def _rank(state: str) -> int:
    return STATES.index(state) if state in STATES else len(STATES)


def _by_need(row: ModelRow) -> Any:
    return not row.version.get("in_use", True), _rank(row.state)


def _by_performance(row: ModelRow) -> Any:
    """Return the sort key that groups models by metric, the worst value first."""
    name, window = newest_window(row.version)
    _, measured = measured_window(row.version, name, window)
    metrics = {} if measured is None else measured["performance"]
    for place, metric in enumerate(HEADLINES):
        if (value := metric_value(metrics, metric)) is not None:
            return place, value * direction(metric)
    return len(HEADLINES), 0.0


SORTS: dict[str, Callable[[ModelRow], Any]] = {
    "need": _by_need,
    "name": lambda row: row.name.casefold(),
    "traffic": lambda row: -row.rows,
    "performance": _by_performance,
}
"""Sort order → key of a row. Ties keep their order: the busiest first."""


def sort_models(rows: Iterable[ModelRow], by: str = "need") -> list[ModelRow]:
    """Sort rows by one of :data:`SORTS`."""
    return sorted(rows, key=SORTS[by])


def filter_models(rows: Iterable[ModelRow], text: str = "", state: str = "") -> list[ModelRow]:
    """Return the rows of a state whose names, versions, teams or states contain every word of a text."""
    words = text.casefold().split()
    return [row for row in rows if state in ("", row.state) and all(word in _searched(row) for word in words)]


def _searched(row: ModelRow) -> str:
    parts = (f"{part_label(part)} {short(part.get('team') or '', 40)}" for part in row.parts)
    return " ".join((*parts, verdict_word(row.state))).casefold()


def columns_for(width: int) -> tuple[str, ...]:
    """Return the columns of a table of models that fit a terminal's width."""
    more, all_of_it = width >= _WIDE, width >= _WIDEST
    titles = ("model", "state", "traffic", "rows", "last", "window", "drifted", "PSI", "pred → act", "performance")
    left_out = (() if more else ("last", "window", "PSI")) + (() if all_of_it else ("traffic",))
    return (*(title for title in titles if title not in left_out), "known")


LEFT = frozenset(("model", "state", "traffic", "last", "window", "performance"))
"""Left-aligned columns; the others are numbers."""


def cells_of(row: ModelRow, width: int, now: int) -> dict[str, Text]:
    """Return column → cell of a row of the table of models. ``now``: unix nanoseconds.

    ``state`` is the verdict's, ``PSI`` the score's. If fewer rows arrived than predictions were counted, the
    fraction follows the number of rows. From 120 characters the constant's log loss is added, from 170 three
    metrics.
    """
    model, more, all_of_it = row.version, width >= _WIDE, width >= _WIDEST
    name, window = newest_window(model)
    of_name, of_outcomes = measured_window(model, name, window)
    measured = {} if of_outcomes is None else of_outcomes["performance"]
    drifted, score, *_ = _columns(window, measured)
    *_, rates, performance_cells = _columns(of_outcomes, measured)
    window_words = "" if of_outcomes is window else f" ({window_title(of_outcomes, of_name, model['timezone'])})"
    received = max((nanoseconds(part["received"]) for part in row.parts if part["received"]), default=0)
    cells = {
        "model": Text(row.label),
        "state": state_text(row.verdict),
        "traffic": Text(_traffic(model["windows"].get(name, {}).get("rows", [])), "cyan"),
        "rows": _rows(row),
        "last": Text(times.ago(received, now) if received else UNKNOWN),
        "window": Text(window_title(window, name, model["timezone"])),
        "drifted": drifted,
        "PSI": score,
        "pred → act": rates,
        "performance": _performance(measured, 3 if all_of_it else 1, constants=more, of=window_words if more else ""),
        "known": performance_cells,
    }
    return {title: cells[title] for title in columns_for(width)}


def models_table(document: Mapping[str, Any], width: int = 170, now: int | None = None) -> Table:
    """Return a row per model from the JSON of ``/api/v1/models``, the worst first; see :func:`cells_of`."""
    now = time.time_ns() if now is None else now
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 1, 0, 0))
    for title in columns_for(width):
        table.add_column(title, justify="left" if title in LEFT else "right", no_wrap=True, overflow="ellipsis")
    for row in sort_models(fold_models(document)):
        cells = cells_of(row, width, now)
        cells["model"].truncate(WIDE_NAME if width >= _WIDE else NARROW_NAME, overflow="ellipsis")
        table.add_row(*cells.values())
    return table


class Server(Protocol):
    """The connection to a processor."""

    @property
    def address(self) -> str:
        """Its URL."""
        ...

    def open(self, timeout: float | None) -> httpx.Client:
        """Return a client for requests to paths."""
        ...

    def open_async(self, timeout: float | None) -> httpx.AsyncClient:
        """Return a client for an event loop."""
        ...

    def failure(self, error: Exception, usage: str) -> str:
        """Return why there is no answer, with the fix."""
        ...

    def refusal(self, status: int, message: str) -> str:
        """Return an answer that is an error, with the fix."""
        ...


def error_message(answer: httpx.Response) -> str | None:
    """Return the sentence of an answer that is an error; None if it is another server's."""
    try:
        return str(answer.json()["error"])
    except (ValueError, KeyError, TypeError):
        return None


def read_models(answer: httpx.Response) -> dict[str, Any]:
    """Return the JSON of ``/api/v1/models``. Raises ``httpx.HTTPError``, or ``ValueError`` if it is something else."""
    try:
        document = answer.raise_for_status().json()
    except RecursionError as error:
        raise ValueError("the response is nested too deeply") from error
    if not isinstance(document, dict) or not isinstance(document.get("models"), list):
        raise ValueError("the response is not a list of models")
    return document


def first_page() -> str:
    """Return the address of the first page of a thousand models; few processors have a second page."""
    return "/api/v1/models?limit=1000"


def next_page(document: Mapping[str, Any], asked: str) -> str:
    """Return the address of the page after ``asked``, "" after the last; ``ValueError`` if the address is invalid."""
    address = document.get("next") or ""
    if address and not (isinstance(address, str) and address.startswith("/api/v1/models?") and address != asked):
        raise ValueError("the response is not a list of models")
    return address


def join_pages(pages: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the pages of ``/api/v1/models`` as one document, the busiest models first."""
    models = [model for page in pages for model in page["models"]]
    if len(pages) > 1:
        models.sort(key=lambda model: model["rows"] + model.get("distributed", 0), reverse=True)
    verdicts = {name: verdict for page in pages for name, verdict in page.get("verdicts", {}).items()}
    return {**pages[0], "models": models, "verdicts": verdicts}


def fetch_models(get: Callable[[str], httpx.Response]) -> dict[str, Any]:
    """Return all pages of ``/api/v1/models`` as one document; raises as :func:`read_models`."""
    pages, address = [], first_page()
    while address:
        pages.append(read_models(get(address)))
        address = next_page(pages[-1], address)
    return join_pages(pages)


def no_model(url: str) -> str:
    """Return the sentence for a processor without models."""
    return f"No model has sent predictions yet; {url} shows how to send the first prediction."


def verdict_text(row: ModelRow) -> Text:
    """Return the headline of a model's verdict in the colour of its state."""
    sentence = "" if row.verdict is None else short(row.verdict["headline"], 400)
    return Text(sentence, VERDICT_STYLES.get(row.state, ""))


def state_text(verdict: Mapping[str, Any] | None) -> Text:
    """Return the state of a verdict in words in its colour."""
    if verdict is None:
        return Text(UNKNOWN, "dim")
    return Text(verdict_word(short(verdict["state"], 12)), VERDICT_STYLES.get(verdict["state"], ""))


def _columns(window: Mapping[str, Any] | None, measured: Mapping[str, Any]) -> tuple[Text, Text, Text, Text]:
    """Return the cells that both tables share: drifted features, PSI of the score, rates, coverage."""
    unknown = Text(UNKNOWN, "dim")
    if window is None:
        return unknown, unknown, unknown, unknown
    psi, coverage = window["drift"]["score_psi"], window["outcomes"]["coverage"]
    mean_score, was = metric_value(measured, "mean_score"), metric_value(measured, "actual_rate")
    return (
        _drifted(window),
        unknown if psi is None else Text(cell(psi), "bold red" if psi >= LARGE_PSI else ""),
        unknown if mean_score is None or was is None else Text(shares(mean_score, was)),
        Text(percent(coverage)) if coverage else unknown,
    )


def _rows(row: ModelRow) -> Text:
    """Return the number of rows, and the fraction of counted predictions that arrived if some did not."""
    text = Text(compact(row.rows))
    arrived = [(part.get("completeness") or {}).get("value") for part in row.used]
    share = min((share_arrived for share_arrived in arrived if share_arrived is not None), default=1.0)
    if share < COMPLETE:
        text.append(f" ({percent(share)})", "bold red")
    return text


def _metric(measured: Mapping[str, Any], name: str, constants: bool = True) -> Text:
    """Return a metric with the constant's value in brackets, in red if the constant is better."""
    value, constant = metric_value(measured, name), metric_value(measured, f"{name}_constant")
    if value is None:
        return Text(UNKNOWN, "dim")
    if constant is None:
        return Text(cell(value))
    worse = "bold red" if value > constant else ""
    return Text.assemble((cell(value), worse), (f" ({cell(constant)})" if constants else "", "dim"))


def _performance(measured: Mapping[str, Any], most: int, constants: bool, of: str = "") -> Text:
    """Return the first known metrics; ``of`` is the name of their window, "" for the shown window."""
    known_names = [name for name in HEADLINES if metric_value(measured, name) is not None][:most]
    if not known_names:
        return Text(UNKNOWN, "dim")
    text = Text()
    for index, name in enumerate(known_names):
        text.append(f"{', ' if index else ''}{metric_title(name)} ").append_text(_metric(measured, name, constants))
    text.append(of, "dim")
    return text


def measured_window(
    model: Mapping[str, Any], name: str, shown: Mapping[str, Any] | None
) -> tuple[str, Mapping[str, Any] | None]:
    """Return the name and the newest mature window: of the shown length, else of the longest length with one.

    The shown window is returned if it is mature itself, or if there is no mature window.
    """
    measured_by_name = {window_name: windows.get("measured") for window_name, windows in model["windows"].items()}
    measured_windows = [(window_name, window) for window_name, window in measured_by_name.items() if window is not None]
    if not measured_windows:
        return name, shown
    of_name, measured = max(
        measured_windows,
        key=lambda pair: (pair[0] == name, nanoseconds(pair[1]["end"]) - nanoseconds(pair[1]["start"])),
    )
    same = shown is not None and (of_name, measured["start"]) == (name, shown["start"])
    return of_name, shown if same else measured


def newest_window(model: Mapping[str, Any]) -> tuple[str, Mapping[str, Any] | None]:
    """Return the longest window length with a closed window, else the newest open window, as on the page."""
    names = list(model["windows"])
    for kind in ("closed", "open"):
        candidates = [(name, model["windows"][name][kind]) for name in names if model["windows"][name][kind]]
        if candidates:
            pick = max if kind == "closed" else min
            return pick(candidates, key=lambda pair: nanoseconds(pair[1]["end"]) - nanoseconds(pair[1]["start"]))
    return next(iter(names), ""), None


def metric_value(measured: Mapping[str, Any], name: str) -> float | None:
    """Return the value of a metric; None if unknown."""
    metric = measured.get(name)
    return None if metric is None or metric["value"] is None else float(metric["value"])


def _drifted(window: Mapping[str, Any]) -> Text:
    drifted, compared = window["drift"]["drifted"], window["drift"]["compared"]
    if not compared:
        is_inconclusive = window["state"] == "inconclusive"
        return Text(state_word(window["state"], window.get("reason") or "") if is_inconclusive else UNKNOWN, "dim")
    return Text(f"{drifted}/{compared}", "bold red" if drifted else "green")


def window_title(window: Mapping[str, Any] | None, name: str, timezone: str) -> str:
    """Return the name of a window, and whether it is open."""
    if window is None or not window.get("start"):
        return UNKNOWN if window is None else "all rows"
    label = times.window_label(Window(name, nanoseconds(window["start"]), nanoseconds(window["end"])), timezone)
    return label if window["closed"] else f"{label} (open)"


def nanoseconds(moment: str) -> int:
    """Return a time of the API in unix nanoseconds, to the second."""
    return int(datetime.fromisoformat(moment).timestamp()) * 10**9


def _traffic(rows: Sequence[float]) -> str:
    return histogram(np.array(rows[-12:], dtype=float), max(rows, default=0))
