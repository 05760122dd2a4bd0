"""Requests captured by SageMaker and Vertex AI are rows of a model."""

from __future__ import annotations

import base64
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from driftline_processor.readers.errors import BadInput
from driftline_processor.readers.sources import open_source

from tests.support.churn_files import Run


def _capture(data: str, output: str, number: int = 0, encoding: str = "CSV", **event: str) -> dict[str, Any]:
    return {
        "captureData": {
            "endpointInput": {"observedContentType": "text/csv", "mode": "INPUT", "data": data, "encoding": encoding},
            "endpointOutput": {
                "observedContentType": "text/csv; charset=utf-8",
                "mode": "OUTPUT",
                "data": output,
                "encoding": encoding,
            },
        },
        "eventMetadata": {"eventId": f"e{number}", "inferenceTime": f"2026-03-01T10:00:{number % 60:02}Z", **event},
        "eventVersion": "0",
    }


def _write(path: Path, records: list[Any]) -> Path:
    path.write_text("".join((r if isinstance(r, str) else json.dumps(r)) + "\n" for r in records))
    return path


def _rows(path: Path, *features: str) -> tuple[list[dict[str, Any]], list[str]]:
    said = list[str]()
    source = open_source(path, (), said.append, features=features)
    return pa.table({name: source.column(name) for name in source.schema.names}).to_pylist(), said


def test_a_csv_payload_has_the_names_of_the_features_in_order(tmp_path: Path) -> None:
    rows, said = _rows(
        _write(tmp_path / "c.jsonl", [_capture("31,basic", "0.8", 1), _capture(",pro\n", "0.25\n", 2)]), "age", "plan"
    )
    assert rows == [
        {"age": 31, "plan": "basic", "id": "e1", "time": "2026-03-01T10:00:01Z", "score": 0.8},
        {"age": None, "plan": "pro", "id": "e2", "time": "2026-03-01T10:00:02Z", "score": 0.25},
    ]
    assert said == []


@pytest.mark.parametrize("output", ["0.8\n0.25", "0.8,0.25", '{"predictions": [{"score": 0.8}, {"score": 0.25}]}'])
def test_a_request_of_two_rows_becomes_two_rows(tmp_path: Path, output: str) -> None:
    rows, _ = _rows(_write(tmp_path / "c.jsonl", [_capture("31,1\n5,2", output, inferenceId="order-7")]), "a", "b")
    assert [(row["id"], row["a"], row["score"]) for row in rows] == [
        ("order-7.0", 31, 0.8), ("order-7.1", 5, 0.25)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("output", "columns"),
    [
        ('{"predictions": [{"predicted_label": 1, "score": 0.8}]}', {"predicted": 1, "score": 0.8}),
        ('{"predictions": [{"prediction": "yes", "probability": 0.9}]}', {"predicted": "yes", "score": 0.9}),
        ('{"predictions": [{"classes": ["a", "b"], "scores": [0.2, 0.8]}]}', {"score": 0.8}),
        ('{"predictions": [1], "probabilities": [0.85]}', {"predicted": 1, "score": 0.85}),
        ("[0.1, 0.2, 0.7]", {"score_0": 0.1, "score_1": 0.2, "score_2": 0.7}),
        ('{"predictions": [1]}', {"predicted": 1}),
        ("yes,0.9", {"predicted": "yes", "score": 0.9}),
    ],
)
def test_the_content_of_the_response_decides_between_scores_and_classes(
    tmp_path: Path, output: str, columns: dict[str, Any]
) -> None:
    [row], _ = _rows(_write(tmp_path / "c.jsonl", [_capture('{"age": 31}', output, encoding="JSON")]))
    assert row == {"age": 31, "id": "e0", "time": "2026-03-01T10:00:00Z", **columns}


@pytest.mark.parametrize(
    "data", ['{"instances": [{"features": [31, "basic"]}]}', '{"features": [31, "basic"]}', '[31, "basic"]']
)
def test_a_list_of_values_has_the_names_of_the_features(tmp_path: Path, data: str) -> None:
    [row], _ = _rows(_write(tmp_path / "c.jsonl", [_capture(data, "0.5", encoding="JSON")]), "age", "plan")
    assert (row["age"], row["plan"], row["score"]) == (31, "basic", 0.5)


def test_a_number_that_is_too_large_is_no_score(tmp_path: Path) -> None:
    rows, said = _rows(_write(tmp_path / "c.jsonl", [_capture("1", "9" * 400), _capture("1", "0.5")]))
    assert [row["score"] for row in rows] == [None, 0.5]
    assert said == [f"{tmp_path}/c.jsonl: 1 row without a score or a class that can be read in the response"]


def test_codes_and_known_categories_of_csv_stay_texts(tmp_path: Path) -> None:
    path = _write(tmp_path / "c.jsonl", [_capture("02139,7,7", "0.5"), _capture("10115,8,x", "0.5")])
    source = open_source(path, {"agent"}, print, features=("zip", "agent", "mixed"))
    columns = {name: source.column(name).to_pylist() for name in ("zip", "agent", "mixed")}
    assert columns == {"zip": ["02139", "10115"], "agent": ["7", "8"], "mixed": ["7", "x"]}
    assert "zip" not in source.by_looks


