"""People log in at an OpenID provider that we did not write, and decide by the name that it gave."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urljoin, urlsplit

import httpx
import pytest
from driftline_processor.demo.processes import free_ports

from tests.support.paths import ROOT

from .peers import Driftline, get, running

pytestmark = pytest.mark.interop

MODULES = Path(os.environ.get("DRIFTLINE_TEST_OIDC", ROOT / ".peers/oidc"))


@contextmanager
def provider(folder: Path, port: int, pages: str) -> Iterator[str]:
    """Run the provider; yield its issuer."""
    node = shutil.which("node")
    if node is None or not (MODULES / "node_modules/oidc-provider").exists():
        pytest.skip("oidc-provider is not installed; `make interop` does it where there is npm")
    program = MODULES / "oidc_provider.mjs"  # beside its modules, where node looks for them
    program.write_text(Path(__file__).with_name("oidc_provider.mjs").read_text(encoding="utf-8"), encoding="utf-8")
    issuer = f"http://127.0.0.1:{port}"
    command = [node, str(program), str(port), f"{pages}/login/oidc/callback"]
    with running(command, lambda: get(f"{issuer}/.well-known/openid-configuration"), folder / "provider.log"):
        yield issuer


@contextmanager
def both(folder: Path) -> Iterator[tuple[Driftline, str]]:
    """Run a processor whose people log in at the provider; yield it and the issuer."""
    processor, (port,) = Driftline(), free_ports(1)
    secret = folder / "client.secret"
    secret.write_text("a-secret-of-the-test")
    secret.chmod(0o600)
    oidc = {
        "issuer": f"http://127.0.0.1:{port}",
        "client_id": "driftline",
        "client_secret_file": str(secret),
        "scopes": ["openid", "email", "groups"],
        "groups": {"*": {"may": "read"}, "ml-oncall": {"may": ["decide", "annotate"]}},
    }
    with (
        provider(folder, port, processor.web) as issuer,
        processor.up(folder, auth={"oidc": oidc}, web={"endpoint": processor.web[7:], "public_url": processor.web}),
    ):
        yield processor, issuer


def log_in(browser: httpx.Client, processor: Driftline, name: str) -> httpx.Response:
    """Go through the pages of the provider as a browser does; return the answer to its redirect."""
    answer = browser.get(f"{processor.web}/login/oidc?next=/status")
    while True:
        if answer.has_redirect_location:
            address = urljoin(str(answer.url), answer.headers["location"])
            answer = browser.get(address)
            if "/login/oidc/callback" in address:
                return answer
        else:
            action = re.search(r'action="([^"]+)"', answer.text)
            assert action is not None, answer.text
            fields = dict(re.findall(r'type="hidden" name="(\w+)" value="(\w+)"', answer.text))
            typed = {"login": name, "password": "any"} if 'name="login"' in answer.text else {}
            answer = browser.post(urljoin(str(answer.url), action[1]), data={**fields, **typed})


def test_a_person_of_the_provider_decides_by_the_name_and_group_that_it_gave(tmp_path: Path) -> None:
    with both(tmp_path) as (processor, _):
        for name, may_decide in (("ann", True), ("bob", False)):
            with httpx.Client(trust_env=False, timeout=30) as browser:
                assert browser.get(f"{processor.web}/api/v1/models").status_code == 401
                done = log_in(browser, processor, name)
                assert (done.status_code, done.headers["location"]) == (303, "/status")
                assert "HttpOnly" in done.headers["set-cookie"]
                assert "SameSite=strict" in done.headers["set-cookie"]
                page = browser.get(f"{processor.web}/login").text
                assert f"{name}@example.com" in page
                assert browser.get(f"{processor.web}/api/v1/models").status_code == 200
                (token,) = set(re.findall(r'name="form_token" value="(\w+)"', page))
                form = {"model": "none", "for": "8h", "why": "x"}
                assert browser.post(f"{processor.web}/v1/silences", data=form).status_code == 403
                status = browser.post(f"{processor.web}/v1/silences", data={**form, "form_token": token}).status_code
                assert status == (404 if may_decide else 403)  # there is no such model
                browser.post(f"{processor.web}/logout", data={"form_token": token})
                assert browser.get(f"{processor.web}/api/v1/models").status_code == 401


def test_an_answer_of_the_provider_serves_only_the_browser_that_asked_and_once(tmp_path: Path) -> None:
    with both(tmp_path) as (processor, _), httpx.Client(trust_env=False, timeout=30) as browser:
        done = log_in(browser, processor, "ann")
        answer = str(done.request.url)
        assert browser.get(answer).status_code == 400  # its attempt has ended
        assert httpx.get(answer, trust_env=False).status_code == 400  # in another browser
        begun = browser.get(f"{processor.web}/login/oidc")
        state = parse_qs(urlsplit(begun.headers["location"]).query)["state"][0]
        code = parse_qs(urlsplit(answer).query)["code"][0]
        replayed = browser.get(f"{processor.web}/login/oidc/callback", params={"code": code, "state": state})
        assert (replayed.status_code, "did not accept" in replayed.text) == (401, True)
        wrong = browser.get(f"{processor.web}/login/oidc/callback", params={"code": code, "state": "another"})
        assert wrong.status_code == 401


def test_a_provider_that_is_away_is_one_sentence_and_tokens_still_work(tmp_path: Path) -> None:
    processor, (port,) = Driftline(), free_ports(1)
    token = tmp_path / "ann.token"
    token.write_text("dlt_0123456789abcdefghijklmnop")
    token.chmod(0o600)
    oidc = {"issuer": f"http://127.0.0.1:{port}", "client_id": "driftline", "groups": {"*": {"may": "read"}}}
    auth = {"oidc": oidc, "tokens": [{"name": "ann", "token_file": str(token), "may": "all"}]}
    with processor.up(tmp_path, auth=auth, web={"endpoint": processor.web[7:], "public_url": processor.web}):
        away = httpx.get(f"{processor.web}/login/oidc", trust_env=False)
        assert (away.status_code, "log in with a token" in away.text) == (503, True)
        bearer = {"authorization": f"Bearer {token.read_text()}"}
        assert httpx.get(f"{processor.web}/api/v1/models", headers=bearer, trust_env=False).status_code == 200
