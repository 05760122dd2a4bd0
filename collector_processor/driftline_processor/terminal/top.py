"""Show the pages live in a terminal, from the ``/api`` of any running processor: ``driftline top``."""

from __future__ import annotations

import contextlib
import os
import select
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import httpx
import numpy as np
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from driftline_processor.core.verdict import ORDER
from driftline_processor.core.windows.window import Window
from driftline_processor.core.wording import short
from driftline_processor.present import times
from driftline_processor.present.numbers import UNKNOWN, cell, compact, count, many, percent, shares
from driftline_processor.present.sentences import COMPLETE
from driftline_processor.present.states import state_word
from driftline_processor.present.titles import HEADLINES, metric_title
from driftline_processor.present.verdicts import verdict_word

from .console import histogram
from .evaluation import VERDICT_STYLES

EVERY = 2.0
"""Seconds between two looks."""

MOST_ANSWERS = 5
"""Models whose sentences stand above the table."""

Fetch = Callable[[], Any]

RANKS = {row.state: rank for rank, row in enumerate(ORDER)}
"""State of a verdict → its place, the worst first."""

LARGE_PSI = 0.25
"""From here on the size of a drift is called large."""


def run(url: str = "http://127.0.0.1:8780", console: Console | None = None) -> int:
    """Show the models of the processor at ``url`` until q or Ctrl-C; once when the output is no terminal.

    Returns the exit code: 0, or 1 with a sentence on stderr when nothing answers there.
    """
    console = console or Console()
    address = url if "://" in url else f"http://{url}"
    with httpx.Client(base_url=address.rstrip("/"), timeout=5) as client:

        def fetch() -> Any:
            document = client.get("/api/v1/models").raise_for_status().json()
            if not isinstance(document, dict) or "models" not in document:
                raise ValueError("this is no list of models")
            return document

        try:
            first = fetch()
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            print(_unreachable(address, error), file=sys.stderr)
            return 1
        if not console.is_terminal:
            console.print(_screen(first, address, console.width))
            return 0
        with contextlib.suppress(KeyboardInterrupt):
            _watch(console, fetch, first, address)
    return 0


def models_table(document: Mapping[str, Any], width: int = 170, now: int | None = None) -> Table:
    """Return a row per model from the JSON of ``/api/v1/models``.

    ``state`` is that of its verdict, the worst first. ``PSI`` is the score's. Behind the rows, where fewer arrived than
    predictions were counted: which share. ``width``: characters there are. 80 hold what matters; from 120 on there are
    the last arrival, the window, PSI and the constant's log loss too, from 170 on the traffic and three metrics.
    ``now``: unix ns.
    """
    now = time.time_ns() if now is None else now
    more, all_of_it = width >= 120, width >= 170
    titles = ["model", "state", "traffic", "rows", "last", "window", "drifted", "PSI"]
    titles += ["said → was", "performance", "known"]
    left_out = ([] if more else ["last", "window", "PSI"]) + ([] if all_of_it else ["traffic"])
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 1, 0, 0))
    for title in titles:
        if title not in left_out:
            left = title in ("model", "state", "traffic", "last", "window", "performance")
            table.add_column(title, justify="left" if left else "right", no_wrap=True, overflow="ellipsis")
    for model in _worst_first(document):
        name, shown = _window(model)
        of_name, of_outcomes = _measured(model, name, shown)
        measured = {} if of_outcomes is None else of_outcomes["performance"]
        label = _label(model)
        drifted, score, *_ = _columns(shown, measured)
        *_, rates, known = _columns(of_outcomes, measured)
        of = "" if of_outcomes is shown else f" ({_named(of_outcomes, of_name, model['timezone'])})"
        cells = {
            "model": Text(short(label, 30 if more else 16)),
            "state": _state(model),
            "traffic": Text(_traffic(model["windows"].get(name, {}).get("rows", [])), "cyan"),
            "rows": _rows(model),
            "last": Text(times.ago(_nanoseconds(model["received"]), now) if model["received"] else UNKNOWN),
            "window": Text(_named(shown, name, model["timezone"])),
            "drifted": drifted,
            "PSI": score,
            "said → was": rates,
            "performance": _performance(measured, 3 if all_of_it else 1, constants=more, of=of if more else ""),
            "known": known,
        }
        table.add_row(*(cell for title, cell in cells.items() if title not in left_out))
    return table


