"""The keys below ``auth``: who may do what, by token, by OpenID Connect, or behind an authenticating proxy."""

from __future__ import annotations

import hashlib
import ipaddress
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field

from driftline_processor.core.nearest_names import near

from .capabilities import CAPABILITIES, Capability
from .section import Problem, Section, under
from .values import FilePath, Form, Text, one_or_several

LEAST_TOKEN = 20
"""Minimum number of characters of a token."""

_DIGEST = re.compile(r"[0-9a-fA-F]{64}")


def _capabilities(value: object) -> object:
    """Check the names of capabilities; ``all`` is every one."""
    names = one_or_several(value)
    if not isinstance(names, (list, tuple)):
        return names
    if "all" in names:
        return CAPABILITIES
    for name in names:
        if name not in CAPABILITIES:
            raise ValueError(f"'{name!s:.40}' is not a capability; {near(str(name), [*CAPABILITIES, 'all'])}")
    return tuple(names)


May = Annotated[tuple[Capability, ...], BeforeValidator(_capabilities), Form("list of capabilities, or `all`")]
ModelPatterns = Annotated[tuple[Text, ...], BeforeValidator(one_or_several), Field(min_length=1)]

_MAY = "What the holder may do: " + ", ".join(f"`{name}`" for name in CAPABILITIES) + ", or `all`. "
_MODELS = "The models to which the capabilities in `may` apply; `*` matches any part of a name."


class Grant(Section):
    """What somebody may do, and with which models."""

    may: May = Field(
        description=_MAY + "[What each of them allows](../deploy/security.md#capabilities).",
        examples=["[read, decide]"],
    )
    models: ModelPatterns = Field(default=("*",), description=_MODELS, examples=['["churn-*"]'])


class Token(Grant):
    """A token, which a program or a person sends as ``Authorization: Bearer TOKEN``."""

    name: Text = Field(
        description="The name of the holder, which is shown with decisions and in the audit log.",
        examples=["ann"],
    )
    token_file: FilePath | None = Field(
        default=None,
        description="The file with the token, which only its owner may read. `driftline token create` writes it.",
        examples=["/run/secrets/ann.token"],
    )
    sha256_file: FilePath | None = Field(
        default=None,
        description="The file with the SHA-256 digest of the token, in hexadecimal. Use it instead of `token_file`.",
        examples=["/etc/driftline/ann.sha256"],
    )

    def problems(self) -> Iterator[Problem]:
        """Yield a problem for every rule that the keys break."""
        if (self.token_file is None) == (self.sha256_file is None):
            yield Problem("token_file", f"'{self.name}' needs either token_file or sha256_file; set one of them")
        elif (problem := file_problem(self.path, secret=self.token_file is not None)) is not None:
            yield Problem("token_file" if self.token_file else "sha256_file", problem)
        else:
            text = self.path.read_text(encoding="utf-8", errors="replace").strip()
            if self.token_file is not None and len(text) < LEAST_TOKEN:
                yield Problem(
                    "token_file",
                    f"{self.path} has a token of fewer than {LEAST_TOKEN} characters, which can be guessed; create "
                    f"one with 'driftline token create {self.name}'",
                )
            if self.sha256_file is not None and not _DIGEST.fullmatch(text.split()[0] if text else ""):
                yield Problem(
                    "sha256_file",
                    f"{self.path} does not contain a SHA-256 digest of 64 hexadecimal digits; create one with "
                    f"'driftline token create {self.name}'",
                )

    @property
    def path(self) -> Path:
        """The file of the token, or of its digest."""
        path = self.token_file or self.sha256_file
        assert path is not None
        return path

    @property
    def digest(self) -> bytes:
        """The SHA-256 digest of the token. Raises OSError and ValueError."""
        text = self.path.read_text(encoding="utf-8").strip()
        return hashlib.sha256(text.encode()).digest() if self.sha256_file is None else bytes.fromhex(text.split()[0])


class Oidc(Section):
    """Log-in of people at an OpenID Connect provider (authorization code with PKCE)."""

    issuer: Text = Field(
        description="The URL of the provider, without `/.well-known/openid-configuration`.",
        examples=["https://login.example.com/realms/ml"],
    )
    client_id: Text = Field(description="The id of this client at the provider.", examples=["driftline"])
    client_secret_file: FilePath | None = Field(
        default=None,
        description="The file with the secret of this client, for a provider that requires one.",
        examples=["/run/secrets/oidc.secret"],
        json_schema_extra={"default": "a public client"},
    )
    name_claim: Text = Field(
        default="email",
        description="The claim of the ID token with the person's name, which is shown with decisions. Use a claim "
        "that people cannot change themselves.",
        examples=["preferred_username"],
    )
    groups_claim: Text = Field(
        default="groups", description="The claim of the ID token with the person's groups.", examples=["roles"]
    )
    groups: dict[str, Grant] = Field(
        description="What the members of a group may do. `*` is everybody who can log in. A member of several groups "
        "has the rights of all these groups.",
        examples=["{ml-oncall: {may: [read, read_rows, decide, annotate]}}"],
        json_schema_extra={"name": "ml-oncall"},
    )
    scopes: Annotated[tuple[Text, ...], BeforeValidator(one_or_several)] = Field(
        default=("openid", "email", "profile"), description="The requested scopes.", examples=["[openid, groups]"]
    )

    def problems(self) -> Iterator[Problem]:
        """Yield a problem for every rule that the keys break."""
        parts = urlsplit(self.issuer)
        local = parts.hostname in ("localhost", "127.0.0.1", "::1")
        if not parts.hostname or not (parts.scheme == "https" or (parts.scheme == "http" and local)):
            yield Problem(
                "issuer", f"'{self.issuer:.80}' is not an https URL; use one, such as https://login.example.com"
            )
        if not self.groups:
            yield Problem("groups", "is empty, so nobody could do anything; add a group, or '*' for everybody")
        if self.client_secret_file is not None:
            problem = file_problem(self.client_secret_file, secret=True)
            if problem is not None:
                yield Problem("client_secret_file", problem)


