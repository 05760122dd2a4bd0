"""`driftline policies test`: notifications that policies would have sent, from files or from a running processor."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from driftline_processor.readers.addresses import file_or_address
from driftline_processor.readers.column_options import ColumnOptions

from .option_parameters import ROWS, report_bad_input, say, takes_options

if TYPE_CHECKING:
    from driftline_processor.config.policies import Policy
    from driftline_processor.config.schema import Config
    from driftline_processor.evaluation.files.evaluate_options import EvaluationOptions
    from driftline_processor.evaluation.files.inputs import EvaluationInputs

FIRED = 3

app = typer.Typer(help="Test policies.", no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def policies() -> None:
    """Test policies."""


@app.command(name="test")
@takes_options
def replay(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Configuration file with the policies.")],
    rows: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help=f"Rows to replay, repeatable: {ROWS}.", parser=file_or_address),
    ] = None,
    outcomes: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Outcomes of the rows: id, actual, and optionally time.", parser=file_or_address
        ),
    ] = None,
    baseline: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Baseline file (.json), or rows to compare with.", parser=file_or_address),
    ] = None,
    window: Annotated[
        str,
        typer.Option(metavar="1d", help="Length of the windows of --rows. Default: the windows of the model."),
    ] = "",
    url: Annotated[
        str,
        typer.Option(
            metavar="URL", help="URL of a running `driftline up` whose windows are replayed, if --rows is not given."
        ),
    ] = "",
    quiet: Annotated[
        bool,
        typer.Option(
            "--quiet", help="Assume that the model was healthy in all windows, and count every alert as a false alarm."
        ),
    ] = False,
    fail_on_fire: Annotated[
        bool, typer.Option("--fail-on-fire", help="Exit with code 3 if a notification would have been sent.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    *,
    columns: ColumnOptions,
) -> None:
    """Replay policies over past windows: what fires, when and why, who is notified, and how many are false alarms.

    Exit code 0: replayed, 3: a notification would have been sent (with --fail-on-fire), 2: bad input.
    """
    with report_bad_input():
        from driftline_processor.readers.errors import BadInput

        if rows and url:
            raise BadInput("--rows and --url: windows can come from only one of the two; remove one option")
        if not rows and (outcomes or baseline or window):
            raise BadInput("--rows is missing: --outcomes, --baseline and --window need rows in files; add --rows")
        config = _configuration(file)
        if rows:
            from driftline_processor.config.model import Model
            from driftline_processor.evaluation.files.evaluate_options import EvaluationOptions
            from driftline_processor.evaluation.files.inputs import EvaluationInputs

            options = EvaluationOptions.of_columns(
                columns,
                window=window,
                config=file if config.models else None,
                default_windows=Model().windows,
                used_sections=("policies", "notify", "channels", "actions", "silences"),
            )
            answer = _replay_rows(config, EvaluationInputs(rows, baseline, outcomes), options, quiet)
        else:
            from driftline_processor.config.schema import written_policies

            from . import client

            address = url or "http://127.0.0.1:8780"
            answer = client.replay_policies(address, written_policies(file), columns.model, all_quiet=quiet)
        answer_with_names = name_told(config, answer)
        typer.echo(json.dumps(answer_with_names, indent=2) if as_json else "\n".join(replay_lines(answer_with_names)))
        fired = [
            firing
            for model in answer_with_names["models"]
            for policy in model["policies"]
            for firing in policy["firings"]
        ]
        if fail_on_fire and any(not firing["untold"] for firing in fired):
            raise typer.Exit(FIRED)


def _configuration(file: Path) -> Config:
    from driftline_processor.config.schema import ConfigError, load
    from driftline_processor.readers.errors import BadInput

    try:
        return load(file)
    except ConfigError as error:
        raise BadInput(f"{file}: {error}") from error


def _replay_rows(config: Config, inputs: EvaluationInputs, options: EvaluationOptions, quiet: bool) -> dict[str, Any]:
    """Evaluate rows of files as `driftline evaluate` does, and replay the policies over their windows."""
    from driftline_processor.core.evaluation import Evaluation
    from driftline_processor.evaluation.files.evaluate import evaluate_files
    from driftline_processor.policy.replay import replay_policies, replayed_model
    from driftline_processor.terminal.progress import show_progress

    with show_progress() as progress:
        result = evaluate_files(inputs, options, say, progress)
    windows: dict[str, list[Evaluation]] = {}
    for evaluation in result.evaluations:
        windows.setdefault(evaluation.window.name, []).append(evaluation)
    of_file = config.models.get(result.key.model)
    model = replayed_model(result.key, None if of_file is None else of_file.tier, windows, result.timezone)
    return replay_policies(config.policies, [model], all_quiet=quiet)


def name_told(config: Config, answer: dict[str, Any]) -> dict[str, Any]:
    """Return a replay with the consequences of each firing.

    These are the notified channels, the channels that hold the message, the actions, and the reasons if there are
    none.
    """
    from driftline.tables.timestamps import instant

    for model in answer["models"]:
        model_config = config.models.get(model["model"])
        tier = None if model_config is None else model_config.tier
        for policy_json in model["policies"]:
            policy = config.policies[policy_json["policy"]]
            policy_json["channels"] = [*(policy.notify or config.notified_channels)]
            for firing in policy_json["firings"]:
                time = instant(firing["fired"])
                silenced = [
                    name
                    for name, silence in config.silences.items()
                    if silence.covers(model["model"], policy_json["policy"], time)
                ]
                held_back = [f"policy {name}" for name in firing["held_back_by"]]
                firing["untold"] = ", ".join([*held_back, *(f"silence {name}" for name in silenced)])
                firing["held"] = (
                    [] if firing["untold"] else _holding_channels(config, policy, policy_json["channels"], firing, tier)
                )
                firing["actions"] = [] if firing["untold"] else _actions(config, policy)
    return answer


def _holding_channels(
    config: Config, policy: Policy, channels: Sequence[str], firing: Mapping[str, Any], tier: int | None
) -> list[dict[str, str]]:
    """Return the channels that hold the message about a firing, with the reason and the time."""
    from driftline.tables.timestamps import instant

    from driftline_processor.present.wording import iso_time

    holding_channels = []
    for name in channels:
        keys, state = config.all_channels.get(name), firing["state"] or ""
        if keys is None:
            continue
        until = keys.held_until(instant(firing["fired"]), "opened", state, policy.severity_in(state), tier)
        if until is not None:
            why = "digest" if keys.collects(tier) else "quiet hours"
            holding_channels.append({"channel": name, "by": why, "until": iso_time(until)})
    return holding_channels


def _actions(config: Config, policy: Policy) -> list[dict[str, Any]]:
    """Return the actions of a policy; a dry run needs no approval."""
    actions = [(name, config.actions[name]) for name in dict.fromkeys(policy.actions)]
    return [
        {
            "action": name,
            "on": list(keys.on),
            "approval": keys.approval and not keys.dry_run,
            "dry_run": keys.dry_run,
            "rate_limit": None if keys.rate_limit is None else str(keys.rate_limit),
        }
        for name, keys in actions
    ]


def action_words(action: Mapping[str, Any]) -> str:
    """Return an action of a firing with when it runs and what it waits for.

    >>> action_words({"action": "jira/a", "on": ["opened"], "approval": True, "dry_run": False, "rate_limit": None})
    'jira/a (requires approval)'
    """
    notes = [] if action["on"] == ["opened"] else [f"when the alert is {' and '.join(action['on'])}"]
    notes += ["dry run: sends nothing"] if action["dry_run"] else []
    notes += ["requires approval"] if action["approval"] else []
    notes += [f"at most {action['rate_limit']}"] if action["rate_limit"] else []
    return f"{action['action']} ({', '.join(notes)})" if notes else str(action["action"])


def replay_lines(answer: Mapping[str, Any]) -> Iterator[str]:
    """Yield a replay in lines."""
    from driftline_processor.present.wording import format_percent, short

    for model in answer["models"]:
        name = " ".join(filter(None, [short(model["model"]), short(model["version"])]))
        place = f" ({short(model['environment'])})" if model["environment"] else ""
        for policy in model["policies"]:
            yield f"{name}{place}: {policy['policy']}: {policy['condition']}"
            if not policy["windows"]:
                lengths = ", ".join(policy["known_windows"]) or "none"
                yield f"  there are no windows of {policy['window'] or 'any length'}; available lengths: {lengths}"
                continue
            yield f"  {policy['windows']:,} windows of {policy['window']}, {policy['since']} to {policy['until']}"
            recipients = ", ".join(policy["channels"]) or "no channel, because notify is empty"
            for firing in policy["firings"]:
                until = f"until {firing['until']}" if firing["until"] else "and not over"
                yield f"  fired {firing['fired']}, since {firing['since'] or 'unknown'} {until}: {firing['finding']}"
                if firing["untold"]:
                    yield f"    not notified, because of {firing['untold']}"
                    continue
                yield f"    notified: {recipients}"
                for waiting in firing["held"]:
                    yield f"    held back: {waiting['channel']}, by its {waiting['by']}, until {waiting['until']}"
                yield from (f"    would run: {action_words(action)}" for action in firing["actions"])
            if not policy["firings"]:
                yield "  never fired"
            alarms = policy["false_alarms"]
            yield f"  false alarms: {alarms['sentence']}"
            share = alarms["share_of_quiet_windows"]
            if share is not None:
                part, low, high = (format_percent(share[name]) for name in ("value", "low", "high"))
                yield f"    the condition was true in {part} of the healthy windows ({low} to {high})"
    if not answer["models"]:
        yield "there are no models"
    elif answer["about_no_model"]:
        yield f"these policies apply to none of the models: {', '.join(answer['about_no_model'])}"
