"""``/api/v1/models/{name}/weak-slices`` says which closed window is missing."""

from __future__ import annotations

import pytest
from starlette.testclient import TestClient

from tests.support.fake_view import FakeView, app_of, flights


@pytest.mark.parametrize(
    ("start", "rule"),
    [
        ("", "exists yet; a window closes after its end"),
        ("&start=2013-03-01T00:00:00Z", "begins there; /evaluations lists them"),
    ],
)
def test_a_window_that_is_not_there_is_404_with_the_rule(start: str, rule: str) -> None:
    model = flights()
    model.windows = {"1d": []}
    client = TestClient(app_of(FakeView([model])))
    answer = client.get(f"/api/v1/models/flights/weak-slices?window=1d{start}")
    assert (answer.status_code, answer.json()["error"]) == (404, f"no closed window '1d' {rule}")
