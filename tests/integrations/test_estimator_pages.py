"""docs/instrument/estimators.md: the code of the page is run, and records what the page states."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from driftline.tables.column_codec import strings

from tests.support.paths import code_blocks
from tests.support.receiver import Receiver

from .process import INSTRUMENT, run, tables

PAGES = [
    ("sklearn", 2, ["age", "visits"]),
    ("xgboost", 101, ["age", "visits"]),
    ("lightgbm", 101, ["age", "visits"]),
    pytest.param("catboost", 1, ["age", "visits"], marks=pytest.mark.frameworks),
]


def script(folder: Path, parts: Sequence[str]) -> Path:
    path = folder / "service.py"
    path.write_text("\n".join(parts))
    return path


@pytest.mark.slow
@pytest.mark.parametrize(("page", "rows", "features"), PAGES)
def test_the_five_minutes_record_what_the_page_says(
    receiver: Receiver, tmp_path: Path, page: str, rows: int, features: list[str]
) -> None:
    pytest.importorskip(page, reason=f"{page} is not installed: make frameworks")
    run(script(tmp_path, [*code_blocks(page, "python"), "driftline.shutdown()"]), receiver)
    arrived = tables(receiver)
    assert sum(map(len, arrived)) == rows
    assert {(table.key.model, table.key.version) for table in arrived} == {("churn", "2026-11-01")}
    assert [list(table.features) for table in arrived] == [features] * len(arrived)
    assert all(table.scores is not None for table in arrived)
    if page == "sklearn":
        assert "C-17" in [text for table in arrived for text in strings(table.id)]
        assert {table.task.positive_class for table in arrived} == {"left"}


@pytest.mark.slow
def test_the_file_does_the_same_without_code(receiver: Receiver, tmp_path: Path) -> None:
    training, _, asking, _ = code_blocks("sklearn", "python")
    (config,) = code_blocks("sklearn", "toml")
    (tmp_path / "driftline.toml").write_text(config)
    run(script(tmp_path, [training, asking]), receiver, INSTRUMENT, DRIFTLINE_CONFIG="driftline.toml")
    (table,) = tables(receiver)
    assert (table.key.model, table.key.version, len(table)) == ("churn", "2026-11-01", 1)
    assert table.task.positive_class == "left"
