"""Log-in of people by OpenID Connect: the authorization code flow with PKCE (OpenID Connect Core 1.0, RFC 7636)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any, Final
from urllib.parse import urlencode

import httpx
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from msgspec import Struct

from driftline_processor.config.auth import Oidc

ALGORITHMS: Final = ["RS256", "RS384", "RS512", "PS256", "ES256", "ES384", "EdDSA"]
"""Accepted signatures of ID tokens: public keys only, so that nobody signs with what everybody can read."""

SKEW: Final = 60
"""Seconds that the clock of the provider may differ."""

LONGEST_NAME: Final = 200
"""Maximum characters of a person's name, which a cookie and each decision contain."""

_AGAIN: Final = 5.0
"""Seconds after which a provider that did not answer is asked again."""

_KEPT: Final = 600.0
"""Seconds for which the addresses and keys of the provider are kept."""


class OidcUnavailableError(Exception):
    """The provider does not answer."""


class Person(Struct, frozen=True):
    """A person who logged in at the provider."""

    name: str
    groups: tuple[str, ...]


class Attempt(Struct, frozen=True):
    """A log-in that has begun.

    Attributes:
        address: The page of the provider.
        claims: What :meth:`OidcLogin.finish` needs, kept in a signed cookie.
    """

    address: str
    claims: dict[str, Any]


