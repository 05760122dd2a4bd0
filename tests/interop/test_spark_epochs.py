"""Micro-batches of a job, one after the other, without Kafka: what each does to the panes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from driftline_processor.core.decode.written_panes import parse_panes
from driftline_processor.demo.peers.recorder import Asked, Service, service

from tests.support import ranked_topics
from tests.support.decoded_messages import SIGNALS, folded_model
from tests.support.scored_topics import (
    HOUR,
    RETRACTED,
    Frame,
    baseline_of,
    difference,
    outcome_messages,
    panes_of,
    scored,
    span_messages,
    sums_of,
    taken,
)
from tests.support.spark_panes import written_sums

from .spark_peers import skip_without_java

pytestmark = [pytest.mark.interop, pytest.mark.filterwarnings("default")]  # pyspark's own

ROWS, HOURS = 400, 48
START = 1_795_564_800 * 10**9  # 2026-11-25T00:00:00Z
KNOWN = START + 49 * HOUR
BASELINE = baseline_of(scored(2_000, START, HOURS, 99))


@pytest.fixture(scope="module")
def spark() -> Iterator[Any]:
    skip_without_java()
    from driftline_processor.spark.session import open_session

    session = open_session("epochs", "local[2]", {"spark.driver.memory": "1g", "spark.sql.shuffle.partitions": "2"})
    yield session
    session.stop()


class Epochs:
    """A job whose micro-batches are given to it."""

    def __init__(self, spark: Any, work: Path, processor: Service) -> None:
        """Start a job of a classifier and a ranking model."""
        from driftline_processor.spark.settings import StreamSettings
        from driftline_processor.spark.stream import Job

        settings = StreamSettings(str(work), endpoint=processor.url, signals=SIGNALS, late_every=4, recent=1)
        self.lines = list[str]()
        self.work, self._spark, self._processor = work, spark, processor
        models = {"churn": folded_model(BASELINE), "feed": folded_model(ranked_topics.BASELINE)}
        self._job = Job(spark, models, settings, self.lines.append)

    def run(self, epoch: int, spans: Sequence[bytes] = (), logs: Sequence[bytes] = ()) -> list[int]:
        """Run an epoch; return the starts of the panes that were sent, in order: two tasks send at the same time."""
        asked = len(self._processor.asked)
        rows = [(topic, bytearray(body)) for topic, bodies in (("spans", spans), ("logs", logs)) for body in bodies]
        frame = self._spark.createDataFrame(
            [(*row, datetime(2026, 11, 28)) for row in rows], "topic string, value binary, timestamp timestamp"
        )
        self._job.run_epoch(frame, epoch)
        return sorted(pane.start for one in self._processor.asked[asked:] for pane in parse_panes(one.unpacked).panes)


@pytest.fixture
def epochs(spark: Any, tmp_path: Path) -> Iterator[Epochs]:
    def accepted(asked: Asked) -> tuple[int, Any]:
        counts = {"replaced": 0, "unchanged": 0, "superseded": 0, "refused": []}
        return 200, {"accepted": len(parse_panes(asked.unpacked).panes), **counts}

    with service(accepted) as processor:
        yield Epochs(spark, tmp_path / "work", processor)


def away(epochs: Epochs, frame: Frame, actual: Sequence[object], known: int = KNOWN) -> float:
    """Return how far the panes are from those of rows with these outcomes."""
    values = np.array([None if value is None else str(value) for value in actual], object)
    made = panes_of(frame, BASELINE, values, np.full(len(values), known))
    return difference(written_sums(epochs.work), sums_of(made.panes))


def test_an_epoch_that_runs_again_changes_nothing(epochs: Epochs) -> None:
    frame = scored(ROWS, START, 24, 1)
    spans, logs = span_messages(frame), outcome_messages(frame["id"], frame["y"], KNOWN)
    sent = [epochs.run(1, spans, logs) for _ in range(2)]
    assert sent[0] == sent[1]
    flips = outcome_messages(frame["id"][:50], 1 - frame["y"][:50], KNOWN)
    for _ in range(2):
        epochs.run(2, [], flips)
    assert epochs.run(3, [], flips) == []
    actual = frame["y"].copy()
    actual[:50] = 1 - actual[:50]
    assert away(epochs, frame, actual.tolist()) < 1e-12


def test_clicks_of_rankings_add_up_over_epochs(epochs: Epochs) -> None:
    told = ranked_topics.drawn(1)
    told.sort(key=lambda each: each["time"])
    epochs.run(1, ranked_topics.predictions(), ranked_topics.outcomes(told[:120]))
    for epoch, some in ((2, told[120:200]), (2, told[120:200]), (3, told[200:])):
        epochs.run(epoch, [], ranked_topics.outcomes(some))
    assert difference(written_sums(epochs.work), ranked_topics.sums_of_known(told)) < 1e-9


def test_outcomes_wait_for_predictions_and_old_days_wait_for_a_late_epoch(
    epochs: Epochs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("driftline_processor.spark.search._FEW", 0)  # executors get the ids of all outcomes
    frame = scored(ROWS, START, HOURS, 1)
    early = frame["at"] < START + 24 * HOUR
    logs = outcome_messages(frame["id"], frame["y"], KNOWN)
    epochs.run(1, [], logs)
    epochs.run(2, span_messages(frame), [])
    assert away(epochs, frame, [None if old else y for old, y in zip(early, frame["y"], strict=True)]) < 1e-12
    epochs.run(3)
    epochs.run(4)
    assert away(epochs, frame, frame["y"].tolist()) < 1e-12


def test_the_latest_outcome_counts_and_of_equal_times_the_last_to_arrive(epochs: Epochs) -> None:
    frame = scored(ROWS, START, HOURS, 1)
    late = taken(frame, frame["at"] >= START + 24 * HOUR)
    ids, y = late["id"], late["y"]
    epochs.run(1, [], outcome_messages(ids, y, KNOWN))  # waits, and is looked for again in epoch 4
    epochs.run(2, span_messages(late), [])
    epochs.run(3, [], outcome_messages(ids[:30], 1 - y[:30], KNOWN))
    epochs.run(4, [], outcome_messages(ids[:60], y[:60], KNOWN - HOUR))
    expected = y.copy()
    expected[:30] = 1 - y[:30]
    assert away(epochs, late, expected.tolist()) < 1e-12
    again = outcome_messages(ids[40:60], y[40:60], KNOWN + 2 * HOUR)  # confirms what is known, so that an older
    assert epochs.run(5, [], again) == []  # correction that comes later does not count
    assert epochs.run(6, [], outcome_messages(ids[40:60], 1 - y[40:60], KNOWN + HOUR)) == []
    assert away(epochs, late, expected.tolist()) < 1e-12


def test_a_retraction_leaves_the_panes_without_the_outcome(epochs: Epochs) -> None:
    frame = scored(ROWS, START, HOURS, 1)
    epochs.run(1, span_messages(frame), outcome_messages(frame["id"], frame["y"], KNOWN))
    epochs.run(4, [], outcome_messages(frame["id"], frame["y"], KNOWN + HOUR, **RETRACTED))
    assert away(epochs, frame, [None] * ROWS) < 1e-12
    assert epochs.run(5, [], outcome_messages(frame["id"], frame["y"], KNOWN)) == []


def test_bad_input_is_a_line_of_its_epoch(epochs: Epochs) -> None:
    few = scored(20, START, HOURS, 1)
    epochs.run(1, [b"\xff\xff", *span_messages(few), *span_messages(few, model="fraud")], [b"{}"])
    assert epochs.lines[1:] == [
        "epoch 1: 2 rows or messages were not used: malformed_message",
        "epoch 1: 20 rows or messages were not used: model_not_configured",
    ]
    assert json.loads((epochs.work / "job.json").read_text())["created"] > 0
