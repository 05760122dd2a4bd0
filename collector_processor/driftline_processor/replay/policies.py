"""Replay of the policies of a configuration: what they would have sent, to whom, and how many are false alarms.

Rows of files are processed by a shadow of the configuration, so alerts, channels and actions are those of the live
service. The windows of a running processor are replayed by that processor, as they are known now.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final

from driftline.tables.timestamps import instant

from driftline_processor.config.policies import Policy
from driftline_processor.config.schema import Config
from driftline_processor.core.policy.firing import Firing
from driftline_processor.core.policy.replay import Replay, judge_quiet, problem_periods
from driftline_processor.core.windows.window import HOUR, PANE
from driftline_processor.policy.alert_history import AlertHistory
from driftline_processor.policy.replay import ReplayedModel, firing_json, replays_json, watched_models
from driftline_processor.present.progress import Progress
from driftline_processor.present.wording import iso_time, printable
from driftline_processor.readers.errors import BadInput
from driftline_processor.store.database import StorageError

from .shadow import Lived, Shadow, shadow_config, shadow_folder
from .traffic import Traffic

GRACE: Final = 3 * PANE
"""Nanoseconds after the last hour of the rows in which the windows that end with it are closed."""

LONGEST_STEP: Final = 6 * HOUR
"""Maximum nanoseconds between evaluations. The live service evaluates at once, so it may show states that last less."""

ANNOUNCED: Final = ("opened", "joined", "passed")
"""Kinds of the first message about an alert."""


def replay_rows(config: Config, traffic: Traffic, progress: Progress, *, all_quiet: bool = False) -> dict[str, Any]:
    """Return the notifications about the rows of a model, as JSON values.

    Args:
        config: The configuration; of its models only that of the rows is evaluated.
        traffic: The rows and their outcomes. Outcomes that arrive after the last row are read together at the end.
        progress: Called with the processed hours.
        all_quiet: Whether the rows are known to have no problem, so that every firing is a false alarm.

    Raises:
        BadInput: The temporary folder cannot be used.
    """
    try:
        with shadow_folder() as folder:
            lived = _processed(Shadow(shadow_config(config, traffic.key.model), folder / "state"), traffic, progress)
    except (StorageError, OSError) as error:
        raise BadInput(f"the replay needs a temporary folder: {error}") from error
    alerts = {
        name: sorted((one for one in lived.alerts if one.alert.policy == name), key=lambda one: one.alert.first_seen)
        for name in config.watched_policies
    }

    def replayed(model: ReplayedModel, covering: Mapping[str, Policy]) -> dict[str, Replay]:
        problems = None if all_quiet else problem_periods(model.history)
        return {
            name: judge_quiet(policy.rule, model.history, [*map(_firing, alerts[name])], problems)
            for name, policy in covering.items()
        }

    models = watched_models(lived.views)
    answer = replays_json(config.watched_policies, models, replayed)
    for model, model_answer in zip(models, answer["models"], strict=True):
        for policy_answer in model_answer["policies"]:
            name = policy_answer["policy"]
            policy_answer["channels"] = [*config.recipients_of(config.policies[name])]
            policy_answer["firings"] = [_alert_json(config, one, lived.alerts, model.tier) for one in alerts[name]]
    return answer


def _processed(shadow: Shadow, traffic: Traffic, progress: Progress) -> Lived:
    """Process the rows until the hour after the last one, then the outcomes that arrive later."""
    start, last = int(traffic.time[0]) // HOUR * HOUR, int(traffic.time[-1])
    end = -(-(last + 1) // HOUR) * HOUR + GRACE
    step = min(LONGEST_STEP, max(HOUR, shadow.shortest))

    def report(time: int) -> None:
        progress((time - start) // HOUR, (end - start) // HOUR, "Replaying hours")

    report(start)
    lived = shadow.live(traffic, start, end, step, progress=report)
    later = int(traffic.outcome_time.max()) + 1
    if later <= end:
        return lived
    shadow.now = later  # it is restarted then, and time without a receiver is not one without data
    return shadow.live(traffic, end, later, later - end)


def _firing(history: AlertHistory) -> Firing:
    alert = history.alert
    return Firing(alert.since, alert.fired, alert.until, alert.window, alert.start, (), alert.state)


def _alert_json(
    config: Config, history: AlertHistory, others: Iterable[AlertHistory], tier: int | None
) -> dict[str, Any]:
    """Return an alert as a firing: who was notified of it, or why nobody was."""
    alert, policy = history.alert, config.policies[history.alert.policy]
    messages = [sent.message for sent in history.sent]
    channels = [one.channel for one in messages if one.kind in ANNOUNCED and not one.is_order]
    time = alert.first_seen if alert.notified is None else alert.notified
    firing = {**firing_json(_firing(history)), "finding": printable(alert.words)}
    if channels:
        actions = {one.channel for one in messages if one.is_order and alert.model in config.models}
        return {**firing, **_notified(config, policy, firing, [*dict.fromkeys(channels)], actions, time, tier)}
    held_back = [
        other.alert.policy
        for other in others
        if other.alert.policy in policy.unless and other.alert.first_seen <= time <= (other.alert.resolved or time)
    ]
    return {**firing, **_unnotified(config, alert.model, alert.environment, alert.policy, held_back, time)}


def add_notifications(config: Config, answer: dict[str, Any]) -> dict[str, Any]:
    """Return a replay of windows with who is notified of each firing, or why nobody is."""
    for model in answer["models"]:
        model_config = config.models.get(model["model"])
        tier = None if model_config is None else model_config.tier
        for policy_answer in model["policies"]:
            name = policy_answer["policy"]
            policy = config.policies[name]
            policy_answer["channels"] = channels = [*config.recipients_of(policy)]
            for firing in policy_answer["firings"]:
                time = instant(firing["fired"])
                consequences = _unnotified(
                    config, model["model"], model["environment"], name, firing.pop("held_back_by"), time
                )
                if not consequences["untold"]:
                    actions = {*policy.actions} if model_config is not None else set[str]()
                    consequences = _notified(config, policy, firing, channels, actions, time, tier)
                firing.update(consequences)
    return answer


def _unnotified(
    config: Config, model: str, environment: str, policy: str, held_back: Sequence[str], time: int
) -> dict[str, Any]:
    """Return the reasons why nobody is notified of a firing; "" if there are none."""
    silences = [name for name, silence in config.silences.items() if silence.covers(model, environment, policy, time)]
    reasons = [*(f"policy {name}" for name in held_back), *(f"silence {name}" for name in silences)]
    return {"untold": ", ".join(reasons), "notified": [], "held": [], "actions": []}


def _notified(
    config: Config,
    policy: Policy,
    firing: Mapping[str, Any],
    channels: Sequence[str],
    actions: Collection[str],
    time: int,
    tier: int | None,
) -> dict[str, Any]:
    """Return the notified channels, those that hold the message with the reason and the time, and the actions."""
    held, state = [], firing["state"] or ""
    for name in channels:
        keys = config.all_channels[name]
        until = keys.held_until(time, "opened", state, policy.severity_in(state), tier)
        if until is not None:
            why = "digest" if keys.collects(tier) else "quiet hours"
            held.append({"channel": name, "by": why, "until": iso_time(until)})
    return {
        "untold": "",
        "notified": [*channels],
        "held": held,
        "actions": [_action_json(config, name) for name in dict.fromkeys(policy.actions) if name in actions],
    }


def _action_json(config: Config, name: str) -> dict[str, Any]:
    """Return an action."""
    keys = config.actions[name]
    return {
        "action": name,
        "on": list(keys.on),
        "approval": keys.needs_approval(name),
        "dry_run": keys.dry_run,
        "rate_limit": None if keys.rate_limit is None else str(keys.rate_limit),
    }
