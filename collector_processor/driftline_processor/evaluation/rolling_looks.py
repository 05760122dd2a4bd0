"""Look at rolling objectives every minute, whatever else waits to be evaluated.

A look reads the five-minute panes of a period, the open one included, and asks only whether it shows a break. A window
in which it does is evaluated at once, so that everything else follows from its evaluation.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from driftline_processor.core.evaluation import Evaluation, MetricValue
from driftline_processor.core.model_settings import ModelSettings
from driftline_processor.core.outcomes.coverage import coverage_of
from driftline_processor.core.performance.objective import Objective
from driftline_processor.core.performance.objective_states import judge_outcomes, judge_rolling
from driftline_processor.core.performance.service_objectives import judge_calls
from driftline_processor.core.performance.window_outcomes import WindowOutcomes
from driftline_processor.core.windows.window import HOUR, PANE, Window, length, pane_from, window_of

from .judge import rolling_outcomes
from .window_source import WindowSource

LOOK_EVERY = 60 * 10**9
"""Nanoseconds between two looks at a series."""

REACH = 2 * HOUR
"""Age up to which the ends of periods are looked at; older windows wait in the queue."""


class RollingLooks:
    """The changed panes of series with rolling objectives, and the time of their last look.

    >>> looks = RollingLooks()
    >>> looks.note(1, [600, 900])
    >>> [list(looks.due(second * 10**9)) for second in (60, 90)]
    [[1], []]
    >>> sorted(looks.take(1, final=900)), list(looks.due(120 * 10**9)), looks.take(1, final=1200)
    ([600, 900], [1], {900})
    >>> list(looks.due(180 * 10**9))
    []
    """

    def __init__(self) -> None:
        self._changed: dict[int, set[int]] = {}
        self._young: dict[int, set[int]] = {}
        self._looked: dict[int, int] = {}

    def note(self, series: int, panes: Iterable[int]) -> None:
        """Add changed panes of a series, by start."""
        self._changed.setdefault(series, set()).update(panes)

    def due(self, now: int) -> Iterator[int]:
        """Yield the series to look at now; ``now``: wall clock in unix nanoseconds."""
        for series in self._changed.keys() | self._young.keys():
            if abs(now - self._looked.get(series, 0)) >= LOOK_EVERY:
                self._looked[series] = now
                yield series

    def take(self, series: int, final: int) -> set[int]:
        """Return the panes of a series that changed or became final since its last look, by start.

        Args:
            series: The series.
            final: The moment up to which outcomes had their time to arrive; later panes are returned once more then.
        """
        changed, young = self._changed.pop(series, set()), self._young.pop(series, set())
        if waiting := {pane for pane in changed | young if pane >= final}:
            self._young[series] = waiting
        return changed | (young - waiting)


def rolling_objectives(settings: ModelSettings) -> list[Objective]:
    """Return the rolling objectives of a model."""
    return [objective for objective in settings.performance.objectives if objective.rolling]


def windows_to_look_at(settings: ModelSettings, panes: Iterable[int], reached: int) -> list[Window]:
    """Return the parts of windows in which a period with a changed pane ends, oldest first; each has its window's name.

    Args:
        settings: Settings of the model.
        panes: Starts of the changed panes.
        reached: The newest known moment, unix nanoseconds.
    """
    longest = max(length(objective.window) for objective in rolling_objectives(settings))
    name, oldest = min(settings.windows, key=length), pane_from(reached - REACH)
    starts = [pane for pane in panes if oldest - longest < pane <= reached]
    parts: list[Window] = []
    start, until = max(min(starts, default=0), oldest), min(max(starts, default=0) + longest, pane_from(reached))
    while starts and start < until:
        window = window_of(name, start, settings.timezone)
        parts.append(Window(name, start, min(window.end, until - until % PANE)))
        start = window.end
    return parts


def breaks(source: WindowSource, settings: ModelSettings, part: Window, evaluation: Evaluation | None) -> bool:
    """Return True if a rolling objective breaks in a part of a window, and its evaluation does not show that yet.

    Args:
        source: The window.
        settings: Settings of the model.
        part: The part of the window.
        evaluation: The newest evaluation of the window; None without one.
    """
    performance, states = settings.performance, () if evaluation is None else evaluation.objectives
    broken_rules = {state.rule for state in states if state.state == "broken"}
    open_objectives = [objective for objective in rolling_objectives(settings) if objective.rule not in broken_rules]
    deferred = evaluation is not None and evaluation.immature and not evaluation.young  # by too few outcomes
    if deferred and (coverage_of(source.pane) or 0.0) < performance.min_coverage:
        open_objectives = [objective for objective in open_objectives if objective.of_service]
    if not open_objectives:
        return False
    steps, calls = rolling_outcomes(source, settings, part)
    outcomes = WindowOutcomes(steps=steps, calls=calls, timezone=settings.timezone)
    reference: Mapping[str, MetricValue] = {} if evaluation is None else evaluation.reference
    for objective in open_objectives:
        if objective.of_service:
            judge = judge_calls(objective, performance)
        elif steps is not None:
            judge = judge_outcomes(objective, source.task, outcomes, performance, reference)
        periods = calls if objective.of_service else steps
        if periods is not None:
            state = judge_rolling(objective, part, periods, settings.timezone, performance.confidence, judge)
            if state.state == "broken":
                return True
    return False
