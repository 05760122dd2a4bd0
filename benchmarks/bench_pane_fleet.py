"""What many models cost whose rows come as panes of a batch job, in cores and in lag, in real time.

    python -m benchmarks.bench_pane_fleet [MODELS [SECONDS [FEATURES]]]

Every model has a baseline and windows of three lengths, and its pane of the last five minutes comes by `POST /v1/panes`
every five minutes, evenly spread over all models. Printed are the CPU of the first evaluation of all models and that of
a second one with a new pane, and then the CPU per model and hour, in cores, and for each length how long the evaluation
was overdue at most, sampled each second. The reference is a bare server that receives the same bytes and answers. On a
machine that others use, the CPU holds; the lag does only if the process gets the cores that it needs.
"""

from __future__ import annotations

import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import cycle, islice
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from driftline.baseline.baseline import Baseline
from driftline.batch_panes import MadePanes, make_panes
from driftline_processor.config.schema import Config
from driftline_processor.core.evaluation import Evaluation
from driftline_processor.evaluation.evaluation_store import EvaluationStore
from driftline_processor.evaluation.window_queue import SECOND
from driftline_processor.service import Service
from driftline_processor.state import State

from .bench_forward import bare, cpu, serving
from .bench_panes import rows

MODELS, SECONDS, FEATURES = 100, 60, 20
LENGTHS = ("1h", "6h", "1d")

PANE, A_PANE, REFERENCE, TEMPLATES = 300, 500, 5_000, 8
"""Seconds of a pane and between two of a model, its rows, rows of the baseline, and different panes."""

REFERENCE_REQUESTS = 300


class Lags:
    """The longest lags by length, sampled each second."""

    def __init__(self, state: State) -> None:
        self._state, self._over, self.longest = state, threading.Event(), Counter[str]()
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self._thread.start()

    def _sample(self) -> None:
        while not self._over.wait(1.0):
            lags = self._state.parts.evaluator.waiting.lags(time.time_ns())
            for name, lag in lags.items():
                self.longest[name] = max(self.longest[name], lag)

    def stop(self) -> None:
        self._over.set()
        self._thread.join()


def ours(pipe: Connection, baseline: str, models: int) -> None:
    """Serve as ``driftline up`` does. Each question is answered with the CPU so far, and prints what was evaluated."""
    with tempfile.TemporaryDirectory() as folder:
        keys: dict[str, Any] = {
            "receivers": {"otlp": {"protocols": {"http": {"endpoint": "127.0.0.1:0"}}}},
            "web": {"endpoint": "127.0.0.1:0"},
            "storage": {"directory": Path(folder)},
            "models": {name: {"windows": list(LENGTHS), "baseline": baseline} for name in names(models)},
        }
        service, evaluated = Service(Config(**keys)), Counter[str]()
        put = EvaluationStore.put

        def counted(store: EvaluationStore, series: int, evaluation: Evaluation) -> bool:
            evaluated[evaluation.window.name] += 1
            return put(store, series, evaluation)

        EvaluationStore.put = counted  # type: ignore[method-assign, assignment]
        service.start()
        state = service._state
        assert state is not None
        lags = Lags(state)
        pipe.send((str(service.addresses["web"]), str(service.addresses["http"])))
        while asked := pipe.recv():
            if asked == "evaluated":
                until = time.monotonic() + 900
                while (evaluated.total() < models * len(LENGTHS) or state.parts.evaluator.waiting.backlog.windows) and (
                    time.monotonic() < until
                ):
                    time.sleep(0.2)
            if asked == "lags":
                print(f"  evaluated windows: {', '.join(f'{evaluated[name]:,} of {name}' for name in LENGTHS)}")
                late = ", ".join(f"{name} {lags.longest[name] / SECOND:.0f} s" for name in LENGTHS)
                print(f"  overdue at most: {late}", flush=True)
            evaluated.clear()
            lags.longest.clear()
            pipe.send(time.process_time())
        lags.stop()
        service.stop()


def names(models: int) -> list[str]:
    return [f"m{number}" for number in range(models)]


