"""`driftline incidents list`, `ack` and `approve`, and `driftline silence`: alerts and answers to them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any

import typer

from driftline_processor.readers.errors import BadInput

from .connection import Connection
from .option_parameters import HERE, By, connects, report_bad_input, tell

app = typer.Typer(
    help="List alerts, acknowledge them, and approve actions.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.callback()
def incidents() -> None:
    """List alerts, acknowledge them, and approve actions."""


@app.command(name="list")
@connects
def list_incidents(
    model: Annotated[str, typer.Option(metavar="NAME", help="Only alerts of this model.")] = "",
    all_of_them: Annotated[bool, typer.Option("--all", help="Include alerts that are over.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    server: Connection = HERE,
) -> None:
    """List the open alerts: the model, the start, the notified channels and who acknowledged the alert."""
    with report_bad_input():
        from . import client

        answer = client.fetch_alerts(server, model, "" if all_of_them else "open")
        if as_json:
            typer.echo(json.dumps(answer, indent=2))
            return
        if not answer["alerts"] and model and (unknown := client.misspelled_models(server, [model])):
            raise BadInput(unknown[0])
        if not answer["alerts"]:
            typer.echo("no open alerts" if not all_of_them else "no alerts")
            return
        for alert in answer["alerts"]:
            tell(*alert_lines(alert))


@app.command()
@connects
def ack(
    alert: Annotated[str, typer.Argument(metavar="ALERT", help="Id of the alert, or the beginning of the id.")],
    by: By = "",
    why: Annotated[str, typer.Option(metavar="TEXT", help="Comment on the alert.")] = "",
    take_over: Annotated[
        bool, typer.Option("--take-over", help="Take the alert over from another person who acknowledged it.")
    ] = False,
    server: Connection = HERE,
) -> None:
    """Acknowledge an alert and the other alerts of the same message thread, so that they are not escalated.

    Exit code 0: the alert is acknowledged, 1: another person has already acknowledged the alert, 2: bad input.
    """
    with report_bad_input():
        from . import client

        answer = client.acknowledge_alert(server, client.find_alert(server, alert)["id"], by, why, take_over=take_over)
        acknowledgement = answer["acknowledged"]
        since = _seconds(acknowledgement["time"])
        if not answer["acknowledged_by_you"]:
            tell(
                f"{answer['model']}: acknowledged by {acknowledgement['by']} since {since}; "
                "use --take-over to take it over",
                err=True,
            )
            raise typer.Exit(1)
        tell(f"{answer['model']}: acknowledged by you since {since}")


@connects
def silence(
    alert: Annotated[
        str, typer.Argument(metavar="[ALERT]", help="Id of the alert, or the beginning of the id.", show_default=False)
    ] = "",
    by: By = "",
    why: Annotated[str, typer.Option("--why", metavar="TEXT", help="Reason of the silence.")] = "",
    lasts: Annotated[
        str, typer.Option("--for", metavar="TIME", help="Duration of the silence, such as 1h, 8h, 1d or 1w.")
    ] = "8h",
    model: Annotated[str, typer.Option(metavar="NAME", help="Silence all alerts of this model.")] = "",
    end: Annotated[str, typer.Option("--end", metavar="ID", help="End this silence.")] = "",
    listed: Annotated[bool, typer.Option("--list", help="List the silences that are not over.")] = False,
    server: Connection = HERE,
) -> None:
    """Silence an alert or a model for a time, list silences, or end a silence. The state of the model stays visible."""
    with report_bad_input():
        from . import client

        if sum(map(bool, (alert, model, end, listed))) != 1:
            raise BadInput("use an alert, --model NAME, --list or --end ID")
        if listed:
            silences = client.fetch_silences(server)["silences"]
        elif end:
            silences = [client.end_silence(server, end, by)]
        elif alert:
            known = client.find_alert(server, alert)
            place = known["model"], known["environment"], known["policy"]
            silences = [client.silence(server, *place, lasts, by, why)]
        else:
            silences = [client.silence(server, model, "", "", lasts, by, why)]
        tell(*map(silence_line, silences) if silences else ["no silences"])


def silence_line(silence: Mapping[str, Any]) -> str:
    """Return a silence as one line, from the JSON of the API."""
    policies = "" if silence["policies"] == ["*"] else f" ({', '.join(silence['policies'])})"
    state = f"ended by {silence['ended_by']}" if silence["ended_by"] else f"silenced until {_seconds(silence['until'])}"
    author = f"by {silence['by']}: {silence['why']}" if silence["by"] else "by the configuration"
    return f"{silence['id']}  {', '.join(silence['models'])}{policies}  {state}, {author}"


@app.command()
@connects
def approve(
    alert: Annotated[str, typer.Argument(metavar="ALERT", help="Id of the alert, or the beginning of the id.")],
    action: Annotated[str, typer.Argument(metavar="ACTION", help="Name of the action, such as `http/rollback`.")],
    why: Annotated[str, typer.Option("--why", metavar="TEXT", help="Reason, which is stored with the alert.")],
    by: By = "",
    server: Connection = HERE,
) -> None:
    """Approve an action that waits for approval, so that it runs."""
    with report_bad_input():
        from . import client

        known_alert = client.find_alert(server, alert)
        request = next((one for one in _pending_requests(known_alert, action)), {"request": "", "digest": "none"})
        answer = client.approve_action(server, known_alert["id"], action, by, why, request["digest"])
        if request["request"]:
            tell(f"{action} {request['request']}")
        for pending in _pending_requests(answer, action):
            if pending["first"]:
                first = f"{pending['first']['by']} at {_seconds(pending['first']['time'])}"
                tell(f"{answer['model']}: {action} was approved by {first}; another person must approve it, too")
                return
        order = next(message for message in answer["messages"] if message["channel"] == action and message["approved"])
        approval = order["approved"]
        tell(f"{answer['model']}: {action} was approved by {approval['by']} at {_seconds(approval['time'])}")


def _pending_requests(alert: Mapping[str, Any], action: str) -> Iterator[Mapping[str, Any]]:
    """Yield the pending approvals of an action, from the JSON of the API."""
    for message in alert["messages"]:
        if message["channel"] == action and message["approval"]:
            yield message["approval"]


def alert_lines(alert: Mapping[str, Any]) -> Sequence[str]:
    """Return an alert in lines, from the JSON of the API."""
    state = "open" if alert["open"] else "resolved"
    place = f" ({alert['environment']})" if alert["environment"] else ""
    when = f"since {_seconds(alert['since']) if alert['since'] else 'an unknown time'}"
    when += f" until {_seconds(alert['until'])}" if alert["until"] else ""
    acknowledgement = alert["acknowledged"]
    recipients = (
        ", ".join(_sent_words(message) for message in alert["messages"] if "/" not in message["channel"])
        or "no channel"
    )
    silenced = f"silenced until {_seconds(alert['silenced'])}" if alert["open"] and alert.get("silenced") else ""
    recipients = (
        f"notified: {recipients}" + (f", {silenced}" if silenced else "")
        if recipients != "no channel" or not silenced
        else silenced
    )
    actions = "; ".join(_sent_words(message) for message in alert["messages"] if "/" in message["channel"])
    escalated = f"; escalated to {', '.join(alert['escalated_to'])}" if alert["escalated_to"] else ""
    return [
        f"{alert['id']}  {state}  {alert['severity']}  {alert['model']}{place}  {alert['policy']}  {when}",
        f"  {alert['finding']}",
        f"  {recipients}; "
        + (f"acknowledged by {acknowledgement['by']}" if acknowledgement else "not acknowledged")
        + escalated,
        *([f"  actions: {actions}"] if actions else []),
    ]


def _seconds(time: str) -> str:
    """Return a time of the API without its fraction of a second.

    >>> _seconds("2026-11-04T00:00:00.123456789Z")
    '2026-11-04T00:00:00Z'
    """
    return re.sub(r"\.\d+Z$", "Z", time)


def _sent_words(message: Mapping[str, Any]) -> str:
    """Return a message with its result."""
    text = f"{message['channel']} {message['kind']}: {message['result'].replace('_', ' ')}"
    text += f" ({message['detail']})" if message["detail"] else ""
    return text + (f", approved by {message['approved']['by']}" if message.get("approved") else "")
