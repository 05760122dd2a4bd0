"""Bad keys below ``auth``: each is one line with the file, the rule and the fix."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from driftline_processor.config.schema import load, validate_file

TOKEN = "dlt_0123456789abcdefghijklmnop"


def problems_of(tmp_path: Path, text: str) -> list[str]:
    file = tmp_path / "driftline.yaml"
    file.write_text(text)
    return [str(problem) for problem in validate_file(file)]


@pytest.fixture(autouse=True)
def _files(tmp_path: Path) -> None:
    for name, content, mode in (
        ("good", TOKEN, 0o600),
        ("good.sha256", hashlib.sha256(TOKEN.encode()).hexdigest(), 0o600),
        ("open", TOKEN, 0o644),
        ("short", "secret", 0o600),
        ("empty", "", 0o600),
    ):
        file = tmp_path / (name if "." in name else f"{name}.token")
        file.write_text(content)
        file.chmod(mode)


def test_a_good_file_has_no_problem(tmp_path: Path) -> None:
    assert problems_of(tmp_path, "auth: {tokens: [{name: ann, token_file: good.token, may: all}]}") == []
    assert load(tmp_path / "driftline.yaml").auth.tokens[0].models == ("*",)


@pytest.mark.parametrize(
    ("tokens", "problem"),
    [
        ("{name: a, token_file: none.token, may: all}", "none.token cannot be read: No such file or directory; check"),
        ("{name: a, token_file: open.token, may: all}", "can be read by everybody on this machine; run 'chmod 600"),
        ("{name: a, token_file: short.token, may: all}", "has a token of fewer than 20 characters"),
        ("{name: a, token_file: empty.token, may: all}", "has a token of fewer than 20 characters"),
        ("{name: a, sha256_file: good.token, may: all}", "does not contain a SHA-256 digest"),
        ("{name: a, may: all}", "needs either token_file or sha256_file"),
        ("{name: a, token_file: good.token, sha256_file: good.token, may: all}", "needs either token_file or"),
        ("{name: a, token_file: good.token, may: [ingst]}", "'ingst' is not a capability; did you mean 'ingest'?"),
        (
            "{name: a, token_file: good.token, may: all}, {name: a, token_file: good.token, may: read}",
            "'a' is also the name of tokens.0",
        ),
        (
            "{name: a, token_file: good.token, may: ingest}, {name: b, sha256_file: good.sha256, may: all}",
            "'b' and 'a' have the same token, so nobody can tell them apart",
        ),
    ],
)
def test_a_bad_token_is_one_line(tmp_path: Path, tokens: str, problem: str) -> None:
    [line] = problems_of(tmp_path, f"auth: {{tokens: [{tokens}]}}")
    assert problem in line
    assert line.startswith("auth.tokens.")


def test_tokens_of_senders_are_not_forwarded(tmp_path: Path) -> None:
    keys = "endpoint: 'http://127.0.0.1:4320', forward: [traces], forward_headers: [Authorization]"
    exporter = f"exporters: {{otlphttp/x: {{{keys}}}}}"
    token = "auth: {tokens: [{name: a, token_file: good.token, may: all}]}"
    assert problems_of(tmp_path, exporter) == []  # the token of the destination
    [line] = problems_of(tmp_path, f"{exporter}\n{token}")
    assert line.startswith("exporters.otlphttp/x.forward_headers: 'authorization' is the sender's token")


def test_beyond_loopback_without_a_log_in_the_lines_that_mend_it_are_named(tmp_path: Path) -> None:
    [line] = problems_of(tmp_path, 'web: {endpoint: "0.0.0.0:8780"}')
    assert "driftline token create NAME --may all" in line
    assert "auth: {tokens: [{name: NAME, token_file: NAME.token, may: all}]}" in line
    log_in = "auth: {tokens: [{name: ann, token_file: good.token, may: all}]}"
    assert problems_of(tmp_path, f'web: {{endpoint: "0.0.0.0:8780"}}\n{log_in}') == []
    assert problems_of(tmp_path, 'web: {endpoint: "0.0.0.0:8780"}\ninsecure_anonymous: true') == []
    [both] = problems_of(tmp_path, f"insecure_anonymous: true\n{log_in}")
    assert "would make the log-ins of 'auth' pointless" in both


@pytest.mark.parametrize(
    ("oidc", "problem"),
    [
        ("{issuer: 'http://idp.example.com', client_id: d, groups: {'*': {may: read}}}", "is not an https URL"),
        ("{issuer: 'https://idp.example.com', client_id: d, groups: {}}", "is empty, so nobody could do anything"),
        (
            "{issuer: 'https://idp.example.com', client_id: d, client_secret_file: none, groups: {'*': {may: read}}}",
            "cannot be read",
        ),
    ],
)
def test_a_bad_provider_is_one_line(tmp_path: Path, oidc: str, problem: str) -> None:
    [line] = problems_of(tmp_path, f"web: {{public_url: 'https://d.example.com'}}\nauth: {{oidc: {oidc}}}")
    assert problem in line


def test_a_provider_needs_the_address_to_which_it_sends_people_back(tmp_path: Path) -> None:
    oidc = "auth: {oidc: {issuer: 'https://idp.example.com', client_id: d, groups: {'*': {may: read}}}}"
    [line] = problems_of(tmp_path, oidc)
    assert line.startswith("web.public_url: is missing")
