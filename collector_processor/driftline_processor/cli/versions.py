"""`driftline versions`: challengers compared with the champion, from a running processor."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from .connection import Connection
from .option_parameters import HERE, connects, report_bad_input


@connects
def versions(
    model: Annotated[str, typer.Option(metavar="NAME", help="The model's name.")],
    environment: Annotated[str, typer.Option(metavar="NAME", help="Only this environment.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    server: Connection = HERE,
) -> None:
    """Compare each version with the champion. The result is worse, better or inconclusive."""
    with report_bad_input():
        from . import client

        answer = client.versions(server, model, environment, sections=not as_json)
        if as_json:
            typer.echo(json.dumps(answer, indent=2))
            return
        if not answer["challengers"]:
            typer.echo(f"{model} has only one version, so there is nothing to compare")
            return
        from msgspec import convert

        from driftline_processor.present.sections.section import Section
        from driftline_processor.terminal.sections import show_sections

        show_sections(convert(answer["sections"], list[Section]))
