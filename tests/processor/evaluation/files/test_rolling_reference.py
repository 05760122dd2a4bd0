"""Files whose windows are compared with the rows before them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from driftline.baseline.from_frame import table_from_frame
from driftline.panes.fold import fold
from driftline_processor.core import facts
from driftline_processor.core.reference.rolling import Rolling
from driftline_processor.core.windows.window import Window
from driftline_processor.evaluation.files.evaluate import EvaluationResult, evaluate_files
from driftline_processor.evaluation.files.evaluate_options import EvaluationOptions
from driftline_processor.evaluation.files.inputs import EvaluationInputs
from driftline_processor.evaluation.files.rolling_reference import read_rolling
from driftline_processor.readers.errors import BadInput

from tests.support.slow import slow
from tests.support.unwrap import of_type

HOUR = 3_600 * 10**9
START = 20_000 * 24 * HOUR


def rows(hours: int, an_hour: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(3)
    n = hours * an_hour
    return {"ts": START + rng.integers(0, hours * HOUR, n), "age": rng.normal(size=n), "score": rng.random(n)}


def evaluate(path: Path, rolling: Rolling | None, **options: Any) -> EvaluationResult:
    if rolling is not None:
        options |= {"reference_last": rolling.last, "reference_without": rolling.without}
    declared = EvaluationOptions(model="m", task="binary", time="ts", features=("age",), **options)
    return evaluate_files(EvaluationInputs([path]), declared, lambda _: None)


@pytest.mark.parametrize(
    ("last", "without", "window"), [slow("12h", "", "1h"), slow("12h", "5h", "2h"), ("24h", "36h", "1d")]
)
def test_each_window_is_compared_with_exactly_the_rows_of_its_past(
    tmp_path: Path, last: str, without: str, window: str
) -> None:
    frame = rows(96, 120)
    pq.write_table(pa.table(frame), tmp_path / "rows.parquet")
    rolling = Rolling(last, without)
    found = evaluate(tmp_path / "rows.parquet", rolling, window=window)
    judged = 0
    drifted: list[Window] = []

    def known(_since: int) -> list[Window]:
        return drifted

    for one in found.evaluations:
        ranges = rolling.periods(one.window, drifted=known).ranges
        inside = np.any([(frame["ts"] >= start) & (frame["ts"] < end) for start, end in ranges], axis=0)
        drifted += [one.window] * one.rolling_drift
        if int(inside.sum()) < 1_000:
            assert one.compared[0].kind == "last_rows_too_few"
            continue
        judged += 1
        past = {name: values[inside] for name, values in frame.items()}
        table, *_ = table_from_frame(past, score="score", model="m", task="binary", features=["age"])
        expected = fold(table, found.baseline.bins).parts
        assert of_type(one.compared[0], facts.OwnLastRows).rows == inside.sum()
        column, age = one.score, one.features["age"]
        assert column is not None
        for drawn, part in ((column, "score"), (age, "feature:age")):
            counts = expected[part][:-2]
            assert drawn.was is not None
            assert drawn.was.sum() == pytest.approx(1.0)
            ks = np.abs(np.cumsum(_now(frame, one.window, found, part) - counts / counts.sum())).max()
            assert drawn.methods["ks"].value == pytest.approx(ks, abs=1e-12)
    assert judged >= 2
    assert len(drifted) == {"1h": 1, "2h": 0, "1d": 0}[window]


def _now(frame: dict[str, np.ndarray], window: object, found: EvaluationResult, part: str) -> np.ndarray:
    inside = (frame["ts"] >= window.start) & (frame["ts"] < window.end)  # type: ignore[attr-defined]
    some = {name: values[inside] for name, values in frame.items()}
    table, *_ = table_from_frame(some, score="score", model="m", task="binary", features=["age"])
    counts = fold(table, found.baseline.bins).parts[part][:-2]
    return np.asarray(counts / counts.sum())


def test_what_cannot_be_is_said_with_the_fix(tmp_path: Path) -> None:
    frame = rows(30, 50)
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table(frame), path)
    rolling = Rolling("12h")
    with pytest.raises(BadInput, match=r"--baseline is missing: use a built baseline .*--reference-last 30d"):
        evaluate(path, None)
    with pytest.raises(BadInput, match=r"--exact: .*--reference-last"):
        evaluate(path, rolling, exact=True)
    with pytest.raises(BadInput, match=r"--reference-last: .*--window-rows"):
        evaluate(path, rolling, window_rows=10)
    with pytest.raises(BadInput, match=r"--reference-last:.*'30'.*'30h'.*'30m'"):
        read_rolling("30", "")
    with pytest.raises(BadInput, match=r"--reference-without:.*'7m'.*5 minutes"):
        read_rolling("30d", "7m")
    with pytest.raises(BadInput, match=r"--reference-without: .*--reference-last 30d"):
        read_rolling("", "24h")
    pq.write_table(pa.table({"age": frame["age"]}), path)
    with pytest.raises(BadInput, match=r"--reference-last.*--time"):
        evaluate_files(EvaluationInputs([path]), EvaluationOptions(reference_last="12h"), lambda _: None)
