"""`driftline evaluate`: evaluate rows in files against a baseline, with lazy imports."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from msgspec import Struct
from msgspec.structs import replace

from driftline_processor.evaluation.files.evaluate_options import EvaluationOptions
from driftline_processor.readers.addresses import file_or_address

from . import without_collections
from .option_parameters import Data, for_a_reader_that_may_leave, report_bad_input, say, takes_options

if TYPE_CHECKING:
    from driftline_processor.evaluation.files.evaluate import EvaluationResult

CROSSED = 3

All = Annotated[
    bool, typer.Option("--all", help="Show all features, metrics, slices and windows, instead of the first few.")
]
Explain = Annotated[
    bool,
    typer.Option(
        "--explain",
        help="Show the statistics: p-values, other drift methods, and estimates with the data that they are based on.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
FailOn = Annotated[
    list[str] | None,
    typer.Option(
        metavar='"PATH OP VALUE"',
        help="Exit with code 3 if the condition is true for any window, or for the verdict on all windows. "
        'PATH is a path in the output of --json, as in "drift.fraction > 0.3". Repeatable.',
    ),
]
Html = Annotated[
    Path | None, typer.Option("--html", metavar="FILE", help="Write a report as one self-contained HTML file.")
]


class Output(Struct, frozen=True):
    """How a result is shown; see the options of :func:`evaluate`."""

    every: bool = False
    explain: bool = False
    as_json: bool = False
    html: Path | None = None
    curves: bool = False


def show_result(result: EvaluationResult, output: Output, fail_on: Sequence[str], *, champion: bool = False) -> bool:
    """Print a result and write its report; return whether a condition of ``fail_on`` is true.

    ``champion``: whether the comparison of versions comes first, as the question of a release.
    """
    from driftline_processor.evaluation.files.column_uses import column_uses_sentence

    from .fail_on import check, parse

    say(column_uses_sentence(result.columns))
    names, kind = result.baseline.bins.features, result.baseline.task.kind
    metrics = {name for evaluation in result.evaluations for name in evaluation.realized}
    cuts = {name.partition("=")[0] for evaluation in result.evaluations for name in evaluation.performance_slices}
    keys, chosen = {*cuts, *result.slices}, result.choices.names()
    conditions = [parse(text, names, kind, chosen, keys, metrics, bool(result.versions)) for text in fail_on]
    answer = result.to_json(output.curves)
    with for_a_reader_that_may_leave():
        if output.as_json:
            typer.echo(json.dumps(answer, indent=2))
        else:
            from driftline_processor.present.sections.versions import comparison
            from driftline_processor.terminal.evaluation import Detail, show
            from driftline_processor.terminal.sections import show_sections

            detail = Detail(output.every, output.explain)
            sections = (comparison(version, result.timezone).on_surface(detail.surfaces) for version in result.versions)
            compared = [section for section in sections if section is not None]
            if champion:
                show_sections(compared)
            show(
                *(result.evaluations, None, result.concept, result.wrong, result.verdict),
                detail=detail,
                sample=result.sample,
            )
            if not champion:
                show_sections(compared)
    if output.html is not None:
        from driftline_processor.web.file_report import file_report

        from .client import write_text

        write_text(output.html, file_report(result, time.time_ns()))
        say(f"{output.html}: report written")
    return check(conditions, answer, say)


@takes_options
def evaluate(
    data: Data,
    baseline: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Baseline file (.json), or rows to compare with: a file, a pattern or a folder.",
            parser=file_or_address,
        ),
    ] = None,
    outcomes: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="File with the columns id and actual, and optionally time and weight.",
            parser=file_or_address,
        ),
    ] = None,
    champion: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Predictions of the version in service, for the same rows or the same period. The rows are compared "
            "with these predictions. If --baseline is not given, these predictions are also the baseline.",
            parser=file_or_address,
        ),
    ] = None,
    every: All = False,
    explain: Explain = False,
    as_json: AsJson = False,
    fail_on: FailOn = None,
    write: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FORMAT=FILE",
            help="Write a line for each window in another format, such as openlineage=events.ndjson; repeatable.",
        ),
    ] = None,
    html: Html = None,
    *,
    options: EvaluationOptions,
) -> None:
    """Compare rows with a baseline: drift and performance.

    If the option for a column is not given, the column that the baseline names is used. Exit code 0: success, 3: a
    --fail-on condition is true, 2: bad input.
    """
    with report_bad_input():
        with without_collections():
            from driftline_processor.evaluation.files.evaluate import evaluate_files
            from driftline_processor.evaluation.files.inputs import EvaluationInputs
            from driftline_processor.terminal.progress import show_progress

        from .fail_on import metrics_in

        options = replace(options, metrics=(*options.metrics, *metrics_in(fail_on or ())))
        with show_progress() as progress:
            result = evaluate_files(
                EvaluationInputs(data, baseline, outcomes, champion=champion), options, say, progress
            )
        crossed = show_result(
            result,
            Output(every, explain, as_json, html, options.curves),
            fail_on or (),
            champion=champion is not None,
        )
        for format_and_file in write or ():
            from driftline_processor.evaluation.formats import write_windows

            write_windows(format_and_file, result.evaluations, time.time_ns(), data)
        if crossed:
            raise typer.Exit(CROSSED)
