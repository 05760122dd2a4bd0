"""What makes pages is ready before somebody asks for one."""

from __future__ import annotations

from unittest.mock import Mock

import pytest
from driftline_processor.web.page import compile_templates, templates
from jinja2 import Environment, FileSystemLoader
from starlette.testclient import TestClient

from tests.support.fake_view import app_of, many


def test_templates_that_cannot_be_read_at_the_start_are_compiled_for_their_first_reader(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    templates.cache_clear()
    with monkeypatch.context() as patch:
        patch.setattr(FileSystemLoader, "get_source", Mock(side_effect=OSError(24, "Too many open files")))
        compile_templates()
    assert TestClient(app_of(many())).get("/").status_code == 200


def test_no_reader_waits_for_a_template_to_be_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    client = TestClient(app_of(many()))
    compile_templates()

    def fail(*_: object, **__: object) -> None:
        raise AssertionError("a template was compiled while somebody waited")

    monkeypatch.setattr(Environment, "compile", fail)
    name = client.get("/?format=json").json()["models"][0]["model"]
    pages = ("", "/performance", "/drift", "/data", "/predictions", "/versions", "/incidents")
    addresses = ["/", "/incidents", "/status", "/nothing", *(f"/models/{name}{page}" for page in pages)]
    assert [client.get(address).status_code for address in addresses] == [200, 200, 200, 404, *[200] * len(pages)]
