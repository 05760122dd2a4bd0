"""A processor under load for minutes, killed at random, with a destination that comes and goes, and one that is away.

    python -m tests.support.soak MINUTES [FOLDER]

In the first half of the time the process is killed again and again; in the second half it runs on, and its memory is
watched. One destination is away all the time and comes at the end. Then every acknowledged request counts once, and was
at both destinations at least once.
"""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import duckdb
import httpx
import numpy as np
from driftline.semconv import attributes as a
from driftline.semconv import events
from driftline.tables.column_codec import encode_column, texts
from driftline_processor.receipts import Signal

from .otlp_peers import Peer, http_peer
from .otlp_requests import FEATURE, logs, record, span, traces
from .processes import HEADERS, addresses, process, rows_of_models

ROWS = {"spans": 20, "columns": 500}
"""Rows of one request of each kind."""

OUTCOMES = 20
"""Outcomes of one request: of the last request of spans that was acknowledged."""

PAUSE = 0.05
"""Seconds from one request of a sender to the next."""

KILL_AFTER, AWAY = (0.5, 6.0), (2.0, 20.0)
"""Seconds from the start of a process to its kill, and from one turn of the destination to the next: from, to."""

FEATURES = 20
MOST_GROWTH, GROWTH_OF_ROW = 30.0, 100
"""MB by which memory may grow from the first fifth of the second half to the last, and bytes more for each row between.

Rows of the last hours are known again by keys in memory, and DuckDB keeps blocks. A row of columns that is never let go
would be 200 bytes, a span 1,000.
"""

_TOKEN = re.compile(rb"rq-[sc]-\d{7}")

KEYS = """
exporters:
  otlp_http/peer: {endpoint: 'PEER', forward: [traces, logs, records]}
  otlp_http/absent: {endpoint: 'ABSENT', forward: [traces, logs, records]}
storage: {log: {segment_size: 2MiB, max_size: 8GiB}}
"""


class Destination(Peer):
    """Remembers which requests arrived, and how often."""

    def __init__(self, away: bool = False) -> None:
        super().__init__()
        self.away = away
        self.arrived = Counter[bytes]()

    def answer(self, signal: Signal, body: bytes, headers: Mapping[str, str]) -> str:
        del signal, headers
        if self.away:
            return "retry"
        self.arrived.update(set(_TOKEN.findall(body)))
        return "ok"


class Sender:
    """Sends requests of one kind one after the other, each until it is acknowledged."""

    def __init__(self, soak: Soak, make: Callable[[int], tuple[str, str, bytes]]) -> None:
        self.acknowledged = 0
        self.answers = Counter[str]()
        self.slowest = 0.0
        self._soak, self._make = soak, make
        self._thread = threading.Thread(target=self._run)

    def start(self) -> None:
        self._thread.start()

    def join(self) -> None:
        self._thread.join()

    def _run(self) -> None:
        with httpx.Client(trust_env=False, timeout=30) as client:
            while not self._soak.over:
                path, kind, body = self._make(self.acknowledged)
                while not self._send(client, path, kind, body):
                    time.sleep(PAUSE)
                self.acknowledged += 1
                time.sleep(PAUSE)

    def _send(self, client: httpx.Client, path: str, kind: str, body: bytes) -> bool:
        began = time.monotonic()
        try:
            answer = client.post(f"{self._soak.otlp}{path}", content=body, headers={"content-type": kind})
        except (httpx.TransportError, httpx.UnsupportedProtocol):
            self.answers["no answer"] += 1
            return False
        self.answers[str(answer.status_code)] += 1
        self.slowest = max(self.slowest, time.monotonic() - began)
        assert answer.status_code in (200, 503), answer.content
        return answer.status_code == 200


