"""`driftline spark submit` with a real broker, a real processor and Spark itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from driftline.batch_panes import SentPanes, send_panes
from driftline_processor.demo.peers.kafka import Broker

from tests.support.scored_topics import (
    HOUR,
    OF_SPANS,
    RETRACTED,
    baseline_of,
    columnar_messages,
    days_ago,
    difference,
    outcome_messages,
    panes_of,
    scored,
    span_messages,
    sums_of,
    taken,
)
from tests.support.spark_panes import stored_difference, stored_sums, written_sums

from .peers import eventually
from .spark_peers import Processor, SubmittedJob, Topics, skip_without_spark

pytestmark = pytest.mark.interop

ROWS, HOURS = 3_000, 48
START = days_ago(4)


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    skip_without_spark()
    (tmp_path / "kafka").mkdir()
    broker = Broker(tmp_path / "kafka")
    with broker.up():
        yield broker


def shown(model: dict[str, Any]) -> dict[str, Any]:
    """Return what the API shows of the windows, without the sources of the panes and times of evaluation."""

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: plain(each) for key, each in value.items() if key not in IGNORED}
        if isinstance(value, list):
            return [plain(each) for each in value]
        return pytest.approx(value, rel=1e-9) if isinstance(value, float) else value

    return {name: plain(model[name]) for name in ("rows", "outcomes", "windows")}


IGNORED = {"evaluated_at"}


def test_topics_become_the_panes_of_their_rows(broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    baseline = baseline_of(scored(10_000, START, HOURS, 99))
    frame = scored(ROWS, START, HOURS, 1)
    known, end = np.arange(0, ROWS, 2), START + (HOURS + 1) * HOUR
    flipped, gone = known[:200], known[200:300]
    topics = Topics(broker)
    with ExitStack() as stack:
        streamed, direct = (Processor(tmp_path / name, baseline) for name in ("streamed", "direct"))
        for processor in (streamed, direct):
            stack.callback(processor.process.stop)
            processor.start()
        job = SubmittedJob(tmp_path / "job", streamed, broker, "0s", "local[2]")
        stack.callback(job.stop)

        first, rest = taken(frame, slice(0, 2_000)), taken(frame, slice(2_000, ROWS))
        early = outcome_messages(frame["id"][known], frame["y"][known], end)  # a third before their predictions
        torn = span_messages(rest)[0][:-9]
        topics.send([torn, *span_messages(first)], [*early, b"\xff\xff"])
        text = job.finished()
        assert "2 rows or messages were not used: malformed_message" in text
        topics.send([], columnar_messages(rest))
        job.finished()
        flip = outcome_messages(frame["id"][flipped], 1 - frame["y"][flipped], end + HOUR)
        retraction = outcome_messages(frame["id"][gone], frame["y"][gone], end + HOUR, **RETRACTED)
        stale = outcome_messages(frame["id"][known[:300]], frame["y"][known[:300]], end)
        topics.send([], [*flip, *retraction])
        job.finished()
        topics.send([], stale)  # a repeated and late delivery of what was corrected
        job.finished()
        assert "panes sent" not in job.finished()  # there is nothing new

        actual = np.full(ROWS, None, object)
        actual[known] = frame["y"][known].astype(str)
        actual[flipped] = (1 - frame["y"][flipped]).astype(str)
        actual[gone] = None
        times = np.where(np.isin(np.arange(ROWS), flipped), end + HOUR, end)
        made = replace(panes_of(frame, baseline, actual, times), newest=int(frame["at"].max()))
        assert difference(written_sums(job.work), sums_of(made.panes)) < 1e-12
        monkeypatch.setenv("DRIFTLINE_ENDPOINT", direct.endpoint)
        assert send_panes(made, source="batch", epoch=1) == SentPanes(accepted=len(made.panes))
        for processor in (streamed, direct):
            eventually(processor.model, lambda model: model.get("outcomes") == len(known) - len(gone))
        eventually(lambda: shown(direct.model()) == shown(streamed.model()))
    assert stored_difference(stored_sums(streamed.state), stored_sums(direct.state), OF_SPANS) < 1e-12
