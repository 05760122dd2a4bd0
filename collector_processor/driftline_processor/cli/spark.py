"""`driftline spark ...`: fold rows on a cluster of Spark, with lazy imports."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from driftline_processor.config.values import parse_duration
from driftline_processor.readers.errors import BadInput

from .option_parameters import report_bad_input, say

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


def settings_of(option: str, pairs: list[str] | None) -> dict[str, str]:
    """Return the settings of a repeatable option. Raises BadInput for one without a value."""
    for pair in pairs or ():
        if "=" not in pair:
            raise BadInput(f"{option} {pair}: use KEY=VALUE")
    return {key: value for key, _, value in (pair.partition("=") for pair in pairs or ())}


@app.command()
def submit(
    config: Annotated[Path, typer.Option("--config", metavar="FILE", help="The models, as for `driftline up`.")],
    work: Annotated[
        str,
        typer.Option(
            metavar="URL", help="Work directory of the job, which all machines reach, such as s3a://lake/driftline."
        ),
    ],
    brokers: Annotated[str, typer.Option(metavar="HOST:PORT,...", envvar="KAFKA_BROKERS", help="Brokers of Kafka.")],
    logs: Annotated[
        list[str] | None,
        typer.Option(metavar="TOPIC", help="Topic of OTLP logs: predictions and outcomes; repeatable."),
    ] = None,
    traces: Annotated[
        list[str] | None, typer.Option(metavar="TOPIC", help="Topic of OTLP traces: predictions; repeatable.")
    ] = None,
    master: Master = "",
    source: Annotated[str, typer.Option(metavar="NAME", help="Name of the job in the processor.")] = "spark",
    span: Annotated[str, typer.Option(metavar="1h", help="Length of the panes: 1h, or 5m without slices.")] = "1h",
    trigger: Annotated[
        str, typer.Option(metavar="60s", help="Time between micro-batches; 0s = read what there is, and exit.")
    ] = "60s",
    starting: Annotated[
        str, typer.Option(metavar="earliest", help="Where a new job starts to read: earliest or latest.")
    ] = "earliest",
    jars: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="Jars of the source of Kafka. Default: fetched from Maven; repeatable."),
    ] = None,
    kafka: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=VALUE", help="A setting of the consumer, such as security.protocol=SSL; repeatable."),
    ] = None,
    conf: Settings = None,
) -> None:
    """Fold the predictions and outcomes of topics into panes, until Ctrl-C; an interrupted job continues.

    The messages are those of the Collector's Kafka exporter. The panes are sent to DRIFTLINE_ENDPOINT. Without --logs
    and --traces, the topics are otlp_logs and otlp_spans.
    """
    with report_bad_input():
        from driftline_processor.spark.settings import StreamSettings
        from driftline_processor.spark.submit import run

        signals: dict[str, Literal["traces", "logs"]] = {}
        for name in logs or ([] if traces else ["otlp_logs"]):
            signals[name] = "logs"
        for name in traces or ([] if logs else ["otlp_spans"]):
            signals[name] = "traces"
        if span not in ("5m", "1h"):
            raise BadInput(f"--span {span}: use 1h or 5m")
        if starting not in ("earliest", "latest"):
            raise BadInput(f"--starting {starting}: use earliest or latest")
        settings = StreamSettings(
            work=work,
            source=source,
            span="5m" if span == "5m" else "1h",
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
    try:
        return int(parse_duration(text, "s", "m").total_seconds())
    except ValueError as error:
        raise BadInput(f"--trigger {text}: use a time such as 60s or 5m") from error
