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

        found = client.fetch_alerts(url, model, "" if all_of_them else "open")
        if as_json:
            typer.echo(json.dumps(found, indent=2))
            return
        if not found["alerts"] and model and (unknown := client.misspelled_models(url, [model])):
            raise BadInput(unknown[0])
        if not found["alerts"]:
            typer.echo("no alert is open" if not all_of_them else "there is no alert")
            return
        for one in found["alerts"]:
            typer.echo("\n".join(alert_lines(one)))


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

        found = client.acknowledge_alert(url, client.find_alert(url, alert)["id"], by, why, take_over=take_over)
        taken = found["acknowledged"]
        since = _seconds(taken["time"])
        if taken["by"] != by:
            typer.echo(f"{found['model']}: {taken['by']} has it, since {since}; --take-over takes it on", err=True)
            raise typer.Exit(1)
        typer.echo(f"{found['model']}: yours, since {since}")


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

        found = client.approve_action(url, client.find_alert(url, alert)["id"], action, by, why)
        order = next(one for one in found["messages"] if one["channel"] == action and one["approved"])
        given = order["approved"]
        typer.echo(f"{found['model']}: {action} is approved by {given['by']}, since {_seconds(given['time'])}")


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

        found = client.fetch_audit(url, model, kind, limit)
        if as_json:
            typer.echo(json.dumps(found, indent=2))
            return
        if not found["entries"]:
            typer.echo("nothing was done yet")
            return
        for one in reversed(found["entries"]):
            typer.echo(entry_line(one))


def entry_line(entry: Mapping[str, Any]) -> str:
    """Return something that was done in a line, from the JSON of the API."""
    place = f" ({entry['environment']})" if entry["environment"] else ""
    who = f"; {entry['by']}" if entry["by"] else ""
    why = f": {entry['why']}" if entry["why"] else ""
    alert = f"  alert {entry['alert']}" if entry["alert"] else ""
    said = f"{entry['subject']} {entry['words']}{who}{why}"
    return f"{_seconds(entry['time'])}  {entry['kind']}  {entry['model'] or '-'}{place}  {said}{alert}"


def alert_lines(alert: Mapping[str, Any]) -> Sequence[str]:
    """Return an alert in lines, from the JSON of the API."""
    state = "open" if alert["open"] else "over"
    place = f" ({alert['environment']})" if alert["environment"] else ""
    when = f"since {_seconds(alert['since']) if alert['since'] else 'some time'}"
    when += f" until {_seconds(alert['until'])}" if alert["until"] else ""
    taken = alert["acknowledged"]
    told = ", ".join(_sent_words(one) for one in alert["messages"] if "/" not in one["channel"]) or "nobody"
    silenced = f"silenced until {_seconds(alert['silenced'])}" if alert["open"] and alert.get("silenced") else ""
    told = f"told: {told}" + (f", {silenced}" if silenced else "") if told != "nobody" or not silenced else silenced
    done = "; ".join(_sent_words(one) for one in alert["messages"] if "/" in one["channel"])
    escalated = f"; escalated to {', '.join(alert['escalated_to'])}" if alert["escalated_to"] else ""
    return [
        f"{alert['id']}  {state}  {alert['severity']}  {alert['model']}{place}  {alert['policy']}  {when}",
        f"  {alert['found']}",
        f"  {told}; " + (f"{taken['by']} has it" if taken else "nobody has it in hand") + escalated,
        *([f"  done: {done}"] if done else []),
    ]


def _seconds(time: str) -> str:
    """Return a time of the API without its fraction of a second.

    >>> _seconds("2026-11-04T00:00:00.123456789Z")
    '2026-11-04T00:00:00Z'
    """
    return re.sub(r"\.\d+Z$", "Z", time)


def _sent_words(message: Mapping[str, Any]) -> str:
    """Return what was sent, and what came of it."""
    said = f"{message['channel']} {message['kind']}: {message['result'].replace('_', ' ')}"
    said += f" ({message['detail']})" if message["detail"] else ""
    return said + (f", approved by {message['approved']['by']}" if message.get("approved") else "")
