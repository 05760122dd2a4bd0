"""Replay eight weeks of shops, and check what was weighed, trained and paid. Run it with `driftline demo 11`."""

import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing

import joblib
import numpy as np
import pandas as pd
import showback
import simulator
import training
import yaml
from driftline_processor.demo.peers.airflow import Airflow
from driftline_processor.demo.peers.recorder import Asked, service
from driftline_processor.demo.processes import running
from driftline_processor.demo.stage import Stage, as_json
from machine import IDLE_HOURS
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from retraining import EPOCHS
from simulator import DAY, FEATURES, START

PICTURE = "/models/stockout?window=1d&at=2026-04-14T00:00:00Z"
"""The page whose picture is in the README: the day on which 80 % of the budget are spent."""

AIRFLOW, POOL, ACTION = "airflow.example.com", "pool.example.com", "airflow/retrain-if-it-pays"
HOURS_PER_SECOND = 24
"""A second of a training or of an idle machine is charged as so many hours, since the trainings here take seconds."""
SMALL, LASTING = 31, 38
"""Days after which the week of the small loss, and the first one of the loss that lasts, have all their outcomes."""
NOTICED = 9
"""The epoch in which the cloud takes the machine away."""
ASSUMED = 0.5
"""The fraction of a loss that a retraining recovers, as long as no past one shows it."""
OTHERS = {
    9: ("fresh", "waste", "left-over", 24),
    30: ("fresh", "waste", "left-over", 24),
    43: ("planning", "prices", "price-trial", 12),
}
"""Trainings of other models: day → team, project, model and epochs."""
PINNED = 41


class Pool:
    """The machines that train, and what asks for the release of idle ones."""

    def __init__(self, stage: Stage, collector: str) -> None:
        self._stage, self._started = stage, 0
        self.environment = {**stage.environment, "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": f"{collector}/v1/metrics"}
        self.pinned: subprocess.Popen | None = None
        self.released: list[Asked] = []

    def __call__(self, asked: Asked) -> tuple[int, None]:
        self.released.append(asked)
        if self.pinned is not None:
            self.pinned.send_signal(signal.SIGTERM)
        return 202, None

    def start(self, day: pd.Timestamp, *options: str) -> subprocess.Popen:
        self._started += 1
        name = f"machine-{self._started}"
        command = [sys.executable, "machine.py", name, f"{day:%Y-%m-%d}", *options]
        log = self._stage.folder / f"{name}.log"
        return self._stage.enter(running(command, self.environment, log, folder=self._stage.folder))

    def log(self) -> str:
        logs = sorted(self._stage.folder.glob("machine-*.log"), key=lambda one: int(one.stem[8:]))
        return "".join(one.read_text() for one in logs)