def windows_table(document: Mapping[str, Any]) -> Table:
    """Return a row per window from the JSON of ``/api/v1/models/{name}/evaluations``.

    The rate that was predicted stands beside the one that came true, and the log loss beside that of a constant that
    always says the baseline's rate: a model above it is worse than none. ``known``: the share of outcomes known.
    """
    windows = document["windows"]
    measured = [window["performance"]["realized"] for window in windows]
    metrics = [name for name in HEADLINES if any(_value(found, name) is not None for found in measured)]
    if "log_loss" in metrics:
        metrics = [name for name in metrics if name not in ("accuracy", "f1")]  # they follow the base rate
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 1, 0, 0))
    table.add_column("window", no_wrap=True)
    for title in ("rows", "known", "drifted", "score\nPSI", "said → was"):
        table.add_column(title, justify="right", no_wrap=True)
    for name in metrics:
        constant = any(_value(found, f"{name}_constant") is not None for found in measured)
        table.add_column(metric_title(name) + ("\n(constant)" if constant else ""), justify="right", no_wrap=True)
    for window, found in zip(windows, measured, strict=True):
        label = _named(window, document.get("window", ""), document.get("timezone", "UTC"))
        drifted, score, rates, coverage = _columns(_brief(window), found)
        values = [_metric(found, name) for name in metrics]
        table.add_row(Text(label), count(window["rows"]), coverage, drifted, score, rates, *values)
    return table


def _worst_first(document: Mapping[str, Any]) -> list[Any]:
    """Sort models by verdict, the worst first; versions that are out of use come last."""

    def rank(model: Mapping[str, Any]) -> tuple[bool, int]:
        verdict = model.get("verdict")
        return not model.get("in_use", True), len(RANKS) if verdict is None else RANKS.get(verdict["state"], len(RANKS))

    return sorted(document["models"], key=rank)


def _state(model: Mapping[str, Any]) -> Text:
    verdict = model.get("verdict")
    if verdict is None:
        return Text(UNKNOWN, "dim")
    return Text(verdict_word(short(verdict["state"], 12)), VERDICT_STYLES.get(verdict["state"], ""))


def _columns(window: Mapping[str, Any] | None, measured: Mapping[str, Any]) -> tuple[Text, Text, Text, Text]:
    """Return the cells that both tables share: drifted features, score PSI, rates, coverage."""
    unknown = Text(UNKNOWN, "dim")
    if window is None:
        return unknown, unknown, unknown, unknown
    psi, coverage = window["drift"]["score_psi"], window["outcomes"]["coverage"]
    said, was = _value(measured, "mean_score"), _value(measured, "actual_rate")
    return (
        _drifted(window),
        unknown if psi is None else Text(cell(psi), "bold red" if psi >= LARGE_PSI else ""),
        unknown if said is None or was is None else Text(shares(said, was)),
        Text(percent(coverage)) if coverage else unknown,
    )


def _rows(model: Mapping[str, Any]) -> Text:
    """Return the number of rows, and the share of counted predictions that have arrived where some have not."""
    text = Text(compact(model["rows"] + model.get("distributed", 0)))
    share = (model.get("completeness") or {}).get("value")
    if share is not None and share < COMPLETE:
        text.append(f" ({percent(share)})", "bold red")
    return text


