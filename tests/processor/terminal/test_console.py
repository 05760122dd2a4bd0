"""What all views in a terminal share: a text whose units stay beside their numbers."""

from __future__ import annotations

import io

from driftline_processor.terminal.console import Text
from rich.console import Console


def test_a_line_never_ends_between_a_number_and_its_unit() -> None:
    console = Console(width=14, file=io.StringIO())
    said = Text("it rose from 12 % to 40 %")
    assert [line.plain.rstrip() for line in said.wrap(console, 14)] == ["it rose from", "12 % to 40 %"]
    assert said.plain == "it rose from 12 % to 40 %"


def test_parts_make_one_text_with_its_units() -> None:
    said = Text.assemble(("churn", "bold"), ": 12 % of 900")
    assert [line.plain.rstrip() for line in said.wrap(Console(width=9, file=io.StringIO()), 9)] == [
        "churn:",
        "12 % of",
        "900",
    ]
