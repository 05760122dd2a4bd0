"""`driftline outcomes push` and `show`, and `driftline forget`: outcomes and deletion."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from driftline_processor.readers.errors import BadInput

from .connection import Connection
from .option_parameters import HERE, connects, report_bad_input, say, tell

app = typer.Typer(help="Send and show outcomes.", no_args_is_help=True, rich_markup_mode=None)

REJECTED = 3
SHOWN = 20

Files = Annotated[
    list[Path],
    typer.Argument(metavar="FILE", help="Files of outcomes, or glob patterns: CSV, Parquet, NDJSON or JSON."),
]
Column = Annotated[
    str,
    typer.Option(
        metavar="COLUMN",
        help="Name of the column that contains the field of this option, such as the id for --id. Default: the name "
        "of the field.",
    ),
]
ItemColumn = Annotated[
    str, typer.Option(metavar="COLUMN", help="Column of the ranked item that the outcome is about. Default: item.")
]
ValueColumn = Annotated[
    str,
    typer.Option(
        metavar="COLUMN", help="Column with the worth of the prediction, such as an amount in euros. Default: value."
    ),
]
RetractedColumn = Annotated[
    str,
    typer.Option(
        metavar="COLUMN",
        help="Column that is true if the row withdraws the earlier outcomes of the prediction. Default: retracted.",
    ),
]


@app.callback()
def outcomes() -> None:
    """Send and show outcomes."""


@app.command()
@connects
def push(
    files: Files,
    model: Annotated[str, typer.Option(metavar="NAME", help="The model's name.")] = "",
    server: Annotated[
        Connection, typer.Option("--endpoint", "--url", metavar="URL", help="URL of a running `driftline up`.")
    ] = HERE,
    environment: Annotated[str, typer.Option(metavar="NAME", help="Environment of the predictions.")] = "",
    id: Column = "",
    actual: Column = "",
    time: Column = "",
    prediction_time: Column = "",
    weight: Column = "",
    item: ItemColumn = "",
    value: ValueColumn = "",
    retracted: RetractedColumn = "",
    slices: Annotated[
        list[str] | None,
        typer.Option("--slice", metavar="NAME=COLUMN", help="Name of a slice and its column; repeatable."),
    ] = None,
    rejected: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write all rejected rows to this CSV file.")
    ] = None,
    timeout: Annotated[
        float,
        typer.Option(
            metavar="SECONDS",
            min=0,
            help="How long a part of a file that cannot be delivered is sent again, in seconds.",
        ),
    ] = 60.0,
) -> None:
    """Send files of outcomes. After an error, run the command again: no row counts twice.

    Exit code 0: all rows were accepted, 3: some rows were rejected, 2: bad input, or the rows could not be delivered.
    """
    with report_bad_input():
        from driftline_processor.readers.sources import expand_paths

        from .client import misspelled_models
        from .outcome_upload import OutcomeColumns, UploadTarget, sentences, write_rejected
        from .outcome_upload import upload_outcomes as send

        columns_by_field = {
            "id": id,
            "actual": actual,
            "time": time,
            "prediction_time": prediction_time,
            "weight": weight,
            "item": item,
            "value": value,
            "retracted": retracted,
        }
        chosen_fields = {field: column for field, column in columns_by_field.items() if column} | _slices(slices or [])
        columns = OutcomeColumns(
            chosen_fields, frozenset({"model"} if model else ()) | frozenset({"environment"} if environment else ())
        )
        target = UploadTarget(server, model, environment, timeout)
        results = []
        for file in expand_paths(files, say):
            with _progress(file) as sent:
                pushed = send(file, target, columns, say, sent)
            results.append((file, pushed))
            for sentence in sentences(file, pushed, SHOWN):
                tell(sentence)
        models = {model} if model else {name for _, pushed in results for name in pushed.models}
        for misspelled in misspelled_models(server, models):
            say(f"{misspelled} Its outcomes wait for its first prediction.")
        if rejected is not None:
            write_rejected(rejected, results)
        if any(pushed.rejected for _, pushed in results):
            raise typer.Exit(REJECTED)


@app.command()
@connects
def show(
    id: Annotated[str, typer.Argument(metavar="ID", help="A prediction's id.")],
    model: Annotated[str, typer.Option(metavar="NAME", help="The model's name.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    server: Connection = HERE,
) -> None:
    """Show all outcomes of a prediction, and which of them are used in the evaluation."""
    with report_bad_input():
        from .client import fetch_outcomes

        answer = fetch_outcomes(server, model, id)
        if as_json:
            typer.echo(json.dumps(answer, indent=2))
            return
        if not answer["outcomes"]:
            typer.echo(f"no outcomes for {id}")
        for outcome in answer["outcomes"]:
            tell(_sentence(outcome))


def _sentence(outcome: Mapping[str, Any]) -> str:
    """Return an outcome on one line: its times, its value, and the versions for which it counts."""
    statement = "retracted" if outcome["retracted"] else f"actual {outcome['actual']}"
    more = [f"{name} {outcome[name]}" for name in ("item", "value", "weight") if outcome[name] is not None]
    more += [f"{name}={value}" for name, value in outcome["slices"].items()]
    versions = [belonging["version"] or "the model" for belonging in outcome["belongs_to"] if belonging["counts"]]
    if versions:
        state = f"counts for {', '.join(versions)}"
    else:
        state = "was replaced" if outcome["belongs_to"] else "waits for its prediction"
    return f"{outcome['time']}  {', '.join([statement, *more])}  ({state}; received {outcome['received']})"


def _slices(texts: list[str]) -> dict[str, str]:
    pairs = [text.partition("=") for text in texts]
    for name, mark, column in pairs:
        if not (name and mark and column):
            raise BadInput(f"--slice {name}{mark}{column}: use NAME=COLUMN, such as country=country_code")
    return {f"slice.{name}": column for name, _, column in pairs}


@contextmanager
def _progress(file: Path) -> Iterator[Callable[[int], object]]:
    """Show the number of sent rows of a file on a terminal."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    bar_columns = (SpinnerColumn(), TextColumn("{task.description} {task.completed:,.0f} rows"), TimeElapsedColumn())
    with Progress(*bar_columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(file.name, total=None)
        yield lambda rows: progress.advance(task, rows)


@connects
def forget(
    model: Annotated[str, typer.Option(metavar="NAME", help="The model's name.")],
    id: Annotated[list[str] | None, typer.Option(metavar="ID", help="A prediction's id; repeatable.")] = None,
    subject: Annotated[
        list[str] | None,
        typer.Option(
            metavar="VALUE",
            help="Delete the rows of this subject, such as the id of a customer. The key models.NAME.subject names "
            "the column with the subject. Repeatable.",
        ),
    ] = None,
    version: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Delete all data of this version; repeatable.")
    ] = None,
    environment: Annotated[
        str | None, typer.Option(metavar="NAME", help="Delete only data of this environment. Default: of all.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Delete a whole model without asking for confirmation.")] = False,
    server: Connection = HERE,
) -> None:
    """Delete stored predictions by id or by subject, all data of a version, or all data of a model.

    Without --id, --subject and --version, all data of the model are deleted.
    """
    with report_bad_input():
        from .client import delete_model, delete_predictions

        if sum(map(bool, (id, subject, version))) > 1:
            raise BadInput("use only one of --id, --subject and --version; each can be given several times")
        if environment == "":  # an unset variable must not delete the data of all environments
            raise BadInput("--environment is empty; give the name of the environment, or leave out the option for all")
        if not id and not subject:
            erased = ", ".join([model, *(version or [])])
            if not yes and sys.stdin.isatty() and not typer.confirm(f"Delete all data of {erased}?"):
                raise typer.Exit(0)
            typer.echo(delete_model(server, model, version or [], environment or ""))
            return
        typer.echo(delete_predictions(server, model, "id" if id else "subject", id or subject or [], environment or ""))
