"""A ranking model from the SDK's own bytes to the pages: volume, drift, and how well its lists were ranked."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from driftline.baseline.baseline import Baseline
from driftline.capture import call
from driftline_processor.config.schema import load
from driftline_processor.state import State
from starlette.testclient import TestClient

from tests.support.fake_view import app_of
from tests.support.html_page import Page
from tests.support.service import Service

ROWS = 400
MINUTE = 60 * 10**9
START = 1_795_132_800 * 10**9  # 2026-11-20T00:00:00Z


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Requests of a service that ranks; users are 30 years older than the baseline's, scores lower."""
    rng = np.random.default_rng(7)
    reference = {"age": rng.normal(40, 5, 5000)}
    baseline = Baseline.from_frame(reference, score=rng.uniform(0.5, 1, 5000), model="feed", task="ranking")
    service = Service()

    @service.model("feed", task="", baseline=baseline).predict(id="id")
    def feed(user: dict[str, Any]) -> list[tuple[str, float]]:
        return [("a", user["age"] / 200), ("b", 0.1)]

    for row, age in enumerate(rng.normal(70, 5, ROWS).tolist()):
        monkeypatch.setattr(call, "_now", lambda row=row: START + row * MINUTE)
        feed({"id": f"id-{row}", "age": age})
    service.flush()
    return service.channel.bodies


@pytest.fixture
def client(tmp_path: Path, sent: list[bytes]) -> Iterator[TestClient]:
    configuration = tmp_path / "driftline.yaml"
    configuration.write_text(f"storage: {{directory: {tmp_path / 'data'}}}\nmodels: {{feed: {{windows: [1h]}}}}\n")
    state = State(load(configuration), clock=lambda: START + ROWS * MINUTE)
    state.start()
    for body in sent:
        state.submit("logs", body).result(60)
    client = TestClient(app_of(state, lambda: START))
    outcomes = "id,item,actual,time\n" + "".join(f"id-{row},b,{row % 2},2026-11-20T20:00:00Z\n" for row in range(ROWS))
    answer = client.post("/v1/outcomes?model=feed", content=outcomes, headers={"content-type": "text/csv"})
    assert answer.json() == {"accepted": ROWS, "rejected": []}
    state.settle()
    yield client
    state.stop()


@pytest.mark.slow
def test_a_ranking_model_has_volume_drift_and_performance(client: TestClient) -> None:
    (model,) = client.get("/api/v1/models").json()["models"]
    assert (model["task"], model["rows"], model["outcomes"], model["pending"]) == ("ranking", ROWS, ROWS, 0)

    windows = client.get("/api/v1/models/feed/evaluations").json()["windows"]
    assert sum(window["rows"] for window in windows) == ROWS
    assert windows[0]["drift"]["features"]["age"]["state"] == "drift"
    assert windows[0]["drift"]["score"]["state"] == "drift"
    assert windows[0]["drift"]["class"] is None
    realized = windows[0]["performance"]["realized"]
    assert {name: realized[name]["value"] for name in ("ctr", "hit_rate@1", "hit_rate@5", "mrr@5", "recall@1")} == {
        "ctr": 0.5, "hit_rate@1": 0.0, "hit_rate@5": 0.5, "mrr@5": 0.5, "recall@1": 0.0,
    }  # fmt: skip
    assert windows[0]["outcomes"]["coverage"] == 1.0

    at = "?window=1h&at=2026-11-20T01:30:00Z"
    pages = {
        page: client.get(f"/models/feed{page}{at}")
        for page in ("", "/performance", "/drift", "/data", "/predictions", "/versions", "/features/age")
    }
    assert {page.status_code for page in pages.values()} == {200}
    assert "click rate" in pages["/performance"].text
    assert "NDCG@10" in pages["/performance"].text
    assert "100 % of 60 predictions" in Page(pages["/data"].text).text
    assert 'id="score"' in pages["/drift"].text
    assert "age" in pages["/drift"].text
    assert client.get("/metrics").status_code == 200
