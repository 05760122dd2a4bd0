"""`driftline report`: a model's newest window and its range of time as one HTML file, from a running processor."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from .connection import Connection
from .option_parameters import HERE, Version, connects, report_bad_input


@connects
def report(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="The model's name.")],
    since: Annotated[
        str, typer.Option("--from", metavar="30d", help="Start of the report: a time, or a duration before now.")
    ] = "",
    until: Annotated[
        str, typer.Option("--to", metavar="2026-03-01", help="End of the report: a time, or a duration before now.")
    ] = "",
    window: Annotated[
        str,
        typer.Option(
            metavar="1d", help="Length of the windows. Default: the longest length for which a window has ended."
        ),
    ] = "",
    version: Version = "",
    environment: Annotated[str, typer.Option(metavar="NAME", help="Only this environment.")] = "",
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FILE", help="Output file. Default: standard output.")
    ] = None,
    server: Connection = HERE,
) -> None:
    """Write a report as one HTML file: a model's verdict, performance, features and findings."""
    with report_bad_input():
        from driftline_processor.readers.errors import BadInput

        from . import client

        if output is None and sys.stdout.isatty():
            raise BadInput(f"the report is an HTML file; use driftline report {model} -o report.html")
        html = client.fetch_report(server, model, client.ReportRange(since, until, window, version, environment))
        if output is None:
            sys.stdout.write(html)
        else:
            client.write_text(output, html)
            typer.echo(f"{output}: {len(html.encode()) / 1000:.0f} kB")
