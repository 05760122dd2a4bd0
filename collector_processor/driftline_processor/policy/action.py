"""The contract of every action, and how an action carries out a message.

An action carries out one message and says what it did. When, whether and how often is decided before, where the alert
is written (:mod:`driftline_processor.policy.watch`); repeating is the courier's.

To add a kind, write one file ``policy/actions/KIND.py`` with a class that is called ``ACTION`` there: its fields are
the keys in ``driftline.yaml``, its ``problems`` the rules between them, its other methods the code. Another
distribution adds a kind by an entry point of the group ``driftline_actions``.
"""

from __future__ import annotations

import base64
import json
import logging
import re
from abc import abstractmethod
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing
from functools import partial
from typing import Any, TypeVar
from urllib.parse import quote, unquote, urlsplit

from msgspec import Struct, field
from msgspec.structs import replace
from pydantic import SecretStr

from driftline_processor.config.actions import ActionKeys
from driftline_processor.core.policy import facts_for_templates, fill_text

from .channel import NOTHING, Answer, Past
from .http_service import HttpService, NotTaken, Reply, Request
from .message import Message
from .secrets import secret_parts
from .sources import NO_SOURCES, Sources

SHORTEST_SECRET = 4
"""Characters of the shortest secret that is looked for in what a service says."""

LONGEST_DESCRIPTION = 500
"""Characters of what a dry run says."""

T = TypeVar("T")

Exchange = Generator[Request, Reply, T]
"""Requests that are sent one after another, each reply back into it; it returns what came of them."""

_log = logging.getLogger("driftline")


class Surroundings(Struct, frozen=True):
    """What an action may use while it carries out messages.

    Attributes:
        sources: What it may ask of the processor.
        secrets: What a service must not be quoted with; an action adds what it learns, such as a token.
    """

    sources: Sources
    secrets: set[str] = field(default_factory=set)


class Action(ActionKeys):
    """Something that is done about an alert. One thread calls it."""

    def secrets(self) -> Iterator[str]:
        """Yield what a service must not be quoted with: secret values, and their words and parts of their paths."""
        for value in dict(self).values():
            for secret in value.values() if isinstance(value, Mapping) else (value,):
                if isinstance(secret, SecretStr):
                    secret_text = secret.get_secret_value()
                    yield from (
                        secret_parts(secret_text) if "://" in secret_text else (secret_text, *secret_text.split())
                    )

    @abstractmethod
    def describe(self, message: Message) -> str:
        """Return what :meth:`carry_out` would send, in a line, without sending anything."""

    @abstractmethod
    def carry_out(self, message: Message, around: Surroundings) -> str:
        """Do it, and return what was done, in a line.

        The same message may come again, also after it was carried out: the second time changes nothing, as far as the
        service lets one know.

        Raises:
            NotTaken: The service did not take it.
        """


class HttpAction(Action):
    """An action that is one request of HTTP, declared by its parts: how to find an earlier one, the request, the reply.

    An action of several requests overrides :meth:`exchange`.
    """

    @property
    def address(self) -> str:
        """The address of the service."""
        url = getattr(self, "url", "")
        return url.get_secret_value() if isinstance(url, SecretStr) else str(url)

    def common_headers(self) -> dict[str, str]:
        """Return the headers of every request."""
        return {}

    def connect(self) -> HttpService:
        """Return the connection for the requests of one message."""
        return HttpService(self.address, self.timeout.total_seconds(), self.common_headers())

    def request(self, message: Message) -> Request:
        """Return the request that carries out a message."""
        raise NotImplementedError

    def already_done(self, _: Message) -> Exchange[str | None]:
        """Return what an earlier request for the same message made; None if there was none."""
        yield from ()
        return None

    def reference(self, reply: Reply) -> str:
        """Return what was made, from the reply to :meth:`request`."""
        return f"HTTP {reply.status}"

    def exchange(self, message: Message, _: Sources) -> Exchange[str]:
        """Find what was made before, else send the request; return what was made."""
        earlier = yield from self.already_done(message)
        if earlier is not None:
            return f"{earlier} already exists"
        reply = yield self.request(message)
        return self.reference(reply)

    def describe(self, message: Message) -> str:
        """Return method, address and body; of an address that is secret its host."""
        request = self.request(message)
        place = urlsplit(request.url).hostname if isinstance(getattr(self, "url", None), SecretStr) else request.url
        body = (request.content or b"").decode() if request.json is None else json.dumps(request.json)
        return f"would send {request.method} {place}{f': {body}' if body else ''}"

    def secrets(self) -> Iterator[str]:
        """Yield what a service must not be quoted with, which includes the header with user and password."""
        yield from super().secrets()
        yield from self.common_headers().get("Authorization", "").split()[1:]

    def carry_out(self, message: Message, around: Surroundings) -> str:
        """Send the requests of the exchange one after another."""
        exchange = self.exchange(message, around.sources)
        with closing(self.connect()) as service:
            try:
                request = next(exchange)
                while True:
                    around.secrets.update(request.headers.get("Authorization", "").split()[1:])
                    try:
                        reply = service.send(request)
                    except NotTaken as not_taken:
                        request = exchange.throw(not_taken)
                    else:
                        request = exchange.send(reply)
            except StopIteration as end:
                return str(end.value)


