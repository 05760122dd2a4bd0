"""A real MLServer, whose payloads a logger posts as CloudEvents: `sh scripts/model_servers.sh` installs it."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from driftline_processor.demo.processes import free_ports

from tests.support.paths import ROOT, code_blocks

from .peers import Driftline, eventually, get, running

PYTHON = ROOT / ".venv-mlserver" / "bin" / "python"
MLSERVER = PYTHON.parent / "mlserver"

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(
        not MLSERVER.exists(),
        reason="no MLServer: `sh scripts/model_servers.sh` installs it",
    ),
]

TRAIN = """
import joblib
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

features, species = load_iris(return_X_y=True)
joblib.dump(LogisticRegression(max_iter=1000).fit(features, species == 2), "model.joblib")
"""
"""In MLServer's own environment, so that its scikit-learn reads the file."""


@contextmanager
def mlserver(folder: Path) -> Iterator[str]:
    """Serve a classifier of iris flowers; yield its URL."""
    http, grpc, metrics = free_ports(3)
    settings = {"http_port": http, "grpc_port": grpc, "metrics_port": metrics, "parallel_workers": 0}
    model = {
        "name": "iris",
        "implementation": "mlserver_sklearn.SKLearnModel",
        "parameters": {"uri": "./model.joblib", "version": "v1"},
    }
    folder.mkdir()
    subprocess.run([str(PYTHON), "-c", TRAIN], cwd=folder, check=True)
    (folder / "settings.json").write_text(json.dumps({**settings, "host": "127.0.0.1"}), encoding="utf-8")
    (folder / "model-settings.json").write_text(json.dumps(model), encoding="utf-8")
    url = f"http://127.0.0.1:{http}"
    command = [str(MLSERVER), "start", str(folder)]
    environment = {"PATH": f"{PYTHON.parent}:{os.environ['PATH']}"}
    with running(command, lambda: get(f"{url}/v2/models/iris/ready"), folder.parent / "mlserver.log", environment):
        yield url


def test_requests_and_responses_of_mlserver_are_predictions(tmp_path: Path) -> None:
    driftline = Driftline()
    outputs = [{"name": "predict"}, {"name": "predict_proba"}]
    [block] = code_blocks("kserve", "python")
    with driftline.up(tmp_path), mlserver(tmp_path / "model") as url, httpx.Client(trust_env=False) as client:
        page: dict[str, Any] = {}
        exec(block.replace("http://127.0.0.1:4318", driftline.http), page)
        since = time.time() - 60
        for call in range(20):
            data = [[5.1, 3.5, 1.4, 0.2 + call / 100], [6.3, 3.3, 6.0, 2.5]]
            request = {"inputs": [{"name": "x", "shape": [2, 4], "datatype": "FP64", "data": data}], "outputs": outputs}
            answer = client.post(f"{url}/v2/models/iris/infer", json=request)
            assert answer.status_code == 200, answer.text
            page["post_call"](client, answer.request.content, answer)
        eventually(lambda: driftline.rows("iris"), lambda rows: rows == 40)
        answer = client.get(f"{driftline.web}/v1/snapshots/iris", params={"since": since, "until": time.time() + 60})
        rows = pq.read_table(pa.BufferReader(answer.content)).to_pylist()
    assert len(rows) == 40
    [last] = [row for row in rows if row["petal_width"] == 0.2 + 19 / 100]
    assert (last["version"], last["predicted"], last["sepal_length"]) == ("v1", "0", 5.1)
    assert 0.0 < last["score"] < 0.1
    assert last["id"].endswith(".0")
