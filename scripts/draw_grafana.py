"""Draw docs/images/grafana.png: panels of the dashboards with Grafana's own components, from a real Prometheus.

.venv/bin/python scripts/draw_grafana.py

A processor evaluates twelve simulated days of a model by a clock of its own; its scrape page of every hour is loaded
into Prometheus; @grafana/ui draws the panels in Chromium. Needs Chromium, npm, and ``make interop`` for Prometheus.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
from driftline.baseline.baseline import Baseline
from driftline.semconv import attributes as a
from driftline.semconv import events
from driftline_processor.config.model import Model
from driftline_processor.config.schema import Config, Storage
from driftline_processor.demo.processes import free_ports
from driftline_processor.exporters.derived_metrics import points
from driftline_processor.exporters.prometheus_page import exposition
from driftline_processor.state import State
from playwright.sync_api import sync_playwright

sys.path.insert(0, str(Path(__file__).parent.parent))

from tests.interop.peers import executable, get, running
from tests.support.browser import CHROMIUM
from tests.support.dashboards import panels
from tests.support.otlp_requests import logs, record
from tests.support.paths import ROOT

NEEDED = ("@grafana/ui@10.4.19", "@grafana/data@10.4.19", "react@18", "react-dom@18", "rxjs@7", "uplot@1.6", "esbuild")
"""The last minor version of @grafana/ui that has the time series panel; of Apache-2.0, unlike the server."""

PANELS = {
    "model": (
        "Drifted features",
        "Shift of the score",
        "Features, largest drift first",
        "Features so far, largest drift first",
    ),
    "feature": ("PSI", "Distance by each method"),
}
VARIABLES = {
    "environment": ".*",
    "model": "churn",
    "version": ".*",
    "window": "1d",
    "feature": "charges",
    "slice": "^$",
}

HOUR, DAYS, ROWS, MOVES = 3_600 * 10**9, 12, 40, 8
"""Of twelve days with forty rows an hour, customers pay more from the eighth on."""

START = 1_790_812_800 * 10**9


def customers(rng: np.random.Generator, rows: int, charges: float) -> pd.DataFrame:
    """Return customers who pay so much on average."""
    frame = pd.DataFrame(
        {
            "tenure": np.round(rng.gamma(2, 15, rows)),
            "charges": np.round(rng.normal(charges, 18, rows), 2),
            "calls": rng.poisson(1.3, rows),
        }
    )
    risk = -0.03 * frame["tenure"] + 0.03 * frame["charges"] + 0.6 * frame["calls"] - 2.5
    return frame.assign(score=1 / (1 + np.exp(-risk)))


def request(rows: pd.DataFrame, at: int, first: int) -> bytes:
    """Return a request with a prediction per row, in the hour before ``at``."""
    times = at - np.arange(len(rows), dtype=np.int64)[::-1] * (HOUR // len(rows))
    model = {a.ML_MODEL_NAME: "churn", a.ML_MODEL_VERSION: "7", a.ML_MODEL_TASK: "binary"}
    return logs(
        [
            record(
                events.ML_PREDICTION,
                {
                    **model,
                    a.ML_PREDICTION_ID: f"c-{first + number}",
                    a.ML_PREDICTION_SCORE: float(row["score"]),
                    **{f"{a.DRIFTLINE_FEATURE_VALUE}.{name}": float(row[name]) for name in row.index.drop("score")},
                },
                time_unix_nano=int(times[number]),
            )
            for number, (_, row) in enumerate(rows.iterrows())
        ]
    )


def scrapes(folder: Path) -> str:
    """Return what the processor exported in each hour, every five minutes, in OpenMetrics."""
    rng, now, samples = np.random.default_rng(5), START, defaultdict[str, list[str]](list)
    training = customers(rng, 20_000, 65)
    actual = (rng.random(len(training)) < training["score"]).astype(int)
    features, score = training.drop(columns="score"), training["score"].to_numpy()
    path = folder / "churn.baseline.json"
    Baseline.from_frame(features, score=score, actual=actual, model="churn", task="binary").save(path)
    churn = Model(windows=("1d",), baseline=path)
    config = Config(storage=Storage(directory=folder / "data"), models={"churn": churn})
    state = State(config, clock=lambda: now)
    state.start_storing()
    for hour in range(1, DAYS * 24 - 5):
        now = START + hour * HOUR
        state.submit("logs", request(customers(rng, ROWS, 79 if hour > MOVES * 24 else 65), now, hour * ROWS))
        state.catch_up()
        while state.parts.evaluator.step(patient=False):
            pass
        state.publish()
        for line in exposition(points(state), openmetrics=True).decode().splitlines():
            if not line.startswith("#"):
                samples[line.partition("{")[0]] += [f"{line} {now // 10**9 + 300 * scrape}" for scrape in range(12)]
    state.close()
    drift = {name: lines for name, lines in samples.items() if name.startswith("driftline_drift")}
    return "".join(f"# TYPE {name} gauge\n" + "\n".join(lines) + "\n" for name, lines in drift.items()) + "# EOF\n"


@contextmanager
def prometheus(folder: Path, metrics: str) -> Iterator[str]:
    """Run Prometheus with these samples; yield its URL."""
    file, config, data, (port,) = folder / "samples.txt", folder / "prometheus.yml", folder / "tsdb", free_ports(1)
    file.write_text(metrics, encoding="utf-8")
    config.write_text("global: {}\n", encoding="utf-8")
    promtool = [str(executable("promtool")), "tsdb", "create-blocks-from", "openmetrics", str(file), str(data)]
    subprocess.run(promtool, check=True, stdout=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    arguments = [f"--config.file={config}", f"--storage.tsdb.path={data}", "--storage.tsdb.retention.time=10y"]
    command = [str(executable("prometheus")), *arguments, f"--web.listen-address=127.0.0.1:{port}"]
    with running(command, lambda: get(f"{url}/-/ready"), folder / "prometheus.log"):
        yield url


def script(folder: Path) -> Path:
    """Return the components of Grafana and what draws with them, as one script; its styles lie beside it."""
    install = ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--legacy-peer-deps", *NEEDED]
    subprocess.run(install, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    source = folder / "panels.jsx"
    source.write_bytes((ROOT / "scripts/grafana_panels.jsx").read_bytes())
    constants = ['--define:process.env.NODE_ENV="production"', "--define:global=window", "--loader:.svg=text"]
    bundle = ["npx", "esbuild", source.name, "--bundle", "--outfile=panels.js", "--log-level=error", *constants]
    subprocess.run(bundle, cwd=folder, check=True)
    return folder / "panels.js"


def main() -> None:
    picture, chosen = ROOT / "docs/images/grafana.png", [(name, title) for name in PANELS for title in PANELS[name]]
    with tempfile.TemporaryDirectory() as temporary, sync_playwright() as playwright:
        folder = Path(temporary)
        metrics, drawing = scrapes(folder), script(folder)
        with prometheus(folder, metrics) as url:
            by_title = {(name, panel["title"]): panel for name in PANELS for panel in panels(name)}
            board = {
                "prometheus": url,
                "panels": [by_title[one] for one in chosen],
                "variables": VARIABLES,
                "from": START // 10**9,
                "to": START // 10**9 + (DAYS * 24 - 6) * 3_600,
            }
            page = folder / "board.html"
            page.write_text(
                "<!doctype html><link rel=stylesheet href=panels.css><style>* {box-sizing: border-box}"
                " body {margin: 0; font: 14px Inter, Helvetica, Arial, sans-serif}</style><div id=root></div>"
                f"<script>window.BOARD = {json.dumps(board)}</script><script src={drawing.name}></script>",
                encoding="utf-8",
            )
            browser = playwright.chromium.launch(
                executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu", "--disable-web-security"]
            )
            view = browser.new_page(viewport={"width": 1280, "height": 800})
            view.goto(page.as_uri())
            view.wait_for_function(
                f"document.querySelectorAll('.u-over, [role=table]').length >= {len(chosen)}", timeout=60_000
            )
            view.wait_for_timeout(1_000)
            view.locator("#root > div").last.screenshot(path=picture)
            browser.close()
    print(picture)


if __name__ == "__main__":
    main()
