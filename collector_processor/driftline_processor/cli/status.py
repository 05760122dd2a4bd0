"""``driftline status``: what a running processor does, and what needs attention."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from .connection import Connection
from .option_parameters import HERE, connects, for_a_reader_that_may_leave, report_bad_input

ATTENTION = 1
"""Exit code if something needs attention."""


@connects
def status(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, as in GET /api/v1/status.")] = False,
    server: Connection = HERE,
) -> None:
    """Show what a running processor does, and what needs attention.

    Exit code: 0 = all well, 1 = something needs attention, 2 = no answer.
    """
    with report_bad_input():
        from driftline_processor.terminal.status import status_lines

        from . import client

        answer = client.fetch_status(server)
    with for_a_reader_that_may_leave():
        for line in [json.dumps(answer, indent=2)] if as_json else status_lines(answer):
            typer.echo(line)
    if answer["attention"]:
        raise typer.Exit(ATTENTION)
