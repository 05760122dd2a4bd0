"""`driftline versions`: challengers beside the champion, from a running processor."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .options import Url, one_sentence

if TYPE_CHECKING:
    from rich.table import Table


def versions(
    model: Annotated[str, typer.Option(metavar="NAME", help="The model's name.")],
    environment: Annotated[str, typer.Option(metavar="NAME", help="Of one environment.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    url: Url = "http://127.0.0.1:8780",
) -> None:
    """Say of each version whether it is worse or better than the champion, or not yet."""
    with one_sentence():
        from . import remote

        answer = remote.versions(url, model, environment)
        if as_json:
            typer.echo(json.dumps(answer, indent=2))
            return
        from .files.terminal import Readable, terminal

        if not answer["challengers"]:
            typer.echo(f"{model} has one version: there is nothing to compare it with")
        for one in answer["challengers"]:
            typer.echo(one["sentence"])
        if answer["challengers"]:
            terminal().print(Readable(table(answer["challengers"])))


def table(challengers: Sequence[Mapping[str, Any]]) -> Table:
    """Return a row for each challenger and loss, from the JSON of the API."""
    from rich.text import Text

    from .core.versions.words import LOSS_WORDS, VERDICT_WORDS, ends, value
    from .files.terminal import empty

    found = empty()
    for title in ("version", "loss", "champion", "challenger", "difference", "verdict", "requests"):
        found.add_column(title, justify="left" if title in ("version", "loss", "verdict") else "right", no_wrap=True)
    colours = {"worse": "bold red", "better": "green", "not_yet": "dim"}
    for one in challengers:
        name = f"{one['challenger']['version'] or 'no version'} ({one['role']})"
        for loss, told in one["comparisons"].items():
            found.add_row(
                name,
                LOSS_WORDS.get(loss, loss),
                value(loss, told["champion"]),
                value(loss, told["challenger"]),
                ends(loss, told["low"], told["high"]),
                Text(VERDICT_WORDS[told["verdict"]], colours[told["verdict"]]),
                f"{told['rows']:,}",
            )
            name = ""
    return found
