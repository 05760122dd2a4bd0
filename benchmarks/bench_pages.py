"""What the pages cost for a fleet: 60 models of 200 features in 365 daily windows, in CPU time of the process.

    python -m benchmarks.bench_pages

The pages are made from evaluations in memory; those of one more model come from its store, as the processor has them:
details of a year do not fit in memory. Only the first request, which compiles templates, is left out. The references in
the same run: a plain table of Jinja with as many rows and cells as the first page has, and the same cells as JSON.
Promised on two cores, with all windows in range, too: home in .1 s, the overview of a model in .15 s,
the page of a feature in .1 s, and the incidents in .1 s after the open window of every model has changed. A page of one
model of a thousand costs at most 1.5 times what it costs if there is no other.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from driftline.tables.table import ModelKey, PredictionTable
from driftline.tables.task import Task
from driftline_processor.core.evaluation import Evaluation, MetricValue
from driftline_processor.core.verdict.record import Record
from driftline_processor.evaluation.evaluation_store import EvaluationStore
from driftline_processor.queries.model_view import BaselineView, ModelView
from driftline_processor.state import State
from driftline_processor.store.database import Store
from jinja2 import Environment
from msgspec import structs
from msgspec.structs import replace
from starlette.testclient import TestClient

from benchmarks.stopwatch import cpu_seconds
from tests.support.fake_view import NOW, FakeView, app_of, column, edges, normal_cells, ns
from tests.support.state_rows import DAY, NOON, Clock, Opened, config, predictions
from tests.support.windows import windows_over

MODELS, FEATURES, WINDOWS, ROUNDS = 60, 200, 365, 5

FLEET = 1_000
"""Models beside which a page of one of them costs as much as alone."""

STATE_PAGES = ("/models/m0", "/models/m0/drift", "/models/m0/performance", "/models/m0/incidents")
"""Pages of one model of a state."""

RATIO = 1.5
"""What a page of one model may cost beside a fleet, in times of what it costs alone."""

PROMISED = {"/": 0.1, "/models/model-03": 0.15, "/models/model-03/features/feature_007": 0.1}
"""Address → CPU seconds."""

CHANGED = 0.1
"""CPU seconds of ``/incidents`` after the open window of every model has changed."""

SHOWN: dict[str, float | None] = {
    **PROMISED,
    "/?q=model-1": None,
    "/models/model-03?from=all": 0.15,
    "/models/model-03/features/feature_007?from=all": 0.1,
    "/models/model-03/performance?from=all": None,
    "/models/model-03/drift?from=all": None,
    "/models/model-03/data?from=all": None,
    "/models/model-03/performance": None,
    "/models/model-03/drift": None,
    "/models/model-03/data": None,
    "/models/model-03/versions": None,
    "/models/model-03/incidents": None,
    "/incidents": None,
    "/status": None,
}

STORED = ("/models/stored", "/models/stored/drift?from=all", "/models/stored?from=all")
"""Pages of the model whose windows come from a store, the first of them right after a start."""

METRICS = ("log_loss", "log_loss_constant", "mean_score", "actual_rate", "roc_auc", "accuracy", "recall", "brier")

PLAIN = """<table>{% for row in rows %}
<tr>{% for cell in row %}<td>{{ cell }}</td>{% endfor %}</tr>{% endfor %}</table>"""


def evaluations(features: int, windows: int) -> list[Evaluation]:
    """Return the daily windows of one model: a seventh of its features drifts in the second half."""
    inner, cells = edges(0, 100)
    rng = np.random.default_rng(0)
    names = [f"feature_{i:03d}" for i in range(features)]
    was = normal_cells(inner, 50, 15)
    found = []
    for place, window in enumerate(windows_over("1d", ns(2013, 1, 1), ns(2014, 1, 1), "UTC")):
        if place >= windows:
            break
        late = place > windows // 2
        columns = {
            name: column(name, was, normal_cells(inner, 50 + 12 * (i % 7 == 0) * late + rng.normal(), 15), 1000, cells)
            for i, name in enumerate(names)
        }
        incident = {f"feature:{name}": window.start for name in names[::7]} if late else {}
        realized = {
            name: MetricValue(0.7 + 0.1 * rng.random(), 900, "panes", low=0.6, high=0.9, interval="blocks")
            for name in METRICS
        }
        reference = {name: MetricValue(0.7, 9000, "panes") for name in METRICS}
        found.append(
            Evaluation(
                *(ModelKey("m", "1"), window, 1000, True, columns),
                fraction=0.1,
                incident=incident,
                realized=realized,
                reference=reference,
                outcome_rows=900,
                coverage=0.9,
            )
        )
    return found


def fleet(windows: list[Evaluation], models: int) -> FakeView:
    """Return models that all have these windows."""
    verdict, names = Record(windows).now((), None, None), tuple(windows[0].features)
    baseline = BaselineView("event", "ab", 10_000, names)
    of_all: dict[str, Any] = {
        "outcomes": 900 * len(windows),
        "baseline": baseline,
        "watermark": NOW,
        "verdict": verdict,
    }
    return FakeView(
        [
            ModelView(
                *(ModelKey(f"model-{at:02d}", "1"), Task("binary", ("0", "1"), "1", 0.5)),
                *(1000 * len(windows), ns(2013, 1, 1), NOW, NOW),
                windows={"1d": list(windows)},
                **of_all,
            )
            for at in range(models)
        ]
    )


def stored(windows: list[Evaluation], store: Store) -> ModelView:
    """Return a model whose windows come from a store, as after a start."""
    connection = store.connect()
    written = EvaluationStore(connection, lambda: NOW)
    for window in windows:
        written.put(1, structs.replace(window))
    written.write(patient=False)
    model = fleet(windows, 1).known[0]
    key, read = ModelKey("stored", "1"), EvaluationStore(connection, lambda: NOW).history(1)
    return replace(model, key=key, windows={"1d": list(read["1d"].values())})


def references(client: TestClient) -> dict[str, float]:
    """Return the CPU seconds of writing the cells of the first page in the plainest ways."""
    rows = [list(row.values()) for row in client.get("/?format=json").json()["models"]]
    template = Environment(autoescape=True).from_string(PLAIN)
    return {
        "plain table": cpu_seconds(partial(template.render, rows=rows), ROUNDS),
        "JSON": cpu_seconds(partial(json.dumps, rows), ROUNDS),
    }


def fetching(client: TestClient, address: str) -> Callable[[], object]:
    return lambda: client.get(address).raise_for_status()


def fetching_after_a_change(client: TestClient, view: FakeView) -> Callable[[], object]:
    """Return what changes the open window of every model, as live traffic does, and fetches the incidents."""

    def fetch() -> object:
        for model in view.known:
            newest = model.windows["1d"][-1]
            model.windows["1d"][-1] = structs.replace(newest, rows=newest.rows + 1, closed=False)
        return client.get("/incidents").raise_for_status()

    fetch()
    return fetch


def beside_a_fleet() -> bool:
    """Print what pages cost beside a thousand models, from a state with its snapshot; return whether they cost as much.

    The rows of those are few: what is linear in the number of models is not what they hold.
    """
    kept = True
    costs = {models: costs_of_state(models) for models in (1, FLEET)}
    for address in costs[1]:
        alone, beside = costs[1][address], costs[FLEET][address]
        promised = address in STATE_PAGES
        kept &= not promised or beside <= RATIO * alone
        word = "" if not promised else f"   promised {RATIO} x: {'kept' if beside <= RATIO * alone else 'BROKEN'}"
        cost = f"{alone * 1e3:8.1f} ms alone, {beside * 1e3:8.1f} ms of {FLEET}"
        print(f"{address:<40} {cost}: {beside / alone:5.2f} x{word}")
    return kept


def costs_of_state(models: int) -> dict[str, float]:
    """Return the CPU seconds of pages, and of publishing a snapshot, of a state that has seen so many models."""
    with tempfile.TemporaryDirectory(prefix="driftline-bench-") as folder:
        clock = Clock(NOON + DAY)
        state = State(config(Path(folder)), clock=clock)
        state.start_storing()
        opened = Opened(state)
        for first in range(0, models, 50):
            opened.send(*(rows_of(f"m{at}") for at in range(first, min(first + 50, models))))
        state.settle()
        client = TestClient(app_of(state, clock))
        shown = (*STATE_PAGES, "/", "/api/v1/models")
        costs = {address: cpu_seconds(fetching(client, address), 4 * ROUNDS) for address in shown}
        costs["a snapshot, nothing has changed"] = cpu_seconds(state.publish, ROUNDS)
        state.finish()
        state.close()
    return costs


def rows_of(model: str) -> PredictionTable:
    """Return ten minutes of predictions of a model."""
    times = [NOON + at * 10**10 for at in range(60)]
    features: dict[str, Sequence[object]] = {f"x{at}": [float(at + row) for row in range(60)] for at in range(5)}
    return predictions([f"{model}-{at}" for at in range(60)], times, model=model, features=features)


def line(name: str, took: float, plain: float, promised: float | None, size: str = "") -> str:
    """Return what one page costs, beside the plain table and what is promised."""
    limit = "" if promised is None else f"   promised {promised:.2f} s: {'kept' if took <= promised else 'BROKEN'}"
    return f"{name:<40} {took * 1e3:8.1f} ms   {took / plain:7.1f} x plain table   {size:>10}{limit}"


def main() -> int:
    view = fleet(evaluations(FEATURES, WINDOWS), MODELS)
    client = TestClient(app_of(view))
    client.get("/").raise_for_status()
    bare = references(client)
    said = ", ".join(f"{name} {seconds * 1e3:.2f} ms" for name, seconds in bare.items())
    print(f"{MODELS} models x {FEATURES} features x {WINDOWS} windows; the same {MODELS} rows: {said}")
    kept = True
    for address, promised in SHOWN.items():
        answer = client.get(address)
        answer.raise_for_status()
        took = cpu_seconds(fetching(client, address), ROUNDS)
        kept &= promised is None or took <= promised
        print(line(address, took, bare["plain table"], promised, f"{len(answer.content) / 1e3:7.0f} kB"))
    took = cpu_seconds(fetching_after_a_change(client, view), ROUNDS)
    kept &= took <= CHANGED
    print(line("/incidents, new open windows", took, bare["plain table"], CHANGED))
    with tempfile.TemporaryDirectory(prefix="driftline-bench-") as directory:
        store = Store(Path(directory))
        view.known[:] = [stored(evaluations(FEATURES, WINDOWS), store)]
        for address in STORED:
            first = cpu_seconds(fetching(client, address))
            print(line(f"{address}, first", first, bare["plain table"], None))
            print(line(f"{address}, again", cpu_seconds(fetching(client, address), ROUNDS), bare["plain table"], None))
        store.close()
    kept &= beside_a_fleet()
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
