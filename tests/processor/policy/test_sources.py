"""The rows to label of an alert: those of its window, or of the last days where it names none."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest
from driftline.tables.table import ModelKey
from driftline_processor.policy.alerts import Alert
from driftline_processor.policy.sources import LAST, AlertRows
from driftline_processor.queries.label_queue import LabelBatch

from tests.support.fake_view import FakeView
from tests.support.ordered_actions import ALERT, Alerts, order
from tests.support.policy_watch import DAY, JULY, model
from tests.support.verdict_windows import wrong


class Queue:
    """What is asked for."""

    def __init__(self) -> None:
        self.asked: list[Any] = []

    def next(self, *asked: Any) -> LabelBatch:
        self.asked.append(asked)
        return LabelBatch()


def alert(window: str, start: int | None, name: str = "late") -> Alert:
    about = (ALERT, "health", name, "", "1", cast(Any, "critical"), "")
    return Alert(*about, "degraded", None, 0, None, 0, None, None, window, start, "")


def rows(queue: Queue, *alerts: Alert) -> AlertRows:
    queries = SimpleNamespace(labels=queue)
    return AlertRows(FakeView([model([wrong(0), wrong(1)])], alerts=Alerts(*alerts), queries=queries))


def test_the_rows_are_those_of_the_window() -> None:
    queue, start = Queue(), wrong(0).window.start
    found = rows(queue, alert(wrong(0).window.name, start))(order("label_queue/a"), 50)
    assert found is not None
    assert found.key == ModelKey("late", "1")
    assert queue.asked == [(found.key, start, start + DAY, 50)]


@pytest.mark.parametrize(("window", "start"), [("", None), ("1d", JULY - DAY)])
def test_without_a_window_they_are_those_of_the_last_days(window: str, start: int | None) -> None:
    queue, until = Queue(), wrong(1).window.end + 1
    rows(queue, alert(window, start))(order("label_queue/a"), 50)
    assert queue.asked == [(ModelKey("late", "1"), until - LAST, until, 50)]


def test_a_model_that_is_gone_has_none() -> None:
    queue = Queue()
    assert rows(queue)(order("label_queue/a"), 50) is None
    assert rows(queue, alert("1d", JULY, "gone"))(order("label_queue/a"), 50) is None
    assert queue.asked == []
