"""One driftline.yaml and its files give one answer: of evaluate, its JSON, /api, pages, top and a running processor."""

from __future__ import annotations

import html
import io
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from driftline.baseline.baseline import Baseline
from driftline_processor.cli.connection import Connection
from driftline_processor.config.model import Model
from driftline_processor.config.schema import load
from driftline_processor.core.evaluation import Evaluation
from driftline_processor.demo.runner import findings_of
from driftline_processor.evaluation.files.evaluate import evaluate_files
from driftline_processor.evaluation.files.evaluate_options import EvaluationOptions
from driftline_processor.evaluation.files.inputs import EvaluationInputs
from driftline_processor.present.evaluation_json import to_json
from driftline_processor.terminal.top import run as run_top
from rich.console import Console
from starlette.testclient import TestClient

from tests.support.churn_files import Run
from tests.support.facts import lacking
from tests.support.fake_view import app_of
from tests.support.live_and_files import agree
from tests.support.paths import ROOT
from tests.support.serve import serve
from tests.support.slow import slow
from tests.support.state_fixtures import Open
from tests.support.state_rows import DAY, HOUR, NOON, Clock, Opened, outcomes, predictions

FILES = ROOT / "examples" / "two_files"
ROLES = ("id", "time", "score", "late")
NAMED = ("--task", "binary", "--score", "score", "--actual", "late", "--id", "id", "--time", "time")


@pytest.fixture
def lived(open_state: Open, clock: Clock) -> Opened:
    """Return a state that has received the reference as a baseline, the week, and its outcomes."""
    reference, week = (pd.read_parquet(FILES / f"{name}.parquet") for name in ("reference", "lastweek"))
    features = [str(name) for name in week if name not in ROLES]
    baseline = Baseline.from_frame(
        reference, score="score", actual="late", time="time", id="id", model="late", task="binary", features=features
    )
    state = open_state(late=Model(windows=("1w",)))
    times = week["time"].astype("int64").to_numpy() * 1_000
    clock.now = int(times.max())
    columns: dict[str, Sequence[object]] = {
        name: [None if pd.isna(one) else one for one in week[name].tolist()] for name in features
    }
    made = predictions(week["id"].tolist(), times.tolist(), week["score"].tolist(), model="late", features=columns)
    state.send(made, baselines=[baseline.to_json()])
    landed = week["late"].notna().to_numpy()
    known = week[landed]
    actual = known["late"].astype(int).astype(str).tolist()
    state.send(
        outcomes(
            known["id"].tolist(),
            actual,
            (times[landed] + HOUR).tolist(),
            model="late",
        )
    )
    clock.now += 3 * DAY
    state.view("late")
    return state


def shown(text: str) -> str:
    """Return the words of a terminal or a page, without where its lines break."""
    return re.sub(r"\s+", " ", text)


@pytest.mark.slow
def test_all_surfaces_show_the_same_sentence(run: Run, lived: Opened, clock: Clock, tmp_path: Path) -> None:
    config = tmp_path / "driftline.yaml"  # without it, other windows than those of the service decide about a file
    config.write_text("models: {late: {windows: [1w]}}", encoding="utf-8")
    rows = (FILES / "lastweek.parquet", "--baseline", FILES / "reference.parquet")
    command = ("evaluate", *rows, *NAMED, "--config", config, "--model", "late")
    of_file: dict[str, Any] = json.loads(run(*command, "--window", "1w", "--json").stdout)["verdict"]
    sentence, headline = of_file["sentence"], of_file["headline"]
    assert of_file["state"] == "degraded"
    assert re.findall(r"8 to 14 July 2013|\d+ %", sentence)[:3] == ["8 to 14 July 2013", "14 %", "36 %"]
    titles = {"evidence": "Evidence", "cause": "Cause", "now": "Now", "action": "Do", "certainty": "Confidence"}
    lines = [headline, *(f"{title}: {of_file[name]}" for name, title in titles.items() if of_file[name])]
    assert shown(run(*command, "--window", "1w").stdout).startswith(" ".join(lines))

    app = app_of(lived.state, clock)
    client = TestClient(app, base_url="http://localhost")
    listed, answer = (
        client.get(f"/api/v1/models{path}").json() for path in ("", "/late/evaluations?version=1&window=1w")
    )
    for live in (listed["models"][0]["verdict"], answer["verdict"]):
        agree(live, of_file | {"interval": live["interval"]})
        assert live["interval"] == pytest.approx(of_file["interval"], rel=1e-9)
    size = headline.partition(": ")[2]
    first_page, model_page = (
        shown(html.unescape(re.sub("</?a[^>]*>", "", client.get(page).text)))
        for page in ("/", "/models/late?version=1")
    )
    assert lacking(first_page, f"{size[0].upper()}{size[1:]}", of_file["cause"]) == []
    words = [of_file[name] for name in titles if of_file[name]]
    assert lacking(model_page, sentence, headline, *words) == []

    found = " ".join(filter(None, (f"{headline}.", of_file["cause"], of_file["action"])))
    assert findings_of(answer, lambda _: 0.0)[0] == found

    screen = Console(file=io.StringIO(), width=120, color_system=None)
    with serve(app) as address:
        assert run_top(Connection(address), screen) == 0
    assert isinstance(screen.file, io.StringIO)
    assert headline in shown(screen.file.getvalue())


