"""Digests and quiet hours: what waits, what leaves together, and that a restart says all of it once."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from driftline.tables.table import ModelKey
from driftline_processor.config.schema import Config
from driftline_processor.policy.acknowledgement import acknowledge
from driftline_processor.policy.channel import open_channel
from driftline_processor.policy.courier import Couriers
from driftline_processor.policy.message import Message
from driftline_processor.policy.watch import no_links
from driftline_processor.present.alerts import MOST_LINES
from driftline_processor.queries.model_view import ModelView
from driftline_processor.state import State

from tests.support.policy_watch import headline, model, watched
from tests.support.state_rows import HOUR, MINUTE, NOON, Clock, Opened, send_hourly
from tests.support.verdict_windows import right, wrong
from tests.support.waiting import wait_until
from tests.support.webhooks import webhook

DIGEST: dict[str, Any] = {
    "notify": "team",
    "channels": {"team": {"url": "json://127.0.0.1:1/", "digest": "daily at 09:00"}},
}
NIGHT = {"from": "22:00", "to": "07:00"}


def quiet(url: str = "json://127.0.0.1:1/", *urgent: str) -> dict[str, Any]:
    return {"notify": "team", "channels": {"team": {"url": url, "quiet": {**NIGHT, "except": urgent}}}}


def right_until(day: int, name: str = "late", **more: Any) -> ModelView:
    return model([right(one, key=ModelKey(name, "1")) for one in range(day)], name, **more)


def wrong_from(day: int, until: int, name: str = "late", **more: Any) -> ModelView:
    """Return a model whose days from one to another are wrong."""
    days = [(right if one < day else wrong)(one, key=ModelKey(name, "1")) for one in range(until)]
    return model(days, name, **more)


def over(day: int, until: int, name: str = "late") -> ModelView:
    """Return a model that was wrong on two days, and is right since."""
    days = [(wrong if day <= one < day + 2 else right)(one, key=ModelKey(name, "1")) for one in range(until)]
    return model(days, name)


def headlines(messages: Sequence[Message]) -> list[str]:
    return [headline(message) for message in messages]


def counted(message: Message) -> list[str]:
    """Return the time in the title of a digest or summary, and how many alerts opened, are still open and resolved."""
    return re.findall(r"\d+ \w+ \d{4}, \d\d:\d\d|\d+ (?:opened|still open|resolved)", message.facts["title"])


def lines_of(message: Message) -> list[tuple[str, str, str | None, str | None]]:
    """Return model, state, since and until of each alert in a digest or summary."""
    return [(one["model"], one["state"], one["since"], one["until"]) for one in message.facts["alerts"]]


def test_a_digest_says_once_a_day_what_began_lasts_and_ended_the_worst_first(tmp_path: Path) -> None:
    with watched(tmp_path, **DIGEST) as watch:
        watch.look_at("2013-07-02T00:01", right_until(1), right_until(1, "other"))
        assert watch.look_at("2013-07-04T00:01", wrong_from(1, 3), right_until(3, "other")) == []
        (first,) = watch.look_at("2013-07-04T09:00", wrong_from(1, 3), right_until(3, "other"))
        assert watch.look_at("2013-07-05T08:59", wrong_from(1, 4), wrong_from(3, 5, "other", tier=1)) == []
        (second,) = watch.look_at("2013-07-05T09:00", wrong_from(1, 4), wrong_from(3, 5, "other", tier=1))
        assert watch.look_at("2013-07-06T08:00", over(1, 6), wrong_from(3, 5, "other")) == []
        (third,) = watch.look_at("2013-07-06T09:01", over(1, 6), wrong_from(3, 5, "other"))
    assert [one.kind for one in (first, second, third)] == ["digest"] * 3
    assert [counted(digest) for digest in (first, second, third)] == [
        ["4 July 2013, 09:00", "1 opened"],
        ["5 July 2013, 09:00", "1 opened", "1 still open"],
        ["6 July 2013, 09:01", "1 still open", "1 resolved"],
    ]
    assert lines_of(first) == [("late", "degraded", "2013-07-02T00:00:00Z", None)]
    assert [one["model"] for one in second.facts["alerts"]] == ["other", "late"]
    assert lines_of(third) == [
        ("other", "degraded", "2013-07-04T00:00:00Z", None),
        ("late", "degraded", "2013-07-02T00:00:00Z", "2013-07-04T00:00:00Z"),
    ]
    assert [line.split()[:2] for line in third.facts["text"].splitlines()] == [["1.", "other"], ["2.", "late"]]


def test_nothing_is_sent_where_there_is_nothing_to_say(tmp_path: Path) -> None:
    with watched(tmp_path, **DIGEST) as watch:
        for day in range(2, 6):
            watch.look_at(f"2013-07-0{day}T09:00", right_until(day - 1))
        watch.look_at("2013-07-06T09:00", wrong_from(3, 5))
        watch.look_at("2013-07-07T09:00", wrong_from(3, 5))
        watch.look_at("2013-07-08T09:00", over(3, 7))
        for day in (9, 10, 11):
            watch.look_at(f"2013-07-{day:02}T09:00", over(3, day - 1))
        assert [counted(digest) for digest in watch.sent] == [
            ["7 July 2013, 09:00", "1 opened"],
            ["9 July 2013, 09:00", "1 resolved"],
        ]


@pytest.mark.slow
def test_a_restart_neither_repeats_nor_forgets_a_digest(tmp_path: Path) -> None:
    with watched(tmp_path, **DIGEST) as watch:
        watch.look_at("2013-07-02T00:01", right_until(1))
        watch.look_at("2013-07-04T00:01", wrong_from(1, 3))
    with watched(tmp_path, **DIGEST) as again:
        assert again.alerts.waiting == []
        (digest,) = again.look_at("2013-07-04T11:30", wrong_from(1, 3))  # it was down at nine
    with watched(tmp_path, **DIGEST) as third:
        assert [one.id for one in third.alerts.waiting] == [digest.id] == ["digest-team-2013-07-04T09:00:00Z"]
        assert third.look_at("2013-07-04T11:31", wrong_from(1, 3)) == []
        (message,) = (one for one in third.alerts.messages.values() if one.kind == "opened")
        delivery = third.alerts.deliveries[message.id]
        assert (delivery.result, delivery.reference) == ("collected", digest.id)


def test_a_clock_that_is_set_back_says_a_digest_once(tmp_path: Path) -> None:
    with watched(tmp_path, **DIGEST) as watch:
        watch.look_at("2013-07-02T00:01", right_until(1))
        watch.look_at("2013-07-04T00:01", wrong_from(1, 3))
        assert len(watch.look_at("2013-07-04T09:00", wrong_from(1, 3))) == 1
        assert watch.look_at("2013-07-04T08:00", wrong_from(1, 3)) == []
        assert watch.look_at("2013-07-04T09:00", wrong_from(1, 3)) == []
        assert watch.look_at("2013-07-01T12:00", wrong_from(1, 3)) == []


def test_what_waits_longer_because_a_clock_was_set_back_leaves_at_once(tmp_path: Path) -> None:
    with watched(tmp_path, **DIGEST) as watch:
        watch.look_at("2013-07-02T00:01", right_until(1))
        watch.look_at("2013-07-04T10:00", wrong_from(1, 3))
        (digest,) = watch.look_at("2013-06-04T10:00", wrong_from(1, 3))
        assert counted(digest) == ["4 June 2013, 10:00", "1 opened"]


@pytest.mark.slow
def test_fifty_models_are_one_digest_of_bounded_length(tmp_path: Path) -> None:
    names = [f"<!channel>\r\nBcc: all@example.com {one:02} {'x' * 300}" for one in range(50)]
    with watched(tmp_path, models={name: {} for name in names}, **DIGEST) as watch:
        watch.look_at("2013-07-02T00:01", *(right_until(1, name) for name in names))
        watch.look_at("2013-07-04T00:01", *(wrong_from(1, 3, name) for name in names))
        (digest,) = watch.look_at("2013-07-04T09:00", *(wrong_from(1, 3, name) for name in names))
    assert counted(digest) == ["4 July 2013, 09:00", "50 opened"]
    lines = digest.facts["text"].splitlines()
    assert (len(lines), lines[-1]) == (MOST_LINES + 1, "And 10 more.")
    assert "\r" not in digest.facts["text"]
    assert len(digest.facts["alerts"]) == 50
    assert max(map(len, lines)) < 500


def test_models_of_the_first_tier_are_told_at_once_beside_a_digest(tmp_path: Path) -> None:
    keys = {**DIGEST["channels"]["team"], "digest_tiers": [2, 3]}
    with watched(tmp_path, notify="team", channels={"team": keys}) as watch:
        watch.look_at("2013-07-02T00:01", right_until(1, tier=1), right_until(1, "other", tier=2))
        both = wrong_from(1, 3, tier=1), wrong_from(1, 3, "other", tier=2)
        assert headlines(watch.look_at("2013-07-04T00:01", *both)) == ["opened late degraded 2013-07-02"]
        (digest,) = watch.look_at("2013-07-04T09:00", *both)
    assert [one["model"] for one in digest.facts["alerts"]] == ["other"]


def test_quiet_hours_end_with_one_summary_in_which_what_came_and_went_is_a_line(tmp_path: Path) -> None:
    with watched(tmp_path, **quiet()) as watch:
        watch.look_at("2013-07-02T00:01", right_until(1), right_until(1, "other"))
        assert watch.look_at("2013-07-04T00:01", wrong_from(1, 3), wrong_from(1, 3, "other")) == []
        assert watch.look_at("2013-07-04T01:00", over(1, 5), wrong_from(1, 4, "other")) == []
        (summary,) = watch.look_at("2013-07-04T07:00", over(1, 5), wrong_from(1, 4, "other"))
        assert watch.look_at("2013-07-04T07:01", over(1, 5), wrong_from(1, 4, "other")) == []
    assert summary.kind == "summary"
    assert counted(summary) == ["4 July 2013, 07:00", "1 opened", "1 resolved"]
    assert lines_of(summary) == [
        ("other", "degraded", "2013-07-02T00:00:00Z", None),
        ("late", "degraded", "2013-07-02T00:00:00Z", "2013-07-04T00:00:00Z"),
    ]


def test_one_message_of_the_night_leaves_as_it_is(tmp_path: Path) -> None:
    with watched(tmp_path, **quiet()) as watch:
        watch.look_at("2013-07-02T00:01", right_until(1))
        watch.look_at("2013-07-04T00:01", wrong_from(1, 3))
        (message,) = watch.look_at("2013-07-04T07:00", wrong_from(1, 3))
    assert (message.kind, message.held_until) == ("opened", None)
    assert headline(message) == "opened late degraded 2013-07-02"
    with watched(tmp_path, **quiet()) as again:
        assert [one.id for one in again.alerts.waiting] == [message.id]
        assert again.look_at("2013-07-04T07:01", wrong_from(1, 3)) == []


def test_what_is_urgent_leaves_at_night(tmp_path: Path) -> None:
    with watched(tmp_path, **quiet("json://127.0.0.1:1/", "degraded at tier 1")) as watch:
        watch.look_at("2013-07-02T00:01", right_until(1, tier=1), right_until(1, "other", tier=2))
        both = wrong_from(1, 3, tier=1), wrong_from(1, 3, "other", tier=2)
        assert headlines(watch.look_at("2013-07-04T00:01", *both)) == ["opened late degraded 2013-07-02"]
        assert headlines(watch.look_at("2013-07-04T07:00", *both)) == ["opened other degraded 2013-07-02"]


@pytest.mark.parametrize("ended", ["resolved", "acknowledged"])
def test_a_pager_is_not_woken_in_the_morning_by_what_needs_nobody(tmp_path: Path, ended: str) -> None:
    keys = quiet("pagerduty://key")
    with watched(tmp_path, **keys) as watch:
        watch.look_at("2013-07-02T00:01", right_until(1), right_until(1, "other"))
        watch.look_at("2013-07-04T00:01", wrong_from(1, 3), wrong_from(1, 3, "other"))
        late = next(one for one in watch.alerts.alerts.values() if one.model == "late")
        if ended == "acknowledged":
            acknowledge(watch.alerts, watch.channels, late.id, "ann", "", watch.clock.now)
        shown = over(1, 5) if ended == "resolved" else wrong_from(1, 4)
        at_night = watch.look_at("2013-07-04T01:00", shown, wrong_from(1, 4, "other"))
        (message,) = watch.look_at("2013-07-04T07:00", shown, wrong_from(1, 4, "other"))
    assert [one.kind for one in at_night] == (["resolved"] if ended == "resolved" else [])
    assert (message.kind, message.facts["model"]) == ("opened", "other")


def test_a_summary_is_the_thread_of_what_follows(tmp_path: Path) -> None:
    with watched(tmp_path, **quiet()) as watch:
        watch.look_at("2013-07-02T00:01", right_until(1), right_until(1, "other"))
        both = wrong_from(1, 3), wrong_from(1, 3, "other")
        watch.look_at("2013-07-04T00:01", *both)
        (summary,) = watch.look_at("2013-07-04T07:00", *both)
        watch.deliver(*both, reference="C1:7.0")
        (over_now,) = watch.look_at("2013-07-05T10:00", over(1, 5), both[1])
        assert watch.alerts.thread(over_now) == ("C1:7.0", True)
        assert watch.alerts.thread(summary) == ("", False)


def test_a_channel_that_is_gone_gives_what_it_held_to_the_couriers_at_the_start(tmp_path: Path) -> None:
    with watched(tmp_path, **quiet()) as watch:
        watch.look_at("2013-07-02T00:01", right_until(1))
        watch.look_at("2013-07-04T00:01", wrong_from(1, 3))
    with watched(tmp_path, notify="json://127.0.0.1:1/") as again:
        (message,) = again.resume()
        assert (message.channel, message.held_until) == ("team", None)
    with watched(tmp_path, notify="json://127.0.0.1:1/") as third:
        assert third.resume() == [message]  # until it is noted that it was given up


def test_a_pager_that_may_have_been_resolved_is_not_triggered_again_after_a_restart(tmp_path: Path) -> None:
    keys = {"notify": ["pager", "team"], "channels": {"pager": "pagerduty://key", "team": "json://127.0.0.1:1/"}}
    with watched(tmp_path, **keys) as watch:
        watch.look_at("2013-07-02T00:01", right_until(1))
        watch.look_at("2013-07-04T00:01", wrong_from(1, 3))
        watch.look_at("2013-07-04T00:02", over(1, 5))
        assert len(watch.alerts.waiting) == 4
    with watched(tmp_path, **keys) as again:
        waiting = again.resume()
    assert [(one.channel, one.kind) for one in waiting] == [
        ("team", "opened"),
        ("pager", "resolved"),
        ("team", "resolved"),
    ]


class Telling:
    """A state on disk, by a clock that stands still, whose messages go to a webhook."""

    def __init__(self, folder: Path, url: str, clock: Clock) -> None:
        config = Config.model_validate(
            {
                "storage": {"directory": folder},
                "models": {"churn": {"windows": ["1h"]}},
                "policies": {"health": {"enabled": False}, "few": {"when": "predictions < 5", "notify": "team"}},
                "channels": {"team": {"url": url, "timezone": "Europe/Paris", "digest": "daily at 20:00"}},
            }
        )
        self.state = Opened(State(config, clock=clock))
        self._couriers = Couriers({name: open_channel(keys) for name, keys in config.all_channels.items()}, clock)
        self.state.state.notifications.send_by(self._couriers, no_links, "https://driftline.example.com/incidents")
        self._couriers.start()
        self.state.state.start_storing()

    def results(self) -> set[str]:
        """Look now, and return what became of messages."""
        self.state.state.settle()
        return {one.result for one in self.state.state.alerts.deliveries.values()}

    def stop(self) -> None:
        """Stop, without a word to the channel that does not listen."""
        self._couriers.stop(0.1)
        self.state.state.stop()


@pytest.mark.slow
def test_a_digest_leaves_by_the_clock_of_its_channel_with_one_key_over_a_restart(tmp_path: Path) -> None:
    clock = Clock(NOON)
    with webhook() as hook:
        hook.status = 503
        telling = Telling(tmp_path, hook.url, clock)
        for hour in range(5):
            send_hourly(telling.state, clock, 1, first=hour)
            telling.state.state.settle()
        clock.now = NOON + 6 * HOUR - MINUTE  # 19:59 in Paris
        assert telling.results() == set()
        assert hook.calls == []
        clock.now += MINUTE
        assert telling.results() == {"collected"}
        wait_until(lambda: bool(hook.calls))
        telling.stop()
        hook.status = 200
        again = Telling(tmp_path, hook.url, clock)
        (call,) = hook.wait_for(1)
        wait_until(lambda: again.results() == {"collected", "delivered"})
        again.stop()
    assert {one.key for one in hook.calls} == {call.key} == {"digest-team-2024-10-04T18:00:00Z"}
    assert "4 October 2024, 20:00" in call.body["title"]
    assert call.body["links"] == {"page": "https://driftline.example.com/incidents"}
    assert [(one["model"], one["policy"]) for one in call.body["alerts"]] == [("churn", "few")]
