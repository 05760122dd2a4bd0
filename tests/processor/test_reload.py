"""Reload of the configuration while the processor runs: by SIGHUP, and by `POST /-/reload`."""

from __future__ import annotations

import os
import signal
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from driftline.semconv import metrics as m
from driftline_processor.config.reload import ConfigFile, ReloadError
from driftline_processor.demo.processes import free_port
from driftline_processor.service import Service

from tests.support.otlp_peers import Peer, http_peer, trace
from tests.support.processes import (
    HEADERS,
    addresses,
    post_predictions,
    prediction,
    process,
    rows_of_models,
)
from tests.support.running_service import PROTOCOLS, get, receivers, url
from tests.support.waiting import wait_until

TOKEN = "a token of more than twenty characters"


@contextmanager
def running_from(folder: Path, **keys: Any) -> Iterator[tuple[Service, Path]]:
    """Run the service with a file; yield both."""
    file = folder / "driftline.yaml"
    write(file, **keys)
    source = ConfigFile(file)
    service = Service(source.load(), file=source)
    service.start()
    try:
        yield service, file
    finally:
        service.stop()


def write(file: Path, **keys: Any) -> None:
    """Write a configuration on free ports; keyword arguments are sections."""
    fixed = {**receivers(PROTOCOLS), "web": {"endpoint": "127.0.0.1:0"}, "storage": {"directory": "data"}}
    file.write_text(yaml.safe_dump({**fixed, **keys}))


def admin(service: Service) -> dict[str, str]:
    """Return the header of the user who runs the processor."""
    assert service.access.local is not None
    return {"Authorization": f"Bearer {service.access.local.text}"}


def issue(cert: Path, key: Path, serial: int) -> None:
    """Write a certificate for this machine, and its key."""
    private, name = (
        ec.generate_private_key(ec.SECP256R1()),
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "here")]),
    )
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(
            name, name, private.public_key(), serial, now - timedelta(hours=1), now + timedelta(days=9)
        )
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(private, hashes.SHA256())
    )
    form = serialization.PrivateFormat.PKCS8
    pem = private.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
    key.write_bytes(pem)
    key.chmod(0o600)
    cert.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))


def serial_of(port: int) -> int:
    """Return the serial number of the certificate of a port."""
    pem = ssl.get_server_certificate(("127.0.0.1", port))
    return x509.load_pem_x509_certificate(pem.encode()).serial_number


def post_reload(service: Service, headers: dict[str, str]) -> httpx.Response:
    return httpx.post(url(service, "web", "/-/reload"), headers=headers, trust_env=False)


def gauge(service: Service, name: str) -> float:
    return service.health.counters.snapshot()[name, ()]


def configured(service: Service) -> list[tuple[str, str, str]]:
    """Return who configured, how and with which words, the newest entry first."""
    assert service._state is not None
    entries, _ = service._state.audit_log.entries(kinds=["configured"], limit=100)
    return [(entry.by, entry.how, entry.words) for entry in entries]


def test_a_reload_names_what_it_changed_and_is_an_entry_of_the_audit_log(tmp_path: Path) -> None:
    with running_from(tmp_path, models={"churn": {}}) as (service, file):
        write(file, models={"churn": {"timezone": "Europe/Amsterdam"}, "fraud": {"tier": 1}}, currency="EUR")
        answer = post_reload(service, admin(service))
        unchanged = post_reload(service, admin(service)).json()
        entries, name = configured(service), service.access.local.name if service.access.local else ""
        assert service.config.models["fraud"].tier == 1
    assert answer.status_code == 200
    assert answer.json()["changed"] == ["models.churn.timezone", "models.fraud", "currency"]
    assert answer.json()["needs_restart"] == []
    assert unchanged["changed"] == []
    assert unchanged["sha256"] == answer.json()["sha256"]
    assert entries[1] == (name, "local", "the configuration was reloaded")
    assert entries[-1] == ("", "", "the configuration was loaded at the start")


