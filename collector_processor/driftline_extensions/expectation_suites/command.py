"""`driftline expectations`: import expectations of a model's data from other tools."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from driftline_processor.cli.option_parameters import report_bad_input, say
from driftline_processor.readers.errors import BadInput

app = typer.Typer(help="Import expectations of the data of a model.", no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def main() -> None:
    """Import expectations of the data of a model."""


@app.command("import")
def import_(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="Suite of Great Expectations (.json), or checks of Soda (YAML).")
    ],
    model: Annotated[
        str, typer.Option(metavar="NAME", help="Name of the model. Default: the name of the data in the file.")
    ] = "",
    dataset: Annotated[
        str, typer.Option(metavar="NAME", help="Dataset to import, if a Soda file has several datasets.")
    ] = "",
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FILE", help="Output file (YAML). Default: standard output."),
    ] = None,
) -> None:
    """Convert the checks of another tool to expectations, and list the checks that cannot be converted."""
    with report_bad_input():
        from driftline_processor.present.numbers import many

        from driftline_extensions.expectation_suites.great_expectations import read_suite
        from driftline_extensions.expectation_suites.soda import read_checks
        from driftline_extensions.expectation_suites.suite import to_yaml

        try:
            text = file.read_text(encoding="utf-8-sig")
            imported = read_suite(text) if file.suffix == ".json" else read_checks(text, dataset)
        except (OSError, UnicodeDecodeError) as error:
            raise BadInput(
                f"{file}: cannot be read: {getattr(error, 'strerror', '') or 'the file is not UTF-8'}"
            ) from error
        except ValueError as error:
            raise BadInput(f"{file}: {error}") from error
        name = model or imported.name
        if not name:
            raise BadInput(f"{file}: the file contains no dataset name to use as the model name; use --model NAME")
        for left_out in imported.left_out:
            say(left_out.sentence(str(file)))
        yaml_text = to_yaml(imported, name, file.name)
        if output is None:
            typer.echo(yaml_text, nl=False)
            return
        try:
            output.write_text(yaml_text, encoding="utf-8")
        except OSError as error:
            raise BadInput(f"{output}: cannot be written: {error.strerror}") from error
        say(f"{output}: {many(imported.check_count, 'check')} read, {len(imported.left_out)} left out")
