"""Who sends a request: tokens, sessions, a trusted proxy, and what is refused."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest
from driftline_processor.access.access import Access, LoginAttempts, anonymous_of
from driftline_processor.access.local import LocalToken
from driftline_processor.access.principal import EVERYTHING, NOBODY, Permission, Principal
from driftline_processor.access.routes import may_send
from driftline_processor.access.sessions import cookie_value
from driftline_processor.config.auth import Auth
from driftline_processor.config.capabilities import Capability
from driftline_processor.receipts import Signal
from starlette.exceptions import HTTPException

KEY = b"k" * 32
TOKEN = "dlt_0123456789abcdefghijklmnop"


def header(**headers: str) -> Callable[[str], str | None]:
    return {name.replace("_", "-"): value for name, value in headers.items()}.get


def bearer(token: str) -> Callable[[str], str | None]:
    return header(authorization=f"Bearer {token}")


def access_of(tmp_path: Path, clock: Callable[[], float] = lambda: 1_000.0, **auth: object) -> Access:
    file = tmp_path / "ann.token"
    file.write_text(f"{TOKEN}\n")
    file.chmod(0o600)
    keys = Auth.model_validate(
        {"tokens": [{"name": "ann", "token_file": file, "may": ["read", "decide"], "models": ["churn-*"]}], **auth}
    )
    access = Access(keys, anonymous_of(keys, metrics=False), KEY, clock=clock)
    assert not access.auth.tokens or access.has_tokens
    return access


def test_a_token_names_its_holder_and_what_they_may_do(tmp_path: Path) -> None:
    ann = access_of(tmp_path).identify(bearer(TOKEN), "10.0.0.1")
    assert (ann.name, ann.login, ann.refusal) == ("ann", "token", "")
    assert ann.may("decide", "churn-eu")
    assert not ann.may("decide", "fraud")
    assert not ann.may("read")
    assert not ann.may("erase", "churn-eu")


def test_the_digest_of_a_token_is_enough_for_the_processor(tmp_path: Path) -> None:
    file = tmp_path / "bob.sha256"
    file.write_text(f"{hashlib.sha256(TOKEN.encode()).hexdigest()}  bob.token\n")
    keys = Auth.model_validate({"tokens": [{"name": "bob", "sha256_file": file, "may": "all"}]})
    assert Access(keys, anonymous_of(keys, metrics=False), KEY).identify(bearer(TOKEN), "").name == "bob"


@pytest.mark.parametrize(
    "authorization", ["Bearer wrong", "Bearer ", f"Basic {TOKEN}", f"Bearer {TOKEN}x", TOKEN, "\ud800"]
)
def test_wrong_credentials_are_nobody_and_are_counted(tmp_path: Path, authorization: str) -> None:
    access = access_of(tmp_path)
    sender = access.identify(header(authorization=authorization), "10.0.0.9")
    assert (sender.named, sender.permissions) == (False, ())
    assert sender.refusal
    assert [(one.address, one.count) for one in access.attempts.drain()] == [("10.0.0.9", 1)]


def test_without_auth_a_token_for_another_backend_is_not_refused() -> None:
    access = Access(Auth(), anonymous_of(Auth(), metrics=False), KEY)
    sender = access.identify(bearer("of-a-vendor"), "127.0.0.1")
    assert sender.may("ingest")
    assert not sender.may_some("decide")
    assert access.attempts.drain() == []


def test_a_session_ends_when_its_token_is_replaced(tmp_path: Path) -> None:
    access = access_of(tmp_path)
    cookie = header(cookie=f"driftline={access.start_session(TOKEN)}")
    assert access.identify(cookie, "").name == "ann"
    (tmp_path / "ann.token").write_text("dlt_another-token-of-enough-characters")
    access.replace(access.auth, access.anonymous)
    assert not access.identify(cookie, "").named


def test_a_token_that_was_used_ends_when_it_is_replaced(tmp_path: Path) -> None:
    access = access_of(tmp_path)
    for _ in range(2):
        assert access.identify(bearer(TOKEN), "").name == "ann"
    (tmp_path / "ann.token").write_text("dlt_another-token-of-enough-characters")
    access.replace(access.auth, access.anonymous)
    assert not access.identify(bearer(TOKEN), "").named


def test_a_session_expires(tmp_path: Path) -> None:
    times = [1_000.0]
    access = access_of(tmp_path, clock=lambda: times[0])
    cookie = header(cookie=f"driftline={access.start_session(TOKEN)}")
    times[0] += 12 * 3600 - 1
    assert access.identify(cookie, "").named
    times[0] += 2
    assert not access.identify(cookie, "").named


def test_a_forged_cookie_is_nobody(tmp_path: Path) -> None:
    other = access_of(tmp_path)
    forged = Access(other.auth, other.anonymous, b"x" * 32, clock=lambda: 1_000.0).start_session(TOKEN)
    unsigned = "eyJhbGciOiJub25lIn0.eyJuYW1lIjoiYW5uIiwiZXhwIjo5OTk5OTk5OTk5fQ."
    for cookie in (forged, unsigned, "x", "", "a.b.c"):
        assert not other.identify(header(cookie=f"driftline={cookie}"), "").named


def test_a_proxy_names_people_from_its_address_only(tmp_path: Path) -> None:
    proxy = {
        "addresses": ["10.0.0.5", "10.1.0.0/24"],
        "groups_header": "x-groups",
        "groups": {"*": {"may": "read"}, "oncall": {"may": "decide", "models": "churn"}},
    }
    access = access_of(tmp_path, proxy=proxy)
    said = header(x_forwarded_user="eve", x_groups="staff, oncall")
    assert access.identify(said, "10.0.0.5").name == "eve"
    assert access.identify(said, "::ffff:10.1.0.77").may("decide", "churn")
    assert not access.identify(said, "10.1.0.77").may("decide", "fraud")
    assert access.identify(said, "10.1.0.77").may("read", "fraud")
    for peer in ("10.0.0.6", "127.0.0.1", "", "not an address"):
        assert not access.identify(said, peer).named


def test_groups_do_not_lend_each_other_their_models(tmp_path: Path) -> None:
    groups = {"a": {"may": "read", "models": "fraud"}, "b": {"may": "decide", "models": "churn"}}
    access = access_of(tmp_path, proxy={"addresses": "10.0.0.5", "groups_header": "g", "groups": groups})
    member = access.identify(header(x_forwarded_user="eve", g="a,b"), "10.0.0.5")
    assert not member.may("decide", "fraud")
    assert not member.may("read", "churn")


def test_an_unreadable_token_keeps_the_last_good_ones(tmp_path: Path) -> None:
    access = access_of(tmp_path)
    (tmp_path / "ann.token").unlink()
    with pytest.raises(OSError, match="No such file"):
        access.replace(access.auth, access.anonymous)
    assert access.identify(bearer(TOKEN), "").name == "ann"


def test_ten_failed_log_ins_from_an_address_make_it_wait_and_no_other() -> None:
    times = [0.0]
    attempts = LoginAttempts(clock=lambda: times[0])
    for _ in range(10):
        assert attempts.wait("10.0.0.9") == 0.0
        attempts.fail("10.0.0.9")
    assert (attempts.wait("10.0.0.9"), attempts.wait("10.0.0.8")) == (60.0, 0.0)
    times[0] = 61.0
    assert attempts.wait("10.0.0.9") == 0.0


def test_many_addresses_are_counted_together_in_bounded_memory() -> None:
    attempts = LoginAttempts(clock=lambda: 0.0)
    for number in range(5_000):
        attempts.fail(f"10.0.{number // 256}.{number % 256}")
    drained = attempts.drain()
    assert len(drained) == LoginAttempts.MOST_ADDRESSES + 1
    assert sum(one.count for one in drained) == 5_000
    assert attempts.wait("10.0.19.1") > 0.0


def test_the_token_of_this_user_is_readable_by_nobody_else_and_goes_with_the_process(tmp_path: Path) -> None:
    file = tmp_path / "state" / "8780.token"
    token = LocalToken(file)
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    access = Access(Auth(), anonymous_of(Auth(), metrics=False), KEY, local=token)
    holder = access.identify(bearer(file.read_text().strip()), "127.0.0.1")
    assert (holder.name, holder.may("decide"), holder.may("erase")) == (token.name, True, True)
    LocalToken(file)  # of another process
    token.remove()
    assert file.exists()


@pytest.mark.parametrize(
    ("may", "signals"),
    [
        (["ingest"], {"traces", "metrics", "logs"}),
        (["outcomes"], {"logs"}),
        (["baselines"], {"logs"}),
        (["read", "decide", "admin"], set()),
    ],
)
def test_what_a_sender_may_send_depends_on_the_signal(may: list[Capability], signals: set[Signal]) -> None:
    sender = Principal("shop", (Permission(frozenset(may)),), "token")
    every: tuple[Signal, ...] = ("traces", "metrics", "logs")
    for signal in every:
        if signal in signals:
            assert may_send(sender, signal).rules != {}
        else:
            with pytest.raises(HTTPException) as refused:
                may_send(sender, signal)
            assert refused.value.status_code == 403
        with pytest.raises(HTTPException) as nobody:
            may_send(NOBODY, signal)
        assert nobody.value.status_code == 401


def test_the_cookie_of_a_log_in_that_has_begun_is_no_session_and_the_reverse(tmp_path: Path) -> None:
    oidc = {"issuer": "https://idp.example.com", "client_id": "d", "groups": {"*": {"may": "all"}}}
    access = access_of(tmp_path, oidc=oidc)
    attempt = access.sessions.issue("attempt", {"state": "s", "nonce": "n", "name": "eve"})
    nameless = access.sessions.issue("session", {"groups": ["*"]})
    for cookie in (attempt, nameless):
        assert not access.identify(header(cookie=f"driftline={cookie}"), "").named
    assert access.sessions.read(access.start_session_of("ann", []), "attempt") is None


def test_a_cookie_is_read_as_it_is_and_a_long_one_is_not_read() -> None:
    quoted = '"' + "\\" * 60_000 + '"'
    assert cookie_value(f"a=1; driftline={quoted}", "driftline") == quoted
    assert Access.without_log_in().sessions.read(quoted, "session") is None


def test_a_session_of_a_browser_sends_no_otlp() -> None:
    browser = Principal("ann", (EVERYTHING,), "session")
    with pytest.raises(HTTPException) as refused:
        may_send(browser, "logs")
    assert refused.value.status_code == 401
