"""Bad input: one sentence on stderr and exit code 2, or what cannot be used is named and its neighbours are kept."""

from __future__ import annotations

import datetime
import decimal
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.support.churn_files import Run
from tests.support.facts import Facts, lacking

N = 200


def rows() -> dict[str, list[Any]]:
    return {
        "time": [f"2026-01-{1 + i // 24:02d}T{i % 24:02d}:00:00Z" for i in range(N)],
        "x": [i / N for i in range(N)],
        "c": ["a" if i % 3 else "b" for i in range(N)],
    }


def csv(columns: dict[str, list[Any]]) -> list[str]:
    return [",".join(columns), *(",".join(map(str, row)) for row in zip(*columns.values(), strict=True))]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    pq.write_table(pa.table(rows()), "ref.parquet")
    return tmp_path


def evaluate(run: Run, data: str, *options: str) -> tuple[dict[str, Any], list[str]]:
    """Return the one window and what was said."""
    result = run("evaluate", data, "--baseline", "ref.parquet", "--json", *options)
    assert result.exit_code == 0, result.stderr
    [window] = json.loads(result.stdout)["windows"]
    return window, [line for line in result.stderr.splitlines() if not line.startswith("driftline: columns: ")]


@pytest.mark.parametrize(
    ("name", "content", "facts"),
    [
        ("none.csv", None, ("none.csv: no such file",)),
        ("empty.csv", "", ("empty.csv:",)),
        ("header.csv", "x,c\n", ("header.csv:",)),
        ("data.xlsx", "x", ("data.xlsx:", "sqlite:///FILE?table=NAME")),
        ("list.ndjson", "[1, 2]", ("list.ndjson:", "JSON", "NDJSON", '{"age"', "31}")),
        ("other.csv", "y,z\n1,2\n", ("other.csv:", "c, x")),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_evaluated(run: Run, folder: Path, name: str, content: str | None, facts: Facts) -> None:
    if content is not None:
        (folder / name).write_text(content)
    result = run("evaluate", name, "--baseline", "ref.parquet")
    assert (result.exit_code, result.stdout) == (2, "")
    assert lacking(result.stderr, *facts) == []


@pytest.mark.parametrize("content", ["hello", "PAR1" * 10])
def test_a_parquet_file_that_is_none(run: Run, folder: Path, content: str) -> None:
    (folder / "week.parquet").write_text(content)
    result = run("evaluate", "week.parquet", "--baseline", "ref.parquet")
    assert result.exit_code == 2
    assert lacking(result.stderr, "week.parquet:") == []
    assert result.stderr.count("\n") == 1


def test_the_name_of_a_column_sends_no_control_characters_to_a_terminal(run: Run, folder: Path) -> None:
    (folder / "week.csv").write_text("\n".join(csv({**rows(), "y\x1b]0;title\x07": [1] * N})), newline="")
    result = run("evaluate", "week.csv", "--baseline", "ref.parquet")
    assert (result.exit_code, "left out = y·]0;title·" in result.stderr) == (0, True)
    assert "\x1b" not in result.output


def test_a_directory(run: Run, folder: Path) -> None:
    (folder / "days").mkdir()
    result = run("evaluate", "days", "--baseline", "ref.parquet")
    assert lacking(result.stderr, "days:", "the folder has no file of rows", ".parquet") == []


@pytest.mark.parametrize(
    ("options", "facts"),
    [
        (["--features", "X,c"], ("ref.parquet:", "'X'", "--features", "'x'")),
        (["--id", "key"], ("ref.parquet:", "'key'", "--id", "time, x, c")),
        (["--score", "x"],
         ("--task",)),
        (["--task", "bin", "--score", "x"],
         ("'bin'", "'binary'", "'multiclass'", "'regression'", "'ranking'")),
        (["--task", "binary", "--score", "x", "--classes", "stays,leaves"],
         ("'leaves'", "--positive-class", "'stays'")),
        (["--task", "multiclass", "--score", "x"],
         ("--classes",)),
        (["--window", "1x"],
         ("--window:", "'1x'", "'1h'", "'1d'", "'1mo'")),
        (["--window", "24"], ("--window:", "'24'", "'24h'", "'24m'")),
        (["--window-rows", "0"], ("--window-rows:", "0 rows", "least 1")),
        (["--window", "1d", "--window-rows", "5"], ("--window:", "--window-rows")),
        (["--outcomes", "none.csv"], ("none.csv: no such file",)),
        (["--outcomes", "ref.parquet"], ("ref.parquet:", "--id")),
        (
            ["--fail-on", "drift.fraction"],
            ("--fail-on", "'drift.fraction'", "PATH OP VALUE", "'drift.fraction > 0.3'")
        ),
        (["--fail-on", "drift.fraction > much"], ("--fail-on", "'drift.fraction > much'", "'much'")),
        (["--fail-on", "drift.features.y.rows > 1"], ("--fail-on", "'drift.features.y.rows > 1'", "'y'", "x, c")),
    ],
)  # fmt: skip
def test_an_option_that_makes_no_sense(run: Run, folder: Path, options: list[str], facts: Facts) -> None:
    assert (folder / "ref.parquet").exists()
    result = run("evaluate", "ref.parquet", "--baseline", "ref.parquet", *options)
    assert (result.exit_code, result.stdout) == (2, "")
    assert lacking(result.stderr, *facts) == []


def test_a_window_of_time_needs_a_time(run: Run, folder: Path) -> None:
    (folder / "timeless.csv").write_text("x,c\n1,a\n")
    result = run("evaluate", "timeless.csv", "--baseline", "ref.parquet", "--window", "1d")
    assert lacking(result.stderr, "timeless.csv:", "--window", "1d", "--time") == []
    assert result.exit_code == 2


def test_a_baseline_that_is_none(run: Run, folder: Path) -> None:
    (folder / "b.json").write_text("{}")
    result = run("evaluate", "ref.parquet", "--baseline", "b.json")
    assert result.exit_code == 2
    assert result.stderr.startswith("driftline: b.json: ")


def test_an_option_that_a_built_baseline_contradicts(run: Run, folder: Path) -> None:
    options = ("--model", "m", "--task", "binary", "--score", "x", "-o", str(folder / "b.json"))
    assert run("baseline", "build", "ref.parquet", *options).exit_code == 0
    result = run("evaluate", "ref.parquet", "--baseline", "b.json", "--task", "regression")
    assert result.exit_code == 2
    assert lacking(result.stderr, "--task:", "b.json", "'binary'") == []
    result = run("evaluate", "ref.parquet", "--baseline", "b.json", "--threshold", "7")
    assert result.exit_code == 2
    assert result.stderr.startswith("driftline: --threshold: 7")


def test_a_ragged_line_is_named_and_its_neighbours_are_kept(run: Run, folder: Path) -> None:
    lines = csv(rows())
    lines[4], lines[9] = lines[4] + ",surplus", "2026-01-01T00:00:00Z,1"
    (folder / "week.csv").write_text("\n".join(lines))
    window, said = evaluate(run, "week.csv")
    assert window["rows"] == N - 2
    assert len(said) == 1
    assert lacking(said[0], "week.csv:", "2 lines", "line 5", "4 values") == []


def test_a_ragged_line_in_a_file_that_is_not_utf8(run: Run, folder: Path) -> None:
    lines = csv(rows())
    lines[2] = lines[2].replace(",a", ",café")
    (folder / "week.csv").write_bytes("\n".join([*lines, "café"]).encode("latin-1"))
    window, said = evaluate(run, "week.csv")
    assert window["rows"] == N
    assert len(said) == 2
    assert lacking(said[0], "week.csv:", "not UTF-8", "cp1252") == []
    assert lacking(said[1], "week.csv:", "1 line", f"{N + 2}", "1 value") == []


def test_a_quoted_line_break_is_a_value(run: Run, folder: Path) -> None:
    lines = csv(rows())
    lines[2] = lines[2].replace(",a", ',"a\nb"')
    (folder / "week.csv").write_text("\n".join(lines))
    window, said = evaluate(run, "week.csv")
    assert (window["rows"], window["drift"]["features"]["c"]["rows"], said) == (N, N, [])


def test_a_broken_line_of_json_is_named_and_its_neighbours_are_kept(run: Run, folder: Path) -> None:
    columns = rows()
    lines = [json.dumps(dict(zip(columns, row, strict=True))) for row in zip(*columns.values(), strict=True)]
    lines[3], lines[5] = '{"x": ', "null"
    lines[7] = lines[7].replace('"x": 0.035', '"x": "soon"')
    (folder / "week.ndjson").write_text("\n".join(lines))
    window, said = evaluate(run, "week.ndjson")
    assert window["rows"] == N - 2
    assert window["drift"]["features"]["x"]["rows"] == N - 3
    assert len(said) == 2
    assert lacking(said[0], "week.ndjson:", "2 lines", "line 4", "JSON") == []
    assert lacking(said[1], "week.ndjson: x:", "1 of 198 values", "row 6", "'soon'") == []


def test_an_unreadable_time_is_named_and_the_other_rows_are_kept(run: Run, folder: Path) -> None:
    columns = rows()
    columns["time"][6], columns["time"][9] = "yesterday", ""
    (folder / "week.csv").write_text("\n".join(csv(columns)))
    window, said = evaluate(run, "week.csv")
    assert window["rows"] == window["drift"]["features"]["x"]["rows"] == N - 2
    assert len(said) == 1
    assert lacking(said[0], "week.csv: time:", "2 rows", "row 7", "'yesterday'") == []


def test_no_readable_time_at_all(run: Run, folder: Path) -> None:
    (folder / "week.csv").write_text("time,x,c\nsoon,1,a\nlater,2,b\n")
    result = run("evaluate", "week.csv", "--baseline", "ref.parquet")
    assert result.exit_code == 2
    assert lacking(result.stderr, "week.csv: time:", "'soon'") == []


def test_a_file_without_times_that_nobody_asked_for_is_compared(run: Run, folder: Path) -> None:
    """A date that no row of this week has, as of a first order, is no reason to compare nothing."""
    columns = rows()
    columns["since"] = columns.pop("time")
    (folder / "before.csv").write_text("\n".join(csv(columns)))
    columns["since"] = [""] * N
    (folder / "week.csv").write_text("\n".join(csv(columns)))
    compared = run("evaluate", "week.csv", "--baseline", "before.csv", "--json")
    assert compared.exit_code == 0, compared.stderr
    assert json.loads(compared.stdout)["windows"][0]["rows"] == N
    assert "no value in 'since', which has the times of the baseline" in compared.stderr
    assert run("evaluate", "week.csv", "--baseline", "before.csv", "--time", "since").exit_code == 2


def test_a_text_in_a_number_feature_is_invalid_and_the_rest_counts(run: Run, folder: Path) -> None:
    columns = rows()
    columns["x"][3] = "n/k"
    (folder / "week.csv").write_text("\n".join(csv(columns)))
    window, said = evaluate(run, "week.csv")
    assert window["drift"]["features"]["x"]["rows"] == N - 1
    assert window["drift"]["features"]["x"]["methods"]["ks"]["value"] < 0.01
    assert len(said) == 1
    assert lacking(said[0], "week.csv: x:", "1 of 200 values", "row 4", "'n/k'") == []


def test_nan_infinity_and_huge_integers(run: Run, folder: Path) -> None:
    columns = rows()
    columns["x"][:4] = ["nan", "inf", "-inf", "9" * 40]
    (folder / "week.csv").write_text("\n".join(csv(columns)))
    window, _ = evaluate(run, "week.csv")
    assert window["drift"]["features"]["x"]["rows"] == N - 3  # the huge integer is a number, in the outermost bin


@pytest.mark.usefixtures("folder")
def test_every_plain_type_of_parquet_and_no_nested_one(run: Run) -> None:
    i = np.arange(N)
    table = pa.table(
        {
            "boolean": pa.array([None if k % 9 == 0 else bool(k % 2) for k in range(N)]),
            "int8": i.astype(np.int8),
            "uint64": pa.array([2**64 - 1 - k for k in range(N)], pa.uint64()),
            "half": (i / N).astype(np.float16),
            "decimal": [decimal.Decimal(k) / 8 for k in range(N)],
            "duration": [datetime.timedelta(seconds=k) for k in range(N)],
            "dictionary": pa.array(["u", "v"] * (N // 2)).dictionary_encode(),
            "dictionary_of_numbers": pa.array([1, 2] * (N // 2)).dictionary_encode(),
            "view": pa.array(["u", "v"] * (N // 2), pa.string_view()),
            "bytes": pa.array([b"\xff", b"v"] * (N // 2)),
            "nulls": pa.nulls(N),
            "when": [datetime.date(2026, 1, 1)] * N,
            "list": [[1]] * N,
            "struct": [{"a": 1}] * N,
        }
    )
    pq.write_table(table, "ref.parquet")
    window, said = evaluate(run, "ref.parquet", "--time", "when")
    features = window["drift"]["features"]
    assert {name: feature["rows"] for name, feature in features.items() if feature["rows"] != N} == {
        "boolean": N - 23,
        "nulls": 0,
    }
    assert features["nulls"]["state"] == "inconclusive"
    assert {f["decided_by"] for name, f in features.items() if name in ("dictionary", "view", "bytes")} == {"chi2"}
    assert len(said) == 1
    assert lacking(said[0], "list, struct") == []


@pytest.mark.usefixtures("folder")
def test_times_among_the_features_only_when_asked(run: Run) -> None:
    stamps = pd.date_range("2026-01-01", periods=N, freq="h")
    pd.DataFrame({"x": range(N), "made": stamps, "paid": stamps}).to_parquet("ref.parquet")
    window, said = evaluate(run, "ref.parquet")
    assert list(window["drift"]["features"]) == ["x"]
    assert len(said) == 1
    assert lacking(said[0], "--features", "made, paid") == []
    window, said = evaluate(run, "ref.parquet", "--features", "made,paid")
    assert (window["drift"]["features"]["made"]["rows"], said) == (N, [])


def test_a_missing_feature_and_a_new_one(run: Run, folder: Path) -> None:
    (folder / "week.csv").write_text("x,new\n" + "0.5,1\n" * 100)
    result = run("evaluate", "week.csv", "--baseline", "ref.parquet")
    assert result.exit_code == 0
    assert [line.rpartition(": ")[2] for line in result.stdout.splitlines() if " in the baseline: " in line] == [
        "c.",
        "new.",
    ]


def test_two_columns_of_one_name(run: Run, folder: Path) -> None:
    (folder / "week.csv").write_text("x,c,x\n" + "0.5,a,7\n" * 100)
    window, said = evaluate(run, "week.csv")
    assert window["drift"]["features"]["x"]["rows"] == 100
    assert len(said) == 1
    assert lacking(said[0], "week.csv: x:") == []


def test_a_text_of_a_megabyte(run: Run, folder: Path) -> None:
    columns = rows()
    columns["c"][0] = "z" * 1_000_000
    (folder / "week.csv").write_text("\n".join(csv(columns)))
    lines = [json.dumps(dict(zip(columns, row, strict=True))) for row in zip(*columns.values(), strict=True)]
    (folder / "week.ndjson").write_text("\n".join(lines))
    for name in ("week.csv", "week.ndjson"):
        window, said = evaluate(run, name)
        assert (window["drift"]["features"]["c"]["rows"], said) == (N, [])  # shortened with a hash, as in a service


def test_one_row(run: Run, folder: Path) -> None:
    (folder / "week.csv").write_text("x,c\n0.5,a\n")
    window, _ = evaluate(run, "week.csv")
    assert {feature["state"] for feature in window["drift"]["features"].values()} == {"inconclusive"}
    assert window["drift"]["fraction"] is None


def test_a_score_that_is_no_number(run: Run, folder: Path) -> None:
    columns = rows()
    columns["x"][3] = "high"
    (folder / "week.csv").write_text("\n".join(csv(columns)))
    options = ("--task", "binary", "--score", "x")
    window, said = evaluate(run, "week.csv", *options)
    assert window["drift"]["score"]["rows"] == N - 1
    assert len(said) == 1
    assert lacking(said[0], "week.csv: x:", "1 row", "row 4", "'high'") == []
    columns["x"] = ["high"] * N
    (folder / "week.csv").write_text("\n".join(csv(columns)))
    result = run("evaluate", "week.csv", "--baseline", "ref.parquet", *options)
    assert result.exit_code == 2
    assert lacking(result.stderr, "week.csv: x:", "row 1", "'high'") == []


def test_a_feature_that_became_a_list_is_missing(run: Run, folder: Path) -> None:
    pq.write_table(pa.table({**rows(), "x": [[1.0]] * N}), folder / "week.parquet")
    window, said = evaluate(run, "week.parquet")
    assert (window["rows"], window["drift"]["features"]["x"]["rows"]) == (N, 0)
    assert len(said) == 1
    assert lacking(said[0], "week.parquet: x:") == []


def test_the_row_numbers_of_pandas_are_no_feature(run: Run, folder: Path) -> None:
    frame = pd.DataFrame(rows()).sample(frac=1, random_state=1)
    frame.to_parquet(folder / "ref.parquet")
    frame.to_csv(folder / "ref.csv")
    for name, column in (("ref.parquet", "__index_level_0__"), ("ref.csv", "(no name)")):
        result = run("evaluate", name, "--baseline", name, "--json")
        [window] = json.loads(result.stdout)["windows"]
        assert list(window["drift"]["features"]) == ["x", "c"]
        assert lacking(result.stderr, f"{column}") == []


def test_a_feature_whose_name_has_a_dot(run: Run, folder: Path) -> None:
    pq.write_table(pa.table({"temp.max": rows()["x"], "temp": rows()["c"]}), folder / "ref.parquet")
    window, _ = evaluate(run, "ref.parquet", "--fail-on", "drift.features.temp.max.rows < 1")
    assert window["drift"]["features"]["temp.max"]["rows"] == N


@pytest.mark.parametrize("deep", ["[" * 12_000, "[\n" * 12_000], ids=["one line", "many lines"])
def test_a_line_that_nests_deeply_is_left_out_and_named(run: Run, folder: Path, deep: str) -> None:
    # it ended the process inside Arrow
    lines = [json.dumps({name: values[i] for name, values in rows().items()}) for i in range(N)]
    (folder / "week.ndjson").write_text("\n".join([*lines, '{"x": ' + deep + "}"]))
    window, [said] = evaluate(run, "week.ndjson")
    assert window["rows"] == N
    assert lacking(said, "line 201", "JSON") == []
