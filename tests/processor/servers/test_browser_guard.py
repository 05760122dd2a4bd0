"""Who is answered on the HTTP ports: a table of every route of every port, and who may ask for it."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import httpx
import pytest
from driftline_processor.access.routes import Authentication
from driftline_processor.config.schema import Config
from driftline_processor.servers.browser_guard import AccessRules
from driftline_processor.servers.http_server import HttpPort
from driftline_processor.servers.late_application import LateApplication
from driftline_processor.service import Service
from google.rpc.status_pb2 import Status
from starlette.applications import Starlette
from starlette.routing import Mount, Route

from tests.support.slow import slow

CORS = {"allowed_origins": ["https://shop.example.com", "https://*.example.org"]}
REFUSED = (421, 403)


class Port(NamedTuple):
    """A port of the running service and what its application answers."""

    base: str
    client: httpx.Client
    routes: list[tuple[str, str]]  # method, path


def routes_of(application: Any) -> Iterator[tuple[str, str]]:
    """Method and path of every route of an application, with something in the place of each parameter."""
    if isinstance(application, Authentication):
        application = application._app
    if isinstance(application, LateApplication):
        application = application._application.result(60)
    assert isinstance(application, Starlette), "a port whose routes cannot be listed cannot be tested"
    for route in application.routes:
        assert isinstance(route, (Route, Mount)), f"{route!r} has no rule here: say how it is asked for"
        if isinstance(route, Mount):
            yield "GET", f"{route.path}/driftline.js"
            continue
        for method in sorted(route.methods or ()):
            yield method, re.sub(r"\{[^}]*\}", "x", route.path)


@pytest.fixture(scope="module")
def ports(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Port]]:
    """A whole service: the OTLP/HTTP port and that of the pages."""
    served: list[Any] = []
    start = HttpPort.start

    def start_and_note(port: HttpPort, application: Any, grace: float = 5.0) -> None:
        served.append(application)
        start(port, application, grace)

    anywhere = {"endpoint": "127.0.0.1:0"}
    keys = {
        "receivers": {"otlp": {"protocols": {"http": {**anywhere, "cors": CORS}}}},
        "web": anywhere,
        "storage": {"directory": tmp_path_factory.mktemp("state")},
        "allowed_hosts": ["drift.example.com", "*.internal"],
    }
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(HttpPort, "start", start_and_note)
        service = Service(Config.model_validate(keys))
        service.start()
    names = [name for name in ("http", "web") if name in service.addresses]
    with httpx.Client(trust_env=False, timeout=60) as client:
        yield {
            name: Port(f"http://{service.addresses[name]}", client, list(routes_of(application)))
            for name, application in zip(names, served, strict=True)
        }
    service.stop()


def ask(port: Port, method: str, path: str, headers: Mapping[str, str]) -> httpx.Response:
    return port.client.request(method, port.base + path, headers=dict(headers))


def raw(port: Port, head: str) -> bytes:
    """The status line and headers of an answer to a request that no library would send."""
    host, _, number = port.base.removeprefix("http://").rpartition(":")
    with socket.create_connection((host, int(number)), timeout=60) as client:
        client.sendall(head.encode())
        came = b""
        while b"\r\n\r\n" not in came and (more := client.recv(4096)):
            came += more
        return came


GOOD = [
    {},
    {"host": "localhost"},
    {"host": "LOCALHOST.:80"},
    {"host": "[::1]:8780"},
    {"host": "192.168.1.5:8780"},
    {"host": socket.gethostname()},
    {"host": "drift.example.com"},
    {"host": "driftline.internal:8780"},
    {"host": "localhost:8780", "origin": "http://localhost:8780", "sec-fetch-site": "same-origin"},
    {"host": "localhost", "origin": "http://localhost"},
    {"origin": "https://drift.example.com"},
]
"""Programs, our own pages, and a proxy that keeps the name of the page or puts an address in its place."""

EVIL: list[tuple[dict[str, str], int, str]] = [
    (
        {"host": "evil.example"},
        421,
        "this processor is not 'evil.example'; if it is reached by this name, add the name to allowed",
    ),
    ({"host": "evil.example:8780", "origin": "http://evil.example:8780"}, 421, "allowed_hosts"),
    ({"host": "127.0.0.1.evil.example"}, 421, "allowed_hosts"),
    ({"host": "localhost.evil.example"}, 421, "allowed_hosts"),
    ({"host": "xdrift.example.com"}, 421, "allowed_hosts"),
    ({"host": "[evil]"}, 421, "allowed_hosts"),
    ({"host": "evil/@localhost"}, 400, "is not a host"),
    ({"origin": "http://evil.example"}, 403, "receivers.otlp.protocols.http.cors.allowed_origins"),
    ({"origin": "null"}, 403, "allowed_origins"),
    ({"host": "localhost:8780", "origin": "http://localhost:3000"}, 403, "allowed_origins"),
    ({"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"}, 403, "pages of other sites may link here"),
    ({"sec-fetch-site": "same-site", "sec-fetch-mode": "cors"}, 403, "pages of other sites may link here"),
]


@pytest.mark.parametrize("name", ["http", slow("web")])
def test_every_route_answers_who_names_this_machine(name: str, ports: dict[str, Port]) -> None:
    port = ports[name]
    assert len(port.routes) > 3
    for method, path in port.routes:
        for headers in GOOD:
            answer = ask(port, method, path, headers)
            assert answer.status_code not in REFUSED, (method, path, headers, answer.text)


@pytest.mark.parametrize("name", ["http", "web"])
def test_no_route_answers_pages_of_other_sites(name: str, ports: dict[str, Port]) -> None:
    port = ports[name]
    for method, path in [*port.routes, ("OPTIONS", "/v1/traces"), ("GET", "/there/is/nothing")]:
        for headers, code, sentence in EVIL:
            answer = ask(port, method, path, headers)
            assert answer.status_code == code, (method, path, headers, answer.text)
            assert method == "HEAD" or sentence in answer.text, (method, path, headers)


@pytest.mark.parametrize("name", ["http", "web"])
def test_a_request_names_one_host(name: str, ports: dict[str, Port]) -> None:
    port = ports[name]
    for method, path in port.routes:
        for hosts in ("", "Host: localhost\r\nHost: localhost\r\n", "Host:\r\n"):
            answer = raw(port, f"{method} {path} HTTP/1.1\r\n{hosts}Connection: close\r\n\r\n")
            assert answer.startswith(b"HTTP/1.1 400 "), (method, path, hosts)


def test_programs_that_speak_http_1_0_name_none(ports: dict[str, Port]) -> None:
    assert raw(ports["web"], "GET /healthz HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.1 200 ")
    assert raw(ports["web"], "GET /healthz HTTP/1.0\r\nHost: evil.example\r\n\r\n").startswith(b"HTTP/1.1 421 ")


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_a_link_on_another_site_opens_a_page_and_a_form_there_sends_nothing(site: str, ports: dict[str, Port]) -> None:
    for method, path in ports["web"].routes:
        answer = ask(ports["web"], method, path, {"sec-fetch-site": site, "sec-fetch-mode": "navigate"})
        assert (answer.status_code == 403) == (method not in ("GET", "HEAD")), (method, path)


@pytest.mark.parametrize("origin", ["https://shop.example.com", "https://eu.example.org"])
def test_a_site_that_is_allowed_sends_otlp_from_its_pages(origin: str, ports: dict[str, Port]) -> None:
    url = f"{ports['http'].base}/v1/traces"
    wanted = {"access-control-request-method": "POST", "access-control-request-headers": "content-type,x-tenant"}
    asked = httpx.options(url, headers={"origin": origin, **wanted}, trust_env=False)
    assert asked.status_code == 204
    assert asked.headers["access-control-allow-origin"] == origin
    assert asked.headers["access-control-allow-headers"] == "content-type,x-tenant"
    headers = {"origin": origin, "sec-fetch-site": "cross-site", "content-type": "application/x-protobuf"}
    sent = httpx.post(url, headers=headers, trust_env=False)
    assert (sent.status_code, sent.headers["access-control-allow-origin"]) == (200, origin)
    assert "origin" in sent.headers["vary"].lower()


def test_a_site_that_may_send_otlp_reads_no_pages(ports: dict[str, Port]) -> None:
    answer = ask(ports["web"], "GET", "/api/v1/models", {"origin": "https://shop.example.com"})
    assert answer.status_code == 403
    assert "access-control-allow-origin" not in answer.headers


def test_an_exporter_is_told_in_its_own_words(ports: dict[str, Port]) -> None:
    url, host = f"{ports['http'].base}/v1/traces", {"host": "driftline"}
    told = httpx.post(url, headers={**host, "content-type": "application/x-protobuf"}, trust_env=False)
    assert Status.FromString(told.content).message.startswith("this processor is not 'driftline'")
    told = httpx.post(url, headers={**host, "content-type": "application/json"}, trust_env=False)
    assert told.json()["message"].startswith("this processor is not 'driftline'")


def test_any_name_may_be_allowed_but_not_every_page() -> None:
    rules = AccessRules(hosts=["*"])
    assert rules.answers("anything.example")
    assert not rules.names("evil.example", everyone=False)
