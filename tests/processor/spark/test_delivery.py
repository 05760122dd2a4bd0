"""Panes reach the processor although it is away for a while, and those that it refuses lose no others."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from driftline import outcomes
from driftline.batch_panes import MadePane
from driftline.outcomes import Undelivered
from driftline.tables.table import ModelKey
from driftline_processor.core.decode.written_panes import parse_panes
from driftline_processor.demo.peers.recorder import Asked, Service, service
from driftline_processor.spark import delivery
from driftline_processor.spark.delivery import RESULT, Delivery, endpoint_of
from driftline_processor.spark.pane_rows import to_batch

HOUR = 3600 * 10**9
DIGESTS = {"churn": "c", "fraud": "f"}


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outcomes, "sleep", lambda _: None)


def rows(model: str, count: int) -> pa.RecordBatch:
    panes = [MadePane(hour * HOUR, "", {"rows": np.ones(3)}) for hour in range(count)]
    return to_batch(ModelKey(model, "1", "prod"), panes, {pane.start: pane.start + 5 for pane in panes})


def answer(asked: Asked, **counts: int) -> tuple[int, Any]:
    """Return the answer of a processor that accepts all panes unless ``counts`` say something else."""
    counts = counts or {"accepted": len(parse_panes(asked.unpacked).panes)}
    return 200, {"accepted": 0, "replaced": 0, "unchanged": 0, "superseded": 0, "refused": [], **counts}


def delivered(processor: Service, *batches: pa.RecordBatch, patience: float = 60.0) -> list[tuple[int, int, str]]:
    """Send rows as an executor, which has only what is pickled; return the counts."""
    made = Delivery(DIGESTS, "1h", "spark", 7, endpoint_of(processor.url), patience, pause=0.0)
    table = pa.Table.from_batches(list(pickle.loads(pickle.dumps(made))(batches)), RESULT)
    return [tuple(row.values()) for row in table.to_pylist()]


def away(times: int, status: int) -> Callable[[Asked], tuple[int, Any]]:
    """Return the answers of a processor that is not ready for some requests."""
    left = [status] * times

    def answers(asked: Asked) -> tuple[int, Any]:
        return (left.pop(), None) if left else answer(asked)

    return answers


def test_panes_of_each_model_are_sent_with_source_epoch_and_baseline() -> None:
    with service(answer) as processor:
        both = pa.Table.from_batches([rows("churn", 3), rows("fraud", 2)]).combine_chunks().to_batches()
        assert delivered(processor, *both) == [(3, 0, ""), (2, 0, "")]
        documents = [parse_panes(one.unpacked) for one in processor.asked]
    assert [(one.key, one.source, one.epoch, one.baseline) for one in documents] == [
        (ModelKey("churn", "1", "prod"), "spark", 7, "c"),
        (ModelKey("fraud", "1", "prod"), "spark", 7, "f"),
    ]


def test_many_panes_are_sent_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "_TOGETHER", 4)
    with service(answer) as processor:
        assert delivered(processor, rows("churn", 10)) == [(4, 0, ""), (4, 0, ""), (2, 0, "")]


def test_panes_over_another_baseline_are_refused_and_the_others_are_stored() -> None:
    def answers(asked: Asked) -> tuple[int, Any]:
        if parse_panes(asked.unpacked).key.model == "churn":
            return 409, {"error": "the panes are over another baseline"}
        return answer(asked)

    with service(answers) as processor:
        found = delivered(processor, rows("churn", 3), rows("fraud", 2))
        assert len(processor.asked) == 2
    assert [counts[:2] for counts in found] == [(0, 3), (2, 0)]
    assert "the panes are over another baseline" in found[0][2]


def test_a_pane_that_is_refused_is_counted_with_its_reason() -> None:
    refused = {"index": 1, "reason": "sums.rows is negative"}
    with service(lambda asked: (200, {**answer(asked)[1], "accepted": 2, "refused": [refused]})) as processor:
        assert delivered(processor, rows("churn", 3)) == [(2, 1, "sums.rows is negative")]


def test_panes_that_another_job_has_superseded_are_not_lost_in_silence() -> None:
    with service(lambda asked: answer(asked, accepted=1, superseded=2)) as processor:
        [(stored, ignored, reason)] = delivered(processor, rows("churn", 3))
    assert (stored, ignored) == (1, 2)
    assert "--source" in reason


@pytest.mark.parametrize("status", [503, 502, 404])
def test_a_processor_that_is_away_is_asked_again(status: int) -> None:
    with service(away(2 * outcomes.ATTEMPTS + 1, status)) as processor:
        assert delivered(processor, rows("churn", 3)) == [(3, 0, "")]
        assert len(processor.asked) > 2 * outcomes.ATTEMPTS


def test_a_processor_that_stays_away_fails_the_epoch_which_then_runs_again() -> None:
    with service(away(1_000, 503)) as processor, pytest.raises(Undelivered, match="did not accept the panes"):
        delivered(processor, rows("churn", 3), patience=0.0)


def test_executors_have_endpoint_and_token_of_the_driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "token").write_text("secret of the driver")
    with service(answer) as processor:
        monkeypatch.setenv("DRIFTLINE_ENDPOINT", processor.url)
        monkeypatch.setenv("DRIFTLINE_TOKEN_FILE", str(tmp_path / "token"))
        made = Delivery(DIGESTS, "1h", "spark", 7, endpoint_of(""))
        for name in ("DRIFTLINE_ENDPOINT", "DRIFTLINE_TOKEN_FILE"):
            monkeypatch.delenv(name)
        (tmp_path / "token").unlink()
        assert len(list(made([rows("churn", 3)]))) == 1
        assert processor.asked[0].headers["authorization"] == "Bearer secret of the driver"


@pytest.mark.parametrize("url", ["localhost", "http://localhost:4317"])
def test_an_endpoint_that_cannot_receive_panes_is_an_error(url: str) -> None:
    with pytest.raises(ValueError, match=r"receiver|gRPC"):
        endpoint_of(url)


def starts(sent: Sequence[Asked]) -> list[int]:
    return [pane.start for one in sent for pane in parse_panes(one.unpacked).panes]


def test_every_pane_is_sent_once() -> None:
    with service(answer) as processor:
        delivered(processor, rows("churn", 5))
        assert sorted(starts(processor.asked)) == [hour * HOUR for hour in range(5)]
