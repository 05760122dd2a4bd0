"""Replays: when a rule would have fired over old windows, and its rate of false alarms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from msgspec import Struct

from driftline_processor.core.evaluation import Evaluation
from driftline_processor.core.fact import Fact
from driftline_processor.core.intervals.confidence import CONFIDENCE, WeightSums, clopper_pearson
from driftline_processor.core.special_functions import gammaincinv
from driftline_processor.core.verdict.context import VerdictContext
from driftline_processor.core.verdict.reading import read_outcomes
from driftline_processor.core.windows.window import DAY

from .condition import UNTOLD, Finding, VerdictIs
from .firing import Firing, Patience
from .rule import Rule, WindowHistory

MONTH: Final = 30
"""Days per month, the unit of false-alarm rates."""


class Rate(NamedTuple):
    """A rate or a fraction, with its interval at 95 %."""

    value: float
    low: float
    high: float


class QuietTime(Struct, frozen=True):
    """The results of a rule in windows without a problem.

    Attributes:
        windows: Conclusive windows without a problem.
        untold: Inconclusive windows without a problem.
        days: Duration of the former, in days.
        true_windows: Number of these in which the condition held.
        fired: Number of firings in them.
        circular: Whether the rule depends on the verdict only, which also selects these windows.
        reasons: Facts of the newest inconclusive window; () without any.
    """

    windows: int = 0
    untold: int = 0
    days: float = 0.0
    true_windows: int = 0
    fired: int = 0
    circular: bool = False
    reasons: tuple[Fact, ...] = ()

    @property
    def share(self) -> Rate | None:
        """The fraction of windows without a problem in which it held, with its exact interval; None without any."""
        if not self.windows or self.circular:
            return None
        missed = self.windows - self.true_windows
        low, high, _ = clopper_pearson(
            WeightSums(self.true_windows, self.true_windows), WeightSums(missed, missed), CONFIDENCE
        )
        assert low is not None
        assert high is not None
        return Rate(self.true_windows / self.windows, low, high)

    @property
    def a_month(self) -> Rate | None:
        """False alarms per thirty days, with their exact Poisson interval; None if unknown.

        Source: Garwood, Fiducial limits for the Poisson distribution, Biometrika 28, 1936.

        >>> QuietTime(windows=60, days=60.0, fired=0).a_month.high.__round__(2)
        1.84
        """
        if not self.days or self.circular:
            return None
        tail = (1 - CONFIDENCE) / 2
        low = float(gammaincinv(self.fired, tail)) if self.fired else 0.0
        high = float(gammaincinv(self.fired + 1, 1 - tail))
        return Rate(*(count * MONTH / self.days for count in (self.fired, low, high)))


class Replay(Struct, frozen=True):
    """The result of a replay.

    Attributes:
        windows: The evaluated windows, the oldest first.
        firings: The firings, the oldest first; the last one may be open.
        quiet: Results in windows without a problem.
    """

    windows: Sequence[Evaluation]
    firings: Sequence[Firing]
    quiet: QuietTime


def problem_periods(history: WindowHistory) -> list[Firing]:
    """Return the periods in which the verdict showed a problem: the model was degraded or at risk."""
    return Rule(VerdictIs("", ("degraded", "at_risk")), Patience()).replay(history)


def judge_quiet(
    rule: Rule, history: WindowHistory, firings: Sequence[Firing], problems: Sequence[Firing] | None
) -> Replay:
    """Return a replay with the firings of a rule that occurred in windows without a problem.

    Args:
        rule: The rule.
        history: The windows.
        firings: Its firings, the oldest first.
        problems: The periods with a problem; None if it is known that no window had one.
    """
    windows, circular = rule.judged_in(history), bool(rule.states) and problems is not None
    if circular:
        return Replay(windows, firings, QuietTime(circular=True))
    quiet = [problems is None or _is_quiet(window, problems, history.timezone) for window in windows]
    found_in = [
        rule.condition.judge(Finding(windows, index, history.verdict_at)) if calm else UNTOLD
        for index, calm in enumerate(quiet)
    ]
    results = [one.holds for one in found_in]
    conclusive = [window for window, holds in zip(windows, results, strict=True) if holds is not None]
    return Replay(
        windows,
        firings,
        QuietTime(
            windows=len(conclusive),
            untold=sum(quiet) - len(conclusive),
            days=sum(one.window.end - one.window.start for one in conclusive) / DAY,
            true_windows=sum(holds is True for holds in results),
            fired=sum(_in_quiet(one, windows, quiet) for one in firings),
            reasons=next((one.facts for one in reversed(found_in) if one.holds is None and one.facts), ()),
        ),
    )


def _is_quiet(evaluation: Evaluation, problems: Sequence[Firing], timezone: str) -> bool:
    """Return True if the outcomes of a window are known, and neither they nor the verdict showed a problem.

    A single worse window counts as one without a problem, unless it is too rare by chance.
    """
    if evaluation.maturity != "mature" or not evaluation.outcome_rows or evaluation.incident:
        return False
    start, end = evaluation.window.start, evaluation.window.end
    if any(
        (problem.until is None or start < problem.until) and (problem.since is None or end > problem.since)
        for problem in problems
    ):
        return False
    reading = read_outcomes(evaluation, VerdictContext(timezone=timezone))
    return reading.state != "degraded" or not reading.stands_out


def _in_quiet(firing: Firing, windows: Sequence[Evaluation], quiet: Sequence[bool]) -> bool:
    """Return True if all windows from the first in which a condition held until it fired had no degradation."""
    since = firing.fired if firing.since is None else min(firing.since, firing.fired)
    of_it = [
        calm
        for window, calm in zip(windows, quiet, strict=True)
        if window.window.end <= firing.fired and (window.window.start >= since or window.window.end == firing.fired)
    ]
    return bool(of_it) and all(of_it)
