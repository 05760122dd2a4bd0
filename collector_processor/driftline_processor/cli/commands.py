"""The commands. Each imports what it needs when it runs, so that `--help` and `evaluate` load no server libraries.

Extensions add commands by entry points of the group ``driftline_commands``, each a ``typer.Typer``.
"""

from __future__ import annotations

from copy import copy
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from typer.core import TyperGroup

from driftline_processor.config.kinds import installed

from . import without_collections
from .audit import app as audit_app
from .baseline import app as baseline_app
from .conformance import conformance
from .connection import Connection
from .doctor import doctor
from .evaluate import evaluate
from .export.export_command import export
from .incidents import app as incidents_app
from .incidents import silence
from .models import annotate
from .models import app as models_app
from .option_parameters import BAD_INPUT, HERE, Version, connects, report_bad_input, say
from .outcomes import app as outcomes_app
from .outcomes import forget
from .policies import app as policies_app
from .postmortem import postmortem
from .report import report
from .retraining import retrain_check
from .review import review
from .rules import rules
from .skew import skew
from .spark import app as spark_app
from .state import app as state_app
from .status import status
from .token import app as token_app
from .token import login
from .versions import versions

GROUP = "driftline_commands"


class Commands(TyperGroup):
    """The commands of Driftline and of extensions, which are imported on use."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names of all commands."""
        names = super().list_commands(ctx)
        return [*names, *sorted(installed(GROUP).keys() - {*names})]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return a command; None if there is none of this name, or its extension cannot be imported."""
        command = super().get_command(ctx, cmd_name)
        if command is not None:
            return command
        if (extension := installed(GROUP).get(cmd_name)) is None:
            return None
        try:
            return typer.main.get_command(extension.load())
        except Exception as error:  # the module of any distribution
            say(f"the extension '{cmd_name}' ({extension.value}) cannot be imported: {error}")
            return None


app = typer.Typer(
    name="driftline",
    cls=Commands,
    help="OpenTelemetry for predictive models: drift, late labels and performance.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"driftline {version('driftline')}")
        raise typer.Exit


@app.callback()
def driftline(
    _version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    """Make a group of the commands even if there is one."""


app.add_typer(audit_app, name="audit")
app.add_typer(baseline_app, name="baseline")
app.add_typer(incidents_app, name="incidents")
app.add_typer(models_app, name="models")
app.add_typer(outcomes_app, name="outcomes")
app.add_typer(policies_app, name="policies")
app.add_typer(spark_app, name="spark")
app.add_typer(state_app, name="state")
app.add_typer(token_app, name="token")
app.command()(annotate)
app.command()(forget)
app.command()(login)
app.command()(silence)


@app.command()
def up(
    config: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Configuration file, such as driftline.yaml.")
    ] = None,
    forward: Annotated[str | None, typer.Option(metavar="URL", help="Forward everything to this OTLP URL.")] = None,
) -> None:
    """Receive OTLP data, evaluate models, serve the pages and forward the data."""
    with without_collections():
        from driftline_processor.service import run

    raise typer.Exit(run(config, forward))


@app.command()
def validate(file: Annotated[Path, typer.Argument(metavar="FILE", help="Configuration file.")]) -> None:
    """Check a configuration. Each error names the key, the rule and the fix."""
    from driftline_processor.config.schema import load, validate_file

    errors = validate_file(file)
    for error in errors:
        typer.echo(error, err=True)
    if errors:
        raise typer.Exit(BAD_INPUT)
    for warning in load(file).warnings():
        typer.echo(f"warning: {warning}", err=True)
    typer.echo(f"{file}: the configuration is valid")


@app.command()
@connects
def top(
    server: Annotated[Connection, typer.Argument(metavar="[URL]", help="URL of a running `driftline up`.")] = HERE,
) -> None:
    """Watch a running processor in the terminal."""
    with report_bad_input():
        from driftline_processor.terminal.top import run

        raise typer.Exit(run(server))


@app.command()
def demo(
    number: Annotated[
        int,
        typer.Argument(
            metavar="[NN]", min=0, help="Number of the example. 0 means real flights, with pages until Ctrl-C."
        ),
    ] = 0,
    keep: Annotated[bool, typer.Option("--keep", help="Serve the pages of an example until Ctrl-C.")] = False,
    once: Annotated[bool, typer.Option("--once", help="Exit after the results, instead of serving the pages.")] = False,
    forward: Annotated[str | None, typer.Option(metavar="URL", help="Forward everything to this OTLP URL.")] = None,
    port: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            max=65_532,
            help="Listen on port N (1 to 65532) and the next three ports. Without this option, the ports are 8780, "
            "4318, 4317 and 8000. A port that is in use is replaced by a free port.",
        ),
    ] = None,
    engine: Annotated[
        Literal["spark"] | None,
        typer.Option(help="Let Spark count the rows, instead of the processor. Only for example 9."),
    ] = None,
) -> None:
    """Watch a real model drift and degrade on real flight data, or run the example of a scenario.

    An example ends by itself. Exit code 0: the example showed the promised result, 1: it did not show this result, 2:
    it could not run.
    """
    from driftline_processor.demo import run

    raise typer.Exit(run(number, once, keep, forward, port, engine))


app.command()(evaluate)
app.command()(skew)
app.command()(postmortem)
app.command()(report)
app.command()(review)
app.command(name="retrain-check")(retrain_check)
app.command()(rules)
app.command()(status)
app.command()(doctor)
app.command()(conformance)


@app.command()
@connects
def snapshot(
    model: Annotated[str, typer.Option(metavar="NAME", help="The model's name.")],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="FILE", help="File for the rows (.parquet).")],
    since: Annotated[
        str, typer.Option(metavar="7d", help="Start of the period: a time, or a duration before now.")
    ] = "7d",
    until: Annotated[
        str, typer.Option(metavar="0d", help="End of the period: a time, or a duration before now.")
    ] = "0d",
    version: Version = "",
    environment: Annotated[
        str, typer.Option(metavar="NAME", help="Only rows of this environment. Default: all environments.")
    ] = "",
    labelled: Annotated[bool, typer.Option("--labelled", help="Only rows with an outcome.")] = False,
    server: Connection = HERE,
) -> None:
    """Write the stored rows of a model as Parquet: features, predictions and outcomes, ready for training."""
    with report_bad_input():
        from . import client

        selection = client.SnapshotRows(model, version, environment, since, until, labelled)
        reply = client.fetch_snapshot(server, selection, output)
        for rename in reply["renamed"]:
            say(f"a feature has a reserved name: {rename}")
        typer.echo(
            f"{output}: {reply['rows']:,} rows of {reply['features']} features, {reply['labelled']:,} with an outcome"
        )


app.command()(export)
app.command()(versions)


def application(arguments: list[str]) -> typer.Typer:
    """Return the commands with those only that the arguments name, since Typer builds each that there is."""
    for kind in ("registered_groups", "registered_commands"):
        for command in getattr(app, kind):
            name = command.name or command.callback.__name__
            if arguments[:1] == [name]:
                single = copy(app)
                single.registered_groups, single.registered_commands = [], []
                setattr(single, kind, [command])
                return single
    return app
