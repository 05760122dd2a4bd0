"""The documentation has the tables that were simulated, in full, and cites rows that there are."""

from __future__ import annotations

import re

import pytest

from simulations.frame import ROOT, Table, cited
from simulations.tables import TABLES

NAMED = [pytest.param(table, id=table.name) for table in TABLES]


@pytest.mark.parametrize("table", NAMED)
def test_the_page_has_the_table_that_was_simulated(table: Table) -> None:
    assert table.on_page() == table.text(table.figures())


@pytest.mark.parametrize("table", NAMED)
def test_every_row_was_simulated(table: Table) -> None:
    assert table.figures().keys() <= table.rows.keys()


def test_every_table_has_a_page_and_every_marker_a_table() -> None:
    marked = {
        (page, name)
        for page in (ROOT / "docs").rglob("*.md")
        for name in re.findall(r"<!-- simulated: (\w+) -->", page.read_text(encoding="utf-8"))
    }
    assert {one for one in marked if one[1] != "end"} == {(table.page, table.name) for table in TABLES}


ADVICE = {"drift": "explanation/drift-alarms.md", "methods": "how-to/choose-a-drift-method.md"}
"""The pages that say what follows from a table."""


@pytest.mark.parametrize("name", ADVICE)
def test_what_is_made_of_a_table_cites_its_rows(name: str) -> None:
    table = {one.name: one for one in TABLES}[name]
    advice = re.split(r"\n- ", (ROOT / "docs" / ADVICE[name]).read_text(encoding="utf-8"))[1:]
    rows = set(table.rows)
    assert len(advice) >= 6
    for part in advice:
        assert rows & set(re.findall(r"`([^`]+)`", part)), part
        assert cited(part) <= rows, part
