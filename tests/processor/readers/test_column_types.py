"""What values of files are: of their own type where the file says one, else of the baseline's, else by their looks."""

from __future__ import annotations

import json
import sqlite3
from decimal import Decimal
from pathlib import Path
from typing import Any

import driftline
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from driftline.baseline.baseline import Baseline
from driftline.panes.bins import CategoryBins
from driftline_processor.evaluation.files.baseline import build_from_files
from driftline_processor.readers import arrow_columns
from driftline_processor.readers.arrow_columns import column
from driftline_processor.readers.column_options import ColumnOptions
from driftline_processor.readers.delimited import CsvSource
from driftline_processor.readers.errors import BadInput
from driftline_processor.readers.json_rows import NdjsonSource
from driftline_processor.readers.number_format import report_texts
from driftline_processor.readers.sources import open_source, open_sources

from tests.support.churn_files import Run
from tests.support.facts import lacking

N = 400


def silent(sentence: str) -> None:
    raise AssertionError(sentence)


def lines(path: Path, *columns: list[Any]) -> Path:
    path.write_text("a,b\n" + "".join(f"{a},{b}\n" for a, b in zip(*columns, strict=True)))
    return path


def labels(baseline: Baseline, name: str) -> tuple[str, ...] | None:
    over = baseline.bins.features[name]
    return over.categories if isinstance(over, CategoryBins) else None


