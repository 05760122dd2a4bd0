"""`driftline import`: the files of another monitoring tool as a configuration or as a baseline."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer
from driftline_processor.cli.option_parameters import report_bad_input, say
from driftline_processor.readers.errors import BadInput

app = typer.Typer(add_completion=False, rich_markup_mode=None)

Tool = Literal["evidently", "nannyml", "whylogs", "sagemaker"]


@app.command("import")
def import_(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help="Report of Evidently 0.7 (.json), profile of whylogs 1.x (.bin), or statistics.json or "
            "constraints.json of SageMaker Model Monitor.",
        ),
    ],
    tool: Annotated[
        Tool | None,
        typer.Option(
            "--from",
            metavar="TOOL",
            help="The other tool: evidently, whylogs or sagemaker. Default: the tool is detected from the file.",
        ),
    ] = None,
    model: Annotated[str, typer.Option(metavar="NAME", help="Name of the model.")] = "model",
    version: Annotated[str, typer.Option(metavar="NAME", help="Version of the model, for a baseline.")] = "",
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FILE", help="Output file. Default: standard output."),
    ] = None,
) -> None:
    """Convert a file of another monitoring tool to a configuration (YAML) or a baseline, and list what is left out."""
    with report_bad_input():
        from .detect import convert

        converted = convert(file, tool, model, version)
        for left_out in converted.left_out:
            say(left_out.sentence(str(file)))
        if output is None:
            typer.echo(converted.text, nl=False)
            return
        try:
            output.write_text(converted.text, encoding="utf-8")
        except OSError as error:
            raise BadInput(f"{output}: cannot be written: {error.strerror}") from error
        say(f"{output}: {converted.what}, {len(converted.left_out)} left out")