class Soak:
    """One soak in a folder; :meth:`run` returns its figures, and raises AssertionError where something is wrong."""

    def __init__(self, folder: Path, seconds: float, seed: int = 1) -> None:
        self._folder, self._seconds, self._chance = folder, seconds, random.Random(seed)
        self.otlp, self.over = "", False
        self.kills = 0
        self.memory: list[tuple[float, float, float]] = []
        """Seconds, MB, and rows acknowledged by then."""
        self.largest_log = 0
        self._errors: list[str] = []
        self.destination, self.absent = Destination(), Destination(away=True)
        self.spans, self.columns = Sender(self, self._spans), Sender(self, self._columns)
        self.outcomes = Sender(self, self._outcomes)

    @property
    def rows(self) -> int:
        """Return the rows that were acknowledged."""
        return ROWS["spans"] * self.spans.acknowledged + ROWS["columns"] * self.columns.acknowledged

    def run(self) -> dict[str, float]:
        """Run, check, and return what was counted."""
        senders = (self.spans, self.columns, self.outcomes)
        turning = threading.Thread(target=self._turn)
        with http_peer(self.destination), http_peer(self.absent):
            keys = KEYS.replace("PEER", self.destination.endpoint).replace("ABSENT", self.absent.endpoint)
            for one in (*senders, turning):
                one.start()
            try:
                began = time.monotonic()
                while time.monotonic() - began < self._seconds / 2:
                    self._life_until_killed(keys)
                with self._life(keys) as child:
                    self._watch(child, self._seconds / 2)
                    self.over = True
                    for sender in senders:
                        sender.join()
                    turning.join()
                    figures = self._check(child)
                    child.send_signal(signal.SIGTERM)
                    assert child.wait(120) == 0
            finally:
                self.over = True
                for one in (*senders, turning):
                    one.join()
        self._check_store()
        assert not [line for line in self._errors if "Traceback" in line], self._errors
        return figures

    def _life_until_killed(self, keys: str) -> None:
        with self._life(keys) as child:
            time.sleep(self._chance.uniform(*KILL_AFTER))
            child.send_signal(signal.SIGKILL)
            child.wait(60)
            self.kills += 1

    @contextmanager
    def _life(self, keys: str) -> Iterator[subprocess.Popen[str]]:
        with process(self._folder, keys) as child:
            errors = threading.Thread(target=lambda: self._errors.extend(child.stderr or ()))
            errors.start()
            self.otlp, self.web = addresses(child)
            try:
                yield child
            finally:
                child.kill()
                errors.join()

    def _turn(self) -> None:
        """Let the destination go away and come back."""
        while not self.over:
            time.sleep(min(self._seconds / 8, self._chance.uniform(*AWAY)))
            self.destination.away = not self.destination.away

    def _watch(self, child: subprocess.Popen[str], seconds: float) -> None:
        began = time.monotonic()
        while (at := time.monotonic() - began) < seconds:
            said = Path(f"/proc/{child.pid}/status").read_text()
            taken = int(re.findall(r"VmRSS:\s+(\d+)", said)[0]) / 1024
            self.memory.append((at, taken, self.rows))
            self.largest_log = max(self.largest_log, sum(file.stat().st_size for file in self._logs()))
            time.sleep(min(1.0, seconds / 50))

    def _logs(self) -> list[Path]:
        return list((self._folder / "driftline-data" / "log").glob("*.log"))

    # -- what is sent -------------------------------------------------------------------------------------------------

    def _spans(self, number: int) -> tuple[str, str, bytes]:
        rng = np.random.default_rng(number)
        made = []
        for row in range(ROWS["spans"]):
            said = {a.ML_MODEL_NAME: "rows", a.ML_PREDICTION_ID: f"rq-s-{number:07d}-{row}"}
            features = {f"{FEATURE}x{at}": float(rng.normal()) for at in range(FEATURES)}
            score = {a.ML_PREDICTION_SCORE: float(rng.random())}
            made.append(span({**said, **score, **features}, row, start_time_unix_nano=time.time_ns()))
        return "/v1/traces", HEADERS["content-type"], traces(made, "prod")

    def _columns(self, number: int) -> tuple[str, str, bytes]:
        rng, rows = np.random.default_rng(number), ROWS["columns"]
        columns = {
            a.ML_PREDICTION_ID: encode_column(texts([f"rq-c-{number:07d}-{row}" for row in range(rows)])),
            a.DRIFTLINE_PREDICTION_TIME_UNIX_NANO: encode_column(np.full(rows, time.time_ns())),
            a.ML_PREDICTION_SCORE: encode_column(rng.random(rows)),
            **{f"{FEATURE}x{at}": encode_column(rng.normal(size=rows)) for at in range(FEATURES)},
        }
        said = {a.ML_MODEL_NAME: "columns", a.DRIFTLINE_BATCH_ID: f"rq-c-{number:07d}", a.ML_PREDICTION_COUNT: rows}
        made = record(events.DRIFTLINE_PREDICTION_BATCH, {**said, a.DRIFTLINE_PREDICTION_COLUMNS: columns})
        return "/v1/logs", HEADERS["content-type"], logs([made], "prod")

    def _outcomes(self, number: int) -> tuple[str, str, bytes]:
        del number
        last = max(0, self.spans.acknowledged - 1)
        lines = "".join(f"rq-s-{last:07d}-{row},{row % 2}\n" for row in range(min(OUTCOMES, ROWS["spans"])))
        return "/v1/outcomes?model=rows&environment=prod", "text/csv", f"id,actual\n{lines}".encode()

    # -- what must hold -----------------------------------------------------------------------------------------------

    def _check(self, child: subprocess.Popen[str]) -> dict[str, float]:
        expected = self.rows
        sent = {b"rq-s-%07d" % number for number in range(self.spans.acknowledged)}
        sent |= {b"rq-c-%07d" % number for number in range(self.columns.acknowledged)}
        waiting = len(sent - set(self.absent.arrived))
        self.destination.away = self.absent.away = False
        began = time.monotonic()
        _until(lambda: set(self.destination.arrived) >= sent and set(self.absent.arrived) >= sent)
        caught_up = time.monotonic() - began
        _until(lambda: rows_of_models(self.web) >= expected)
        time.sleep(2.5)
        assert rows_of_models(self.web) == expected, (rows_of_models(self.web), expected)
        _until(lambda: len(self._logs()) <= 2)  # the one that is written, and one that is going
        page = httpx.get(f"{self.web}/metrics", trust_env=False).text
        for metric in ("driftline_log_damaged_bytes_total", "driftline_forward_dropped_requests_total"):
            assert metric not in page, metric
        refused = re.findall(r'driftline_rejected_rows_total\{.*reason="(not_stored|not_decoded)"', page)
        assert not refused, refused
        fifth = max(1, len(self.memory) // 5)
        after = np.array(self.memory[fifth:])  # without its warming up
        (_, first, before), (_, last, behind) = (np.median(part, axis=0) for part in (after[:fifth], after[-fifth:]))
        most = MOST_GROWTH + GROWTH_OF_ROW * (behind - before) / 2**20
        grown = f"memory grew from {first:.0f} to {last:.0f} MB, by {most:.0f} at most for {behind - before:,.0f} rows"
        assert last - first < most, grown
        of_row = (last - first) * 2**20 / max(1.0, behind - before)
        used = os.sysconf("SC_CLK_TCK")
        spent = sum(map(int, Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2].split()[11:13])) / used
        senders = (self.spans, self.columns, self.outcomes)
        return {
            "kills": self.kills,
            "requests acknowledged": sum(sender.acknowledged for sender in senders),
            "answered 503": sum(sender.answers["503"] for sender in senders),
            "without an answer": sum(sender.answers["no answer"] for sender in senders),
            "slowest answer, s": round(max(sender.slowest for sender in senders), 2),
            "rows counted": expected,
            "rows lost or counted twice": 0,
            "requests for the destination": len(sent),
            "of them twice or more there": sum(self.destination.arrived[one] > 1 for one in sent),
            "waiting for the absent one": waiting,
            "it had all of them after, s": round(caught_up, 1),
            "largest log, MiB": round(self.largest_log / 2**20, 1),
            "memory at first, MB": round(first),
            "memory at last, MB": round(last),
            "memory, bytes a row between": round(of_row),
            "CPU of the last process, s": round(spent, 1),
        }

    def _check_store(self) -> None:
        """Count the rows in the file."""
        with duckdb.connect(str(self._folder / "driftline-data" / "driftline.duckdb"), read_only=True) as connection:
            rows, ids = connection.execute("SELECT count(*), count(DISTINCT id) FROM predictions").fetchall()[0]
            joined = connection.execute("SELECT count(*), count(DISTINCT prediction) FROM joined").fetchall()[0]
        assert (rows, ids) == (self.rows, self.rows)
        assert joined[0] == joined[1] > 0, joined


def _until(condition: Callable[[], bool], seconds: float = 600.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it does not come to its end"
        time.sleep(0.2)


def main() -> None:
    """Run for so many minutes and print the figures."""
    minutes = float(sys.argv[1]) if len(sys.argv) > 1 else 1.0
    with tempfile.TemporaryDirectory() as folder:
        figures = Soak(Path(sys.argv[2]) if len(sys.argv) > 2 else Path(folder), 60 * minutes).run()
    print(f"{minutes:g} minutes:")
    for name, value in figures.items():
        print(f"  {name:32} {value:,}")


if __name__ == "__main__":
    main()