def templates(baseline: Baseline, features: int) -> list[MadePanes]:
    """Return panes of five minutes to send again with other names and times."""
    made = []
    for seed in range(TEMPLATES):
        columns = rows(A_PANE, A_PANE, features, seed + 10)
        time_of = np.full(A_PANE, 1_800_000_000 * SECOND, np.int64)
        sent = {name: columns[name] for name in (*(f"f{index}" for index in range(features)), "score", "actual")}
        made.append(make_panes(sent, baseline, time=time_of, span="5m"))
    return made


def bodies(made: list[MadePanes], models: int) -> Iterator[bytes]:
    """Yield the requests of all models, one after the other: two earlier panes, and then the last finished one."""
    for number, (name, template) in enumerate(zip(cycle(names(models)), cycle(made), strict=False)):
        start = (int(time.time()) // PANE - max(1, 3 - number // models)) * PANE * SECOND
        panes = replace(template, model=name, panes=[pane._replace(start=start) for pane in template.panes])
        for _, body in panes.requests("bench", number // models):
            yield body


def post(client: httpx.Client, address: str, body: bytes) -> float:
    began = time.perf_counter()
    answer = client.post(f"http://{address}/v1/panes", content=body, headers={"content-type": "application/json"})
    answer.raise_for_status()
    return time.perf_counter() - began


def reference(made: list[MadePanes], models: int) -> float:
    """Return the CPU seconds of a request to a server that only receives it."""
    with serving(bare) as (pipe, _, address), httpx.Client(trust_env=False, timeout=120) as client:
        before = cpu(pipe)
        for body in islice(bodies(made, models), REFERENCE_REQUESTS):
            post(client, address, body)
        return (cpu(pipe) - before) / REFERENCE_REQUESTS


def asked_cpu(pipe: Connection, question: object) -> float:
    pipe.send(question)
    return float(pipe.recv())


def main(arguments: list[str] | None = None) -> None:
    asked = [int(one) for one in (sys.argv[1:] if arguments is None else arguments)]
    models, seconds, features = (*asked, *(MODELS, SECONDS, FEATURES)[len(asked) :])
    learned = rows(REFERENCE, 1, features, 1)
    columns = [f"f{index}" for index in range(features)]
    baseline = Baseline.from_frame(learned, model="m", score="score", actual="actual", task="binary", features=columns)
    made = templates(baseline, features)
    print(f"{models:,} models x {', '.join(LENGTHS)}, a pane of {A_PANE} rows and {features} features per {PANE} s")
    received = reference(made, models)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "baseline.json"
        baseline.save(file)
        with (
            serving(ours, str(file), models) as (pipe, _, address),
            httpx.Client(trust_env=False, timeout=120) as client,
        ):
            requests, took = bodies(made, models), list[float]()
            for what in ("first", "second"):
                before = cpu(pipe)
                for body in islice(requests, models):
                    post(client, address, body)
                used = (asked_cpu(pipe, "evaluated") - before) / models
                print(f"  {what} pane and evaluation of a model: {used * 1e3:.1f} ms of CPU", flush=True)
            before, began = cpu(pipe), time.monotonic()
            for number, body in enumerate(requests):
                due = began + min(seconds, number * PANE / models)
                time.sleep(max(0.0, due - time.monotonic()))
                if due >= began + seconds:
                    break
                took.append(post(client, address, body))
            passed = time.monotonic() - began
            used = asked_cpu(pipe, "lags") - before
    per_hour, request = used / models / passed * 3_600, used / len(took)
    print(f"  {used / passed:.2f} cores over {passed:.0f} s, {per_hour:.2f} CPU-seconds per model and hour")
    print(
        f"  a pane with its evaluations {request * 1e3:.1f} ms of CPU, {request / received:.0f} times a bare server"
        f" ({received * 1e3:.2f} ms); a request takes {np.median(took) * 1e3:.0f} ms, p99"
        f" {np.quantile(took, 0.99) * 1e3:.0f} ms"
    )


if __name__ == "__main__":
    main()
