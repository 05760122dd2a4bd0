"""`driftline postmortem`: one file about an alert, from its onset to its end, for people to complete."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from .connection import Connection
from .option_parameters import HERE, connects, report_bad_input

OTHERS = (
    "verdict is degraded or at_risk",
    "features drift",
    "score drifts",
    "data faulty",
    "objective broken",
    "coverage < 50 %",
)
"""Conditions that are replayed besides the alert's policy, for each length of windows."""


@connects
def postmortem(
    alert: Annotated[str, typer.Argument(metavar="ALERT", help="Id of the alert, or the beginning of the id.")],
    output: Annotated[
        Path | None,
        typer.Option(
            "-o", "--output", metavar="FILE", help="Output file, .html or .md. Default: Markdown on standard output."
        ),
    ] = None,
    server: Connection = HERE,
) -> None:
    """Write a postmortem of an alert.

    The postmortem contains the onset, messages, actions, recovery, cause and cost. It also shows how to detect such a
    problem sooner.
    """
    with report_bad_input():
        from driftline_processor.present.postmortem import postmortem as written_postmortem
        from driftline_processor.readers.errors import BadInput

        from . import client

        if output is not None and output.suffix.lower() not in (".html", ".md"):
            raise BadInput(f"-o {output}: must end with .html or .md")
        text = written_postmortem(_incident(alert, server))
        if output is None:
            typer.echo(text)
            return
        if output.suffix.lower() == ".html":
            from driftline_processor.web.file_report import postmortem_html

            client.write_text(output, postmortem_html(text))
        else:
            client.write_text(output, text)
        typer.echo(f"{output}: postmortem written; complete its last sections")


def _incident(begin: str, server: Connection) -> Any:
    from driftline_processor.present.postmortem import Incident

    from . import client

    alert = client.find_alert(server, begin)
    replays, lengths, unknown = _replays(alert, server)
    window = max(lengths, key=_seconds, default="")
    windows = client.fetch_windows(server, alert, window) if window else []
    wrong = client.fetch_wrong(server, alert) if alert["since"] else []
    return Incident(alert, window, windows, wrong, replays, unknown)


def _replays(alert: dict[str, Any], server: Connection) -> tuple[dict[str, Any], list[str], str]:
    """Replay other policies; return their replays by description, and window lengths."""
    from driftline_processor.readers.errors import BadInput

    from . import client

    first = client.replay_policies(server, {"sooner": {"when": OTHERS[0]}}, alert["model"])
    models = [model for model in first["models"] if model["version"] == alert["version"]] or first["models"]
    lengths = sorted({name for model in models for policy in model["policies"] for name in policy["known_windows"]})
    if not lengths:
        return {}, [], "Unknown: no window of the model has closed."
    # an alert with a state is that of a policy on verdicts, and the same verdict detects nothing earlier
    conditions = [when for when in OTHERS if not (alert["state"] and when.startswith("verdict "))]
    others = {
        f"{when}, in windows of {window}": {"when": when, "window": window} for window in lengths for when in conditions
    }
    try:
        answer = client.replay_policies(server, others, alert["model"])
    except BadInput as error:
        return {}, lengths, f"Unknown: {error}"
    replays = {
        policy["policy"]: policy
        for model in answer["models"]
        if (model["version"], model["environment"]) == (alert["version"], alert["environment"])
        for policy in model["policies"]
        if policy["policy"] in others
    }
    return replays, lengths, "" if replays else "Unknown: the version of the alert is no longer in use."


def _seconds(window: str) -> int:
    from driftline_processor.core.windows.window import length

    return length(window)