MIDNIGHT = NOON - 12 * HOUR
A_DAY, DAYS, WEEK_AND_MORE = 1_000, 5, 9
SHORT = ("no key but windows", "threshold", "slices")
"""Scenarios of ``make test``: each of the others takes one or two seconds more."""

SCENARIOS: dict[str, dict[str, Any]] = {
    "no key but windows": {},
    "min_effect": {"min_effect": {"age": 1.0}},
    "method": {"method": "cramer_von_mises", "methods": ["hellinger"], "multivariate": ["pca"]},
    "of one feature": {"features": {"age": {"method": "mean_shift", "expect": {"range": [30, 60]}}}},
    "expect": {"expect": {"rows": ">= 500", "duplicates": "<= 1%", "freshness": "1h"}},
    "timezone": {"timezone": "Asia/Tokyo"},
    "windows": {"windows": ["6h", "1w"]},
    "reference": {"reference": {"last": "3d"}},
    "reference by another clock": {"reference": {"last": "3d", "without": "24h"}, "timezone": "America/New_York"},
    "seasonality": {"seasonality": "hour", "windows": ["6h"]},
    "slices": {"slices": ["plan"]},
    "threshold": {"threshold": 0.3},
    "outcome_delay": {"outcome_delay": "36h"},
    "coverage": {"outcome_delay": "0s", "performance": {"min_coverage": 0.9}},
    "sure": {"outcome_delay": "0s", "performance": {"confidence": 0.5, "costs": {1: {0: 5}, 0: {1: 1}}}},
}


def rows(n: int, seed: int, start: int, days: int, moved: float) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    age = random.normal(45 + moved, 12, n)
    score = 1 / (1 + np.exp(-(0.05 * (age - 45) + random.normal(0, 0.5, n))))
    plan = random.choice(np.array(["basic", "pro"], object), n)
    time = np.sort(random.integers(0, days * DAY, n)) + start
    actual = (random.random(n) < score).astype(np.int64)
    return pd.DataFrame({"age": age, "plan": plan, "score": score, "actual": actual, "time": time})


@pytest.fixture(scope="module")
def built() -> Baseline:
    frame = rows(6_000, 1, MIDNIGHT - 20 * DAY, 14, 0.0).assign(time=lambda found: pd.to_datetime(found.time))
    return Baseline.from_frame(
        frame,
        score="score",
        actual="actual",
        time="time",
        slices=["plan"],
        seasonality="hour",
        features=["age", "plan"],
        model="churn",
        version="1",
        task="binary",
    )


