"""Whatever comes in, the process takes no more memory than `limits.memory` says, and goes on."""

from __future__ import annotations

import gzip
import itertools
import json
import os
import random
import re
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import httpx
import numpy as np
import pytest
from driftline.semconv import attributes as a
from driftline.semconv import events
from driftline.semconv import metrics as m
from driftline_processor.memory_ceiling import LEAST_MEMORY
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import AGGREGATION_TEMPORALITY_DELTA

from tests.support.mutations import batch
from tests.support.otlp_requests import FEATURE, SLICE, attributes, logs, record, span, traces
from tests.support.processes import HEADERS, addresses, has_rows, post_predictions, prediction, process
from tests.support.waiting import wait_until

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


_NEW = itertools.count()
"""Numbers for names that no other row has."""

_WIDE = [f"{FEATURE}wide-{number}" for number in range(1_000)]


def _spans(rows: int, things: Callable[[], dict[str, Any]], model: str = "names") -> bytes:
    now = time.time_ns()
    about = {a.ML_MODEL_NAME: model, a.ML_PREDICTION_SCORE: 0.5}
    at = [{"start_time_unix_nano": now + row, "end_time_unix_nano": now + row + 1} for row in range(rows)]
    return traces([span({**about, **things()}, next(_NEW), **times) for times in at], "prod")


def _columns() -> bytes:
    records = []
    for _ in range(50):
        columns: dict[str, Any] = {f"{FEATURE}{next(_NEW)}": np.array([0.5]) for _ in range(1_000)}
        columns |= {a.DRIFTLINE_PREDICTION_TIME_UNIX_NANO: np.array([time.time_ns()])}
        records.append(batch(columns, {}, **{a.DRIFTLINE_BATCH_ID: f"{next(_NEW)}"}))
    return logs(records)


def _points() -> bytes:
    request, now = ExportMetricsServiceRequest(), time.time_ns()
    scope = request.resource_metrics.add().scope_metrics.add()
    scope.scope.attributes.extend(attributes({a.DRIFTLINE_CAPTURE: "metrics"}))
    categories = scope.metrics.add(name=m.DRIFTLINE_FEATURE_CATEGORIES).sum
    categories.aggregation_temporality = AGGREGATION_TEMPORALITY_DELTA
    for _ in range(20_000):
        point = categories.data_points.add(start_time_unix_nano=now - 10**9, time_unix_nano=now, as_int=1)
        named = (a.DRIFTLINE_FEATURE_NAME, a.DRIFTLINE_FEATURE_CATEGORY, a.ML_PREDICTION_CLASS, a.ERROR_TYPE)
        point.attributes.extend(
            attributes({a.ML_MODEL_NAME: "names", **{name: f"{name}-{next(_NEW)}" for name in named}})
        )
    return bytes(request.SerializeToString())


def _outcomes() -> bytes:
    slices = ({f"{SLICE}{next(_NEW) % 900}": "x" for _ in range(4)} for _ in range(8_000))
    about = {a.ML_MODEL_NAME: "names", a.ML_OUTCOME_ACTUAL: 1}
    return logs([record(events.ML_OUTCOME, {**about, a.ML_PREDICTION_ID: f"{next(_NEW)}", **one}) for one in slices])


def _scores() -> bytes:
    long = [[0.5] * 200_000]
    return _spans(5_000, lambda: {a.DRIFTLINE_PREDICTION_SCORES: long.pop() if long else [next(_NEW) / 1e9]}, "scores")


def _names() -> dict[str, tuple[str, int, Callable[[], bytes]]]:
    """Return the requests of each kind: signal, number, and how one is made; every name in them is new."""

    def rows(n: int, key: str, model: str = "names") -> Callable[[], bytes]:
        return lambda: _spans(n, lambda: {f"{key}{next(_NEW)}-{'x' * 60}": 0.5}, model)

    def values(n: int, key: str, text: str = "value-") -> Callable[[], bytes]:
        return lambda: _spans(n, lambda: {key: f"{text}{next(_NEW)}"})

    def wide() -> dict[str, Any]:
        return {random.choice(_WIDE): random.choice([1, 0.5, "text", True])}

    classes = {a.ML_MODEL_TASK: "multiclass"}
    return {
        "features once": ("traces", 10, rows(1_000, FEATURE)),
        "features of many models": ("traces", 10, lambda: rows(1_000, FEATURE, f"names-{next(_NEW)}")()),
        "features of a few rows each": ("traces", 6, lambda: _spans(7_800, wide, "wide")),
        "columns": ("logs", 5, _columns),
        "slices": ("traces", 10, rows(1_000, SLICE)),
        "predicted classes": ("traces", 6, values(5_000, a.ML_PREDICTION_CLASS)),
        "declared classes": (
            "traces",
            10,
            lambda: _spans(
                1, lambda: {**classes, a.DRIFTLINE_MODEL_CLASSES: [f"c{next(_NEW)}" for _ in range(100_000)]}
            ),
        ),
        "scores": ("traces", 2, _scores),
        "errors": ("traces", 6, values(5_000, a.ERROR_TYPE)),
        "outcomes": ("logs", 4, _outcomes),
        "points": ("metrics", 4, _points),
        "versions": ("traces", 6, values(2_000, a.ML_MODEL_VERSION)),
        "environments": (
            "traces",
            6,
            lambda: b"".join(traces([span({a.ML_MODEL_NAME: "names"})], f"e{next(_NEW)}") for _ in range(2_000)),
        ),
        "models": ("traces", 6, values(2_000, a.ML_MODEL_NAME)),
    }


