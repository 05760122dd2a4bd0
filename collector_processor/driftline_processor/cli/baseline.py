"""`driftline baseline`: build, show, compare and send what a model is compared with."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from driftline_processor.readers.addresses import file_or_address
from driftline_processor.readers.column_options import ColumnOptions
from driftline_processor.readers.errors import BadInput, missing_option

from .connection import Connection
from .option_parameters import HERE, ROWS, Out, Version, connects, report_bad_input, say, takes_options

if TYPE_CHECKING:
    from driftline.baseline.baseline import Baseline


app = typer.Typer(help="Build, show, compare and send baselines.", no_args_is_help=True, rich_markup_mode=None)

PAGES = "http://127.0.0.1:8780"

File = Annotated[Path, typer.Argument(metavar="FILE", help="Baseline file (.json).")]
Rows = Annotated[
    list[Path] | None,
    typer.Argument(metavar="DATA", help=f"Files of rows, or glob patterns: {ROWS}.", parser=file_or_address),
]
Name = Annotated[str, typer.Option(metavar="NAME", help="The model's name.")]
ImportanceFile = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help='JSON file with the importance of each feature, such as {"age": 0.7}.'),
]
KeepRows = Annotated[
    bool,
    typer.Option(
        "--keep-rows", help="Also save up to 10,000 rows next to the baseline, in a file that ends in .rows.parquet."
    ),
]
Production = Annotated[
    str,
    typer.Option(
        metavar="MODEL",
        help="Build the baseline from the rows of this model that `driftline up` received, instead of from files.",
    ),
]
Since = Annotated[
    str,
    typer.Option(
        metavar="30d|TIME", help="Start of the period: a time, or a duration before now. Only with --from-production."
    ),
]
Until = Annotated[
    str,
    typer.Option(
        metavar="1d|TIME", help="End of the period: a time, or a duration before now. Only with --from-production."
    ),
]
Environment = Annotated[str, typer.Option(metavar="NAME", help="Environment of the rows. Only with --from-production.")]


@app.command()
@takes_options
@connects
def build(
    output: Out,
    data: Rows = None,
    *,
    columns: ColumnOptions,
    importance: ImportanceFile = None,
    keep_rows: KeepRows = False,
    from_production: Production = "",
    since: Since = "30d",
    until: Until = "1d",
    environment: Environment = "",
    server: Connection = HERE,
) -> None:
    """Build a baseline from rows that the model was not trained on, or from a period of production data."""
    with report_bad_input():
        from driftline_processor.evaluation.files.baseline import kept_rows_path

        if from_production:
            if data:
                raise BadInput("--from-production does not accept files: it reads from the processor at --url")
            from driftline.tables.table import ModelKey

            from .client import fetch_production_baseline

            key = ModelKey(from_production, columns.version, environment)
            baseline = fetch_production_baseline(server, key, since, until)
        else:
            rows_to = kept_rows_path(output) if keep_rows else None
            baseline = _from_files(data, columns, importance, rows_to)
        try:
            baseline.save(output)
        except OSError as error:
            raise BadInput(f"{output}: cannot be written: {error.strerror}") from error
        from driftline_processor.core.performance.judge import find_baseline_fault
        from driftline_processor.core.performance.sample_size import reach_of
        from driftline_processor.core.performance.settings import STANDARD
        from driftline_processor.present.numbers import many
        from driftline_processor.present.sentences import clause

        for remark in filter(None, (find_baseline_fault(baseline), reach_of(baseline, STANDARD))):
            say(clause(remark))
        contents = f"{many(len(baseline.bins.features), 'feature')} of {many(baseline.pane.rows)}"
        typer.echo(f"{output}: {contents}; next, run: driftline evaluate DATA... --baseline {output}")


def _from_files(
    data: list[Path] | None, columns: ColumnOptions, importance: Path | None, rows_to: Path | None
) -> Baseline:
    from driftline_processor.evaluation.files.baseline import build_from_files, read_importance
    from driftline_processor.readers.sources import expand_paths
    from driftline_processor.terminal.progress import show_progress

    if not data:
        raise BadInput("there is nothing to build from; pass files with rows, or --from-production MODEL")
    if not columns.model:
        raise missing_option("model", "use the name of the model")
    if not columns.task:
        raise missing_option("task", "must be 'binary', 'multiclass', 'regression' or 'ranking'")
    importances = None if importance is None else read_importance(importance)
    with show_progress() as progress:
        return build_from_files(
            expand_paths(data, say),
            columns,
            say,
            rows_to=rows_to,
            importance=importances,
            tell_columns=True,
            progress=progress,
        )


@app.command()
def show(file: File) -> None:
    """Show a baseline: rows, period, feature distributions, and performance on the reference rows."""
    with report_bad_input():
        from driftline_processor.terminal.baseline import show_baseline

        show_baseline(_load(file))


@app.command()
def diff(
    old: Annotated[Path, typer.Argument(metavar="OLD", help="Baseline to compare with.")],
    new: Annotated[Path, typer.Argument(metavar="NEW", help="Baseline whose rows are compared.")],
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON in the format of `driftline evaluate --json`.")
    ] = False,
) -> None:
    """Compare the rows of NEW with OLD, in the same way as `driftline evaluate` compares rows with a baseline."""
    with report_bad_input():
        from driftline_processor.present.evaluation_json import evaluations_to_json
        from driftline_processor.terminal.baseline import changes, compare_baselines, show_diff

        before, after = _load(old), _load(new)
        if as_json:
            answer = evaluations_to_json(after.model, after.version, [compare_baselines(before, after)])
            typer.echo(json.dumps(answer | {"changes": list(changes(before, after))}, indent=2))
        else:
            show_diff(before, after)


@app.command()
@connects
def push(
    file: File,
    server: Connection = HERE,
    model: Name = "",
    version: Version = "",
) -> None:
    """Send a baseline to a running processor, which uses it from now on."""
    with report_bad_input():
        from .client import put_baseline

        baseline = _load(file)
        baseline = replace(baseline, model=model or baseline.model, version=version or baseline.version)
        typer.echo(put_baseline(server, baseline))


def _load(file: Path) -> Baseline:
    from driftline.baseline.baseline import Baseline

    from driftline_processor.readers.sources import download_artifact

    try:
        return Baseline.load(download_artifact(file))
    except (ValueError, OSError) as error:
        raise BadInput(str(error)) from error
