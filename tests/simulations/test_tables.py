"""Every simulated table is in evidence/ and can be printed, and pages cite rows that exist."""

from __future__ import annotations

import re

import pytest

from simulations.frame import EVIDENCE, ROOT, Table, cited
from simulations.tables import TABLES

NAMED = [pytest.param(table, id=table.name) for table in TABLES]


@pytest.mark.parametrize("table", NAMED)
def test_a_table_can_be_printed(table: Table) -> None:
    assert table.printed().count("|") > 10


@pytest.mark.parametrize("table", NAMED)
def test_every_row_was_simulated(table: Table) -> None:
    assert table.figures().keys() <= table.rows.keys()


def test_every_file_of_figures_has_a_table() -> None:
    others = {"benchmarks", "conformance", "drills", "explanations", "peers", "right_or_wrong"}
    assert {file.stem for file in EVIDENCE.glob("*.json")} - others == {table.name for table in TABLES}


ADVICE = {"drift": "concepts/false-alarms.md", "methods": "monitor/drift-methods.md"}
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
