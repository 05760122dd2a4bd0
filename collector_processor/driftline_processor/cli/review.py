"""`driftline review`: all models over a quarter as one HTML file to print, from a running processor."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from .connection import Connection
from .option_parameters import HERE, connects, report_bad_input


@connects
def review(
    quarter: Annotated[str, typer.Option(metavar="2026Q3", help="Quarter to review, in UTC.")] = "",
    since: Annotated[
        str,
        typer.Option("--from", metavar="2026-07-01", help="First day: a date, or a duration before now, such as 30d."),
    ] = "",
    until: Annotated[str, typer.Option("--to", metavar="2026-10-01", help="Day after the last day.")] = "",
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FILE", help="Output file. Default: standard output.")
    ] = None,
    server: Connection = HERE,
) -> None:
    """Write the review of a period: models by tier (importance), trends, incidents, decisions and costs."""
    with report_bad_input():
        from driftline_processor.readers.errors import BadInput

        from . import client

        if output is None and sys.stdout.isatty():
            raise BadInput("the review is an HTML file; use driftline review -o review.html")
        html = client.fetch_review(server, quarter, since, until)
        if output is None:
            sys.stdout.write(html)
        else:
            client.write_text(output, html)
            typer.echo(f"{output}: {len(html.encode()) / 1000:.0f} kB")
