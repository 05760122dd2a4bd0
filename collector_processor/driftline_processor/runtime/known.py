"""What the store knows of the outcomes of a window beside their sums."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from driftline.pane import Pane
from driftline.tables import F64, I64

from driftline_processor.core.distributed import DISTRIBUTED
from driftline_processor.core.evaluation import Window
from driftline_processor.core.labels.outcome_delay import OutcomeDelay
from driftline_processor.core.performance.blocks import cut
from driftline_processor.core.performance.in_time import InTime
from driftline_processor.core.performance.known import Known
from driftline_processor.core.performance.objectives import stretch
from driftline_processor.core.sent import DECIDED, ERASED, ERASED_AS
from driftline_processor.core.window import GRACE, is_closed, length

from .config import Model
from .in_time import by_code, stepped
from .narrow import Condition
from .panes import KEEP_PANES, part_width, performance_fold
from .series import Series
from .sliced_outcomes import slices_of
from .store import Connection, read


class KnownOutcomes:
    """Reads it. One thread uses it."""

    def __init__(self, connection: Connection) -> None:
        """Read from this store."""
        self._connection = connection

    def of(
        self,
        series: Series,
        window: Window,
        settings: Model,
        watermark: int,
        blocks: Sequence[Pane],
        width: Callable[[str, str], int],
        delay: OutcomeDelay,
    ) -> Known:
        """Return what is known of a window.

        ``delay``: how long outcomes may take. ``watermark``: of the model, unix nanoseconds. ``blocks``: see
        :meth:`blocks`. ``width``: how long the
        vector of a (fold, part) is. Of an open window, which is judged many times, slices are not looked at.
        """
        slices: Mapping[str, InTime] = {}
        if is_closed(window, watermark):
            slices = slices_of(self._connection, series, window, settings.sliced, width, settings.timezone)
        timezone = settings.timezone
        steps = None
        if window.name == min(settings.windows, key=length):
            ripe = watermark - GRACE - delay.nanoseconds
            minutes = stretch(window, settings.performance.objectives, timezone, ripe, watermark - KEEP_PANES)
            steps = None if minutes is None else (minutes, self.panes(series, minutes, width))
        age = watermark - window.end
        return Known(
            blocks,
            {name: one.whole for name, one in slices.items()},
            young=age < delay.nanoseconds,
            age=age,
            delay=delay,
            steps=steps,
            timezone=timezone,
            in_time=slices,
        )

    def blocks(self, series: Series, window: Window, timezone: str, width: Callable[[str, str], int]) -> list[Pane]:
        """Return the performance parts of a window by block of time: added up, they are those of the window."""
        return self.panes(series, cut(window, timezone) or (window,), width)

    def panes(self, series: Series, steps: Sequence[Window], width: Callable[[str, str], int]) -> list[Pane]:
        """Return the performance parts of each of some steps of time, which follow each other.

        And the predictions of each decision; of a ranking its ``rows``: a list of which nobody says anything may be one
        that was not clicked.
        """
        counted = [f"{prefix}{name}" for prefix in (DECIDED, ERASED_AS) for name in series.task.classes]
        counted = ["rows", DISTRIBUTED, ERASED] if series.task.kind == "ranking" else counted or [""]
        own = Condition("fold = ?", (performance_fold(series.task),))
        asked = Condition(f"({own.sql} OR (fold = '' AND {_among(counted)}))", (*own.parameters, *counted))
        panes = [Pane() for _ in steps]
        for name, (sums, having) in self._steps(series, steps, asked, width).items():
            for at in having:
                panes[at].parts[name] = sums[at]
        return panes

    def hours(self, series: Series, steps: Sequence[Window], parts: Sequence[str]) -> dict[str, F64]:
        """Return some performance parts of steps of time that follow each other: float64 (len(steps), width)."""
        asked = Condition(f"fold = ? AND {_among(parts)}", (performance_fold(series.task), *parts))
        found = self._steps(series, steps, asked, lambda _, part: part_width(part, None, series.task))
        return {name: sums for name, (sums, _) in found.items()}

    def _steps(
        self, series: Series, steps: Sequence[Window], asked: Condition, width: Callable[[str, str], int]
    ) -> dict[str, tuple[F64, I64]]:
        """The sums of each step, by part, and which steps have any."""
        if not steps:
            return {}
        how = stepped(steps)
        rows = read(
            self._connection,
            f"SELECT {how.step} AS step, part, idx, fsum(value) AS value FROM panes {how.join} WHERE series = ?"
            f" AND {asked.sql} AND pane >= ? AND pane < ? GROUP BY ALL",
            *(*how.parameters, series.number, *asked.parameters, steps[0].start, steps[-1].end),
            **how.tables,
        )
        step, index, value = (rows.column(name).to_numpy() for name in ("step", "idx", "value"))
        part = rows.column("part").combine_chunks().dictionary_encode()
        names = part.dictionary.to_pylist()
        order, ends = by_code(part.indices.to_numpy(), len(names))
        fold, found = performance_fold(series.task), {}
        for name, first, last in zip(names, ends, ends[1:], strict=False):
            own = order[first:last]
            sums = np.zeros((len(steps), max(width(fold, name), int(index[own].max()) + 1)))
            sums[step[own], index[own]] = value[own]
            found[name] = sums, np.unique(step[own])
        return found


def _among(parts: Sequence[str]) -> str:
    return f"part IN ({', '.join('?' * len(parts))})"
