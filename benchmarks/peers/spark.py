"""What a prediction and an outcome cost on Spark, beside a job that only passes the same messages to Python.

    python -m benchmarks.peers.spark [ROWS]

CPU time of the virtual machine and its Python workers, of micro-batches after the first ones, which compile: messages
of columnar records (500 predictions of 20 features), of spans (500), and of outcomes (500) of any of the predictions
before; and of the tenth micro-batch, which merges the files of the nine before. The messages are in Parquet files, as
in a topic; panes are sent to a server that drops them. The last lines are the clock of the columnar batch with two
workers on two cores, and with one on one core.

Promised: 50,000 predictions and 50,000 outcomes per CPU-second, two workers 1.7 times one.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from driftline_processor.config.model import Model
from driftline_processor.spark.models import FoldedModel
from driftline_processor.spark.session import open_session
from driftline_processor.spark.settings import StreamSettings
from driftline_processor.spark.stream import Job

from tests.support import scored_topics

ROWS, TOGETHER, FEATURES = 1_000_000, 500, tuple(f"number_{index}" for index in range(20))
START = 1_795_564_800 * 10**9


class Dropping(BaseHTTPRequestHandler):
    """Answers that every pane is stored."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        answer = {"accepted": 1, "replaced": 0, "unchanged": 0, "superseded": 0, "refused": []}
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Print nothing."""


def cpu_of_children() -> float:
    """Return the CPU seconds of all processes below this one, also of those that have ended."""
    children: dict[int, list[int]] = {}
    seconds: dict[int, float] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                fields = Path(f"/proc/{entry}/stat").read_text().rpartition(") ")[2].split()
            except OSError:
                continue
            children.setdefault(int(fields[1]), []).append(int(entry))
            seconds[int(entry)] = sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
    total, waiting = 0.0, children.get(os.getpid(), [])
    while waiting:
        process = waiting.pop()
        total += seconds.get(process, 0.0)
        waiting += children.get(process, [])
    return total


def count(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Return the number of messages: the reference."""
    yield pa.RecordBatch.from_pydict({"n": [sum(len(batch) for batch in batches)]})


class Run:
    """A session and a job in a folder."""

    def __init__(self, folder: Path, workers: int, endpoint: str) -> None:
        self.folder = folder
        settings = {
            "spark.driver.memory": "3g",
            "spark.driver.extraJavaOptions": "-XX:+UseParallelGC",  # as docs/deploy/spark.md advises
            "spark.sql.files.maxPartitionBytes": "16m",
        }
        self.spark = open_session("benchmark", f"local[{workers}]", settings)
        os.environ["DRIFTLINE_ENDPOINT"] = endpoint
        frame = scored_topics.scored(20_000, START, 1, 0)
        baseline = scored_topics.baseline_of(frame)
        model = FoldedModel.of(baseline, Model(windows=("1h",)), "1h")
        signals: Any = {"spans": "traces", "logs": "logs"}
        self.job = Job(
            self.spark, {"churn": model}, StreamSettings(str(folder / "work"), signals=signals), lambda _: None
        )
        self.epoch = 0

    def batch(self, name: str, spans: list[bytes], logs: list[bytes]) -> Any:
        """Return messages as a table of Spark."""
        now = datetime.now(UTC)
        topics = ["spans"] * len(spans) + ["logs"] * len(logs)
        times = pa.array([now] * len(topics), pa.timestamp("us", "UTC"))
        table = pa.table({"topic": topics, "value": pa.array(spans + logs, pa.binary()), "timestamp": times})
        (self.folder / name).mkdir()
        for part in range(8):
            first = part * len(table) // 8
            pq.write_table(
                table.slice(first, (part + 1) * len(table) // 8 - first), self.folder / name / f"{part}.parquet"
            )
        return self.spark.read.parquet(str(self.folder / name))

    def seconds(self, batch: Any) -> tuple[float, float]:
        """Return CPU and clock seconds of an epoch."""
        self.epoch += 1
        cpu, clock = cpu_of_children(), time.perf_counter()
        self.job.run_epoch(batch, self.epoch)
        return cpu_of_children() - cpu, time.perf_counter() - clock

    def reference(self, batch: Any) -> float:
        """Return CPU seconds of passing the messages to Python."""
        cpu = cpu_of_children()
        batch.mapInArrow(count, "n bigint").collect()
        return cpu_of_children() - cpu


def measure(rows: int, workers: int) -> float:
    """Measure with some workers, each on a core of its own; return the clock seconds of the columnar batch."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:workers])
    scored_topics.FEATURES = FEATURES  # type: ignore[assignment]
    server = ThreadingHTTPServer(("127.0.0.1", 0), Dropping)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    frame = scored_topics.scored(rows, START, 6, 1)
    few = scored_topics.scored(rows // 5, START, 6, 2)
    known = START + 7 * scored_topics.HOUR
    with tempfile.TemporaryDirectory() as folder:
        run = Run(Path(folder), workers, f"http://127.0.0.1:{server.server_port}")
        warm = run.batch("warm", [], scored_topics.columnar_messages(few, TOGETHER))
        told = run.batch("warm-outcomes", [], scored_topics.outcome_messages(few["id"], few["y"], known, TOGETHER))
        for batch in (warm, told, warm):
            run.seconds(batch)
        batches = {"columnar predictions": (run.batch("a", [], scored_topics.columnar_messages(frame, TOGETHER)), rows)}
        if workers > 1:
            outcomes = scored_topics.outcome_messages(frame["id"], frame["y"], known, TOGETHER)
            batches["outcomes"] = (run.batch("b", [], outcomes), rows)
            batches["spans"] = (run.batch("c", scored_topics.span_messages(few, TOGETHER), []), rows // 5)
        clock = 0.0
        for name, (batch, n) in batches.items():
            passed = run.reference(batch)
            cpu, seconds = run.seconds(batch)
            clock = clock or seconds
            print(
                f"{name:<22}{n / cpu:>10,.0f} per CPU-second  {cpu / passed:>6.1f} x passing the messages", flush=True
            )
        if workers > 1:
            nothing = run.batch("d", [], [b""])
            idle = min(run.seconds(nothing)[0] for _ in range(3))
            run.epoch = 9
            merging = run.seconds(nothing)[0] - idle
            kept = rows * 2 + rows // 5 * 4
            print(f"merging small files   {kept / merging:>10,.0f} per CPU-second; an empty batch takes {idle:.1f}")
        run.spark.stop()
    return clock


def main(rows: int) -> int:
    """Measure; return 1 if two workers are not 1.7 times as fast as one."""
    context = multiprocessing.get_context("fork")  # a virtual machine of its own for each
    clocks = []
    for workers in (2, 1):
        with context.Pool(1) as pool:
            print(f"{workers} workers:" if workers > 1 else "1 worker:", flush=True)
            clocks.append(pool.apply(measure, (rows, workers)))
    speedup = clocks[1] / clocks[0]
    print(f"two workers are {speedup:.2f} times as fast as one")
    return int(speedup < 1.7)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else ROWS))
