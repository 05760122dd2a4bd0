"""Explanations of policies' decisions about a model: the result per window, and why there was no notification.

Nothing of it is stored. Windows are evaluated again as the watch evaluated them, and notifications are read
from the alerts. So a revised window also changes its decision.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, Final

import yaml
from driftline.tables.table import ModelKey
from msgspec import Struct

from driftline_processor.config.policies import Policy
from driftline_processor.config.schema import Config
from driftline_processor.core import facts
from driftline_processor.core.evaluation import Evaluation, Verdict
from driftline_processor.core.performance.objective import counts_already
from driftline_processor.core.policy.condition import Condition, Finding, PartJudged, judge_parts
from driftline_processor.core.policy.firing import Step, StepOutcome, explains
from driftline_processor.core.policy.rule import Rule, WindowHistory
from driftline_processor.core.windows.window import Window
from driftline_processor.present.sentences import policies as words
from driftline_processor.present.sentences.policies import Untold, found_words
from driftline_processor.present.sentences.verdict import verdict_sentence
from driftline_processor.present.wording import iso_time, printable
from driftline_processor.queries.model_view import ModelView

from .alert_history import AlertHistory, Sent, alert_history
from .alerts import Alert, AlertStore
from .replay import replayed_model
from .silences import Silences
from .version_groups import groups_of
from .watch import same_windows

SHOWN: Final = 14
"""Windows of a policy on the page of its model: two weeks of days."""

AROUND: Final = 30
"""Windows of an alert on its page: three before it, then its first and its last windows."""

MOST_OF_ALERT: Final = 120
"""Upper limit of windows of an alert that are evaluated again, the newest ones: four months of days."""


class Reason(Struct, frozen=True):
    """Reason why there was no notification or no action.

    Attributes:
        kind: The kind of the reason.
        words: A sentence.
    """

    kind: Untold
    words: str


class WindowDecision(Struct, frozen=True):
    """Decision of a policy about one window.

    Attributes:
        window: The window.
        parts: Result of each sentence of the condition.
        resolved: Result of each sentence of the resolve condition; () if it was not evaluated.
        holds: Whether the condition held; None if inconclusive.
        outcome: The consequence in words.
        fires: Whether an alert begins or continues there.
    """

    window: Window
    parts: Sequence[PartJudged]
    resolved: Sequence[PartJudged]
    holds: bool | None
    outcome: str
    fires: bool


class PolicyDecision(Struct, frozen=True):
    """Decision of a policy about a version of a model.

    Attributes:
        policy: Name of the policy.
        key: The version.
        timezone: Time zone of the model.
        condition_text: The condition as configured.
        resolve: The resolve condition; "" if none is configured.
        window: Length of the evaluated windows; "" if there are none.
        windows: Decision per window, newest first.
        now: Current verdict if the policy is only about states, or if its open alert is about the same fault; else
            None.
        standing: Current state of the policy in words.
        fires: Whether its alert is open.
        history: Its newest alert about the model with its messages; None if there is none.
        untold: Reasons why there was no notification or no action.
    """

    policy: str
    key: ModelKey
    timezone: str
    condition_text: str
    resolve: str
    window: str
    windows: Sequence[WindowDecision]
    now: Verdict | None
    standing: str
    fires: bool
    history: AlertHistory | None
    untold: Sequence[Reason]

    @property
    def shows_now(self) -> bool:
        """Whether the current verdict differs from that of the newest window."""
        shown = self.windows[0].parts[0].facts if self.windows else ()
        verdict = shown[0].verdict if shown and isinstance(shown[0], facts.Verdict) else None
        return self.now is not None and verdict != self.now


class _Judged(Struct, frozen=True):
    """Results of a policy for the windows of a version.

    Attributes:
        rule: The rule of the policy, or the one for rolling objectives.
        history: The windows that were read.
        windows: The evaluated windows, oldest first.
        steps: Result per newest window.
    """

    rule: Rule
    history: WindowHistory
    windows: Sequence[Evaluation]
    steps: Sequence[Step]

    def parts(self, step: Step) -> list[PartJudged]:
        """Return the result of each sentence of the condition for the window of a step."""
        if self.rule.states:
            return [PartJudged(self.rule.condition.text, step.judged.holds, step.judged.facts)]
        return self._parts_judged(self.rule.condition, step)

    def resolved(self, policy: Policy, step: Step) -> list[PartJudged]:
        """Return the result of each sentence of the resolve condition; [] if it was not evaluated."""
        resolution = policy.resolution
        return [] if resolution is None or step.resolved is None else self._parts_judged(resolution, step)

    def _parts_judged(self, condition: Condition, step: Step) -> list[PartJudged]:
        return judge_parts(condition, Finding(self.windows, step.at, self.history.verdict_at))


class _VersionHistory(Struct, frozen=True):
    """The windows of a version as read, and their source."""

    windows: Mapping[str, Sequence[Evaluation]]
    business: object
    history: WindowHistory
    judged: dict[tuple[str, str], _Judged]


class _Case(Struct, frozen=True):
    """Subject of an explanation: a policy, a version, and the alert if there is one.

    Attributes:
        of_now: Whether to explain the current state; else the time of the alert.
    """

    name: str
    policy: Policy
    view: ModelView
    judgement: _Judged
    alert: Alert | None
    of_now: bool


class PolicyExplanations:
    """Explain the decisions of policies; unchanged windows are not evaluated again. Thread-safe.

    Args:
        alerts: Store of alerts.
        config: The policies, including disabled ones, and channels.
        silences: All silences.
        waiting: Returns the environments and models with past windows that wait for evaluation.
        put_off: Returns why a channel or an action accepts no messages now; "" if it does.
        clock: Returns unix nanoseconds.
    """

    def __init__(
        self,
        alerts: AlertStore,
        config: Config,
        silences: Silences,
        waiting: Callable[[], Collection[tuple[str, str]]],
        put_off: Callable[[str], str],
        clock: Callable[[], int],
    ) -> None:
        disabled = {name: policy for name, policy in config.policies.items() if not policy.enabled}
        self._policies = {**config.watched_policies, **disabled}
        self._recipients_of, self._keys, self._silences = config.recipients_of, config.all_channels, silences
        self._alerts, self._waiting, self._put_off, self._clock = alerts, waiting, put_off, clock
        self._models = config.models
        self._histories: Mapping[ModelKey, _VersionHistory] = {}

    @property
    def policies(self) -> Collection[str]:
        """Names of all policies, including disabled ones."""
        return self._policies.keys()

    def of_model(self, views: Sequence[ModelView]) -> list[PolicyDecision]:
        """Return the decision of each policy about the versions of a model that are in use.

        Args:
            views: All versions and environments of the model.
        """
        return [
            self._of_now(name, policy, view, self._alerts.newest_of((name, group.environment, group.model)))
            for group in groups_of(views)
            for name, policy in self._policies.items()
            if policy.covers(group.model, group.leading.tier)
            for view in group.views
        ]

    def of_alert(self, alert: Alert, views: Sequence[ModelView]) -> PolicyDecision | None:
        """Return the decision of a policy around an alert; None if the policy or the version no longer exists.

        Args:
            alert: The alert.
            views: All versions of all models.
        """
        policy = self._policies.get(alert.policy)
        place = alert.environment, alert.model, alert.version
        view = next((view for view in views if (view.key.environment, view.key.model, view.key.version) == place), None)
        if policy is None or view is None:
            return None
        judgement = _around(policy.rule, self._read(view).history, alert)
        standing = "resolved" if not alert.open else _standing(None, alert, view)
        return self._decision(_Case(alert.policy, policy, view, judgement, alert, of_now=False), standing)

    def _of_now(self, name: str, policy: Policy, view: ModelView, newest: Alert | None) -> PolicyDecision:
        reading = self._read(view)
        window = newest.window if newest is not None and newest.open else ""
        judgement = reading.judged.get((name, window))
        if judgement is None:
            rule = policy.rule.rule_of(reading.history, window)
            judgement = reading.judged[name, window] = _judged(rule, reading.history, SHOWN)
        outcome = judgement.steps[-1].outcome if judgement.steps else None
        standing = _standing(outcome, newest, view) if policy.enabled else "is switched off"
        return self._decision(_Case(name, policy, view, judgement, newest, of_now=True), standing)

    def _decision(self, case: _Case, standing: str) -> PolicyDecision:
        policy, view, judgement, alert = case.policy, case.view, case.judgement, case.alert
        steps = judgement.steps[-SHOWN:] if case.of_now else judgement.steps
        history = None if alert is None else alert_history(self._alerts, alert)
        cool_down = policy.rule.patience.cool_down
        is_same_fault = alert is not None and alert.open and explains(view.verdict, alert.subjects)
        return PolicyDecision(
            policy=case.name,
            key=view.key,
            timezone=view.timezone,
            condition_text=_condition_text(policy.when),
            resolve="" if policy.resolve is None else _condition_text(policy.resolve),
            window=judgement.windows[-1].window.name if judgement.windows else "",
            windows=[
                WindowDecision(
                    window=judgement.windows[step.at].window,
                    parts=judgement.parts(step),
                    resolved=judgement.resolved(policy, step),
                    holds=step.judged.holds,
                    outcome=words.step_words(step.outcome, step.count, step.needed, cool_down, fires=_fires(step)),
                    fires=_fires(step),
                )
                for step in reversed(steps)
            ],
            now=view.verdict if is_same_fault or (case.of_now and policy.rule.states) else None,
            standing=standing,
            fires=alert is not None and alert.open,
            history=history,
            untold=[*self._untold(case, history)],
        )

    def _read(self, view: ModelView) -> _VersionHistory:
        """Return the windows of a version, from the cache if they are unchanged."""
        windows = {name: [*filter(counts_already, of_name)] for name, of_name in view.windows.items()}
        known_reading = self._histories.get(view.key)
        if (
            known_reading is None
            or known_reading.business != view.business
            or not same_windows(known_reading.windows, windows)
        ):
            history = replayed_model(view.key, view.tier, windows, view.timezone, view.record).history
            known_reading = _VersionHistory(windows, view.business, history, {})
            # 200: versions in the cache of results
            newest_readings = [*self._histories.items()][-200:]
            self._histories = {**dict(newest_readings), view.key: known_reading}
        return known_reading

    # -- why there was no notification -----------------------------------------------------------------------------

    def _untold(self, case: _Case, history: AlertHistory | None) -> Iterator[Reason]:
        name, policy, view, judgement, of_now = case.name, case.policy, case.view, case.judgement, case.of_now
        if not policy.enabled:
            yield Reason("switched_off", words.SWITCHED_OFF)
            return
        alert = None if history is None else history.alert
        is_open = alert is not None and alert.open
        if of_now:
            if (view.key.environment, view.key.model) in self._waiting():
                yield Reason("catching_up", words.CATCHING_UP)
            last = judgement.steps[-1] if judgement.steps else None
            if last is not None and last.outcome == "counted" and not is_open:
                yield Reason("pending", words.pending_words(last.count, last.needed))
            if not is_open and self._is_no_news((name, view.key.environment, view.key.model), judgement.steps):
                yield Reason("no_news", words.NO_NEWS)
        if history is None or alert is None or (of_now and not is_open):
            return
        if policy.actions and alert.model not in self._models:
            yield Reason("undeclared", words.UNDECLARED)
        if alert.notified is None:
            yield from self._kept_back(policy, alert, view.timezone)
        if alert.open and alert.until is not None:
            cool_down = policy.rule.patience.cool_down
            degraded = explains(view.verdict, alert.subjects)
            sentence = words.cooling_words(alert.until, cool_down, view.timezone, degraded=degraded)
            yield Reason("cooling_down", sentence)
        newest = {sent_message.message.channel: sent_message for sent_message in history.sent}
        for sent in newest.values():
            yield from self._unsaid(sent, alert, view.timezone)

    def _kept_back(self, policy: Policy, alert: Alert, timezone: str) -> Iterator[Reason]:
        """Yield the reasons that suppress or suppressed the notification of an alert."""
        end = self._clock() if alert.open else alert.first_seen
        silenced = self._silences.covering(alert, end)
        if silenced is not None:
            yield Reason("silenced", words.silenced_words(silenced.silence.until, timezone))
        for other_policy in policy.unless:
            other_alerts = self._alerts.alerts_of((other_policy, *alert.about[1:]))
            if any(
                other_alert.first_seen <= (alert.resolved or end)
                and (other_alert.resolved is None or other_alert.resolved >= alert.first_seen)
                for other_alert in other_alerts
            ):
                yield Reason("unless", words.unless_words(other_policy))
        if not self._recipients_of(policy):
            yield Reason("no_channel", words.NO_CHANNEL)
        sighting = self._alerts.sightings.get(alert.model)
        if alert.model not in self._models and sighting is not None and sighting.known is None:
            yield Reason("new_model", words.NEW_MODEL)

    def _unsaid(self, sent: Sent, alert: Alert, timezone: str) -> Iterator[Reason]:
        """Yield why a message was not sent, or not on its own."""
        message, result = sent.message, sent.result
        name, detail = message.channel, "" if sent.delivery is None else sent.delivery.detail
        if result == "held" and message.held_until is not None:
            digest = name in self._keys and self._keys[name].digest is not None
            sentence = words.held_words(name, message.held_until, digest=digest, timezone=timezone)
            yield Reason("digest" if digest else "quiet_hours", sentence)
        elif result == "awaits_approval":
            yield Reason("approval", words.approval_words(name))
        elif result == "waiting":
            if why := self._put_off(name):
                yield Reason("not_taken", words.failed_words(name, result, why))
        elif result == "collected":
            yield Reason("digest", words.failed_words(name, result, detail))
        elif result != "delivered" and result != "held":
            yield Reason(result, words.failed_words(name, result, detail))
        elif message.alert != alert.id:
            yield Reason("grouped", words.grouped_words(name, message.alert))

    def _is_no_news(self, about: tuple[str, str, str], steps: Sequence[Step]) -> bool:
        """Return True if the last firing ended before the first evaluation of the policy."""
        ended_firings = [step.firing for step in steps if step.outcome == "resolved" and step.firing is not None]
        first = self._alerts.looks.get(about)
        return (
            bool(ended_firings)
            and first is not None
            and ended_firings[-1].fired <= first
            and not self._alerts.alerts_of(about)
        )


def _standing(outcome: StepOutcome | None, alert: Alert | None, view: ModelView) -> str:
    if alert is None or not alert.open:
        return words.standing_words(outcome, False, None, None, view.timezone)
    return words.standing_words(outcome, True, alert.since, alert.until, view.timezone)


def _fires(step: Step) -> bool:
    """Return True if an alert begins or continues at the end of a step's window."""
    return step.outcome in ("fired", "lasts", "eased") or (step.outcome == "inconclusive" and step.firing is not None)


