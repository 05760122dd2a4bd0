"""Read the outcomes of steps of time from the store, and learn how long the outcomes of a model take."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
from driftline.panes.pane import Pane
from driftline.tables.table import F64, I64

from driftline_processor.core.labels.delay import PART, UNKNOWN_DELAY, WIDTH, OutcomeDelay, learn_outcome_delay
from driftline_processor.core.outcomes.coverage import DECIDED, DISTRIBUTED, ERASED, ERASED_AS
from driftline_processor.core.service_level.sums import FAILED
from driftline_processor.core.service_level.sums import WIDTHS as CALL_WIDTHS
from driftline_processor.core.windows.window import Window
from driftline_processor.store.database import Connection, read
from driftline_processor.store.pane_memory import PaneMemory
from driftline_processor.store.panes import OUTCOMES, order_by_code, part_width, performance_fold, read_sums, step_query
from driftline_processor.store.pruning import Condition
from driftline_processor.store.series import Series, SeriesRegister

from .settings import configured_delay

_Wanted = Callable[[str, str], bool]
"""Returns True for a fold and a part that are."""


class StoredOutcomes:
    """The outcomes in the store, by step of time. One thread uses it."""

    def __init__(self, connection: Connection) -> None:
        """Read from this store."""
        self._connection = connection

    def panes(self, series: Series, steps: Sequence[Window], width: Callable[[str, str], int]) -> list[Pane]:
        """Return the performance parts of each of some steps of time, which follow each other.

        And the predictions of each decision; of a ranking its ``rows``: a list of which nobody says anything may be one
        that was not clicked.
        """
        counted = _counted_beside(series)
        counted_steps = self._steps(series, steps, lambda fold, part: bool(fold) or part in counted, width)
        return _by_step(counted_steps, len(steps))

    def calls(self, series: Series, steps: Sequence[Window]) -> list[Pane]:
        """Return the calls of each of some steps of time, which follow each other."""

        def wanted(fold: str, part: str) -> bool:
            return not fold and (part in CALL_WIDTHS or part.startswith(FAILED))

        return _by_step(self._steps(series, steps, wanted, lambda _, part: CALL_WIDTHS.get(part, 1)), len(steps))

    def hours(self, series: Series, steps: Sequence[Window], parts: Sequence[str]) -> dict[str, F64]:
        """Return some performance parts of steps of time that follow each other: float64 (len(steps), width)."""
        sums_by_part = self._steps(
            series,
            steps,
            lambda fold, part: bool(fold) and part in parts,
            lambda _, part: part_width(part, None, series.task),
        )
        return {name: sums for name, (sums, _) in sums_by_part.items()}

    def _steps(
        self, series: Series, steps: Sequence[Window], is_needed: _Wanted, width: Callable[[str, str], int]
    ) -> dict[str, tuple[F64, I64]]:
        """Return the sums of each step by part, and the steps with any."""
        if not steps:
            return {}
        how = step_query(steps)
        folds = Condition("(fold = '' OR fold = ?)", (performance_fold(series.task),))
        stretch = (series.number, steps[0].start, steps[-1].end)
        within = folds.also(Condition("series = ? AND pane >= ? AND pane < ?", stretch))
        rows = read(
            self._connection,
            f"SELECT {how.step} AS step, part, idx, fsum(value) AS value FROM sums {how.join} GROUP BY ALL",
            *how.parameters,
            sums=read_sums(self._connection, within, wanted=is_needed),
            **how.tables,
        )
        step, index, value = (rows.column(name).to_numpy() for name in ("step", "idx", "value"))
        part = rows.column("part").combine_chunks().dictionary_encode()
        names = part.dictionary.to_pylist()
        order, ends = order_by_code(part.indices.to_numpy(), len(names))
        fold, sums_by_part = performance_fold(series.task), {}
        for name, first, last in zip(names, ends, ends[1:], strict=False):
            step_rows = order[first:last]
            sums = np.zeros((len(steps), max(width(fold, name), int(index[step_rows].max()) + 1)))
            sums[step[step_rows], index[step_rows]] = value[step_rows]
            sums_by_part[name] = sums, np.unique(step[step_rows])
        return sums_by_part


def outcomes_by_step(memory: PaneMemory, series: Series, steps: Sequence[Window]) -> list[Pane]:
    """Return what :meth:`StoredOutcomes.panes` does, of steps that are asked for again and again."""
    outcome_fold, counted, panes = performance_fold(series.task), _counted_beside(series), []
    for step in memory.steps(series, steps, lambda fold: fold in ("", outcome_fold)):
        plain_parts = step.get("", Pane()).parts
        parts = {part: plain_parts[part] for part in counted if part in plain_parts}
        panes.append(Pane(parts | step.get(outcome_fold, Pane()).parts))
    return panes


def _counted_beside(series: Series) -> list[str]:
    """Return the parts that say how many rows wait for an outcome."""
    if series.task.ranks_items:
        return ["rows", DISTRIBUTED, ERASED]
    return [f"{prefix}{name}" for prefix in (DECIDED, ERASED_AS) for name in series.task.classes] or [""]


def _by_step(sums_by_part: Mapping[str, tuple[F64, I64]], steps: int) -> list[Pane]:
    panes = [Pane() for _ in range(steps)]
    for name, (sums, having) in sums_by_part.items():
        for step in having:
            panes[step].parts[name] = sums[step]
    return panes


class OutcomeDelays:
    """Learns from all versions of a model in an environment together: their outcomes come the same way.

    One thread learns; any may ask.
    """

    def __init__(self, connection: Connection, series: SeriesRegister) -> None:
        self._connection, self._series = connection, series
        self._learned: dict[tuple[str, str], OutcomeDelay] = {}
        self._joined = -1

    def of(self, series: Series) -> OutcomeDelay:
        """Return how long the outcomes of a model may take; what driftline.yaml says wins."""
        configured = configured_delay(self._series.settings(series.key.model))
        return configured or self._learned.get((series.key.environment, series.key.model), UNKNOWN_DELAY)

    def learn(self, joined: int, idle: bool) -> None:
        """Learn anew where enough outcomes have come. ``joined``: the sequence number of the last one that joined."""
        more = joined - self._joined
        # 50: learned anew when the outcomes have become more by a fiftieth, or when nothing else is to be done
        if more > 0 and (idle or more >= self._joined // 50):
            self._joined = joined
            self._learned = self._read(self._series)

    def _read(self, serieses: Iterable[Series]) -> dict[tuple[str, str], OutcomeDelay]:
        counts_by_model: dict[tuple[str, str], F64] = {}
        counted = read(
            self._connection,
            "SELECT series, fold, idx, sum(value) AS value FROM sums GROUP BY ALL",
            sums=read_sums(
                self._connection, Condition("starts_with(fold, ?)", (OUTCOMES,)), wanted=lambda _, part: part == PART
            ),
        ).to_pylist()
        by_number = {series.number: series for series in serieses}
        for row in counted:
            series = by_number.get(row["series"])
            if series is not None and row["fold"] == performance_fold(series.task):
                counts = counts_by_model.setdefault((series.key.environment, series.key.model), np.zeros(WIDTH))
                counts[row["idx"]] += row["value"]
        return {key: learn_outcome_delay(counts) for key, counts in counts_by_model.items()}
