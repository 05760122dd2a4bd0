"""An integer class keeps all its digits, whichever way it enters: classes of 2^53 and more are customer numbers."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import driftline
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from driftline.semconv import attributes as a
from driftline.tables.classes import class_column, class_text, seen_classes
from driftline.tables.performance_columns import actual_numbers
from driftline_processor.cli.outcome_upload import OutcomeColumns, split_outcomes
from driftline_processor.core.decode.requests import decode_logs, decode_traces
from driftline_processor.readers.outcomes.documents import parse_csv, parse_json, parse_ndjson
from driftline_processor.readers.outcomes.messages import outcome_tables
from driftline_processor.readers.outcomes.outcome_rows import OutcomeRows

from tests.support.churn_files import Run
from tests.support.files_of_rows import FILES
from tests.support.otlp_requests import logs, record, span, traces
from tests.support.service import NOW, Service

BIG = 2**53
CLASSES = [17, BIG - 1, BIG, BIG + 1, BIG + 2, 2**63 - 1, -BIG - 1]
TEXTS = [*map(str, CLASSES)]

RESULTS: dict[str, Callable[[list[int]], Any]] = {
    "a list": list,
    "a list of scalars": lambda classes: [np.int64(value) for value in classes],
    "an array": lambda classes: np.array(classes, np.int64),
    "an array of objects": lambda classes: np.array(classes, object),
    "a series": pd.Series,
    "nullable integers": lambda classes: pd.Series(classes, dtype="Int64").to_numpy(),
    "a series of polars": pl.Series,
    "an Arrow array": pa.array,
}


@pytest.mark.parametrize("form", RESULTS)
def test_a_predicted_integer_is_a_class_with_all_digits(form: str) -> None:
    service = Service()
    model = service.model("churn", "multiclass", classes=CLASSES)
    rows = [{"x": float(number)} for number in range(len(CLASSES))]
    model.predict(lambda rows: RESULTS[form](CLASSES))(rows)  # noqa: ARG005

    (table,) = service.tables()
    assert table.predicted is not None
    column = class_column(table.predicted)
    assert column.codes is not None
    assert [column.categories[code] for code in column.codes] == TEXTS


@pytest.mark.parametrize("make", [int, np.int64, lambda value: np.array([value]), lambda value: np.array(value)])
def test_the_class_of_one_row_has_all_digits(make: Callable[[int], Any]) -> None:
    service = Service()
    model = service.model("churn", "multiclass", classes=CLASSES)
    score: Any = model.predict(lambda row: make(row["x"]))
    for value in CLASSES:
        score({"x": value})

    assert {text for table in service.tables() if table.predicted for text in table.predicted.categories} == {*TEXTS}
    assert {str((span.attributes or {})[a.ML_PREDICTION_CLASS]) for span in service.spans} == {*TEXTS}


@pytest.mark.parametrize("value", CLASSES)
def test_an_attribute_keeps_the_digits_of_a_class(value: int) -> None:
    prediction = span({a.ML_MODEL_NAME: "churn", a.ML_PREDICTION_ID: "A-1", a.ML_PREDICTION_CLASS: value})
    outcome = record("ml.outcome", {a.ML_MODEL_NAME: "churn", a.ML_PREDICTION_ID: "A-1", a.ML_OUTCOME_ACTUAL: value})
    (predicted,) = decode_traces(traces([prediction]), NOW).predictions
    (happened,) = decode_logs(logs([outcome]), NOW).outcomes
    assert predicted.predicted is not None
    assert seen_classes([predicted.predicted]) == seen_classes([happened.actual]) == (str(value),)
    assert actual_numbers(happened.actual).tolist() == [float(value)]


def _actuals(rows: OutcomeRows) -> list[str]:
    return [text or class_text(number) for text, number in zip(rows.text.to_pylist(), rows.number, strict=True)]


@pytest.mark.parametrize("others", [[], [0.5], ["gold"], [2**64 - 1]], ids=str)
def test_the_actual_of_a_document_has_all_digits(others: list[Any]) -> None:
    actuals = [*CLASSES, *others]
    outcomes = [{"id": f"A-{number}", "actual": actual} for number, actual in enumerate(actuals)]
    document = json.dumps({"model": "churn", "outcomes": outcomes}).encode()
    cells = "id,actual\n" + "\n".join(f"A-{number},{actual}" for number, actual in enumerate(actuals))
    parsed = {
        "json": parse_json(document, None, None),
        "ndjson": parse_ndjson("\n".join(map(json.dumps, outcomes)).encode(), "churn", None),
        "csv": parse_csv(cells.encode(), "churn", None),
    }
    texts = [*map(str, actuals)]
    assert {kind: _actuals(one.rows) for kind, one in parsed.items()} == dict.fromkeys(parsed, texts)
    (table,), rejected = outcome_tables([document], False, "churn", None, NOW)
    assert ({*seen_classes([table.actual])}, rejected.total()) == ({*texts}, 0)


@pytest.mark.parametrize("kind", FILES)
def test_the_actual_of_a_pushed_file_has_all_digits(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"outcomes.{kind}"
    FILES[kind]({"id": [*range(len(CLASSES))], "actual": CLASSES}, path)
    parsers = {"text/csv": parse_csv, "application/x-ndjson": parse_ndjson}
    parts = split_outcomes(path, OutcomeColumns({}), print)
    assert [text for part in parts for text in _actuals(parsers[part.kind](part.body, "churn", None).rows)] == TEXTS


TYPES: dict[str, pa.DataType] = {
    "int64": pa.int64(),
    "uint64": pa.uint64(),
    "decimal": pa.decimal128(20, 0),
    "dictionary": pa.dictionary(pa.int8(), pa.int64()),
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", [*FILES, *TYPES])
@pytest.mark.parametrize("apart", [True, False], ids=["outcomes apart", "outcomes in the rows"])
def test_a_perfect_model_of_integer_classes_is_perfect_in_files(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, apart: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    classes = [BIG + 1 + number % 3 for number in range(300)]
    columns = {"id": [*range(300)], "predicted": classes, "actual": classes, "x": [0.5, 1.5, 2.5] * 100}

    def write(name: str, *names: str) -> str:
        chosen = {field: columns[field] for field in names}
        if kind in FILES:
            FILES[kind](chosen, tmp_path / f"{name}.{kind}")
            return f"{name}.{kind}"
        arrays = {
            field: pa.array(values, TYPES[kind]) if values is classes else pa.array(values)
            for field, values in chosen.items()
        }
        pq.write_table(pa.table(arrays), tmp_path / f"{name}.parquet")
        return f"{name}.parquet"

    of_rows = ("id", "predicted", "x") if apart else tuple(columns)
    rows, baseline = write("rows", *of_rows), write("baseline", *columns)
    outcomes = ("--outcomes", write("outcomes", "id", "actual")) if apart else ("--actual", "actual")
    result = run("evaluate", rows, "--baseline", baseline, "--task", "multiclass", *outcomes, "--json")

    assert result.exit_code == 0, result.stderr
    (window,) = json.loads(result.stdout)["windows"]
    assert (window["outcomes"]["rows"], window["performance"]["realized"]["accuracy"]["value"]) == (300, 1.0)


FRAMES: dict[str, Callable[[dict[str, Any]], Any]] = {
    "pandas": pd.DataFrame,
    "nullable": lambda columns: pd.DataFrame(columns).convert_dtypes(),
    "objects": lambda columns: pd.DataFrame(columns).astype({"actual": object}),
    "polars": pl.DataFrame,
    "arrow": pa.table,
}


@pytest.mark.parametrize("library", FRAMES)
def test_a_baseline_has_the_integer_classes_of_its_frame(library: str) -> None:
    classes = [BIG + 1 + number % 3 for number in range(300)]
    frame = FRAMES[library]({"x": [0.5, 1.5, 2.5] * 100, "predicted": classes, "actual": classes})
    baseline = driftline.Baseline.from_frame(
        frame, model="churn", task="multiclass", predicted="predicted", actual="actual"
    )
    assert baseline.task.classes == (str(BIG + 1), str(BIG + 2), str(BIG + 3))
