"""`driftline versions`: challengers beside the champion, from a running processor."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .options import Url, models_of, one_sentence

if TYPE_CHECKING:
    from rich.table import Table

    from .core.versions import Named


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
        if not answer["challengers"]:
            typer.echo(f"{model} has one version: there is nothing to compare it with")
        show_versions(answer["challengers"])


def show_versions(challengers: Sequence[Mapping[str, Any]]) -> None:
    """Print a sentence for each challenger, and a table of all; ``challengers``: as the API has them."""
    if not challengers:
        return
    from .files.terminal import Readable, terminal

    for one in challengers:
        typer.echo(one["sentence"])
    terminal().print(Readable(table(challengers)))


def versions_in(file: Path) -> dict[str, Named]:
    """Return which versions a configuration compares with which, by model."""
    return {name: model.versions.named for name, model in models_of("--performance", file).items()}


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
