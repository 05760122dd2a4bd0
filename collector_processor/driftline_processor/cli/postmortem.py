"""`driftline postmortem`: one file about an alert, from its onset to its end, for people to complete."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from .options import Url, report_bad_input

OTHERS = (
    "verdict is degraded or at_risk",
    "features drift",
    "score drifts",
    "data faulty",
    "objective broken",
    "coverage < 50 %",
)
"""Conditions that are replayed besides the alert's policy, for each length of windows."""


def postmortem(
    alert: Annotated[str, typer.Argument(metavar="ALERT", help="Id of the alert, or the beginning of the id.")],
    output: Annotated[
        Path | None,
        typer.Option(
            "-o", "--output", metavar="FILE", help="Output file, .html or .md. Default: Markdown on standard output."
        ),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="driftline.yaml with the policy, which is then replayed with other settings for comparison.",
        ),
    ] = None,
    url: Url = "http://127.0.0.1:8780",
) -> None:
    """Write a postmortem of an alert.

    It contains the onset, messages, actions, recovery, cause and cost, and shows how to detect such a problem sooner.
    """
    with report_bad_input():
        from driftline_processor.present.postmortem import postmortem as written_postmortem
        from driftline_processor.readers.errors import BadInput

        from . import client

        if output is not None and output.suffix.lower() not in (".html", ".md"):
            raise BadInput(f"-o {output}: must end with .html or .md")
        text = written_postmortem(_incident(alert, config, url))
        if output is None:
            typer.echo(text)
            return
        if output.suffix.lower() == ".html":
            from driftline_processor.web.file_report import postmortem_html

            client.write_text(output, postmortem_html(text))
        else:
            client.write_text(output, text)
        typer.echo(f"{output}: postmortem written; complete its last sections")


def _incident(begin: str, config: Path | None, url: str) -> Any:
    from driftline_processor.present.postmortem import Incident

    from . import client

    alert = client.find_alert(url, begin)
    replays, lengths, unknown = _replays(alert, config, url)
    window = max(lengths, key=_seconds, default="")
    windows = client.fetch_windows(url, alert, window) if window else []
    wrong = client.fetch_wrong(url, alert) if alert["since"] else []
    return Incident(alert, window, windows, wrong, replays, unknown)


def _replays(alert: dict[str, Any], config: Path | None, url: str) -> tuple[dict[str, Any], list[str], str]:
    """Replay variants of an alert's policy and other policies; return them by description, and window lengths."""
    from driftline_processor.readers.errors import BadInput

    from . import client

    first = client.replay_policies(url, {"sooner": {"when": OTHERS[0]}}, alert["model"])
    models = [model for model in first["models"] if model["version"] == alert["version"]] or first["models"]
    lengths = sorted({name for model in models for policy in model["policies"] for name in policy["known_windows"]})
    if not lengths:
        return {}, [], "Unknown: no window of the model has closed."
    tried: dict[str, tuple[str, dict[str, Any]]] = {}
    for window in lengths:
        for number, when in enumerate(OTHERS):
            tried[f"other-{window}-{number}"] = f"{when}, in windows of {window}", {"when": when, "window": window}
    for words, keys in less_patient_policies(_own_policy(alert, config), lengths):
        tried[f"own-{len(tried)}"] = words, keys
    replays: dict[str, Any] = {}
    try:
        answer = client.replay_policies(url, {name: keys for name, (_, keys) in tried.items()}, alert["model"])
    except BadInput as error:
        return {}, lengths, f"Unknown: {error}"
    for model in answer["models"]:
        if (model["version"], model["environment"]) == (alert["version"], alert["environment"]):
            replays |= {tried[models["policy"]][0]: models for models in model["policies"] if models["policy"] in tried}
    return replays, lengths, "" if replays else "Unknown: the version of the alert is no longer in use."


def _own_policy(alert: dict[str, Any], config: Path | None) -> dict[str, Any]:
    """Return the policy of an alert as configured; {} if there is no configuration."""
    if config is None:
        return {}
    from driftline_processor.config.schema import ConfigError, load, written_policies
    from driftline_processor.readers.errors import BadInput

    try:
        load(config)
    except ConfigError as error:
        raise BadInput(f"--config {config}: {error}") from error
    policies = written_policies(config)
    policy = policies.get(alert["policy"]) if isinstance(policies, dict) else None
    return dict(policy) if isinstance(policy, dict) and "when" in policy else {}


def less_patient_policies(policy: dict[str, Any], lengths: list[str]) -> list[tuple[str, dict[str, Any]]]:
    """Return less patient variants of a policy with descriptions: fewer windows, not `significant`, shorter windows."""
    if not policy:
        return []
    shared: dict[str, Any] = {name: policy[name] for name in _KEPT if name in policy}
    variants: list[tuple[str, dict[str, Any]]] = []
    if shared.get("in_a_row", 1) > 1:
        variants.append(("the same policy with in_a_row: 1", {**shared, "in_a_row": 1}))
    if shared.get("significant"):
        variants.append(("the same policy with significant: false", {**shared, "significant": False}))
    other_lengths = [length for length in lengths if length != shared.get("window")]
    return [
        *variants,
        *((f"the same policy with window: {length}", {**shared, "window": length}) for length in other_lengths),
    ]


_KEPT: tuple[str, ...] = ("when", "significant", "window", "in_a_row", "resolve")
"""Keys of a policy that determine when it fires."""


def _seconds(window: str) -> int:
    from driftline_processor.core.windows.window import length

    return length(window)
