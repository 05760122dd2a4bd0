"""`driftline models retire`, `approve-retrain` and `decisions`: people's decisions about a model with reasons."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from .connection import Connection
from .option_parameters import HERE, By, Version, connects, report_bad_input, tell

app = typer.Typer(help="Record and list decisions about models.", no_args_is_help=True, rich_markup_mode=None)

Model = Annotated[str, typer.Argument(metavar="MODEL", help="The model's name.")]
Why = Annotated[str, typer.Option("--why", metavar="TEXT", help="Reason, which is stored with the decision.")]


@app.callback()
def models() -> None:
    """Record and list decisions about models."""


@app.command()
@connects
def retire(model: Model, why: Why, by: By = "", version: Version = "", server: Connection = HERE) -> None:
    """Record that a model is retired, by whom and why. Its predictions are still evaluated."""
    _decide(server, model, version, "retirement", by, why)


@app.command(name="approve-retrain")
@connects
def approve_retrain(model: Model, why: Why, by: By = "", version: Version = "", server: Connection = HERE) -> None:
    """Record that the retraining of a model is approved, by whom and why. This does not start a training run."""
    _decide(server, model, version, "retraining", by, why)


@app.command()
@connects
def decisions(
    model: Model,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    server: Connection = HERE,
) -> None:
    """List the decisions about a model, the newest first."""
    with report_bad_input():
        from . import client

        answer = client.fetch_decisions(server, model)
        if as_json:
            typer.echo(json.dumps(answer, indent=2))
            return
        if not answer["decisions"]:
            typer.echo(f"no decisions about {model}")
        for decision in answer["decisions"]:
            version = f" version {decision['version']}" if decision["version"] else ""
            tell(f"{decision['time']}  {decision['kind']}{version}  by {decision['by']}: {decision['why']}")


@connects
def annotate(
    model: Model,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="What happened.")],
    by: By = "",
    kind: Annotated[
        str, typer.Option("--kind", metavar="KIND", help="Kind of the entry: note or deployment.")
    ] = "note",
    time: Annotated[
        str, typer.Option("--time", metavar="TIME", help="Time of the note or deployment. Default: now.")
    ] = "",
    version: Version = "",
    server: Connection = HERE,
) -> None:
    """Add a note or a deployment to the timeline of a model."""
    with report_bad_input():
        from . import client

        mark = client.annotate(server, model, text, kind, by, version, time)
        tell(f"{mark['model']}: {mark['kind']} at {mark['time']}, by {mark['by']}: {mark['why']}")


def _decide(server: Connection, model: str, version: str, kind: str, by: str, why: str) -> None:
    with report_bad_input():
        from . import client

        decision = client.decide(server, model, version, kind, by, why)
        tell(f"{decision['model']}: {decision['kind']}, by {decision['by']}, {decision['time']}")
        if decision.get("warning"):
            typer.echo(f"the decision is stored, but {decision['warning']}", err=True)
