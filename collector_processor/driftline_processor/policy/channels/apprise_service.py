"""Send messages by Apprise: Slack, email, PagerDuty, Teams, and more than a hundred other services."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self
from urllib.parse import quote

from driftline_processor.config.channel_address import ChannelAddress
from driftline_processor.core.nearest_names import near, nearest
from driftline_processor.policy.channel import DELIVERED, NOTHING, Answer, Past
from driftline_processor.policy.message import Message
from driftline_processor.policy.secrets import hide_secrets
from driftline_processor.policy.sources import MakeReport, Report

if TYPE_CHECKING:
    from apprise import AppriseAttachment

_TYPES: Final[Mapping[str, str]] = {"critical": "FAILURE", "warning": "WARNING", "info": "INFO"}
"""Severity → Apprise's name of the type."""

_CALLING: Final = re.compile(
    r"(?<!\w)[@!](?=[\w*])|@(?=(?:everyone|here|channel|all|room)\b)|<(?=[!@#&]|users/|https?:|mailto:|at>)|\](?=\()",
    re.IGNORECASE,
)
"""Marks by which services such as Discord, Mattermost, Slack and Zulip mention people or write a link."""

_HIDING: Final = re.compile(r"(://[^\s|]*)\|")
"""An address before a link text, in the syntax of Slack."""

_WITH_REPORT: Final = ("opened", "worse", "escalated")
"""Kinds of messages with the report attached."""


@dataclass(frozen=True, slots=True)
class AppriseAddress(ChannelAddress):
    """An address of an Apprise service.

    Attributes:
        url: The whole address; secret.
    """

    url: str

    @classmethod
    def read(cls, url: str, _: str) -> Self:
        """Read any address; :meth:`problems` reports unknown services."""
        return cls(url)

    def open(self, report: MakeReport | None) -> AppriseService:
        """Return the channel."""
        return AppriseService(self.url, report)

    def problems(self) -> Iterator[str]:
        """Yield the reasons why Apprise rejects the address."""
        scheme, mark, _ = self.url.partition("://")
        import apprise  # the import takes half a second, only if such an address is configured

        schemas = sorted(apprise.plugins.N_MGR.schemas())  # type: ignore[no-untyped-call]
        if not mark or scheme.lower() not in schemas:
            schemas = ["https", *schemas]
            fix = (
                near(scheme, schemas)
                if mark and nearest(scheme, schemas)
                else "use for example slack://... or mailto://..."
            )
            yield f"'{scheme:.20}' is not a type of channel; {fix}"
        elif apprise.Apprise.instantiate(self.url) is None:
            yield f"this is not a valid address of a '{scheme}' channel; see https://appriseit.com/services/"

    def attachment_problems(self, scheme: str) -> Iterator[str]:
        """Yield a problem if the service does not support attachments."""
        import apprise

        if not getattr(apprise.Apprise.instantiate(self.url), "attachment_support", False):
            yield from ChannelAddress.attachment_problems(self, scheme)


class AppriseService:
    """One Apprise address. Apprise returns only whether a message was accepted, so every failure is retried.

    Args:
        url: The address.
        report: Creates the report to attach; None = no report.
    """

    def __init__(self, url: str, report: MakeReport | None = None) -> None:
        import apprise

        self._url, self._report = url, report
        self._without: set[str] = set()
        logging.getLogger("apprise").propagate = False  # the courier logs the error once
        self._services = apprise.Apprise()
        if not self._services.add(url):
            raise ValueError("Apprise does not accept this address")

    def send(self, message: Message, _past: Past = NOTHING) -> Answer:
        """Send a message as plain text."""
        import apprise

        facts = message.facts
        over = facts.get("kind") in ("resolved", "passed")
        self._join_thread(message)
        kind = apprise.NotifyType.SUCCESS if over else apprise.NotifyType[_TYPES[facts.get("severity", "warning")]]
        bare = message.kind not in _WITH_REPORT or message.id in self._without
        report = None if self._report is None or bare else self._report(message)
        attached = None if report is None else _attachment(report)
        with apprise.LogCapture(level=logging.WARNING) as log:  # type: ignore[no-untyped-call]
            accepted = self._services.notify(
                title=harmless(facts["title"]),
                body=body(facts),
                notify_type=kind,
                body_format=apprise.NotifyFormat.TEXT,
                attach=attached,
            )
            words = " ".join(log.getvalue().split())
        if attached is not None and not accepted:
            self._without.add(
                message.id
            )  # the text may have arrived: a rejected attachment must not repeat it for days
        return DELIVERED if accepted else Answer("put_off", hide_secrets(words, self._url)[-300:])

    def _join_thread(self, message: Message) -> None:
        """Give emails about one alert a common ancestor, so that they form one thread (RFC 5322, 3.6.4)."""
        from apprise.plugins.email import NotifyEmail

        ancestor = f"<{quote(message.alert, safe='-.')}@driftline>"
        for service in self._services:
            if isinstance(service, NotifyEmail):
                service.headers |= {"References": ancestor, "In-Reply-To": ancestor}

    def close(self) -> None:
        """Do nothing, because each message has its own connection."""


def _attachment(report: Report) -> AppriseAttachment:
    from apprise import AppriseAttachment
    from apprise.attachment.memory import AttachMemory

    file = AttachMemory(report.html, report.name, mimetype="text/html")  # type: ignore[no-untyped-call]
    return AppriseAttachment(file)


def harmless(text: str) -> str:
    r"""Return a text without mentions and without hidden link targets in the markup of any service.

    Senders choose the names of models and features: a model named ``@everyone`` would notify a whole company. A
    zero-width space breaks the mark and keeps the text readable.

    >>> harmless("@everyone <!channel> ann@example.com").replace("\u200b", "·")
    '@·everyone <·!·channel> ann@example.com'
    """
    return _HIDING.sub(r"\1¦", _CALLING.sub(lambda mark: f"{mark[0]}\u200b", text))


def body(facts: Mapping[str, Any]) -> str:
    r"""Return the text of a message followed by its links.

    >>> body({"text": "It fires.", "links": {"page": "http://127.0.0.1:8780/models/churn"}})
    'It fires.\npage: http://127.0.0.1:8780/models/churn'
    """
    return "\n".join([harmless(facts["text"]), *(f"{name}: {address}" for name, address in facts["links"].items())])


CHANNEL = AppriseAddress
