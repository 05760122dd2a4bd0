"""The keys of ``channels.NAME``: destination of messages, digests, quiet hours and escalation."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Annotated, Final, Literal
from zoneinfo import ZoneInfo

from pydantic import BeforeValidator, Field

from driftline_processor.core.nearest_names import near, nearest

from .channel_address import ChannelAddress, read_address
from .section import Problem, Section
from .values import Days, Form, PageUrl, Secret, Text, TimeZone, one_or_several, parse_duration

Tier = Annotated[int, Field(ge=1, le=3, strict=True)]

Severity = Literal["critical", "warning", "info"]


def rank_tier(tier: int | None) -> int:
    """Return the order of a tier; models without one come last.

    >>> sorted([3, None, 1], key=rank_tier)
    [1, 3, None]
    """
    return tier or 4


_CLOCK: Final = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)")
_DAY: Final = timedelta(days=1)


def _time_of_day(value: object) -> time:
    match = _CLOCK.fullmatch(str(value).strip())
    if match is None:
        raise ValueError(f"'{value:.40}' is not a time of day; use HH:MM, for example 09:00")
    return time(int(match[1]), int(match[2]))


def _instant(day: date, time_of_day: time, zone: ZoneInfo) -> int:
    """Return a time of a day in unix nanoseconds; a time that daylight saving skips is shifted by the difference."""
    return int(datetime.combine(day, time_of_day, zone).timestamp()) * 10**9


def _day_of(moment: int, zone: ZoneInfo) -> date:
    return datetime.fromtimestamp(moment / 1e9, zone).date()


@dataclass(frozen=True, slots=True)
class DigestTimes:
    """The daily times of a digest.

    Attributes:
        times: In chronological order.
    """

    times: tuple[time, ...]

    def __str__(self) -> str:
        if len(self.times) == 1 and self.times[0] != time():
            return f"daily at {self.times[0]:%H:%M}"
        return f"{24 // len(self.times)}h"

    def latest(self, now: int, zone: ZoneInfo) -> int:
        """Return the last digest time up to now, unix nanoseconds."""
        return max(digest_time for digest_time in self._around(now, zone) if digest_time <= now)

    def next(self, now: int, zone: ZoneInfo) -> int:
        """Return the first digest time after now, unix nanoseconds."""
        return min(digest_time for digest_time in self._around(now, zone) if digest_time > now)

    def _around(self, now: int, zone: ZoneInfo) -> Iterator[int]:
        today = _day_of(now, zone)
        for days in (-1, 0, 1):
            yield from (_instant(today + days * _DAY, time, zone) for time in self.times)


def parse_digest(value: object) -> DigestTimes:
    """Read ``24h`` or ``daily at 09:00``.

    >>> str(parse_digest("daily at 9:00")), str(parse_digest("8h"))
    ('daily at 09:00', '8h')
    """
    if isinstance(value, DigestTimes):
        return value
    text = str(value).strip()
    if text.startswith("daily at "):
        return DigestTimes((_time_of_day(text.removeprefix("daily at ")),))
    hours = parse_duration(text, "h") / timedelta(hours=1)
    if hours not in (1, 2, 3, 4, 6, 8, 12, 24):
        raise ValueError(f"'{text:.40}' does not divide a day into equal parts; use 24h, 12h, or 'daily at 09:00'")
    return DigestTimes(tuple(time(hour) for hour in range(0, 24, int(hours))))


@dataclass(frozen=True, slots=True)
class Urgency:
    """The alerts that are sent during quiet hours.

    Attributes:
        text: As configured.
        state: State of the verdict; "" = any.
        severity: Severity of the alert; "" = any.
        tier: Tier of the model; None = any.
    """

    text: str
    state: str = ""
    severity: str = ""
    tier: int | None = None

    def covers(self, state: str, severity: str, tier: int | None) -> bool:
        """Return True if it matches an alert."""
        return (
            self.state in ("", state) and self.severity in ("", severity) and (self.tier is None or self.tier == tier)
        )


_URGENCY: Final = re.compile(
    r"(?:(?P<state>degraded|no[ _]data|at[ _]risk)|severity (?P<severity>critical|warning|info))?"
    r"\s*(?:\b(?:at )?tier (?P<tier>[123]))?"
)


def parse_urgency(value: object) -> Urgency:
    """Read ``degraded at tier 1``, ``severity critical`` or ``tier 1``.

    >>> parse_urgency("degraded at tier 1").tier
    1
    """
    text = " ".join(str(value).split())
    match = _URGENCY.fullmatch(text)
    if match is None or not text:
        raise ValueError(
            f"'{text:.60}' is not an exception from quiet hours; use for example 'degraded at tier 1', "
            "'severity critical' or 'tier 1'"
        )
    tier = match["tier"]
    return Urgency(
        text, (match["state"] or "").replace(" ", "_"), match["severity"] or "", None if tier is None else int(tier)
    )


@dataclass(frozen=True, slots=True)
class QuietHours:
    """The part of each day in which messages are held.

    Attributes:
        begin: Local time of the begin.
        end: Local time of the end, on the next day if it is earlier.
        zone: IANA name of the time zone; "" = the channel's.
        urgent: Alerts that are sent anyway.
    """

    begin: time
    end: time
    zone: str = ""
    urgent: tuple[Urgency, ...] = ()

    def until(self, now: int, zone: ZoneInfo) -> int | None:
        """Return the end of the current quiet hours, unix nanoseconds; None outside of quiet hours."""
        zone = ZoneInfo(self.zone) if self.zone else zone
        today = _day_of(now, zone)
        for day in (today - _DAY, today):
            begin = _instant(day, self.begin, zone)
            end = _instant(day if self.end > self.begin else day + _DAY, self.end, zone)
            if begin <= now < end:
                return end
        return None


_QUIET_KEYS: Final = ("from", "to", "timezone", "except")


def parse_quiet(value: object) -> QuietHours:
    """Read ``{from: 22:00, to: 07:00, timezone: Europe/Paris, except: [severity critical]}``."""
    if isinstance(value, QuietHours):
        return value
    if not isinstance(value, Mapping):
        raise ValueError(f"'{value!s:.40}' is not a period; use {{from: 22:00, to: 07:00}}")
    for key in value:
        if key not in _QUIET_KEYS:
            raise ValueError(f"'{key!s:.40}' is not a key of quiet hours; {near(str(key), [*_QUIET_KEYS])}")
    if "from" not in value or "to" not in value:
        raise ValueError("must have both 'from' and 'to', as in {from: 22:00, to: 07:00}")
    begin, end = _time_of_day(value["from"]), _time_of_day(value["to"])
    if begin == end:
        raise ValueError("'from' and 'to' are the same time; change one of them, or remove the key")
    zone = str(value.get("timezone", ""))
    if zone:
        from driftline_processor.core.windows import window

        window.time_zone(zone)
    urgent = one_or_several(value.get("except") or ())
    if not isinstance(urgent, list | tuple):
        raise ValueError("except: must be a list, such as [severity critical]")
    return QuietHours(begin, end, zone, tuple(parse_urgency(urgency) for urgency in urgent))


class Escalation(Section):
    """Who else is notified if nobody acknowledges an alert."""

    after: Days = Field(
        description="How long to wait for an acknowledgement, in wall-clock time, after the service of the channel "
        "accepted the message.",
        examples=["30m"],
    )
    to: Annotated[tuple[Text, ...], BeforeValidator(one_or_several)] = Field(
        description="The names of the channels that are then notified. Each channel is notified once.",
        examples=["[oncall]"],
    )
    until: Literal["acknowledged", "resolved"] = Field(
        default="acknowledged",
        description="What stops the escalation: an acknowledgement, or only the end of the alert.",
        examples=["resolved"],
    )
    tiers: tuple[Tier, ...] = Field(
        default=(),
        description="Escalate only messages about models of these tiers.",
        examples=["[1]"],
        json_schema_extra={"default": "all"},
    )

    def problems(self, channels: Collection[str]) -> Iterator[Problem]:
        """Yield a problem for every rule that is broken."""
        if self.after <= timedelta(0):
            yield Problem("escalate.after", "must be greater than 0; use a duration such as '30m'")
        if not self.to:
            yield Problem("escalate.to", "is empty; add the name of a channel")
        for name in self.to:
            if name not in channels:
                yield Problem("escalate.to", f"there is no channel '{name:.80}'; {near(name, [*channels])}")


class Channel(Section):
    """A destination of messages."""

    url: Secret = Field(
        description="An [Apprise](https://appriseit.com/services/) address, or a URL `https://...`, which "
        "receives each message as JSON. It is never shown or logged.",
        examples=["slack://${env:SLACK_TOKEN:-a/b/c}/#models"],
    )
    attach: Literal["report"] | None = Field(
        default=None,
        description="`report`: attach [the report of the window](../see/web-ui.md#send-a-report) to each message "
        "about a problem, for Apprise services that support files, such as email.",
        examples=["report"],
        json_schema_extra={"default": "nothing"},
    )
    endpoint: PageUrl = Field(
        default="",
        description="The URL to use instead of the address of PagerDuty or Slack: a proxy, or a compatible service.",
        examples=["https://events.example.com"],
        json_schema_extra={"default": "the address of the service"},
    )
    timezone: TimeZone = Field(
        default="UTC",
        description="The time zone of `digest` and `quiet`, and of their dates.",
        examples=["Europe/Paris"],
    )
    digest: Annotated[DigestTimes, BeforeValidator(parse_digest), Form("`HOURS` or `daily at HH:MM`")] | None = Field(
        default=None,
        description="How often one message lists [all alerts that opened, continue or "
        "ended](../alert/notifications.md#digests-quiet-hours-silences). An empty digest is not sent.",
        examples=["daily at 09:00"],
        json_schema_extra={"default": "each message is sent immediately"},
    )
    digest_tiers: tuple[Tier, ...] = Field(
        default=(),
        description="Only models of these tiers are in the digest. Messages about other models are sent immediately.",
        examples=["[2, 3]"],
        json_schema_extra={"default": "all"},
    )
    quiet: Annotated[QuietHours, BeforeValidator(parse_quiet), Form("quiet hours")] | None = Field(
        default=None,
        description="The hours in which messages are collected instead of sent. They are sent together when the hours "
        "end. The keys are `from` and `to` (times of day), `timezone`, and `except` (messages that are still sent "
        "immediately, such as `degraded at tier 1` or `severity critical`).",
        examples=["{from: 22:00, to: 07:00, except: [degraded at tier 1]}"],
        json_schema_extra={"default": "never"},
    )
    escalate: Escalation | None = Field(
        default=None, description="Who is notified if nobody acknowledges a message of this channel."
    )

    @property
    def zone(self) -> ZoneInfo:
        """The time zone."""
        return ZoneInfo(self.timezone)

    @property
    def address(self) -> ChannelAddress | None:
        """The parsed address; None if it is invalid."""
        try:
            return read_address(self.url.get_secret_value(), self.endpoint)
        except ValueError:
            return None

    @property
    def pages(self) -> bool:
        """Whether each alert is an incident there, which is acknowledged and resolved, and pages people."""
        return self.address is not None and self.address.pages

    @property
    def hears_acknowledgements(self) -> bool:
        """Whether acknowledgements are sent to it."""
        return self.address is not None and self.address.hears_acknowledgements

    def collects(self, tier: int | None) -> bool:
        """Return True if messages about models of a tier are collected in a digest."""
        return self.digest is not None and (not self.digest_tiers or tier in self.digest_tiers)

    def held_until(self, now: int, kind: str, state: str, severity: str, tier: int | None) -> int | None:
        """Return until when a message is held, unix nanoseconds; None if it is sent at once.

        Args:
            now: Unix nanoseconds.
            kind: Kind of the message.
            state: State of the verdict of its alert.
            severity: Severity of the alert.
            tier: Tier of the model.
        """
        if self.digest is not None and self.collects(tier):
            return self.digest.next(now, self.zone)
        if self.quiet is None or any(urgency.covers(state, severity, tier) for urgency in self.quiet.urgent):
            return None
        if self.pages and kind in ("resolved", "acknowledged"):
            return None  # the end of an alert pages nobody
        return self.quiet.until(now, self.zone)

    def problems(self, channels: Collection[str]) -> Iterator[Problem]:
        """Yield a problem for every rule that is broken."""
        url = self.url.get_secret_value()
        problems_found = [*url_problems(url)]
        yield from (Problem("url", problem) for problem in problems_found)
        address = self.address
        if self.attach is not None and not problems_found and address is not None:
            yield from (Problem("attach", problem) for problem in address.attachment_problems(url.partition("://")[0]))
        if self.endpoint and address is not None and not address.has_endpoint:
            yield Problem(
                "endpoint",
                "works only with PagerDuty, and Slack with a bot token; put the whole address in url",
            )
        if self.digest is not None and self.pages:
            yield Problem(
                "digest", "this service opens one incident per alert; remove digest, and set quiet hours instead"
            )
        if self.digest_tiers and self.digest is None:
            yield Problem("digest_tiers", "has no effect without digest; add for example digest: 24h")
        if self.escalate is not None:
            yield from self.escalate.problems(channels)


def url_problems(url: str) -> Iterator[str]:
    """Yield problems of a channel's address, without its secrets."""
    try:
        yield from read_address(url).problems()
    except ValueError as wrong:
        yield str(wrong)


def notify_problems(address_text: str, channels: Collection[str]) -> Iterator[str]:
    """Yield problems of an entry of ``notify`` that is neither a channel's name nor an address.

    >>> list(notify_problems("taem", ["team"]))
    ["there is no channel 'taem'; did you mean 'team'?"]
    """
    if address_text in channels:
        return
    if "://" not in address_text and nearest(address_text, [*channels]):
        yield f"there is no channel '{address_text:.80}'; {near(address_text, [*channels])}"
        return
    known_channels = f" (channels: {', '.join(channels)})" if channels else ""
    yield from (f"{problem}{known_channels}" for problem in url_problems(address_text))


def channel(value: object) -> object:
    """Read a plain address as a channel."""
    return {"url": value} if isinstance(value, str) else value


def channels_of(value: object) -> object:
    """Read channels, each of which may be a plain address."""
    return (
        {name: channel(declared_channel) for name, declared_channel in value.items()}
        if isinstance(value, Mapping)
        else value
    )