def test_a_bad_file_changes_nothing_and_every_problem_is_one_line(tmp_path: Path) -> None:
    with running_from(tmp_path, currency="EUR") as (service, file):
        before = service.config
        file.write_text(file.read_text() + "\nmodles: {}\nlimits: {memory: 3}\n")
        answer, metrics = post_reload(service, admin(service)), get(service, "/metrics").text
        body, ready = get(service, "/readyz").json(), get(service, "/readyz").status_code
        same = service.config is before
        write(file, currency="USD")
        mended = post_reload(service, admin(service))
        healthy = get(service, "/readyz").json()
        entries = configured(service)
    assert answer.status_code == 400
    problems = answer.json()["problems"]
    assert [problem.split(":")[0] for problem in problems] == ["limits.memory", "modles"]
    assert answer.json()["error"].splitlines() == problems
    assert f"{m.INSTRUMENTS[m.DRIFTLINE_CONFIG_RELOAD_SUCCESS].prometheus} 0" in metrics
    assert (ready, [problem["name"] for problem in body["problems"]]) == (200, ["configuration"])
    assert "the last reload failed with 2 problems" in body["problems"][0]["message"]
    assert same
    assert mended.json()["changed"] == ["currency"]
    assert healthy == {"ready": True, "problems": []}
    assert gauge(service, m.DRIFTLINE_CONFIG_RELOAD_SUCCESS) == 1
    assert entries[1][2] == "the configuration was not reloaded, because the file has problems"


def test_an_unreadable_file_changes_nothing(tmp_path: Path) -> None:
    with running_from(tmp_path) as (service, file):
        file.unlink()
        answer = post_reload(service, admin(service))
        assert get(service, "/readyz").status_code == 200
    assert answer.status_code == 400
    assert answer.json()["problems"] == [f"{file}: cannot be read: No such file or directory"]


def test_keys_that_need_a_restart_wait_for_it_and_the_others_are_used(tmp_path: Path) -> None:
    with running_from(tmp_path) as (service, file):
        write(file, web={"endpoint": "127.0.0.1:1"}, limits={"memory": "3GiB", "models": 7}, currency="EUR")
        answer = post_reload(service, admin(service)).json()
        body = get(service, "/readyz").json()
        limits = service.config.limits
    assert answer["changed"] == ["limits.models", "currency"]
    assert answer["needs_restart"] == ["web.endpoint", "limits.memory"]
    assert (limits.models, limits.memory) == (7, 2**31)
    assert body["ready"]
    assert body["problems"][0]["message"] == "restart driftline to use the new values of web, limits.memory"


def test_a_file_that_is_good_only_after_a_restart_is_refused(tmp_path: Path) -> None:
    """The new exporter would send to the port that the running receiver still has."""
    port, other = free_port(), free_port()
    with running_from(tmp_path, **receivers({"http": {"endpoint": f"127.0.0.1:{port}"}})) as (service, file):
        here = {"otlp_http/here": {"endpoint": f"http://127.0.0.1:{port}", "forward": ["traces"]}}
        write(file, **receivers({"http": {"endpoint": f"127.0.0.1:{other}"}}), exporters=here)
        assert ConfigFile(file).load().exporters
        with pytest.raises(ReloadError, match="restart driftline, because a part of this change needs it"):
            service.reload()
        assert service.config.exporters == {}


def test_a_replaced_token_ends_and_its_sessions_too(tmp_path: Path) -> None:
    token_file = tmp_path / "ann.token"
    token_file.write_text(TOKEN)
    token_file.chmod(0o600)
    auth = {"tokens": [{"name": "ann", "token_file": str(token_file), "may": "all"}]}
    old, new = {"Authorization": f"Bearer {TOKEN}"}, {"Authorization": f"Bearer {TOKEN} now"}
    with running_from(tmp_path, auth=auth) as (service, _):
        session = service.access.start_session(TOKEN)
        cookie = {"Cookie": f"{service.access.cookie}={session}"}
        models = url(service, "web", "/api/v1/models")
        asked = [httpx.get(models, headers=who, trust_env=False).status_code for who in (old, new, cookie)]
        token_file.write_text(f"{TOKEN} now")
        answer = post_reload(service, old)
        again = [httpx.get(models, headers=who, trust_env=False).status_code for who in (old, new, cookie)]
    assert asked == [200, 401, 200]
    assert answer.json()["changed"] == ["auth.tokens (ann)"]
    assert again == [401, 200, 401]


def test_auth_begins_and_ends_by_a_reload(tmp_path: Path) -> None:
    token_file = tmp_path / "ann.token"
    token_file.write_text(TOKEN)
    token_file.chmod(0o600)
    auth = {"tokens": [{"name": "ann", "token_file": str(token_file), "may": "all"}]}
    with running_from(tmp_path) as (service, file):
        local, own = service.access.local, admin(service)
        write(file, auth=auth)
        assert post_reload(service, own).status_code == 200
        statuses = [post_reload(service, who).status_code for who in ({}, own, {"Authorization": f"Bearer {TOKEN}"})]
        removed = local is not None and not local.path.exists()
        write(file)
        assert post_reload(service, {"Authorization": f"Bearer {TOKEN}"}).status_code == 200
        after = post_reload(service, admin(service)).status_code
    assert statuses == [401, 401, 200]
    assert removed
    assert after == 200


