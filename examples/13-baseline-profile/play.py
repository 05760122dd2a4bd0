"""Replay an autumn of forecasts, and check who was told and what Prometheus has. Run it with `driftline demo 13`."""

import json
import os
import re
import shutil
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import driftline_processor
import httpx
import joblib
import numpy as np
import pandas as pd
import yaml
from driftline_processor.demo.processes import await_answer, free_port, running
from driftline_processor.demo.stage import Stage, as_json
from feature_store import SLOW_DAY, SLOW_STATIONS

PICTURE = "/models/rain/drift?window=1w"
"""The page whose picture is in the README."""

BROKEN_FROM = pd.Timestamp("2016-05-09")
"""Seeded: from this Monday on `humidity_3pm` is 45 points too high, at most 100."""

CONFIG = Path(driftline_processor.__file__).parents[2] / "otel-config"
"""In a clone: the configuration of Prometheus and the dashboards of Grafana."""

CHOSEN = {
    **dict.fromkeys(("environment", "version", "metric", "team", "tier"), ".*"),
    **{"model": "rain", "window": "1w", "feature": "humidity_3pm", "slice": "^$", "__rate_interval": "10m"},
}
"""Variables of the dashboards, as somebody chooses them."""

SHOWN = {
    *("driftline_predictions_total", "driftline_predict_duration_seconds_bucket", "driftline_service_latency_seconds"),
    *("driftline_drift_value", "driftline_drift_status", "driftline_drift_fraction_ratio", "driftline_drift_incident"),
    *("driftline_drift_open_window_value", "driftline_model_status", "driftline_model_info"),
}
"""Metrics of the dashboards that there are without outcomes and failures."""

ELSEWHERE = re.compile('driftline_drift_slice!=""|weighting="importance"')
"""Queries about slices and about the importance of features, which this model does not have."""

LIMIT = 0.25
SLOW_MONDAY = pd.Timestamp(SLOW_DAY) - pd.Timedelta(days=pd.Timestamp(SLOW_DAY).weekday())
LATENCY = "model: Latency now B"

Series = list[tuple[dict[str, str], float]]
Ask = Callable[[str], Series]


def play(stage: Stage) -> None:
    weather = pd.read_csv(stage.folder / "weather.csv.gz", parse_dates=["time"])
    served = broken(weather[weather["split"] == "production"].reset_index(drop=True))
    stage.say("Training on days of 2014")
    stage.run("train.py")
    stage.say("Starting the processor, the service and Prometheus")
    stage.start_processor()
    service = stage.serve("service.py")
    with ExitStack() as ending:
        ask = prometheus(stage, ending)
        served = replay(stage, service, served)
        stage.wait_until_evaluated("rain", "1w", len(served))
        stage.wait_until_told("classes-drift", ("slack", "opened"))
        stage.wait_until_quiet()
        check_told(stage, served)
        classifier = joblib.load(stage.folder / "rain.joblib")
        reference = weather.loc[weather["split"] == "reference", classifier.feature_names_in_]
        reference["score"] = classifier.predict_proba(reference)[:, 1]
        source = "in Prometheus" if ask else "on the page /metrics (no Prometheus is installed)"
        check_metrics(stage, ask or on_the_page(stage), served, reference, source)
        if ask:
            check_dashboards(stage, ask)


def broken(readings: pd.DataFrame) -> pd.DataFrame:
    wet = (readings["humidity_3pm"] + 45).clip(upper=100)
    return readings.assign(humidity_3pm=readings["humidity_3pm"].mask(readings["time"] >= BROKEN_FROM, wet))


