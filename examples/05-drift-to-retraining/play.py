"""Replay autumn until an alert retrains the model, and check what was done. Run it with `driftline demo 5`."""

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import driftline_processor
import joblib
import pandas as pd
import yaml
from driftline_processor.demo.peers.airflow import Airflow
from driftline_processor.demo.peers.real_airflow import RealAirflow, airflow_program, real_airflow
from driftline_processor.demo.processes import free_port, running
from driftline_processor.demo.stage import Stage, as_json
from sklearn.metrics import log_loss

PICTURE = "/models/rain-tomorrow/versions"
MODEL, DAG, OLD = "rain-tomorrow", "retrain_rain", "2015-02"
FEATURES = ["station", "temperature", "night_minimum", "humidity", "pressure", "wind"]
READY, DECIDED = ("snapshot", "validate", "retrain", "canary"), ("promote", "roll_back")
DAY = pd.Timedelta("1D")
PEERS = Path(driftline_processor.__file__).parents[2] / ".peers"


class Peer:
    """Airflow's API without an Airflow: this replay runs the commands of the DAG, in their order."""

    def __init__(self, stage: Stage) -> None:
        self._stage, self._api = stage, Airflow(2, tuple(f"token-{number}" for number in range(1, 100)), DAG)
        self.variables: dict[str, str] = {}
        self._done: dict[str, str] = {}
        stage.host("airflow.example.com", self._api)

    def wait_until_ready(self, _: str) -> None:
        pass

    def runs(self, _: str) -> list[dict]:
        return [{"dag_run_id": run, "conf": conf} for run, conf in self._api.runs.items()]

    def tasks(self, _: str, run: str) -> dict[str, str]:
        """Run what can be run, and return it, as Airflow would."""
        since = self._api.runs[run]["since"]
        for step in READY:
            if step not in self._done:
                self._stage.run("retraining.py", step, since)
                self._done[step] = "success"
        if "compare" not in self._done:
            command = [sys.executable, "retraining.py", "compare", since]
            stage = self._stage
            compared = subprocess.run(
                command, cwd=stage.folder, env=stage.environment, capture_output=True, check=False
            )
            if compared.returncode == 0:
                step = (stage.folder / "decision.txt").read_text()
                stage.run("retraining.py", step, since)
                self._done |= {"compare": "success", "decide": "success", step: "success"}
        return self._done


def play(stage: Stage) -> None:
    stage.environment["PATH"] = f"{Path(sys.executable).parent}:{os.environ.get('PATH', os.defpath)}"
    readings = pd.read_csv(stage.folder / "readings.csv.gz", parse_dates=["time"])
    readings["id"] = readings["station"] + readings["time"].dt.strftime("-%Y-%m-%dT%H")
    autumn = readings[readings["split"] == "production"].drop(columns="split").reset_index(drop=True)
    (stage.folder / "deployment.json").write_text(json.dumps({"version": OLD}))
    program = airflow_program()
    airflow: RealAirflow | Peer
    if program is None:
        stage.console.print("Airflow is not installed (`make airflow`): a recording peer, and the commands of the DAG.")
        airflow = Peer(stage)
    else:
        stage.console.print("Airflow 3 runs the DAG; it takes a minute to start.")
        airflow = stage.enter(real_airflow(program, stage.folder, stage.environment))
    stage.say("Training on December to February")
    stage.run("train.py")
    stage.say("Starting the processor, the service and Airflow")
    stage.start_processor(airflow.variables)
    replay = Replay(stage, autumn)
    airflow.wait_until_ready(DAG)

    stage.say("Replaying autumn, one day after the other", len(autumn))
    began = None
    while replay.left and not began:
        yesterday = replay.day() - DAY  # its window closes with the readings of today
        closed = [one for one in replay.windows() if one["closed"]]
        if not closed:
            continue
        letter(stage, yesterday)
        if drifts(closed)[-3:] == [True, True, True]:
            began = yesterday
            stage.wait_for(lambda: bool(airflow.runs(DAG)))
        replay.runs_after[yesterday] = len(airflow.runs(DAG))
    if began is None:
        stage.claim("three days in a row drift", False, "not in this replay")
        return
    run = airflow.runs(DAG)[0]["dag_run_id"]
    bridged = bridge(stage, airflow.variables)
    stage.say("The DAG retrains")
    stage.wait_for(lambda: "canary" in deployment(stage), lambda: airflow.tasks(DAG, run))
    stage.say("Replaying the days of the canary", len(autumn))
    while replay.left and not compared(stage):
        replay.day()
    stage.say("The DAG promotes or rolls back")
    stage.wait_for(lambda: any(airflow.tasks(DAG, run).get(step) == "success" for step in DECIDED))
    canary_days = replay.sent["time"].dt.date.nunique() - len(replay.runs_after) - 1
    stage.say("Replaying three more days", len(autumn))
    for _ in range(3):
        replay.day()
    stage.wait_until_quiet()
    check(stage, airflow, run, replay, began, canary_days, bridged)


