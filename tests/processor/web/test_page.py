"""What makes pages is ready before somebody asks for one, and the address of a page says where its reader is."""

from __future__ import annotations

from unittest.mock import Mock

import pytest
from driftline_processor.web.page import compile_templates, templates
from driftline_processor.web.place import Place, feature_page, read_place
from jinja2 import Environment, FileSystemLoader
from starlette.exceptions import HTTPException
from starlette.requests import Request
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


@pytest.mark.slow
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


def read(path: str, query: str) -> Place:
    scope = {"type": "http", "path_params": {"name": path}, "query_string": query.encode(), "headers": []}
    return read_place(Request(scope))


def test_an_address_is_read_as_it_was_written() -> None:
    place = Place("a/b", "v 2", "prod", "1d", "2013-07-01", "-30d", "2013-08-01", ("country=NL", "a=b=c"))
    address = place.address("drift")
    path, _, query = address.partition("?")
    assert path == "/models/a%2Fb/drift"
    assert read("a/b", query) == place


def test_a_link_changes_what_it_names_and_keeps_the_rest() -> None:
    place = Place("m", window="1d", at="5", since="1", slices=("a=1",))
    assert place.address("data", at="", target="x y") == "/models/m/data?window=1d&from=1&slice=a%3D1#x%20y"
    assert place.address(version="") == "/models/m?version=&window=1d&at=5&from=1&slice=a%3D1"
    assert place.address(format="csv").endswith("&format=csv")


def test_no_name_leaves_its_place_in_an_address() -> None:
    assert Place("../x?y#z").address() == "/models/..%2Fx%3Fy%23z"
    assert feature_page("a/../b?c") == "features/a%2F..%2Fb%3Fc"


def test_a_form_that_names_no_slice_chooses_all_rows() -> None:
    assert read("m", "slice=&slice=a%3D1").slices == ("a=1",)
    assert read("m", "slice=").slice_values() == {}


@pytest.mark.parametrize("said", ["NL", "=NL"])
def test_a_slice_without_key_or_value_is_refused(said: str) -> None:
    with pytest.raises(HTTPException, match="slice must be a key and a value"):
        Place("m", slices=(said,)).slice_values()
