"""What joining outcomes costs, by how many predictions are stored, against bare DuckDB over the same file.

    python -m benchmarks.bench_join [MILLIONS OF PREDICTIONS ...]

Without arguments 1 and 10; 100 takes half an hour and 8 GB of disk. The predictions are of 30 days, a million outcomes
of one stretch of them ("a day"), or of all of them at random ("a month"), which come in any order. CPU time of the
whole process, panes and fsync included, evaluation not. The references: a hash join of the same outcomes with all
predictions on the id, and a scan of all ids.

Promised: 100,000 outcomes per CPU-second, whatever is stored, where outcomes carry the time of their prediction.
"""

from __future__ import annotations

import json
import resource
import shutil
import subprocess
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

import pyarrow as pa
from driftline.tables.task import Task
from driftline_processor.config.schema import Config, Storage
from driftline_processor.state import State
from driftline_processor.store.arrow_tables import numbers_of_ids
from driftline_processor.store.database import Connection, Store, insert, read, set_mark

from benchmarks.stopwatch import cpu_seconds

OUTCOMES = 1_000_000
AT_ONCE = 1_000_000
DAY = 86_400 * 10**9
FIRST = 1_800_000_000 * 10**9

_MADE = "lpad(to_hex(time // 1000000), 12, '0')"
_NOISE = "lpad(to_hex(hash(i)), 16, '0')"
IDS = {
    "UUIDv7": f"{_MADE}[1:8] || '-' || {_MADE}[9:12] || '-7' || {_NOISE}[1:3] || '-8' || {_NOISE}[4:6] || '-' ||"
    f" {_NOISE}[5:16]",
    "random": f"{_NOISE} || lpad(to_hex(hash(i + 1000000007)), 16, '0')",
}


def fill(directory: Path, predictions: int, kind: str) -> None:
    """Store predictions of one model, spread evenly over 30 days, as if they had come in order."""
    store = Store(directory)
    connection = store.connect()
    step = 30 * DAY // predictions
    for first in range(0, predictions, AT_ONCE):
        rows = read(
            connection,
            f"SELECT i + 1 AS seq, 1::INTEGER AS series, {IDS[kind]} AS id, time,"
            " (hash(i) % 1000000) / 1e6 AS score, (hash(i) % 2)::VARCHAR AS predicted, time + 1000000000 AS received,"
            f" hash(i + 7) AS fingerprint FROM (SELECT i, {FIRST} + i * {step} AS time FROM range(?, ?) r(i))",
            *(first, min(first + AT_ONCE, predictions)),
        )
        insert(connection, "predictions", rows.append_column("request", pa.array(numbers_of_ids(rows["id"]))))
    task = asdict(Task("binary", ("0", "1"), "1"))
    said = json.dumps({"task": task, "declared": True, "sent": task})
    connection.execute("INSERT INTO series VALUES (1, 1, '', 'churn', '1', ?)", [said])
    set_mark(connection, "joined_predictions", predictions)
    connection.close()
    store.close()


def tell(connection: Connection, predictions: int, spread: bool, named: bool) -> None:
    """Store outcomes of a stretch in the middle, or of predictions all over."""
    few = min(OUTCOMES, predictions // 2)
    first = predictions // 3
    which = f"hash(seq) % {predictions} < {few}" if spread else f"seq > {first} AND seq <= {first + few}"
    connection.execute(
        "INSERT INTO outcomes BY NAME SELECT row_number() OVER () AS seq,"
        f" 'churn' AS model, id, (hash(seq * 3) % 2)::DOUBLE AS number, {FIRST + 31 * DAY} AS time,"
        f" {'time' if named else '0'} AS prediction_time, {FIRST + 31 * DAY} AS received"
        f" FROM (SELECT seq, id, time FROM predictions WHERE {which} ORDER BY hash(seq))"
    )


def measure(directory: Path, predictions: int, spread: bool, named: bool, label: str) -> None:
    """Join outcomes that no one has joined, and print what it took."""
    store = Store(directory)
    connection = store.connect()
    for table in ("outcomes", "joined", "panes", "waiting"):
        connection.execute(f"DELETE FROM {table}")
    set_mark(connection, "joined_outcomes", 0)
    tell(connection, predictions, spread, named)
    connection.execute("CHECKPOINT")
    bare = "SELECT count(*), sum(p.score), sum(o.number) FROM predictions p JOIN outcomes o ON p.id = o.id"
    reference = cpu_seconds(lambda: connection.execute(bare).fetchall())
    scan = cpu_seconds(lambda: connection.execute("SELECT bit_xor(hash(id)) FROM predictions").fetchall())
    connection.close()
    store.close()

    join = [sys.executable, "-m", "benchmarks.bench_join", "--join", str(directory)]
    told, seconds, before, peak = json.loads(subprocess.run(join, check=True, capture_output=True).stdout)
    print(
        f"{predictions / 1e6:5.0f}M {label:32} {told / seconds:9,.0f} outcomes per CPU-second;"
        f" bare hash join {told / reference:9,.0f} ({seconds / reference:5.2f}x), bare scan of ids {scan:5.2f} s"
        f" ({seconds / scan:5.2f}x); memory {before:,.0f} MiB, at most {peak:,.0f}",
        flush=True,
    )


def join(directory: Path) -> None:
    """Join all outcomes, in a process of its own, and print how many, CPU seconds, and memory before and at most."""
    state = State(Config(storage=Storage(directory=directory)), clock=lambda: FIRST + 31 * DAY)
    before = peak()
    seconds = cpu_seconds(state.join_now)
    joined, told = state.publish().models[0].outcomes, state.read("SELECT count(*) FROM outcomes").column(0)[0].as_py()
    assert joined == told, (joined, told)
    print(json.dumps([told, seconds, before, peak()]))


def peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main(millions: list[int]) -> None:
    for size in millions:
        for kind in IDS:
            directory = Path(tempfile.mkdtemp(prefix="driftline-bench-"))
            fill(directory, size * 10**6, kind)
            for spread in (False, True):
                of = "of a month" if spread else "of a day"
                measure(directory, size * 10**6, spread, False, f"{kind} ids, {of}")
                if kind == "random":
                    measure(directory, size * 10**6, spread, True, f"with prediction_time, {of}")
            shutil.rmtree(directory)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--join"]:
        join(Path(sys.argv[2]))
        sys.exit()
    main([int(argument) for argument in sys.argv[1:]] or [1, 10])
