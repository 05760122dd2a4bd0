"""After a salvage the log is read again: which rows are known, which count twice, and that the reason says so."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest
from driftline_processor.state import State
from driftline_processor.store.salvage import Salvage, forget_requests

from tests.support.processes import prediction
from tests.support.state_rows import NOON, Clock, config

WITHOUT_ID = "their rows without an id or of a batch"


def opened(directory: Path) -> State:
    state = State(config(directory), clock=Clock(NOON))
    state.start_storing()
    return state


@pytest.mark.parametrize(
    ("id", "lost", "rows", "in_windows", "sentence"),
    [
        ("a", "training_runs", 1, 1, f"{WITHOUT_ID} count twice if they were kept"),
        ("", "training_runs", 2, 2, f"{WITHOUT_ID} count twice if they were kept"),
        (
            "a",
            "predictions",
            1,
            2,
            f"{WITHOUT_ID}, and those of lost predictions, count twice in windows whose counts were kept",
        ),
    ],
)
def test_rows_that_are_read_again_count_as_the_reason_says(
    tmp_path: Path, id: str, lost: str, rows: int, in_windows: int, sentence: str
) -> None:
    state = opened(tmp_path)
    state.submit("logs", prediction("churn", id)).result(60)
    state.settle()
    state.stop()
    file = tmp_path / "driftline.duckdb"
    with duckdb.connect(str(file)) as connection:
        connection.execute(f"DELETE FROM {lost}")
    forget_requests(file)
    state = opened(tmp_path)
    state.settle()
    [model] = state.publish().models
    stored = state.read("SELECT count(*) AS rows FROM predictions")["rows"].to_pylist()
    assert (stored, [one.rows for one in model.windows["1d"]]) == ([rows], [in_windows])
    state.stop()
    salvage = Salvage()
    salvage.lost[lost] = 1
    assert salvage.counted_twice() == sentence
