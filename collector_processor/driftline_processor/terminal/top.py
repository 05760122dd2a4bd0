"""`driftline top`: the models of a running processor in a terminal; a single table in a pipe, else an application."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import httpx
from rich.console import Console, Group

from driftline_processor.present.numbers import many
from driftline_processor.present.wording import short

from .api_tables import (
    TIMEOUT,
    ModelRow,
    Server,
    error_message,
    fetch_models,
    fold_models,
    models_table,
    newest_window,
    no_model,
    part_label,
    sort_models,
    verdict_text,
)
from .console import Text

MOST_ANSWERS = 5
"""Number of models whose verdicts are above the table."""


def run(server: Server, console: Console | None = None) -> int:
    """Show the models of a processor until q or Ctrl-C; once if the output is not a terminal.

    Returns the exit code: 0, or 1 with a sentence on stderr if there is no answer.
    """
    console = console or Console()
    address = server.address
    try:
        with server.open(TIMEOUT) as client:
            first = fetch_models(client.get)
        page = _page(first, address, console.width)
    except (LookupError, TypeError, AttributeError) as error:  # JSON of another server
        print(_unreachable(server, ValueError(str(error))), file=sys.stderr)
        return 1
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        print(_unreachable(server, error), file=sys.stderr)
        return 1
    if not console.is_terminal or console.is_dumb_terminal or not sys.stdin.isatty():
        console.print(page)
        return 0
    from .top_application import TopApplication  # takes a second to load

    TopApplication(server, first).run()
    return 0


def _page(document: Mapping[str, Any], url: str, width: int) -> Group:
    rows, of_none = fold_models(document), [Text(short(hint, 300)) for hint in document.get("hints", ())]
    title = Text.assemble(("driftline top", "bold"), f"  {url}  ", (many(len(rows), "model"), "dim"))
    if not rows:
        return Group(title, Text(f"\n{no_model(url)}"), *of_none)
    hints = [
        Text.assemble((short(model["model"], 40), "bold"), ": ", short(hint, 300))
        for model in document["models"]
        for hint in model["hints"]
    ]
    table = models_table(document, width)
    return Group(title, *_answers(sort_models(rows)), Text(), table, Text(), *_why(document), *of_none, *hints)


def _answers(rows: list[ModelRow]) -> list[Text]:
    """Return the verdicts of the worst models, the worst first; with names only if there are several models."""
    judged_rows = [row for row in rows if row.verdict is not None and row.version.get("in_use", True)]
    rows_shown = [row for row in judged_rows if row.state not in ("healthy", "unknown")] or judged_rows[:1]
    lines = []
    for row in rows_shown[:MOST_ANSWERS]:
        sentence = verdict_text(row)
        name = () if len(rows) == 1 else ((short(row.label, 40), "bold"), ": ")
        lines.append(Text.assemble(*name, sentence))
    return lines


def _why(document: Mapping[str, Any]) -> list[Text]:
    """Return a line with the causes of drift for each version with drift."""
    lines = []
    for model in document["models"]:
        _, window = newest_window(model)
        if window is not None and (explanation := window.get("explanation")):
            lines.append(
                Text.assemble((short(part_label(model), 40), "bold"), ": ", (short(explanation, 300), "yellow"))
            )
    return lines


def _unreachable(server: Server, error: Exception) -> str:
    if isinstance(error, httpx.HTTPStatusError) and (message := error_message(error.response)) is not None:
        return f"driftline top: {server.refusal(error.response.status_code, message)}"
    if isinstance(error, httpx.HTTPStatusError | ValueError):
        return (
            f"driftline top: the response of {server.address} is not from Driftline; use the address of its pages "
            "(web.endpoint)"
        )
    return f"driftline top: {server.failure(error, 'pass the URL of a running one: driftline top URL')}"
