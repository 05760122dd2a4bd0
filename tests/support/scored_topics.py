"""Scored rows, the messages that bring them to topics of Kafka, and the panes that a job makes of them."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from driftline.baseline.baseline import Baseline
from driftline.batch_panes import MadePane, MadePanes, make_panes
from driftline.semconv import attributes as a
from driftline.semconv import events
from driftline.tables.column_codec import encode_column, texts
from driftline.tables.table import Column
from numpy.typing import NDArray

from .otlp_requests import FEATURE, SLICE, logs, record, span, traces

HOUR = 3600 * 10**9
FEATURES = ("age", "balance", "visits")
REGIONS = ("north", "south", "west")
ENVIRONMENT = "prod"

DAY = 24 * HOUR


def days_ago(days: int) -> int:
    """Return a midnight in UTC, unix nanoseconds: a processor refuses panes of the future and deletes old ones."""
    return (time.time_ns() // DAY - days) * DAY


Frame = dict[str, NDArray[Any]]
"""Columns of n rows: id, at (unix nanoseconds), the features, region, p and y."""

Sums = dict[tuple[int, str], Mapping[str, NDArray[np.float64]]]
"""Start and slice → the sums of a pane."""


def scored(rows: int, start: int, hours: float, seed: int) -> Frame:
    """Return rows between a time, unix nanoseconds, and some hours later."""
    random = np.random.default_rng(seed)
    frame: Frame = {name: random.normal(size=rows) for name in FEATURES}
    frame["p"] = random.uniform(size=rows)
    frame["y"] = (random.uniform(size=rows) < frame["p"]).astype(int)
    frame["at"] = start + np.sort(random.integers(0, int(HOUR * hours), rows))
    frame["region"] = random.choice(REGIONS, rows)
    frame["id"] = np.array([f"{seed}-{row}" for row in range(rows)])
    return frame


def baseline_of(frame: Frame) -> Baseline:
    """Return the baseline of the model ``churn``."""
    columns = {name: frame[name] for name in (*FEATURES, "p", "y")}
    return Baseline.from_frame(columns, score="p", actual="y", model="churn", version="1", task="binary")


def taken(frame: Frame, rows: slice | NDArray[Any]) -> Frame:
    """Return some rows."""
    return {name: values[rows] for name, values in frame.items()}


def span_messages(frame: Frame, together: int = 100, model: str = "churn") -> list[bytes]:
    """Return requests with a span per row."""
    spans = []
    for row, at in enumerate(frame["at"].tolist()):
        about: dict[str, Any] = {
            a.ML_MODEL_NAME: model,
            a.ML_MODEL_VERSION: "1",
            a.ML_OPERATION_NAME: "predict",
            a.ML_PREDICTION_ID: str(frame["id"][row]),
            a.ML_PREDICTION_SCORE: float(frame["p"][row]),
            f"{SLICE}region": str(frame["region"][row]),
        }
        about |= {FEATURE + name: float(frame[name][row]) for name in FEATURES}
        spans.append(span(about, start_time_unix_nano=at, end_time_unix_nano=at))
    return [traces(spans[first : first + together], ENVIRONMENT) for first in range(0, len(spans), together)]


def columnar_messages(frame: Frame, together: int = 100, model: str = "churn") -> list[bytes]:
    """Return requests with a columnar record each."""
    found = []
    for first in range(0, len(frame["at"]), together):
        rows = taken(frame, slice(first, first + together))
        labels, codes = np.unique(rows["region"], return_inverse=True)
        columns: dict[str, Any] = {
            a.ML_PREDICTION_ID: texts(map(str, rows["id"])),
            a.DRIFTLINE_PREDICTION_TIME_UNIX_NANO: rows["at"],
            a.ML_PREDICTION_SCORE: rows["p"],
            f"{SLICE}region": Column(codes=codes.astype(np.int32), categories=tuple(map(str, labels))),
            **{FEATURE + name: rows[name] for name in FEATURES},
        }
        about = {
            a.ML_MODEL_NAME: model,
            a.ML_MODEL_VERSION: "1",
            a.DRIFTLINE_BATCH_ID: f"{rows['id'][0]}",
            a.ML_PREDICTION_COUNT: len(rows["at"]),
            a.DRIFTLINE_PREDICTION_COLUMNS: {name: encode_column(values) for name, values in columns.items()},
        }
        found.append(logs([record(events.DRIFTLINE_PREDICTION_BATCH, about)], ENVIRONMENT))
    return found


def outcome_messages(
    ids: Sequence[str] | NDArray[Any],
    actual: Sequence[int] | NDArray[Any],
    times: int | NDArray[Any],
    together: int = 500,
    model: str = "churn",
    **more: Any,
) -> list[bytes]:
    """Return requests with an outcome per row; ``times``: when they became known, unix nanoseconds."""
    records = [
        record(
            events.ML_OUTCOME,
            {
                a.ML_MODEL_NAME: model,
                a.ML_PREDICTION_ID: str(prediction),
                a.ML_OUTCOME_ACTUAL: str(int(value)),
                a.DRIFTLINE_OUTCOME_TIME_UNIX_NANO: int(time),
                **more,
            },
            time_unix_nano=int(time),
        )
        for prediction, value, time in zip(ids, actual, np.broadcast_to(times, len(ids)), strict=True)
    ]
    return [logs(records[first : first + together], ENVIRONMENT) for first in range(0, len(records), together)]


RETRACTED: dict[str, Any] = {a.DRIFTLINE_OUTCOME_RETRACTED: True}


def panes_of(frame: Frame, baseline: Baseline, actual: NDArray[Any], outcome_time: NDArray[Any]) -> MadePanes:
    """Return the panes of rows; ``actual``: None without an outcome."""
    columns = {name: frame[name] for name in (*FEATURES, "p", "at", "region")}
    table = pa.table({**columns, "y": pa.array(actual.tolist(), pa.string()), "known": outcome_time})
    return make_panes(
        table, baseline, time="at", score="p", actual="y", outcome_time="known", slices=["region"],
        environment=ENVIRONMENT,
    )  # fmt: skip


def sums_of(panes: Iterable[MadePane]) -> Sums:
    """Return panes by start and slice."""
    return {(pane.start, pane.slice): pane.sums for pane in panes}


OF_SPANS = frozenset({"duration"})
"""Parts that predictions have because they are spans."""


def difference(one: Sums, other: Sums, without: Collection[str] = OF_SPANS) -> float:
    """Return the greatest difference of a sum, as a fraction of the greatest sum of its part; infinity if panes lack.

    A part that a pane does not have is all zeros. ``without``: parts that are not compared.
    """
    if one.keys() != other.keys():
        return float("inf")
    worst = 0.0
    for place, sums in one.items():
        for part in {*sums, *other[place]} - {*without}:
            left, right = sums.get(part, np.zeros(1)), other[place].get(part, np.zeros(1))
            size = max(np.abs(left).max(initial=0), np.abs(right).max(initial=0))
            if size:
                worst = max(worst, float(np.abs(left - right).max() / size))
    return worst
