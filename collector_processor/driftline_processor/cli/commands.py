"""The commands. What each one needs is imported when it runs: `--help` and `evaluate` start no server's libraries."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from driftline_processor.readers.addresses import file_or_address

from .baseline import app as baseline_app
from .expectations import app as expectations_app
from .expectations import expectations_of
from .options import BAD_INPUT, Data, Url, Version, objectives_of, performance_of, report_bad_input, say, takes_columns
from .outcomes import app as outcomes_app
from .outcomes import forget
from .versions import show_versions, versions, versions_in

if TYPE_CHECKING:
    from driftline_processor.readers.column_roles import ColumnOptions

CROSSED = 3

app = typer.Typer(
    name="driftline",
    help="OpenTelemetry for predictive models: drift, late labels and performance.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.add_typer(baseline_app, name="baseline")
app.add_typer(expectations_app, name="expectations")
app.add_typer(outcomes_app, name="outcomes")
app.command()(forget)


@app.command()
def up(
    config: Annotated[Path | None, typer.Option(metavar="FILE", help="driftline.yaml")] = None,
    forward: Annotated[str | None, typer.Option(metavar="URL", help="Send everything on to this OTLP URL.")] = None,
) -> None:
    """Receive OTLP, evaluate, show the pages, send on."""
    from driftline_processor.service import run

    raise typer.Exit(run(config, forward))


@app.command()
def validate(file: Annotated[Path, typer.Argument(metavar="FILE", help="driftline.yaml")]) -> None:
    """Check a configuration; name the key, the rule and the fix."""
    from driftline_processor.config.schema import validate_file

    errors = validate_file(file)
    for error in errors:
        typer.echo(error, err=True)
    if errors:
        raise typer.Exit(BAD_INPUT)
    typer.echo(f"{file}: the configuration is valid")


@app.command()
def top(
    url: Annotated[str, typer.Argument(metavar="[URL]", help="A running `driftline up`.")] = "http://127.0.0.1:8780",
) -> None:
    """Watch a running processor in the terminal."""
    from driftline_processor.terminal.top import run

    raise typer.Exit(run(url))


@app.command()
def demo(
    once: Annotated[bool, typer.Option("--once", help="End when the story is told.")] = False,
    forward: Annotated[str | None, typer.Option(metavar="URL", help="Send everything on to this OTLP URL.")] = None,
) -> None:
    """Watch a real model drift and go wrong on real flights."""
    from driftline_processor.demo import run

    raise typer.Exit(run(once, forward))


@app.command()
@takes_columns
def evaluate(
    data: Data,
    baseline: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="A built baseline (.json), or rows to compare with.", parser=file_or_address),
    ] = None,
    outcomes: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="id, actual, and perhaps time, weight.", parser=file_or_address),
    ] = None,
    window: Annotated[str, typer.Option(metavar="1d", help="Cut the rows into windows of time, in UTC.")] = "",
    window_rows: Annotated[int | None, typer.Option(metavar="N", help="Cut the rows into windows of N.")] = None,
    reference_last: Annotated[
        str, typer.Option(metavar="30d", help="Compare each window with so much time before it.")
    ] = "",
    reference_without: Annotated[
        str, typer.Option(metavar="24h", help="Up to so long before its end; else up to its beginning.")
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    curves: Annotated[
        bool, typer.Option("--curves", help="Points of curves, and the confusion matrix, with --json.")
    ] = False,
    mispredictions: Annotated[int, typer.Option(metavar="N", help="The N most wrong rows of each window.")] = 0,
    fail_on: Annotated[
        list[str] | None, typer.Option(metavar='"PATH OP NUMBER"', help="Exit 3 when true in any window; repeatable.")
    ] = None,
    method: Annotated[
        list[str] | None, typer.Option(metavar="[FEATURE=]NAME", help="The drift method that decides; repeatable.")
    ] = None,
    methods: Annotated[
        list[str] | None, typer.Option(metavar="[FEATURE=]NAME,NAME", help="Methods shown beside it; repeatable.")
    ] = None,
    exact: Annotated[bool, typer.Option("--exact", help="Values of drift methods from rows, not from bins.")] = False,
    classifier: Annotated[
        bool, typer.Option("--classifier", help="Whether a classifier tells the rows from the baseline's, and by what.")
    ] = False,
    importance_weighted: Annotated[
        bool, typer.Option("--importance-weighted", help="Estimates by the baseline's labelled rows, weighted, too.")
    ] = False,
    concept: Annotated[
        str, typer.Option(metavar="NAME[,NAME]", help="Detectors of concept drift, or 'none'; else adwin, if it can.")
    ] = "",
    config: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="driftline.yaml: the model, as `driftline up` reads it."),
    ] = None,
    expect: Annotated[Path | None, typer.Option(metavar="FILE", help="driftline.yaml: what is expected.")] = None,
    performance: Annotated[
        Path | None, typer.Option(metavar="FILE", help="driftline.yaml: what is asked of the performance.")
    ] = None,
    objective: Annotated[
        list[str] | None, typer.Option(metavar='"METRIC >= NUMBER"', help="What a metric shall be; repeatable.")
    ] = None,
    openlineage: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write OpenLineage run events there, a line for each window.")
    ] = None,
    *,
    columns: ColumnOptions,
) -> None:
    """Compare rows with a baseline: drift and performance.

    Columns default to the baseline's. Exit code 0: fine, 3: a --fail-on crossed, 2: bad input.
    """
    with report_bad_input():
        from driftline_processor.core.performance.mispredictions import to_json as worst_to_json
        from driftline_processor.evaluation.files.evaluate import evaluate_files
        from driftline_processor.evaluation.files.rolling_reference import read_rolling
        from driftline_processor.evaluation.files.settings import EvaluationSettings
        from driftline_processor.evaluation.files.windows import Cut
        from driftline_processor.present.evaluation_json import evaluations_to_json
        from driftline_processor.present.versions_json import to_json
        from driftline_processor.readers.sources import download_artifact, expand_paths

        from .fail_on import check, metrics_in, parse

        past = read_rolling(reference_last, reference_without)
        expected, of_performance = expectations_of(expect), performance_of(performance)
        asked = EvaluationSettings(
            method or (),
            methods or (),
            concept,
            exact,
            classifier,
            expected,
            past,
            of_performance,
            metrics_in(fail_on or ()),
            objectives_of(objective or ()),
            {} if performance is None else versions_in(performance),
            importance_weighted,
            mispredictions,
        )
        cut = Cut(window, window_rows)
        reference = None if baseline is None else download_artifact(baseline)
        if config is not None:
            from driftline_processor.evaluation.files.configuration import configure_evaluation

            configured = configure_evaluation(config, reference, columns, cut, asked, say)
            reference, columns, cut, asked = (
                configured.reference,
                configured.options,
                configured.cut,
                configured.asked,
            )
        result = evaluate_files(expand_paths(data), reference, outcomes, columns, cut, say, asked)
        names, kind = result.baseline.bins.features, result.baseline.task.kind
        known = {name for evaluation in result.evaluations for name in evaluation.realized}
        cuts = {name.partition("=")[0] for evaluation in result.evaluations for name in evaluation.performance_slices}
        keys, chosen = {*cuts, *result.slices}, result.choices.names()
        conditions = [parse(text, names, kind, chosen, keys, known) for text in fail_on or ()]
        answer = evaluations_to_json(
            result.key.model,
            result.key.version,
            result.evaluations,
            result.concept,
            curves,
            [to_json(one) for one in result.versions],
            result.delay,
        )
        if result.notations:
            answer["notations"] = {name: one.to_json() for name, one in result.notations.items()}
        for told, worst in zip(answer["windows"], result.wrong, strict=False):
            told["performance"]["mispredictions"] = worst_to_json(worst)
        if as_json:
            typer.echo(json.dumps(answer, indent=2))
        else:
            from driftline_processor.terminal.evaluation import show

            show(result.evaluations, concept=result.concept, wrong=result.wrong)
            show_versions(answer.get("versions", ()))
        if openlineage is not None:
            from driftline_processor.exporters.openlineage import write_events

            write_events(openlineage, result.evaluations, data)
        if check(conditions, answer, say):
            raise typer.Exit(CROSSED)


@app.command()
def snapshot(
    model: Annotated[str, typer.Option(metavar="NAME", help="The model's name.")],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="FILE", help="Where the rows go (.parquet).")],
    since: Annotated[str, typer.Option(metavar="7d", help="From when, or how long ago.")] = "7d",
    until: Annotated[str, typer.Option(metavar="0d", help="Until when, or how long ago.")] = "0d",
    version: Version = "",
    environment: Annotated[str, typer.Option(metavar="NAME", help="Of one environment; else of all.")] = "",
    labelled: Annotated[bool, typer.Option("--labelled", help="Only rows whose outcome is known.")] = False,
    url: Url = "http://127.0.0.1:8780",
    state: Annotated[
        Path | None, typer.Option(metavar="DIR", help="From the state that a processor left there, not from a URL.")
    ] = None,
) -> None:
    """Write kept rows as Parquet: features, predictions and outcomes, ready to train on."""
    with report_bad_input():
        from . import client

        wanted = client.SnapshotRows(model, version, environment, since, until, labelled)
        told = (
            client.fetch_snapshot(url, wanted, output) if state is None else client.read_snapshot(state, wanted, output)
        )
        for one in told["renamed"]:
            say(f"a feature has the name of a part: {one}")
        typer.echo(
            f"{output}: {told['rows']:,} rows of {told['features']} features, {told['labelled']:,} with an outcome"
        )


app.command()(versions)
