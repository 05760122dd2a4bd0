"""A mistake in a route is refused, with its key."""

from __future__ import annotations

from typing import Any

import driftline
import pytest
from driftline_integrations.web.route_plan import plan_routes


@pytest.mark.parametrize(
    ("text", "route", "key"),
    [
        ("/predict", {}, "routes.'/predict'"),
        ("POST /predict", 7, "routes.'POST /predict'"),
        ("POST /predict", {"scores": "p"}, "routes.'POST /predict'.scores"),
        ("POST /predict", {"id": 7}, "routes.'POST /predict'.id"),
        ("POST /predict", {"limit": True}, "routes.'POST /predict'.limit"),
        ("POST /predict", {"features": [1]}, "routes.'POST /predict'.features"),
        ("POST /predict", {"features": "header:x"}, "routes.'POST /predict'.features"),
        ("POST /predict", {"predicted": "header:x"}, "routes.'POST /predict'.predicted"),
        ("POST /predict", {"slices": {"region": 7}}, "routes.'POST /predict'.slices.region"),
        ("POST /predict", {"slices": {"region": "response:r"}}, "routes.'POST /predict'.slices.region"),
    ],
)
def test_a_mistake_is_named_by_its_key(text: str, route: Any, key: str) -> None:
    with pytest.raises(ValueError) as error:
        plan_routes(driftline.Model("churn", task="binary"), {text: route}, "driftline.fastapi")
    assert str(error.value).partition(": ")[0] == key
