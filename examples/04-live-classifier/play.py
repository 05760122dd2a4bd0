"""Replay three weeks of departures, and check each day's PSI and who was told. Run it with `driftline demo 4`."""

import pandas as pd
from driftline_processor.demo import data
from driftline_processor.demo.peers.jaeger import Traces
from driftline_processor.demo.stage import Stage, as_json

PICTURE = "/models/late-flights/drift?window=1d"
"""The page whose picture is in the README."""

BROKEN_FROM = pd.Timestamp("2013-04-15").date()
"""Seeded: from this day on the timetable sends times in UTC, four hours ahead, and kilometres instead of miles."""
FEATURES = ["departure_minute", "arrival_minute", "distance", "carrier", "origin", "dest"]


def play(stage: Stage) -> None:
    stage.say("Reading the flights of 2013")
    flights = data.load()
    flights["day"] = flights["time"].dt.tz_convert("America/New_York").dt.date
    training = flights[(flights["month"] <= 3) & flights["late"].notna()]
    training[[*FEATURES, "late"]].to_parquet(stage.folder / "training.parquet")
    served = broken(flights[(flights["month"] == 4) & (flights["day"] <= pd.Timestamp("2013-04-21").date())])
    stage.say("Training on January to March")
    stage.run("train.py")
    stage.say("Starting Jaeger, the processor and the service")
    jaeger = stage.start_jaeger()
    stage.start_processor(jaeger.variables)
    service = stage.serve("monitored.py")
    replay(stage, service, served)
    windows = stage.wait_until_evaluated("late-flights", "1d", len(served))
    stage.wait_until_told("features-drift", ("slack", "opened"))
    stage.wait_until_quiet()
    check(stage, len(served), windows)
    check_traces(stage, jaeger)


def broken(flights: pd.DataFrame) -> pd.DataFrame:
    flights, since = flights.copy(), flights["day"] >= BROKEN_FROM
    for time in ("departure_minute", "arrival_minute"):
        flights.loc[since, time] = (flights[time] + 4 * 60) % (24 * 60)
    flights["distance"] = flights["distance"].astype(float)
    flights.loc[since, "distance"] *= 1.609
    return flights


def replay(stage: Stage, service, flights: pd.DataFrame) -> None:
    """Send the board of each hour, as the airport would."""
    stage.say("Replaying departures", len(flights))
    sent = 0
    for hour, board in flights[["id", "time", *FEATURES]].groupby(flights["time"].dt.floor("h")):
        service.post("/late", json={"flights": as_json(board)}).raise_for_status()
        sent += len(board)
        stage.go_on(sent, f"Replaying departures of {hour:%-d %B}")


def check(stage: Stage, sent: int, windows: list[dict]) -> None:
    psi = pd.DataFrame(
        {
            one["start"][:10]: {name: one["drift"]["features"][name]["methods"]["psi"]["value"] for name in FEATURES}
            for one in windows
        }
    )
    before = psi[[day for day in psi if day < f"{BROKEN_FROM}"]]
    after = psi.drop(columns=before.columns)
    moved = [name for name in FEATURES if after.loc[name].min() > 0.25]
    stage.claim(
        "each feature has a PSI for each day, against the training set",
        psi.notna().all().all() and psi.shape == (len(FEATURES), 21),
        psi.round(2)[[*before.columns[-3:], *after.columns[:3]]].to_string(),
    )
    stage.claim(
        "the two weeks before the fault are quiet",
        before.max().max() < 0.25,
        f"largest PSI of {before.size}: {before.max().max():.2f}",
    )
    alerts = stage.alerts("features-drift")
    text = "\n".join(text for _, text in stage.slack.messages)
    found = next((line for line in text.splitlines() if "'features-drift'" in line), "nothing")
    stage.claim(
        "two features that drift on two days in a row are reported once in Slack, by name",
        [one["since"][:10] for one in alerts] == [f"{BROKEN_FROM}"] and all(name in found for name in moved),
        f"Slack: {found}",
    )
    metrics = stage.metrics()
    series = [line for line in metrics if line.startswith("driftline_drift_value{") and 'method="psi"' in line]
    counted = sum(float(line.split()[-1]) for line in metrics if line.startswith("driftline_predictions_total{"))
    stage.claim(
        "Grafana can show counts and drift",
        all(any(f'"{name}"' in line for line in series) for name in FEATURES) and counted == sent,
        f"{len(series)} series driftline_drift_value of PSI, and {counted:,.0f} predictions in /metrics",
    )


def check_traces(stage: Stage, jaeger: Traces) -> None:
    traces = jaeger.traces("departures", "ml.model.name", "late-flights")
    predictions = [one for spans in traces for one in spans if one.name == "predict late-flights"]
    counts = [one.attributes.get("ml.prediction.count") for one in predictions]
    stage.claim(
        "each call of the service is a trace in Jaeger, with its prediction",
        len(traces) == len(predictions) == 5 and all(int(count) >= 1 for count in counts),
        f"{jaeger.name}, the newest traces: boards of {', '.join(map(str, counts))} flights",
    )
