"""Times of digests and quiet hours by the clock of a channel, also in the nights in which clocks change."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from driftline_processor.config.channels import Channel, QuietHours, parse_digest, parse_quiet
from driftline_processor.config.schema import Config

from tests.support.facts import Facts, lacking

PARIS = ZoneInfo("Europe/Paris")


def moment(written: str) -> int:
    return int(datetime.fromisoformat(f"{written}+00:00").timestamp()) * 10**9


def written(time: int | None) -> str:
    return "" if time is None else datetime.fromtimestamp(time / 1e9, UTC).strftime("%Y-%m-%dT%H:%M")


def channel(**keys: Any) -> Channel:
    return Channel.model_validate({"url": "json://127.0.0.1:1/", **keys})


def problems(**keys: Any) -> list[str]:
    config = Config.model_validate({"channels": {"team": {"url": "json://127.0.0.1:1/", **keys}}, "storage": {}})
    return [*map(str, config.problems())]


@pytest.mark.parametrize(
    ("digest", "now", "latest", "coming"),
    [
        ("daily at 09:00", "2026-11-04T07:59", "2026-11-03T08:00", "2026-11-04T08:00"),
        ("daily at 09:00", "2026-11-04T08:00", "2026-11-04T08:00", "2026-11-05T08:00"),
        ("24h", "2026-11-04T22:59", "2026-11-03T23:00", "2026-11-04T23:00"),
        ("8h", "2026-11-04T08:00", "2026-11-04T07:00", "2026-11-04T15:00"),
        # 29 March 2026: 02:00 is 03:00. 25 October 2026: 03:00 is 02:00 once more.
        ("daily at 02:30", "2026-03-29T00:00", "2026-03-28T01:30", "2026-03-29T01:30"),
        ("daily at 02:30", "2026-03-29T01:30", "2026-03-29T01:30", "2026-03-30T00:30"),
        ("daily at 02:30", "2026-10-25T00:30", "2026-10-25T00:30", "2026-10-26T01:30"),
        ("daily at 02:30", "2026-10-25T01:30", "2026-10-25T00:30", "2026-10-26T01:30"),
        ("12h", "2026-03-29T10:00", "2026-03-29T10:00", "2026-03-29T22:00"),
    ],
)
def test_a_digest_leaves_at_its_times_once_also_when_clocks_change(
    digest: str, now: str, latest: str, coming: str
) -> None:
    times = parse_digest(digest)
    assert (written(times.latest(moment(now), PARIS)), written(times.next(moment(now), PARIS))) == (latest, coming)


@pytest.mark.parametrize(
    ("begin", "end", "now", "until"),
    [
        ("22:00", "07:00", "2026-11-04T20:59", ""),
        ("22:00", "07:00", "2026-11-04T21:00", "2026-11-05T06:00"),
        ("22:00", "07:00", "2026-11-05T05:59", "2026-11-05T06:00"),
        ("22:00", "07:00", "2026-11-05T06:00", ""),
        ("12:00", "13:00", "2026-11-05T11:30", "2026-11-05T12:00"),
        # The night of 29 March has an hour less, that of 25 October one more.
        ("22:00", "07:00", "2026-03-28T21:00", "2026-03-29T05:00"),
        ("22:00", "07:00", "2026-10-24T20:00", "2026-10-25T06:00"),
        ("22:00", "02:30", "2026-10-25T00:29", "2026-10-25T00:30"),
        ("22:00", "02:30", "2026-10-25T01:15", ""),
        ("02:15", "02:45", "2026-03-29T00:30", ""),
        ("02:15", "02:45", "2026-03-29T01:30", "2026-03-29T01:45"),
    ],
)
def test_quiet_hours_are_those_of_the_wall_clock_once_a_night(begin: str, end: str, now: str, until: str) -> None:
    quiet = parse_quiet({"from": begin, "to": end, "timezone": "Europe/Paris"})
    assert written(quiet.until(moment(now), ZoneInfo("UTC"))) == until


@pytest.mark.parametrize(
    ("state", "severity", "tier", "leaves"),
    [
        ("degraded", "critical", 1, True),
        ("degraded", "warning", 1, True),
        ("degraded", "warning", 2, False),
        ("no_data", "critical", None, True),
        ("at_risk", "warning", 1, False),
    ],
)
def test_what_is_urgent_leaves_in_quiet_hours(state: str, severity: str, tier: int | None, leaves: bool) -> None:
    keys = channel(quiet={"from": "22:00", "to": "07:00", "except": ["degraded at tier 1", "severity critical"]})
    night = moment("2026-11-04T23:00")
    assert (keys.held_until(night, "opened", state, severity, tier) is None) is leaves


def test_a_pager_is_acknowledged_and_resolved_at_night() -> None:
    keys, night = channel(url="pagerduty://key", quiet={"from": "22:00", "to": "07:00"}), moment("2026-11-04T23:00")
    held = {
        kind: keys.held_until(night, kind, "", "", None) is not None for kind in ("opened", "acknowledged", "resolved")
    }
    assert held == {"opened": True, "acknowledged": False, "resolved": False}


def test_only_models_of_the_tiers_are_in_a_digest() -> None:
    keys, now = channel(digest="daily at 09:00", digest_tiers=[2, 3]), moment("2026-11-04T08:00")
    held = [written(keys.held_until(now, "opened", "degraded", "critical", tier)) for tier in (1, 2, 3, None)]
    assert held == ["", "2026-11-04T09:00", "2026-11-04T09:00", ""]


def test_quiet_hours_have_the_zone_of_their_channel_unless_they_name_one() -> None:
    quiet = parse_quiet({"from": "22:00", "to": "07:00"})
    assert isinstance(quiet, QuietHours)
    assert written(quiet.until(moment("2026-11-04T21:30"), PARIS)) == "2026-11-05T06:00"
    assert written(quiet.until(moment("2026-11-04T21:30"), ZoneInfo("UTC"))) == ""


@pytest.mark.parametrize(
    ("keys", "facts"),
    [
        ({"url": "pagerduty://key", "digest": "24h"}, ("channels.team.digest:",)),
        ({"endpoint": "https://events.example.com"}, ("channels.team.endpoint:", "PagerDuty")),
        ({"digest_tiers": [2]}, ("channels.team.digest_tiers:", "24h")),
        ({"escalate": {"after": "30m", "to": ["taem"]}}, ("channels.team.escalate.to:", "'taem'", "'team'")),
        ({"escalate": {"after": "0m", "to": ["team"]}}, ("channels.team.escalate.after:", "'30m'")),
        ({"url": "pagerduty://"}, ("channels.team.url:", "pagerduty://", "API", "v2", "pagerduty://KEY")),
    ],
)
def test_keys_that_do_not_go_together_are_an_error_at_start(keys: dict[str, Any], facts: Facts) -> None:
    (found,) = problems(**keys)
    assert lacking(found, *facts) == []


@pytest.mark.parametrize(
    ("keys", "facts"),
    [
        ({"digest": "5h"}, ("'5h'", "24h", "12h", "'daily at 09:00'")),
        ({"digest": "daily at 25:00"}, ("'25:00'", "HH:MM", "09:00")),
        ({"quiet": {"from": "22:00"}}, ("{from", "22:00", "07:00}")),
        ({"quiet": {"from": "7:00", "to": "07:00"}}, ("'from'", "'to'", "same time")),
        ({"quiet": {"from": "22:00", "to": "07:00", "exept": []}}, ("'exept'", "'except'")),
        (
            {"quiet": {"from": "22:00", "to": "07:00", "except": "tier 9"}},
            ("'tier 9'", "'degraded at tier 1'", "'severity critical'", "'tier 1'"),
        ),
        (
            {"quiet": {"from": "22:00", "to": "07:00", "timezone": "Mars/Olympus"}},
            ("'Mars/Olympus'", "IANA", "'UTC'", "'Europe/Paris'"),
        ),
        ({"quiet": "22:00"}, ("'22:00'", "{from", "07:00}")),
    ],
)
def test_a_time_that_is_none_is_an_error_with_the_rule_and_the_fix(keys: dict[str, Any], facts: Facts) -> None:
    with pytest.raises(ValueError, match=r".") as error:
        channel(**keys)
    assert lacking(str(error.value), *facts) == []
