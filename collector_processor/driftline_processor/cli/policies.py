"""`driftline policies test`: notifications that policies would have sent, from files or from a running processor."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from driftline_processor.readers.addresses import file_or_address
from driftline_processor.readers.column_options import ColumnOptions

from .connection import Connection
from .option_parameters import (
    NOT_GIVEN,
    ROWS,
    connects,
    for_a_reader_that_may_leave,
    report_bad_input,
    say,
    takes_options,
    tell,
)

if TYPE_CHECKING:
    from driftline_processor.config.schema import Config

FIRED = 3
NO_CHANNEL = "no channel, because notify is empty"

app = typer.Typer(help="Test policies.", no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def policies() -> None:
    """Test policies."""


@app.command(name="test")
@connects
@takes_options
def replay(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Configuration file with the policies.")],
    rows: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE", help=f"File of rows to replay; repeatable. Formats: {ROWS}.", parser=file_or_address
        ),
    ] = None,
    outcomes: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="File of the outcomes, with the columns id and actual, and optionally time.",
            parser=file_or_address,
        ),
    ] = None,
    baseline: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Baseline file (.json), or rows to compare with: a file, a pattern or a folder.",
            parser=file_or_address,
        ),
    ] = None,
    window: Annotated[
        str,
        typer.Option(metavar="1d", help="Length of the windows of --rows. Default: the windows of the model."),
    ] = "",
    server: Annotated[
        Connection,
        typer.Option(
            "--url",
            metavar="URL",
            help="URL of a running `driftline up` whose windows are replayed, if --rows is not given.",
        ),
    ] = NOT_GIVEN,
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
    """Replay policies over past windows.

    The result shows which policies fire, when and why, and who would be notified. It also shows how many alerts are
    false alarms.

    Exit code 0: the windows were replayed, 3: a notification would have been sent (only with --fail-on-fire), 2: bad
    input.
    """
    with report_bad_input():
        from driftline_processor.readers.errors import BadInput

        if rows and server.url:
            raise BadInput("--rows and --url: windows can come from only one of the two; remove one option")
        if not rows and (outcomes or baseline or window):
            raise BadInput("--rows is missing: --outcomes, --baseline and --window need rows in files; add --rows")
        config = _configuration(file)
        if rows:
            answer = _replay_rows(config, rows, baseline, outcomes, columns, window, all_quiet=quiet)
        else:
            from driftline_processor.config.schema import written_policies
            from driftline_processor.replay.policies import add_notifications

            from . import client

            replayed = client.replay_policies(server, written_policies(file), columns.model, all_quiet=quiet)
            answer = add_notifications(config, replayed)
        with for_a_reader_that_may_leave():
            tell(*(json.dumps(answer, indent=2).split("\n") if as_json else replay_lines(answer)))
        fired = [firing for model in answer["models"] for policy in model["policies"] for firing in policy["firings"]]
        if fail_on_fire and any(not firing["untold"] for firing in fired):
            raise typer.Exit(FIRED)


def _configuration(file: Path) -> Config:
    from driftline_processor.config.schema import ConfigError, load
    from driftline_processor.readers.errors import BadInput

    try:
        return load(file)
    except ConfigError as error:
        raise BadInput(f"{file}: {error}") from error


def _replay_rows(
    config: Config,
    rows: Sequence[Path],
    baseline: Path | None,
    outcomes: Path | None,
    columns: ColumnOptions,
    window: str,
    *,
    all_quiet: bool,
) -> dict[str, Any]:
    """Replay the policies over rows of files."""
    from msgspec.structs import replace

    from driftline_processor.config.model import Model
    from driftline_processor.readers.errors import BadInput
    from driftline_processor.readers.sources import expand_paths
    from driftline_processor.replay.policies import replay_rows
    from driftline_processor.replay.recorded import recorded_traffic
    from driftline_processor.terminal.progress import show_progress

    names = [*config.models]
    if not columns.model and len(names) > 1:
        raise BadInput(f"--model is missing: the configuration has {len(names)} models; add --model {names[0]}")
    columns = replace(columns, model=columns.model or "".join(names))
    settings = config.models.get(columns.model, Model())
    if window:
        settings = settings.model_copy(update={"windows": (window,)})
    traffic = recorded_traffic(expand_paths(rows, say), baseline, outcomes, columns, settings, say)
    config = config.model_copy(update={"models": {**config.models, traffic.key.model: settings}})
    with show_progress(lines=True) as progress:
        return replay_rows(config, traffic, progress, all_quiet=all_quiet)


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
            for firing in policy["firings"]:
                until = f"until {firing['until']}" if firing["until"] else "and not over"
                yield f"  fired {firing['fired']}, since {firing['since'] or 'unknown'} {until}: {firing['finding']}"
                if firing["untold"]:
                    yield f"    not notified, because of {firing['untold']}"
                    continue
                yield f"    notified: {', '.join(firing['notified']) or NO_CHANNEL}"
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
