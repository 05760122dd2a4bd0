"""The topologies of docs/deploy/topologies.md, each with its file: what arrives, and what does not."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import shutil
import ssl
import subprocess
import sys
import urllib.request
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from time import time_ns
from typing import Any

import pytest
import yaml
from driftline.semconv import attributes as a
from driftline.semconv import events
from driftline_processor.demo.peers.recorder import Asked, service
from driftline_processor.demo.processes import free_ports
from driftline_processor.otlp.protocol import MAX_REQUEST
from driftline_processor.present.sentences.outcomes import OTHER_PROCESSORS
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter

from tests.support.otlp_requests import logs, record
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


def test_through_a_collector_each_row_counts_once_and_the_backend_gets_what_it_got(tmp_path: Path) -> None:
    driftline = Driftline()
    grpc, http = (f"127.0.0.1:{port}" for port in free_ports(2))
    derived = {"otlp_grpc/collector": {"endpoint": grpc, "tls": {"insecure": True}, "derived": ["metrics", "traces"]}}
    text = (CONFIGURATIONS / "beside.yaml").read_text(encoding="utf-8")
    text = text.replace("${env:COLLECTOR_GRPC:-127.0.0.1:4317}", grpc).replace(
        "${env:COLLECTOR_HTTP:-127.0.0.1:4318}", http
    )
    with (
        backend() as (url, names),
        driftline.up(tmp_path, exporters=derived),
        collector(tmp_path, text, BACKEND=url, DRIFTLINE=driftline.grpc),
    ):
        fleet(f"http://{http}", 2)
        eventually(lambda: joined(driftline), lambda n: n >= 2 * ROWS)
        eventually(lambda: rows_of(driftline), lambda rows: rows.get("fleet-metrics") == ROWS)
        eventually(lambda: names.count("predict fleet-0"), lambda n: n >= ROWS)
        eventually(lambda: sum(name.startswith("outcome") for name in names), bool)  # derived by Driftline
        assert rows_of(driftline) == {"fleet-0": ROWS, "fleet-1": ROWS, "fleet-metrics": ROWS}
        assert joined(driftline) == 2 * ROWS
    assert names.count("predict fleet-0") == ROWS


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
            for row in range(20):  # one trace with all models, in one scope, each time another one first
                with shop.start_as_current_span("POST /ensemble"):
                    for model in (*stock[row % 8 :], *stock[: row % 8]):
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


def test_the_models_of_a_processor_that_is_stopped_wait_and_the_others_do_not(tmp_path: Path) -> None:
    first, second = Driftline(), Driftline()
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
    text = (CONFIGURATIONS / "balanced.yaml").read_text(encoding="utf-8")
    addresses = {"DRIFTLINE_A": first.grpc, "DRIFTLINE_B": second.grpc}
    with first.up(tmp_path / "first"), collector(tmp_path, text, **addresses) as (_, http):
        fleet(http)

        def complete() -> bool:
            models = [model for name, model in models_of(first).items() if name != "fleet-metrics"]
            return 0 < len(models) < MODELS and {model["outcomes"] for model in models} == {ROWS}

        eventually(complete)
        with second.up(tmp_path / "second"):
            found = eventually(lambda: joined(first) + joined(second), lambda n: n >= MODELS * ROWS)
    assert found == MODELS * ROWS


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

        def told(found: list[dict[str, Any]]) -> bool:
            has_all = sum(one["outcomes"] + one["pending"] for one in found) == 2_000
            return has_all and [sum(OTHER_PROCESSORS in hint for hint in one["hints"]) for one in found] == [1, 1]

        found = eventually(both, told, 120)  # an outcome may overtake its prediction by a minute
    matched = sum(one["outcomes"] for one in found)
    assert 0 < matched < 2_000


def test_in_front_everything_arrives_behind_it(tmp_path: Path) -> None:
    driftline = Driftline()
    tree = yaml.safe_load((CONFIGURATIONS / "in-front.yaml").read_text(encoding="utf-8"))
    with backend() as (url, names), collector(tmp_path, BACKEND=url, DRIFTLINE="127.0.0.1:1") as (grpc, _):
        tree["exporters"]["otlp_grpc/collector"]["endpoint"] = grpc
        with driftline.up(tmp_path, exporters=tree["exporters"]):
            fleet(driftline.http, models=1)
            assert eventually(lambda: joined(driftline), lambda n: n == ROWS) == ROWS
            eventually(lambda: names.count("predict fleet-0"), lambda n: n == ROWS)


class Gateway:
    """Driftline with TLS and tokens, and the gateway of kubernetes/collector.yaml in front of it.

    Attributes:
        driftline: The processor; the token ``token-of-test`` reads its API.
        grpc: The address of the gateway.
        http: The URL of the gateway.
        secrets: A folder with what a service needs: ca.crt, token.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.driftline, (grpc, http, self._health) = folder, Driftline(), free_ports(3)
        self.grpc, self.http = f"127.0.0.1:{grpc}", f"https://127.0.0.1:{http}"
        self._made, self.secrets = folder / "made", folder / "secrets"
        self.secrets.mkdir()
        script = str(CONFIGURATIONS / "make_certificates.sh")
        subprocess.run(["sh", script, str(self._made), "localhost"], check=True)
        shutil.copy(self._made / "ca.crt", self.secrets)
        for path, owner in (
            (self._made / "services", "shop"),
            (self.secrets / "token", "shop"),
            (self._made / "driftline", "collector"),
        ):
            path.write_text(f"token-of-{owner}", encoding="ascii")
        for owner in ("collector", "test"):
            digest = hashlib.sha256(f"token-of-{owner}".encode()).hexdigest()
            (self._made / f"{owner}.sha256").write_text(digest, encoding="ascii")

    @contextmanager
    def running(self) -> Iterator[None]:
        """Run both."""
        (manifest, *_) = yaml.safe_load_all((CONFIGURATIONS / "kubernetes/collector.yaml").read_text(encoding="utf-8"))
        text = manifest["data"]["collector.yaml"]
        for written, here in {
            "0.0.0.0:4317": self.grpc,
            "0.0.0.0:4318": self.http.removeprefix("https://"),
            "0.0.0.0:13133": f"127.0.0.1:{self._health}",
            "driftline.driftline.svc:4317": self.driftline.grpc,
            "/secrets/tls/": f"{self._made}/",
            "/secrets/tokens/": f"{self._made}/",
        }.items():
            assert written in text
            text = text.replace(written, here)
        tls = {"cert_file": str(self._made / "tls.crt"), "key_file": str(self._made / "tls.key")}
        receivers = {"otlp": {"protocols": {"grpc": {"endpoint": self.driftline.grpc, "tls": tls}}}}
        allowed = {"collector": ["ingest", "baselines", "outcomes"], "test": ["read"]}
        tokens = [
            {"name": name, "sha256_file": str(self._made / f"{name}.sha256"), "may": may}
            for name, may in allowed.items()
        ]
        with (
            self.driftline.up(self.folder, receivers=receivers, auth={"tokens": tokens}),
            collector(self.folder, text),
        ):
            yield


