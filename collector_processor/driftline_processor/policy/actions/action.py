"""The contract of every action, and the action of each type in ``driftline.yaml``.

An action carries out one message and says what it did. When, whether and how often is decided before, where the alert
is written (:mod:`driftline_processor.policy.watch`); repeating is the courier's.
"""

from __future__ import annotations

import base64
import json
import logging
import re
from collections.abc import Collection, Mapping
from dataclasses import replace
from functools import partial
from importlib import import_module
from typing import Protocol
from urllib.parse import quote, unquote, urlsplit

from pydantic import SecretStr

from driftline_processor.config.actions import Action as ActionConfig
from driftline_processor.core.policy import facts_for_templates, fill_text
from driftline_processor.policy.alerts import Message
from driftline_processor.policy.channels.channel import NOTHING, Answer, Past
from driftline_processor.policy.channels.http_service import NotTaken
from driftline_processor.policy.sources import NO_SOURCES, Sources

SHORTEST_SECRET = 4
"""Characters of the shortest secret that is looked for in what a service says."""

LONGEST_DESCRIPTION = 500
"""Characters of what a dry run says."""

_log = logging.getLogger("driftline")


class Action(Protocol):
    """Something that is done about an alert: made from its keys, then used by one thread until it is closed.

    To add a type, write ``policy/actions/TYPE.py`` with a class that is called ``ACTION`` there, and a class of its
    keys in ``config/actions.py``. It is made from its keys and from what it may ask of the processor.

    Attributes:
        secrets: What a service must not be quoted with.
    """

    secrets: Collection[str]

    def describe(self, message: Message) -> str:
        """Return what :meth:`carry_out` would send, in a line, without sending anything."""

    def carry_out(self, message: Message) -> str:
        """Do it, and return what was done, in a line.

        The same message may come again, also after it was carried out: the second time changes nothing, as far as the
        service lets one know.

        Raises:
            NotTaken: The service did not take it.
        """

    def close(self) -> None:
        """End connections."""


class ActionChannel:
    """An action as a channel, to which a courier carries messages.

    Args:
        config: The keys of the action.
        sources: What it may ask of the processor.
    """

    def __init__(self, config: ActionConfig, sources: Sources = NO_SOURCES) -> None:
        self._config = config
        self._action: Action = import_module(f"{__package__}.{config.type}").ACTION(config, sources)

    def send(self, message: Message, _past: Past = NOTHING) -> Answer:
        """Carry out a message, or say what would be sent; no secret of the keys is in the answer."""
        try:
            if self._config.dry_run:
                return Answer("dry_run", self._hidden(self._action.describe(message), LONGEST_DESCRIPTION))
            return Answer("delivered", self._hidden(self._action.carry_out(message)))
        except NotTaken as not_taken:
            return replace(not_taken.answer, detail=self._hidden(not_taken.answer.detail))
        except Exception as error:
            said = self._hidden(f"{type(error).__name__}: {error}")
            _log.error(
                "an action of the type %s could not be carried out; it is tried again: %s", self._config.type, said
            )
            return Answer("put_off", said)

    def close(self) -> None:
        """End connections."""
        self._action.close()

    def _hidden(self, said: str, longest: int = 300) -> str:
        for secret in sorted({*self._action.secrets, *self._config.filled}, key=len, reverse=True):
            for written in (secret, quote(secret, safe=""), json.dumps(secret)[1:-1]):
                if len(written) >= SHORTEST_SECRET:
                    said = said.replace(written, "***")
        return said[:longest]


def basic_credentials(user: str, password: str) -> str:
    """Return user and password as the scheme ``Basic`` sends them (RFC 7617)."""
    return base64.b64encode(f"{user}:{password}".encode()).decode()


def header_secrets(headers: Mapping[str, SecretStr]) -> list[str]:
    """Return what is secret of headers: each value, and each word of it, since a scheme such as Bearer is none."""
    values = [value.get_secret_value() for value in headers.values()]
    return [*values, *(word for value in values for word in value.split())]


def filled_address(url: str, message: Message) -> str:
    """Return an address with the facts of a message in the place of its placeholders, each as one part of the path.

    Raises:
        NotTaken: A part of the path would be ``.`` or ``..``: a model of such a name would lead to another place.
    """
    filled = fill_text(url, facts_for_templates(message.id, message.facts), partial(quote, safe=""))
    if any(unquote(part) in (".", "..") for part in urlsplit(filled).path.split("/")):
        raise NotTaken(Answer("refused", "a part of the path is '.' or '..', which leads to another place"))
    return filled


def file_safe(name: str) -> str:
    """Return a name of letters, digits, ``.``, ``_`` and ``-`` alone, as every file, header and label takes it.

    >>> file_safe("4c1f0a92be77d310-jira/payments-over")
    '4c1f0a92be77d310-jira-payments-over'
    """
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip(".-") or "-"