@pytest.mark.slow
def test_nothing_is_lost_or_doubled_by_ten_reloads_under_traffic(tmp_path: Path) -> None:
    peer, sent, refused = Peer(), list[str](), list[int]()
    ending = threading.Event()

    def send(service: Service) -> None:
        with httpx.Client(trust_env=False, timeout=30.0) as client:
            while not ending.is_set():
                name = f"span {len(sent)}"
                traces = client.post(url(service, "http", "/v1/traces"), content=trace(name), headers=HEADERS)
                rows = client.post(url(service, "http", "/v1/logs"), content=prediction("churn", name), headers=HEADERS)
                refused.extend(answer.status_code for answer in (traces, rows) if answer.status_code != 200)
                sent.append(name)

    def keys(number: int) -> dict[str, Any]:
        exporter = {"endpoint": peer.endpoint, "forward": ["traces"], "headers": {"x-number": str(number)}}
        rows = {"when": "verdict is degraded", "name": f"policy {number}"}
        return {
            "exporters": {name: exporter},
            "models": {"churn": {"windows": [f"{number + 1}h"]}},
            "policies": {f"policy-{number}": {"when": rows["when"]}},
        }

    with http_peer(peer) as name, running_from(tmp_path, **keys(0)) as (service, file):
        sender = threading.Thread(target=send, args=(service,))
        sender.start()
        for number in range(1, 11):
            write(file, **keys(number))
            before = len(sent)
            wait_until(lambda before=before: len(sent) > before + 5)  # type: ignore[misc]
            changed = service.reload().changed
            assert f"policies.policy-{number}" in changed
            assert "exporters.otlp_http/peer.headers.x-number" in changed
        before = len(sent)
        wait_until(lambda before=before: len(sent) > before + 5)  # type: ignore[misc]
        ending.set()
        sender.join()
        wait_until(lambda: len(peer.names) >= len(sent) and rows_of_models(url(service, "web", "")) >= len(sent))
        rows = rows_of_models(url(service, "web", ""))
        used = {headers["x-number"] for headers in peer.headers}
    assert refused == []
    assert len(sent) > 50
    assert sorted(peer.names) == sorted(sent)
    assert rows == len(sent)
    assert used >= {"0", "5", "10"}


def test_requests_for_a_removed_exporter_end_and_a_new_one_begins_with_the_next_request(tmp_path: Path) -> None:
    first, second = Peer(), Peer()
    with http_peer(first) as name, http_peer(second):
        before = {name: {"endpoint": first.endpoint, "forward": ["traces"]}}
        after = {"otlp_http/second": {"endpoint": second.endpoint, "forward": ["traces"]}}
        with running_from(tmp_path, exporters=before) as (service, file):
            traces = url(service, "http", "/v1/traces")
            httpx.post(traces, content=trace("one"), headers=HEADERS, trust_env=False)
            wait_until(lambda: first.names == ["one"])
            write(file, exporters=after)
            service.reload()
            httpx.post(traces, content=trace("two"), headers=HEADERS, trust_env=False)
            wait_until(lambda: second.names == ["two"])
        cursors = sorted(path.name for path in (tmp_path / "data" / "log" / "cursors").iterdir())
    assert first.names == ["one"]
    assert cursors == ["analysis", "otlp_http%2Fsecond"]


def test_a_replaced_certificate_is_used_for_the_next_connection(tmp_path: Path) -> None:
    cert, key = tmp_path / "tls.crt", tmp_path / "tls.key"
    issue(cert, key, serial=1)
    tls = {"cert_file": str(cert), "key_file": str(key)}
    with running_from(tmp_path, web={"endpoint": "127.0.0.1:0", "tls": tls}) as (service, _):
        port = service.addresses["web"].port
        first, before = service.reload(), serial_of(port)
        issue(cert, key, serial=2)
        second, after = service.reload(), serial_of(port)
        cert.write_text("no certificate")
        with pytest.raises(ReloadError, match="has no certificate"):
            service.reload()
        kept = serial_of(port)
    assert (first.changed, before) == ([], 1)
    assert (second.changed, after) == (["web.tls (its files)"], 2)
    assert kept == 2


def test_failed_log_ins_are_entries_of_the_audit_log_at_the_end(tmp_path: Path) -> None:
    token = tmp_path / "ann.token"
    token.write_text("dlt_0123456789abcdefghijklmnop")
    token.chmod(0o600)
    auth = {"tokens": [{"name": "ann", "token_file": str(token), "may": "all"}]}
    with running_from(tmp_path, auth=auth) as (service, _):
        answers = {post_reload(service, {"Authorization": "Bearer wrong"}).status_code for _ in range(3)}
        assert service._state is not None
        service._note_failed_logins()
        service._state.audit_log.flush()
        entries, _ = service._state.audit_log.entries(kinds=["login_failed"], limit=10)
    assert answers == {401}
    assert [(entry.subject, entry.count) for entry in entries] == [("127.0.0.1", 3)]


