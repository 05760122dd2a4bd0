"""The contract of actions, and how an action processes a message.

An action processes one message and returns what it did. When, whether and how often is decided when the alert
is written (:mod:`driftline_processor.policy.watch`); the courier retries.

To add a kind, write one file ``policy/actions/KIND.py`` with a class named ``ACTION``: its fields are the keys
in ``driftline.yaml``, its ``problems`` the rules between them, its other methods the code. Another distribution
adds a kind by an entry point of the group ``driftline_actions``.
"""

from __future__ import annotations

import base64
import hashlib
import json
import logging
import re
from abc import abstractmethod
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing
from functools import partial
from typing import Any, TypeVar
from urllib.parse import quote, unquote, urlsplit

from msgspec import Struct, field
from msgspec.structs import replace
from pydantic import SecretStr

from driftline_processor.config.actions import ActionKeys
from driftline_processor.core.policy.template import facts_for_templates, fill_text

from .channel import NOTHING, Answer, Past
from .http_service import HttpService, NotTaken, Reply, Request
from .message import Message
from .secrets import secret_parts
from .sources import NO_SOURCES, Sources

SHORTEST_SECRET = 4
"""Minimum number of characters of a secret that is hidden in responses of services."""

LONGEST_DESCRIPTION = 500
"""Upper limit of characters of a dry run's description."""

NOT_SENT = ("token", "token_file", "password", "timeout", "rate_limit", "approval", "retrains", "on", "dry_run")
"""Keys that do not decide what an approved action sends, and to whom: a new token needs no new approval."""

T = TypeVar("T")

Exchange = Generator[Request, Reply, T]
"""Generator that yields requests, receives their replies, and returns the result."""

_log = logging.getLogger("driftline")


class Surroundings(Struct, frozen=True):
    """Context of an action while it processes messages.

    Attributes:
        sources: Data of the processor.
        secrets: Texts to hide in quotes of a service; an action adds further secrets, such as a token.
    """

    sources: Sources
    secrets: set[str] = field(default_factory=set)


class Action(ActionKeys):
    """An action on an alert. Used by one thread."""

    def secrets(self) -> Iterator[str]:
        """Yield the texts to hide in quotes of a service: secret values, their words, and parts of their paths."""
        for value in dict(self).values():
            for secret in value.values() if isinstance(value, Mapping) else (value,):
                if isinstance(secret, SecretStr):
                    secret_text = secret.get_secret_value()
                    yield from (
                        secret_parts(secret_text) if "://" in secret_text else (secret_text, *secret_text.split())
                    )

    @abstractmethod
    def describe(self, message: Message) -> str:
        """Return in one line what :meth:`carry_out` would send, without sending it."""

    @abstractmethod
    def carry_out(self, message: Message, around: Surroundings) -> str:
        """Perform the action and return in one line what was done.

        The same message can be delivered again, even after it succeeded. The action must be idempotent as far as the
        service allows it.

        Raises:
            NotTaken: The service did not accept it.
        """


class HttpAction(Action):
    """An action that is one HTTP request, declared by its parts: search of an earlier result, request, reply.

    An action of several requests overrides :meth:`exchange`.
    """

    @property
    def address(self) -> str:
        """Address of the service."""
        url = getattr(self, "url", "")
        return url.get_secret_value() if isinstance(url, SecretStr) else str(url)

    def common_headers(self) -> dict[str, str]:
        """Return the headers of every request."""
        return {}

    def connect(self) -> HttpService:
        """Return the connection for the requests of one message."""
        return HttpService(self.address, self.timeout.total_seconds(), self.common_headers())

    def request(self, message: Message) -> Request:
        """Return the request for a message."""
        raise NotImplementedError

    def already_done(self, _: Message) -> Exchange[str | None]:
        """Return the result of an earlier request for the same message; None if there is none."""
        yield from ()
        return None

    def reference(self, reply: Reply) -> str:
        """Return the reference of the created object, from the reply to :meth:`request`."""
        return f"HTTP {reply.status}"

    def exchange(self, message: Message, _: Sources) -> Exchange[str]:
        """Return an earlier result, else send the request and return its result."""
        earlier = yield from self.already_done(message)
        if earlier is not None:
            return f"{earlier} already exists"
        reply = yield self.request(message)
        return self.reference(reply)

    def describe(self, message: Message) -> str:
        """Return method, address and body; only the host of a secret address."""
        request = self.request(message)
        place = urlsplit(request.url).hostname if isinstance(getattr(self, "url", None), SecretStr) else request.url
        body = (request.content or b"").decode() if request.json is None else json.dumps(request.json)
        return f"would send {request.method} {place}{f': {body}' if body else ''}"

    def secrets(self) -> Iterator[str]:
        """Yield the texts to hide in quotes of a service, including the header with user and password."""
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