def _metric(measured: Mapping[str, Any], name: str, constants: bool = True) -> Text:
    """Return a metric, red when a constant does better; the constant follows in brackets."""
    value, constant = _value(measured, name), _value(measured, f"{name}_constant")
    if value is None:
        return Text(UNKNOWN, "dim")
    if constant is None:
        return Text(cell(value))
    worse = "bold red" if value > constant else ""
    return Text.assemble((cell(value), worse), (f" ({cell(constant)})" if constants else "", "dim"))


def _performance(measured: Mapping[str, Any], most: int, constants: bool, of: str = "") -> Text:
    """Return the first known metrics; ``of`` names their window, "" for the shown one."""
    known = [name for name in HEADLINES if _value(measured, name) is not None][:most]
    if not known:
        return Text(UNKNOWN, "dim")
    told = Text(", ").join(
        Text(f"{metric_title(name)} ").append_text(_metric(measured, name, constants)) for name in known
    )
    return told.append(of, "dim")


def _measured(
    model: Mapping[str, Any], name: str, shown: Mapping[str, Any] | None
) -> tuple[str, Mapping[str, Any] | None]:
    """Return the newest window whose outcomes had their time: of the shown length, else of the longest with one.

    And its name. The window that is shown where it is that one, or where no window is.
    """
    known = {one: windows.get("measured") for one, windows in model["windows"].items()}
    found = [(one, window) for one, window in known.items() if window is not None]
    if not found:
        return name, shown
    of_name, measured = max(
        found, key=lambda it: (it[0] == name, _nanoseconds(it[1]["end"]) - _nanoseconds(it[1]["start"]))
    )
    same = shown is not None and (of_name, measured["start"]) == (name, shown["start"])
    return of_name, shown if same else measured


def _brief(window: Mapping[str, Any]) -> dict[str, Any]:
    """Return what ``/api/v1/models`` says of a window, from what ``…/evaluations`` says of it."""
    features = window["drift"]["features"].values()
    states = Counter(feature["state"] for feature in features)
    unsure = Counter(feature["lacking"] for feature in features if feature["state"] == "cannot_tell")
    score = window["drift"]["score"] or {}
    return {
        "state": next(
            (state for state in ("drift", "ok", "usual") if states[state]), next(iter(states), "no_baseline")
        ),
        "lacking": next((most for most, _ in unsure.most_common(1)), None),
        "drift": {
            "drifted": states["drift"],
            "compared": states["drift"] + states["ok"] + states["usual"],
            "score_psi": score.get("methods", {}).get("psi", {}).get("value"),
        },
        "outcomes": window["outcomes"],
    }


def _window(model: Mapping[str, Any]) -> tuple[str, Mapping[str, Any] | None]:
    """Return the longest window that has closed once, else the newest open one: the page's choice."""
    names = list(model["windows"])
    for kind in ("closed", "open"):
        found = [(name, model["windows"][name][kind]) for name in names if model["windows"][name][kind]]
        if found:
            pick = max if kind == "closed" else min
            return pick(found, key=lambda it: _nanoseconds(it[1]["end"]) - _nanoseconds(it[1]["start"]))
    return next(iter(names), ""), None


def _value(measured: Mapping[str, Any], name: str) -> float | None:
    metric = measured.get(name)
    return None if metric is None or metric["value"] is None else float(metric["value"])


def _drifted(window: Mapping[str, Any]) -> Text:
    drifted, compared = window["drift"]["drifted"], window["drift"]["compared"]
    if not compared:
        known = window["state"] in ("cannot_tell", "blind")
        return Text(state_word(window["state"], window.get("lacking") or "") if known else UNKNOWN, "dim")
    return Text(f"{drifted}/{compared}", "bold red" if drifted else "green")


def _named(window: Mapping[str, Any] | None, name: str, timezone: str) -> str:
    if window is None or not window.get("start"):
        return UNKNOWN if window is None else "all rows"
    label = times.window_label(Window(name, _nanoseconds(window["start"]), _nanoseconds(window["end"])), timezone)
    return label if window["closed"] else f"{label} (open)"


def _nanoseconds(moment: str) -> int:
    return int(datetime.fromisoformat(moment).timestamp()) * 10**9