def _judged(rule: Rule, history: WindowHistory, limit: int) -> _Judged:
    return _Judged(rule, history, rule.judged_in(history), rule.steps(history, limit))


def _around(rule: Rule, history: WindowHistory, alert: Alert) -> _Judged:
    """Return the results for the windows of an alert: the first and the last ones if there are many."""
    rule = rule.rule_of(history, alert.window)
    since = alert.fired if alert.since is None else min(alert.since, alert.fired)
    judged_windows = rule.judged_in(history)
    # 3: windows before an alert that are shown with it
    before = [judged_window for judged_window in judged_windows if judged_window.window.end <= since][-3:]
    first = before[0].window.start if before else since
    ends = [
        judged_window.window.end
        for judged_window in judged_windows
        if alert.until is not None and judged_window.window.start >= alert.until
    ]
    history_around = history.until(ends[rule.patience.resolve - 1]) if len(ends) >= rule.patience.resolve else history
    judgement = _judged(rule, history_around, MOST_OF_ALERT)
    steps = [step for step in judgement.steps if judgement.windows[step.at].window.start >= first]
    if len(steps) > AROUND:
        steps = [*steps[: AROUND // 2], *steps[-AROUND // 2 :]]
    return _Judged(rule, history_around, judgement.windows, steps)


def _condition_text(when: object) -> str:
    """Return a configured condition on one line."""
    if isinstance(when, str):
        return printable(when)
    return printable(yaml.safe_dump(when, default_flow_style=True, width=10_000, allow_unicode=True).strip())


def decision_json(decision: PolicyDecision) -> dict[str, Any]:
    """Return a decision in the format of the API."""
    key, history = decision.key, decision.history
    return {
        "policy": decision.policy,
        "model": key.model,
        "version": key.version,
        "environment": key.environment,
        "when": decision.condition_text,
        "resolve": decision.resolve or None,
        "window": decision.window or None,
        "standing": decision.standing,
        "fires": decision.fires,
        "verdict": None if decision.now is None else verdict_sentence(decision.now),
        "alert": None if history is None else history.alert.id,
        "not_notified": [{"why": untold.kind, "sentence": untold.words} for untold in decision.untold],
        "windows": [
            {
                "start": iso_time(window.window.start),
                "end": iso_time(window.window.end),
                "holds": window.holds,
                "fires": window.fires,
                "outcome": window.outcome,
                "parts": [_part_json(part) for part in window.parts],
                "resolve": [_part_json(part) for part in window.resolved],
            }
            for window in decision.windows
        ],
    }


def _part_json(part: PartJudged) -> dict[str, Any]:
    return {
        "condition": printable(part.text),
        "holds": part.holds,
        "finding": printable(found_words(part.facts)),
        "measured": printable(found_words(part.measured)) or None,
    }