def play(stage: Stage) -> None:
    random, airflow = np.random.default_rng(11), Airflow(2, ("replayed",), "retrain_if_it_pays")
    collector = stage.enter(service(lambda _: (200, b"")))
    stage.environment |= {"SECONDS_PER_HOUR": str(1 / HOURS_PER_SECOND)}
    stage.environment["PATH"] = f"{os.path.dirname(sys.executable)}:{os.environ.get('PATH', os.defpath)}"
    pool = Pool(stage, collector.url)
    stage.host(AIRFLOW, airflow)
    stage.host(POOL, pool)
    stage.console.print("A recording peer stands for Airflow; this replay runs the commands of the DAG.")
    prices = prepare(stage)
    stage.say("Starting the processor")
    stage.start_processor({"AIRFLOW_TOKEN": "replayed"})
    stage.say("Training on six weeks until February")
    shops = [simulator.evening(day, random) for day in range(-42, 0)]
    replay = Replay(stage, pool, shops)
    replay.train("planning", "stock", "stockout", EPOCHS, START - 3 * DAY, "2026-03")
    deploy(stage, "2026-03")
    replay.service = stage.serve("service.py")

    for day in range(SMALL + 1):
        replay.day(day, simulator.evening(day, random))
    weighed = [weigh(stage, simulator.HOLIDAY.start)]
    stage.wait_until_told("loss-expected", ("slack", "opened"))
    expected = stage.alerts()
    for day in range(SMALL + 1, LASTING + 1):
        replay.day(day, simulator.evening(day, random))
    stage.say("Waiting for the loss that is known")
    stage.wait_for(lambda: bool(actions(stage, ACTION)))
    stage.wait_until_quiet()
    waiting = actions(stage, ACTION), len(airflow.runs)
    weighed.append(weigh(stage, simulator.NEW_WAREHOUSE))
    for lost in stage.alerts("loss-known"):
        stage.say("Approving the retraining, as a person would")
        why = weighed[-1][0]["sentence"]
        stage.driftline("incidents", "approve", lost["id"], ACTION, "--url", stage.web, "--why", why)
        stage.wait_for(lambda: bool(airflow.runs))
    for run in airflow.runs.values():
        replay.retrain(run["since"], LASTING)
    for day in range(LASTING + 1, simulator.OLD_WAREHOUSE):
        replay.day(day, simulator.evening(day, random))
        if day == PINNED + 1:
            stage.say("Waiting for the release of the pinned machine")
            stage.wait_for(lambda: bool(pool.released))
    stage.say("Waiting for the end of the loss")
    stage.wait_for(lambda: not any(one["open"] for one in stage.alerts("loss-known")))
    for day in range(simulator.OLD_WAREHOUSE, simulator.DAYS):
        replay.day(day, simulator.evening(day, random))
    stage.say("Evaluating the last days")
    stage.wait_for(lambda: len(stage.alerts("loss-known")) == 2, lambda: stage.alerts("loss-known"))
    stage.wait_for(lambda: bool(stage.alerts("budget-almost-spent")))
    stage.wait_until_quiet()
    check_runs(stage, prices, telemetry(collector.asked))
    for (answer, code, words), week, pays in zip(
        weighed, (simulator.HOLIDAY.start, simulator.NEW_WAREHOUSE), (False, True), strict=True
    ):
        check_weighing(stage, replay, week, pays, answer, code, words)
    check_retraining(stage, airflow, expected, waiting)
    if airflow.runs:
        check_spot(stage, replay, prices)
        check_new_version(stage, replay)
    check_idle(stage, replay)
    check_budget(stage)
    check_told(stage)


def prepare(stage: Stage) -> dict:
    """Make the folders of the pool and its ledger; return the prices of an hour of the replay."""
    for name in ("jobs/running", "jobs/done", "jobs/failed", "checkpoints", "models"):
        (stage.folder / name).mkdir(parents=True)
    showback.close_day("2026-02-28", str(stage.folder / "ledger.db"))
    prices = yaml.safe_load((stage.folder / "prices.yaml").read_text())
    scale = 3600 * HOURS_PER_SECOND
    prices["gpu_hour"] = {name: scale * price for name, price in prices["gpu_hour"].items()}
    prices |= {name: scale * prices[name] for name in ("machine_hour", "memory_gb_hour")}
    (stage.folder / "prices.yaml").write_text(yaml.safe_dump(prices))
    return prices