@pytest.mark.parametrize("kind", [pa.decimal128(38, 0), pa.decimal256(50, 0)])
@pytest.mark.parametrize("coded", [False, True])
def test_only_decimals_that_a_double_cannot_hold_are_converted_one_by_one(
    kind: pa.DataType, coded: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    converted = []

    def convert(value: Decimal) -> int:
        converted.append(value)
        return int(value)

    monkeypatch.setattr(arrow_columns, "int", convert, raising=False)
    written = ["7", None, str(2**53 - 1), str(2**53 + 1), str(-(2**53) - 1), "0", str(2**53 + 1), "-3"]
    decimals = pa.array([text and Decimal(text) for text in written], kind)
    classes = arrow_columns.class_values(decimals.dictionary_encode() if coded else decimals)
    assert classes.numbers is not None
    np.testing.assert_array_equal(classes.numbers, [7, np.nan, 2**53 - 1, np.nan, np.nan, 0, np.nan, -3])
    assert classes.categories == (str(-(2**53) - 1), str(2**53 + 1))
    assert classes.codes is not None
    assert classes.codes.tolist() == [-1, -1, -1, 1, 0, -1, 1, -1]
    assert converted == [2**53 + 1, -(2**53) - 1, 2**53 + 1]


@pytest.mark.parametrize("block", [None, 200])
def test_digits_that_begin_with_a_zero_are_codes_in_a_csv(tmp_path: Path, block: int | None) -> None:
    path = lines(tmp_path / "rows.csv", ["02139", "10001", "94105", ""] * 100, [0, 0.5, 10, "2024-01-01 08:00"] * 100)
    source = CsvSource(path, (), silent, block=block)
    assert set(source.column("a").to_pylist()) == {"02139", "10001", "94105", None}
    assert set(source.by_looks) == {"b"}


@pytest.mark.parametrize("block", [None, 200])
def test_one_zero_before_a_thousand_numbers_makes_no_code(tmp_path: Path, block: int | None) -> None:
    path = lines(tmp_path / "rows.csv", ["007", *range(1_001)], ["x"] * 1_002)
    source = CsvSource(path, (), silent, block=block)
    assert source.column("a").to_pylist() == [7, *range(1_001)]


def test_a_file_without_zeros_is_read_as_the_files_beside_it(tmp_path: Path) -> None:
    east, west = (tmp_path / name for name in ("east.csv", "west.csv"))
    lines(west, ["94105", "94107"] * N, [1] * 2 * N)
    lines(east, ["02139", "10001"] * N, [2] * 2 * N)
    for paths in ((west, east), (east, west)):
        assert [source.column("a").to_pylist()[0] for source in open_sources(paths, (), silent)] == [
            "94105" if path == west else "02139" for path in paths
        ]
    baseline = build_from_files([west, east], ColumnOptions("m"), silent)
    assert set(labels(baseline, "a") or ()) == {"02139", "10001", "94105", "94107"}
    pd.DataFrame({"a": ["1", "2"] * N, "b": [1, 2] * N}).to_parquet(tmp_path / "typed.parquet")
    baseline = build_from_files([west, tmp_path / "typed.parquet"], ColumnOptions("m"), silent)
    assert set(labels(baseline, "a") or ()) == {"1", "2", "94105", "94107"}


@pytest.mark.parametrize("block", [None, 200])
def test_a_csv_that_is_no_utf_8_is_latin_1(tmp_path: Path, block: int | None) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes("straße,b\nZürich,1\nBern,2\n".encode("latin-1"))
    source = CsvSource(path, (), lambda _: None, block=block)
    assert source.column("straße").to_pylist() == ["Zürich", "Bern"]


@pytest.mark.parametrize("kind", ["parquet", "ndjson"])
def test_texts_of_a_file_that_knows_types_are_texts_in_a_baseline(tmp_path: Path, kind: str) -> None:
    frame = pd.DataFrame({"a": ["1", "2"] * N, "b": np.arange(2 * N) % 7})
    path = tmp_path / f"rows.{kind}"
    frame.to_parquet(path) if kind == "parquet" else frame.to_json(path, orient="records", lines=True)
    baseline = build_from_files([path], ColumnOptions("m"), silent)
    assert (labels(baseline, "a"), labels(baseline, "b")) == (("1", "2"), None)


@pytest.mark.parametrize("block", [1 << 20, 300])
def test_a_json_column_of_several_types_is_read_by_its_looks(tmp_path: Path, block: int) -> None:
    values = [*range(60), "x", *range(60, 120)]
    path = tmp_path / "rows.ndjson"
    path.write_text("".join(json.dumps({"a": value, "b": "1"}) + "\n" for value in values))
    assert set(NdjsonSource(path, silent, block=block).by_looks) == {"a"}
    said: list[str] = []
    baseline = build_from_files([path], ColumnOptions("m", features=("a", "b")), said.append)
    assert (labels(baseline, "a"), labels(baseline, "b")) == (None, ("1",))
    assert len(said) == 1
    assert lacking(said[0], f"{path}: a:", "1 of 121 values", "row 61", "'x'") == []


def test_dates_of_json_are_texts_where_they_are_known_to_be(tmp_path: Path) -> None:
    path = tmp_path / "rows.ndjson"
    path.write_text('{"since": "2024-01-01"}\n{"since": null}\n')
    assert str(open_source(path, (), silent).schema.field("since").type) == "timestamp[s]"
    for source in (NdjsonSource(path, silent, {"since"}), NdjsonSource(path, silent, {"since"}, block=30)):
        assert source.column("since").to_pylist() == ["2024-01-01", None]


def test_a_stray_text_among_booleans_of_a_csv_leaves_them_booleans(tmp_path: Path) -> None:
    path = lines(tmp_path / "rows.csv", ["True", "false", "maybe"], [1, 2, 3])
    [batch] = CsvSource(path, (), silent).batches({"a"})
    read = column(batch.column("a"), number=True)
    np.testing.assert_array_equal(read.numbers, [1, 0, np.nan])
    assert read.categories == ("maybe",)


def test_texts_where_the_baseline_has_numbers_are_named_with_the_likely_reason(run: Run, tmp_path: Path) -> None:
    frame = pd.DataFrame({"points": ["1", "2", "3", "1"] * N, "b": ["x", "y"] * 2 * N})
    frame.to_csv(tmp_path / "ref.csv", index=False)
    frame.to_parquet(tmp_path / "week.parquet")
    result = run("evaluate", tmp_path / "week.parquet", "--baseline", tmp_path / "ref.csv")
    assert "points: strings here, but numbers in the baseline" in result.stderr
    assert "100 % of values are numbers written as texts" in result.stdout


def _mixed(folder: Path, kind: str, texts: int) -> Path | pd.DataFrame:
    """Return 100 rows of numbers of which the last ones are strings; "folder": one file per type."""
    values = [row % 7 + 0.5 if row < 100 - texts else str(row % 7 + 0.5) for row in range(100)]
    frame, path = pd.DataFrame({"x": values, "y": range(100)}), folder / f"{kind}-{texts}"
    if kind == "frame":
        return frame
    if kind == "ndjson":
        path = path.with_suffix(".ndjson")
        path.write_text("".join(json.dumps(row) + "\n" for row in frame.to_dict("records")))
    elif kind == "sqlite":
        with sqlite3.connect(path.with_suffix(".db")) as database:
            database.execute("CREATE TABLE rows (x, y)")
            database.executemany("INSERT INTO rows VALUES (?, ?)", frame.itertuples(index=False))
        database.close()
        return Path(f"sqlite:///{path.with_suffix('.db')}")
    else:
        path.mkdir()
        for part, rows in (("a", frame[: 100 - texts].astype({"x": float})), ("b", frame[100 - texts :])):
            if len(rows):
                rows.to_parquet(path / f"{part}.parquet")
    return path


@pytest.mark.parametrize("kind", ["frame", "ndjson", "sqlite", "folder"])
@pytest.mark.parametrize("as_baseline", [False, True])
def test_strings_among_numbers_are_missing_and_counted_in_every_format(
    kind: str, as_baseline: bool, tmp_path: Path
) -> None:
    numbers, some = _mixed(tmp_path, kind, 0), _mixed(tmp_path, kind, 30)
    current, baseline = (numbers, some) if as_baseline else (some, numbers)
    report = driftline.evaluate(current, baseline=baseline)
    missing = report.to_dict()["windows"][0]["drift"]["features"]["x"]["missing"]
    assert missing == {"was": 0.3, "now": 0.0} if as_baseline else {"was": 0.0, "now": 0.3}
    [note] = [note for note in report.notes if ": x: " in note]
    if kind == "folder":
        assert note.endswith(
            "b.parquet: x: strings here, but numbers in the baseline, treated as missing; "
            "use one type in all files (a CSV has no types)"
        )
    else:
        assert note.endswith(
            ": x: 30 of 100 values without a number, treated as missing: the first is row 71, '0.5', a string; "
            "use numbers only"
        )


def test_strings_are_counted_across_blocks_of_one_type(tmp_path: Path) -> None:
    path = tmp_path / "rows.ndjson"
    path.write_text("".join(json.dumps({"x": row if row % 50 else str(row)}) + "\n" for row in range(400)))
    said: list[str] = []
    report_texts([NdjsonSource(path, said.append, block=200)], {"x"}, {"x"}, said.append)
    assert said == [
        f"{path}: x: 8 of 400 values without a number, treated as missing: the first is row 1, '0', a string; "
        "use numbers only"
    ]


def test_the_truth_of_a_regression_must_be_numbers(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {"x": np.arange(N) % 9.0, "score": np.arange(N) % 5.0, "region": ["north", "south"] * (N // 2)}
    )
    frame.to_parquet(tmp_path / "rows.parquet")
    options = ColumnOptions("m", "1", "regression", actual="region")
    with pytest.raises(
        BadInput, match=r"region: an actual must be a number, but there are none; the first value is row 1, 'north'$"
    ):
        build_from_files([tmp_path / "rows.parquet"], options, silent)
    with pytest.raises(
        ValueError, match=r"actual contains no numbers, but values such as 'north'; .* pass the numbers as actual="
    ):
        Baseline.from_frame(frame, score="score", actual="region", model="m", task="regression")
    said: list[str] = []
    frame.assign(region=["1.5", "?"] * (N // 2)).to_parquet(tmp_path / "rows.parquet")
    built = build_from_files([tmp_path / "rows.parquet"], options, said.append)
    assert built.pane.parts["outcomes"][0] == N / 2
    assert len(said) == 1
    assert lacking(said[0], f"{tmp_path}/rows.parquet: region:", "200 rows", "row 2") == []
