"""Nothing is acknowledged before it is on disk, nothing counts twice, and no request fails its neighbours."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from driftline.semconv import attributes as a
from driftline.semconv import events
from driftline.tables.column_codec import encode_column, texts
from driftline.tables.ranked_items import Ranked, items_of
from driftline.tables.table import Text
from driftline.tables.task import Task
from driftline_processor.config.model import Model
from driftline_processor.config.schema import Limits
from driftline_processor.core.decode.requests import Malformed
from driftline_processor.expected_wait import MOST_WAIT, GroupPace
from driftline_processor.ingest.deduplication import digest_of
from driftline_processor.ingest.request_queue import RequestQueue
from driftline_processor.ingest.transaction import Intake, Request
from driftline_processor.receipts import Overloaded, Receipt, Signal
from driftline_processor.state import State
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord

from tests.support.otlp_requests import logs, record
from tests.support.state_fixtures import Open
from tests.support.state_rows import BINARY, DAY, HOUR, NOON, Clock, Opened, config, outcomes, predictions

NAN = float("nan")


def test_acknowledged_rows_are_in_the_store(state: Opened) -> None:
    assert state.send(predictions(["a", "b"], [NOON, NOON + 1], [0.2, 0.9])) == Receipt(2)
    assert state.send(outcomes(["a"], [1])) == Receipt(1)
    assert state.rows("SELECT seq, id, time, score, predicted FROM predictions ORDER BY seq") == [
        (1, "a", NOON, 0.2, "0"),
        (2, "b", NOON + 1, 0.9, "1"),
    ]
    assert state.rows("SELECT seq, id, number, time FROM outcomes") == [(1, "a", 1.0, NOON + HOUR)]


def test_the_same_bytes_again_are_acknowledged_and_change_nothing(state: Opened) -> None:
    digest = digest_of(b"request")
    for _ in range(2):
        assert state.send(predictions(["a"], keyed=False), digest=digest) == Receipt(1)
    assert state.rows("SELECT count(*) FROM predictions") == [(1,)]
    assert state.counted("request_seen") == 1


def test_the_same_bytes_twice_in_one_transaction_count_once(tmp_path: Path, clock: Clock) -> None:
    state = State(config(tmp_path), clock=clock)
    opened = Opened(state)
    request = opened.request(predictions(["a"], keyed=False))
    futures = [state.offer(request), state.offer(request)]  # both wait before the writer starts
    state.start()
    assert [future.result(60) for future in futures] == [Receipt(1), Receipt(1)]
    assert opened.rows("SELECT count(*) FROM predictions") == [(1,)]
    state.stop()


def test_a_digest_is_known_after_a_restart_and_forgotten_after_a_while(open_state: Open, clock: Clock) -> None:
    digest = digest_of(b"request")
    open_state().send(predictions(["a"], keyed=False), digest=digest)
    state = open_state()
    state.send(predictions(["a"], keyed=False), digest=digest)
    assert state.rows("SELECT count(*) FROM predictions") == [(1,)]
    clock.now += HOUR
    state = open_state()
    state.send(predictions(["a"], keyed=False), digest=digest)
    assert state.rows("SELECT count(*) FROM predictions") == [(2,)]


def test_a_batch_counts_once_whatever_request_it_comes_in(open_state: Open, clock: Clock) -> None:
    state = open_state()
    batch = predictions(["a", "b"], keyed=False)
    assert state.send(batch, batch="batch-1") == Receipt(2)
    clock.now += 6 * DAY
    state = open_state()
    assert state.send(batch, predictions(["c"], keyed=False), batch="batch-1") == Receipt(3)
    assert state.rows("SELECT id FROM predictions") == [("a",), ("b",)]
    assert state.counted("batch_seen") == 3
    state.send(batch, batch="batch-2")
    assert state.rows("SELECT count(*) FROM predictions") == [(4,)]


@pytest.mark.slow
def test_a_plain_row_is_known_by_its_time_and_id(open_state: Open) -> None:
    state = open_state()
    state.send(predictions(["a", "b", "a"], [NOON, NOON, NOON]))
    state.send(predictions(["a", "c"], [NOON, NOON]), predictions(["c"], NOON))
    state = open_state()
    state.send(predictions(["b", "d"], [NOON, NOON]))
    assert state.rows("SELECT id FROM predictions ORDER BY seq") == [("a",), ("b",), ("c",), ("d",)]
    assert state.counted("row_seen") == 1
    assert state.view().rows == 4


@pytest.mark.slow
def test_the_same_id_at_another_time_or_of_another_version_is_another_prediction(state: Opened) -> None:
    state.send(predictions(["a"], NOON), predictions(["a"], NOON + 1), predictions(["a"], NOON, version="2"))
    assert state.rows("SELECT count(*) FROM predictions") == [(3,)]


def test_rows_without_an_id_all_count(state: Opened) -> None:
    state.send(predictions(["", ""], NOON))
    state.send(predictions([""], NOON))
    assert state.rows("SELECT count(*) FROM predictions") == [(3,)]


def test_a_request_that_cannot_be_stored_fails_alone(
    tmp_path: Path, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    state = State(config(tmp_path), clock=clock)
    opened = Opened(state)
    broken = predictions(["a"])
    broken.id = Text(np.array([0, 2], dtype=np.int32), b"\xff\xfe")  # no UTF-8: decoding would have refused it
    requests = [predictions(["x"]), broken, predictions(["y"])]
    futures = [state.offer(opened.request(table)) for table in requests]
    state.start()
    assert futures[0].result(60) == Receipt(1)
    assert futures[1].exception(60) is not None
    assert futures[2].result(60) == Receipt(1)
    assert opened.rows("SELECT seq, id FROM predictions ORDER BY id") == [(1, "x"), (2, "y")]
    assert "1 of 3 rows cannot be stored and are counted as not_stored" in caplog.text
    assert opened.view().rows == 2
    state.stop()


def test_a_full_queue_says_so_but_one_request_is_always_taken(tmp_path: Path, clock: Clock) -> None:
    state = State(config(tmp_path), clock=clock, queue_bytes=100)
    big = outcomes(["a"] * 10, [1] * 10)
    taken = state.submit_outcomes([big], digest_of(b"1"))
    with pytest.raises(Overloaded) as full:
        state.submit_outcomes([big], digest_of(b"2"))
    assert full.value.retry_after <= 2
    state.start()
    assert taken.result(60) == Receipt(10)
    state.stop()
    with pytest.raises(Overloaded):
        state.submit_outcomes([big], digest_of(b"3"))


def test_what_holds_nothing_for_the_analysis_needs_no_transaction(tmp_path: Path, clock: Clock) -> None:
    state = State(config(tmp_path), clock=clock)
    assert state.submit("metrics", b"").result(0) == Receipt()
    assert state.submit("traces", b"").result(0) == Receipt()
    assert state.submit("logs", b"").result(0) == Receipt()
    state.stop()


@pytest.mark.parametrize("signal", ["traces", "logs", "metrics"])
def test_a_malformed_body_is_refused_at_once(open_state: Open, signal: Signal) -> None:
    with pytest.raises(Malformed):
        open_state().state.submit(signal, b"\x0a\xff")


def test_what_waits_is_written_before_the_state_stops(tmp_path: Path, clock: Clock) -> None:
    state = State(config(tmp_path), clock=clock)
    futures = [
        state.offer(Opened(state).request(predictions([str(i)]), digest=digest_of(b"%d" % i))) for i in range(50)
    ]
    state.start()
    state.stop()
    assert all(future.result(0) == Receipt(1) for future in futures)


@pytest.mark.parametrize("time", [0, -1, NOON + 400 * DAY, 2**63 - 1, -(2**63)])
def test_an_absurd_time_is_refused_and_its_neighbours_are_kept(state: Opened, time: int) -> None:
    assert state.send(predictions(["a", "b"], [time, NOON])) == Receipt(1, Counter(time_out_of_range=1))
    assert state.send(outcomes(["a", "b"], [1, 1], [NOON, time])) == Receipt(1, Counter(time_out_of_range=1))
    assert state.rows("SELECT id FROM predictions UNION ALL SELECT id FROM outcomes") == [("b",), ("a",)]


def batch_record(ids: list[str], times: list[int], **things: object) -> LogRecord:
    columns = {
        a.ML_PREDICTION_ID: encode_column(texts(ids)),
        a.DRIFTLINE_PREDICTION_TIME_UNIX_NANO: encode_column(np.array(times)),
        a.ML_PREDICTION_SCORE: encode_column(np.full(len(ids), 0.5)),
    }
    head = {
        a.ML_MODEL_NAME: "churn",
        a.ML_PREDICTION_COUNT: len(ids),
        **things,
        a.DRIFTLINE_PREDICTION_COLUMNS: columns,
    }
    return record(events.DRIFTLINE_PREDICTION_BATCH, head)


def test_rows_that_cannot_be_used_are_counted_by_their_reason_and_the_others_kept(open_state: Open) -> None:
    far = NOON + 400 * DAY
    sent = [
        batch_record(["a", "b", "c"], [far] * 3),  # of which nothing is kept
        batch_record(["d", "e", "f"], [far, far, NOON]),  # one row is
        batch_record(["g", "h"], [NOON] * 2, **{a.ML_MODEL_NAME: ""}),
        record(events.ML_OUTCOME, {a.ML_MODEL_NAME: "churn", a.ML_PREDICTION_ID: "f"}),
    ]
    state = open_state()
    partial = state.state.submit("logs", logs(sent)).result(30).partial_success
    assert partial is not None
    assert (partial.rejected, partial.message.partition(" rows")[0]) == (1, "time_out_of_range: 5")
    reasons = ("time_out_of_range", "no_model_name", "no_actual")
    assert [state.counted(reason) for reason in reasons] == [5, 2, 1]
    assert state.rows("SELECT id FROM predictions") == [("f",)]


def test_rows_of_a_model_without_a_place_are_counted(open_state: Open) -> None:
    state = open_state(limits=Limits(models=1))
    state.send(predictions(["a"], model="first"))
    far = NOON + 400 * DAY
    sent = [batch_record(["a", "b", "c"], [NOON] * 3), batch_record(["d", "e", "f"], [far, NOON, NOON])]
    state.state.submit("logs", logs(sent)).result(30)
    assert [state.counted(reason) for reason in ("model_limit", "time_out_of_range")] == [5, 1]
    assert state.rows("SELECT id FROM predictions") == [("a",)]


def test_a_bad_baseline_is_counted_and_its_neighbours_are_kept(state: Opened) -> None:
    receipt = state.send(predictions(["a"]), baselines=["{}", "no json"])
    assert receipt == Receipt(1, Counter(bad_baseline=2))
    assert state.rows("SELECT count(*) FROM baselines") == [(0,)]


def test_an_empty_table_is_no_row(state: Opened) -> None:
    assert state.send(predictions([]), predictions(["a"]), outcomes([], [])) == Receipt(1)
    assert state.rows("SELECT count(*) FROM predictions") == [(1,)]


def test_declared_slices_are_kept_with_the_rows_and_others_are_not(open_state: Open) -> None:
    state = open_state(churn=Model(slices=("region", "tier")))
    sliced: dict[str, Sequence[object]] = {"region": ["north", None], "tier": [1, 2], "secret": ["x", "y"]}
    state.send(predictions(["a", "b"], slices=sliced), predictions(["c"]))
    rows = [slices for (slices,) in state.rows("SELECT slices FROM predictions ORDER BY seq")]
    assert rows == [[("region", "north"), ("tier", "1")], [("tier", "2")], []]


@pytest.mark.parametrize(
    ("task", "scores", "predicted"),
    [
        (BINARY, [0.2, NAN, NAN], [None, "1", None]),
        (Task("multiclass", ("a", "b", "c")), [[0.2, 0.3, 0.5], [NAN] * 3, [NAN] * 3], [None, "b", None]),
        (Task("regression"), [17.0, 0.0, NAN], None),
        (Task("multiclass", ("a", "b")), None, ["a", "b", None]),
    ],
)
def test_predictions_without_score_or_class_are_counted_in_a_hint(
    open_state: Open, task: Task, scores: list[float] | None, predicted: list[object] | None
) -> None:
    state = open_state()
    state.send(predictions(["a", "b", "c"], scores=scores, predicted=predicted, task=task))
    said = (
        "1 of 3 predictions of churn arrived without score or class: either the call failed, "
        "or its return value is not a score; see the log of the service."
    )
    assert said in state.view().hints
    assert said in open_state().view().hints


def test_a_ranking_without_scores_is_no_hint(state: Opened) -> None:
    state.send(predictions(["a", "b", "c"], scores=None, task=Task("ranking")))
    assert not any("without score" in hint for hint in state.view().hints)


def test_a_call_that_raises_now_and_then_is_no_hint(state: Opened) -> None:
    state.send(predictions([str(row) for row in range(101)], scores=[0.5] * 100 + [NAN]))
    assert not any("without score" in hint for hint in state.view().hints)


def test_classes_beyond_those_of_the_task_are_counted_as_other(state: Opened) -> None:
    state.send(predictions(["a", "b", "c"], scores=[0.1, 0.9, float("nan")], predicted=[None, "maybe", None]))
    assert state.view().by_class == {"0": 1.0, "other": 1.0, "": 1.0}


def test_rankings_are_taken_in_with_the_score_of_their_first_item(state: Opened) -> None:
    said = {a.ML_MODEL_NAME: "shelf", a.ML_MODEL_TASK: "ranking", a.DRIFTLINE_PREDICTION_ITEMS: ["a", "b"]}
    rows = [
        record(
            events.ML_PREDICTION,
            {
                **said,
                a.ML_PREDICTION_ID: f"r{row}",
                a.DRIFTLINE_PREDICTION_ITEMS: ["a", "b"],
                a.DRIFTLINE_PREDICTION_SCORES: [0.9, row],
            },
            time_unix_nano=NOON + row,
        )
        for row in range(4)
    ]
    for bodies in (logs(rows[:3]), logs(rows[1:])):  # the second has two rows that are known
        state.state.submit("logs", bodies).result(60)
    assert state.rows("SELECT id, score FROM predictions ORDER BY id") == [(f"r{row}", 0.9) for row in range(4)]
    assert state.view("shelf", "").task.kind == "ranking"


def test_what_was_ranked_is_kept_and_what_is_left_out_is_counted(state: Opened) -> None:
    many = tuple(f"i{number}" for number in range(130))
    sent: list[list[Ranked | None]] = [[(("a", "b"), (0.5, 0.25)), ((), None)], [(many, None)]]
    for step, ranked in enumerate(sent):
        table = predictions(
            [f"{step}-{row}" for row in range(len(ranked))], scores=[0.5] * len(ranked), task=Task("ranking")
        )
        table.items = items_of(ranked)
        state.send(table)
    kept = state.rows("SELECT items, item_scores, left_out FROM predictions ORDER BY seq")
    assert kept[:2] == [(["a", "b"], [0.5, 0.25], None), ([], [], None)]
    assert kept[2] == (list(many[:100]), None, 30)


class HangingIntake:
    """Storage whose transaction lasts until it may end."""

    outage = None

    def __init__(self) -> None:
        self.began, self.go_on = threading.Event(), threading.Event()

    def take(self, requests: Sequence[Request], *_: object) -> list[Receipt]:
        self.began.set()
        assert self.go_on.wait(60)
        return [Receipt() for _ in requests]


def test_a_request_behind_a_transaction_that_hangs_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    intake, now = HangingIntake(), [0.0]
    queue = RequestQueue(cast(Intake, intake))
    monkeypatch.setattr(queue, "_pace", GroupPace(lambda: now[0]))
    queue.start()
    try:
        first = queue.submit_outcomes([outcomes(["a"], [1])], digest_of(b"first"))
        assert intake.began.wait(60)
        now[0] = MOST_WAIT + 1
        with pytest.raises(Overloaded):
            queue.submit_outcomes([outcomes(["b"], [1])], digest_of(b"second"))
    finally:
        intake.go_on.set()
        queue.stop()
    assert first.result(60) == Receipt()