def _rejected(web: str, reason: str) -> float:
    page = httpx.get(f"{web}/metrics", trust_env=False, timeout=60).text
    return sum(float(line.split()[-1]) for line in page.splitlines() if f'reason="{reason}"' in line)


def _events(otlp: str) -> Iterator[int]:
    """Send events of features with other names, and large ones that wait for their response."""
    about = {"ce-specversion": "1.0", "ce-inferenceservicename": "names"}
    kind = "org.kubeflow.serving.inference."
    large = {"instances": [[1]] * 1_000_000}
    for number in range(14):
        rows = large if number % 2 else {"instances": [{f"f{next(_NEW)}": 0.5} for _ in range(1_000)]}
        halves = [("request", rows)] + [("response", {"predictions": [0.5] * 1_000})] * (1 - number % 2)
        for half, body in halves:
            headers = {**about, "ce-id": f"{number}", "ce-type": kind + half}
            url = f"{otlp}/v1/cloudevents"
            yield httpx.post(url, content=json.dumps(body), headers=headers, trust_env=False, timeout=600).status_code


@pytest.mark.skipif(sys.platform != "linux", reason="/proc says how much memory a process takes")
def test_names_and_values_that_a_sender_chooses_take_no_more_memory_than_the_ceiling(tmp_path: Path) -> None:
    random.seed(3)
    peaks: dict[str, int] = {}
    with process(tmp_path, f"limits: {{memory: {CEILING // MIB}MiB}}\n") as child:
        otlp, web = addresses(child)

        def analysed(expected: int) -> bool:
            return _rejected(web, "no_features_or_score") >= expected

        for number, (name, (signal, count, make)) in enumerate(_names().items(), 1):
            for _ in range(count):
                answer = httpx.post(
                    f"{otlp}/v1/{signal}", content=make(), headers=HEADERS, trust_env=False, timeout=600
                )
                assert answer.status_code == 200
            last = logs([record(events.ML_PREDICTION, {a.ML_MODEL_NAME: "names", SLICE + "last": f"{number}"})])
            httpx.post(f"{otlp}/v1/logs", content=last, headers=HEADERS, trust_env=False, timeout=60)
            wait_until(partial(analysed, number))  # the log is read in order
            peaks[name] = high_water(child) // MIB
            assert peaks[name] < CEILING // MIB, peaks
        assert set(_events(otlp)) == {200, 202}
        peaks["events"] = high_water(child) // MIB
        assert peaks["events"] < CEILING // MIB, peaks
        problems = httpx.get(f"{web}/readyz", trust_env=False).json()["problems"]
        [limits] = [problem["message"] for problem in problems if problem["name"] == "limits"]
        assert "names has more than 1,024 features" in limits


CONTAINER = CEILING + 512 * MIB
"""Bytes of the container in compose.yaml; every installation gets 512 MiB more than `limits.memory`."""

GROUPS = Path("/sys/fs/cgroup")


@contextmanager
def container() -> Iterator[Path]:
    """Make a control group with the memory of the container and no swap; skip if this machine does not allow it."""
    first = (GROUPS / "memory" / "memory.limit_in_bytes").exists()  # version 1 of control groups
    group = (GROUPS / "memory" if first else GROUPS) / f"driftline-test-{os.getpid()}"
    limits = {"memory.limit_in_bytes": CONTAINER, "memory.memsw.limit_in_bytes": CONTAINER}
    with ExitStack() as made:
        try:
            if not first:
                (GROUPS / "cgroup.subtree_control").write_text("+memory")
                limits = {"memory.max": CONTAINER, "memory.swap.max": 0}
            group.mkdir()
            made.callback(group.rmdir)
            for name, limit in limits.items():
                if "sw" not in name or (group / name).exists():  # a kernel may not count swap
                    (group / name).write_text(str(limit))
        except OSError as error:
            pytest.skip(f"no control group can limit the memory of a process here: {error}")
        yield group


def killed(group: Path) -> int:
    """Return how often the kernel killed a process of the group for its memory."""
    (events,) = (one for one in (group / "memory.oom_control", group / "memory.events") if one.exists())
    return int(re.findall(r"^oom_kill (\d+)", events.read_text(), re.MULTILINE)[0])


def test_a_flood_of_names_does_not_end_the_container_and_a_killed_one_continues(tmp_path: Path) -> None:
    more = f"limits: {{memory: {CEILING // MIB}MiB}}\nstorage: {{directory: {tmp_path / 'state'}}}\n"
    _, requests, make = _names()["features once"]
    made = [make() for _ in range(4 * requests)]  # beforehand: requests that arrive together are one block

    def fill(otlp: str) -> None:
        with httpx.Client(trust_env=False, timeout=600) as client:
            for _ in range(requests):
                answer = client.post(f"{otlp}/v1/traces", content=made.pop(), headers=HEADERS)
                assert answer.status_code == 200

    with container() as group:
        for rows in (0, 20_000):
            with process(tmp_path, more) as child:
                (group / "cgroup.procs").write_text(str(child.pid))
                otlp, web = addresses(child)
                assert has_rows(web, rows)  # what waits in the log is read by the next start
                fill(otlp)
                assert has_rows(web, rows + 10_000)
                assert "names has more than 1,024 features" in httpx.get(f"{web}/readyz", trust_env=False).text
                fill(otlp)
                assert (child.poll(), killed(group)) == (None, 0)