Gate = Callable[[Message, str], Answer | None]
"""Returns why a message must not be sent now, from it and its digest; None if it may."""


def no_gate(_message: Message, _digest: str) -> None:
    """Permit every message."""


class ActionChannel:
    """An action as a channel of a courier.

    Args:
        action: The action.
        sources: Data of the processor.
        gate: Called before each attempt.
    """

    def __init__(self, action: ActionKeys, sources: Sources = NO_SOURCES, gate: Gate = no_gate) -> None:
        assert isinstance(action, Action)
        self._action, self._gate = action, gate
        self._around = Surroundings(sources, {*action.filled, *action.secrets()})

    def send(self, message: Message, _past: Past = NOTHING) -> Answer:
        """Process a message or describe a dry run; secrets are hidden in the answer."""
        refusal = self._gate(message, self.digest(message))
        if refusal is not None:
            return refusal
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

    def describe(self, message: Message) -> str:
        """Return in one line what would be sent; secrets are hidden."""
        try:
            return self._hidden(self._action.describe(message), LONGEST_DESCRIPTION)
        except NotTaken as not_taken:
            return self._hidden(not_taken.answer.detail)

    def digest(self, message: Message) -> str:
        """Return a digest of everything that decides what is sent: the action without credentials, and the facts."""
        keys = {name: value for name, value in self._action.model_dump().items() if name not in NOT_SENT}
        content = [message.id, message.channel, keys, message.facts]
        text = json.dumps(content, sort_keys=True, default=_revealed)
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]

    def close(self) -> None:
        """Do nothing, because each message has its own connection."""

    def _hidden(self, text: str, longest: int = 300) -> str:
        for secret in sorted(self._around.secrets, key=len, reverse=True):
            for secret_form in (secret, quote(secret, safe=""), json.dumps(secret)[1:-1]):
                if len(secret_form) >= SHORTEST_SECRET:
                    text = text.replace(secret_form, "***")
        return text[:longest]


def _revealed(value: object) -> str:
    return value.get_secret_value() if isinstance(value, SecretStr) else str(value)


def facts_of(message: Message) -> Mapping[str, Any]:
    """Return the facts of a message for templates."""
    return facts_for_templates(message.id, message.facts)


def authorization(
    token: SecretStr | None, user: str | None = None, password: SecretStr | None = None
) -> dict[str, str]:
    """Return the header with a token, or with user and password (RFC 7617); empty without credentials."""
    if token is not None:
        return {"Authorization": f"Bearer {token.get_secret_value()}"}
    if password is None:
        return {}
    basic = base64.b64encode(f"{user or ''}:{password.get_secret_value()}".encode()).decode()
    return {"Authorization": f"Basic {basic}"}


def with_own_headers(headers: Mapping[str, str], own: Mapping[str, SecretStr]) -> dict[str, str]:
    """Return the headers of a request, with those of the configuration in place of equal names."""
    overridden = {name.lower() for name in own}
    kept = {name: value for name, value in headers.items() if name.lower() not in overridden}
    return {**kept, **{name: value.get_secret_value() for name, value in own.items()}}


def filled_address(url: str, message: Message) -> str:
    """Return an address with its placeholders replaced by facts of a message, each as one path segment.

    Raises:
        NotTaken: A path segment would be ``.`` or ``..``, so that a model's name could change the path.
    """
    filled = fill_text(url, facts_of(message), partial(quote, safe=""))
    if any(unquote(part) in (".", "..") for part in urlsplit(filled).path.split("/")):
        raise NotTaken(
            Answer("refused", "a part of the path is '.' or '..', which would change the target of the request")
        )
    return filled


def file_safe(name: str) -> str:
    """Return a name that consists of letters, digits, ``.``, ``_`` and ``-``, valid in files, headers and labels.

    >>> file_safe("4c1f0a92be77d310-jira/payments-over")
    '4c1f0a92be77d310-jira-payments-over'
    """
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip(".-") or "-"
