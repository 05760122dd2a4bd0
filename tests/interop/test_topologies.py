"""The topologies of docs/how-to/choose-a-topology.md, each with its file: what arrives, and what does not."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import shutil
import subprocess
import sys
import urllib.request
from collections import defaultdict
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml
from driftline_processor.demo.peers.recorder import Asked, service
from driftline_processor.demo.processes import free_ports
from driftline_processor.present.sentences.outcomes import OTHER_PROCESSORS
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter

from tests.support.paths import ROOT

from .peers import Driftline, backend, collector, eventually
from .rows import predict, tracer

pytestmark = pytest.mark.interop

CONFIGURATIONS = ROOT / "otel-config"
MODELS, ROWS = 16, 100


def fleet(endpoint: str, models: int = MODELS, rows: int = ROWS) -> None:
    """Run a service with many models until it ends."""
    command = [sys.executable, "-m", "tests.interop.fleet", str(models), str(rows)]
    environment = {**os.environ, "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint}
    subprocess.run(command, env=environment, cwd=ROOT, check=True, timeout=120)


def models_of(driftline: Driftline, token: str = "") -> dict[str, Any]:
    """Return what the API has of each model with data."""
    request = urllib.request.Request(f"{driftline.web}/api/v1/models", headers={"Authorization": f"Bearer {token}"})
    with urllib.request.urlopen(request if token else request.full_url, timeout=10) as answer:
        return {model["model"]: model for model in json.load(answer)["models"]}


def rows_of(driftline: Driftline) -> dict[str, int]:
    """Return the number of predictions of each model."""
    return {name: model["rows"] + model["distributed"] for name, model in models_of(driftline).items()}


def joined(driftline: Driftline, token: str = "") -> int:
    """Return the number of outcomes with a prediction, over all models."""
    return sum(model["outcomes"] for model in models_of(driftline, token).values())


def test_balanced_each_model_is_whole_on_one_of_two_processors(tmp_path: Path) -> None:
    first, second = Driftline(), Driftline()
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
    stock = [f"stock-{at}" for at in range(8)]
    text = (CONFIGURATIONS / "balanced.yaml").read_text(encoding="utf-8")
    with (
        backend() as (url, names),
        first.up(tmp_path / "first"),
        second.up(tmp_path / "second"),
        collector(tmp_path, text, BACKEND=url, DRIFTLINE_A=first.grpc, DRIFTLINE_B=second.grpc) as (grpc, http),
    ):
        fleet(http)
        with tracer(OTLPSpanExporter(endpoint=grpc, insecure=True)) as shop:
            for row in range(20):  # one trace with all models, in one scope
                with shop.start_as_current_span("POST /ensemble"):
                    for model in stock:
                        predict(shop, str(row), row / 20, model=model)

        found = eventually(lambda: joined(first) + joined(second), lambda n: n >= MODELS * ROWS)
        assert found == MODELS * ROWS
        expected = {f"fleet-{at}": ROWS for at in range(MODELS)} | {"fleet-metrics": ROWS} | dict.fromkeys(stock, 20)
        eventually(lambda: rows_of(first) | rows_of(second), lambda rows: sum(rows.values()) >= sum(expected.values()))
        one, other = models_of(first), models_of(second)
        whole = rows_of(first) | rows_of(second)
        eventually(lambda: names.count("POST /ensemble"), lambda n: n == 20)
    assert whole == expected
    assert one
    assert other
    assert not one.keys() & other.keys()
    assert not [model for model in (*one.values(), *other.values()) if OTHER_PROCESSORS in " ".join(model["hints"])]


def test_by_turns_outcomes_lose_their_predictions_and_a_sentence_says_where_these_may_be(tmp_path: Path) -> None:
    first, second = Driftline(), Driftline()
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
    turns: dict[str, Iterator[Driftline]] = defaultdict(partial(itertools.cycle, [first, second]))

    def pass_on(asked: Asked) -> tuple[int, bytes]:
        """Send a request to the next processor, as a Service of Kubernetes does."""
        headers = {name: asked.headers[name] for name in ("content-type", "content-encoding") if name in asked.headers}
        request = urllib.request.Request(f"{next(turns[asked.path]).http}{asked.path}", asked.body, headers)
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, answer.read()

    with first.up(tmp_path / "first"), second.up(tmp_path / "second"), service(pass_on) as balancer:
        balancer.headers["Content-Type"] = "application/x-protobuf"
        fleet(balancer.url, models=1, rows=2_000)

        def both() -> list[dict[str, Any]]:
            return [models_of(one).get("fleet-0", {"outcomes": 0, "pending": 0}) for one in (first, second)]

        found = eventually(both, lambda found: sum(one["outcomes"] + one["pending"] for one in found) == 2_000)
    matched = sum(one["outcomes"] for one in found)
    assert 0 < matched < 2_000
    assert [sum(OTHER_PROCESSORS in hint for hint in one["hints"]) for one in found] == [1, 1]


def test_in_front_everything_arrives_behind_it(tmp_path: Path) -> None:
    driftline = Driftline()
    tree = yaml.safe_load((CONFIGURATIONS / "in-front.yaml").read_text(encoding="utf-8"))
    with backend() as (url, names), collector(tmp_path, BACKEND=url, DRIFTLINE="127.0.0.1:1") as (grpc, _):
        tree["exporters"]["otlp_grpc/collector"]["endpoint"] = grpc
        with driftline.up(tmp_path, exporters=tree["exporters"]):
            fleet(driftline.http, models=1)
            assert eventually(lambda: joined(driftline), lambda n: n == ROWS) == ROWS
            eventually(lambda: names.count("predict fleet-0"), lambda n: n == ROWS)


def test_an_agent_waits_for_the_gateway_which_sends_to_driftline_with_its_own_token(tmp_path: Path) -> None:
    """The sidecar runs the agent, too; kubernetes/collector.yaml is the gateway."""
    driftline, (grpc, http, health) = Driftline(), free_ports(3)
    certificates, secrets, agent = tmp_path / "certificates", tmp_path / "secrets", tmp_path / "agent"
    for folder in (secrets, agent, tmp_path / "gateway"):
        folder.mkdir()
    made = ["sh", str(CONFIGURATIONS / "make_certificates.sh"), str(certificates), "localhost"]
    subprocess.run(made, check=True)
    for path in (certificates / "services", secrets / "token"):
        path.write_text("token-of-shop", encoding="ascii")
    (certificates / "driftline").write_text("token-of-collector", encoding="ascii")
    shutil.copy(certificates / "ca.crt", secrets)

    (manifest, *_) = yaml.safe_load_all((CONFIGURATIONS / "kubernetes/collector.yaml").read_text(encoding="utf-8"))
    gateway = manifest["data"]["collector.yaml"]
    for written, here in {
        "0.0.0.0:4317": f"127.0.0.1:{grpc}",
        "0.0.0.0:4318": f"127.0.0.1:{http}",
        "0.0.0.0:13133": f"127.0.0.1:{health}",
        "driftline.driftline.svc:4317": driftline.grpc,
        "/secrets/tls/": f"{certificates}/",
        "/secrets/tokens/": f"{certificates}/",
    }.items():
        assert written in gateway
        gateway = gateway.replace(written, here)

    tls = {"cert_file": str(certificates / "tls.crt"), "key_file": str(certificates / "tls.key")}
    protocols = {"grpc": {"endpoint": driftline.grpc, "tls": tls}}
    allowed = {"collector": ["ingest", "baselines", "outcomes"], "test": ["read"]}
    for name in allowed:
        digest = hashlib.sha256(f"token-of-{name}".encode()).hexdigest()
        (tmp_path / f"{name}.sha256").write_text(digest, encoding="ascii")
    holders = [
        {"name": name, "sha256_file": str(tmp_path / f"{name}.sha256"), "may": may} for name, may in allowed.items()
    ]
    text = (CONFIGURATIONS / "agent.yaml").read_text(encoding="utf-8")
    variables = {
        "GATEWAY": f"127.0.0.1:{grpc}",
        "AGENT_SECRETS": str(secrets),
        "AGENT_HEALTH": f"127.0.0.1:{free_ports(1)[0]}",
    }
    with collector(agent, text, **variables) as (_, endpoint):
        fleet(endpoint, models=1)  # it has ended before the gateway is there
        with (
            driftline.up(tmp_path, receivers={"otlp": {"protocols": protocols}}, auth={"tokens": holders}),
            collector(tmp_path / "gateway", gateway),
        ):
            assert eventually(lambda: joined(driftline, "token-of-test"), lambda n: n == ROWS) == ROWS