class Replay:
    """Sends one evening after the other, and what became of the articles two days later."""

    def __init__(self, stage: Stage, pool: Pool, evenings: list[pd.DataFrame]) -> None:
        self._stage, self.pool, self.evenings = stage, pool, evenings
        self.service = None
        self.sent = self.known = 0

    def day(self, number: int, evening: pd.DataFrame) -> None:
        day = START + number * DAY
        self._stage.say(f"Replaying {day:%-d %B}")
        if self.sent and number > 1:
            due = self.evenings[-2].assign(time=day + pd.Timedelta("9h"))
            self.service.post("/delivered", json=as_json(due[["id", "sold_out", "time"]])).raise_for_status()
        for _, shop in evening.groupby("shop"):
            articles = as_json(shop[["id", "time", *FEATURES]])
            self.service.post("/tonight", json={"articles": articles}).raise_for_status()
        self.evenings.append(evening)
        self.sent += len(evening)
        if number in OTHERS:
            team, project, model, epochs = OTHERS[number]
            self.train(team, project, model, epochs, day, f"{day:%Y-%m-%d}")
        if number == PINNED:
            self.pool.pinned = self.pool.start(day, "--pinned")
            self._stage.wait_for(lambda: self.idle(day) > 12.5)
        if number != LASTING:  # that night comes after the retraining
            self.close(day)

    def close(self, day: pd.Timestamp) -> None:
        """Run the nightly job."""
        showback.close_day(f"{day:%Y-%m-%d}", str(self._stage.folder / "ledger.db"))

    def idle(self, day: pd.Timestamp) -> float:
        (hours,) = ask(self._stage, f"SELECT coalesce(sum(hours), 0) FROM idle WHERE day = '{day:%Y-%m-%d}'")[0]
        return hours

    def write_sales(self) -> None:
        """Write what the warehouse of data has: evenings whose outcome is known."""
        pd.concat(self.evenings[:-2]).to_parquet(self._stage.folder / "sales.parquet")

    def train(self, team: str, project: str, model: str, epochs: int, day: pd.Timestamp, version: str) -> None:
        """Order a training, and start a machine that does it and releases itself."""
        self.write_sales()
        target = "left_over" if model == "left-over" else "sold_out"
        job = {"model": model, "version": version, "target": target, "epochs": epochs, "day": f"{day:%Y-%m-%d}"}
        job |= {"since": f"{day - 42 * DAY:%Y-%m-%dT%H:%M:%SZ}", "team": team, "project": project}
        (self._stage.folder / "jobs" / f"{model}-{version}.json").write_text(json.dumps(job))
        self.pool.start(day).wait()

    def retrain(self, since: str, number: int) -> None:
        """Run the commands of the DAG; the cloud takes the first machine away."""
        day = START + number * DAY
        arguments = since, f"{day:%Y-%m-%d}"
        self.write_sales()
        shutil.copy(self._stage.folder / "sales.parquet", self._stage.folder / "retrained.parquet")
        self._stage.say("The DAG run: checkpoint, training, a spot interruption")
        self._stage.run("retraining.py", "check", *arguments)
        self._stage.run("retraining.py", "order", *arguments)
        machine = self.pool.start(day)
        noticed = f"stockout {arguments[1]} epoch {NOTICED}\n"
        self._stage.wait_for(lambda: noticed in self.pool.log())
        machine.send_signal(signal.SIGTERM)
        machine.wait()
        self.pool.start(day).wait()
        self._stage.run("retraining.py", "wait", *arguments)
        self._stage.run("retraining.py", "deploy", *arguments)
        self.close(day)


def ask(stage: Stage, query: str) -> list[tuple]:
    with closing(sqlite3.connect(stage.folder / "ledger.db", timeout=30)) as ledger:
        return ledger.execute(query).fetchall()


def deploy(stage: Stage, version: str) -> None:
    (stage.folder / "deployment.json").write_text(json.dumps({"version": version}))


def actions(stage: Stage, action: str) -> list[str]:
    return [one["result"] for alert in stage.alerts() for one in alert["messages"] if one["channel"] == action]


def weigh(stage: Stage, week: int) -> tuple[dict, int, str]:
    """Run the checkpoint of the DAG; return its numbers, its exit code and its words."""
    end = f"{START + (week + 7) * DAY:%Y-%m-%d}"

    def known() -> str:
        loss = stage.get("/api/v1/models/stockout/retraining", window="1w")["loss"]
        return "" if loss is None else loss["window"]["end"]

    stage.say("Weighing a retraining")
    stage.wait_for(lambda: known().startswith(end), known)
    answer = stage.get("/api/v1/models/stockout/retraining", window="1w")
    done = subprocess.run(
        [sys.executable, "retraining.py", "check"],
        cwd=stage.folder,
        env=stage.environment,
        capture_output=True,
        text=True,
    )
    return answer, done.returncode, done.stdout + done.stderr


def telemetry(requests: list[Asked]) -> pd.DataFrame:
    """Return the GPU hours, memory and cost of each run, as they came to the collector with the tags of their team."""
    rows: dict[tuple, dict] = {}
    for asked in requests:
        for sent in ExportMetricsServiceRequest.FromString(asked.unpacked).resource_metrics:
            tags = {one.key: one.value.string_value for one in sent.resource.attributes}
            for metric in (one for scope in sent.scope_metrics for one in scope.metrics):
                for point in metric.sum.data_points or metric.gauge.data_points:
                    said = {one.key: one.value.string_value for one in point.attributes}
                    run = tags.get("team"), tags.get("project"), said.get("ml.model.name"), tags["service.instance.id"]
                    value = point.as_double or point.as_int
                    rows.setdefault(run, {})[metric.name.removeprefix("driftline.training.")] = value
    table = pd.DataFrame(rows).T.rename_axis(["team", "project", "model", "run"]).reset_index()
    return table[table["cost"].notna()].infer_objects()


