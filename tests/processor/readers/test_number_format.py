"""The decimal mark, the thousands mark and the date format of a CSV; without them, a column names the option."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import driftline
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from driftline.panes.bins import NumberBins
from driftline_processor.evaluation.files.baseline import build_from_files
from driftline_processor.readers.column_options import ColumnOptions
from driftline_processor.readers.delimited import CsvSource
from driftline_processor.readers.errors import BadInput
from driftline_processor.readers.number_format import NumberFormat, format_hint
from driftline_processor.readers.sources import open_source
from hypothesis import given
from hypothesis import strategies as st

from tests.support.churn_files import Run
from tests.support.facts import lacking

N = 400
NBSP = "\u00a0"


def silent(sentence: str) -> None:
    raise AssertionError(sentence)


def read(folder: Path, values: list[str], decimal: str = "", thousands: str = "", date_format: str = "") -> list[Any]:
    """Return a column of a CSV as it is read."""
    path = folder / "rows.csv"
    path.write_text("a;b\n" + "".join(f'"{value}";x\n' for value in values))
    source = open_source(path, (), silent, NumberFormat.of(decimal, thousands, date_format))
    return list(source.column("a").to_pylist())


def test_an_underscore_is_no_part_of_a_number(tmp_path: Path) -> None:
    """A text in every count: missing in the result, reported once, and not called a number written as a text."""
    random = np.random.default_rng(1)
    frames = [pd.DataFrame({"x": random.normal(size=1_000), "z": random.normal(size=1_000)}) for _ in range(2)]
    frames[1]["x"] = frames[1].x.map("{:.4f}".format)
    frames[1].loc[:199, "x"] = "1_000"
    for name, frame in zip(("was", "now"), frames, strict=True):
        frame.to_csv(tmp_path / f"{name}.csv", index=False)
    report = driftline.evaluate(tmp_path / "now.csv", baseline=tmp_path / "was.csv")
    values = report.to_dict()["windows"][0]["drift"]["features"]["x"]
    assert (values["rows"], values["missing"]) == (800, {"was": 0.0, "now": 0.2})
    assert [note for note in report.notes if "1_000" in note] == [
        f"{tmp_path}/now.csv: x: 200 of 1,000 values without a number, treated as missing: the first is row 1, '1_000'"
    ]
    assert "numbers written as texts" not in str(report.to_dict())


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        ("٣٤", 1),
        ("４１.９", 1),
        ("5²", 1),
        ("1.2.3", 1),
        ("10.0.0.1", 1),
        ("1_0", 1),
        ("soon", 1),
        (f"41.9{NBSP}", 0),
        (f"{NBSP}41.9", 0),
        ("41.9\u2009", 0),
        ("True", 0),
    ],
)
def test_a_value_is_reported_exactly_if_it_is_missing(text: str, missing: int, tmp_path: Path) -> None:
    """Digits of other scripts are texts; blanks of every kind around a number are not part of it."""
    values = [f"{value}.5" for value in range(100)] * 4
    for name, first in (("was", "0.5"), ("now", text)):
        (tmp_path / f"{name}.csv").write_text("x,z\n" + "".join(f"{value},1\n" for value in [first, *values[1:]]))
    report = driftline.evaluate(tmp_path / "now.csv", baseline=tmp_path / "was.csv")
    values_of_x = report.to_dict()["windows"][0]["drift"]["features"]["x"]
    assert values_of_x["missing"]["now"] == missing / 400
    assert [note for note in report.notes if "without a number" in note] == [
        f"{tmp_path}/now.csv: x: 1 of 400 values without a number, treated as missing: the first is row 1, {text!r}"
    ] * missing


@pytest.mark.parametrize("numbers", [NumberFormat(), NumberFormat(",")])
def test_blanks_around_a_number_are_not_part_of_it(numbers: NumberFormat) -> None:
    texts = pa.array([f"{blank}12{blank}" for blank in (" ", "\t", NBSP, "\u202f", "\u3000")])
    assert (numbers.count(texts)[0], numbers.plain_numbers(texts).to_pylist()) == (5, ["12"] * 5)


@pytest.mark.parametrize(
    ("decimal", "thousands", "written", "values"),
    [
        (".", ",", ["1,234.56", "999", "-3.5"], [1234.56, 999, -3.5]),
        (",", ".", ["1.234,56", "1.234.567", "12,5", "-0,5"], [1234.56, 1234567, 12.5, -0.5]),
        ("comma", "space", ["1 234,5", f"1{NBSP}234{NBSP}567", "7"], [1234.5, 1234567, 7]),
        ("point", "apostrophe", ["1'234.5", "1'000", "12"], [1234.5, 1000, 12]),
        (",", "", ["1,5", "2,25", "3e2"], [1.5, 2.25, 300]),
        (",", "point", ["1.234", "2.345"], [1234, 2345]),
        ("", "", ["1.234", "2.345"], [1.234, 2.345]),
    ],
)
def test_options_say_how_numbers_are_written(
    decimal: str, thousands: str, written: list[str], values: list[float], tmp_path: Path
) -> None:
    assert read(tmp_path, written, decimal, thousands) == values


@pytest.mark.parametrize(
    "written", [["1,234.56", "12"], ["12 %", "13 %"], ["$5", "$6"], ["10.0.0.1", "10.0.0.2"], ["(5)", "7-"]]
)
def test_numbers_in_another_format_are_texts(written: list[str], tmp_path: Path) -> None:
    assert read(tmp_path, written) == written


def test_whole_numbers_and_codes_are_not_changed_by_a_format(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("a;b;c\n" + "12;02139;1,5\n" * 50)
    source = CsvSource(path, (), silent, NumberFormat(",", "."))
    assert [str(source.schema.field(name).type) for name in "abc"] == ["int64", "string", "double"]


@pytest.mark.parametrize("block", [None, 100])
def test_a_value_that_does_not_fit_is_a_text(tmp_path: Path, block: int | None) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("a;b\n" + "1.234,5;x\n" * 40 + "7.25;x\nsoon;x\n")
    source = CsvSource(path, (), silent, NumberFormat(",", "."), block)
    assert source.column("a").to_pylist()[39:] == ["1234.5", "'7.25'", "soon"]


@pytest.mark.parametrize(
    ("date_format", "written", "times"),
    [
        ("%d/%m/%Y", ["31/12/2026", "01/02/2026"], [datetime(2026, 12, 31), datetime(2026, 2, 1)]),
        (
            "%m/%d/%y %H:%M",
            ["12/31/26 09:05", "01/02/26 23:59"],
            [datetime(2026, 12, 31, 9, 5), datetime(2026, 1, 2, 23, 59)],
        ),
        (
            "%d.%m.%Y",
            ["2026-03-09 00:00:00", "2026-12-31 00:00:01"],
            [datetime(2026, 3, 9), datetime(2026, 12, 31, 0, 0, 1)],
        ),
    ],
)
def test_an_option_says_how_times_are_written(
    date_format: str, written: list[str], times: list[datetime], tmp_path: Path
) -> None:
    assert read(tmp_path, written, date_format=date_format) == times


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ((";", "", ""), "--decimal"),
        (("", "_", ""), "--thousands"),
        ((",", ",", ""), "--thousands"),
        (("", "", "d"), "--date-format"),
    ],
)
def test_options_that_cannot_be_used_are_named(options: tuple[str, str, str], named: str) -> None:
    with pytest.raises(BadInput, match=named):
        NumberFormat.of(*options)


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("1,234.56", "--thousands comma"),
        ("1.234,56", "--decimal , --thousands point"),
        ("12,5", "--decimal ,"),
        ("1 234.5", "--thousands space"),
        ("1'234", "--thousands apostrophe"),
        ("31/12/2026", "--date-format %d/%m/%Y"),
        ("31.12.2026 10:00", "--date-format '%d.%m.%Y %H:%M'"),
        ("12", ""),
        ("$5", "numbers without the unit"),
        ("$1,234.00", "numbers without the unit, and --thousands comma"),
        ("soon", ""),
        ("10.0.0.1", ""),
        ("1.2.3", ""),
        ("$1.2.3", ""),
        ("1,2,3", ""),
        ("٣٤", ""),
        ("４１.９", ""),
        ("5²", ""),
    ],
)
def test_a_text_names_the_option_that_reads_it(text: str, options: str) -> None:
    assert format_hint(text) == options


@given(st.lists(st.integers(-(10**11), 10**11), min_size=1, max_size=20), st.booleans())
def test_a_number_is_read_as_it_was_written(cents: list[int], comma: bool) -> None:
    written = [f"{number / 100:,.2f}" for number in cents]
    if comma:
        written = [text.translate(str.maketrans(",.", ".,")) for text in written]
    numbers = NumberFormat(",", ".") if comma else NumberFormat(".", ",")
    assert numbers.count(pa.array(written))[0] == len(cents)
    found = [float(text) for text in numbers.plain_numbers(pa.array(written)).to_pylist()]
    assert found == pytest.approx([number / 100 for number in cents], abs=1e-9)


def spreadsheet(n: int, seed: int, factor: float) -> pd.DataFrame:
    """Return rows as a German spreadsheet has them; ``qty`` passes 999 in few rows."""
    random = np.random.default_rng(seed)
    amount = random.lognormal(7, 1, n) * factor
    qty = np.where(random.random(n) < 0.05, 1_500, random.integers(1, 999, n))
    swapped = str.maketrans(",.", ".,")
    return pd.DataFrame(
        {
            "when": [f"{day:02d}.03.2026" for day in random.integers(1, 29, n)],
            "amount": [f"{value:,.2f}".translate(swapped) for value in amount],
            "qty": [f"{value:,}".translate(swapped) for value in qty.tolist()],
            "plan": random.choice(["a", "b"], n),
        }
    )


FORMAT = ("--decimal", ",", "--thousands", ".", "--date-format", "%d.%m.%Y")


def test_a_spreadsheet_is_compared_as_the_options_say(run: Run, tmp_path: Path) -> None:
    for name, seed, factor in (("ref", 1, 1), ("now", 2, 3)):
        spreadsheet(N, seed, factor).to_csv(tmp_path / f"{name}.csv", index=False, sep=";")
    built = run(
        "baseline",
        "build",
        tmp_path / "ref.csv",
        "--model",
        "m",
        "--task",
        "binary",
        *FORMAT,
        "-o",
        tmp_path / "b.json",
    )
    assert built.exit_code == 0, built.stderr
    for baseline in (tmp_path / "ref.csv", tmp_path / "b.json"):
        result = run("evaluate", tmp_path / "now.csv", "--baseline", baseline, *FORMAT, "--json")
        assert result.exit_code == 0, result.stderr
        [window] = json.loads(result.stdout)["windows"]
        states = {name: column["state"] for name, column in window["drift"]["features"].items()}
        assert states == {"amount": "drift", "qty": "ok", "plan": "ok"}
        assert [column["missing"]["now"] for column in window["drift"]["features"].values()] == [0, 0, 0]
        assert window["start"] == "2026-03-01T00:00:00Z"


def test_a_column_that_is_not_of_numbers_is_named_with_an_example_and_the_option(run: Run, tmp_path: Path) -> None:
    random = np.random.default_rng(3)
    values = random.lognormal(7, 1, 2 * N)
    pd.DataFrame({"a": values[:N].round(2), "b": 1}).to_csv(tmp_path / "ref.csv", index=False)
    pd.DataFrame({"a": [f"{value:,.2f}" for value in values[N:]], "b": 1}).to_csv(tmp_path / "now.csv", index=False)
    result = run("evaluate", tmp_path / "now.csv", "--baseline", tmp_path / "ref.csv")
    [sentence] = [line for line in result.stderr.splitlines() if "now.csv: a:" in line]
    first = next(f"{value:,.2f}" for value in values[N:] if value >= 1_000)
    assert repr(first) in sentence
    assert lacking(sentence, "--thousands") == []
    result = run("evaluate", tmp_path / "now.csv", "--baseline", tmp_path / "ref.csv", "--thousands", ",", "--json")
    column = json.loads(result.stdout)["windows"][0]["drift"]["features"]["a"]
    assert (column["rows"], column["missing"]) == (N, {"was": 0.0, "now": 0.0})


def test_a_baseline_names_the_option_of_a_column_that_looks_like_numbers(tmp_path: Path) -> None:
    said: list[str] = []
    frame = pd.DataFrame({"a": ["1,5", "2,25", "3,0", "4,5"] * N, "b": range(4 * N)})
    frame.to_csv(tmp_path / "rows.csv", index=False)
    build_from_files([tmp_path / "rows.csv"], ColumnOptions("m", features=("a", "b")), said.append)
    assert any("'1,5'" in sentence and "to read numbers, use --decimal ," in sentence for sentence in said)
    options = ColumnOptions("m", features=("a", "b"), decimal=",")
    assert isinstance(build_from_files([tmp_path / "rows.csv"], options, silent).bins.features["a"], NumberBins)


def test_the_format_of_times_is_found_and_named(run: Run, tmp_path: Path) -> None:
    pd.DataFrame({"time": ["13/04/2026", "14/05/2026"] * N, "a": np.arange(2 * N) % 7}).to_csv(
        tmp_path / "now.csv", index=False
    )
    command = ("evaluate", tmp_path / "now.csv", "--baseline", tmp_path / "now.csv", "--time", "time")
    result = run(*command, "--json")
    assert lacking(result.stderr, "time: read as times", "--date-format", "%d/%m/%Y") == []
    assert json.loads(result.stdout)["windows"][0]["start"] == "2026-04-13T00:00:00Z"


def test_outcomes_are_read_in_the_format_of_the_rows(run: Run, tmp_path: Path) -> None:
    random = np.random.default_rng(4)
    truth = random.lognormal(7, 0.5, N)
    rows = pd.DataFrame({"id": range(N), "time": "2026-03-01", "score": truth + 10, "a": random.random(N)})
    rows.to_parquet(tmp_path / "now.parquet")
    written = [f"{value:,.2f}".translate(str.maketrans(",.", ".,")) for value in truth]
    outcomes = pd.DataFrame({"id": range(N), "time": "13.03.2026 10:00", "actual": written, "weight": "2,5"})
    outcomes.to_csv(tmp_path / "outcomes.csv", index=False)
    options = (
        "--task",
        "regression",
        "--time",
        "time",
        "--outcomes",
        tmp_path / "outcomes.csv",
        *FORMAT[:5],
        "%d.%m.%Y %H:%M",
    )
    result = run("evaluate", tmp_path / "now.parquet", "--baseline", tmp_path / "now.parquet", *options, "--json")
    assert result.exit_code == 0, result.stderr
    metric = json.loads(result.stdout)["windows"][0]["performance"]["realized"]["mae"]
    assert (metric["rows"], metric["value"]) == (N, pytest.approx(10, abs=0.01))
