"""Panes that a batch job makes from rows, and their way to the processor."""

from __future__ import annotations

import base64
import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
from driftline import Baseline, Privacy, Undelivered, batch_panes, make_panes
from driftline.batch_panes import post_panes
from driftline.export.endpoint import resolve
from driftline.export.transport import Delivery
from driftline.tables.column_codec import decode_numbers

HOUR = 3_600 * 10**9
START = 500_000 * HOUR


def frame(rows: int = 400) -> pd.DataFrame:
    random = np.random.default_rng(1)
    score = random.random(rows)
    return pd.DataFrame(
        {
            "age": random.normal(40, 10, rows),
            "city": random.choice(["Ghent", "Lyon"], rows),
            "score": score,
            "actual": (random.random(rows) < score).astype(int),
            "time": pd.to_datetime(START + random.integers(0, 4 * HOUR, rows), utc=True),
        }
    )


def baseline_of(rows: pd.DataFrame, **options: Any) -> Baseline:
    return Baseline.from_frame(
        rows, score="score", actual="actual", time="time", model="churn", task="binary", **options
    )


class Recorder:
    """A channel that keeps what is posted, and answers in turn."""

    def __init__(self, *answers: tuple[Delivery, dict[str, Any]]) -> None:
        self.bodies = list[dict[str, Any]]()
        self._answers = list(answers)

    def post(self, url: str, body: bytes, content_type: str, timeout: float) -> tuple[Delivery, bytes]:
        assert (url, content_type, timeout) == ("http://d/v1/panes", "application/json", 30.0)
        self.bodies.append(json.loads(body))
        delivery, answer = self._answers.pop(0)
        return delivery, json.dumps(answer).encode()

    def close(self) -> None:
        """Nothing is open."""


def accepted(panes: int, *refused: int) -> tuple[Delivery, dict[str, Any]]:
    reasons = [{"index": index, "reason": "late"} for index in refused]
    return Delivery("delivered"), {
        "accepted": panes, "replaced": 1, "unchanged": 2, "superseded": 3, "refused": reasons,
    }  # fmt: skip


def test_columns_have_the_names_of_the_baseline_and_rows_their_hours() -> None:
    rows = frame()
    panes = make_panes(rows, baseline_of(rows))
    assert [pane.start for pane in panes.panes] == [START + hour * HOUR for hour in range(4)]
    assert (panes.rows, panes.model, panes.version, panes.baseline) == (400, "churn", "", baseline_of(rows).digest)
    hours = (rows["time"].to_numpy(np.int64) - START) // HOUR
    assert [pane.sums["rows"].tolist() for pane in panes.panes] == [[n, n, n] for n in np.bincount(hours).tolist()]
    assert all(pane.sums["outcomes"][0] == pane.sums["rows"][0] for pane in panes.panes)


def test_a_feature_without_a_column_is_missing_and_other_columns_are_ignored() -> None:
    rows = frame()
    [pane] = make_panes(rows.drop(columns="age").assign(income=1.0), baseline_of(rows), span="1d").panes[:1]
    assert pane.sums["feature:age"][-2] == pane.sums["rows"][0]
    assert not any("income" in part for part in pane.sums)


def test_slices_have_panes_of_their_own() -> None:
    rows = frame()
    panes = [pane for pane in make_panes(rows, baseline_of(rows), slices=["city"]).panes if pane.slice]
    assert {pane.slice for pane in panes} == {"city=Ghent", "city=Lyon"}
    assert sum(pane.sums["rows"][0] for pane in panes if pane.slice == "city=Lyon") == (rows["city"] == "Lyon").sum()
    assert "score_grid:1" not in panes[0].sums


def test_rows_without_a_time_are_left_out(caplog: pytest.LogCaptureFixture) -> None:
    rows = frame()
    times = rows["time"].astype(str).tolist()
    panes = make_panes(rows, baseline_of(rows), time=["never", *times[1:]])
    assert panes.rows == 399
    assert "1 rows without a time are not in a pane" in caplog.text


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"span": "1w"}, "span: '1w' is not the length of a pane; use '5m', '1h' or '1d'"),
        ({"span": "5m", "slices": ["city"]}, "slices: panes of slices are of an hour or a day; use span='1h'"),
        ({"timezone": "Mars/Olympus"}, "timezone='Mars/Olympus' is not a time zone"),
        ({"time": "when"}, "time: there is no column 'when'"),
        ({"time": ["never"] * 400}, "time: none of the values can be read as a time"),
        ({"outcome_time": [1]}, "outcome_time has 1 values and the frame has 400 rows"),
    ],
)
def test_what_cannot_be_folded_is_an_error(options: dict[str, Any], sentence: str) -> None:
    rows = frame()
    with pytest.raises(ValueError, match="^" + sentence):
        make_panes(rows, baseline_of(rows), **options)


