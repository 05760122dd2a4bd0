"""`driftline drill`: whether a configuration would detect a fault, how soon, and who would be notified."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from driftline_processor.cli.connection import Connection
from driftline_processor.cli.option_parameters import (
    BAD_INPUT,
    NOT_GIVEN,
    ROWS,
    connects,
    report_bad_input,
    say,
    takes_options,
)
from driftline_processor.readers.addresses import file_or_address
from driftline_processor.readers.column_options import ColumnOptions

MISSED = 1


class Format(StrEnum):
    """Format of results."""

    TEXT = "text"
    JSON = "json"
    MARKDOWN = "markdown"


@connects
@takes_options
def drill(
    fault: Annotated[
        str, typer.Argument(metavar="[FAULT]", help="Fault to inject, such as unit-change. Use --all for all faults.")
    ] = "",
    every: Annotated[
        bool, typer.Option("--all", help="Inject every fault into every model, and print a table.")
    ] = False,
    config: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Configuration file. Default: the default configuration with one notification channel."
        ),
    ] = None,
    records: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            help=f"File of recorded rows; repeatable. Formats: {ROWS}. "
            "Default: the stored rows of a running `driftline up`.",
            parser=file_or_address,
        ),
    ] = None,
    server: Annotated[
        Connection,
        typer.Option(
            "--url",
            metavar="URL",
            help="URL of a running `driftline up` with stored rows of the model. Not allowed with --records. Default: "
            "web.endpoint of the configuration. If no stored rows are available at this URL, rows are simulated.",
        ),
    ] = NOT_GIVEN,
    simulated: Annotated[
        bool, typer.Option("--simulated", help="Use simulated rows, even if a running `driftline up` has stored rows.")
    ] = False,
    outcomes: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="File of the outcomes, with the columns id and actual, and optionally time.",
            parser=file_or_address,
        ),
    ] = None,
    baseline: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Baseline file (.json). Default: the baseline of the configuration."),
    ] = None,
    size: Annotated[
        float | None,
        typer.Option(metavar="N", help="Size of the fault, in the unit of the fault, such as a factor or days."),
    ] = None,
    fraction: Annotated[
        float, typer.Option(metavar="F", min=0.0, max=1.0, help="Fraction of the rows that have the fault.")
    ] = 1.0,
    feature: Annotated[
        str, typer.Option(metavar="NAME", help="Feature with the fault. Default: the first suitable feature.")
    ] = "",
    at: Annotated[
        str, typer.Option(metavar="28d", help="Start of the fault: days after the first row, or a time.")
    ] = "",
    days: Annotated[
        int | None, typer.Option(metavar="N", help="Days of simulated rows after the start of the fault.")
    ] = None,
    rows: Annotated[int, typer.Option(metavar="N", help="Number of simulated rows per day.")] = 500,
    seed: Annotated[int, typer.Option(metavar="N", help="Random seed of the simulated rows.")] = 1,
    within: Annotated[
        str,
        typer.Option(
            metavar="3d",
            help="Time limit from the start of the fault. A fault that is found later counts as not found.",
        ),
    ] = "",
    style: Annotated[
        Format, typer.Option("--format", help="Format of the results: text, json or markdown.")
    ] = Format.TEXT,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, as --format json does.")] = False,
    *,
    columns: ColumnOptions,
) -> None:
    """Inject a fault into traffic, and report whether this configuration finds it, how soon, and who would be notified.

    No notifications are sent: a separate processor with its own storage evaluates the traffic. Exit code 0: the fault
    was found, and its cause was identified. Exit code 1: the fault was not found, its cause was not identified, or it
    was found later than --within. Exit code 2: bad input.
    """
    with report_bad_input():
        from driftline_processor.config.values import parse_duration
        from driftline_processor.readers.errors import BadInput
        from driftline_processor.terminal.progress import show_progress

        from driftline_extensions.drills import texts
        from driftline_extensions.drills.drill import Settings
        from driftline_extensions.drills.request import DrillRequest, run_drills

        if every == bool(fault):
            raise BadInput("the fault is missing; use one fault, such as unit-change, or --all")
        if sum(map(bool, (records, server.url, simulated))) > 1:
            raise BadInput("--records, --url and --simulated: rows can come from only one of them; remove the others")
        if not records and outcomes:
            raise BadInput("--records is missing: --outcomes needs recorded rows; add --records")
        limit_ns = None
        if within:
            try:
                limit_ns = int(parse_duration(within, "d", "h").total_seconds() * 1e9)
            except ValueError as error:
                raise BadInput(f"--within: {error}") from error
        request = DrillRequest(
            faults=[fault] if fault else (),
            model=columns.model,
            config=config,
            records=records or (),
            server=server,
            simulated=simulated,
            outcomes=outcomes,
            baseline=baseline,
            columns=columns,
            at=at,
            days=days,
            rows=rows,
            settings=Settings(size, fraction, feature, seed),
        )
        results = []
        with show_progress(lines=True) as progress:
            for result in run_drills(request, say, progress):
                results.append(result)
                if every and style is Format.TEXT and not as_json:
                    say(texts.first_sentence(result))
        style = Format.JSON if as_json else style
        if style is Format.JSON:
            documents = [texts.drill_json(result) for result in results]
            typer.echo(json.dumps({"drills": documents, "summary": texts.summary(results, limit_ns)}, indent=2))
        elif style is Format.MARKDOWN:
            typer.echo(texts.table_markdown(results, limit_ns))
        elif every or len(results) > 1:
            typer.echo(texts.table_text(results, limit_ns))
        else:
            typer.echo("\n".join(line for line in texts.drill_lines(results[0], limit_ns) if line))
        if not every and any(result.outcome == "not_applicable" for result in results):
            raise typer.Exit(BAD_INPUT)
        if not all(texts.has_passed(result, limit_ns) for result in results):
            raise typer.Exit(MISSED)


app = typer.Typer(rich_markup_mode=None, add_completion=False)
app.command()(drill)
