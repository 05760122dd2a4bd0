"""Alerts in the store: a row that says what none can costs itself alone, and nobody else is told less."""

from __future__ import annotations

from pathlib import Path

import pytest
from driftline_processor.store.database import Store

from tests.support.policy_watch import model, watched
from tests.support.verdict_windows import right, wrong


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE alerts SET severity = 'grave'",
        "UPDATE alerts SET severity = NULL",
        "UPDATE alerts SET state = 'broken'",
        "UPDATE alerts SET said = 'broken'",
        "UPDATE messages SET facts = '[]'",
        "UPDATE messages SET facts = '{'",
        "UPDATE messages SET kind = 'shouted'",
    ],
)
def test_a_row_that_cannot_be_read_keeps_no_other_alert_from_being_told(tmp_path: Path, damage: str) -> None:
    with watched(tmp_path) as watch:
        watch.look(model([right(0), wrong(1), wrong(2)]))
    store = Store(tmp_path)
    store.connect(lasting=True).execute(damage)
    store.close()
    with watched(tmp_path) as again:
        late = model([right(0), wrong(1), wrong(2)])
        assert all(isinstance(one.facts, dict) for one in again.alerts.waiting)
        again.look(late, model([right(0)], "other"))
        told = again.titles(late, model([right(0), wrong(1), wrong(2)], "other"))
    assert "other is wrong since 2 July 2013" in told
