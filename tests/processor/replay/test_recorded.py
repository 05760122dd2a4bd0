"""Rows of files as traffic: outcomes of rankings, and outcomes without a time."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
from driftline_processor.config.model import Model
from driftline_processor.core.windows.window import HOUR
from driftline_processor.readers.column_options import ColumnOptions
from driftline_processor.replay.recorded import DELAY, recorded_traffic
from driftline_processor.replay.traffic import values_of

TIMES = pd.date_range("2026-03-02", periods=3, freq="1D", tz="UTC")


def test_the_outcome_of_a_ranking_is_its_relevant_items(tmp_path: Path) -> None:
    rows = pd.DataFrame({"id": ["a", "b", "c"], "time": TIMES, "items": [["p", "q"], ["q"], ["r"]], "age": [1.0, 2, 3]})
    rows.to_parquet(tmp_path / "rows.parquet")
    known = pd.DataFrame({"id": ["a", "b"], "actual": [json.dumps({"q": 2}), json.dumps(["z"])]})
    known.to_parquet(tmp_path / "outcomes.parquet")
    options = ColumnOptions(model="feed", task="ranking", items="items", time="time", id="id")
    traffic = recorded_traffic(
        [tmp_path / "rows.parquet"], None, tmp_path / "outcomes.parquet", options, Model(), lambda _: None
    )
    assert traffic.actual is not None
    actual = [value if value is None else json.loads(value) for value in values_of(traffic.actual)]
    assert actual == [{"q": 2.0}, {"not listed 1": 1.0}, None]


def test_an_outcome_without_a_time_arrives_before_the_outcome_delay_ends(tmp_path: Path) -> None:
    rows = pd.DataFrame({"time": TIMES, "score": [0.1, 0.5, 0.9], "actual": [0, 1, 1], "age": [1.0, 2, 3]})
    rows.to_parquet(tmp_path / "rows.parquet")
    options = ColumnOptions(model="churn", task="binary", score=("score",), actual="actual", time="time")
    for delay, expected in ((None, DELAY), (timedelta(hours=1), HOUR // 2)):
        settings = Model(outcome_delay=delay)
        traffic = recorded_traffic([tmp_path / "rows.parquet"], None, None, options, settings, lambda _: None)
        assert np.unique(traffic.outcome_time - traffic.time).tolist() == [expected]
