"""`driftline spark ...`: fold rows on a cluster of Spark, with lazy imports."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from driftline_processor.readers.errors import BadInput
from driftline_processor.spark.table_options import TableEvaluation, TableOptions

from .evaluate import CROSSED, All, AsJson, Explain, FailOn, Html, Output, show_result
from .option_parameters import report_bad_input, say, takes_options

if TYPE_CHECKING:
    from driftline.baseline.baseline import Baseline

    from driftline_processor.spark.evaluate import LakeTable

app = typer.Typer(help="Fold rows on a cluster of Spark.", no_args_is_help=True, rich_markup_mode=None)

Master = Annotated[
    str,
    typer.Option(
        metavar="URL",
        help="The cluster, such as spark://host:7077 or yarn. Default: all cores of this machine.",
    ),
]
Settings = Annotated[
    list[str] | None, typer.Option("--conf", metavar="KEY=VALUE", help="A setting of Spark; repeatable.")
]

TableName = Annotated[
    str, typer.Argument(metavar="TABLE", help="Address or name of the table, such as s3a://lake/scored.")
]
BaselineFile = Annotated[Path, typer.Option("--baseline", metavar="FILE", help="Baseline file (.json).")]
SpanOfPanes = Annotated[
    str, typer.Option("--span", metavar="1h", help="Length of the panes: 1h or 5m. Panes of slices need 1h.")
]


def settings_of(option: str, pairs: list[str] | None) -> dict[str, str]:
    """Return the settings of a repeatable option. Raises BadInput for one without a value."""
    for pair in pairs or ():
        if "=" not in pair:
            raise BadInput(f"{option} {pair}: use KEY=VALUE")
    return {key: value for key, _, value in (pair.partition("=") for pair in pairs or ())}


@app.command()
def submit(
    config: Annotated[
        Path, typer.Option("--config", metavar="FILE", help="driftline.yaml with the models, as for `driftline up`.")
    ],
    work: Annotated[
        str,
        typer.Option(
            metavar="URL", help="Work directory of the job, which all machines reach, such as s3a://lake/driftline."
        ),
    ],
    brokers: Annotated[str, typer.Option(metavar="HOST:PORT,...", envvar="KAFKA_BROKERS", help="Brokers of Kafka.")],
    logs: Annotated[
        list[str] | None,
        typer.Option(metavar="TOPIC", help="Topic of OTLP logs, which contain predictions and outcomes; repeatable."),
    ] = None,
    traces: Annotated[
        list[str] | None,
        typer.Option(metavar="TOPIC", help="Topic of OTLP traces, which contain predictions; repeatable."),
    ] = None,
    master: Master = "",
    source: Annotated[str, typer.Option(metavar="NAME", help="Name of the job in the processor.")] = "spark",
    span: SpanOfPanes = "1h",
    trigger: Annotated[
        str,
        typer.Option(metavar="60s", help="Time between micro-batches. 0s means: read the existing messages, and exit."),
    ] = "60s",
    starting: Annotated[
        str, typer.Option(metavar="earliest", help="Where a new job starts to read: earliest or latest.")
    ] = "earliest",
    jars: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE", help="Jar of Spark's Kafka source; repeatable. Default: the jars are fetched from Maven."
        ),
    ] = None,
    kafka: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=VALUE", help="A setting of the consumer, such as security.protocol=SSL; repeatable."),
    ] = None,
    conf: Settings = None,
) -> None:
    """Compute panes (sums of rows per period) from the predictions and outcomes of Kafka topics, until Ctrl-C.

    An interrupted job continues when you start it again. The messages must have the format of the Collector's Kafka
    exporter. The panes are sent to DRIFTLINE_ENDPOINT. Without --logs and --traces, the topics are otlp_logs and
    otlp_spans.
    """
    with report_bad_input():
        from driftline_processor.spark.settings import StreamSettings
        from driftline_processor.spark.submit import run

        signals: dict[str, Literal["traces", "logs"]] = {}
        for name in logs or ([] if traces else ["otlp_logs"]):
            signals[name] = "logs"
        for name in traces or ([] if logs else ["otlp_spans"]):
            signals[name] = "traces"
        if starting not in ("earliest", "latest"):
            raise BadInput(f"--starting {starting}: use earliest or latest")
        settings = StreamSettings(
            work=work,
            source=source,
            span=_span(span),
            brokers=brokers,
            signals=signals,
            starting=starting,
            trigger=_seconds(trigger),
            consumer=settings_of("--kafka", kafka),
        )
        options = settings_of("--conf", conf)
        if jars:
            options["spark.jars"] = ",".join(map(str, jars))
        run(config, settings, master, options, say, has_connector=bool(jars))


def _seconds(text: str) -> int:
    from driftline_processor.config.values import parse_duration  # it imports numpy

    try:
        return int(parse_duration(text, "s", "m").total_seconds())
    except ValueError as error:
        raise BadInput(f"--trigger {text}: use a time such as 60s or 5m") from error


@app.command()
@takes_options
def evaluate(
    table: TableName,
    baseline: BaselineFile,
    options: TableEvaluation,
    window: Annotated[str, typer.Option(metavar="1d", help="Length of the windows.")] = "1d",
    every: All = False,
    explain: Explain = False,
    as_json: AsJson = False,
    fail_on: FailOn = None,
    html: Html = None,
    to: Annotated[
        str,
        typer.Option(
            metavar="URL",
            help="Also write the results as tables to this folder, such as s3a://lake/results, in the format of "
            "--format.",
        ),
    ] = "",
    master: Master = "",
    conf: Settings = None,
) -> None:
    """Compare the rows of a table in a lake with a baseline: drift and performance, as `driftline evaluate` does.

    If the option for a column is not given, the column that the baseline names is used, except for slices. Rows are
    counted on the cluster. Causes, weak slices and concept drift are computed from a sample of the rows. Exit code 0:
    success, 3: a --fail-on condition is true, 2: bad input.
    """
    with report_bad_input():
        from driftline_processor.core.windows.window import parse
        from driftline_processor.evaluation.files.evaluate_options import EvaluationOptions
        from driftline_processor.spark.evaluate import evaluate_table

        from .fail_on import metrics_in

        built = _built(baseline)
        try:
            parse(window)
        except ValueError as error:
            raise BadInput(str(error)) from error
        source = _table(table, options)
        evaluated = EvaluationOptions(
            window=window, time=options.time, score=options.score, predicted=options.predicted, actual=options.actual,
            slices=options.slices, cluster=options.cluster, timezone=options.timezone, version=options.version,
            threshold=options.threshold, objectives=options.objectives, method=options.method, methods=options.methods,
            metrics=tuple(metrics_in(fail_on or ())),
        )  # fmt: skip
        result = evaluate_table(source, built, evaluated, say, master, settings_of("--conf", conf), to)
        if show_result(result, Output(every, explain, as_json, html), fail_on or ()):
            raise typer.Exit(CROSSED)


@app.command()
@takes_options
def send(
    table: TableName,
    baseline: BaselineFile,
    options: TableOptions,
    source: Annotated[
        str, typer.Option(metavar="NAME", help="Name of the job. The panes of several jobs are added up.")
    ] = "spark-table",
    epoch: Annotated[
        int,
        typer.Option(
            metavar="N",
            help="Number of the run. Its panes replace the panes of runs with a smaller number. Default: the current "
            "time in unix seconds.",
        ),
    ] = 0,
    span: SpanOfPanes = "1h",
    master: Master = "",
    conf: Settings = None,
) -> None:
    """On the cluster, count the rows of a table in a lake, and send the counts to DRIFTLINE_ENDPOINT as panes.

    A pane contains the counts of a period. Run the command on a schedule. When outcomes have arrived, send the last
    days again: the new panes replace the earlier panes. The rows of --where must begin at the start of a day, because a
    pane is always replaced completely.
    """
    with report_bad_input():
        from driftline_processor.spark.evaluate import send_table

        built = _built(baseline)
        length = _span(span)
        if length == "5m" and options.slices:
            raise BadInput("--span 5m: panes of slices are of an hour; use --span 1h")
        rows = _table(table, options)
        sent = send_table(rows, built, source, epoch or int(time.time()), length, master, settings_of("--conf", conf))
        typer.echo(
            f"{sent.accepted} panes new, {sent.replaced} replaced, {sent.unchanged} unchanged, "
            f"{sent.superseded} superseded by a later epoch, {len(sent.refused)} refused"
        )
        for refused in sent.refused[:10]:
            say(f"pane {refused.index}: {refused.reason}")
        if sent.refused:
            raise typer.Exit(2)


def _span(text: str) -> Literal["5m", "1h"]:
    """Return the length of the panes. Raises BadInput for another one."""
    if text not in ("5m", "1h"):
        raise BadInput(f"--span {text}: use 1h or 5m")
    return "5m" if text == "5m" else "1h"


def _built(file: Path) -> Baseline:
    """Return the baseline of a file. Raises BadInput if it is not a built one."""
    from driftline_processor.evaluation.files.reference import load_baseline

    built = load_baseline(file)
    if built is None:
        raise BadInput(f"{file}: is not a built baseline; build one with driftline baseline build")
    return built


def _table(path: str, options: TableOptions) -> LakeTable:
    """Return a table. Raises BadInput for a time zone that does not exist."""
    from driftline_processor.core.windows.window import time_zone
    from driftline_processor.spark.evaluate import LakeTable

    try:
        time_zone(options.timezone or "UTC")
    except ValueError as error:
        raise BadInput(str(error)) from error
    return LakeTable(path, options)
