"""The keys of ``tls`` on a listener: each bad file is one line with the file, the rule and the fix."""

from __future__ import annotations

from pathlib import Path

import pytest
from driftline_processor.config.schema import ConfigError, load
from driftline_processor.config.tls import TlsServer
from driftline_processor.servers.tls import ListenerTls

from tests.support.certificates import Authority
from tests.support.waiting import wait_until


def test_a_certificate_that_expires_in_use_is_a_note(tmp_path: Path) -> None:
    pair = Authority(tmp_path).issue("server", ends=2 / 86_400)
    listener = ListenerTls("web", TlsServer.model_validate(pair.keys))
    assert listener.sentence() is None
    wait_until(lambda: listener.sentence() is not None)
    assert str(listener.sentence()).startswith(f"web.tls: {pair.certificate} expired on ")


def problems_of(folder: Path, listener: str, tls: dict[str, str]) -> list[str]:
    """Return the problems of a configuration with TLS at one listener."""
    keys = ", ".join(f"{name}: {value}" for name, value in tls.items())
    port = f"{{endpoint: 127.0.0.1:0, tls: {{{keys}}}}}"
    texts = {
        "web": f"web: {port}",
        "http": f"receivers: {{otlp: {{protocols: {{http: {port}}}}}}}",
        "grpc": f"receivers: {{otlp: {{protocols: {{grpc: {port}}}}}}}",
    }
    (folder / "driftline.yaml").write_text(texts[listener])
    with pytest.raises(ConfigError) as wrong:
        load(folder / "driftline.yaml")
    return [str(problem) for problem in wrong.value.problems]


def test_each_bad_file_is_one_line_with_the_file_the_rule_and_the_fix(tmp_path: Path) -> None:
    ours = Authority(tmp_path)
    good, other = ours.issue("good"), ours.issue("other")
    old, young = ours.issue("old", begins=-3, ends=-1), ours.issue("young", begins=1, ends=2)
    locked, exposed = ours.issue("locked", passphrase=b"word"), ours.issue("exposed")
    exposed.key.chmod(0o644)
    text, gone = tmp_path / "text.pem", tmp_path / "gone.pem"
    text.write_text("hello")
    text.chmod(0o600)
    cases: list[tuple[dict[str, str], str]] = [
        (good.keys | {"cert_file": str(gone)}, f"cert_file: {gone} cannot be read: No such file or directory; check"),
        (good.keys | {"key_file": str(gone)}, f"key_file: {gone} cannot be read: No such file or directory; check"),
        (good.keys | {"cert_file": str(tmp_path)}, f"cert_file: {tmp_path} cannot be read: Is a directory; check"),
        (
            good.keys | {"cert_file": str(text)},
            f"cert_file: {text} has no certificate; it must contain the certificate",
        ),
        (good.keys | {"key_file": str(text)}, f"key_file: {text} has no private key that can be read; it must contain"),
        (good.keys | {"key_file": str(other.key)}, f"key_file: {other.key} is not the key of the certificate "),
        (locked.keys, f"key_file: {locked.key} needs a passphrase; remove it, for example with 'openssl pkey'"),
        (exposed.keys, f"key_file: {exposed.key} can be read by everybody on this machine; run 'chmod 600 "),
        (old.keys, f"cert_file: {old.certificate} expired on "),
        (young.keys, f"cert_file: {young.certificate} is valid only from "),
        (good.keys | {"client_ca_file": str(text)}, f"client_ca_file: {text} has no certificate; it must contain"),
        (
            good.keys | {"reload_interval": "0s"},
            "reload_interval: must be greater than 0; use a duration such as '60s'",
        ),
        (good.keys | {"min_version": "1.1"}, "min_version: '1.1' is not allowed; use '1.2' or '1.3'"),
        ({"cert_file": str(good.certificate)}, "key_file: "),
    ]
    for keys, problem in cases:
        [said] = problems_of(tmp_path, "web", keys)
        assert said.startswith(f"web.tls.{problem}")
        assert "\n" not in said
    [said] = problems_of(tmp_path, "http", old.keys)
    assert said.startswith("receivers.otlp.protocols.http.tls.cert_file: ")
    [said] = problems_of(tmp_path, "grpc", good.keys | {"min_version": "1.3"})
    assert said.startswith("receivers.otlp.protocols.grpc.tls.min_version: '1.3' is not available for gRPC")