@pytest.mark.parametrize("endpoint", ["0.0.0.0:0", "127.0.0.1:0"])
def test_tokens_that_travel_unencrypted_are_a_warning(endpoint: str, tmp_path: Path) -> None:
    token_file = tmp_path / "ann.token"
    token_file.write_text(TOKEN)
    token_file.chmod(0o600)
    auth = {"tokens": [{"name": "ann", "token_file": str(token_file), "may": "all"}]}
    with running_from(tmp_path, auth=auth, web={"endpoint": endpoint}) as (service, _):
        warned = [line for line in service.lines() if "unencrypted" in line]
        address = service.addresses["web"]
    assert [str(address) in line and "tls: {cert_file, key_file}" in line for line in warned] == (
        [True] if endpoint.startswith("0") else []
    )


def test_channels_and_silences_change_without_reading_the_state_again(tmp_path: Path) -> None:
    """To read the state takes seconds for hundreds of models, in which no row is stored."""
    with running_from(tmp_path, channels={"team": "json://127.0.0.1:9/a"}, notify="team") as (service, file):
        assert service._state is not None
        before = service._state.parts
        silence = {"models": ["churn"], "since": "2026-01-01T00:00:00Z", "until": "2126-01-01T00:00:00Z"}
        write(file, channels={"team": "json://127.0.0.1:9/b", "new": "json://127.0.0.1:9/c"}, notify="team",
              silences={"sale": silence})  # fmt: skip
        changed, after = service.reload().changed, service._state.parts
        silences = [one.id for one in after.silences.all]
        channels = [report.name for report in service._couriers.reports()] if service._couriers else []
        write(file, models={"churn": {"windows": ["1h"]}})
        service.reload()
        read_again = service._state.parts
    assert changed == ["channels.team.url", "channels.new", "silences.sale"]
    assert (after.evaluator is before.evaluator, after.policies is before.policies) == (True, False)
    assert (silences, channels) == (["sale"], ["team", "new"])
    assert read_again.evaluator is not before.evaluator


def line_of(child: subprocess.Popen[str], words: str) -> str:
    """Read lines of the errors until one has these words; a process that writes none in a minute is killed."""
    assert child.stderr is not None
    silent = threading.Timer(60, child.kill)
    silent.start()
    try:
        for line in child.stderr:
            if words in line:
                return line
    finally:
        silent.cancel()
    raise AssertionError(f"no line has '{words}'")


@pytest.mark.slow
def test_twenty_hang_ups_reload_and_the_process_continues(tmp_path: Path) -> None:
    with process(tmp_path) as child:
        otlp, web = addresses(child)
        wait_until(lambda: httpx.get(f"{web}/readyz", trust_env=False).status_code == 200)
        file = tmp_path / "driftline.yaml"
        file.write_text(file.read_text() + "currency: EUR\n")
        for _ in range(20):
            os.kill(child.pid, signal.SIGHUP)
        assert "changed: currency" in line_of(child, "the configuration was reloaded")
        file.write_text("web: [")
        os.kill(child.pid, signal.SIGHUP)
        assert "was not reloaded" in line_of(child, "the one before it is in use")
        assert post_predictions(otlp, prediction("churn", "a"))
        child.send_signal(signal.SIGTERM)
        os.kill(child.pid, signal.SIGHUP)
        assert child.wait(30) == 0


@pytest.mark.slow
def test_a_hang_up_during_the_start_reloads_after_it(tmp_path: Path) -> None:
    with process(tmp_path) as child:
        wait_until(lambda: handles_hang_up(child))
        for _ in range(3):
            os.kill(child.pid, signal.SIGHUP)
        assert "nothing has changed" in line_of(child, "the configuration was reloaded")
        _, web = addresses(child)
        assert httpx.get(f"{web}/readyz", trust_env=False).json() == {"ready": True, "problems": []}


def handles_hang_up(child: subprocess.Popen[str]) -> bool:
    """Return True if the process has a handler of SIGHUP (1), which the command installs while it loads."""
    status = Path(f"/proc/{child.pid}/status").read_text()
    caught = next(line.split()[1] for line in status.splitlines() if line.startswith("SigCgt"))
    return bool(int(caught, 16) & 1) and bool(int(caught, 16) & (1 << (signal.SIGTERM - 1)))
