"""Lists of which nobody says anything: they add their weight, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from driftline.panes.pane import Pane
from driftline.panes.relevance import fold_relevance, relevance_of
from driftline.tables.task import Task
from driftline_processor.core.outcomes.coverage import DISTRIBUTED
from driftline_processor.core.outcomes.sums import list_means
from driftline_processor.core.performance.implicit_feedback import count_silence

TASK = Task("ranking", cutoffs=(2,))


def pane(gains: list[list[float] | None], rows: int) -> Pane:
    parts = fold_relevance(relevance_of(gains), cutoffs=(2,))
    return Pane({"rows": np.full(3, float(rows)), **{name: sums[0] for name, sums in parts.items()}})


def test_silence_is_the_same_as_saying_that_nothing_was_relevant() -> None:
    silent, told = count_silence(pane([[1.0], [0.0, 1.0]], 5), TASK), pane([[1.0], [0.0, 1.0], [], [], []], 5)
    assert list_means(silent) == list_means(told)


@pytest.mark.parametrize("known", [{}, {"rows": np.full(3, 2.0)}])
def test_where_nothing_is_known_every_list_was_not_clicked(known: dict[str, np.ndarray]) -> None:
    found = list_means(count_silence(Pane(known), TASK))
    assert {name: (mean.lists, mean.total) for name, mean in found.items() if name == "ctr"} == (
        {"ctr": (2, 0.0)} if known else {}
    )


def test_predictions_that_were_only_counted_are_no_lists() -> None:
    counted = pane([[1.0]], 5)
    counted.parts[DISTRIBUTED] = np.array([3.0])
    assert list_means(count_silence(counted, TASK))["ctr"].lists == 2
