"""`driftline evaluate`: judge rows in files against a baseline. What it needs is imported when it runs."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from driftline_processor.readers.addresses import file_or_address

from .options import Data, report_bad_input, say, takes_columns
from .versions import show_versions

if TYPE_CHECKING:
    from driftline_processor.readers.column_roles import ColumnOptions

CROSSED = 3


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
    every: Annotated[
        bool, typer.Option("--all", help="Show all features, metrics, slices and windows, not the first few.")
    ] = False,
    explain: Annotated[
        bool, typer.Option("--explain", help="Show the statistics: p-values, other methods, estimates, what was seen.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    curves: Annotated[
        bool, typer.Option("--curves", help="Points of curves, and the confusion matrix, with --json.")
    ] = False,
    mispredictions: Annotated[int, typer.Option(metavar="N", help="The N most wrong rows of each window.")] = 0,
    fail_on: Annotated[
        list[str] | None,
        typer.Option(metavar='"PATH OP VALUE"', help="Exit 3 when true in any window, or of the verdict; repeatable."),
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
    write: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FORMAT=FILE",
            help="Write a line for each window in another format, such as openlineage=events.ndjson; repeatable.",
        ),
    ] = None,
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Write a report there: one file of HTML to send.")
    ] = None,
    *,
    columns: ColumnOptions,
) -> None:
    """Compare rows with a baseline: drift and performance.

    Columns default to the baseline's. Exit code 0: fine, 3: a --fail-on crossed, 2: bad input.
    """
    with report_bad_input():
        from driftline_processor.evaluation.files.request import EvaluationRequest, evaluate_request
        from driftline_processor.terminal.progress import show_progress

        from .fail_on import check, metrics_in, parse

        request = EvaluationRequest(
            columns,
            window,
            window_rows,
            reference_last,
            reference_without,
            mispredictions,
            method or (),
            methods or (),
            exact,
            classifier,
            importance_weighted,
            config,
            expect,
            performance,
            objective or (),
            metrics_in(fail_on or ()),
        )
        with show_progress() as progress:
            result = evaluate_request(data, baseline, outcomes, request, say, progress)
        names, kind = result.baseline.bins.features, result.baseline.task.kind
        known = {name for evaluation in result.evaluations for name in evaluation.realized}
        cuts = {name.partition("=")[0] for evaluation in result.evaluations for name in evaluation.performance_slices}
        keys, chosen = {*cuts, *result.slices}, result.choices.names()
        conditions = [parse(text, names, kind, chosen, keys, known) for text in fail_on or ()]
        answer = result.to_json(curves)
        if as_json:
            typer.echo(json.dumps(answer, indent=2))
        else:
            from driftline_processor.terminal.evaluation import show
            from driftline_processor.terminal.sections import Detail

            show(
                *(result.evaluations, None, result.concept, result.wrong, result.verdict),
                detail=Detail(every, explain, frozenset({"domain_classifier"} if classifier else ())),
            )
            show_versions(answer.get("versions", ()))
        if html is not None:
            from driftline_processor.web.file_report import file_report

            from .client import write_text

            write_text(html, file_report(result, time.time_ns()))
            say(f"{html}: the report")
        for written in write or ():
            from driftline_processor.evaluation.formats import write_windows

            write_windows(written, result.evaluations, time.time_ns(), data)
        if check(conditions, answer, say):
            raise typer.Exit(CROSSED)
