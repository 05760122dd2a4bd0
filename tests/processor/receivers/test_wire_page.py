"""What the page on the wire shows to senders in other languages is received as it stands there."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import duckdb
import httpx

from tests.support.paths import ROOT
from tests.support.running_service import get, running
from tests.support.waiting import wait_until

PAGE = (ROOT / "docs/reference/wire.md").read_text(encoding="utf-8")


def test_the_request_to_copy_is_a_prediction_with_its_outcome(tmp_path: Path) -> None:
    (block,) = re.findall(r"^```bash\n(curl .*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    program, url, *options, data, body = shlex.split(block)
    assert (program, options, data) == ("curl", ["-H", "content-type: application/json"], "-d")

    with running(tmp_path) as service:
        here = url.replace("localhost:4318", str(service.addresses["http"]))
        answer = httpx.post(here, content=body, headers={"content-type": "application/json"}, trust_env=False)
        assert (answer.status_code, answer.json()) == (200, {})
        wait_until(lambda: any(model["outcomes"] for model in get(service, "/api/v1/models").json()["models"]))
        (model,) = get(service, "/api/v1/models").json()["models"]
    shown = [model[key] for key in ("model", "version", "environment", "task", "rows", "outcomes", "pending")]
    assert shown == ["churn", "1", "prod", "binary", 1, 1, 0]
    with duckdb.connect(str(tmp_path / "driftline.duckdb"), read_only=True) as store:
        assert store.sql("SELECT id, score FROM predictions").fetchall() == [("A-1001", 0.83)]