class Replay:
    """Sends the readings of one day after the other, and the rain of the day before yesterday."""

    def __init__(self, stage: Stage, readings: pd.DataFrame) -> None:
        self._stage, self._service = stage, stage.serve("service.py")
        self._days = [rows for _, rows in readings.groupby(readings["time"].dt.date)]
        self._observed = as_json(readings[["id", "rain"]].assign(time=readings["time"].dt.normalize() + 2 * DAY))
        self.sent = readings.iloc[:0]
        self.runs_after: dict[pd.Timestamp, int] = {}
        self.scores: dict[str, float] = {}

    @property
    def left(self) -> bool:
        return bool(self._days)

    def day(self) -> pd.Timestamp:
        """Send the readings of a day, wait until it is evaluated, and return it."""
        rows = self._days.pop(0)
        day = rows["time"].iloc[0].normalize()
        due = [one for one in self._observed if one["time"] <= rows["time"].iloc[0].isoformat()]
        self._observed = self._observed[len(due) :]
        if due and not self.sent.empty:
            self._service.post("/observed", json=due).raise_for_status()
        for _, board in rows.groupby("time"):
            sent = as_json(board[["id", "time", *FEATURES]])
            answer = self._service.post("/rain", json={"readings": sent}).raise_for_status().json()["rain"]
            self.scores |= dict(zip(board["id"], answer, strict=True))
        self.sent = pd.concat([self.sent, rows])
        self._stage.go_on(len(self.sent), f"Replaying {day:%-d %B}")
        if "canary" not in deployment(self._stage) or day.day % 3 == 0:
            self._stage.wait_for(lambda: self._evaluated(day, len(rows)))
        return day

    def windows(self, version: str = OLD) -> list[dict]:
        answer = self._stage.get(f"/api/v1/models/{MODEL}/evaluations", window="1d", version=version, limit=1000)
        return sorted(answer["windows"], key=lambda one: one["start"])

    def _evaluated(self, day: pd.Timestamp, rows: int) -> bool:
        """Return whether the rows of the day are in the windows, and all days before it are evaluated."""
        known = {one["version"] for one in self._stage.get("/api/v1/models")["models"]}
        serving = {deployment(self._stage).get(name) for name in ("version", "canary")}
        windows = [one for version in serving & known for one in self.windows(version)]
        today = [one["rows"] for one in windows if one["start"].startswith(f"{day:%Y-%m-%d}")]
        before = [one for one in windows if one["start"] < f"{day:%Y-%m-%d}"]
        return sum(today) == rows and all(one["closed"] and one["verdict"]["state"] != "lagging" for one in before)


def deployment(stage: Stage) -> dict:
    return json.loads((stage.folder / "deployment.json").read_text())


def drifts(windows: list[dict]) -> list[bool]:
    return [(one["drift"]["fraction"] or 0) > 0.3 for one in windows]


def compared(stage: Stage) -> bool:
    """Return whether the versions can be told apart."""
    pairs = stage.get(f"/api/v1/models/{MODEL}/versions")["challengers"]
    return any(
        (one["comparisons"].get("log_loss") or {}).get("verdict", "inconclusive") != "inconclusive" for one in pairs
    )


def letter(stage: Stage, day: pd.Timestamp) -> None:
    stage.environment["SMTP_PORT"] = str(stage.mail.port)
    stage.run("report.py", f"{day:%Y-%m-%d}")


