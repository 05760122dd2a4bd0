"""Addresses of the channels that Driftline speaks to itself, and what is wrong with them, without what is secret."""

from __future__ import annotations

import pytest
from driftline_processor.config.channel_address import read_address
from driftline_processor.policy.channels.apprise_service import AppriseAddress
from driftline_processor.policy.channels.pagerduty import PagerDutyAddress
from driftline_processor.policy.channels.slack import SlackAddress


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("pagerduty://key1", PagerDutyAddress("key1", "https://events.pagerduty.com")),
        ("pagerduty://key1@api?region=EU", PagerDutyAddress("key1", "https://events.eu.pagerduty.com")),
        ("slack://xoxb-1-a/#models", SlackAddress("xoxb-1-a", "#models")),
        ("slack://xoxb-1-a/models", SlackAddress("xoxb-1-a", "#models")),
        ("slack://xoxb-1-a/C0123456789", SlackAddress("xoxb-1-a", "C0123456789")),
        ("slack://xoxb-1-a/#a/#b", AppriseAddress("slack://xoxb-1-a/#a/#b")),
        ("slack://xoxb-1-a/@ann", AppriseAddress("slack://xoxb-1-a/@ann")),
        ("slack://T0123/B0123/token/#models", AppriseAddress("slack://T0123/B0123/token/#models")),
        ("mailto://ann:secret@example.com", AppriseAddress("mailto://ann:secret@example.com")),
    ],
)
def test_an_address_is_read_as_apprise_writes_it(url: str, found: object) -> None:
    assert read_address(url) == found


def test_the_endpoint_takes_the_place_of_the_services_own() -> None:
    found = read_address("pagerduty://key1?region=eu", "http://127.0.0.1:8080/proxy")
    assert found == PagerDutyAddress("key1", "http://127.0.0.1:8080/proxy")


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("pagerduty://", "pagerduty:// needs the integration key of Events API v2; use pagerduty://KEY"),
        (
            "pagerduty://secret?regoin=eu",
            "'regoin' is not a parameter of pagerduty:// addresses; did you mean 'region'?",
        ),
        ("pagerduty://secret?region=mars", "region='mars' is not a supported region; use us or eu"),
        ("slack://xoxb-secret", "slack:// has no channel after the token; use slack://TOKEN/#models"),
        ("slack://xoxb-secret/#a b", "slack:// has an invalid channel; use its name in lowercase letters, or its id"),
        ("slack://xoxb-secret/#models?footer=no", "'footer' is not a parameter of slack:// addresses; remove it"),
    ],
)
def test_a_wrong_address_is_an_error_that_says_no_secret(url: str, said: str) -> None:
    with pytest.raises(ValueError, match=r".") as error:
        read_address(url)
    assert str(error.value) == said
    assert "secret" not in said
