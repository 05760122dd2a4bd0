"""Drills: a model's traffic with and without a fault, and the notifications of a configuration."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from driftline.tables.table import I64
from driftline_processor.config.policies import Policy
from driftline_processor.config.schema import Config
from driftline_processor.core.evaluation import ColumnDrift, Evaluation, Verdict, VerdictState
from driftline_processor.core.policy.replay import problem_periods
from driftline_processor.core.verdict.states import rank_state
from driftline_processor.core.verdict.traffic import pace_of
from driftline_processor.core.windows.window import DAY, HOUR, PANE, length
from driftline_processor.policy.alert_history import AlertHistory, Sent
from driftline_processor.policy.replay import replayed_model
from driftline_processor.present.progress import Progress, no_progress
from driftline_processor.present.wording import iso_time, printable, short
from driftline_processor.queries.model_view import ModelView
from driftline_processor.readers.errors import BadInput
from driftline_processor.replay.policies import ANNOUNCED
from driftline_processor.replay.shadow import Lived, Look, Shadow, leading_view, shadow_config
from driftline_processor.replay.traffic import Traffic
from msgspec import Struct
from msgspec.structs import replace

from .faults import FAULTS, Fault, Injection, choose_feature, lacking, partner_of

Outcome = Literal["found", "unnamed", "not_found", "inconclusive", "not_applicable"]

TOLD_FURTHER: Final = 3 * DAY
"""Nanoseconds for which a drill continues after the first notification, for its cause to be identified."""


class Settings(Struct, frozen=True):
    """Settings of a fault; None = the fault's default.

    Attributes:
        size: Size of the fault.
        fraction: Fraction of rows with the fault.
        feature: Feature with the fault; "" = the first suitable one.
        seed: Random seed of the rows.
    """

    size: float | None = None
    fraction: float = 1.0
    feature: str = ""
    seed: int = 1


class Fired(Struct, frozen=True):
    """A policy that fired.

    Attributes:
        policy: Its name.
        severity: Severity of the alert.
        state: State of the verdict, "" for a policy with another condition.
        finding: The finding in words; not used by code.
        subjects: Subjects of the finding.
            after: Nanoseconds from the fault to the notification, or to when one was possible; negative before the
            fault.
        windows: Windows of its length from the fault to the one that showed it; 0 without a window.
        window: Length of the windows.
        notified: Notified channels.
        done: Actions with their dry-run descriptions.
        hold_reasons: Reasons why other channels hold the message: ``digest of NAME`` or ``quiet hours of NAME``.
        silenced: Whether a silence suppresses its notification.
        since: Begin by the windows, unix nanoseconds; None if unknown.
        until: Nanoseconds from the fault to the end of the alert; None while it is open.
        own_problem: Whether it is about a problem that recorded rows have without the fault.
    """

    policy: str
    severity: str
    state: VerdictState | Literal[""]
    finding: str
    subjects: tuple[str, ...]
    after: int
    windows: int
    window: str
    notified: Sequence[str]
    done: Sequence[str]
    hold_reasons: Sequence[str] = ()
    silenced: bool = False
    since: int | None = None
    until: int | None = None
    own_problem: bool = False

    def covers(self, firing: Fired) -> bool:
        """Return True if it is open when another one of the same policy fires, and is about as severe a state."""
        lasts = self.after <= firing.after and (self.until is None or self.until > firing.after)
        graver = self.state and firing.state and rank_state(firing.state) < rank_state(self.state)
        return self.policy == firing.policy and lasts and not graver


class DrillResult(Struct, frozen=True):
    """The result of a drill.

    Attributes:
        fault: The fault.
        model: The model.
        features: Features with the fault.
            outcome: ``found``: notified with the right cause; ``unnamed``: notified with another cause;
            ``not_found``; ``inconclusive``: too little traffic; ``not_applicable``: the traffic lacks what the
            fault changes.
        reason: Why it was not found, or is inconclusive; "" if it was found.
        at: Begin of the fault, unix nanoseconds.
        size: Size of the fault.
        fraction: Fraction of rows with the fault.
        lived: Nanoseconds of traffic after the fault.
        rows: Rows per day.
        found_after: Nanoseconds until the notification; None without one.
        named_after: Nanoseconds until the right cause; None without it.
        seen_after: Nanoseconds until the pages showed it; None if they did not.
        fired: Policies that fired, the first one first.
        verdict: Verdict at that time.
        noise: Policies that fire on the traffic without the fault.
        source: Origin of the traffic, in words.
        would: Policy that would have found it, and its delay; () if it was found.
    """

    fault: Fault
    model: str
    features: Sequence[str]
    outcome: Outcome
    reason: str = ""
    at: int = 0
    size: float = 0.0
    fraction: float = 1.0
    lived: int = 0
    rows: float = 0.0
    found_after: int | None = None
    named_after: int | None = None
    seen_after: int | None = None
    fired: Sequence[Fired] = ()
    verdict: Verdict | None = None
    noise: Sequence[Fired] = ()
    would: Sequence[str] = ()
    source: str = ""

    @property
    def title(self) -> str:
        """The fault and its features for a sentence."""
        names = " and ".join(short(name, 40) for name in self.features)
        return f"{self.fault.words} of {names}" if names else self.fault.words

    def within(self, limit_ns: int | None) -> bool:
        """Return True if it was found with the right cause within a time limit."""
        return (
            self.outcome == "found"
            and self.found_after is not None
            and (limit_ns is None or self.found_after <= limit_ns)
        )


@dataclass
class Range:
    """A model's traffic, its past processed once, and any number of drills from there.

    Attributes:
        config: The real configuration.
        traffic: Traffic of the model without a fault.
        at: Begin of faults, unix nanoseconds.
        folder: Folder of the shadows' state.
        source: Origin of the traffic, in words.
        progress: Called with the processed hours, of those of all drills.
        drills: Number of drills.
    """

    config: Config
    traffic: Traffic
    at: int
    folder: Path
    source: str = ""
    progress: Progress = no_progress
    drills: int = 1
    _run_count: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        time = self.traffic.time
        if not int(time[0]) < self.at < int(time[-1]):
            raise BadInput(
                f"--at: {iso_time(self.at)} is not within the traffic, {iso_time(int(time[0]))} to "
                f"{iso_time(int(time[-1]))}; use a time between them"
            )

    @cached_property
    def end(self) -> int:
        """End of the traffic: the full hour after its last row."""
        return -(-int(self.traffic.time[-1] + 1) // HOUR) * HOUR

    @cached_property
    def past(self) -> Shadow:
        """The shadow up to the fault, with healthy traffic."""
        shadow = Shadow(shadow_config(self.config, self.traffic.key.model), self.folder / "past")
        self._report(self.start)
        shadow.live(self.traffic, self.start, self.at, DAY, progress=self._report)
        return shadow

    @property
    def start(self) -> int:
        """Begin of the traffic: the full hour before its first row."""
        return int(self.traffic.time[0]) // HOUR * HOUR

    def _report(self, time: int) -> None:
        """Report the progress: the past, the traffic without a fault, and each drill."""
        before, after = (self.at - self.start) // HOUR, (self.end - self.at) // HOUR
        done = max(0, self._run_count - 1) * after + (time - self.start) // HOUR
        self.progress(done, before + (1 + self.drills) * after, f"Hours of {printable(self.traffic.key.model)}")

    @cached_property
    def quiet(self) -> Lived:
        """Result of the traffic without a fault."""
        return self._live(self.traffic, lambda _: False)

    @cached_property
    def noise(self) -> Sequence[Fired]:
        """The policies that fire without a fault. Recorded rows may have a problem of their own; generated ones not."""
        firings = self._firings(self.quiet)
        view = leading_view(self.quiet)
        if self.traffic.model is not None or view is None:
            return firings
        history = replayed_model(view.key, view.tier, view.windows, view.timezone, view.record).history
        periods = [(period.since, period.until) for period in problem_periods(history)]

        def overlaps(firing: Fired) -> bool:
            begin, end = firing.since or self.at + firing.after, self.at + (firing.until or self.end - self.at)
            return any((since is None or since < end) and (until is None or begin < until) for since, until in periods)

        return [replace(firing, own_problem=bool(firing.state) or overlaps(firing)) for firing in firings]

    def drill(self, fault: Fault, settings: Settings) -> DrillResult:
        """Inject a fault and process the traffic after it.

        Args:
            fault: The fault.
            settings: Its settings.

        Raises:
            BadInput: The fault cannot be injected with these settings.
        """
        model = self.traffic.key.model
        if lacks := lacking(fault, self.traffic):
            return DrillResult(fault, model, (), "not_applicable", lacks)
        feature = choose_feature(fault, self.traffic, settings.feature)
        size = fault.size if settings.size is None else settings.size
        how = Injection(self.at, size, settings.fraction, feature, np.random.default_rng(settings.seed))
        broken = fault.inject(self.traffic, how)
        features = self._broken(fault, feature)
        noise = self.noise
        lived = self._live(broken, lambda life: self._is_told(fault, features, life))
        result = DrillResult(
            fault=fault,
            model=model,
            features=features,
            outcome="not_found",
            at=self.at,
            size=size,
            fraction=settings.fraction,
            lived=lived.until - self.at,
            rows=len(self.traffic) / max(self.traffic.days, 1 / 24),
            seen_after=self._detection_delay(fault, lived),
            verdict=lived.looks[-1].verdict if lived.looks else None,
            noise=noise,
            source=self.source,
        )
        return self._judged(result, lived)

    def _live(self, traffic: Traffic, has_ended: Any) -> Lived:
        self._run_count += 1
        shadow = self.past.copy(self.folder / f"drill-{self._run_count}")
        return shadow.live(traffic, self.at, self.end, shadow.step, has_ended, self._report)

    def _broken(self, fault: Fault, feature: str) -> tuple[str, ...]:
        if not feature or fault.name == "adversarial-burst":
            return ()
        return (feature, partner_of(self.traffic, feature)) if fault.name == "swapped-columns" else (feature,)

    # -- what was found -----------------------------------------------------------------------------------------------

    def _fired(self, lived: Lived) -> list[Fired]:
        """Return the policies that fired after the fault, the first one first, without those that fire anyway."""
        return [one for one in self._firings(lived) if not any(anyway.covers(one) for anyway in self.noise)]

    def _firings(self, lived: Lived) -> list[Fired]:
        """Return the policies that fired after the fault or fire since before, the first one first."""
        firings = [
            self._firing(history)
            for history in lived.alerts
            if history.alert.resolved is None or history.alert.resolved > self.at
        ]
        return sorted(firings, key=lambda firing: firing.after)

    def _firing(self, history: AlertHistory) -> Fired:
        alert = history.alert
        sent = [one for one in history.sent if one.message.kind in (*ANNOUNCED, "worse")]
        times = [one.message.created for one in sent] or [alert.first_seen]
        after = next((time for time in times if time > self.at), times[-1]) - self.at
        windows = 0
        if alert.window and alert.state != "no_data":
            windows = max(0, math.ceil((alert.fired - self.at) / length(alert.window)))
        messages = [sent for sent in history.sent if not sent.message.is_order]
        held = [self._holding(sent.message.channel) for sent in messages if sent.result == "held"]
        notified = [sent.message.channel for sent in messages if sent.result != "held"]
        return Fired(
            policy=alert.policy,
            severity=alert.severity,
            state=alert.state,
            finding=printable(alert.words),
            subjects=alert.subjects,
            after=after,
            windows=windows,
            window=alert.window,
            notified=tuple(dict.fromkeys(notified)),
            done=tuple(_done(sent) for sent in history.sent if sent.message.is_order),
            hold_reasons=tuple(dict.fromkeys(held)),
            silenced=alert.silenced is not None,
            since=alert.since,
            until=None if alert.resolved is None else alert.resolved - self.at,
        )

    def _holding(self, channel: str) -> str:
        keys = self.config.all_channels.get(channel)
        return f"{'quiet hours' if keys is None or keys.digest is None else 'digest'} of {channel}"

    def _identification_delay(
        self, fault: Fault, features: Sequence[str], lived: Lived, fired: Sequence[Fired]
    ) -> int | None:
        """Return the delay until the cause was identified; None if it was not."""
        for look in lived.looks:
            known_firings = [firing for firing in fired if firing.after <= look.time - self.at]
            subjects = [subject for known_firing in known_firings for subject in known_firing.subjects]
            if look.time > self.at and known_firings and fault.identifies(look.verdict, subjects, features):
                return look.time - self.at
        return None

    def _detection_delay(self, fault: Fault, lived: Lived) -> int | None:
        """Return the delay until the pages showed a state of the fault that they did not show before; None if never."""
        quiet = {look.time: look.verdict for look in self.quiet.looks}
        for look in lived.looks:
            if look.time <= self.at or look.verdict is None or look.verdict.state not in fault.states:
                continue
            before = quiet.get(look.time)
            if before is None or before.state != look.verdict.state:
                return look.time - self.at
        return None

    def _is_told(self, fault: Fault, features: Sequence[str], lived: Lived) -> bool:
        fired = self._fired(lived)
        if not fired:
            return False
        named_after = self._identification_delay(fault, features, lived, fired)
        return named_after is not None or lived.until - self.at - fired[0].after >= TOLD_FURTHER

    def _judged(self, result: DrillResult, lived: Lived) -> DrillResult:
        fired = self._fired(lived)
        fault, features = result.fault, result.features
        if fired:
            named_after = self._identification_delay(fault, features, lived, fired)
            verdict = self._verdict_at(lived, named_after if named_after is not None else fired[0].after)
            outcome: Outcome = "unnamed" if named_after is None else "found"
            return replace(
                result,
                outcome=outcome,
                fired=fired,
                found_after=fired[0].after,
                named_after=named_after,
                verdict=verdict,
            )
        would = tuple(self._would_find(fault, features, lived))
        thin = "" if would else self._too_thin(fault, features, lived)
        if thin:
            return replace(result, outcome="inconclusive", reason=thin)
        return replace(result, reason=self._missed(result), would=would)

    def _verdict_at(self, lived: Lived, after: int) -> Verdict | None:
        looks: list[Look] = [look for look in lived.looks if look.time - self.at >= after]
        return looks[0].verdict if looks else (lived.looks[-1].verdict if lived.looks else None)

    def _missed(self, result: DrillResult) -> str:
        """Return why nothing fired."""
        if not self.config.watched_policies:
            return "there are no notifications: `notify` has no channel, and there is no policy"
        if result.noise:
            names = ", ".join(dict.fromkeys(short(firing.policy, 40) for firing in result.noise))
            own = "the rows have a problem of their own, and " if all(one.own_problem for one in result.noise) else ""
            return f"{own}{names} fired without the fault, too, and no other policy fired"
        if result.seen_after is not None:
            return "the pages showed it, but no policy fired"
        state = "" if result.verdict is None else f"; the verdict is {result.verdict.state.replace('_', ' ')}"
        return f"no policy fired{state}"

    # -- power --------------------------------------------------------------------------------------------------------

    def _too_thin(self, fault: Fault, features: Sequence[str], lived: Lived) -> str:
        """Return why the traffic is too small to show a fault with any policy; "" if it is not."""
        if fault.name == "dead-exporter":
            panes: I64 = np.unique(self.traffic.time[self.traffic.time < self.at] // PANE * PANE)
            pace = pace_of(panes, self.at)
            if pace is None:
                return (
                    "the rows before the fault are too few, or cover too short a time, to learn how often rows arrive"
                )
            return ""
        view = leading_view(lived)
        evaluations = [] if view is None else [*_closed_after(view, self.at)]
        # 2: minimum number of windows after a fault before it counts as not found
        if len(evaluations) < 2:
            window_count = "no window" if not evaluations else "only one window"
            return f"{window_count} ended after the fault; use more traffic, or shorter windows"
        for name in features:
            columns = [column for evaluation in evaluations if (column := evaluation.features.get(name)) is not None]
            blind = [column for column in columns if column.state in ("inconclusive", "no_baseline")]
            if columns and len(blind) == len(columns):
                return _blindness(name, blind[-1])
        if "outcomes" in fault.needs and fault.name != "label-delay":
            mature = [evaluation for evaluation in evaluations if evaluation.has_mature_outcomes]
            if not mature:
                return "no window after the fault had all its outcomes; use more traffic"
            changes = [realized_change for window in mature for realized_change in window.realized_changes.values()]
            if not changes or all(change.state == "inconclusive" for change in changes):
                most_outcomes = max(evaluation.outcome_rows for evaluation in mature)
                return f"windows have {most_outcomes:,} outcomes at most, too few to detect a degradation"
        return ""

    def _would_find(self, fault: Fault, features: Sequence[str], lived: Lived) -> Iterator[str]:
        """Yield the policy that is designed for a fault, and its delay in a replay."""
        condition = self.condition(fault, features)
        if not condition or condition.startswith("verdict"):
            return
        policy = Policy.model_validate({"when": condition})
        quiet, view = leading_view(self.quiet), leading_view(lived)
        if view is None or (quiet is not None and _first(policy, quiet, self.at) is not None):
            return
        first = _first(policy, view, self.at)
        if first is not None:
            yield f"A policy '{condition}' would have found it after {time_words(max(first - self.at, 0))}."

    def condition(self, fault: Fault, features: Sequence[str]) -> str:
        """Return the condition that detects a fault; "" if there is none for this traffic."""
        latency = 0.0
        if "{latency}" in fault.condition:
            if self.traffic.duration is None:
                return ""
            latency = 2e3 * float(np.quantile(self.traffic.duration[self.traffic.time < self.at], 0.99))
        name = features[0] if features else ""
        if "{feature}" in fault.condition and (not name or set(name) & {"<", ">", "="}):
            return ""
        return fault.condition.format(feature=name, latency=f"{latency:.3g}" if latency < 1000 else f"{latency:.0f}")


def _closed_after(view: ModelView, time: int) -> Iterator[Evaluation]:
    for evaluations in view.windows.values():
        yield from (
            evaluation
            for evaluation in evaluations
            if evaluation.closed and evaluation.rows and evaluation.window.start >= time
        )


def _first(policy: Policy, view: ModelView, time: int) -> int | None:
    """Return the first firing of a policy after a time over the windows of a model; None if there is none."""
    history = replayed_model(view.key, view.tier, view.windows, view.timezone, view.record).history
    fired = [firing.fired for firing in policy.rule.replay(history) if firing.fired > time]
    return min(fired, default=None)


def _blindness(name: str, column: ColumnDrift) -> str:
    rows = f"windows have {column.rows:,} rows with a value of {short(name, 40)}"
    if column.detectable_change is not None:
        return f"{rows}, in which the smallest detectable shift is {column.detectable_change:.2g} standard deviations"
    if column.state == "no_baseline":
        return f"there is no baseline for {short(name, 40)}"
    lack = {"too_few_days": "too few days to estimate how days differ"}.get(column.reason, "too few to be conclusive")
    return f"{rows}, {lack}"


def _done(sent: Sent) -> str:
    """Return what an action does, or what it waits for."""
    detail = "would wait for an approval" if sent.awaits_approval else sent.delivery and sent.delivery.detail
    return f"{sent.message.channel}: {detail}" if detail else sent.message.channel


def time_words(nanoseconds: int) -> str:
    """Return a duration for people.

    >>> time_words(DAY), time_words(36 * HOUR), time_words(2 * HOUR), time_words(75 * HOUR)
    ('1 day', '1.5 days', '2 hours', '3.1 days')
    """
    if nanoseconds < DAY:
        hours = max(1, round(nanoseconds / HOUR)) if nanoseconds else 0
        return "1 hour" if hours == 1 else f"{hours} hours"
    days = round(nanoseconds / DAY, 1)
    return "1 day" if days == 1 else f"{days:g} days"


def default_fault(name: str) -> Fault:
    """Return a fault by its name.

    Raises:
        BadInput: There is no such fault; the message contains the most similar name.
    """
    from driftline_processor.core.nearest_names import near

    slug = name.strip().lower().replace("_", "-").replace(" ", "-")
    if slug not in FAULTS:
        raise BadInput(f"there is no fault '{name:.80}'; {near(slug, [*FAULTS])}")
    return FAULTS[slug]
