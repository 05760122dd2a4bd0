"""Numbers and dates as people write them: one notation for a whole column, and where two fit, who decides is said."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from driftline.baseline.baseline import Baseline
from driftline.panes.bins import NumberBins
from driftline_processor.evaluation.files.baseline import build_from_files
from driftline_processor.readers import notation
from driftline_processor.readers.column_options import ColumnOptions
from driftline_processor.readers.notation import KnownNotation, find_notations, with_notation
from driftline_processor.readers.source import Notation, Source
from driftline_processor.readers.sources import TableSource, open_source, open_sources
from hypothesis import given
from hypothesis import strategies as st

from tests.support.churn_files import Run

N = 400
NBSP = "\u00a0"


def silent(sentence: str) -> None:
    """Say nothing."""


def texts(values: list[str | None]) -> Source:
    return TableSource(Path("rows.csv"), pa.table({"a": pa.array(values, pa.string())}), silent, {"a"})


def read(values: list[str | None], **known: Any) -> tuple[list[Any], Notation | None]:
    """Return a column as it is read, and its notation."""
    [source] = with_notation([texts(values)], KnownNotation(**known), (), silent)
    return source.column("a").to_pylist(), source.notations.get("a")


@pytest.mark.parametrize(
    ("written", "values", "unit"),
    [
        (["1,234.56", "999", "-3.5", None], [1234.56, 999, -3.5, None], ""),
        (["1.234,56", "1.234.567", "12,5", "-0,5"], [1234.56, 1234567, 12.5, -0.5], ""),
        (["1 234,5", f"1{NBSP}234{NBSP}567", "7"], [1234.5, 1234567, 7], ""),
        (["1'234.5", "1\u2019000", "12"], [1234.5, 1000, 12], ""),
        (["12,34,567.5", "1,00,000", "7"], [1234567.5, 100000, 7], ""),
        (["$1,234.50", "-$3", "$-4", "($5)", "$(6)", "7"], [1234.5, -3, -4, -5, -6, 7], "$"),
        (["1.234,50 €", "3 €", "€ 4", "5-"], [1234.5, 3, 4, -5], "€"),
        (["USD 1,234.5", "12 USD"], [1234.5, 12], "USD"),
        (["(1,234.56)", "\u22127", "+8"], [-1234.56, -7, 8], ""),
        (["12 %", "3.5%", "100 %"], [0.12, 0.035, 1.0], "%"),
        (["12,5 %", f"7{NBSP}%"], [0.125, 0.07], "%"),
    ],
)
def test_a_column_of_numbers_as_people_write_them(
    written: list[str | None], values: list[float | None], unit: str
) -> None:
    found, how = read(written)
    assert found == values
    assert how is not None
    assert (how.unit, how.unread, how.other) == (unit, 0, "")


@pytest.mark.parametrize(
    ("written", "days"),
    [
        (["31/12/2026", "01/02/2026"], [date(2026, 12, 31), date(2026, 2, 1)]),
        (["12/31/2026", "01/02/2026"], [date(2026, 12, 31), date(2026, 1, 2)]),
        (["03.04.2026", "05.06.26"], [date(2026, 4, 3), date(2026, 6, 5)]),
        (["1/13/26", "2/3/99"], [date(2026, 1, 13), date(1999, 2, 3)]),
        (["2026/03/09", "2026.12.31"], [date(2026, 3, 9), date(2026, 12, 31)]),
        (["5 Jan 2026", "5-Feb-26", "March 3, 2026"], [date(2026, 1, 5), date(2026, 2, 5), date(2026, 3, 3)]),
    ],
)
def test_a_column_of_dates_as_people_write_them(written: list[str | None], days: list[date]) -> None:
    assert [value.date() for value in read(written)[0]] == days


def test_the_time_of_a_date_is_read_with_its_half_of_the_day_and_its_zone() -> None:
    found, _ = read(["31/12/2026 1:05 PM", "30/12/2026 12:00:01.5 am", "29/12/2026, 10:00 +02:00", "28/12/2026T23:59Z"])
    assert [value.to_pydatetime() for value in found] == [
        datetime(2026, 12, 31, 13, 5),
        datetime(2026, 12, 30, 0, 0, 1, 500_000),
        datetime(2026, 12, 29, 8),
        datetime(2026, 12, 28, 23, 59),
    ]


@pytest.mark.parametrize(
    "written",
    [
        ["a1", "b2", "c3"],
        ["10.0.0.1", "10.0.0.2"],
        ["1.2.3", "3.1.12"],
        ["0,1", "0,1,2"],
        ["12", "13 %", "14"],
        ["2026-01-05", "x"],
        ["$5", "€5"],
        ["1,234 567", "(5", "$5€"],
    ],
)
def test_what_is_neither_a_number_nor_a_date_stays_a_text(written: list[str | None]) -> None:
    assert read(written) == (written, None)


@pytest.mark.parametrize(
    ("known", "values", "decided_by"),
    [
        ({}, [1.234, 2.345], "default"),
        ({"decimal": ","}, [1234, 2345], "--decimal"),
        ({"known": {"a": "decimal_comma"}}, [1234, 2345], "baseline"),
        ({"known": {"a": "decimal_comma"}, "decimal": "."}, [1.234, 2.345], "--decimal"),
    ],
)
def test_of_two_notations_that_fit_an_option_decides_then_the_baseline(
    known: dict[str, Any], values: list[float], decided_by: str
) -> None:
    found, how = read(["1.234", "2.345"], **known)
    assert found == values
    assert how is not None
    assert (how.decided_by, how.other) == (
        decided_by,
        "decimal_comma" if values[0] < 2 else "decimal_point",
    )


def test_a_column_that_is_written_in_one_way_only_decides_for_its_neighbours() -> None:
    table = pa.table({"a": ["1.234", "2.345"], "b": ["1,5", "2,25"], "c": ["03/04/2026"] * 2, "d": ["13/04/2026"] * 2})
    source = TableSource(Path("rows.csv"), table, silent, set(table.schema.names))
    said: list[str] = []
    [noted] = with_notation([source], KnownNotation(), (), said.append)
    assert noted.column("a").to_pylist() == [1234, 2345]
    assert noted.column("c").to_pylist()[0].date() == date(2026, 4, 3)
    assert said == [
        "a: '1.234' is read as a number with a decimal comma, as in other columns; --decimal . reads a decimal point",
        "b: '2,25' is read as a number with a decimal comma",
        "c: '03/04/2026' is read as a date, the day first, as in other columns; --monthfirst reads the month first",
        "d: '13/04/2026' is read as a date, the day first",
    ]


def test_all_files_of_one_set_are_written_in_one_way(tmp_path: Path) -> None:
    one, other = tmp_path / "east.csv", tmp_path / "west.csv"
    one.write_text("a;b\n1.234;x\n2.345;y\n")
    other.write_text("a;b\n1.234.567;x\n7,5;y\n")
    values = [source.column("a").to_pylist() for source in open_sources([one, other], (), silent)]
    assert values == [[1234, 2345], [1234567, 7.5]]


@pytest.mark.parametrize("most", [None, 0])
def test_thousands_that_arrow_takes_for_decimals_can_be_told_apart(tmp_path: Path, most: int | None) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("a,b,c\n" + "1.234,0.123,1.5\n999,1.234,2.250\n2.500,7.125,3.125\n" * 3)
    said: list[str] = []
    source = open_source(path, (), said.append, most, KnownNotation(decimal=","))
    assert source.column("a").to_pylist()[:3] == [1234, 999, 2500]
    assert (source.column("b").to_pylist()[:2], source.column("c").to_pylist()[:2]) == ([0.123, 1.234], [1.5, 2.25])
    assert [sentence.partition(":")[0] for sentence in said] == ["a"]


@pytest.mark.parametrize("most", [None, 0])
def test_a_value_that_does_not_fit_is_counted_and_named(tmp_path: Path, most: int | None) -> None:
    path, said = tmp_path / "rows.csv", list[str]()
    path.write_text("a\n" + '"1.234,5"\n' * 40 + "7.25\nsoon\n")
    source = open_source(path, (), said.append, most)
    notation.report_unreadable([source], {"a"}, said.append)
    assert said == [
        "a: '1.234,5' is read as a number with a decimal comma",
        f"{path}: a: 2 of 42 values without a number as '1.234,5' is, taken as missing: the first is row 41, '7.25'",
    ]
    assert source.column("a").to_pylist()[39:] == ["1234.5", "'7.25'", "soon"]


def test_the_least_common_currency_does_not_fit() -> None:
    found, how = read(["$1", "$2", "€3"], numbers={"a"})
    assert (found, how and how.unread) == (["1", "2", "€3"], 1)


def test_columns_that_are_numbers_already_are_not_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("a,b,c\n" + "1.5,2,2026-01-05\n0.25,3,2026-01-06\n")
    monkeypatch.setattr(notation, "_read_numbers", None)
    assert find_notations([open_source(path, (), silent)], KnownNotation(), ()) == {}


GROUPS: list[tuple[Callable[[str], str], Callable[[str], str]]] = [
    (lambda text: text, lambda text: text),
    (lambda text: "$" + text, lambda text: text.translate(str.maketrans(",.", ".,")) + " €"),
    (lambda text: text.replace(",", "'"), lambda text: text.replace(",", " ").replace(".", ",")),
]


@given(
    st.lists(st.integers(-(10**11), 10**11), min_size=1, max_size=20),
    st.integers(0, 2),
    st.booleans(),
)
def test_a_number_is_read_as_it_was_written(cents: list[int], dress: int, comma: bool) -> None:
    dressed = [GROUPS[dress][comma](f"{number / 100:,.2f}") for number in cents]
    assert read([*dressed])[0] == pytest.approx([number / 100 for number in cents], abs=1e-9)


def amounts(n: int, seed: int, factor: float) -> pd.DataFrame:
    """Rows as a spreadsheet has them; ``qty`` passes 999 in few rows."""
    random = np.random.default_rng(seed)
    amount = random.lognormal(7, 1, n) * factor
    day = random.integers(1, 29, n)
    return pd.DataFrame(
        {
            "when": [f"{one:02d}/03/2026" for one in day],
            "amount": [f"${value:,.2f}" for value in amount],
            "qty": [
                f"{int(value):,}" for value in np.where(random.random(n) < 0.05, 1_500, random.integers(1, 999, n))
            ],
            "share": [f"{100 * value:.1f} %" for value in random.random(n)],
            "plan": random.choice(["a", "b"], n),
        }
    )


def evaluate(run: Run, *arguments: object) -> tuple[dict[str, Any], list[str]]:
    result = run("evaluate", *arguments, "--json")
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout), result.stderr.splitlines()


def test_a_spreadsheet_is_compared_and_says_how_it_was_read(run: Run, tmp_path: Path) -> None:
    reference, now = tmp_path / "ref.csv", tmp_path / "now.csv"
    amounts(N, 1, 1).to_csv(reference, index=False)
    amounts(N, 2, 3).to_csv(now, index=False)
    built = run("baseline", "build", reference, "--model", "m", "--task", "binary", "-o", tmp_path / "b.json")
    assert built.exit_code == 0
    columns = Baseline.load(tmp_path / "b.json").columns
    assert (columns["decimal_point"], columns["day_first"]) == (["amount", "qty", "share"], ["when"])
    for baseline in (reference, tmp_path / "b.json"):
        answer, said = evaluate(run, now, "--baseline", baseline)
        [window] = answer["windows"]
        states = {name: column["state"] for name, column in window["drift"]["features"].items()}
        assert states == {"amount": "drift", "qty": "ok", "share": "ok", "plan": "ok"}
        assert [column["missing"]["now"] for column in window["drift"]["features"].values()] == [0, 0, 0, 0]
        assert window["start"] == "2026-03-01T00:00:00Z"
        assert answer["notations"]["qty"] == {
            "style": "decimal_point",
            "unit": None,
            "example": "1,500",
            "decided_by": "baseline",
            "fits_too": "decimal_comma",
            "values": N,
            "unread": 0,
            "first_unread": None,
        }
        assert (
            "driftline: qty: '1,500' is read as a number with a decimal point, as in the baseline; "
            "--decimal , reads a decimal comma"
        ) in said
        assert "driftline: share: '100.0 %' is read" not in said


def test_a_file_of_another_country_is_compared_with_its_baseline(run: Run, tmp_path: Path) -> None:
    reference, now = tmp_path / "ref.csv", tmp_path / "now.csv"
    amounts(N, 1, 1).to_csv(reference, index=False)
    later = amounts(N, 2, 1)
    later["amount"] = [text.strip("$").translate(str.maketrans(",.", ".,")) + " €" for text in later["amount"]]
    later.to_csv(now, index=False)
    answer, said = evaluate(run, now, "--baseline", reference)
    assert answer["windows"][0]["drift"]["features"]["amount"]["state"] == "ok"
    assert any("with a decimal comma; the baseline's rows had a decimal point" in sentence for sentence in said)


def test_some_values_with_a_mark_do_not_go_missing(run: Run, tmp_path: Path) -> None:
    random = np.random.default_rng(3)
    values = random.lognormal(5.5, 1, 2 * N)
    pd.DataFrame({"a": values[:N].round(2)}).to_csv(tmp_path / "ref.csv", index=False)
    pd.DataFrame({"a": [f"{value:,.2f}" for value in values[N:]]}).to_csv(tmp_path / "now.csv", index=False)
    answer, _ = evaluate(run, tmp_path / "now.csv", "--baseline", tmp_path / "ref.csv")
    column = answer["windows"][0]["drift"]["features"]["a"]
    assert (column["rows"], column["missing"], column["state"]) == (N, {"was": 0.0, "now": 0.0}, "ok")
    assert (values[N:] > 999).sum() > 20


def test_days_or_months_come_first_as_the_option_says(run: Run, tmp_path: Path) -> None:
    frame = pd.DataFrame({"time": ["03/04/2026", "04/05/2026"] * N, "a": np.arange(2 * N) % 7})
    frame.to_csv(tmp_path / "now.csv", index=False)
    command = (tmp_path / "now.csv", "--baseline", tmp_path / "now.csv")
    starts = {
        option: evaluate(run, *command, *option)[0]["windows"][0]["start"]
        for option in ((), ("--dayfirst",), ("--monthfirst",))
    }
    assert starts == {
        (): "2026-03-04T00:00:00Z",
        ("--dayfirst",): "2026-04-03T00:00:00Z",
        ("--monthfirst",): "2026-03-04T00:00:00Z",
    }


def test_what_stands_for_itself_is_not_read(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {"score": ["87 %", "12,5 %"] * N, "actual": ["5 %", "10 %"] * N, "off": ["5 %", "10 %"] * N, "a": range(2 * N)}
    )
    frame.to_csv(tmp_path / "rows.csv", index=False)
    options = ColumnOptions("m", task="binary", positive_class="5 %", slices=("off",), features=("a",))
    baseline = build_from_files([tmp_path / "rows.csv"], options, silent)
    assert set(baseline.task.classes) == {"5 %", "10 %"}
    assert isinstance(baseline.bins.score, NumberBins)


def test_outcomes_are_read_as_people_write_them(run: Run, tmp_path: Path) -> None:
    random = np.random.default_rng(4)
    truth = random.lognormal(7, 0.5, N)
    rows = pd.DataFrame({"id": range(N), "time": "2026-03-01", "score": truth + 10, "a": random.random(N)})
    rows.to_csv(tmp_path / "now.csv", index=False)
    said = [f"{value:,.2f}".translate(str.maketrans(",.", ".,")) for value in truth]
    outcomes = pd.DataFrame({"id": range(N), "time": "13.03.2026 10:00", "actual": said, "weight": "2,5"})
    outcomes.to_csv(tmp_path / "outcomes.csv", index=False)
    options = ("--task", "regression", "--outcomes", tmp_path / "outcomes.csv")
    answer, _ = evaluate(run, tmp_path / "now.csv", "--baseline", tmp_path / "now.csv", *options)
    metric = answer["windows"][0]["performance"]["realized"]["mae"]
    assert (metric["rows"], metric["value"]) == (N, pytest.approx(10, abs=0.01))


def test_a_decimal_mark_is_a_point_or_a_comma(run: Run, files: Path) -> None:
    result = run("evaluate", files / "week.parquet", "--baseline", files / "reference.parquet", "--decimal", ";")
    assert (result.exit_code, result.stderr) == (2, "driftline: --decimal is ';'; write --decimal , or --decimal .\n")


@pytest.mark.parametrize("n", [3, 2_000])
def test_a_feature_that_is_gone_is_a_finding_of_however_few_rows(
    run: Run, files: Path, reference: pd.DataFrame, n: int
) -> None:
    few = reference.head(40)
    few.to_parquet(files / "few.parquet")
    few.head(n).rename(columns={"age": "age_years"}).to_parquet(files / "now.parquet")
    answer, _ = evaluate(run, files / "now.parquet", "--baseline", files / "few.parquet")
    found = {one["features"][0]: one for one in answer["windows"][0]["quality"]["findings"]}
    assert (found["age"]["check"], found["age"]["severity"]) == ("missing", "critical")
    assert found["age"]["sentence"] == (
        "age never arrived (before, 0 % of its values were missing; did you mean age_years?)"
    )


def test_a_feature_that_a_built_baseline_compares_with_nothing_is_named(
    run: Run, files: Path, reference: pd.DataFrame
) -> None:
    with_order = reference.assign(order=[f"o{at}" for at in range(len(reference))])
    with_order.to_parquet(files / "reference.parquet")
    path = files / "churn.json"
    run("baseline", "build", files / "reference.parquet", "--model", "churn", "--task", "binary", "-o", path)
    _, said = evaluate(run, files / "reference.parquet", "--baseline", path)
    assert (
        f"driftline: order: compared with nothing: to the baseline {path}, it is an identifier; if it is none, build "
        "the baseline anew and name it in --features"
    ) in said


@pytest.mark.slow
@pytest.mark.parametrize(
    ("factor", "decided"), [(1_000, ("decimal_comma", "baseline")), (1, ("decimal_point", "baseline"))]
)
def test_the_numbers_of_a_baseline_that_was_never_written_decide(
    run: Run, tmp_path: Path, factor: int, decided: tuple[str, str]
) -> None:
    whole = np.random.default_rng(5).integers(1_001, 9_999, N)
    pd.DataFrame({"a": whole / 1_000 * factor, "b": whole}).to_parquet(tmp_path / "ref.parquet")
    lines = [f"{value // 1_000}.{value % 1_000:03d},{value}" for value in whole.tolist()]
    (tmp_path / "now.csv").write_text("a,b\n" + "\n".join(lines))
    options = ("--features", "a,b")
    answer, _ = evaluate(run, tmp_path / "now.csv", "--baseline", tmp_path / "ref.parquet", *options)
    told = answer["notations"]["a"]
    assert (told["style"], told["decided_by"]) == decided
    assert answer["windows"][0]["drift"]["features"]["a"]["state"] == "ok"
