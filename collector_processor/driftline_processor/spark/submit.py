"""Run a job from a configuration: its models, its session, and how it ends."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from driftline.baseline.baseline import Baseline
from driftline.batch_panes import Span

from driftline_processor.config.schema import ConfigError, load
from driftline_processor.readers.errors import BadInput, Say

from .delivery import endpoint_of
from .models import FoldedModel, Models

if TYPE_CHECKING:
    from .settings import StreamSettings


def configured_models(file: Path, span: Span, say: Say) -> Models:
    """Return the models of a configuration that have a baseline.

    Raises:
        BadInput: The file or a baseline cannot be read, or no model has a baseline.
    """
    try:
        config = load(file)
    except ConfigError as error:
        raise BadInput(str(error), "config", str(file)) from error
    models = dict[str, FoldedModel]()
    for name, settings in config.models.items():
        baseline = settings.baseline
        if baseline is None:
            say(f"models.{name} has no baseline, so its rows are not used; set models.{name}.baseline")
            continue
        if settings.sliced and span == "5m":
            say(f"slices of models.{name} need panes of an hour; they get none with panes of 5m")
            settings = settings.model_copy(update={"slices": ()})
        try:
            models[name] = FoldedModel.of(Baseline.load(baseline), settings, span)
        except (ValueError, OSError) as error:
            raise BadInput(f"models.{name}.baseline: {error}", "config", str(file)) from error
    if not models:
        raise BadInput("no model has a baseline; set models.NAME.baseline", "config", str(file))
    return models


def run(
    file: Path, settings: StreamSettings, master: str, options: Mapping[str, str], say: Say, *, has_connector: bool
) -> None:
    """Read topics until SIGINT or SIGTERM, or until there is nothing more if ``settings.trigger`` is 0.

    Args:
        file: The configuration, ``driftline.yaml``.
        settings: How the job reads and writes.
        master: URL of the cluster.
        options: Settings of Spark.
        say: Called with what a person should know.
        has_connector: True if the source of Kafka is among the jars, so that it is not fetched.

    Raises:
        BadInput: The configuration, Spark or the topics cannot be used.
    """
    from .session import connector_package, open_session

    models = configured_models(file, settings.span, say)
    try:
        endpoint_of(settings.endpoint)
    except ValueError as error:
        raise BadInput(str(error)) from error
    if not has_connector:
        packages = options.get("spark.jars.packages", "")
        options = {**options, "spark.jars.packages": ",".join(filter(None, [packages, connector_package()]))}
    session = open_session("driftline", master, options)
    from pyspark.errors import PySparkException

    from .stream import Job

    try:
        query = Job(session, models, settings, say).start()

        def stop(_number: int, _frame: FrameType | None) -> None:
            with suppress(Exception):  # the gateway is busy with awaitTermination
                query.stop()
            raise SystemExit(0)

        signal.signal(signal.SIGTERM, stop)
        say(f"folding {', '.join(settings.signals)} for {', '.join(list(models)[:10])}; epochs are in {settings.work}")
        query.awaitTermination()
    except KeyboardInterrupt:
        say("stopped; the next start continues here")
    except PySparkException as error:
        raise BadInput(f"the job ended: {_reason(error)}") from error
    finally:
        session.stop()


def _reason(error: Exception) -> str:
    """Return the line of an error that names the cause: the last of a Python function, else the first."""
    lines = [line for line in str(error).splitlines() if line.strip()]
    named = [
        line
        for line in lines
        if line.startswith(("driftline.", "ValueError: driftline", "ConnectionError", "Caused by: "))
    ]
    return (named or lines or [type(error).__name__])[0].strip()