def _traffic(rows: Sequence[float]) -> str:
    return histogram(np.array(rows[-12:], dtype=float), max(rows, default=0))


def _screen(document: Mapping[str, Any], url: str, width: int, note: str = "") -> Group:
    known, of_none = document["models"], [Text(short(hint, 300)) for hint in document.get("hints", ())]
    title = Text.assemble(
        ("driftline top", "bold"), f"  {url}  ", (many(len(known), "model"), "dim"), (note, "bold red")
    )
    if not known:
        first = Text(f"\nNo model has been seen yet; {url} says how to send the first prediction.")
        return Group(title, first, *of_none)
    hints = [
        Text.assemble((short(model["model"], 40), "bold"), ": ", short(hint, 300))
        for model in known
        for hint in model["hints"]
    ]
    answers = _answers(document)
    return Group(title, *answers, Text(), models_table(document, width), Text(), *_why(document), *of_none, *hints)


def _answers(document: Mapping[str, Any]) -> list[Text]:
    """Return the sentences of the worst models, the worst first; their names only where there are several models."""
    judged = [model for model in _worst_first(document) if model.get("verdict") and model.get("in_use", True)]
    wanted = [model for model in judged if model["verdict"]["state"] not in ("right", "unknown")] or judged[:1]
    lines = []
    for model in wanted[:MOST_ANSWERS]:
        sentence = Text(short(model["verdict"]["sentence"], 400), VERDICT_STYLES.get(model["verdict"]["state"], ""))
        if len(document["models"]) == 1:
            lines.append(sentence)
        else:
            lines.append(Text.assemble((short(_label(model), 40), "bold"), ": ", sentence))
    return lines


def _why(document: Mapping[str, Any]) -> list[Text]:
    """Return a line for each model whose window there is something to say of: why it drifts."""
    lines = []
    for model in document["models"]:
        _, shown = _window(model)
        if shown is not None and (told := shown.get("explanation")):
            lines.append(Text.assemble((short(_label(model), 40), "bold"), ": ", (short(told, 300), "yellow")))
    return lines


def _label(model: Mapping[str, Any]) -> str:
    return " ".join(short(model[part], 40) for part in ("model", "version", "environment") if model[part])


def _watch(console: Console, fetch: Fetch, document: Any, url: str) -> None:
    """Redraw every two seconds; a processor that goes away is said to be away, and looked for again."""
    with (
        _keys() as pressed,
        Live(_screen(document, url, console.width), console=console, screen=True, auto_refresh=False) as live,
    ):
        while not pressed(EVERY):
            try:
                document, note = fetch(), ""
            except (httpx.HTTPError, ValueError):
                note = "  connection lost; looking again"
            live.update(_screen(document, url, console.width, note), refresh=True)


def _sleep(seconds: float) -> bool:
    time.sleep(seconds)
    return False


@contextlib.contextmanager
def _keys() -> Iterator[Callable[[float], bool]]:
    """Yield a function that waits so many seconds, and says whether q was pressed meanwhile."""
    try:
        import termios
        import tty

        before = termios.tcgetattr(sys.stdin)
    except (ImportError, OSError, ValueError):  # no terminal to read from, or Windows: Ctrl-C it is
        yield _sleep
        return
    tty.setcbreak(sys.stdin)

    def pressed(seconds: float) -> bool:
        ready, _, _ = select.select([sys.stdin], [], [], seconds)
        return bool(ready) and bool(set(os.read(sys.stdin.fileno(), 100)) & set(b"qQ"))

    try:
        yield pressed
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)


def _unreachable(url: str, error: Exception) -> str:
    if isinstance(error, httpx.HTTPStatusError | ValueError):
        return f"driftline top: {url} answers, but not as Driftline does; name the pages' address (web.endpoint)"
    return f"driftline top: nothing answers at {url}; start 'driftline up', or name a running one: driftline top URL"
