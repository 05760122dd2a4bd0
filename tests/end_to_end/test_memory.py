"""Whatever comes in, the process takes no more memory than `limits.memory` says, and goes on."""

from __future__ import annotations

import gzip
import json
import re
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import grpc
import httpx
import pytest
from driftline.semconv import attributes as a
from driftline_processor.memory_ceiling import LEAST_MEMORY

from tests.support.otlp_requests import FEATURE, span, traces
from tests.support.processes import HEADERS, post_predictions, prediction, process

pytestmark = pytest.mark.heavy

MIB = 1 << 20
CEILING = LEAST_MEMORY
"""Bytes: the less there is, the more of it a flood would need."""

SENDERS, TIMES = 8, 2
EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"


def high_water(child: subprocess.Popen[str]) -> int:
    """Return the most bytes that the process ever had in memory."""
    said = Path(f"/proc/{child.pid}/status").read_text()
    return int(re.findall(r"VmHWM:\s+(\d+)", said)[0]) * 1024


def many_spans(size: int) -> bytes:
    """Return a request of about so many bytes: one span again and again, under another name than ours."""
    features = {f"{FEATURE}x{at}": at + 0.5 for at in range(20)}
    one = traces([span({a.ML_MODEL_NAME: "flood", a.ML_PREDICTION_SCORE: 0.5, **features}, 1)], "prod")
    return one * (size // len(one))


def flood(send: Callable[[int], object]) -> Counter[object]:
    """Send at once from many threads, again and again; return the answers."""
    answers: Counter[object] = Counter()

    def run() -> None:
        for turn in range(TIMES):
            try:
                answers[send(turn)] += 1
            except (httpx.TransportError, grpc.RpcError) as error:
                answers[type(error).__name__] += 1

    threads = [threading.Thread(target=run) for _ in range(SENDERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


@pytest.mark.skipif(sys.platform != "linux", reason="/proc says how much memory a process takes")
def test_no_flood_takes_more_memory_than_the_ceiling(tmp_path: Path) -> None:
    limits = f"limits: {{memory: {CEILING // MIB}MiB}}\n"
    spans, empty = many_spans(10 * MIB), bytes.fromhex("0a0412020a00") * 80_000
    bomb, zeros = gzip.compress(many_spans(19 * MIB), 1), gzip.compress(bytes(100 * MIB), 1)
    rows = [{"id": str(row), "actual": 1} for row in range(150_000)]
    outcomes = json.dumps({"model": "flood", "outcomes": rows}).encode()
    table = "id,actual\n" + "".join(f"{row:030d},1\n" for row in range(900_000))
    one = {"name": "x", "attributes": [{"key": a.ML_MODEL_NAME, "value": {"stringValue": "flood"}}]}
    otlp_json = json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [one] * 40_000}]}]}).encode()
    with process(tmp_path, limits) as child, ExitStack() as opened:
        assert child.stdout is not None
        first = child.stdout.readline()
        over_grpc, over_http = re.findall(r"127\.0\.0\.1:\d+", first)
        web = child.stdout.readline().split()[-1]
        otlp = f"http://{over_http}"
        client = opened.enter_context(httpx.Client(trust_env=False, timeout=600))

        def post(url: str, body: bytes, kind: str = HEADERS["content-type"], **more: str) -> int:
            return client.post(url, content=body, headers={"content-type": kind, **more}).status_code

        def call(_: int) -> int:
            with grpc.insecure_channel(over_grpc, [("grpc.use_local_subchannel_pool", 1)]) as channel:
                channel.unary_unary(EXPORT)(spans, timeout=60)
            return 200

        packed = {"content-encoding": "gzip"}
        peaks: dict[str, int] = {}
        floods: dict[str, Callable[[int], int]] = {
            "spans": lambda turn: post(f"{otlp}/v1/traces", spans + b"\x0a\x00" * turn),
            "empty messages": lambda turn: post(f"{otlp}/v1/traces", empty + b"\x0a\x00" * turn),
            "calls": call,
            "bombs": lambda turn: post(f"{otlp}/v1/traces", (bomb, zeros)[turn % 2], **packed),
            "json": lambda _: post(f"{otlp}/v1/traces", otlp_json, "application/json"),
            "outcomes": lambda _: post(f"{web}/v1/outcomes", outcomes, "application/json"),
            "tables": lambda _: post(f"{web}/v1/outcomes?model=flood", table.encode(), "text/csv"),
        }
        for name, send in floods.items():
            came = flood(send)
            peaks[name] = high_water(child) // MIB
            assert peaks[name] < CEILING // MIB, (peaks, came)
            assert set(came) <= {200, 413, 503, "_InactiveRpcError"}, (name, came)
        assert post_predictions(otlp, prediction("after", "the flood"))