def test_a_bad_record_is_named_and_takes_no_neighbour(tmp_path: Path) -> None:
    image = base64.b64encode(b"\x89PNG\xff").decode()
    text = base64.b64encode(b"40,pro").decode(), base64.b64encode(b"0.5").decode()
    records = [
        _capture("31,basic", "0.8", 1), "{broken", _capture(image, image, 2, "BASE64"), _capture("1,2,3", "0.1", 3),
        _capture("", "0.1", 4), _capture(*text, 5, "BASE64"), {"other": 1},
    ]  # fmt: skip
    rows, said = _rows(_write(tmp_path / "c.jsonl", records), "age", "plan")
    assert [(row["id"], row["age"], row["score"]) for row in rows] == [("e1", 31, 0.8), ("e5", 40, 0.5)]
    assert said[0].startswith(f"{tmp_path}/c.jsonl: left out 4 records; record 2: JSON is malformed")
    assert said[1] == f"{tmp_path}/c.jsonl: left out 1 row with another number of values than the other rows"


def test_payloads_that_are_no_text_are_one_sentence(tmp_path: Path) -> None:
    image = base64.b64encode(b"\x89PNG\xff").decode()
    with pytest.raises(BadInput, match="record 1: a payload in BASE64 is not text; CSV and JSON are read"):
        _rows(_write(tmp_path / "c.jsonl", [_capture(image, image, 0, "BASE64")]))


def test_other_numbers_of_values_than_features_are_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="have 3 values per row without names, but 2 features are known: age, plan"):
        _rows(_write(tmp_path / "c.jsonl", [_capture("1,2,3", "0.5")]), "age", "plan")


def test_a_feature_keeps_its_name_and_an_id_of_the_request_wins(tmp_path: Path) -> None:
    [row], said = _rows(_write(tmp_path / "c.jsonl", [_capture('{"id": "o1", "score": 700}', "0.5", encoding="JSON")]))
    assert row == {"id": "o1", "score": 700, "time": "2026-03-01T10:00:00Z", "output.score": 0.5}
    assert said == [
        f"{tmp_path}/c.jsonl: a feature has the name 'score', so the prediction is the column 'output.score'"
    ]


_VERTEX = {
    "endpoint": "123", "deployed_model_id": "9", "logging_time": "2026-03-01 10:00:00.5 UTC", "request_id": "77",
    "request_payload": ['{"age": 31}', '{"age": 5}'], "response_payload": ["0.8", "0.25"],
}  # fmt: skip


def test_a_table_of_vertex_is_read_from_ndjson_and_from_parquet(tmp_path: Path) -> None:
    body = {
        **_VERTEX, "request_id": 78, "request_payload": ['{"instances": [{"age": 40}]}'],
        "response_payload": ['{"predictions": [0.5]}'],
    }  # fmt: skip
    wanted = [("77.0", 31, 0.8), ("77.1", 5, 0.25), ("78", 40, 0.5)]
    lines = _write(tmp_path / "export.json", [_VERTEX, body])
    parquet = tmp_path / "export.parquet"
    ids = pa.array([Decimal(77), Decimal(78)], pa.decimal128(38, 9))
    pq.write_table(
        pa.table({
            "logging_time": ["2026-03-01 10:00:00.5"] * 2, "request_id": ids, "endpoint": ["1", "1"],
            "request_payload": [_VERTEX["request_payload"], body["request_payload"]],
            "response_payload": [_VERTEX["response_payload"], body["response_payload"]],
        }),
        parquet,
    )  # fmt: skip
    for path in (lines, parquet):
        rows, _ = _rows(path)
        assert [(row["id"], row["age"], row["score"]) for row in rows] == wanted
        assert rows[0]["time"] == "2026-03-01 10:00:00.5"


def test_a_week_of_captures_is_evaluated_with_the_baseline_of_a_month(run: Run, tmp_path: Path) -> None:
    before = [_capture(f"{n % 40},{'ab'[n % 2]}", f"0.{n % 9 + 1}", n) for n in range(2_000)]
    now = [_capture(f"{n % 40 + 60},{'ab'[n % 2]}", f"0.{n % 9 + 1}", n) for n in range(2_000)]
    reference, week = _write(tmp_path / "before.jsonl", before), _write(tmp_path / "now.jsonl", now)
    model = ("--features", "age,plan", "--model", "churn", "--task", "binary")
    built = run("baseline", "build", reference, *model, "-o", tmp_path / "b.json")
    assert "score = score; no outcome; time = time; id = id; numbers = age; categories = plan" in built.stderr
    answer = json.loads(run("evaluate", week, "--baseline", tmp_path / "b.json", "--json").stdout)
    features = answer["windows"][0]["drift"]["features"]
    assert {name: column["state"] for name, column in features.items()} == {"age": "drift", "plan": "ok"}
