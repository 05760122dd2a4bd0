"""Somebody takes an alert on: that is stored once, and told to the channels that hear of it."""

from __future__ import annotations

from pathlib import Path

from driftline_processor.policy.acknowledgement import acknowledge

from tests.support.facts import lacking
from tests.support.policy_watch import Watched, model, watched
from tests.support.verdict_windows import right, wrong

CHANNELS = {
    "pager": "pagerduty://key",
    "chat": "slack://xoxb-1-a/#models",
    "mail": "json://127.0.0.1:1/",
}
NOW = 2 * 10**18


def opened(watch: Watched) -> str:
    watch.look(model([right(0)]))
    watch.look(model([right(0), wrong(1), wrong(2)]))
    (alert,) = watch.alerts.alerts
    return alert


def test_pagers_and_threads_hear_who_has_it_and_others_do_not(tmp_path: Path) -> None:
    with watched(tmp_path, channels=CHANNELS, notify=[*CHANNELS]) as watch:
        alert = opened(watch)
        taken, messages = acknowledge(watch.alerts, watch.channels, alert, "ann", "the feed was late", NOW)
    assert taken is not None
    assert (taken.acknowledged, taken.acknowledged_by, taken.why) == (NOW, "ann", "the feed was late")
    assert [(one.id, one.kind) for one in messages] == [
        (f"{alert}-acknowledged-{name}", "acknowledged") for name in ("pager", "chat")
    ]
    facts = messages[0].facts
    assert lacking(facts["title"], "ann", "late") == []
    assert facts["text"] == f"the feed was late\nAlert {alert}."


def test_who_took_it_on_first_stays_also_over_a_restart(tmp_path: Path) -> None:
    with watched(tmp_path, channels=CHANNELS, notify=["pager"]) as watch:
        alert = opened(watch)
        acknowledge(watch.alerts, watch.channels, alert, "ann", "", NOW)
    with watched(tmp_path, channels=CHANNELS, notify=["pager"]) as again:
        assert [one.kind for one in again.alerts.waiting] == ["opened", "acknowledged"]
        taken, messages = acknowledge(again.alerts, again.channels, alert, "bob", "", NOW + 1)
        assert taken is not None
        assert (taken.acknowledged_by, messages) == ("ann", [])


def test_an_alert_that_nobody_knows_is_none(tmp_path: Path) -> None:
    with watched(tmp_path, notify="pagerduty://key") as watch:
        assert acknowledge(watch.alerts, watch.channels, "nobody", "ann", "", NOW) == (None, [])


def test_names_of_people_are_bounded_and_have_no_line_breaks(tmp_path: Path) -> None:
    with watched(tmp_path, notify="pagerduty://key") as watch:
        _, (message,) = acknowledge(watch.alerts, watch.channels, opened(watch), "ann\r\nBcc: x" * 50, "", NOW)
    assert len(str(message.facts["title"])) < 200
    assert "\n" not in str(message.facts["title"])
    assert "\r" not in str(message.facts["title"])
