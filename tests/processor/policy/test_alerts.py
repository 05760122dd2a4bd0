"""Alerts in the store: a row that says what none can costs itself alone, and nobody else is told less."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from driftline_processor.policy.alerts import Delivery
from driftline_processor.policy.message import Message
from driftline_processor.store.database import Store
from msgspec.structs import replace

from tests.support.policy_watch import DAY, JULY, model, watched
from tests.support.verdict_windows import column, right, window, wrong


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE alerts SET severity = 'grave'",
        "UPDATE alerts SET severity = NULL",
        "UPDATE alerts SET state = 'broken'",
        "UPDATE alerts SET notified_state = 'broken'",
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
        told = again.headlines(late, model([right(0), wrong(1), wrong(2)], "other"))
    assert "opened other degraded 2013-07-02" in told


def test_a_message_that_cannot_be_read_keeps_its_number(tmp_path: Path) -> None:
    moved = [
        window(day, features={"temp": column(p=1e-30)}, incident={"feature:temp": JULY + 2 * DAY}) for day in (2, 3)
    ]
    days = [right(0), right(1), wrong(2), wrong(3), right(4), right(5)]
    with watched(tmp_path) as watch:
        watch.look(model([*days[:2], *moved]))
        (worse,) = watch.look(model(days[:4]))
    store = Store(tmp_path)
    store.connect(lasting=True).execute("UPDATE messages SET facts = '{' WHERE kind = 'opened'")
    store.close()
    with watched(tmp_path) as again:
        (end,) = again.look(model(days))
    assert (worse.id, end.id) == (f"{end.alert}-2-json", f"{end.alert}-3-json")


class Counted(dict[str, Any]):
    """A mapping that counts what is read of it."""

    reads = 0

    def __getitem__(self, key: str) -> Any:
        self.reads += 1
        return super().__getitem__(key)

    def __iter__(self) -> Iterator[str]:
        self.reads += len(self)
        return super().__iter__()

    def items(self) -> Any:
        self.reads += len(self)
        return super().items()

    def values(self) -> Any:
        self.reads += len(self)
        return super().values()


def reads_of_looks(folder: Path, years: int) -> int:
    """Return how many alerts and messages two looks read, after so many years of an alert a week."""
    url = "json://127.0.0.1:1/"
    channels = {"team": url, "head": url, "digest": {"url": url, "digest": "daily at 09:00"}}
    policies = {"health": {"escalate": {"after": "90d", "to": ["head"]}}, "low": {"when": "accuracy < 10 %"}}
    with watched(folder, notify=["team", "digest"], channels=channels, policies=policies) as watch:
        late, other = model([right(0), wrong(1), wrong(2)]), model([right(0)], "other")
        watch.look_at("2013-07-02T00:01", late, other)
        (known,) = watch.alerts.alerts.values()
        alerts, messages, deliveries = [], [], []
        for week in range(1, 52 * years):
            time = known.fired - week * 7 * DAY
            alerts.append(
                replace(known, id=f"{week}", since=time, fired=time, until=time, first_seen=time, resolved=time)
            )
            messages += [Message(f"{week}-{one}", f"{week}", "team", one, time, {}) for one in ("opened", "resolved")]
            messages.append(Message(f"{week}-digest", f"{week}-digest", "digest", "digest", time, {}))
        deliveries = [Delivery(one.id, one.created, "delivered", reference="1") for one in messages]
        watch.alerts.write(alerts, messages, deliveries)
        watch.look_at("2013-07-05T09:00", late, other)
        store = watch.alerts
        store.alerts, store.messages, store.deliveries = map(Counted, (store.alerts, store.messages, store.deliveries))
        counted = store.alerts, store.messages, store.deliveries
        for later in ("2013-07-05T09:10", "2013-07-05T09:20"):
            assert watch.look_at(later, late, other) == []
        (waiting,) = (one for one in store.waiting if one.channel == "team")
        assert store.thread(waiting) == ("", False)
        return sum(one.reads for one in counted)


@pytest.mark.slow
def test_a_look_reads_what_is_open_and_waits_and_no_history(tmp_path: Path) -> None:
    young, old = (reads_of_looks(tmp_path / str(years), years) for years in (1, 3))
    assert 0 < young == old
