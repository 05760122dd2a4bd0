"""Silences that people set: they suppress what configured silences suppress, and end by themselves or by a person."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from driftline_processor.policy.silences import NamedSilence

from tests.support.policy_watch import DAY, JULY, Watched, model, silence, watched
from tests.support.verdict_windows import right, wrong

DEGRADED = [right(0), wrong(1), wrong(2)]

MODEL = {"model": "late", "environment": "", "policy": ""}


def silenced(watch: Watched, names: Mapping[str, str] = MODEL, until: int = JULY + 4 * DAY) -> NamedSilence:
    place = {**MODEL, **names}
    return watch.silences.record(**place, by="ann", why="a new feed", now=JULY, until=until)


def test_a_silence_of_a_person_works_as_a_configured_one_does_also_over_a_restart(tmp_path: Path) -> None:
    lasting = [*DEGRADED, *(wrong(day) for day in range(3, 6))]
    with watched(tmp_path / "configured", silences={"july": silence(models=["late"])}) as configured:
        expected = [configured.headlines(model(DEGRADED)), configured.headlines(model(lasting))]
        states = [alert.silenced for alert in configured.alerts.alerts.values()]
    with watched(tmp_path / "set") as watch:
        silenced(watch)
        first = watch.headlines(model(DEGRADED))
        (alert,) = watch.alerts.open
        assert (alert.silenced, alert.notified, alert.open) == (JULY + 4 * DAY, None, True)
    with watched(tmp_path / "set") as again:
        assert again.look(model(DEGRADED)) == []
        assert [first, again.headlines(model(lasting))] == expected == [[], ["opened late degraded 2013-07-02"]]
        assert [alert.silenced for alert in again.alerts.alerts.values()] == states == [None]


def test_who_ends_a_silence_early_is_in_the_audit_log_and_the_alert_is_notified(tmp_path: Path) -> None:
    with watched(tmp_path) as watch:
        set_silence = silenced(watch, until=JULY + 30 * DAY)
        assert watch.look(model(DEGRADED)) == []
        ended = watch.silences.end(set_silence.id, "bob", watch.clock())
        assert ended is not None
        assert watch.headlines(model(DEGRADED)) == ["opened late degraded 2013-07-02"]
        assert watch.silences.end(set_silence.id, "eve", watch.clock()) == ended
        assert watch.silences.end("july", "eve", watch.clock()) is None
    with watched(tmp_path) as again:
        entries = again.audit.entries("late", ["silenced"])[0]
        assert again.look(model(DEGRADED)) == []
    assert [(one.words, one.by, one.why) for one in entries] == [
        ("the silence was ended", "bob", ""),
        ("no notifications until 31 July 2013", "ann", "a new feed"),
    ]


@pytest.mark.parametrize(
    ("chosen", "is_silenced"),
    [
        ({"policy": "health"}, True),
        ({"policy": "other"}, False),
        ({"environment": "staging"}, False),
        ({"model": "l*"}, False),
    ],
)
def test_a_silence_covers_exactly_the_named_model_environment_and_policy(
    tmp_path: Path, chosen: dict[str, str], is_silenced: bool
) -> None:
    with watched(tmp_path) as watch:
        silenced(watch, chosen)
        assert (watch.look(model(DEGRADED)) == []) is is_silenced


def test_actions_wait_for_the_end_of_a_silence_as_notifications_do(tmp_path: Path) -> None:
    keys: dict[str, Any] = {
        "models": {"late": {}},
        "actions": {"http/rollback": {"url": "http://127.0.0.1:1/", "approval": "none"}},
        "policies": {"health": {"actions": ["http/rollback"]}},
    }
    with watched(tmp_path, **keys) as watch:
        set_silence = silenced(watch)
        assert watch.look(model(DEGRADED)) == []
        watch.silences.end(set_silence.id, "ann", watch.clock())
        assert [one.channel for one in watch.look(model(DEGRADED)) if one.is_order] == ["http/rollback"]