def check_runs(stage: Stage, prices: dict, sent: pd.DataFrame) -> None:
    """Compare what the product stored with what came to the collector, with the ledger, and with the price sheet."""
    by = ["team", "project", "model"]
    booked = pd.DataFrame(ask(stage, "SELECT team, project, model, cost FROM runs"), columns=[*by, "cost"])
    table = sent.groupby(by, dropna=False).agg(
        runs=("cost", "size"),
        gpu_hours=("gpu.time", lambda one: one.sum() / 3600),
        memory_mb=("memory.peak", lambda one: one.max() / 1e6),
        cost=("cost", "sum"),
    )
    stored = runs_of(stage)
    own = [price(prices, run) for run in stored]
    stage.claim(
        "each training leaves GPU hours, memory and cost, and the tags of its team and project",
        len(sent) == len(booked) == len(stored) + len(OTHERS)
        and table["cost"].round(4).to_dict() == booked.groupby(by)["cost"].sum().round(4).to_dict()
        and np.allclose([run["cost"] for run in stored], own)
        and (table[["gpu_hours", "memory_mb"]] > 0).all(axis=None),
        f"{table.round({'gpu_hours': 4, 'memory_mb': 0, 'cost': 2}).to_string()}\n"
        f"stockout by the price sheet: {' + '.join(f'{one:,.2f}' for one in own)} EUR, the same",
    )
    shown = stage.run("showback.py", ask(stage, "SELECT max(day) FROM nights")[0][0])
    totals = [float(line.split()[-2].replace(",", "")) for line in shown.splitlines()]
    stage.claim(
        "showback per team, project and model adds up to what the trainings reported",
        len(totals) == len(table) and np.allclose(sorted(totals), sorted(table["cost"]), rtol=0, atol=0.01),
        shown,
    )


def runs_of(stage: Stage) -> list[dict]:
    return stage.get("/api/v1/models/stockout/training-runs")["training_runs"]


def price(prices: dict, run: dict) -> float:
    """Return the cost of a run by the price sheet."""
    memory = run["peak_memory_bytes"] / 1e9 * run["seconds"] / 3600
    gpus = training.GPUS * run["seconds"] / 3600
    return (
        gpus * prices["gpu_hour"][training.GPU_TYPE]
        + run["seconds"] / 3600 * prices["machine_hour"]
        + memory * prices["memory_gb_hour"]
    )


def cost_per_prediction(stage: Stage, version: str, rows: pd.DataFrame) -> float:
    """Return what wrong decisions cost per article, by pandas: 4 EUR for one missed, 1 EUR for one too many."""
    scaler, network = joblib.load(stage.folder / "models" / f"stockout-{version}.joblib")
    ordered = network.predict_proba(scaler.transform(rows[FEATURES]))[:, 1] >= 0.5
    sold_out = rows["sold_out"] == 1
    return float((4 * (sold_out & ~ordered) + (~sold_out & ordered)).mean())


