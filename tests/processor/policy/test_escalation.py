"""Who else is told where nobody takes an alert on: after how long, once each, and until when."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from driftline_processor.policy.acknowledgement import acknowledge
from driftline_processor.policy.alert_history import alert_histories, alert_json
from driftline_processor.policy.alerts import Delivery
from driftline_processor.policy.message import Message

from tests.support.policy_watch import Watched, headline, model, watched
from tests.support.verdict_windows import right, wrong

URL = "json://127.0.0.1:1/"
BEFORE = model([right(0)])
WRONG = model([right(0), wrong(1), wrong(2)])
OVER = model([right(0), wrong(1), wrong(2), right(3), right(4)])


def escalating(**keys: Any) -> dict[str, Any]:
    """Return a configuration whose policy tells ``oncall`` where nobody takes on what ``team`` was told."""
    return {
        "channels": {"team": URL, "oncall": URL, "head": URL},
        "notify": "team",
        "policies": {"health": {"escalate": {"after": "30m", "to": ["oncall"], **keys}}},
    }


def begun(watch: Watched, delivered: bool = True, **more: Any) -> None:
    """Tell ``team`` of a model that turned wrong, on 4 July at ten, which is delivered a minute later."""
    watch.look_at("2013-07-02T00:01", model([right(0)], **more))
    assert watch.look_at("2013-07-04T10:00", model([right(0), wrong(1), wrong(2)], **more))
    if delivered:
        watch.clock.now += 60 * 10**9
        watch.deliver(model([right(0), wrong(1), wrong(2)], **more))


def told(messages: list[Message]) -> list[tuple[str, str]]:
    return [(one.channel, one.kind) for one in messages]


def test_the_next_channel_is_told_once_where_nobody_takes_it_on_in_time(tmp_path: Path) -> None:
    with watched(tmp_path, **escalating()) as watch:
        begun(watch)
        assert watch.look_at("2013-07-04T10:30", WRONG) == []
        (message,) = watch.look_at("2013-07-04T10:31", WRONG)
        assert watch.look_at("2013-07-04T12:00", WRONG) == []
        assert told(watch.look_at("2013-07-05T10:00", OVER)) == [("team", "resolved"), ("oncall", "resolved")]
    assert told([message]) == [("oncall", "escalated")]
    assert headline(message) == "escalated late degraded 2013-07-02"
    first_line = message.facts["text"].split("\n")[0]
    assert "team" in first_line
    assert "4 July 2013, 10:01" in first_line


@pytest.mark.parametrize("until", ["acknowledged", "resolved"])
def test_an_acknowledgement_stops_it_unless_only_the_end_does(tmp_path: Path, until: str) -> None:
    with watched(tmp_path, **escalating(until=until)) as watch:
        begun(watch)
        (alert,) = watch.alerts.alerts
        acknowledge(watch.alerts, watch.channels, alert, "ann", "", watch.clock.now)
        found = watch.look_at("2013-07-04T11:00", WRONG)
    assert told(found) == ([] if until == "acknowledged" else [("oncall", "escalated")])


def test_the_end_of_the_alert_stops_it(tmp_path: Path) -> None:
    with watched(tmp_path, **escalating()) as watch:
        begun(watch)
        assert told(watch.look_at("2013-07-04T10:20", OVER)) == [("team", "resolved")]
        assert watch.look_at("2013-07-04T11:00", OVER) == []


@pytest.mark.slow
def test_a_restart_neither_repeats_nor_forgets_it(tmp_path: Path) -> None:
    with watched(tmp_path, **escalating()) as watch:
        begun(watch)
    with watched(tmp_path, **escalating()) as again:
        assert told(again.look_at("2013-07-04T10:31", WRONG)) == [("oncall", "escalated")]
    with watched(tmp_path, **escalating()) as third:
        assert third.look_at("2013-07-04T12:00", WRONG) == []
        assert told(third.alerts.waiting) == [("oncall", "escalated")]


@pytest.mark.parametrize("result", ["", "refused", "expired"])
def test_a_channel_that_takes_nothing_is_no_excuse(tmp_path: Path, result: Any) -> None:
    with watched(tmp_path, **escalating()) as watch:
        begun(watch, delivered=False)
        if result:
            (waiting,) = watch.alerts.waiting
            watch.look_again(WRONG, deliveries=[Delivery(waiting.id, watch.clock.now, result, "HTTP 403")])
        assert watch.look_at("2013-07-04T10:29", WRONG) == []
        assert told(watch.look_at("2013-07-04T10:30", WRONG)) == [("oncall", "escalated")]


def test_channels_escalate_one_after_the_other(tmp_path: Path) -> None:
    keys = escalating()
    keys["channels"] |= {"oncall": {"url": URL, "escalate": {"after": "1h", "to": ["head", "team"]}}}
    with watched(tmp_path, **keys) as watch:
        begun(watch)
        watch.look_at("2013-07-04T10:31", WRONG)
        watch.deliver(WRONG)
        assert watch.look_at("2013-07-04T11:30", WRONG) == []
        assert told(watch.look_at("2013-07-04T11:31", WRONG)) == [("head", "escalated")]
        assert watch.look_at("2013-07-05T11:31", WRONG) == []


@pytest.mark.slow
def test_only_models_of_its_tiers_are_escalated(tmp_path: Path) -> None:
    for tier, count in ((1, 1), (2, 0), (None, 0)):
        with watched(tmp_path / str(tier), **escalating(tiers=[1])) as watch:
            begun(watch, tier=tier)
            found = watch.look_at("2013-07-04T10:31", model([right(0), wrong(1), wrong(2)], tier=tier))
            assert len(found) == count


def test_a_silence_holds_it_up(tmp_path: Path) -> None:
    quiet = {"since": "2013-07-04T10:10:00Z", "until": "2013-07-04T12:00:00Z"}
    with watched(tmp_path, **escalating(), silences={"work": quiet}) as watch:
        begun(watch)
        assert watch.look_at("2013-07-04T11:00", WRONG) == []
        assert told(watch.look_at("2013-07-04T12:00", WRONG)) == [("oncall", "escalated")]


def test_quiet_hours_wake_nobody_to_be_asked(tmp_path: Path) -> None:
    keys = escalating()
    keys["channels"] |= {"team": {"url": URL, "quiet": {"from": "09:00", "to": "12:00"}}}
    with watched(tmp_path, **keys) as watch:
        watch.look_at("2013-07-02T00:01", BEFORE)
        assert watch.look_at("2013-07-04T10:00", WRONG) == []
        assert watch.look_at("2013-07-04T11:00", WRONG) == []
        assert told(watch.look_at("2013-07-04T12:00", WRONG)) == [("team", "opened")]
        assert watch.look_at("2013-07-04T12:29", WRONG) == []
        assert told(watch.look_at("2013-07-04T12:30", WRONG)) == [("oncall", "escalated")]


def test_a_clock_that_is_set_back_escalates_once(tmp_path: Path) -> None:
    with watched(tmp_path, **escalating()) as watch:
        begun(watch)
        assert len(watch.look_at("2013-07-04T10:31", WRONG)) == 1
        assert watch.look_at("2013-07-03T10:31", WRONG) == []
        assert watch.look_at("2013-07-04T10:31", WRONG) == []


def test_it_stands_with_the_alert(tmp_path: Path) -> None:
    with watched(tmp_path, **escalating()) as watch:
        begun(watch)
        watch.look_at("2013-07-04T10:31", WRONG)
        (history,) = alert_histories(watch.alerts)
    assert alert_json(history)["escalated_to"] == ["oncall"]


def test_a_clock_that_is_set_back_keeps_nobody_from_being_told(tmp_path: Path) -> None:
    with watched(tmp_path, **escalating()) as watch:
        begun(watch)
        assert watch.look_at("2013-07-04T09:50", WRONG) == []
        assert told(watch.look_at("2012-07-04T10:00", WRONG)) == [("oncall", "escalated")]
        assert watch.look_at("2013-07-04T11:00", WRONG) == []
