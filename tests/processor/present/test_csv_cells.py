"""Cells of CSV files: no formula for a spreadsheet, no command for a terminal."""

from __future__ import annotations

import pytest
from driftline_processor.present.csv_cells import plain_cell
from driftline_processor.web.page import Table, to_csv

CONTROLS = [chr(code) for code in (*range(32), *range(127, 160)) if chr(code) not in "\t\n\r"]
BIDI = (0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
FORMATS = [chr(code) for code in (*BIDI, 0xAD, 0x180E, 0x200B, 0x2060, 0xFEFF, 0xFFF9, 0xE0041)]


@pytest.mark.parametrize("control", CONTROLS + FORMATS, ids=lambda control: f"{ord(control):02x}")
def test_a_control_or_format_character_is_a_dot(control: str) -> None:
    assert plain_cell(f"a{control}]0;title") == "a·]0;title"
    assert plain_cell(f"{control}=1+1") == "·=1+1"
    assert to_csv(Table((f"b{control}",), [(f"a{control}",)])) == "b·\r\na·\r\n"


@pytest.mark.parametrize("text", ["a\tb", "a\nb", "naïve", "日本", "a\u200cb", "a\u200db", "a\u2028b"])
def test_other_texts_stay(text: str) -> None:
    assert plain_cell(text) == text
