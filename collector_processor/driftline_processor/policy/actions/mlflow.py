"""Move an alias of a registered MLflow model from the degraded version back to the previous one.

The intended change is stored as a tag of the registered model first: ``driftline.MESSAGE`` = ``champion: 7 to
6``, with the suffix ``, done`` afterwards. A repeat follows the tag, so that it never goes back further and
does not change an alias that was moved manually.

Source: https://mlflow.org/docs/latest/api_reference/rest-api.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from pydantic import Field

from driftline_processor.config.http_keys import TextTemplate, base_url_problems, header_problems
from driftline_processor.config.section import Problem
from driftline_processor.config.values import PageUrl, Secret, Text
from driftline_processor.core.policy.template import fill_text
from driftline_processor.policy.action import Exchange, HttpAction, authorization, facts_of, file_safe
from driftline_processor.policy.channel import Answer
from driftline_processor.policy.http_service import NotTaken, Request
from driftline_processor.policy.message import Message
from driftline_processor.policy.sources import Sources
from driftline_processor.present.wording import short

_TAG = re.compile(r"(?P<alias>[\w-]+): (?P<wrong>\d+) to (?P<previous>\d+)(?P<done>, done)?")


class MLflow(HttpAction):
    """Moves an alias of a registered model from the degraded version back to the version before it."""

    targets = ("model",)

    url: PageUrl = Field(description="The address of the tracking server.", examples=["https://mlflow.example.com"])
    user: Text | None = Field(default=None, description="The user for basic authentication.", examples=["driftline"])
    password: Secret | None = Field(
        default=None,
        description="The password of `user`. It is never shown or logged.",
        examples=['"${env:MLFLOW_PASSWORD:-none}"'],
    )
    token: Secret | None = Field(
        default=None,
        description="A token to use instead of user and password. It is never shown or logged.",
        examples=['"${env:MLFLOW_TOKEN:-none}"'],
    )
    model: TextTemplate = Field(
        default="{model}", description="The name of the registered model.", examples=["churn-classifier"]
    )
    alias: Text = Field(description="The alias to move.", examples=["champion"])
    previous: Text | None = Field(
        default=None,
        description="The alias of the version to go back to.",
        examples=["fallback"],
        json_schema_extra={"default": "the newest of the earlier versions that are ready"},
    )
    version: TextTemplate = Field(
        default="{version}",
        description="The version that the alias must point to. If the alias points to another version, it is not "
        "moved. If the value of this key is not a whole number, the alias is moved without this check.",
        examples=['"7"'],
    )

    def problems(self) -> Iterator[Problem]:
        """Yield a problem for every rule that the keys break."""
        yield from super().problems()
        yield from base_url_problems(self.url)
        if (self.user is None) != (self.password is None):
            yield Problem("password", "needs user, and user needs password; set both or neither")
        if self.token is not None and self.user is not None:
            yield Problem("token", "replaces user and password; set one or the other")
        if self.token is not None:
            yield from header_problems({"token": self.token})
        for key in ("alias", "previous"):
            name = getattr(self, key)
            if name is not None and not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_-]*", name):
                yield Problem(key, f"'{name:.40}' is not an alias of MLflow; use letters, digits, '_' and '-'")
        if self.previous == self.alias:
            yield Problem("previous", "must differ from alias; use the alias of the version to go back to")

    def common_headers(self) -> dict[str, str]:
        """Return the token, or user and password."""
        return {**authorization(self.token, self.user, self.password), "Accept": "application/json"}

    def describe(self, message: Message) -> str:
        """Return the alias and its move."""
        to = f"to {self.previous}" if self.previous else "to the version before it"
        wrong = self._wrong(message)
        version_words = "" if wrong is None else f" from version {wrong}"
        return f"would move the alias {self.alias} of {short(self._model(message), 80)}{version_words} {to}"

    def exchange(self, message: Message, _: Sources) -> Exchange[str]:
        """Move the alias unless it was moved before, and return both versions."""
        name, key = self._model(message), f"driftline.{file_safe(message.id)}"
        reply = yield Request("GET", f"{self._api}/registered-models/get", parameters={"name": name})
        model = reply.json().get("registered_model")
        if not isinstance(model, dict):
            raise NotTaken(Answer("put_off", "the response contains no registered model"))
        current = _alias(model, self.alias)
        if current is None:
            raise NotTaken(Answer("refused", f"{short(name, 80)} has no alias {self.alias}"))
        tag = _TAG.fullmatch(_tag(model, key))
        if tag is not None and tag["done"]:
            return f"{tag[0]} before"
        if tag is None:
            wrong = self._wrong(message)
            if wrong is not None and current != wrong:
                return self._unchanged(current, "points to", wrong)
            previous = yield from self._find_previous(model, name, current)
            move = f"{self.alias}: {current} to {previous}"
            yield self._tagged(name, key, move)
        else:
            wrong, previous, move = int(tag["wrong"]), int(tag["previous"]), tag[0]
            if current not in (wrong, previous):
                return self._unchanged(current, "was moved to", wrong)
        alias_body = {"name": name, "alias": self.alias, "version": str(previous)}
        yield Request("POST", f"{self._api}/registered-models/alias", alias_body)
        yield self._tagged(name, key, f"{move}, done")
        return move

    @property
    def _api(self) -> str:
        return f"{self.url}/api/2.0/mlflow"

    def _tagged(self, name: str, key: str, value: str) -> Request:
        tag = {"name": name, "key": key, "value": value}
        return Request("POST", f"{self._api}/registered-models/set-tag", tag)

    def _unchanged(self, current: int, how: str, wrong: int) -> str:
        return f"not moved: {self.alias} {how} version {current}, but the alert is about {wrong}"

    def _model(self, message: Message) -> str:
        return fill_text(self.model, facts_of(message))

    def _wrong(self, message: Message) -> int | None:
        """Return the version of the alert, None if it is not an MLflow version."""
        version = fill_text(self.version, facts_of(message))
        return int(version) if re.fullmatch(r"[0-9]{1,9}", version) else None

    def _find_previous(self, model: dict[str, Any], name: str, wrong: int) -> Exchange[int]:
        """Return the version to go back to; NotTaken if there is none."""
        if self.previous is not None:
            version = _alias(model, self.previous)
            if version is None or version == wrong:
                why = "does not exist" if version is None else f"points to version {wrong}, too"
                raise NotTaken(Answer("refused", f"the alias {self.previous} {why}"))
            return version
        # 50: versions below the wrong one that are searched for a ready one: deleted versions leave gaps
        for version in range(wrong - 1, max(0, wrong - 1 - 50), -1):
            parameters: dict[str, str | int] = {"name": name, "version": str(version)}
            reply = yield Request("GET", f"{self._api}/model-versions/get", parameters=parameters, accepted=(404,))
            if reply.status == 404:
                continue
            details = reply.json().get("model_version")
            if isinstance(details, dict) and details.get("status", "READY") == "READY":
                return version
        raise NotTaken(Answer("refused", f"{short(name, 80)} has no version before {wrong} that is ready"))


def _alias(model: dict[str, Any], name: str) -> int | None:
    """Return the version of an alias; None if the alias does not exist."""
    for alias in model.get("aliases") or []:
        if isinstance(alias, dict) and alias.get("alias") == name and str(alias.get("version", "")).isdecimal():
            return int(alias["version"])
    return None


def _tag(model: dict[str, Any], key: str) -> str:
    tags = (tag for tag in model.get("tags") or [] if isinstance(tag, dict))
    return next((str(tag.get("value", "")) for tag in tags if tag.get("key") == key), "")


ACTION = MLflow