def check(
    stage: Stage,
    airflow: RealAirflow | Peer,
    run: str,
    replay: Replay,
    began: pd.Timestamp,
    canary_days: int,
    bridged: str | None,
) -> None:
    days = [*replay.runs_after]
    before = [one for one in replay.windows() if one["start"] < f"{began + DAY:%Y-%m-%d}"]
    fractions = {one["start"][:10]: one["drift"]["fraction"] for one in before}
    letters = stage.mail.letters
    told = [f"{fractions[f'{day:%Y-%m-%d}']:.0%} of the features drift on {day:%Y-%m-%d}" for day in days]
    reports = [part.get_content() for one in letters for part in one.iter_attachments()]
    stage.claim(
        "a report of data drift and prediction drift arrives every day",
        [one["Subject"].removeprefix("Rain tomorrow: ") for one in letters] == told
        and all("prediction: " in one.get_body().get_content() for one in letters)
        and len(reports) == len(days)
        and all("<html" in one for one in reports),
        f"{len(letters)} e-mails with a report of {len(reports[-1]) // 1024} kB; the last: {letters[-1]['Subject']}\n"
        + ", ".join(letters[-1].get_body().get_content().splitlines()),
    )

    flags = drifts(before)
    single = [f"{day:%-d %B}" for day, flag in zip(days, flags, strict=True) if flag][:-3]
    stage.claim(
        "nothing runs before three days in a row drift",
        not any([*replay.runs_after.values()][:-1]) and flags[-3:] == [True] * 3,
        f"no run after {', '.join(single)}; one when {began:%-d %B} is over, the third in a row",
    )

    conf = airflow.runs(DAG)[0]["conf"]
    alerts = stage.alerts("dataset-drift")
    went_on = sum(drifts([one for one in replay.windows() if one["start"] >= f"{began + DAY:%Y-%m-%d}"]))
    stage.claim(
        "one alert starts one run, whose id is made of it, although the drift goes on",
        [one["dag_run_id"] for one in airflow.runs(DAG)] == [f"driftline-{alerts[0]['id']}-airflow-retrain"]
        and (len(alerts), conf["alert"]) == (1, alerts[0]["id"])
        and conf["since"][:10] == f"{began - 2 * DAY:%Y-%m-%d}"
        and went_on > 0,
        f"run {run}; {went_on} more days of drift",
    )

    snapshot = pd.read_parquet(stage.folder / "snapshot.parquet")
    until = began + DAY
    known = replay.sent[
        (replay.sent["time"] >= until - 28 * DAY) & (replay.sent["time"].dt.normalize() + 2 * DAY <= until)
    ]
    same = snapshot.set_index("id")[[*FEATURES, "actual"]].sort_index()
    mine = known.set_index("id")[[*FEATURES, "rain"]].sort_index()
    stage.claim(
        "the snapshot has the rows of four weeks whose outcome is known",
        [*same.index] == [*mine.index]
        and (same["temperature"].fillna(-99.0) == mine["temperature"].fillna(-99.0)).all()
        and (same["actual"].astype(int) == mine["rain"]).all(),
        f"{len(snapshot):,} rows of {snapshot['time'].dt.date.nunique()} days, the same as were sent",
    )

    new = f"{began:%Y-%m-%d}"
    tasks = airflow.tasks(DAG, run)
    later = replay.sent[replay.sent["time"] >= until]
    loss = {version: log_loss(later["rain"], score(stage, version, later)) for version in (OLD, new)}
    stage.claim(
        "the new version is better on the days after its training, by scikit-learn's numbers",
        loss[new] < loss[OLD],
        f"log loss of {len(later):,} later forecasts: {loss[OLD]:.3f} before, {loss[new]:.3f} retrained",
    )
    (pair,) = stage.get(f"/api/v1/models/{MODEL}/versions")["challengers"]
    seen = pair["comparisons"]["log_loss"]
    canary = replay.windows(new)
    stage.claim(
        "it serves as a canary, Driftline finds its log loss better, and it is promoted",
        {step: tasks.get(step) for step in (*READY, "compare", "promote")}
        == dict.fromkeys((*READY, "compare", "promote"), "success")
        and tasks.get("roll_back") != "success"
        and seen["verdict"] == "better"
        and deployment(stage) == {"version": new}
        and bool(canary),
        f"{' → '.join(step for step, state in tasks.items() if state == 'success')}\n"
        f"after {canary_days} days: log loss {seen['champion']:.3f} before, {seen['challenger']:.3f} of the canary, "
        f"{seen['verdict']} ({seen['low']:+.3f} to {seen['high']:+.3f})",
    )
    last = replay.sent[replay.sent["time"] >= replay.sent["time"].max().normalize()]
    answered = last["id"].map(replay.scores).to_numpy()
    stage.claim(
        "from then on it answers every request",
        abs(answered - score(stage, new, last)).max() < 1e-9 and abs(answered - score(stage, OLD, last)).max() > 0.01,
        f"the {len(last)} forecasts of {last['time'].max():%-d %B} are its own",
    )
    if bridged is not None:
        stage.claim(
            "Prometheus and Alertmanager ask for the same run, and Airflow does not start it twice",
            bridged == f"409 {run}" and len(airflow.runs(DAG)) == 1,
            f"rule, Alertmanager, bridge.py, Airflow: {bridged}",
        )
    check_rules(stage, before)


def score(stage: Stage, version: str, rows: pd.DataFrame):
    return joblib.load(stage.folder / "models" / f"{version}.joblib").predict_proba(rows[FEATURES])[:, 1]


