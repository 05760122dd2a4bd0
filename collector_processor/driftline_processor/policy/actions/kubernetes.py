"""Roll back a Kubernetes resource by a declarative patch, which has no further effect if repeated.

Sources: https://kubernetes.io/docs/reference/using-api/api-concepts/#patch-and-apply and
https://kubernetes.io/docs/tasks/run-application/access-api-from-pod/
"""

from __future__ import annotations

import json
import os
import re
import ssl
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from urllib.parse import quote

from msgspec import Struct
from pydantic import Field, SecretStr

from driftline_processor.config.http_keys import TextTemplate, Tree, header_problems
from driftline_processor.config.section import Problem, under
from driftline_processor.config.values import FilePath, PageUrl, Secret, Text, is_here
from driftline_processor.core.nearest_names import near
from driftline_processor.core.policy.template import fill_text, fill_tree
from driftline_processor.policy.action import Exchange, HttpAction, authorization, facts_of
from driftline_processor.policy.channel import Answer
from driftline_processor.policy.http_service import HttpService, NotTaken, Reply, Request
from driftline_processor.policy.message import Message
from driftline_processor.policy.sources import Sources
from driftline_processor.present.wording import short

ACCOUNT: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Folder with a pod's token and the certificate of the API server."""

_TYPES: Final[Mapping[str, str]] = {
    "merge": "application/merge-patch+json",
    "json": "application/json-patch+json",
    "strategic": "application/strategic-merge-patch+json",
}


class KubernetesKind(Struct, frozen=True):
    """A kind of resource.

    Attributes:
        source: Source of its schema.
        version: Version of the schema.
        api_version: Group and version.
        kind: Its name.
        plural: Its name in addresses.
        schema: The known part of its schema.
            rollback: ``patch``, a merge patch that rolls back, and its ``subresource``; empty if no patch fits
            every resource.
    """

    source: str
    version: str
    api_version: str
    kind: str
    plural: str
    schema: Mapping[str, Any]
    rollback: Mapping[str, Any]


