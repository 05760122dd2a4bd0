"""Replay of policies over windows of files or of a running processor: what would have fired, without notifications."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from driftline.tables.table import ModelKey
from msgspec import Struct

from driftline_processor.config.policies import Policy
from driftline_processor.core.evaluation import Evaluation
from driftline_processor.core.performance.objective import counts_already
from driftline_processor.core.policy.firing import Firing
from driftline_processor.core.policy.replay import Rate, Replay, judge_quiet, problem_periods
from driftline_processor.core.policy.rule import WindowHistory
from driftline_processor.core.verdict.record import Record
from driftline_processor.present.sentences.policies import found_words, quiet_sentence
from driftline_processor.present.wording import iso_time, printable
from driftline_processor.queries.model_view import ModelView


class ReplayedModel(Struct, frozen=True):
    """A version of a model with the windows for a replay.

    Attributes:
        key: The version.
        tier: Tier of the model, 1 to 3; None if not configured.
        history: Its windows.
    """

    key: ModelKey
    tier: int | None
    history: WindowHistory

    @property
    def steps(self) -> int:
        """Upper limit of windows that are read to compute the verdict at the end of each of the longest windows."""
        lengths = [len(window) for window in self.history.windows.values()]
        return sum(lengths) * min(lengths, default=0)


def replayed_model(
    key: ModelKey,
    tier: int | None,
    windows: Mapping[str, Sequence[Evaluation]],
    timezone: str,
    record: Record | None = None,
) -> ReplayedModel:
    """Return a version of a model with the windows that count already.

    Args:
        key: The version.
        tier: Tier of the model.
        windows: Name of a length → its windows, oldest first.
        timezone: Time zone of the model.
        record: Its record; None = that of these windows.
    """
    counted = {name: [*filter(counts_already, window)] for name, window in windows.items()}
    known = {name: of_name for name, of_name in counted.items() if of_name}
    return ReplayedModel(key, tier, WindowHistory(known, timezone, record))


def watched_models(views: Sequence[ModelView], model: str = "") -> list[ReplayedModel]:
    """Return the versions of models that policies evaluate; ``model``: only this model."""
    return [
        replayed_model(view.key, view.tier, view.windows, view.timezone, view.record)
        for view in views
        if view.in_use and not view.retired and not view.shadow and model in ("", view.key.model)
    ]


Replayer = Callable[[ReplayedModel, Mapping[str, Policy]], Mapping[str, Replay]]
"""Returns the replays of policies, by their names, over the windows of a version."""


def replay_policies(
    policies: Mapping[str, Policy], models: Sequence[ReplayedModel], *, all_quiet: bool = False
) -> dict[str, Any]:
    """Return what policies would have shown in windows, as they are known now, as JSON values.

    Args:
        policies: Policies by name; disabled ones are skipped.
        models: Versions of models.
        all_quiet: Whether all windows are known to have no problem, so that every firing is a false alarm.
    """

    def replayed(model: ReplayedModel, covering: Mapping[str, Policy]) -> dict[str, Replay]:
        problems = None if all_quiet else problem_periods(model.history)
        firings = {name: policy.rule.replay(model.history) for name, policy in covering.items()}
        return {
            name: judge_quiet(policy.rule, model.history, firings[name], problems) for name, policy in covering.items()
        }

    return replays_json(policies, models, replayed)


def replays_json(policies: Mapping[str, Policy], models: Sequence[ReplayedModel], replayer: Replayer) -> dict[str, Any]:
    """Return the replays of policies over versions of models as JSON values."""
    enabled = {name: policy for name, policy in policies.items() if policy.enabled}
    answers, about = [], set[str]()
    for model in models:
        key = model.key
        covering = {name: policy for name, policy in enabled.items() if policy.covers(key.model, model.tier)}
        about.update(covering)
        replays = replayer(model, covering)
        policy_answers = [_policy_json(name, covering[name], replays, model.history) for name in covering]
        answers.append(
            {"model": key.model, "version": key.version, "environment": key.environment, "policies": policy_answers}
        )
    return {"models": answers, "about_no_model": [name for name in enabled if name not in about]}


def _policy_json(name: str, policy: Policy, replays: Mapping[str, Replay], history: WindowHistory) -> dict[str, Any]:
    replay = replays[name]
    window = policy.window or (replay.windows[0].window.name if replay.windows else "")
    return {
        "policy": name,
        "condition": printable(policy.condition.text),
        "severity": policy.severity,
        "window": window,
        "windows": len(replay.windows),
        "since": iso_time(replay.windows[0].window.start) if replay.windows else None,
        "until": iso_time(replay.windows[-1].window.end) if replay.windows else None,
        "known_windows": sorted(history.windows),
        "firings": [
            {**firing_json(firing), "held_back_by": _held_back_by(firing, policy, replays)} for firing in replay.firings
        ],
        "false_alarms": {
            "a_month": _rate_json(replay.quiet.a_month),
            "fired": replay.quiet.fired,
            "quiet_windows": replay.quiet.windows,
            "quiet_days": round(replay.quiet.days, 3),
            "share_of_quiet_windows": _rate_json(replay.quiet.share),
            "sentence": quiet_sentence(replay.quiet),
        },
    }


def firing_json(firing: Firing) -> dict[str, Any]:
    """Return a firing as JSON values."""
    return {
        "fired": iso_time(firing.fired),
        "since": None if firing.since is None else iso_time(firing.since),
        "until": None if firing.until is None else iso_time(firing.until),
        "state": firing.state or None,
        "finding": printable(found_words(firing.facts)),
    }


def _held_back_by(firing: Firing, policy: Policy, replays: Mapping[str, Replay]) -> list[str]:
    """Return the policies in ``unless`` that fire at the same time."""
    return [
        name
        for name in policy.unless
        if name in replays and any(_lasts_at(other_firing, firing.fired) for other_firing in replays[name].firings)
    ]


def _lasts_at(firing: Firing, time: int) -> bool:
    return firing.fired <= time and (firing.until is None or time < firing.until)


def _rate_json(rate: Rate | None) -> dict[str, float] | None:
    return None if rate is None else {"value": rate.value, "low": rate.low, "high": rate.high}