def replay(stage: Stage, service: httpx.Client, readings: pd.DataFrame) -> pd.DataFrame:
    """Ask for the forecast of each station and day at three in the afternoon; return its score and how long it took."""
    stage.say("Replaying days", len(readings))
    readings["time"] = (readings["time"] + pd.Timedelta("15h")).dt.tz_localize("UTC")
    answered = []
    for number, row in enumerate(as_json(readings.drop(columns=["split", "rain_tomorrow"]))):
        station, begun = row.pop("station"), time.perf_counter()
        row["id"] = f"forecast-{number}"
        answer = service.post(f"/stations/{station}/forecast", json=row).raise_for_status().json()
        answered.append({"score": answer["rain"], "seconds": time.perf_counter() - begun})
        stage.go_on(number + 1, f"Replaying {row['time'][:10]}")
    return readings.join(pd.DataFrame(answered))


def prometheus(stage: Stage, ending: ExitStack) -> Ask | None:
    """Start Prometheus with otel-config/prometheus.yml and return how it is asked; None if it is not installed."""
    program = shutil.which("prometheus", path=f"{CONFIG.parent / '.peers'}{os.pathsep}{os.environ['PATH']}")
    if program is None or not CONFIG.is_dir():
        return None
    config = yaml.safe_load((CONFIG / "prometheus.yml").read_text(encoding="utf-8"))
    config["global"]["scrape_interval"] = "1s"
    config["scrape_configs"][0]["static_configs"][0]["targets"] = [f"127.0.0.1:{stage.ports.web}"]
    config.pop("otlp")  # Prometheus 2 does not know it, and here it only scrapes
    (stage.folder / "prometheus.yml").write_text(yaml.safe_dump(config), encoding="utf-8")
    shutil.copy(CONFIG / "driftline.rules.yml", stage.folder)
    address = f"127.0.0.1:{free_port()}"
    data = ["--storage.tsdb.path=prometheus", f"--web.listen-address={address}"]
    command = [program, "--config.file=prometheus.yml", *data]
    process = ending.enter_context(running(command, {**os.environ}, stage.folder / "prometheus.log", stage.folder))
    await_answer(f"http://{address}/-/ready", process, "Prometheus")
    client = ending.enter_context(httpx.Client(base_url=f"http://{address}", timeout=30, trust_env=False))

    def ask(query: str) -> Series:
        found = client.get("/api/v1/query", params={"query": query}).raise_for_status().json()["data"]["result"]
        return [(one["metric"], float(one["value"][1])) for one in found]

    return ask


def on_the_page(stage: Stage) -> Ask:
    """Return what finds the series of one metric on the page that Prometheus would scrape."""

    def ask(name: str) -> Series:
        lines = (re.fullmatch(r"(\w+)\{(.*)\} (\S+)", line) for line in stage.metrics())
        return [
            (dict(re.findall(r'(\w+)="(.*?)"', line[2])), float(line[3])) for line in lines if line and line[1] == name
        ]

    return ask


def check_told(stage: Stage, served: pd.DataFrame) -> None:
    for policy, what, monday in (
        ("slow", "the week in which the feature store was slow", SLOW_MONDAY),
        ("classes-drift", "the shift of the predicted classes", BROKEN_FROM),
    ):
        told = [title for title in stage.slack.titles if f"'{policy}'" in title]
        alerts = stage.alerts(policy)
        sent = [one for alert in alerts for one in alert["messages"] if one["kind"] != "resolved"]
        stage.claim(
            f"{what} is reported once in Slack",
            [one["since"][:10] for one in alerts] == [f"{monday:%Y-%m-%d}"]
            and [one["result"] for one in sent] == ["delivered"]
            and bool(told),
            "\n".join(f"Slack: {title}" for title in told),
        )
    weeks = served["time"].dt.tz_localize(None).dt.to_period("W").dt.start_time
    weekly = (served["score"] >= 0.5).groupby(weeks).mean()
    quiet = weekly[weekly.index < BROKEN_FROM]
    stage.claim(
        "weeks in which it only rained more or less cause no message",
        all(one["since"][:10] >= f"{BROKEN_FROM:%Y-%m-%d}" for one in stage.alerts() if one["policy"] != "slow"),
        f"rain was predicted for {quiet.min():.0%} to {quiet.max():.0%} of a week before the shift, "
        f"for {weekly.drop(quiet.index).min():.0%} or more since",
    )