class OidcLogin:
    """Sends people to the provider, and reads what it sends back. Thread-safe.

    Args:
        config: Returns the configured provider, which may change.
        public_url: The external URL of the pages.
    """

    def __init__(self, config: Callable[[], Oidc | None], public_url: str) -> None:
        self._config, self._redirect = config, f"{public_url}/login/oidc/callback"
        self._lock = threading.Lock()
        self._metadata: dict[str, tuple[float, dict[str, Any]]] = {}
        self._failed: dict[str, float] = {}

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        """The trusted authorities, read once: reading them for each answer would let strangers use up the processor."""
        return httpx.create_ssl_context()

    def begin(self, following: str) -> Attempt:
        """Return the address to which a browser goes. Raises OidcUnavailableError.

        Args:
            following: The page to show after the log-in.
        """
        config = self._configured()
        verifier, state, nonce = (secrets.token_urlsafe(32) for _ in range(3))
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        query = {
            "response_type": "code",
            "client_id": config.client_id,
            "redirect_uri": self._redirect,
            "scope": " ".join(dict.fromkeys(("openid", *config.scopes))),
            "state": state,
            "nonce": nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        endpoint = str(self._discovered(config)["authorization_endpoint"])
        address = f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(query)}"
        return Attempt(address, {"state": state, "nonce": nonce, "verifier": verifier, "next": following})

    def finish(self, query: Mapping[str, str], claims: Mapping[str, Any]) -> Person:
        """Return the person whom the provider sent back.

        Args:
            query: The parameters of the provider's redirect.
            claims: Those of the attempt.

        Raises:
            OidcUnavailableError: The provider does not answer.
            ValueError: The answer does not belong to the attempt, or its signature, issuer, audience, time or nonce is
                wrong.
        """
        config = self._configured()
        if "error" in query:
            raise ValueError(f"the provider refused the log-in: {query['error'][:80]}")
        if not claims.get("state") or not claims.get("nonce"):
            raise ValueError("this log-in was not begun here; begin again at /login")
        if not hmac.compare_digest(query.get("state", "").encode(), str(claims.get("state", "")).encode()):
            raise ValueError("the answer of the provider does not belong to this log-in; begin again at /login")
        metadata = self._discovered(config)
        token = self._token(config, metadata, query.get("code", ""), str(claims.get("verifier", "")))
        verified = self._verified(config, metadata, token)
        if not hmac.compare_digest(str(verified.get("nonce", "")).encode(), str(claims.get("nonce", "")).encode()):
            raise ValueError("the ID token is not of this log-in; begin again at /login")
        if config.name_claim == "email" and verified.get("email_verified", True) not in (True, "true"):
            raise ValueError("the provider has not verified the email address of this person")
        name = verified.get(config.name_claim)
        if not isinstance(name, str) or not name.strip():
            raise ValueError(f"the ID token has no claim '{config.name_claim}'; set auth.oidc.name_claim to one it has")
        if len(name) > LONGEST_NAME or not name.strip().isprintable():
            raise ValueError(
                f"the claim '{config.name_claim}' of the ID token has invisible characters, or more than "
                f"{LONGEST_NAME} characters; set auth.oidc.name_claim to another claim"
            )
        groups = verified.get(config.groups_claim, ())
        listed = groups if isinstance(groups, list) else [groups] if isinstance(groups, str) else ()
        # A person can have hundreds of other groups, for which a cookie has no room.
        return Person(name.strip(), tuple(name for name in config.groups if name in map(str, listed)))

    def _configured(self) -> Oidc:
        config = self._config()
        if config is None:
            raise ValueError("there is no OpenID Connect provider in the configuration (auth.oidc)")
        return config

    def _token(self, config: Oidc, metadata: Mapping[str, Any], code: str, verifier: str) -> str:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._redirect,
            "client_id": config.client_id,
            "code_verifier": verifier,
        }
        secret = None
        if config.client_secret_file is not None:
            secret = config.client_id, config.client_secret_file.read_text(encoding="utf-8").strip()
        try:
            answer = httpx.post(str(metadata["token_endpoint"]), data=form, auth=secret, timeout=10.0, verify=self._tls)
            body = answer.json()
        except (httpx.HTTPError, ValueError) as error:
            raise OidcUnavailableError(_away(config, type(error).__name__)) from None
        if not answer.is_success or not isinstance(body, dict) or "id_token" not in body:
            reason = body.get("error") if isinstance(body, dict) else None
            raise ValueError(f"the provider did not accept the log-in: {str(reason or answer.status_code)[:80]}")
        return str(body["id_token"])

    def _verified(self, config: Oidc, metadata: Mapping[str, Any], token: str) -> dict[str, Any]:
        """Return the claims of an ID token, with new keys if the provider has replaced them."""
        for fresh in (False, True):
            keys = self._document(config, str(metadata["jwks_uri"]), fresh=fresh)
            try:
                claims = jwt.decode(token, KeySet.import_key_set(keys), algorithms=ALGORITHMS).claims  # type: ignore[arg-type]
                break
            except (JoseError, ValueError, KeyError):
                if fresh:
                    raise ValueError("the signature of the ID token is wrong") from None
        audience = claims.get("aud")
        audiences = audience if isinstance(audience, list) else [audience]
        now, expires = time.time(), claims.get("exp")
        if claims.get("iss") != metadata["issuer"]:
            raise ValueError("the ID token is of another issuer")
        if config.client_id not in audiences or claims.get("azp", config.client_id) != config.client_id:
            raise ValueError("the ID token is for another client")
        if not isinstance(expires, int | float) or now > expires + SKEW:
            raise ValueError("the ID token has expired; check the clocks of this machine and of the provider")
        return dict(claims)

    def _discovered(self, config: Oidc) -> dict[str, Any]:
        issuer = config.issuer.rstrip("/")
        metadata = self._document(config, f"{issuer}/.well-known/openid-configuration")
        if str(metadata.get("issuer", "")).rstrip("/") != issuer:
            raise OidcUnavailableError(
                f"{issuer} names another issuer, '{str(metadata.get('issuer'))[:80]}'; use that one"
            )
        for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
            if name not in metadata:
                raise OidcUnavailableError(f"the configuration of {issuer} has no {name}, which the log-in needs")
            if issuer.startswith("https:") and not str(metadata[name]).startswith("https:"):  # such as behind a proxy
                raise OidcUnavailableError(
                    f"{issuer} names an unencrypted {name}; configure its public https URL there"
                )
        return metadata

    def _document(self, config: Oidc, address: str, *, fresh: bool = False) -> dict[str, Any]:
        with self._lock:
            fetched, document = self._metadata.get(address, (0.0, {}))
        if document and not fresh and time.monotonic() - fetched < _KEPT:
            return document
        if not document and time.monotonic() - self._failed.get(address, -_AGAIN) < _AGAIN:
            raise OidcUnavailableError(_away(config, "no answer"))
        try:
            answer = httpx.get(address, timeout=10.0, verify=self._tls).raise_for_status().json()
            if not isinstance(answer, dict):
                raise ValueError("not a JSON object")
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            self._failed = {address: time.monotonic()}
            if document:  # the last good one
                return document
            raise OidcUnavailableError(_away(config, type(error).__name__)) from None
        with self._lock:
            self._metadata[address] = time.monotonic(), answer
        return answer


def _away(config: Oidc, reason: str) -> str:
    return f"the log-in at {config.issuer} is not possible now: {reason}; log in with a token, or try again later"
