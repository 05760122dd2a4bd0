"""What a rolling view of 30 days costs for a model with 100 features of 100 bins, from roll-ups in the store.

    python -m benchmarks.bench_view [ROWS]

A month of panes lies in the store as it would there: two weeks of five minutes, the rest hours (ROWS of them for each
pane of five minutes, 30 unless said). CPU time of the whole process, DuckDB's threads included: the reference of a
window as the evaluation reads it, the comparison with it, and the page. The reference in the same run: numpy adding
30 × 100 × 100 numbers. Promised: read and compared in 50 ms.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from driftline.baseline.baseline import Baseline
from driftline.baseline.from_frame import table_from_frame
from driftline.panes.fold import fold
from driftline.panes.pane import Pane
from driftline.tables.table import ModelKey
from driftline_processor.core.evaluation import Evaluation
from driftline_processor.core.judge_window import ModelWindow, judge_window
from driftline_processor.core.reference.reference import Reference
from driftline_processor.core.reference.rolling import Rolling
from driftline_processor.core.windows.window import PANE, Window
from driftline_processor.present.evaluation_json import to_json
from driftline_processor.queries.model_view import ModelView
from driftline_processor.store.database import Connection, Store, insert, read
from driftline_processor.store.pane_memory import PaneMemory
from driftline_processor.store.pane_rows import encode_sums
from driftline_processor.store.reference_panes import RollingReferences
from driftline_processor.store.series import Series
from msgspec.structs import replace
from starlette.testclient import TestClient

from tests.support.fake_view import FakeView, app_of

FEATURES, BINS, DAYS, ROUNDS = 100, 102, 30, 7
DAY = 288 * PANE
TODAY = 20_000 * DAY
PROMISED = 0.050
KEY = ModelKey("wide", "1")


def rows(n: int, seed: int) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    return {f"x{at}": rng.normal(size=n) for at in range(FEATURES)} | {"score": rng.random(n)}


def fill(connection: Connection, fold_name: str, a_pane: int) -> None:
    """Write a month of panes: two weeks of five minutes, hours before."""
    for panes, span, first in ((14 * 288, PANE, TODAY - 14 * DAY), (16 * 24, 12 * PANE, TODAY - 30 * DAY)):
        held = a_pane * span / PANE
        times = f"{first} + p.range * {span}"
        features = read(
            connection,
            f"SELECT '{fold_name}' AS fold, {times} AS pane, {span} AS span, 'feature:x' || f.range AS part,"
            f" i.range::INTEGER AS idx, w::DOUBLE AS value FROM"
            f" range({panes}) p, range({FEATURES}) f, range({BINS}) i,"
            f" LATERAL (SELECT floor({held / BINS} + random() + hash(p.range, i.range) % 2 - 0.5) AS w) WHERE w > 0",
        )
        plain = read(
            connection,
            f"SELECT '' AS fold, {times} AS pane, {span} AS span, 'rows' AS part, i.range::INTEGER AS idx,"
            f" {held}::DOUBLE AS value FROM range({panes}) p, range(3) i",
        )
        for sums in (features, plain):
            for stored in encode_sums(1, sums):
                insert(connection, "panes", stored)


def spent(job: Callable[[], object], rounds: int = ROUNDS) -> tuple[float, float]:
    """Return the medians of CPU and wall time, seconds."""
    cpu, wall = [], []
    for _ in range(rounds):
        began, clock = time.process_time(), time.perf_counter()
        job()
        cpu.append(time.process_time() - began)
        wall.append(time.perf_counter() - clock)
    return statistics.median(cpu), statistics.median(wall)


def say(what: str, seconds: tuple[float, float], reference: float) -> None:
    cpu, wall = seconds
    print(f"{what:<68} {cpu * 1e3:8.1f} ms   {cpu / reference:6.1f} x bare   (by the clock {wall * 1e3:.1f} ms)")


def days_of(evaluation: Evaluation) -> list[Evaluation]:
    """Return a month of such days."""
    return [
        replace(evaluation, window=Window("1d", TODAY - back * DAY, TODAY - (back - 1) * DAY), closed=True)
        for back in range(DAYS, 0, -1)
    ]


def say_json(days: list[Evaluation]) -> None:
    """Print what the JSON values of a month of days cost, beside writing them as text."""
    (made, _), (written, _) = (
        spent(lambda: [to_json(day) for day in days]),
        spent(partial(json.dumps, [to_json(day) for day in days])),
    )
    print(f"thirty days as JSON values: {made * 1e3:.1f} ms, {made / written:.2f} x writing them as text")


def page_of(days: list[Evaluation]) -> Callable[[], object]:
    """Return what shows the page of the model, with a month of days on its timeline."""
    view = ModelView(KEY, evaluation_task(), 1_000, TODAY - DAYS * DAY, TODAY, TODAY, windows={"1d": days})
    client = TestClient(app_of(FakeView([view]), lambda: TODAY))
    return lambda: client.get("/models/wide").raise_for_status()


def evaluation_task() -> Any:
    return Baseline.from_frame(rows(50, 3), score="score", model="wide", task="binary").task


def main(a_pane: int) -> int:
    baseline = Baseline.from_frame(rows(20_000, 1), score="score", model="wide", version="1", task="binary")
    table, *_ = table_from_frame(rows(2_000, 2), score="score", model="wide", task="binary")
    pane: Pane = fold(table, baseline.bins)
    series, window = Series(1, KEY, baseline.task), Window("1d", TODAY, TODAY + DAY)
    rolling = Rolling("30d", "24h")
    with tempfile.TemporaryDirectory(prefix="driftline-bench-") as directory:
        store = Store(Path(directory))
        connection = store.connect()
        fill(connection, baseline.fold, a_pane)
        connection.execute("CHECKPOINT")
        held = connection.execute("SELECT sum(octet_length(sums)) // 8 FROM panes").fetchall()[0][0]

        past = RollingReferences(connection, PaneMemory(connection, lambda _: baseline))

        def reference() -> Reference:
            past._references.clear()  # the reference; its days stay in memory
            return past.compared(series, baseline, rolling, rolling.periods(window))

        first = spent(reference, 1)
        arrays = [np.random.default_rng(at).random((FEATURES, BINS)) for at in range(DAYS)]
        added, _ = spent(lambda: np.add.reduce(arrays))
        print(f"{held:,} rows of panes; bare sum of 30 days in numpy {added * 1e3:.2f} ms")
        say("first view: all panes are read, and days kept", first, added)

        def view() -> Evaluation:
            return judge_window(ModelWindow(KEY, window, pane), reference())

        viewed = spent(view)
        say("the view: read, made a reference, and a window compared with it", viewed, added)
        known = reference()
        again = spent(lambda: judge_window(ModelWindow(KEY, window, pane), known))
        say("the next window that is compared with it", again, added)
        judged = days_of(view())
        say("the page of the model, 100 features drawn", spent(page_of(judged), 3), added)
        say_json(judged)
        store.close()
    kept = viewed[0] <= PROMISED
    print(
        f"a rolling view of 30 days of {FEATURES} features in {PROMISED * 1e3:.0f} ms: {'kept' if kept else 'BROKEN'}"
    )
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 30))