@pytest.mark.parametrize("name", [name if name in SHORT else slow(name) for name in SCENARIOS])
def test_a_configuration_means_the_same_live_and_in_files(
    name: str, built: Baseline, open_state: Open, clock: Clock, tmp_path: Path
) -> None:
    built.save(tmp_path / "built.json")
    written = {"baseline": "built.json", "windows": ["1d"], **SCENARIOS[name]}
    (tmp_path / "driftline.yaml").write_text(yaml.safe_dump({"models": {"churn": written}}))
    days = WEEK_AND_MORE if "1w" in written["windows"] else DAYS
    sent = rows(A_DAY * days, 2, MIDNIGHT, days, 2.0)
    sent["id"] = [f"id-{at}" for at in range(len(sent))]
    known = sent[sent.index % 4 != 0]

    in_files = {(one.window.name, one.window.start): one for one in of_files(tmp_path, sent, known)}
    live = of_service(open_state, clock, tmp_path, sent, known)

    assert live, "no window has closed"
    assert live.keys() <= in_files.keys()
    for place, evaluation in live.items():
        assert not differences(judged(evaluation), judged(in_files[place]))


def of_files(folder: Path, sent: pd.DataFrame, known: pd.DataFrame) -> list[Evaluation]:
    sent.drop(columns="actual").assign(time=pd.to_datetime(sent.time, utc=True)).to_parquet(folder / "rows.parquet")
    heard = known[["id", "actual"]].assign(time=pd.to_datetime(known.time + HOUR, utc=True))
    heard.to_parquet(folder / "outcomes.parquet")
    inputs = EvaluationInputs([folder / "rows.parquet"], outcomes=folder / "outcomes.parquet")
    return evaluate_files(inputs, EvaluationOptions(config=folder / "driftline.yaml"), lambda _: None).evaluations


def of_service(
    open_state: Open, clock: Clock, folder: Path, sent: pd.DataFrame, known: pd.DataFrame
) -> dict[tuple[str, int], Evaluation]:
    """The closed windows with rows. Event time goes as far as the newest outcome."""
    clock.now = MIDNIGHT
    state = open_state(churn=load(folder / "driftline.yaml").models["churn"])
    for at in range(0, len(sent), 1_000):
        some = sent.iloc[at : at + 1_000]
        features: dict[str, Sequence[object]] = {name: some[name].tolist() for name in ("age", "plan")}
        clock.now = int(some.time.iloc[-1])
        state.send(
            predictions(
                *(some.id.tolist(), some.time.tolist(), some.score.tolist()),
                features=features,
                slices={"plan": some.plan.tolist()},
            )
        )
    state.send(outcomes(known.id.tolist(), known.actual.tolist(), (known.time + HOUR).tolist()))
    clock.now += HOUR
    found = state.view().windows
    return {
        (name, one.window.start): one for name, windows in found.items() for one in windows if one.closed and one.rows
    }


def judged(evaluation: Evaluation) -> dict[str, Any]:
    """What is decided of a window, but for numbers that files compute from single rows and services from sums."""
    told = to_json(evaluation)
    performance = told.pop("performance")
    kept = {key: told[key] for key in ("start", "end", "rows", "closed", "baseline", "drift")}
    kept["expected"] = [str(one) for one in evaluation.expected]
    kept["findings"] = [(one.check, one.features, one.severity) for one in evaluation.findings]
    kept["maturity"] = performance["maturity"]
    kept["outcomes"] = (evaluation.outcome_rows, evaluation.coverage)
    for metric in ("accuracy", "recall", "cost"):
        if metric in evaluation.realized:
            kept[metric] = evaluation.realized[metric].value
    for found in kept["drift"]["slices"].values():
        found.pop("features", None)  # a service keeps those that drift
    return kept


def differences(live: Any, in_files: Any, place: str = "") -> list[str]:
    """Name each value that is not the same, numbers to nine digits."""
    if isinstance(live, dict) and isinstance(in_files, dict):
        keys = dict.fromkeys((*live, *in_files))
        found = [differences(live.get(key), in_files.get(key), f"{place}.{key}") for key in keys]
        return [one for some in found for one in some]
    if isinstance(live, float) and isinstance(in_files, float):
        return [] if live == pytest.approx(in_files, rel=1e-9, abs=1e-9) else [f"{place}: {live} != {in_files}"]
    return [] if live == in_files else [f"{place}: {live} != {in_files}"]
