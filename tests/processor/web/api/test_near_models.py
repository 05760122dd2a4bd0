"""Pages of an unknown model suggest the same names as the API."""

from __future__ import annotations

from pathlib import Path

import httpx

from tests.support.processes import HEADERS, prediction
from tests.support.running_service import running, url
from tests.support.waiting import wait_until


def test_every_page_of_an_unknown_model_suggests_the_near_names_of_the_api(tmp_path: Path) -> None:
    with running(tmp_path) as service:
        httpx.post(url(service, "http", "/v1/logs"), content=prediction("churn", "a"), headers=HEADERS, trust_env=False)
        wait_until(lambda: httpx.get(url(service, "web", "/api/v1/models"), trust_env=False).json()["models"])
        for path in (
            "/api/v1/models/chrun",
            *(f"/models/chrun{page}" for page in ("", "/performance", "/data", "/drift")),
        ):
            answer = httpx.get(url(service, "web", path), trust_env=False, follow_redirects=True)
            assert answer.status_code == 404, path
            assert "did you mean" in answer.text, path
            assert "churn" in answer.text, path
