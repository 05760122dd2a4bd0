"""`driftline versions`: challengers beside the champion, from a running processor."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .options import Url, report_bad_input

if TYPE_CHECKING:
    from rich.table import Table


def versions(
    model: Annotated[str, typer.Option(metavar="NAME", help="The model's name.")],
    environment: Annotated[str, typer.Option(metavar="NAME", help="Of one environment.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    url: Url = "http://127.0.0.1:8780",
) -> None:
    """Say of each version whether it is worse or better than the champion, or inconclusive."""
    with report_bad_input():
        from . import client

        answer = client.versions(url, model, environment)
        if as_json:
            typer.echo(json.dumps(answer, indent=2))
            return
        if not answer["challengers"]:
            typer.echo(f"{model} has one version: there is nothing to compare it with")
        show_versions(answer["challengers"])


def show_versions(challengers: Sequence[Mapping[str, Any]]) -> None:
    """Print a sentence for each challenger, and a table of all.

    Args:
        challengers: As the API has them.
    """
    if not challengers:
        return
    from driftline_processor.terminal.console import Readable, terminal

    for challenger in challengers:
        typer.echo(challenger["sentence"])
    terminal().print(Readable(table(challengers)))


def table(challengers: Sequence[Mapping[str, Any]]) -> Table:
    """Return a row for each challenger and loss, from the JSON of the API."""
    from rich.text import Text

    from driftline_processor.present.figures import measured_text, service_title
    from driftline_processor.present.numbers import count
    from driftline_processor.present.versions import LOSS_WORDS, VERDICT_WORDS, ends, mean_loss
    from driftline_processor.terminal.console import empty

    rows = empty()
    for title in ("version", "loss", "champion", "challenger", "difference", "verdict", "requests"):
        rows.add_column(title, justify="left" if title in ("version", "loss", "verdict") else "right", no_wrap=True)
    colours = {"worse": "bold red", "better": "green", "inconclusive": "dim"}
    for challenger in challengers:
        name = f"{challenger['challenger']['version'] or 'no version'} ({challenger['role']})"
        for loss, comparison in challenger["comparisons"].items():
            cells = (
                LOSS_WORDS.get(loss, loss),
                *(mean_loss(loss, comparison[side]) for side in ("champion", "challenger")),
                ends(loss, comparison["low"], comparison["high"]),
                Text(VERDICT_WORDS[comparison["verdict"]], colours[comparison["verdict"]]),
                count(comparison["rows"]),
            )
            rows.add_row(name, *cells)
            name = ""
        for metric, champion, challenger_value in _of_calls(challenger):
            values = (measured_text(metric, champion["value"]), measured_text(metric, challenger_value["value"]))
            rows.add_row(
                name,
                service_title(metric),
                *values,
                "",
                "",
                f"{count(champion['rows'] + challenger_value['rows'])} calls",
            )
            name = ""
    return rows


def _of_calls(challenger: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any], Mapping[str, Any]]]:
    """Yield the metrics of calls that both versions have."""
    sides = [(challenger[side].get("service") or {}).get("values", {}) for side in ("champion", "challenger")]
    for metric in ("error_rate", "latency_p95"):
        if all(metric in side for side in sides):
            yield metric, sides[0][metric], sides[1][metric]
