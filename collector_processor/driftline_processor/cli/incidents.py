"""`driftline incidents list`, `ack`, `approve` and `audit`: what policies found, who has it, and what was done."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from driftline_processor.readers.errors import BadInput

from .options import Url, report_bad_input

app = typer.Typer(
    help="What was wrong, what was told of it, and who has it.", no_args_is_help=True, rich_markup_mode=None
)


@app.callback()
def incidents() -> None:
    """Look after what policies found."""


@app.command(name="list")
def list_incidents(
    model: Annotated[str, typer.Option(metavar="NAME", help="Of one model.")] = "",
    all_of_them: Annotated[bool, typer.Option("--all", help="Those that are over, too.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    url: Url = "http://127.0.0.1:8780",
) -> None:
    """List the alerts that are open: which model, since when, who was told, and who has it."""
    with report_bad_input():
        from . import client

        answer = client.fetch_alerts(url, model, "" if all_of_them else "open")
        if as_json:
            typer.echo(json.dumps(answer, indent=2))
            return
        if not answer["alerts"] and model and (unknown := client.misspelled_models(url, [model])):
            raise BadInput(unknown[0])
        if not answer["alerts"]:
            typer.echo("no alert is open" if not all_of_them else "there is no alert")
            return
        for alert in answer["alerts"]:
            typer.echo("\n".join(alert_lines(alert)))


@app.command()
def ack(
    alert: Annotated[str, typer.Argument(metavar="ALERT", help="Its id, or how it begins.")],
    by: Annotated[str, typer.Option("--by", metavar="NAME", help="Who takes it on.", envvar="USER")],
    why: Annotated[str, typer.Option(metavar="TEXT", help="What you say of it.")] = "",
    take_over: Annotated[bool, typer.Option("--take-over", help="Also from somebody who has it.")] = False,
    url: Url = "http://127.0.0.1:8780",
) -> None:
    """Say that you have an alert in hand, with all of its thread, so that it is not escalated.

    Exit code 0: it is yours, 1: somebody else has it, 2: bad input.
    """
    with report_bad_input():
        from . import client

        answer = client.acknowledge_alert(url, client.find_alert(url, alert)["id"], by, why, take_over=take_over)
        acknowledgement = answer["acknowledged"]
        since = _seconds(acknowledgement["time"])
        if acknowledgement["by"] != by:
            typer.echo(
                f"{answer['model']}: {acknowledgement['by']} has it, since {since}; --take-over takes it on", err=True
            )
            raise typer.Exit(1)
        typer.echo(f"{answer['model']}: yours, since {since}")


@app.command()
def approve(
    alert: Annotated[str, typer.Argument(metavar="ALERT", help="Its id, or how it begins.")],
    action: Annotated[str, typer.Argument(metavar="ACTION", help="The name of the action, such as `http/rollback`.")],
    by: Annotated[str, typer.Option("--by", metavar="NAME", help="Who approves it.", envvar="USER")],
    why: Annotated[str, typer.Option("--why", metavar="TEXT", help="Why; it is kept with the alert.")],
    url: Url = "http://127.0.0.1:8780",
) -> None:
    """Approve an action that waits for it, so that it is carried out."""
    with report_bad_input():
        from . import client

        answer = client.approve_action(url, client.find_alert(url, alert)["id"], action, by, why)
        order = next(message for message in answer["messages"] if message["channel"] == action and message["approved"])
        approval = order["approved"]
        typer.echo(f"{answer['model']}: {action} is approved by {approval['by']}, since {_seconds(approval['time'])}")


@app.command()
def audit(
    model: Annotated[str, typer.Option(metavar="NAME", help="About one model.")] = "",
    kind: Annotated[
        str, typer.Option(metavar="KIND", help="One kind: fired, told, ordered, answered, approved, decided, ...")
    ] = "",
    limit: Annotated[int, typer.Option(metavar="N", min=1, max=10_000, help="The newest N.")] = 100,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    url: Url = "http://127.0.0.1:8780",
) -> None:
    """List all that was done, the newest last: what fired, was told, ordered and approved, by whom and why."""
    with report_bad_input():
        from . import client

        answer = client.fetch_audit(url, model, kind, limit)
        if as_json:
            typer.echo(json.dumps(answer, indent=2))
            return
        if not answer["entries"]:
            typer.echo("nothing was done yet")
            return
        for entry in reversed(answer["entries"]):
            typer.echo(entry_line(entry))


def entry_line(entry: Mapping[str, Any]) -> str:
    """Return something that was done in a line, from the JSON of the API."""
    place = f" ({entry['environment']})" if entry["environment"] else ""
    author = f"; {entry['by']}" if entry["by"] else ""
    why = f": {entry['why']}" if entry["why"] else ""
    alert = f"  alert {entry['alert']}" if entry["alert"] else ""
    statement = f"{entry['subject']} {entry['words']}{author}{why}"
    return f"{_seconds(entry['time'])}  {entry['kind']}  {entry['model'] or '-'}{place}  {statement}{alert}"


def alert_lines(alert: Mapping[str, Any]) -> Sequence[str]:
    """Return an alert in lines, from the JSON of the API."""
    state = "open" if alert["open"] else "over"
    place = f" ({alert['environment']})" if alert["environment"] else ""
    when = f"since {_seconds(alert['since']) if alert['since'] else 'some time'}"
    when += f" until {_seconds(alert['until'])}" if alert["until"] else ""
    acknowledgement = alert["acknowledged"]
    recipients = (
        ", ".join(_sent_words(message) for message in alert["messages"] if "/" not in message["channel"]) or "nobody"
    )
    silenced = f"silenced until {_seconds(alert['silenced'])}" if alert["open"] and alert.get("silenced") else ""
    recipients = (
        f"told: {recipients}" + (f", {silenced}" if silenced else "")
        if recipients != "nobody" or not silenced
        else silenced
    )
    actions = "; ".join(_sent_words(message) for message in alert["messages"] if "/" in message["channel"])
    escalated = f"; escalated to {', '.join(alert['escalated_to'])}" if alert["escalated_to"] else ""
    return [
        f"{alert['id']}  {state}  {alert['severity']}  {alert['model']}{place}  {alert['policy']}  {when}",
        f"  {alert['found']}",
        f"  {recipients}; "
        + (f"{acknowledgement['by']} has it" if acknowledgement else "nobody has it in hand")
        + escalated,
        *([f"  done: {actions}"] if actions else []),
    ]


def _seconds(time: str) -> str:
    """Return a time of the API without its fraction of a second.

    >>> _seconds("2026-11-04T00:00:00.123456789Z")
    '2026-11-04T00:00:00Z'
    """
    return re.sub(r"\.\d+Z$", "Z", time)


def _sent_words(message: Mapping[str, Any]) -> str:
    """Return what was sent, and what came of it."""
    text = f"{message['channel']} {message['kind']}: {message['result'].replace('_', ' ')}"
    text += f" ({message['detail']})" if message["detail"] else ""
    return text + (f", approved by {message['approved']['by']}" if message.get("approved") else "")
