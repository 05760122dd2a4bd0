"""The pages on BentoML and Ray Serve, run with both: `sh scripts/model_servers.sh` installs them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from driftline.tables.column_codec import strings
from driftline_processor.demo.peers.recorder import listening
from driftline_processor.demo.processes import free_ports

from tests.support.paths import ROOT, code_blocks
from tests.support.receiver import Receiver, predictions_of

from .peers import eventually, post, running

pytestmark = pytest.mark.interop

REQUEST = {"radius": 17.9, "texture": 10.4}

RUN_RAY = """
import sys
import ray
from ray import serve
ray.init(include_dashboard=False, num_cpus=2)
serve.start(http_options={"host": "127.0.0.1", "port": int(sys.argv[1])})
import service
serve.run(service.app, blocking=True)
"""
"""`serve run`, which has no option for the port."""


def program(server: str, name: str) -> str:
    """Return a program of the environment of a server; skip the test if there is none."""
    path = ROOT / f".venv-{server}" / "bin" / name
    if not path.exists():
        pytest.skip(f"no {server}: `sh scripts/model_servers.sh` installs it into an environment of its own")
    return str(path)


@pytest.mark.parametrize(("page", "path"), [("bentoml", "/classify"), ("ray-serve", "/")])
def test_the_service_of_the_page_records_what_it_answers(page: str, path: str, tmp_path: Path) -> None:
    (port,) = free_ports(1)
    if page == "bentoml":
        command = [program("bentoml", "bentoml"), "serve", "service:Tumour", "--port", str(port)]
    else:
        command = [program("ray", "python"), "-c", RUN_RAY, str(port)]
    [block] = code_blocks(page, "python")
    (tmp_path / "service.py").write_text(block, encoding="utf-8")
    receiver = Receiver()

    def ask() -> float:
        return float(post(f"http://127.0.0.1:{port}{path}", REQUEST))

    def tables() -> list[Any]:
        return [table for kind, body in receiver.requests if kind == "/v1/logs" for table in predictions_of(body)]

    environment = {"DRIFTLINE_ENDPOINT": receiver.url, "PYTHONPATH": str(tmp_path), "HOME": str(tmp_path)}
    environment |= {"PATH": f"{Path(command[0]).parent}:{os.environ['PATH']}"}
    with listening(receiver), running(command, ask, tmp_path / "server.log", environment):
        score = ask()
        found = eventually(tables)
    table = found[0]
    assert (table.key.model, table.key.version) == ("tumour", "7")
    assert sorted(table.features) == ["radius", "texture"]
    assert 0.5 < score < 1.0
    assert len(list(strings(table.id))) >= 1
