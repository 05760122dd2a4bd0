"""`driftline incidents list`, `ack` and `approve`: what policies found, who has it, and what is done about it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

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
        if not found["alerts"]:
            typer.echo("no alert is open" if not all_of_them else "there is no alert")
            return
        for one in found["alerts"]:
            typer.echo("\n".join(alert_lines(one)))


@app.command()
def ack(
    alert: Annotated[str, typer.Argument(metavar="ALERT", help="Its id, as messages and `list` say it.")],
    by: Annotated[str, typer.Option("--by", metavar="NAME", help="Who takes it on.", envvar="USER")],
    why: Annotated[str, typer.Option(metavar="TEXT", help="What you say of it.")] = "",
    url: Url = "http://127.0.0.1:8780",
) -> None:
    """Say that you have an alert in hand, so that it is not escalated."""
    with report_bad_input():
        from . import client

        found = client.acknowledge_alert(url, alert, by, why)
        taken = found["acknowledged"]
        mine = taken["by"] == by
        typer.echo(f"{found['model']}: {'yours' if mine else taken['by'] + ' has it'}, since {taken['time']}")


@app.command()
def approve(
    alert: Annotated[str, typer.Argument(metavar="ALERT", help="Its id, as messages and `list` say it.")],
    action: Annotated[str, typer.Argument(metavar="ACTION", help="The name of the action, such as `http/rollback`.")],
    by: Annotated[str, typer.Option("--by", metavar="NAME", help="Who approves it.", envvar="USER")],
    why: Annotated[str, typer.Option("--why", metavar="TEXT", help="Why; it is kept with the alert.")],
    url: Url = "http://127.0.0.1:8780",
) -> None:
    """Approve an action that waits for it, so that it is carried out."""
    with report_bad_input():
        from . import client

        found = client.approve_action(url, alert, action, by, why)
        order = next(one for one in found["messages"] if one["channel"] == action and one["approved"])
        given = order["approved"]
        typer.echo(f"{found['model']}: {action} is approved by {given['by']}, since {given['time']}")


def alert_lines(alert: Mapping[str, Any]) -> Sequence[str]:
    """Return an alert in lines, from the JSON of the API."""
    state = "open" if alert["open"] else "over"
    place = f" ({alert['environment']})" if alert["environment"] else ""
    when = f"since {alert['since'] or 'some time'}" + (f" until {alert['until']}" if alert["until"] else "")
    taken = alert["acknowledged"]
    told = ", ".join(_sent_words(one) for one in alert["messages"] if "/" not in one["channel"]) or "nobody"
    done = "; ".join(_sent_words(one) for one in alert["messages"] if "/" in one["channel"])
    escalated = f"; escalated to {', '.join(alert['escalated_to'])}" if alert["escalated_to"] else ""
    return [
        f"{alert['id']}  {state}  {alert['severity']}  {alert['model']}{place}  {alert['policy']}  {when}",
        f"  {alert['found']}",
        f"  told: {told}; " + (f"{taken['by']} has it" if taken else "nobody has it in hand") + escalated,
        *([f"  done: {done}"] if done else []),
    ]


def _sent_words(message: Mapping[str, Any]) -> str:
    """Return what was sent, and what came of it."""
    said = f"{message['channel']} {message['kind']}: {message['result'].replace('_', ' ')}"
    said += f" ({message['detail']})" if message["detail"] else ""
    return said + (f", approved by {message['approved']['by']}" if message.get("approved") else "")
