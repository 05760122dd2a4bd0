"""Bring an alias of a registered model of MLflow back from the version that is wrong to the one before it.

What is about to be done is noted as a tag of the registered model first: ``driftline.MESSAGE`` = ``champion: 7 to 6``,
and behind it ``, done`` when it is. A repeat goes by the tag, so it never goes back one version further, and leaves an
alias alone that somebody has moved.

Source: https://mlflow.org/docs/latest/api_reference/rest-api.html
"""

from __future__ import annotations

import re
from typing import Any, Final

from driftline_processor.config.actions import MLflow
from driftline_processor.core.policy import facts_for_templates, fill_text
from driftline_processor.core.wording import short
from driftline_processor.policy.alerts import Message
from driftline_processor.policy.channels.channel import Answer
from driftline_processor.policy.channels.http_service import HttpService, NotTaken, Reply
from driftline_processor.policy.sources import Sources

from .action import basic_credentials, file_safe

LOOKED_AT: Final = 50
"""Versions below the wrong one, among which one that is ready is looked for: deleted ones leave gaps."""

_TAG = re.compile(r"(?P<alias>[\w-]+): (?P<wrong>\d+) to (?P<previous>\d+)(?P<done>, done)?")


class MLflowAction:
    """One alias, of the models of one registry."""

    def __init__(self, config: MLflow, _: Sources) -> None:
        self._config = config
        token = None if config.token is None else config.token.get_secret_value()
        password = "" if config.password is None else config.password.get_secret_value()
        basic = basic_credentials(config.user or "", password)
        headers = {"Accept": "application/json"}
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        elif config.user is not None:
            headers["Authorization"] = f"Basic {basic}"
        self.secrets = [token or password, basic]
        self._service = HttpService(config.url, config.timeout.total_seconds(), headers)
        self._api = f"{config.url}/api/2.0/mlflow"

    def describe(self, message: Message) -> str:
        """Return which alias would move."""
        to = f"to {self._config.previous}" if self._config.previous else "to the version before it"
        wrong = self._wrong(message)
        at = "" if wrong is None else f" from version {wrong}"
        return f"would move the alias {self._config.alias} of {short(self._model(message), 80)}{at} {to}"

    def carry_out(self, message: Message) -> str:
        """Move the alias, unless it was moved before, and return from where to where."""
        name, tag = self._model(message), f"driftline.{file_safe(message.id)}"
        model = self._registered(name)
        current = _alias(model, self._config.alias)
        if current is None:
            raise NotTaken(Answer("refused", f"{short(name, 80)} has no alias {self._config.alias}"))
        noted = _TAG.fullmatch(_tag(model, tag))
        if noted is not None and noted["done"]:
            return f"{noted[0]} before"
        if noted is None:
            wrong = self._wrong(message)
            if wrong is not None and current != wrong:
                return self._left(current, "points to", wrong)
            previous = self._previous(model, name, current)
            said = f"{self._config.alias}: {current} to {previous}"
            self._note(name, tag, said)
        else:
            wrong, previous, said = int(noted["wrong"]), int(noted["previous"]), noted[0]
            if current not in (wrong, previous):
                return self._left(current, "was moved to", wrong)
        moved = {"name": name, "alias": self._config.alias, "version": str(previous)}
        self._ask("POST", "registered-models/alias", json=moved)
        self._note(name, tag, f"{said}, done")
        return said

    def close(self) -> None:
        """Close the connection."""
        self._service.close()

    def _note(self, name: str, tag: str, said: str) -> None:
        self._ask("POST", "registered-models/set-tag", json={"name": name, "key": tag, "value": said})

    def _left(self, current: int, how: str, wrong: int) -> str:
        return f"left alone: {self._config.alias} {how} version {current}, and the alert is about {wrong}"

    def _model(self, message: Message) -> str:
        return fill_text(self._config.model, facts_for_templates(message.id, message.facts))

    def _wrong(self, message: Message) -> int | None:
        """Return the version that the alert is about, None where it is none of MLflow's."""
        said = fill_text(self._config.version, facts_for_templates(message.id, message.facts))
        return int(said) if re.fullmatch(r"[0-9]{1,9}", said) else None

    def _registered(self, name: str) -> dict[str, Any]:
        found = self._ask("GET", "registered-models/get", parameters={"name": name}).json().get("registered_model")
        if not isinstance(found, dict):
            raise NotTaken(Answer("put_off", "the answer names no registered model"))
        return found

    def _previous(self, model: dict[str, Any], name: str, wrong: int) -> int:
        """Return the version to go back to; NotTaken where there is none."""
        if self._config.previous is not None:
            version = _alias(model, self._config.previous)
            if version is None or version == wrong:
                said = "is not there" if version is None else f"points to version {wrong}, too"
                raise NotTaken(Answer("refused", f"the alias {self._config.previous} {said}"))
            return version
        for version in range(wrong - 1, max(0, wrong - 1 - LOOKED_AT), -1):
            asked: dict[str, str | int] = {"name": name, "version": str(version)}
            reply = self._ask("GET", "model-versions/get", parameters=asked, taken=(404,))
            if reply.status == 404:
                continue
            found = reply.json().get("model_version")
            if isinstance(found, dict) and found.get("status", "READY") == "READY":
                return version
        raise NotTaken(Answer("refused", f"{short(name, 80)} has no version before {wrong} that is ready"))

    def _ask(self, method: str, path: str, **more: Any) -> Reply:
        return self._service.ask(method, f"{self._api}/{path}", **more)


def _alias(model: dict[str, Any], wanted: str) -> int | None:
    """Return the version to which an alias points; None where there is no such alias."""
    for one in model.get("aliases") or []:
        if isinstance(one, dict) and one.get("alias") == wanted and str(one.get("version", "")).isdecimal():
            return int(one["version"])
    return None


def _tag(model: dict[str, Any], key: str) -> str:
    tags = (one for one in model.get("tags") or [] if isinstance(one, dict))
    return next((str(one.get("value", "")) for one in tags if one.get("key") == key), "")


ACTION = MLflowAction