def test_a_baseline_without_times_needs_them() -> None:
    rows = frame()
    baseline = Baseline.from_frame(rows, score="score", model="churn", task="binary", features=["age"])
    with pytest.raises(ValueError, match=r"^the time of each prediction is missing; pass time="):
        make_panes(rows, baseline)


def test_privacy_rules_apply_before_rows_are_counted() -> None:
    rows, rules = frame(), Privacy(hash=("city",), deny=("age",), key="a key of 16 bytes or more")
    protected = baseline_of(rows, privacy=rules)
    panes = make_panes(rows, protected, privacy=rules)
    assert panes.baseline == protected.digest
    assert not any("age" in part for pane in panes.panes for part in pane.sums)
    assert sum(pane.sums["feature:city"][:2].sum() for pane in panes.panes) == 400  # the hashes of the baseline
    assert make_panes(rows, baseline_of(rows), privacy=rules).baseline == protected.digest


def column(text: str) -> list[float]:
    return [float(value) for value in decode_numbers(base64.b64decode(text))]


def test_sums_are_written_part_by_part_as_places_or_all_of_them() -> None:
    rows = frame()
    made = make_panes(rows, baseline_of(rows), slices=["city"], environment="prod")
    [(first, body)] = made.requests("nightly", 7)
    document = json.loads(body)
    packed, sums = document["packed"], document["packed"]["sums"]
    assert (first, document["environment"], document["source"], document["epoch"]) == (0, "prod", "nightly", 7)
    assert packed["span"] == "1h"
    assert packed["starts"] == [pane.start for pane in made.panes]
    assert packed["slices"] == [pane.slice for pane in made.panes]
    for part in ("rows", "outcomes"):
        assert column(sums[part]) == np.concatenate([pane.sums[part] for pane in made.panes]).tolist()
    having = [pane.sums["score_grid:1"] for pane in made.panes if "score_grid:1" in pane.sums]
    assert column(sums["score_grid:1"]["panes"]) == [0, 1, 2, 3]  # those of slices do not have it
    assert column(sums["score_grid:1"]["counts"]) == [np.count_nonzero(values) for values in having]
    assert column(sums["score_grid:1"]["places"]) == np.concatenate([np.flatnonzero(v) for v in having]).tolist()
    assert column(sums["score_grid:1"]["sums"]) == np.concatenate([v[v != 0] for v in having]).tolist()


def test_many_panes_are_several_requests_whose_answers_add_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_panes, "REQUEST_BYTES", 1)
    rows = frame()
    panes = make_panes(rows, baseline_of(rows), environment="")
    channel = Recorder(accepted(1), accepted(0, 0), accepted(1), accepted(1))
    sent = post_panes(channel, "http://d/v1/panes", panes, "nightly", 1)
    assert (sent.accepted, sent.replaced, sent.unchanged, sent.superseded) == (3, 4, 8, 12)
    assert [(one.index, one.reason) for one in sent.refused] == [(1, "late")]
    assert [len(body["packed"]["starts"]) for body in channel.bodies] == [1, 1, 1, 1]


def test_a_refused_request_is_an_error_with_the_reason_of_the_processor() -> None:
    rows = frame()
    answer = {"error": "the panes are counted over the baseline a, and churn has the baseline b"}
    channel = Recorder((Delivery("refused", "HTTP 409"), answer))
    other = Recorder((Delivery("delivered"), {"status": "ok"}))
    with pytest.raises(Undelivered, match="another server answers at this address"):
        post_panes(other, "http://d/v1/panes", make_panes(rows, baseline_of(rows)), "nightly", 1)
    with pytest.raises(Undelivered, match=r"refused the panes: HTTP 409 .*churn has the baseline b"):
        post_panes(channel, "http://d/v1/panes", make_panes(rows, baseline_of(rows)), "nightly", 1)


def test_panes_go_beside_the_records() -> None:
    assert resolve(environ={"DRIFTLINE_ENDPOINT": "http://d:4318"}).panes == "http://d:4318/v1/panes"
    with pytest.raises(
        ValueError, match=r"^send_panes\(\) sends panes over HTTP, but http://d:4317 is a gRPC endpoint"
    ):
        assert resolve(environ={"DRIFTLINE_ENDPOINT": "http://d:4317"}).panes