class ActionChannel:
    """An action as a channel, to which a courier carries messages.

    Args:
        action: The action.
        sources: What it may ask of the processor.
    """

    def __init__(self, action: ActionKeys, sources: Sources = NO_SOURCES) -> None:
        assert isinstance(action, Action)
        self._action = action
        self._around = Surroundings(sources, {*action.filled, *action.secrets()})

    def send(self, message: Message, _past: Past = NOTHING) -> Answer:
        """Carry out a message, or say what would be sent; no secret of the keys is in the answer."""
        try:
            if self._action.dry_run:
                return Answer("dry_run", self._hidden(self._action.describe(message), LONGEST_DESCRIPTION))
            return Answer("delivered", self._hidden(self._action.carry_out(message, self._around)))
        except NotTaken as not_taken:
            return replace(not_taken.answer, detail=self._hidden(not_taken.answer.detail))
        except Exception as error:
            error_text = self._hidden(f"{type(error).__name__}: {error}")
            _log.error("the action %s failed, Driftline will retry: %s", message.channel, error_text)
            return Answer("put_off", error_text)

    def close(self) -> None:
        """Do nothing: each message has a connection of its own."""

    def _hidden(self, text: str, longest: int = 300) -> str:
        for secret in sorted(self._around.secrets, key=len, reverse=True):
            for secret_form in (secret, quote(secret, safe=""), json.dumps(secret)[1:-1]):
                if len(secret_form) >= SHORTEST_SECRET:
                    text = text.replace(secret_form, "***")
        return text[:longest]


def facts_of(message: Message) -> Mapping[str, Any]:
    """Return the facts of a message for templates."""
    return facts_for_templates(message.id, message.facts)


def authorization(
    token: SecretStr | None, user: str | None = None, password: SecretStr | None = None
) -> dict[str, str]:
    """Return the header with a token, or with user and password (RFC 7617); none without either."""
    if token is not None:
        return {"Authorization": f"Bearer {token.get_secret_value()}"}
    if password is None:
        return {}
    basic = base64.b64encode(f"{user or ''}:{password.get_secret_value()}".encode()).decode()
    return {"Authorization": f"Basic {basic}"}


def filled_address(url: str, message: Message) -> str:
    """Return an address with the facts of a message in the place of its placeholders, each as one part of the path.

    Raises:
        NotTaken: A part of the path would be ``.`` or ``..``: a model of such a name would lead to another place.
    """
    filled = fill_text(url, facts_of(message), partial(quote, safe=""))
    if any(unquote(part) in (".", "..") for part in urlsplit(filled).path.split("/")):
        raise NotTaken(
            Answer("refused", "a part of the path is '.' or '..', which would change the target of the request")
        )
    return filled


def file_safe(name: str) -> str:
    """Return a name of letters, digits, ``.``, ``_`` and ``-`` alone, as every file, header and label takes it.

    >>> file_safe("4c1f0a92be77d310-jira/payments-over")
    '4c1f0a92be77d310-jira-payments-over'
    """
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip(".-") or "-"