def check_metrics(stage: Stage, ask: Ask, served: pd.DataFrame, reference: pd.DataFrame, source: str) -> None:
    """Compare what is scraped with the answers of the service."""
    calls = len(served)
    stage.wait_for(lambda: total(ask("driftline_predictions_total")) == calls)
    counted = total(ask("driftline_predict_duration_seconds_count"))
    at_most = total(ask("driftline_predict_duration_seconds_bucket"), le=f"{LIMIT}")
    seeded = (served["time"].dt.strftime("%Y-%m-%d") == SLOW_DAY) & served["station"].isin(SLOW_STATIONS)
    stage.claim(
        f"{source}: the latency of each call, once, though its route and its classifier are both recorded",
        counted == calls and seeded.sum() <= counted - at_most <= (served["seconds"] > LIMIT).sum(),
        f"{counted:,.0f} in the histogram of {calls:,} calls, {counted - at_most:.0f} of them longer than 250 ms, "
        f"{seeded.sum()} seeded",
    )
    classes = {labels["ml_prediction_class"]: value for labels, value in ask("driftline_predictions_total")}
    own = (served["score"] >= 0.5).astype(int).value_counts()
    stage.claim(
        f"{source}: the distribution of the classes",
        classes == {f"{name}": count for name, count in own.items()},
        ", ".join(f"class {name}: {value:,.0f}" for name, value in sorted(classes.items())),
    )
    closed = [week for week in stage.windows("rain", "1w") if week["closed"]][-1]
    week = served[(served["time"] >= closed["start"]) & (served["time"] < closed["end"])]
    expected = psi((reference["score"] >= 0.5).mean(), (week["score"] >= 0.5).mean())
    drift = {
        labels.get("driftline_feature_name") or labels["driftline_drift_column"]: value
        for labels, value in ask("driftline_drift_value")
        if labels["driftline_drift_method"] == "psi"
    }
    stage.claim(
        f"{source}: drift of classes, scores and each feature",
        {"class", *reference.columns} <= drift.keys() and abs(drift["class"] - expected) < 0.02,
        f"PSI in the week from {closed['start'][:10]}: class {drift['class']:.3f} (here {expected:.3f}), "
        + ", ".join(f"{name} {drift[name]:.2f}" for name in ("humidity_3pm", "humidity_9am", "rainfall")),
    )


def total(series: Series, **labels: str) -> float:
    return sum(value for found, value in series if labels.items() <= found.items())


def psi(was: float, now: float) -> float:
    """Return the population stability index of two classes, by the fraction of one."""
    return float((now - was) * np.log(now / was * (1 - was) / (1 - now)))


def check_dashboards(stage: Stage, ask: Ask) -> None:
    answers = {}
    for file in sorted((CONFIG / "grafana/dashboards").glob("*.json")):
        for panel in json.loads(file.read_text(encoding="utf-8"))["panels"]:
            for target in panel.get("targets", ()):
                query = re.sub(r"\$(\w+)", lambda name: CHOSEN.get(name[1], "5m"), target["expr"])
                asked = {*re.findall(r"(driftline_\w+)\{", query)}
                if asked and asked <= SHOWN and not ELSEWHERE.search(query):
                    answers[f"{file.stem}: {panel['title']} {target['refId']}"] = ask(query)
    (latency,) = answers[LATENCY]
    empty = [name for name, series in answers.items() if not series]
    stage.claim(
        "the queries of Grafana's dashboards about latency, classes, counts and drift find their series",
        bool(answers) and not empty and 0 < latency[1] < np.inf,
        f"{len(answers) - len(empty)} of {len(answers)} queries; {LATENCY}: {latency[1]:.3f} s\n"
        + "\n".join(f"nothing for {name}" for name in empty),
    )
