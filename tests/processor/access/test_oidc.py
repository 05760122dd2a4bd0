"""Log-in at a provider that lies: whose tokens are refused, and what a person can claim."""

from __future__ import annotations

import base64
import hmac
import json
import ssl
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from driftline_processor.access.access import Access, anonymous_of
from driftline_processor.access.oidc import OidcLogin, OidcUnavailableError, Person
from driftline_processor.config.auth import Auth
from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey
from starlette.testclient import TestClient

from tests.support.fake_view import app_of, many

ISSUER = "https://idp.example.com"
OURS, ANOTHERS = (RSAKey.generate_key(2048, {"kid": "1"}) for _ in range(2))
SHARED = OctKey.generate_key(256, {"kid": "2"})

Sign = Callable[[dict[str, Any]], str]


def auth(issuer: str = ISSUER, name_claim: str = "email") -> Auth:
    groups = {"*": {"may": "read"}, "oncall": {"may": "decide"}}
    keys = {"issuer": issuer, "client_id": "driftline", "name_claim": name_claim, "groups": groups}
    return Auth.model_validate({"oidc": keys})


def signed(claims: dict[str, Any]) -> str:
    return jwt.encode({"alg": "RS256", "kid": "1"}, claims, OURS)


def by_another(claims: dict[str, Any]) -> str:
    return jwt.encode({"alg": "RS256", "kid": "1"}, claims, ANOTHERS)


def by_a_key_within(claims: dict[str, Any]) -> str:
    return jwt.encode({"alg": "RS256", "jwk": ANOTHERS.as_dict(private=False)}, claims, ANOTHERS)


def by_a_secret(claims: dict[str, Any]) -> str:
    return jwt.encode({"alg": "HS256", "kid": "2"}, claims, SHARED)


def by_the_public_key(claims: dict[str, Any]) -> str:
    text = f"{encoded(json.dumps({'alg': 'HS256', 'kid': '1'}).encode())}.{encoded(json.dumps(claims).encode())}"
    return f"{text}.{encoded(hmac.digest(OURS.as_pem(private=False), text.encode(), 'sha256'))}"


def unsigned(claims: dict[str, Any]) -> str:
    return f"{encoded(json.dumps({'alg': 'none'}).encode())}.{encoded(json.dumps(claims).encode())}."


def encoded(text: bytes) -> str:
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


class Provider(NamedTuple):
    """A log-in that has begun at a provider, which answers what a test tells it."""

    log_in: OidcLogin
    attempt: dict[str, Any]
    answer: dict[str, str]

    def finish(self, sign: Sign = signed, **claims: Any) -> Person:
        now = time.time()
        honest = {"iss": ISSUER, "aud": "driftline", "exp": now + 300, "nonce": self.attempt["nonce"], "email": "ann@x"}
        told = {name: value for name, value in {**honest, **claims}.items() if value != "missing"}
        self.answer["id_token"] = sign(told)
        return self.log_in.finish({"state": self.attempt["state"], "code": "c"}, self.attempt)


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Provider:
    answer: dict[str, str] = {}
    places = {name: f"{ISSUER}/{name}" for name in ("authorization_endpoint", "token_endpoint", "jwks_uri")}
    keys = {"keys": [OURS.as_dict(private=False), SHARED.as_dict()]}

    def answered(document: object, address: str) -> httpx.Response:
        return httpx.Response(200, json=document, request=httpx.Request("GET", address))

    monkeypatch.setattr(
        httpx,
        "get",
        lambda address, **_: answered(keys if address.endswith("jwks_uri") else {"issuer": ISSUER, **places}, address),
    )
    monkeypatch.setattr(httpx, "post", lambda address, **_: answered(answer, address))
    log_in = OidcLogin(lambda: auth().oidc, "https://driftline.example.com")
    return Provider(log_in, log_in.begin("/").claims, answer)


def test_an_honest_provider_names_a_person_and_the_groups_of_the_configuration(provider: Provider) -> None:
    others = [f"group-{number}" for number in range(400)]  # more than a cookie has room for
    assert provider.finish(groups=[*others, "oncall"]) == Person("ann@x", ("oncall",))
    assert provider.finish(groups="oncall", email_verified="true") == Person("ann@x", ("oncall",))
    for odd in ({"oncall": 1}, [["oncall"]], [{"name": "oncall"}], 5, None):
        assert provider.finish(groups=odd).groups == ()


