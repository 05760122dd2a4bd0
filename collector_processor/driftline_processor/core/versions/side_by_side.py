"""Compare a challenger with the champion over the period in which both predicted.

This module selects versions, period and hours. A :class:`VersionSource` provides the sums: from the store of a running
processor, or from the rows of files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Literal, NamedTuple, Protocol

import numpy as np
from driftline.panes.pane import Pane
from driftline.tables.table import F64, I64
from driftline.tables.task import Task
from msgspec import Struct, field
from msgspec.structs import replace

from driftline_processor.core import facts
from driftline_processor.core.evaluation import MetricValue, ServiceLevel
from driftline_processor.core.fact import Fact
from driftline_processor.core.metrics.cost_and_value import cost_matrix, unknown_classes
from driftline_processor.core.outcomes.review import (
    UnseenDecisions,
    find_unseen_decisions,
    unreviewed,
)
from driftline_processor.core.performance.metric_intervals import with_intervals
from driftline_processor.core.performance.realized import realized
from driftline_processor.core.performance.settings import STANDARD, PerformanceSettings
from driftline_processor.core.service_level.level import Calls
from driftline_processor.core.windows.window import hours_between

from .comparison import Comparison, Verdict, compare
from .losses import alone_of_hours, bounds_of, losses_of, paired_of, stretches_from
from .sums import Sums, unpaired_sums

Role = Literal["challenger", "shadow", "canary"]
"""A shadow scores the champion's requests without being used, a canary answers requests of its own; for a challenger,
its outcomes show which applies.
"""


class VersionNames(Struct, frozen=True):
    """The roles of versions in a comparison.

    ``champion`` None is the version with most rows. Every other version is a challenger. ``since``: earliest start of
    the comparison, unix nanoseconds.
    """

    champion: str | None = None
    shadow: tuple[str, ...] = ()
    canary: tuple[str, ...] = ()
    since: int = 0

    def role(self, version: str) -> Role:
        """Return the role of a version other than the champion.

        >>> VersionNames(shadow=("2",)).role("2"), VersionNames().role("2")
        ('shadow', 'challenger')
        """
        return "shadow" if version in self.shadow else "canary" if version in self.canary else "challenger"


class Version(Struct, frozen=True):
    """One version over a period.

    ``rows``: predictions; ``outcomes``: those with a known outcome; ``metrics``: its performance; ``service``: its
    service level, None without calls.
    """

    name: str
    rows: int
    outcomes: int
    metrics: dict[str, MetricValue] = field(default_factory=dict)
    service: ServiceLevel | None = None


class SideBySide(Struct, frozen=True):
    """A challenger compared with its champion in ``[start, end)``, unix nanoseconds, 0 if rows have no time.

    ``pairs``: requests that both scored, with a known outcome. ``comparisons``: by loss, the deciding one first; {} if
    no comparison is possible, with ``reason``. ``of_files``: whether each version is a file, which has no version name.
    """

    champion: Version
    challenger: Version
    role: Role
    start: int
    end: int
    pairs: int = 0
    comparisons: dict[str, Comparison] = field(default_factory=dict)
    reason: Fact | None = None
    of_files: bool = False

    @property
    def decides(self) -> Comparison | None:
        """The comparison of the deciding loss."""
        return next(iter(self.comparisons.values()), None)

    @property
    def verdict(self) -> Verdict:
        """Whether the challenger is worse or better than the champion, or the comparison is inconclusive."""
        return "inconclusive" if self.decides is None else self.decides.verdict


class VersionInput(Struct, frozen=True):
    """The inputs of a comparison for one version.

    Attributes:
        name: Name of the version.
        task: Task of the version.
        pane: Performance parts in the period, predictions by decision, and calls.
        rows: Predictions in the period.
        hours: Function that reads :data:`.losses.PARTS` of each hour, float64 (hours, width); both sides have the same
            hours in order. None for a single hour.
    """

    name: str
    task: Task
    pane: Pane
    rows: int
    hours: Callable[[], Mapping[str, F64]] | None = None


class VersionPeriod(NamedTuple):
    """The period in which a version predicted.

    Attributes:
        version: Its name.
        start: Start of its first pane, unix nanoseconds; 0 if rows have no time.
        stop: End of its last pane.
        rows: Its predictions.
    """

    version: str
    start: int
    stop: int
    rows: float


class VersionSource(Protocol):
    """The versions of one model, identified by their index in :attr:`periods`."""

    @property
    def periods(self) -> Sequence[VersionPeriod]:
        """The period of each version."""

    def pane_edges(self, moments: I64) -> I64:
        """Return the edges of panes at or after moments (unix nanoseconds)."""

    def side(self, version: int, start: int, stop: int) -> VersionInput:
        """Return the sums of a version in ``[start, stop)``."""

    def by_hour(self, version: int, edges: I64) -> Mapping[str, F64]:
        """Return :data:`.losses.PARTS` of a version between consecutive edges: float64 (len(edges) - 1, width)."""

    def pairs(self, champion: int, challenger: int, start: int, stop: int) -> Pane:
        """Return the sums of :func:`.losses.fold_requests` over requests that both scored, the champion first."""


def compare_versions(
    source: VersionSource,
    names: VersionNames,
    timezone: str,
    performance_settings: PerformanceSettings,
    most: int | None = None,
) -> Iterator[SideBySide]:
    """Yield the comparison of each version with the champion, the latest first; nothing for a single version.

    The champion is the named version, else the one with most rows.

    Args:
        source: The versions.
        names: The champion, the roles of the others, and the earliest start.
        timezone: Time zone in which hours begin.
        performance_settings: Settings of performance.
        most: Maximum number of compared versions; None = all.
    """
    periods = source.periods
    named = [index for index, period in enumerate(periods) if period.version == names.champion]
    champion = named[0] if named else max(range(len(periods)), key=lambda at: (periods[at].rows, -at))
    others = [index for index in range(len(periods)) if index != champion]
    for challenger in sorted(others, key=lambda at: (-periods[at].stop, at))[:most]:
        both = periods[champion], periods[challenger]
        ends = max(names.since, *(period.start for period in both)), min(period.stop for period in both)
        start, stop = source.pane_edges(np.array(ends, np.int64)).tolist()
        stop = max(start, stop)
        one, other = (source.side(version, start, stop) for version in (champion, challenger))
        if start < stop:
            hours = stretches_from(hours_between(start, stop, timezone), len(one.task.classes))
            edges = np.unique(np.append(source.pane_edges(hours), stop))
            one = replace(one, hours=partial(source.by_hour, champion, edges))
            other = replace(other, hours=partial(source.by_hour, challenger, edges))
        pairs = source.pairs(champion, challenger, start, stop)
        yield side_by_side(one, other, pairs, names.role(both[1].version), (start, stop), performance_settings)


def side_by_side(
    champion: VersionInput,
    challenger: VersionInput,
    pairs: Pane,
    role: Role = "challenger",
    stretch: tuple[int, int] = (0, 0),
    performance_settings: PerformanceSettings = STANDARD,
) -> SideBySide:
    """Compare two versions.

    ``pairs``: the parts of :func:`.losses.fold_requests` for requests that both scored, the champion first.
    ``performance_settings``: costs decide if they are defined.
    """
    task, sides = champion.task, (champion, challenger)
    costs = [_priced(side.task, performance_settings) for side in sides]
    losses = losses_of(task, priced=all(cost is not None for cost in costs))
    shared = max((paired_of(pairs, loss, costs[0]).rows for loss in losses), default=0.0)
    unseen = [find_unseen_decisions(side.pane, side.task) for side in sides]
    one, other = (_version(side, performance_settings, its) for side, its in zip(sides, unseen, strict=True))
    found = SideBySide(one, other, role, *stretch, pairs=round(shared))
    if task.kind != challenger.task.kind or not losses:
        return replace(found, reason=_incomparable(task, challenger.task))
    for side, its in zip(sides, unseen, strict=True):
        if none_of := unreviewed(its, side.task):
            return replace(found, reason=facts.VersionUnreviewed(version=side.name, predictions=none_of))
    # 0.5: minimum fraction of a challenger's outcomes shared with the champion to compare pairs
    paired = role == "shadow" or (role == "challenger" and shared >= 0.5 * max(other.outcomes, 1))
    if not paired and not (one.outcomes and other.outcomes):
        return replace(found, reason=_lacking(role, (one, other)))
    comparisons: dict[str, Comparison] = {}
    hours = [] if paired else [side.pane.parts if side.hours is None else side.hours() for side in sides]
    for loss in losses:
        if paired:
            sums = Sums(paired_of(pairs, loss, costs[0]))
        else:
            both = zip(hours, sides, costs, strict=True)
            sums = unpaired_sums(*(alone_of_hours(of_all, side.task, loss, own) for of_all, side, own in both))
        comparison = compare(
            loss, sums, bounds_of(task, loss, paired=paired, costs=costs[0]), performance_settings.confidence
        )
        if comparison.difference is not None:
            comparisons[loss] = comparison
    return replace(found, comparisons=comparisons, reason=None if comparisons else _lacking(role, (one, other)))


def _priced(task: Task, performance_settings: PerformanceSettings) -> F64 | None:
    """Return the costs of decisions, float64 (k, k), actual × decided class; None without, or with equal costs."""
    if not performance_settings.costs or not task.classes or unknown_classes(performance_settings.costs, task):
        return None
    costs = cost_matrix(performance_settings.costs, task)
    return costs if costs.min() < costs.max() else None


def _version(side: VersionInput, performance_settings: PerformanceSettings, unseen: UnseenDecisions | None) -> Version:
    outcomes = side.pane.parts.get("outcomes")
    known = 0 if outcomes is None else round(float(outcomes[0]))
    metrics = with_intervals(
        realized(side.pane, side.task, performance_settings), side.pane, (), side.task, performance_settings, unseen
    )
    calls = Calls.of(side.pane)
    level = None if calls is None else calls.level(performance_settings.confidence, performance_settings.shares)
    return Version(side.name, side.rows, known, metrics, level)


def _incomparable(task: Task, other: Task) -> Fact:
    if task.kind != other.kind:
        return facts.TasksDiffer(champion=task.kind, challenger=other.kind)
    return facts.TaskNotCompared(task=task.kind)


def _lacking(role: Role, versions: tuple[Version, ...]) -> Fact:
    for version in versions:
        if not version.outcomes:
            return facts.VersionWithoutOutcomes(version=version.name)
    return facts.NoRequestOfBoth() if role == "shadow" else facts.NoHourOfBoth()