@lru_cache(maxsize=1)
def known_kinds() -> Mapping[str, KubernetesKind]:
    """Return the known kinds by name."""
    folder = Path(__file__).parent / "kubernetes_kinds"
    documents = (json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json")))
    kinds = (KubernetesKind(**{"rollback": {}, **document}) for document in documents)
    return {kind.kind: kind for kind in kinds}


class Kubernetes(HttpAction):
    """Patches a Kubernetes resource of Argo Rollouts, KServe, Seldon Core, or any other kind."""

    targets = ("namespace", "name")

    server: PageUrl = Field(
        default="",
        description="The address of the API server.",
        examples=["https://10.0.0.1:6443"],
        json_schema_extra={"default": "the API server of the cluster in which the processor runs"},
    )
    token: Secret | None = Field(
        default=None,
        description="The token of a service account. It is never shown or logged.",
        examples=['"${env:KUBERNETES_TOKEN:-none}"'],
        json_schema_extra={"default": "the token in `token_file`"},
    )
    token_file: FilePath | None = Field(
        default=None,
        description="A file with the token, which is read again before each request.",
        examples=["/run/secrets/token"],
        json_schema_extra={"default": "the token file of the pod"},
    )
    ca_file: FilePath | None = Field(
        default=None,
        description="The file (PEM) with the trusted certificates.",
        examples=["ca.pem"],
        json_schema_extra={"default": "the file of the pod; with `server`, the certificates of the system"},
    )
    kind: Text = Field(description="The kind of the resource.", examples=["Rollout"])
    api_version: Text | None = Field(
        default=None,
        description="Group and version of the kind.",
        examples=["apps/v1"],
        json_schema_extra={"default": "preset for `Rollout`, `InferenceService` and `SeldonDeployment`"},
    )
    namespace: TextTemplate = Field(description="The namespace of the resource.", examples=["models"])
    name: TextTemplate = Field(description="The name of the resource.", examples=['"{model}"'])
    traffic: dict[str, Annotated[int, Field(ge=0, le=100, strict=True)]] = Field(
        default_factory=dict,
        description="The percentage of the traffic for each predictor of a `SeldonDeployment`.",
        examples=["{main: 100, canary: 0}"],
    )
    patch: Tree | None = Field(
        default=None,
        description="The patch, with [placeholders](../alert/actions.md#placeholders).",
        examples=["{spec: {paused: true}}"],
        json_schema_extra={
            "default": "`{status: {abort: true}}` for a `Rollout`, `{spec: {predictor: {canaryTrafficPercent: 0}}}` "
            "for an `InferenceService`"
        },
    )
    patch_type: Literal["merge", "strategic"] = Field(
        default="merge",
        description="The type of `patch`. `strategic` is only for the built-in kinds of Kubernetes.",
        examples=["strategic"],
    )
    subresource: Literal["status", "scale"] | None = Field(
        default=None, description="The part of the resource that `patch` changes.", examples=["scale"]
    )

    @property
    def is_known(self) -> bool:
        """Whether the schema of its kind is known."""
        kind = known_kinds().get(self.kind)
        return kind is not None and self.api_version in (None, kind.api_version)

    def problems(self) -> Iterator[Problem]:
        """Yield a problem for every rule that the keys break."""
        yield from super().problems()
        kind = known_kinds().get(self.kind) if self.is_known else None
        if not re.fullmatch(r"[A-Z][A-Za-z0-9]{0,62}", self.kind):
            fix = near(self.kind, [*known_kinds()])
            yield Problem("kind", f"'{self.kind:.40}' is not a kind of Kubernetes resource; {fix}")
        elif self.api_version is None and kind is None:
            yield Problem("api_version", f"is required for {self.kind}; use for example 'apps/v1'")
        if self.api_version is not None and not re.fullmatch(
            r"([a-z0-9]([a-z0-9.-]*[a-z0-9])?/)?v[0-9][a-z0-9]*", self.api_version
        ):
            yield Problem(
                "api_version", f"'{self.api_version:.40}' is not valid; use group and version, such as 'apps/v1'"
            )
        if self.token is not None:
            yield from header_problems({"token": self.token})
        if self.token is not None and self.token_file is not None:
            yield Problem("token", "is set together with token_file; remove one of the two")
        if self.server.startswith("http:") and not is_here(self.server):
            yield Problem("server", "is not encrypted, so others could read the token; use https://")
        if self.server and self.token is None and self.token_file is None:
            yield Problem(
                "token",
                "is missing; the token of Driftline's own pod is not valid for another server, "
                "so set token or token_file",
            )
        if self.traffic:
            yield from self._traffic_problems()
        elif self.patch is None and (kind is None or not kind.rollback):
            fix = "traffic or patch" if kind is not None else "patch"
            yield Problem(
                f"{fix.partition(' ')[0]}",
                f"is missing, and Driftline has no default rollback for {self.kind}; set {fix}",
            )
        if self.patch is None and (self.subresource is not None or "patch_type" in self.model_fields_set):
            yield Problem("patch", "is missing, but subresource and patch_type need it")
        if self.patch is not None:
            yield from self._patch_problems(kind)

    def _traffic_problems(self) -> Iterator[Problem]:
        if self.kind != "SeldonDeployment" or not self.is_known:
            yield Problem("traffic", "works only with a SeldonDeployment; use patch")
        if self.patch is not None:
            yield Problem("traffic", "replaces patch; remove one of the two")
        if sum(self.traffic.values()) != 100:
            yield Problem("traffic", f"is {sum(self.traffic.values())} % in total; the percentages must add up to 100")

    def _patch_problems(self, kind: KubernetesKind | None) -> Iterator[Problem]:
        if not isinstance(self.patch, Mapping) or not self.patch:
            yield Problem(
                "patch", "must be a mapping with the new values of the resource, such as {spec: {paused: true}}"
            )
        elif kind is not None:
            if self.patch_type == "strategic":
                yield Problem(
                    "patch_type",
                    f"{self.kind} is a custom resource, which does not support strategic patches; use merge",
                )
            yield from under("patch", patch_problems(kind.schema, self.patch))

    @property
    def address(self) -> str:
        """Address of the API server; NotTaken without a configured server outside of a pod."""
        if self.server:
            return self.server
        host, port = (os.environ.get(f"KUBERNETES_SERVICE_{name}", "") for name in ("HOST", "PORT"))
        if not host:
            raise NotTaken(Answer("put_off", "Driftline does not run in a pod of Kubernetes; set server and token"))
        return f"https://{f'[{host}]' if ':' in host else host}:{port or 443}"

    def connect(self) -> HttpService:
        """Return a connection that trusts the configured certificates or those of the pod."""
        authority = self.ca_file or (None if self.server else ACCOUNT / "ca.crt")
        address = self.address
        try:
            context = None if authority is None else ssl.create_default_context(cafile=authority)
        except OSError as error:
            raise NotTaken(Answer("put_off", f"{authority}: the certificate cannot be used: {error}")) from error
        return HttpService(address, self.timeout.total_seconds(), context=context)

    def describe(self, message: Message) -> str:
        """Return the resource, the patch, and the schema that validated it."""
        name, namespace = self._filled_key(message, "name"), self._filled_key(message, "namespace")
        schema_words = (
            f"schema of {self._known_kind.version}" if self._known_kind else "its schema is not available here"
        )
        if self.traffic:
            change = f"traffic {json.dumps(dict(self.traffic))}"
        else:
            change = f"{self.patch_type} patch {json.dumps(self._patch(message))}"
        return f"would patch {self.kind} {short(name, 80)} in {short(namespace, 80)} ({schema_words}): {change}"

    def exchange(self, message: Message, _: Sources) -> Exchange[str]:
        """Patch the resource, and return its name and generation."""
        name = _checked(self._filled_key(message, "name"), 253, r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?", "a resource")
        namespace = _checked(
            self._filled_key(message, "namespace"), 63, r"[a-z0-9]([a-z0-9-]*[a-z0-9])?", "a namespace"
        )
        version = self.api_version or (self._known_kind.api_version if self._known_kind else "")
        group = f"{'api' if '/' not in version else 'apis'}/{version}"
        plural = self._known_kind.plural if self._known_kind else (yield from self._find_plural(group, version))
        place = f"{group}/namespaces/{quote(namespace)}/{quote(plural, safe='')}/{quote(name)}"
        if self.traffic:
            operations = yield from self._traffic_operations(place)
            reply = yield from self._send(place, "json", operations)
        else:
            reply = yield from self._send(place, self.patch_type, self._patch(message))
        generation = (reply.json().get("metadata") or {}).get("generation")
        generation_words = "" if generation is None else f", generation {generation}"
        return f"{self.kind} {name} in {namespace} is patched{generation_words}"

    @property
    def _known_kind(self) -> KubernetesKind | None:
        return known_kinds().get(self.kind) if self.is_known else None

    def _filled_key(self, message: Message, key: str) -> str:
        return fill_text(getattr(self, key), facts_of(message))

    def _patch(self, message: Message) -> Any:
        if self.patch is None:
            assert self._known_kind is not None
            return self._known_kind.rollback["patch"]
        return fill_tree(self.patch, facts_of(message))

    def _traffic_operations(self, place: str) -> Exchange[list[dict[str, Any]]]:
        """Return a patch that sets the traffic of predictors by name; NotTaken if a predictor is missing.

        Its test operations fail if the list of predictors has changed meanwhile.
        """
        reply = yield self._to("GET", place)
        spec = reply.json().get("spec")
        predictors = spec.get("predictors") if isinstance(spec, dict) else None
        names = [predictor.get("name") if isinstance(predictor, dict) else None for predictor in predictors or []]
        operations: list[dict[str, Any]] = []
        for name, traffic in self.traffic.items():
            if name not in names:
                known_names = ", ".join(short(str(name), 40) for name in names[:10]) or "none"
                raise NotTaken(Answer("refused", f"there is no predictor {name:.80}; there is {known_names}"))
            path = f"/spec/predictors/{names.index(name)}"
            operations.append({"op": "test", "path": f"{path}/name", "value": name})
            operations.append({"op": "add", "path": f"{path}/traffic", "value": traffic})
        return operations

    def _send(self, place: str, kind: str, patch: Any) -> Exchange[Reply]:
        applies_default = self.patch is None and self._known_kind is not None
        subresource = self.subresource
        if self._known_kind is not None and applies_default and not self.traffic:
            subresource = self._known_kind.rollback.get("subresource")
        if subresource is not None:
            accepted = (404,) if applies_default else ()
            reply = yield self._to("PATCH", f"{place}/{subresource}", patch, kind, accepted)
            # Older versions of the kind lack the subresource and accept the same patch on the resource.
            if reply.status != 404:
                return reply
        return (yield self._to("PATCH", place, patch, kind))

    def _find_plural(self, group: str, version: str) -> Exchange[str]:
        """Return the kind's name in addresses; NotTaken if the server does not know it."""
        reply = yield self._to("GET", group)
        resources = reply.json().get("resources")
        for resource in resources if isinstance(resources, list) else []:
            name = resource.get("name") if isinstance(resource, dict) and resource.get("kind") == self.kind else None
            if isinstance(name, str) and re.fullmatch(r"[a-z0-9-]{1,63}", name):
                return name
        raise NotTaken(Answer("put_off", f"{version} has no kind {self.kind}"))

    def _to(
        self, method: str, place: str, patch: Any = None, kind: str = "", accepted: tuple[int, ...] = ()
    ) -> Request:
        """Return a request with the token; the content type of a patch depends on ``kind``."""
        headers = {"Accept": "application/json", **authorization(self._current_token())}
        url = f"{self.address}/{place}"
        if method == "GET":
            return Request(method, url, headers=headers)
        return Request(
            method,
            url,
            content=json.dumps(patch, allow_nan=False).encode(),
            headers={**headers, "Content-Type": _TYPES[kind]},
            parameters={"fieldManager": "driftline", "fieldValidation": "Strict"},
            accepted=accepted,
        )

    def _current_token(self) -> SecretStr:
        """Return the token; a pod's token is read each time, because it changes every hour."""
        if self.token is not None:
            return self.token
        path = self.token_file or ACCOUNT / "token"
        try:
            token = path.read_text(encoding="ascii").strip()
        except (OSError, ValueError) as error:
            raise NotTaken(Answer("put_off", f"{path}: the token cannot be read: {error}")) from error
        if not re.fullmatch(r"[\x21-\x7e]+", token):
            raise NotTaken(Answer("put_off", f"{path}: contains no token"))
        return SecretStr(token)


def _checked(name: str, longest: int, form: str, description: str) -> str:
    """Return a name that is valid in Kubernetes; NotTaken otherwise.

    Source: https://kubernetes.io/docs/concepts/overview/working-with-objects/names/
    """
    if len(name) > longest or not re.fullmatch(form, name):
        raise NotTaken(
            Answer("refused", f"'{short(name, 80)}' is not a name of {description}; Kubernetes allows a-z, 0-9 and '-'")
        )
    return name


def patch_problems(schema: Mapping[str, Any], patch: object) -> Iterator[Problem]:
    """Yield a problem for each part of a merge patch that a schema does not allow.

    Null, which removes a field, and texts with a placeholder are always valid. Required fields may be missing,
    except in list items, because a merge patch replaces lists as a whole.

    Args:
        schema: Part of a JSON schema.
        patch: The merge patch.

    >>> spec = {"type": "object", "additionalProperties": False, "properties": {"paused": {"type": "boolean"}}}
    >>> [str(problem) for problem in patch_problems(spec, {"paused": "yes", "pasued": True})]
    ["paused: 'yes' is not of type boolean", "pasued: there is no such field; did you mean 'paused'?"]
    """
    if patch is None or (isinstance(patch, str) and "{" in patch):
        return
    kind = schema.get("type")
    if kind is not None and not _is(kind, patch):
        yield Problem("", f"{patch!r:.60} is not of type {kind}")
    elif isinstance(patch, Mapping):
        fields = schema.get("properties", {})
        for name, value in patch.items():
            if name in fields:
                yield from under(name, patch_problems(fields[name], value))
            elif schema.get("additionalProperties") is False:
                yield Problem(name, f"there is no such field; {near(name, [*fields])}")
    elif isinstance(patch, list | tuple):
        item = schema.get("items", {})
        for number, value in enumerate(patch):
            for name in item.get("required", ()):
                if isinstance(value, Mapping) and name not in value:
                    yield Problem(
                        f"{number}.{name}",
                        "is missing, and it is required because a merge patch replaces the whole list",
                    )
            yield from under(str(number), patch_problems(item, value))
    elif "minimum" in schema and patch < schema["minimum"]:
        yield Problem("", f"{patch} is less than {schema['minimum']}")
    elif "maximum" in schema and patch > schema["maximum"]:
        yield Problem("", f"{patch} is more than {schema['maximum']}")


def _is(kind: str, value: object) -> bool:
    if kind == "integer":
        return isinstance(value, int) and not isinstance(value, bool)
    types: Mapping[str, type] = {"object": Mapping, "array": Sequence, "string": str, "boolean": bool}
    return isinstance(value, types[kind]) and (kind != "array" or not isinstance(value, str))


ACTION = Kubernetes