def test_an_agent_waits_for_the_gateway_which_sends_with_a_token_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "agent").mkdir()
    gateway = Gateway(tmp_path)
    text = (CONFIGURATIONS / "agent.yaml").read_text(encoding="utf-8")
    variables = {
        "GATEWAY": gateway.grpc,
        "AGENT_SECRETS": str(gateway.secrets),
        "AGENT_HEALTH": f"127.0.0.1:{free_ports(1)[0]}",
    }
    with collector(tmp_path / "agent", text, **variables) as (_, endpoint):
        fleet(endpoint, models=1)  # it has ended before the gateway is there
        with gateway.running():
            assert eventually(lambda: joined(gateway.driftline, "token-of-test"), lambda n: n == ROWS) == ROWS


def test_the_gateway_passes_on_more_records_in_a_second_than_one_request_may_hold(tmp_path: Path) -> None:
    gateway = Gateway(tmp_path)
    context = ssl.create_default_context(cafile=gateway.secrets / "ca.crt")
    headers = {"Content-Type": "application/x-protobuf", "Authorization": "Bearer token-of-shop"}
    said = {a.ML_MODEL_NAME: "large", a.ML_PREDICTION_SCORE: 0.5, f"{a.DRIFTLINE_FEATURE_VALUE}.note": "x" * 2**20}

    def send(row: int) -> int:
        body = logs([record(events.ML_PREDICTION, {**said, a.ML_PREDICTION_ID: str(row)}, time_unix_nano=time_ns())])
        request = urllib.request.Request(f"{gateway.http}/v1/logs", body, headers)
        with urllib.request.urlopen(request, timeout=30, context=context) as answer:
            return int(answer.status)

    n = 2 * MAX_REQUEST // 2**20
    with gateway.running():
        with ThreadPoolExecutor(8) as threads:
            assert set(threads.map(send, range(n))) == {200}

        def rows() -> int:
            return sum(model["rows"] for model in models_of(gateway.driftline, "token-of-test").values())

        assert eventually(rows, lambda found: found == n) == n
