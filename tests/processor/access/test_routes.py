"""Every route and method is asked with every capability: the table of docs/reference/capabilities.md."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from driftline_processor.access.access import Access, anonymous_of
from driftline_processor.access.local import LocalToken
from driftline_processor.access.routes import Guarded, check_routes
from driftline_processor.config.auth import Auth
from driftline_processor.config.capabilities import CAPABILITIES, Capability
from driftline_processor.health import Health
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from tests.support.fake_view import app_of, many
from tests.support.people import EverybodyMay

MODEL = "churn"


class Asked(NamedTuple):
    """A route with a method."""

    method: str
    path: str
    route: Guarded


def asked_of(app: Starlette) -> Iterator[Asked]:
    for route in app.routes:
        if isinstance(route, Guarded):
            path = re.sub(
                r"\{(\w+)(:path)?\}", lambda match: MODEL if match[1] in ("name", "model") else "x", route.path
            )
            for method in sorted((route.methods or set()) - {"HEAD"}):
                yield Asked(method, path, route)


TABLE = [*asked_of(app_of(many()))]


def client_of(*capabilities: Capability, models: tuple[str, ...] = ("*",)) -> TestClient:
    access = EverybodyMay(*capabilities, models=models)
    return TestClient(app_of(many(), access=access), raise_server_exceptions=False, follow_redirects=False)


def test_the_table_has_all_routes() -> None:
    assert len(TABLE) > 50
    assert {asked.route.may for asked in TABLE} >= {"read", "read_rows", "decide", "erase", "admin", "annotate"}


@pytest.mark.parametrize("capability", CAPABILITIES)
def test_each_route_answers_only_who_has_its_capability(capability: Capability) -> None:
    client = client_of(capability)
    for asked in TABLE:
        status = client.request(asked.method, asked.path).status_code
        if asked.route.may in (capability, "anyone"):
            assert status not in (401, 403) or asked.path in ("/login", "/login/oidc/callback"), asked
        else:
            assert status == 403, (asked, status)


def test_without_any_log_in_only_health_and_the_log_in_answer() -> None:
    client = client_of()
    open_paths = {asked.path for asked in TABLE if client.request(asked.method, asked.path).status_code != 403}
    assert open_paths == {"/healthz", "/readyz", "/login", "/logout", "/login/oidc", "/login/oidc/callback"}


def test_a_reader_of_other_models_sees_nothing_of_this_one() -> None:
    client = client_of(*CAPABILITIES, models=("fraud-*",))
    for asked in TABLE:
        by_model = asked.route.parameters is None or "model" in {name.strip("*") for name in asked.route.parameters}
        answer = client.request(asked.method, asked.path, params={"model": "fraud-eu"} if by_model else None)
        if MODEL in asked.path:
            assert answer.status_code in (403, 404), asked
        else:
            assert MODEL not in answer.text, asked


def test_each_address_of_the_api_declares_its_parameters_and_refuses_others() -> None:
    client, api = client_of(*CAPABILITIES), ("/api/", "/v1/", "/-/")
    declared = [asked for asked in TABLE if asked.path.startswith(api)]
    assert len(declared) > 35
    for asked in declared:
        parameters = asked.route.parameters
        assert parameters is not None, asked
        names = [name.strip("*") for name in parameters]
        misspelt = f"{names[-1]}_" if names else "model"
        answer = client.request(asked.method, asked.path, params={misspelt: "x"})
        fix = f"did you mean '{names[-1]}'" if names else "this address has no parameters"
        assert answer.status_code == 400, asked
        assert answer.json()["error"].startswith(f"'{misspelt}' is not a parameter of this address; {fix}"), asked
        for name in parameters:
            repeated = client.request(asked.method, asked.path, params=[(name.strip("*"), "x"), (name.strip("*"), "y")])
            refused = repeated.status_code == 400 and "is given 2 times; send one value" in repeated.text
            assert refused == (not name.endswith("*")), (asked, name)


def test_a_link_to_a_page_may_have_other_parameters() -> None:
    assert client_of(*CAPABILITIES).get(f"/models/{MODEL}?utm_source=mail").status_code == 200


def test_names_of_other_models_are_not_suggested_to_a_reader_of_some() -> None:
    client = client_of("read", "decide", "annotate", models=("chur", "fraud-*"))
    for answer in (
        client.get("/api/v1/models/chur"),
        client.post("/v1/silences", data={"model": "chur", "for": "8h", "why": "x"}),
        client.post("/v1/annotations", data={"model": "chur", "text": "x"}),
        client.get("/api/v1/models"),
    ):
        assert MODEL not in answer.text
    assert client_of("read").get("/api/v1/models/chur").text.count(MODEL) == 1


def test_read_alone_shows_nothing_of_a_single_prediction() -> None:
    client = client_of("read")
    for path in ("outcomes?id=A-1", "mispredictions", "label-next"):
        assert client.get(f"/api/v1/models/{MODEL}/{path}").status_code == 403
    assert client.get(f"/models/{MODEL}/predictions?id=A-1").status_code == 403


def test_a_link_logs_in_only_where_nobody_else_has_a_token(tmp_path: Path) -> None:
    file = LocalToken(tmp_path / "8780.token").path
    keys = Auth.model_validate({"tokens": [{"name": "ann", "token_file": file, "may": "all"}]})
    for auth, local, by_link in ((keys, None, False), (Auth(), LocalToken(file), True)):
        access = Access(auth, anonymous_of(auth, metrics=False), b"k" * 32, local=local)
        page = TestClient(app_of(many(), access=access)).get("/login").text
        assert ('id="login"' in page, "login.js" in page) == (True, by_link)


def test_nothing_that_a_person_sees_is_kept_by_a_cache() -> None:
    client = client_of(*CAPABILITIES)
    for path in ("/api/v1/models", f"/api/v1/models/{MODEL}", "/v1/silences", "/", "/login"):
        assert client.get(path).headers["cache-control"] == "no-store"
    assert "cache-control" not in client.get("/static/table.js").headers


def test_a_route_without_a_capability_does_not_start() -> None:
    with pytest.raises(TypeError, match="/secret names no capability"):
        check_routes([Route("/secret", lambda _: PlainTextResponse("rows"))])


def test_health_names_no_model_to_who_may_not_read() -> None:
    health = Health()
    health.watch("limits", lambda: "the model churn has too many versions", ready=True)
    for capabilities, named in ((("read",), True), (("ingest",), False), ((), False)):
        client = TestClient(app_of(many(), access=EverybodyMay(*capabilities), health=health))
        for path in ("/healthz", "/readyz"):
            answer = client.get(path)
            assert (answer.status_code, MODEL in answer.text) == (200, named)
