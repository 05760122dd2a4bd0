"""Traffic travels as the OTLP of a service, and arrives as it was."""

from __future__ import annotations

import numpy as np
from driftline.tables.table import Column, Items
from driftline.tables.task import Task
from driftline_processor.core.decode.requests import decode_logs
from driftline_processor.core.windows.window import DAY
from msgspec.structs import replace

from tests.support.drills import START, traffic
from tests.support.unwrap import unwrap

NOW = START + 30 * DAY


def test_predictions_arrive_with_their_inputs_scores_and_latencies() -> None:
    sent = traffic(days=1)
    [table] = [one for body in sent.predictions() for one in decode_logs(body, NOW).predictions]
    assert (table.key.model, table.key.version, table.task.kind) == ("churn", "1", "binary")
    assert table.time.tolist() == sent.time.tolist()
    assert unwrap(table.scores)[:, 0].tolist() == sent.scores[:, 0].tolist()  # type: ignore[index]
    assert table.features["age"].numbers.tolist() == sent.features["age"].numbers.tolist()  # type: ignore[union-attr]
    assert np.allclose(unwrap(table.duration), 0.02)


def test_traffic_without_latency_says_none() -> None:
    body = b"".join(replace(traffic(days=1), duration=None).predictions())
    [table] = decode_logs(body, NOW).predictions
    assert table.duration is None or np.isnan(table.duration).all()


def test_outcomes_arrive_under_the_ids_of_their_predictions() -> None:
    sent = traffic(days=1)
    [table] = [one for body in sent.predictions() for one in decode_logs(body, NOW).predictions]
    truth = [one for body in sent.outcomes() for one in decode_logs(body, NOW).outcomes]
    assert b"".join(one.id.data for one in truth) == table.id.data
    assert sum(map(len, truth)) == 100


def test_an_outcome_that_nobody_knows_does_not_travel() -> None:
    sent = traffic(days=1)
    known = sent.known.copy()
    known[:40] = 0
    truth = [one for body in replace(sent, known=known).outcomes() for one in decode_logs(body, NOW).outcomes]
    assert sum(map(len, truth)) == 60


def test_requests_one_after_the_other_are_one() -> None:
    sent = traffic(days=1)
    decoded = decode_logs(b"".join([*sent.predictions(), *sent.outcomes()]), NOW)
    assert (sum(map(len, decoded.predictions)), sum(map(len, decoded.outcomes))) == (100, 100)


def test_some_rows_of_rankings_keep_their_items() -> None:
    lists = Items(
        np.array([0, 2, 3, 6], np.int32), Column(codes=np.arange(6, dtype=np.int32), categories=tuple("abcdef"))
    )
    whole = replace(traffic(days=1, rows=3, task=Task("ranking")), scores=None, actual=None, items=lists)
    some = whole.take(np.array([0, 2]))
    assert some.items is not None
    assert some.items.offsets.tolist() == [0, 2, 5]
    assert some.items.ids.codes.tolist() == [0, 1, 3, 4, 5]  # type: ignore[union-attr]