@pytest.mark.parametrize("sign", [by_another, by_a_key_within, by_a_secret, by_the_public_key, unsigned])
def test_only_the_keys_of_the_provider_sign(provider: Provider, sign: Sign) -> None:
    with pytest.raises(ValueError, match="signature"):
        provider.finish(sign)


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({"iss": "https://evil.test"}, "of another issuer"),
        ({"iss": [ISSUER]}, "of another issuer"),
        ({"aud": "another"}, "for another client"),
        ({"aud": "missing"}, "for another client"),
        ({"aud": ["another", "driftline"], "azp": "another"}, "for another client"),
        ({"exp": 1}, "expired"),
        ({"exp": "9999999999"}, "expired"),
        ({"exp": "missing"}, "expired"),
        ({"nonce": "another"}, "not of this log-in"),
        ({"nonce": "missing"}, "not of this log-in"),
        ({"email": ["ann@x"]}, "no claim 'email'"),
        ({"email": " "}, "no claim 'email'"),
        ({"email": "ann@x\u202e"}, "invisible"),
        ({"email": "x" * 201}, "200 characters"),
        ({"email_verified": False}, "not verified"),
        ({"email_verified": "false"}, "not verified"),
        ({"email_verified": None}, "not verified"),
    ],
)
def test_a_token_for_somebody_or_something_else_is_refused(
    provider: Provider, claims: dict[str, Any], reason: str
) -> None:
    with pytest.raises(ValueError, match=reason):
        provider.finish(**claims)


@pytest.mark.parametrize("name", ["authorization_endpoint", "token_endpoint", "jwks_uri"])
def test_an_encrypted_provider_has_no_unencrypted_address(provider: Provider, name: str) -> None:
    _, metadata = provider.log_in._metadata[f"{ISSUER}/.well-known/openid-configuration"]
    metadata[name] = f"http://idp.example.com/{name}"
    with pytest.raises(OidcUnavailableError, match=f"names an unencrypted {name}"):
        provider.finish()


def test_an_answer_to_another_attempt_is_refused(provider: Provider) -> None:
    other = provider.log_in.begin("/").claims
    for query in ({"state": other["state"], "code": "c"}, {"state": "", "code": "c"}, {"code": "c"}, {}):
        with pytest.raises(ValueError, match="does not belong to this log-in"):
            provider.log_in.finish(query, provider.attempt)
    with pytest.raises(ValueError, match="not begun here"):
        provider.log_in.finish({"state": "", "code": "c"}, {})


def test_a_wrong_code_costs_no_new_reading_of_the_trusted_authorities(
    provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    contexts: list[object] = []

    def refuse(*_: object, verify: object, **__: object) -> httpx.Response:
        contexts.append(verify)
        return httpx.Response(400, json={"error": "invalid_grant"})

    monkeypatch.setattr(httpx, "post", refuse)
    for _ in range(2):
        with pytest.raises(ValueError, match="did not accept the log-in: invalid_grant"):
            provider.finish()
    assert isinstance(contexts[0], ssl.SSLContext)
    assert contexts[1] is contexts[0]


def access_of(keys: Auth) -> Access:
    return Access(keys, anonymous_of(keys, metrics=False), b"k" * 32, secure=True)


def test_a_session_ends_when_the_issuer_is_replaced() -> None:
    access = access_of(auth())
    said = {"cookie": f"{access.cookie}={access.start_session_of('ann', ['oncall'])}"}.get
    ann = access.identify(said, "")
    assert (ann.name, ann.login, ann.ambient, ann.may("decide")) == ("ann", "oidc", True, True)
    access.replace(auth("https://another.example.com"), access.anonymous)
    assert not access.identify(said, "").named


def test_a_log_in_is_an_entry_of_the_audit_log(provider: Provider, tmp_path: Path) -> None:
    file = tmp_path / "ann.token"
    file.write_text("dlt_0123456789abcdefghijklmnop")
    file.chmod(0o600)
    tokens = [{"name": "ann", "token_file": file, "may": "read"}]
    keys = Auth.model_validate({**auth().model_dump(), "tokens": tokens})
    view, access = many(), access_of(keys)
    client = TestClient(app_of(view, access=access), base_url="https://testserver", follow_redirects=False)
    assert client.post("/login", data={"token": "another"}).status_code == 401
    assert client.post("/login", data={"token": file.read_text()}).status_code == 303
    client.get("/login/oidc")
    attempt = access.sessions.read(client.cookies[access.attempt_cookie], "attempt")
    provider._replace(attempt=attempt or {}).finish()  # the provider has the answer to this attempt now
    query = {"state": (attempt or {})["state"], "code": "c"}
    assert client.get("/login/oidc/callback", params=query).status_code == 303
    entries = [(one["kind"], one["by"], one["how"], one["subject"]) for one in view.audited]
    assert entries == [("login", "ann", "session", "testclient"), ("login", "ann@x", "oidc", "testclient")]


@pytest.mark.usefixtures("provider")
def test_no_other_host_can_begin_a_log_in_for_a_browser() -> None:
    client = TestClient(app_of(many(), access=access_of(auth())), base_url="https://testserver", follow_redirects=False)
    begun = client.get("/login/oidc")
    assert parse_qs(urlsplit(begun.headers["location"]).query)["code_challenge_method"] == ["S256"]
    name, _, rest = begun.headers["set-cookie"].partition("=")
    # A browser accepts a cookie of this prefix only from this host, so that a neighbour cannot bring its own log-in.
    assert name.startswith("__Host-")
    assert {"Path=/", "Secure", "HttpOnly"} <= {part.strip() for part in rest.split(";")}
    assert "domain" not in rest.lower()