def bridge(stage: Stage, variables: dict[str, str]) -> str | None:
    """Let a real Prometheus and Alertmanager ask for the run, too; return what Airflow answered, None without them."""
    prometheus = shutil.which("prometheus", path=f"{PEERS}{os.pathsep}{stage.environment['PATH']}")
    alertmanager = shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")
    stage.driftline("rules", "--config", "driftline.yaml", "-o", "rules")
    if prometheus is None or alertmanager is None:
        stage.console.print(
            "Prometheus (`make interop`) or Alertmanager is not installed: Driftline alone asks Airflow."
        )
        return None
    stage.say("Prometheus and Alertmanager ask for the run, too")
    at = {name: free_port() for name in ("bridge", "alertmanager", "prometheus")}
    live = stage.folder / "live"
    live.mkdir()
    stage.work("the bridge", "bridge.py", variables={**variables, "PORT": str(at["bridge"])})

    routes = yaml.safe_load((stage.folder / "rules" / "alertmanager.yml").read_text())
    for receiver in routes["receivers"]:
        receiver["webhook_configs"] = [{"url": f"http://127.0.0.1:{at['bridge']}/alerts", "send_resolved": False}]
    routes["route"] |= {"group_wait": "1s", "group_interval": "5s"}
    (live / "alertmanager.yml").write_text(yaml.safe_dump(routes))
    rules = yaml.safe_load((stage.folder / "rules" / "driftline.models.rules.yml").read_text())
    for group in rules["groups"]:
        for rule in group["rules"]:
            rule["for"] = "1s"  # the two days have passed in the replay, not on the clock of Prometheus
    (live / "rules.yml").write_text(yaml.safe_dump(rules))
    scraped = {"job_name": "driftline", "static_configs": [{"targets": [stage.web.removeprefix("http://")]}]}
    sent = {"static_configs": [{"targets": [f"127.0.0.1:{at['alertmanager']}"]}]}
    config = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "scrape_configs": [scraped],
        "rule_files": ["rules.yml"],
        "alerting": {"alertmanagers": [sent]},
    }
    (live / "prometheus.yml").write_text(yaml.safe_dump(config))
    programs = {
        alertmanager: [
            "--config.file=alertmanager.yml",
            "--storage.path=alerts",
            f"--web.listen-address=127.0.0.1:{at['alertmanager']}",
            "--cluster.listen-address=",
        ],
        prometheus: [
            "--config.file=prometheus.yml",
            "--storage.tsdb.path=series",
            f"--web.listen-address=127.0.0.1:{at['prometheus']}",
        ],
    }
    answers = stage.folder / "the-bridge.log"

    def answered() -> list[str]:
        return re.findall(r"^\d{3} driftline-.*$", answers.read_text(), re.MULTILINE)

    with contextlib.ExitStack() as running_now:
        for program, options in programs.items():
            log = live / f"{Path(program).name}.log"
            running_now.enter_context(running([program, *options], stage.environment, log, folder=live))
        stage.wait_for(lambda: bool(answered()))
    return answered()[0] if answered() else "nothing"


def check_rules(stage: Stage, windows: list[dict]) -> None:
    """Let Prometheus' own `promtool` run the generated rule over the drift of these days, in their time."""
    promtool = shutil.which("promtool", path=f"{PEERS}{os.pathsep}{stage.environment['PATH']}")
    if promtool is None:
        stage.console.print(
            "promtool is not installed (`make interop`): the rule for Prometheus is written, and not run."
        )
        return
    labels = {"ml_model_name": MODEL, "driftline_window": "1d", "driftline_drift_weighting": "none"}
    series = ",".join(f'{name}="{value}"' for name, value in (labels | {"driftline_drift_slice": ""}).items())
    shown = 24 * 60 // 4  # each day is seen by so many scrapes, one in four minutes
    firing = 'count(ALERTS{alertname="PolicyFires",policy="dataset-drift",alertstate="firing"}) or vector(0)'
    days = len(windows)
    values = " ".join(f"{one['drift']['fraction'] or 0}x{shown - 1}" for one in windows)
    test = {
        "rule_files": ["driftline.models.rules.yml"],
        "evaluation_interval": "4m",
        "tests": [
            {
                "interval": "4m",
                "input_series": [{"series": f"driftline_drift_fraction_ratio{{{series}}}", "values": values}],
                "promql_expr_test": [
                    {
                        "expr": firing,
                        "eval_time": f"{day * 24 * 60 + 12}m",
                        "exp_samples": [{"labels": "{}", "value": int(day == days - 1)}],
                    }
                    for day in range(days)
                ],
            }
        ],
    }
    (stage.folder / "rules" / "test.yml").write_text(yaml.safe_dump(test))
    ran = subprocess.run(
        [promtool, "test", "rules", "test.yml"], cwd=stage.folder / "rules", capture_output=True, text=True, check=False
    )
    stage.claim(
        "the rule that `driftline rules` writes for Prometheus fires on the same day, and on no day before",
        ran.returncode == 0,
        f"promtool over {days} days: {ran.stdout.strip().splitlines()[-1].strip()}{ran.stderr[-500:]}",
    )