def _networks(value: object) -> object:
    addresses = one_or_several(value)
    if not isinstance(addresses, (list, tuple)):
        return addresses
    for address in addresses:
        try:
            ipaddress.ip_network(str(address))
        except ValueError:
            raise ValueError(
                f"'{address!s:.60}' is not an IP address or network, such as 10.0.0.5 or 10.0.0.0/24"
            ) from None
    return tuple(map(str, addresses))


class Proxy(Section):
    """A proxy that authenticates people and adds their name to each request."""

    addresses: Annotated[
        tuple[str, ...], BeforeValidator(_networks), Field(min_length=1), Form("list of IP address")
    ] = Field(
        description="The addresses of the proxy. The headers are ignored in requests from other addresses.",
        examples=["[10.0.0.5]"],
    )
    user_header: Text = Field(
        default="x-forwarded-user", description="The header with the person's name.", examples=["x-auth-request-email"]
    )
    groups_header: Text | None = Field(
        default=None,
        description="The header with the person's groups, separated by commas.",
        examples=["x-auth-request-groups"],
        json_schema_extra={"default": "every person is a member of the group `*` only"},
    )
    groups: dict[str, Grant] = Field(
        description="What the members of a group may do. `*` is everybody whom the proxy lets in.",
        examples=['{"*": {may: [read, decide]}}'],
        json_schema_extra={"name": "*"},
    )


class Auth(Section):
    """Who may do what. If any of these keys is set, every request must say who sends it."""

    tokens: tuple[Token, ...] = Field(
        default=(),
        description="Tokens of programs and people. [How to configure it](../deploy/security.md#send-a-token).",
        examples=["[{name: shop, token_file: shop.token, may: [ingest, outcomes, baselines]}]"],
        json_schema_extra={"shown": "comment"},
    )
    oidc: Oidc | None = Field(
        default=None,
        description="Log-in of people at an OpenID Connect provider. [How to configure "
        "it](../deploy/security.md#log-in-of-people).",
        json_schema_extra={"shown": "comment"},
    )
    proxy: Proxy | None = Field(
        default=None,
        description="Log-in of people at a proxy in front of the pages. [How to configure "
        "it](../deploy/security.md#log-in-of-people).",
        json_schema_extra={"shown": "comment"},
    )

    @property
    def enabled(self) -> bool:
        """Whether requests must say who sends them."""
        return bool(self.tokens) or self.oidc is not None or self.proxy is not None

    def problems(self) -> Iterator[Problem]:
        """Yield a problem for every rule that the keys break."""
        names: dict[str, int] = {}
        holders: dict[bytes, str] = {}
        for index, token in enumerate(self.tokens):
            if token.name in names:
                yield Problem(
                    f"tokens.{index}.name",
                    f"'{token.name:.60}' is also the name of tokens.{names[token.name]}; decisions carry the name, so "
                    "each token needs its own",
                )
            names.setdefault(token.name, index)
            if problems := [*token.problems()]:
                yield from under(f"tokens.{index}", problems)
            elif (holder := holders.setdefault(token.digest, token.name)) != token.name:
                yield Problem(
                    f"tokens.{index}",
                    f"'{token.name:.60}' and '{holder:.60}' have the same token, so nobody can tell them apart; create "
                    f"another one with 'driftline token create {token.name:.60}'",
                )
        if self.oidc is not None:
            yield from under("oidc", self.oidc.problems())


def file_problem(path: Path, *, secret: bool) -> str | None:
    """Return what is wrong with a file of a key or token in a sentence with the fix, or None.

    Args:
        path: The file.
        secret: Whether nobody but its owner and group may read it.
    """
    try:
        mode = path.stat().st_mode
        path.read_bytes()
    except OSError as error:
        return f"{path} cannot be read: {error.strerror}; check the path, and that the user of this process may read it"
    if secret and mode & stat.S_IROTH:
        return f"{path} can be read by everybody on this machine; run 'chmod 600 {path}'"
    return None
