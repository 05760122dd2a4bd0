"""Cells of CSV files: no formula for a spreadsheet, no command for a terminal."""

from __future__ import annotations

import pytest
from driftline_processor.present.csv_cells import plain_cell
from driftline_processor.web.page import Table, to_csv

CONTROLS = [chr(code) for code in (*range(32), *range(127, 160)) if chr(code) not in "\t\n\r"]


@pytest.mark.parametrize("control", CONTROLS, ids=lambda control: f"{ord(control):02x}")
def test_a_control_character_is_a_dot(control: str) -> None:
    assert plain_cell(f"a{control}]0;title") == "a·]0;title"
    assert plain_cell(f"{control}=1+1") == "·=1+1"
    assert to_csv(Table((f"b{control}",), [(f"a{control}",)])) == "b·\r\na·\r\n"


@pytest.mark.parametrize("text", ["a\tb", "a\nb", "naïve", "日本", "a\u200bb"])
def test_other_texts_stay(text: str) -> None:
    assert plain_cell(text) == text