def held_out(sold: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the first baseline."""
    return sold[(sold["time"] < START - 2 * DAY) & (sold["time"].dt.day % 3 == 0)]


def check_weighing(stage: Stage, replay: Replay, week: int, pays: bool, answer: dict, code: int, words: str) -> None:
    sold = pd.concat(replay.evenings)
    start = START + week * DAY
    of = sold[(sold["time"] >= start) & (sold["time"] < start + 7 * DAY)]
    worse = cost_per_prediction(stage, "2026-03", of) - cost_per_prediction(stage, "2026-03", held_out(sold))
    gain = worse * 30 * simulator.SHOPS * simulator.ARTICLES * ASSUMED
    (cost,) = ask(stage, "SELECT cost FROM runs ORDER BY day LIMIT 1")[0]
    low, high = answer["gain"]["low"], answer["gain"]["high"]
    stage.claim(
        ("for a loss that lasts it answers retrain" if pays else "for a small loss the checkpoint answers wait")
        + ", with its reasons, and its sum is that of pandas",
        (answer["answer"], code) == (("retrain", 0) if pays else ("wait", 10))
        and (low > cost if pays else high < cost)
        and abs(answer["gain"]["value"] - gain) < 0.01
        and abs(answer["cost"]["amount"] - cost) < 0.01
        and words.startswith(answer["sentence"]),
        f"{words.strip()}\nin pandas: {worse:.4f} EUR an article, {gain:,.2f} EUR in 30 days; exit code {code}",
    )


def check_retraining(stage: Stage, airflow: Airflow, expected: list[dict], waiting: tuple[list[str], int]) -> None:
    since = f"{START + simulator.NEW_WAREHOUSE * DAY:%Y-%m-%d}"
    first = [(one["policy"], one["since"][:10], [sent["channel"] for sent in one["messages"]]) for one in expected]
    stage.claim(
        "the loss is expected after three evenings, before its outcomes have had their time, and nothing is done",
        first == [("loss-expected", since, ["slack"])],
        "\n".join(f"{one['policy']} since {one['since'][:10]}: {one['finding']}" for one in expected),
    )
    known = stage.alerts("loss-known")
    stage.claim(
        "the loss that is known asks for a retraining, which waits for a person",
        waiting == (["awaits_approval"], 0) and [one["since"][:10] for one in known][:1] == [since],
        f"before the approval: {', '.join(waiting[0])}, and Airflow got {waiting[1]} requests",
    )
    asked = [one for one in stage.left if one.headers["host"] == AIRFLOW and one.method == "POST"]
    approved = [sent["approved"] for one in known for sent in one["messages"] if sent["approved"]]
    started = [f"POST {one.path} {one.json['dag_run_id']}" for one in asked]
    stage.claim(
        "an approval starts exactly one DAG run",
        [*airflow.runs] == [f"driftline-{one['id']}-airflow-retrain-if-it-pays" for one in known[:1]]
        and len(started) == len(approved) == 1,
        "\n".join([*started, *(f"approved by {one['by']}: {one['why']}" for one in approved)]),
    )
    later = [sent for one in known[1:] for sent in one["messages"] if sent["channel"] == ACTION]
    again = [(sent["result"], sent["detail"]) for sent in later]
    back = f"{START + simulator.OLD_WAREHOUSE * DAY:%Y-%m-%d}"
    stage.claim(
        "a second loss within two weeks causes a message, and starts nothing",
        [one["since"][:10] for one in known] == [since, back]
        and again == [("held_back", "rate_limit: 1 per 14d")]
        and len(airflow.runs) == 1,
        "\n".join(f"{back}: {ACTION} is {result}, {why}" for result, why in again),
    )


def check_spot(stage: Stage, replay: Replay, prices: dict) -> None:
    version = f"{START + LASTING * DAY:%Y-%m-%d}"
    epochs = [int(number) for number in re.findall(rf"stockout {version} epoch (\d+)", replay.pool.log())]
    parts = [run for run in runs_of(stage) if run["version"] == version]
    os.replace(stage.folder / "retrained.parquet", stage.folder / "sales.parquet")
    since = f"{START + simulator.NEW_WAREHOUSE * DAY:%Y-%m-%dT%H:%M:%SZ}"
    sold = pd.read_parquet(stage.folder / "sales.parquet", filters=[("time", ">=", pd.Timestamp(since))])
    rows = sold[sold["time"].dt.day % 3 != 0]
    scaler, network = training.untrained(rows)
    for _ in range(EPOCHS):
        training.train_epoch(network, scaler.transform(rows[FEATURES]), rows["sold_out"].to_numpy())
    _, resumed = joblib.load(stage.folder / "models" / f"stockout-{version}.joblib")
    same = all(np.array_equal(one, other) for one, other in zip(network.coefs_, resumed.coefs_, strict=True))
    stage.claim(
        "a spot interruption loses no epoch: the model is the one of a training without it",
        epochs == [*range(1, EPOCHS + 1)] and same and len(parts) == 2,
        f"{' + '.join(str(round(run['epochs'])) for run in parts)} epochs on {len(parts)} machines, "
        f"the weights {'are equal' if same else 'differ'}",
    )
    between = (pd.Timestamp(parts[-1]["start"]) - pd.Timestamp(parts[0]["end"])).total_seconds()
    paid = sum(run["cost"] for run in parts)
    whole = price(prices, {**parts[-1], "seconds": between + sum(run["seconds"] for run in parts)})
    stage.claim(
        "only what ran is paid",
        between > 0 and np.isclose(paid, sum(price(prices, run) for run in parts)) and paid < whole,
        f"{' + '.join(format(run['cost'], ',.2f') for run in parts)} = {paid:,.2f} EUR\n"
        f"with the {between * HOURS_PER_SECOND:.0f} hours between them it would be {whole:,.2f} EUR",
    )


def check_new_version(stage: Stage, replay: Replay) -> None:
    sold = pd.concat(replay.evenings)
    after = sold[(sold["time"] >= START + (LASTING + 1) * DAY) & (sold["time"] < START + simulator.OLD_WAREHOUSE * DAY)]
    version = f"{START + LASTING * DAY:%Y-%m-%d}"
    old, new = (cost_per_prediction(stage, one, after) for one in ("2026-03", version))
    recovered = (old - new) / (old - cost_per_prediction(stage, "2026-03", held_out(sold)))
    first = stage.alerts("loss-known")[0]
    stage.claim(
        "the retraining recovers at least the half that was assumed, and the loss is over",
        recovered >= ASSUMED and not first["open"],
        f"an article costs {new:.2f} EUR, and {old:.2f} with the version before: {recovered:.0%} of the loss\n"
        f"loss-known: {first['since'][:10]} to {(first['until'] or 'now')[:10]}",
    )


def check_idle(stage: Stage, replay: Replay) -> None:
    own = re.findall(r"(machine-\d+): released, idle for ([\d.]+) h", replay.pool.log())
    stage.claim(
        "a machine without a job for six hours releases itself",
        len(own) == len(OTHERS) + 2 and all(float(hours) >= IDLE_HOURS for _, hours in own),
        ", ".join(f"{name} after {hours} h" for name, hours in own),
    )
    told, asked = stage.alerts("machines-idle"), [f"POST {one.path} {one.json}" for one in replay.pool.released]
    nights = ask(stage, "SELECT day FROM idle_nights WHERE hours > 12")
    stage.claim(
        "one that somebody has pinned shows in the series of idle hours, and a policy releases it",
        [one["since"][:10] for one in told] == [day for (day,) in nights] == [f"{START + PINNED * DAY:%Y-%m-%d}"]
        and len(asked) == 1
        and replay.pool.pinned is not None
        and replay.pool.pinned.poll() == 0,
        "\n".join([*(f"{one['since'][:10]}: {one['finding']}" for one in told), *asked]),
    )


def check_budget(stage: Stage) -> None:
    budget = showback.BUDGETS["planning"]
    runs = pd.DataFrame(ask(stage, "SELECT day, cost FROM runs WHERE team = 'planning'"), columns=["day", "cost"])
    nights = pd.date_range(START, START + (simulator.DAYS - 1) * DAY).strftime("%Y-%m-%d")
    spent = [runs.loc[runs["day"].between(f"{day[:7]}-01", day), "cost"].sum() for day in nights]
    used = pd.Series(spent, nights) / budget
    shown = dict(ask(stage, "SELECT day, of_budget FROM nights WHERE team = 'planning'"))
    lines, holds = [], np.allclose(used, [shown.get(day, np.nan) for day in nights])
    for policy, limit in (("budget-half", 0.5), ("budget-almost-spent", 0.8)):
        days = [one["since"][:10] for one in stage.alerts(policy)]
        told = [title for title in stage.slack.titles if f"'{policy}'" in title]
        holds &= days == [*used.index[used > limit][:1]] and len(told) == 1
        lines += [f"{policy}: since {day}, {used[day]:.0%} of {budget:,.0f} EUR" for day in days]
    stage.claim("50 and 80 % of the month's budget cause one message in Slack each", holds, "\n".join(lines))


def check_told(stage: Stage) -> None:
    once = ["budget-almost-spent", "budget-half", "loss-expected", "machines-idle"]
    stage.claim(
        "there is no other message",
        sorted(one["policy"] for one in stage.alerts()) == sorted([*once, "loss-known", "loss-known"]),
        "\n".join(f"Slack: {title}" for title in stage.slack.titles),
    )
