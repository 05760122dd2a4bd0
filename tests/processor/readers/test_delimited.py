"""CSV: the types of columns, lines that cannot be read, and how a file is written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.csv
import pytest
from driftline_processor.readers.delimited import CsvSource
from driftline_processor.readers.errors import BadInput

from tests.support.facts import lacking


def silent(sentence: str) -> None:
    raise AssertionError(sentence)


def whole(path: Path, **options: Any) -> Any:
    """Return what Arrow reads from a file that it holds in memory."""
    conversion = pyarrow.csv.ConvertOptions(strings_can_be_null=True, quoted_strings_can_be_null=False, **options)
    return pyarrow.csv.read_csv(
        path, parse_options=pyarrow.csv.ParseOptions(newlines_in_values=True), convert_options=conversion
    )


COLUMNS: list[tuple[list[Any], list[Any]]] = [
    ([1, 2], [3, 4]),
    ([1, 2], [2.5, 4]),
    ([1, 2], ["x", 4]),
    (["", ""], [7, 8]),
    (["", ""], ["", "yes"]),
    (["true", "false"], ["true", "maybe"]),
    (["2026-01-01", "2026-01-02"], ["2026-01-01 10:00:00", "2026-01-02"]),
    (["2026-01-01 10:00:00", ""], ["2026-01-01 10:00:00.25", ""]),
    (["2026-01-01T10:00:00Z", ""], ["2026-01-01T10:00:00.25Z", ""]),
    (["2026-01-01", ""], ["2026-01-01T10:00:00.25Z", ""]),
    (["", ""], ["2026-01-01T10:00:00Z", "2026-01-01T10:00:00.25Z"]),
    (["a", "b"], ["c", "NA"]),
    (["", ""], ["", ""]),
    ([5, 1], ["true", "false"]),
    ([0, 1], ["true", "false"]),
    (["", ""], ['"a\n""b"', " 7"]),
    ([7, 8], ["12345678901234567890123", ""]),
]


@pytest.mark.parametrize(("early", "late"), COLUMNS)
def test_a_column_has_the_type_that_all_of_it_has(early: list[Any], late: list[Any], tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    values = [*early * 200, *late * 200]
    path.write_text("n,value\n" + "".join(f"{at},{value}\n" for at, value in enumerate(values)))
    source, known = CsvSource(path, (), silent, block=512), whole(path)
    assert source.schema.equals(known.schema)
    assert source.rows == 800
    assert source.column("value").to_pylist() == known["value"].to_pylist()


def test_columns_that_change_their_type_later_on_are_widened_in_one_pass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"c{at}" for at in range(30)]
    later = ["x", 7, "2026-01-01T10:00:00.25Z", "true", "0.5", 'a "b", c']
    path = tmp_path / "rows.csv"
    rows = [[at, *[""] * 29] for at in range(400)] + [[0.5, *[later[at % 6] for at in range(29)]] for _ in range(400)]
    pd.DataFrame(rows, columns=names).to_csv(path, index=False)
    passes, open_again = [0], CsvSource._open

    def counted(self: CsvSource, *arguments: Any, **options: Any) -> Any:
        passes[0] += 1
        return open_again(self, *arguments, **options)

    monkeypatch.setattr(CsvSource, "_open", counted)
    source, known = CsvSource(path, (), silent, block=1024), whole(path)
    assert passes[0] <= 4  # the header, up to the first column that changes, the types of all rows, all rows
    assert source.schema.equals(known.schema)
    assert [source.column(name).to_pylist() for name in names] == [known[name].to_pylist() for name in names]


def test_the_first_of_several_columns_of_one_name_is_read(tmp_path: Path) -> None:
    path, said = tmp_path / "rows.csv", list[str]()
    path.write_text("a,a,b,b\n" + "".join(f"{at},x{at},{at / 2 if at > 150 else at},{at}\n" for at in range(200)))
    source = CsvSource(path, (), said.append, block=512)
    assert len(said) == 1
    assert lacking(said[0], f"{path}:") == []
    assert source.schema.names == ["a", "b"]
    assert source.column("a").to_pylist() == list(range(200))
    assert source.column("b").to_pylist()[-1] == 99.5


def test_a_large_file_that_is_not_utf_8_is_latin_1(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes(b"city,score\n" + b"Bern,0.5\n" * (1 << 19) + "Zürich,0.5\n".encode("latin-1"))
    said: list[str] = []
    assert CsvSource(path, (), said.append).column("city").to_pylist()[-1] == "Zürich"
    assert said == [f"{path}: not UTF-8; read as cp1252; save it as UTF-8 if texts look wrong"]


ROWS = "city,x\nZürich,01\nKöln,02\n"


@pytest.mark.parametrize(
    ("content", "cities", "notes"),
    [
        (ROWS.encode(), ["Zürich", "Köln"], []),
        (ROWS.encode("utf-8-sig"), ["Zürich", "Köln"], []),
        (ROWS.encode() + b"Ulm\xc3,03\n", ["Zürich", "Köln", "Ulm\ufffd"], ["1 character not valid in UTF-8"]),
        (ROWS.encode() + b"\xe4\xff,03\n", ["Zürich", "Köln", "\ufffd\ufffd"], ["2 characters not valid in UTF-8"]),
        ("city,x\n\ufffd,01\n".encode(), ["\ufffd"], []),
        (ROWS.encode("cp1252") + "ü,03\n".encode(), ["Zürich", "Köln", "Ã¼"], ["not UTF-8; read as cp1252"]),
        (b"city,x\n\x81\xe9,01\n", ["\x81é"], ["not UTF-8; read as latin-1"]),
        (ROWS.encode("utf-16"), ["Zürich", "Köln"], []),
        ("\ufeff".encode("utf-16-be") + ROWS.encode("utf-16-be"), ["Zürich", "Köln"], []),
    ],
)
def test_text_is_decoded_as_most_of_it_is_valid(
    content: bytes, cities: list[str], notes: list[str], tmp_path: Path
) -> None:
    path, said = tmp_path / "rows.csv", list[str]()
    path.write_bytes(content)
    source = CsvSource(path, (), said.append)
    assert source.column("city").to_pylist() == cities
    assert source.column("x").to_pylist() == ["01", "02", "03"][: len(cities)]
    assert [sentence for sentence, note in zip(said, notes, strict=True) if note not in sentence] == []


def test_an_invalid_byte_in_a_later_chunk_changes_no_other_text(tmp_path: Path) -> None:
    path, said = tmp_path / "rows.csv", list[str]()
    path.write_bytes(b"towns\n" + "Zürich\n".encode() * (1 << 19) + b"\xc3(\n")  # a chunk ends within a character
    column = CsvSource(path, (), said.append).column("towns")
    assert set(column.to_pylist()) == {"Zürich", "\ufffd("}
    assert said == [f"{path}: 1 character not valid in UTF-8, replaced by U+FFFD"]


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32"])
def test_wide_characters_without_a_mark_are_an_error(encoding: str, tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_bytes(ROWS.encode(encoding))
    with pytest.raises(BadInput, match="save the file as UTF-8"):
        CsvSource(tmp_path / "rows.csv", (), silent)


@pytest.mark.parametrize(
    "text",
    [
        *("a|b\n1|2\n", "sep=;\na;b\n1;2\n", '"sep=;"\na;b\n1;2\n', "sep=|\na|b,c\n1|2\n", "sep=;\na;b;\n1;2;\n"),
        *("SEP=;\r\na;b\r\n1;2\r\n", "\ufeffsep=;\na;b\n1;2\n", "sep=\t\na\tb\n1\t2\n", "sep=;\na;b;\n1;2\n"),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_delimiter_of_the_header_or_the_line_of_excel(text: str, encoding: str, tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_bytes(text.encode(encoding))
    source = CsvSource(tmp_path / "rows.csv", (), silent)
    assert [name[0] for name in source.schema.names] == ["a", "b"]
    assert [source.column(name).to_pylist() for name in source.schema.names] == [[1], [2]]


# decision 0028: what a reader of CSV does with files that other readers refuse or rename
def test_yes_and_no_are_texts(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("a\nyes\nno\n")
    assert CsvSource(tmp_path / "rows.csv", (), silent).column("a").to_pylist() == ["yes", "no"]


def test_names_that_differ_in_their_case_are_two_columns(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("Age,age\n1,2\n")
    assert CsvSource(tmp_path / "rows.csv", (), silent).schema.names == ["Age", "age"]


@pytest.mark.parametrize("size", [3_000_000, 20_000_000])
def test_a_long_text_is_read(tmp_path: Path, size: int) -> None:
    (tmp_path / "rows.csv").write_text("a,b\nx,0\n" + "x" * size + ",1\n")
    assert [len(text) for text in CsvSource(tmp_path / "rows.csv", (), silent).column("a").to_pylist()] == [1, size]


def test_a_number_of_26_digits_is_a_double(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("a\n12345678901234567890123456\n")
    assert CsvSource(tmp_path / "rows.csv", (), silent).column("a").to_pylist() == [1.2345678901234568e25]


def test_a_file_of_windows_is_cp1252_unless_it_has_undefined_bytes(tmp_path: Path) -> None:
    path = tmp_path / "w.csv"
    path.write_bytes("Betrag €,b\n“x”,1\n".encode("cp1252"))
    assert CsvSource(path, (), lambda _: None).schema.names == ["Betrag €", "b"]
    path.write_bytes(b"a,b\n\x81\xe9,1\n")
    assert CsvSource(path, (), lambda _: None).column("a").to_pylist() == ["\x81é"]


@pytest.mark.parametrize(
    ("header", "end"), [("a,b,", ","), ("a,b", ","), ("a,b,", ""), ("a;b", ";"), ("a,b", ',""'), ("a\tb\t", "\t")]
)
def test_a_delimiter_at_the_end_of_every_line_is_no_column(tmp_path: Path, header: str, end: str) -> None:
    path = tmp_path / "rows.csv"
    mark = header[1]
    path.write_text("\n".join([header, *(f"00{k}{mark}{k}.5{end}" for k in range(5))]) + "\n")
    source = CsvSource(path, (), silent)
    assert source.schema.names == ["a", "b"]
    assert source.column("a").to_pylist() == ["000", "001", "002", "003", "004"]
    assert source.column("b").to_pylist() == [0.5, 1.5, 2.5, 3.5, 4.5]


def test_a_last_column_with_values_stays(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("a,b,\n1,2,\n3,4,x\n")
    assert CsvSource(tmp_path / "rows.csv", (), silent).schema.names == ["a", "b", ""]


def test_lines_with_another_value_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("a,b\n1,2,5\n3,4,6\n7,8\n")
    said: list[str] = []
    assert CsvSource(tmp_path / "rows.csv", (), said.append).rows == 1
    assert lacking(said[0], "left out 2 lines: line 2 has 3 values, but the header has 2") == []


@pytest.mark.parametrize("before", ["# exported\n# version 2\n", "Report of May\n", "a,b,c,d,e,f\n"])
def test_lines_before_the_header_are_an_error_and_not_a_table_of_one_row(tmp_path: Path, before: str) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(before + "x,y,z\n" + "1,2,3\n" * 50)
    with pytest.raises(BadInput, match=r"the first line is not the header: 5\d lines of 5\d have another number"):
        CsvSource(path, (), lambda _: None)


@pytest.mark.parametrize("block", [None, 100])
@pytest.mark.parametrize(
    ("changed", "rows", "lines"),
    [
        ({100: 'r100,0,"a', 900: 'r900,0,"a'}, 200, 800),
        ({100: 'r100,0,"a', 900: 'r900,0,5"'}, 200, 800),
        ({100: 'r100,"0,a', 900: 'r900,0,"a'}, 199, 800),
        ({100: 'r100,0,"a'}, 101, 899),
        ({100: 'r100,"0,a'}, 100, 899),
        ({100: '"r100,0,a'}, 100, 899),
        ({100: 'r100,0,"a', 104: 'r104,0,"a', 500: 'r500,0,"a', 600: 'r600,0,"a'}, 896, 104),
        ({100: 'r100,0,5"', 900: 'r900,0,5"'}, 1_000, 0),
        ({100: 'r100,0,"Dear all,\nyours,\nfaithfully,\nme"'}, 1_000, 0),
        ({100: 'r100,0,"' + "a line\n" * 500 + '"'}, 1_000, 0),
    ],
)
def test_rows_within_a_quotation_mark_that_is_not_closed_are_counted(
    changed: dict[int, str], rows: int, lines: int, block: int | None, tmp_path: Path
) -> None:
    """Line breaks in a value are only reported if the lines look like rows."""
    path, said = tmp_path / "rows.csv", list[str]()
    text = "".join(changed.get(row, f"r{row},{row % 50},{'ab'[row % 2]}") + "\n" for row in range(1_000))
    path.write_text("id,x,plan\n" + text)
    source = CsvSource(path, {"id"}, said.append, block=block)
    assert source.rows == rows
    assert [sentence for sentence in said if "quotation mark" in sentence] == [
        sentence for sentence in said if f"{path}: {lines} lines not read as rows" in sentence
    ]
    assert sum("quotation mark" in sentence for sentence in said) == bool(lines)
    assert [sentence for sentence in said if "left out" in sentence] == [
        sentence for sentence in said if f"left out {lines + 1} lines: line 102 has" in sentence
    ]
    assert rows + lines + sum("left out" in sentence for sentence in said) == 1_000


def test_a_quotation_mark_in_the_header_is_reported(tmp_path: Path) -> None:
    path, said = tmp_path / "rows.csv", list[str]()
    path.write_text('id,x,"plan\n' + "".join(f"r{row},1,{'a' if row != 50 else chr(34)}\n" for row in range(100)))
    assert CsvSource(path, (), said.append).rows == 49
    assert "51 lines not read as rows" in said[0]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("id, age, plan\nr1, 3, a\n", ["id", "age", "plan"]),
        ("id ;  age;\u00a0plan \nr1;3;a\n", ["id", "age", "plan"]),
        ('"id"," age","plan "\nr1,3,a\n', ["id", "age", "plan"]),
        ("id, age, plan, \nr1, 3, a, \n", ["id", "age", "plan"]),
        ("id, age, plan\nr1, 3, a,\n", ["id", "age", "plan"]),
        ("id, age in years, plan\nr1, 3, a\n", ["id", "age in years", "plan"]),
        ('id,"age (years)\n",plan\nr1,3,a\n', ["id", "age (years)", "plan"]),
        ('sep=;\n"\n id";"age\nin years\r\n";"plan\n\n"\nr1;3;a\n', ["id", "age\nin years", "plan"]),
        ('id,"age\n",plan\nr1,3,a,\n', ["id", "age", "plan"]),
    ],
)
def test_blanks_around_names_of_the_header_are_not_part_of_them(text: str, names: list[str], tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text(text)
    source = CsvSource(tmp_path / "rows.csv", (), silent)
    assert (source.schema.names, source.column(names[1]).to_pylist()) == (names, [3])
