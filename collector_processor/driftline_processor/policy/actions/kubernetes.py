"""Roll a resource of Kubernetes back by a declarative patch: the same patch twice changes nothing the second time.

Sources: https://kubernetes.io/docs/reference/using-api/api-concepts/#patch-and-apply and
https://kubernetes.io/docs/tasks/run-application/access-api-from-pod/
"""

from __future__ import annotations

import json
import os
import re
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from driftline_processor.config.actions import Kubernetes
from driftline_processor.config.kubernetes_kinds import KubernetesKind, known_kinds
from driftline_processor.core.policy import facts_for_templates, fill_text, fill_tree
from driftline_processor.core.wording import short
from driftline_processor.policy.alerts import Message
from driftline_processor.policy.channels.channel import Answer
from driftline_processor.policy.channels.http_service import HttpService, NotTaken, Reply
from driftline_processor.policy.sources import Sources

ACCOUNT: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Where a pod finds its token and the certificate of the API server."""

_TYPES: Final[Mapping[str, str]] = {
    "merge": "application/merge-patch+json",
    "json": "application/json-patch+json",
    "strategic": "application/strategic-merge-patch+json",
}


class KubernetesAction:
    """One resource, or those of one kind that alerts name."""

    def __init__(self, config: Kubernetes, _: Sources) -> None:
        self._config = config
        self._kind: KubernetesKind | None = known_kinds().get(config.kind) if config.is_known else None
        self._api_version = config.api_version or (self._kind.api_version if self._kind else "")
        self._token = None if config.token is None else config.token.get_secret_value()
        self.secrets: set[str] = set() if self._token is None else {self._token}
        self._service: HttpService | None = None
        self._server = config.server
        self._plural = self._kind.plural if self._kind else ""

    def describe(self, message: Message) -> str:
        """Return which resource would be patched, with what, and whose schema that was held against."""
        kind, name, namespace = self._config.kind, self._text(message, "name"), self._text(message, "namespace")
        known = f"as of {self._kind.version}" if self._kind else "a kind whose schema is not known here"
        if self._config.traffic:
            what = f"traffic {json.dumps(dict(self._config.traffic))}"
        else:
            what = f"{self._config.patch_type} patch {json.dumps(self._patch(message))}"
        return f"would patch {kind} {short(name, 80)} in {short(namespace, 80)} ({known}): {what}"

    def carry_out(self, message: Message) -> str:
        """Patch the resource, and return its name and generation."""
        name = _checked(self._text(message, "name"), 253, r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?", "a resource")
        namespace = _checked(self._text(message, "namespace"), 63, r"[a-z0-9]([a-z0-9-]*[a-z0-9])?", "a namespace")
        group = f"api/{self._api_version}" if "/" not in self._api_version else f"apis/{self._api_version}"
        plural = self._plural or self._find_plural(group)
        place = f"{group}/namespaces/{quote(namespace)}/{quote(plural, safe='')}/{quote(name)}"
        if self._config.traffic:
            reply = self._send(place, "json", self._traffic(place))
        else:
            reply = self._send(place, self._config.patch_type, self._patch(message))
        generation = (reply.json().get("metadata") or {}).get("generation")
        at = "" if generation is None else f", generation {generation}"
        return f"{self._config.kind} {name} in {namespace} is patched{at}"

    def close(self) -> None:
        """Close the connection."""
        if self._service is not None:
            self._service.close()
            self._service = None

    def _text(self, message: Message, key: str) -> str:
        return fill_text(getattr(self._config, key), facts_for_templates(message.id, message.facts))

    def _patch(self, message: Message) -> Any:
        patch = self._config.patch
        if patch is None:
            assert self._kind is not None
            return self._kind.rollback["patch"]
        return fill_tree(patch, facts_for_templates(message.id, message.facts))

    def _traffic(self, place: str) -> list[dict[str, Any]]:
        """Return a patch that sets the traffic of predictors by their names; NotTaken where one is not there.

        Its tests refuse it where the list of predictors has changed meanwhile.
        """
        spec = self._ask("GET", place).json().get("spec")
        predictors = spec.get("predictors") if isinstance(spec, dict) else None
        named = [one.get("name") if isinstance(one, dict) else None for one in predictors or []]
        operations: list[dict[str, Any]] = []
        for name, traffic in self._config.traffic.items():
            if name not in named:
                known = ", ".join(short(str(one), 40) for one in named[:10]) or "none"
                raise NotTaken(Answer("refused", f"there is no predictor {name:.80}; there is {known}"))
            at = f"/spec/predictors/{named.index(name)}"
            operations.append({"op": "test", "path": f"{at}/name", "value": name})
            operations.append({"op": "add", "path": f"{at}/traffic", "value": traffic})
        return operations

    def _send(self, place: str, kind: str, patch: Any) -> Reply:
        own = self._config.patch is None and self._kind is not None
        subresource = self._config.subresource
        if own and self._kind is not None and not self._config.traffic:
            subresource = self._kind.rollback.get("subresource")
        body, headers = json.dumps(patch, allow_nan=False).encode(), {"Content-Type": _TYPES[kind]}
        if subresource is None:
            return self._ask("PATCH", place, body, headers)
        reply = self._ask("PATCH", f"{place}/{subresource}", body, headers, taken=(404,) if own else ())
        # Older versions of the kind have no such subresource, and take the same patch on the resource.
        return self._ask("PATCH", place, body, headers) if reply.status == 404 else reply

    def _find_plural(self, group: str) -> str:
        """Return how addresses name the kind; NotTaken where the server does not know it."""
        found = self._ask("GET", group).json().get("resources")
        for one in found if isinstance(found, list) else []:
            name = one.get("name") if isinstance(one, dict) and one.get("kind") == self._config.kind else None
            if isinstance(name, str) and re.fullmatch(r"[a-z0-9-]{1,63}", name):
                self._plural = name
                return name
        raise NotTaken(Answer("put_off", f"{self._api_version} has no kind {self._config.kind}"))

    def _ask(
        self,
        method: str,
        place: str,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        taken: tuple[int, ...] = (),
    ) -> Reply:
        service, token = self._connected(), self._current_token()
        sent = {"Accept": "application/json", "Authorization": f"Bearer {token}", **(headers or {})}
        changes: dict[str, str | int] = {"fieldManager": "driftline", "fieldValidation": "Strict"}
        return service.ask(
            method,
            f"{self._server}/{place}",
            content=content,
            headers=sent,
            parameters=changes if method == "PATCH" else None,
            taken=taken,
        )

    def _current_token(self) -> str:
        """Return the token; that of a pod is read anew each time, since it changes every hour."""
        if self._token is not None:
            return self._token
        path = self._config.token_file or ACCOUNT / "token"
        try:
            token = path.read_text(encoding="ascii").strip()
        except (OSError, ValueError) as error:
            raise NotTaken(Answer("put_off", f"{path}: the token cannot be read: {error}")) from error
        if not re.fullmatch(r"[\x21-\x7e]+", token):
            raise NotTaken(Answer("put_off", f"{path}: holds no token"))
        self.secrets.add(token)
        return token

    def _connected(self) -> HttpService:
        if self._service is not None:
            return self._service
        if not self._server:
            host, port = (os.environ.get(f"KUBERNETES_SERVICE_{name}", "") for name in ("HOST", "PORT"))
            if not host:
                raise NotTaken(Answer("put_off", "this is no pod of Kubernetes; write server and token"))
            self._server = f"https://{f'[{host}]' if ':' in host else host}:{port or 443}"
        authority = self._config.ca_file or (None if self._config.server else ACCOUNT / "ca.crt")
        try:
            context = None if authority is None else ssl.create_default_context(cafile=authority)
        except OSError as error:
            raise NotTaken(Answer("put_off", f"{authority}: the certificate cannot be used: {error}")) from error
        self._service = HttpService(self._server, self._config.timeout.total_seconds(), context=context)
        return self._service


def _checked(name: str, longest: int, form: str, what: str) -> str:
    """Return a name that Kubernetes takes; NotTaken for another one.

    Source: https://kubernetes.io/docs/concepts/overview/working-with-objects/names/
    """
    if len(name) > longest or not re.fullmatch(form, name):
        raise NotTaken(
            Answer("refused", f"'{short(name, 80)}' is no name of {what}; Kubernetes takes a-z, 0-9 and '-'")
        )
    return name


ACTION = KubernetesAction
