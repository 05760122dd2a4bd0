"""Replay forty hours of a news page, and check who asked for a retraining. Run it with `driftline demo 14`."""

import json

import joblib
import numpy as np
import pandas as pd
import simulator
from confluent_kafka import Producer
from driftline_processor.demo.peers.github import GitHub
from driftline_processor.demo.peers.kafka import broker
from driftline_processor.demo.stage import Stage, as_json
from sklearn.isotonic import IsotonicRegression
from sklearn.metrics import roc_auc_score

PICTURE = "/models/clicks/incidents"
"""The page whose picture is in the README."""

TOPIC, TOKEN = "model-events", "a-token-of-github"
ALLOWED, IN_A_ROW, TRACKED = 0.95, 6, 8
"""As in `driftline.yaml`: of the baseline, hours below it, and hours until clicks are known."""
OVER = simulator.DECLINE + IN_A_ROW
"""The first hour in which six hours of the decline are over."""


def play(stage: Stage) -> None:
    random = np.random.default_rng(14)
    stage.say("Training on three days of February")
    february = pd.concat([simulator.impressions(hour, random) for hour in range(-72, 0)], ignore_index=True)
    february.to_parquet(stage.folder / "february.parquet")
    stage.run("train.py")
    stage.say("Starting Kafka, the processor, the consumer and the service")
    kafka = stage.enter(broker(stage.folder / "kafka", TOPIC))
    github = GitHub("example/news", "retrain.yml", TOKEN, details=False)
    stage.host(GitHub.host, github)
    stage.start_processor({"KAFKA": kafka.address})
    stage.work("the consumer", "consumer.py", variables={"KAFKA": kafka.address, "GITHUB_TOKEN": TOKEN})
    service = stage.serve("service.py")

    hours = [simulator.impressions(hour, random) for hour in range(simulator.HOURS)]
    for hour in range(OVER):
        replay(stage, service, hours, hour)
    stage.say("Evaluating five hours of the decline")
    stage.wait_for(lambda: len(closed(stage)) == OVER - 1, lambda: len(closed(stage)))
    stage.wait_until_quiet()
    before = kafka.read(TOPIC)
    replay(stage, service, hours, OVER)
    stage.say("Waiting for the run of the workflow")
    stage.wait_for(lambda: bool(github.runs))
    clicks_known = OVER - TRACKED
    for hour in range(OVER + 1, simulator.HOURS + TRACKED):
        replay(stage, service, hours, hour)
    rows = sum(map(len, hours))
    stage.wait_until_evaluated("clicks", "1h", rows, rows)
    stage.wait_until_quiet()

    check_estimates(stage, february, hours)
    events = kafka.read(TOPIC)
    check_event(stage, kafka.broker, before, events, clicks_known)
    stage.say("Sending the event once more")
    for key, value in events:
        send_again(kafka.address, key, value)
    log = stage.folder / "the-consumer.log"
    stage.wait_for(lambda: "has its run" in log.read_text(encoding="utf-8"))
    check_run(stage, github, [json.loads(value) for _, value in events], log.read_text(encoding="utf-8"))


def replay(stage: Stage, service, hours: list[pd.DataFrame], hour: int) -> None:
    """Show the pages of an hour, and send the clicks that are known at its end."""
    if hour < len(hours):
        stage.say(f"Replaying hour {hour}")
        for _, page in hours[hour].drop(columns="clicked").groupby("page", sort=False):
            service.post("/page", json=as_json(page)).raise_for_status()
    if 0 <= hour - TRACKED < len(hours):
        tracked = hours[hour - TRACKED][["id", "clicked", "time"]].astype({"clicked": int})
        service.post("/clicks", json=as_json(tracked)).raise_for_status()


def closed(stage: Stage) -> list[dict]:
    """Return the hours that are over and evaluated."""
    windows = [one for one in stage.windows("clicks", "1h") if one["closed"]]
    return [one for one in windows if one["verdict"] and one["verdict"]["state"] != "lagging"]


def send_again(address: str, key: bytes, value: bytes) -> None:
    """Write an event a second time, as a processor does that was killed before it heard that Kafka has it."""
    producer = Producer({"bootstrap.servers": address})
    producer.produce(TOPIC, value=value, key=key)
    producer.flush(60)


def expected_auc(chance: np.ndarray) -> float:
    """Return the AUC to be expected of rows that are clicked with these chances, in the order of their scores."""
    chance = np.sort(chance)
    _, at = np.unique(chance, return_inverse=True)
    clicked, not_clicked = np.bincount(at, chance), np.bincount(at, 1 - chance)
    below = np.cumsum(not_clicked) - not_clicked / 2
    pairs = (clicked * below).sum() - (chance * (1 - chance)).sum() / 2
    return float(pairs / (clicked.sum() * not_clicked.sum() - (chance * (1 - chance)).sum()))


def check_estimates(stage: Stage, february: pd.DataFrame, hours: list[pd.DataFrame]) -> None:
    """Compare each hour's estimate with one of scikit-learn, and with the clicks that became known later."""
    classifier = joblib.load(stage.folder / "clicks.joblib")

    def scores(rows: pd.DataFrame) -> np.ndarray:
        return classifier.predict_proba(rows[simulator.FEATURES])[:, 1]

    held_out = february[len(february) // 2 :]
    chance = IsotonicRegression(out_of_bounds="clip").fit(scores(held_out), held_out["clicked"])
    reference = roc_auc_score(held_out["clicked"], scores(held_out))
    windows = closed(stage)
    table = pd.DataFrame(
        {
            "AUC estimated": [one["performance"]["estimated"]["roc_auc"]["value"] for one in windows],
            "in scikit-learn": [expected_auc(chance.predict(scores(rows))) for rows in hours[: len(windows)]],
            "known later": [one["performance"]["realized"]["roc_auc"]["value"] for one in windows],
            "clicks estimated": [one["performance"]["estimated"]["actual_rate"]["value"] for one in windows],
            "clicks known later": [one["performance"]["realized"]["actual_rate"]["value"] for one in windows],
            "in pandas": [rows["clicked"].mean() for rows in hours[: len(windows)]],
        }
    )
    wrong = (table["AUC estimated"] - table["in scikit-learn"]).abs().max()
    known = (table["clicks known later"] - table["in pandas"]).abs().max()
    bounds = [one["performance"]["estimated"]["actual_rate"] for one in windows]
    inside = [one["low"] <= rate <= one["high"] for one, rate in zip(bounds, table["in pandas"], strict=True)]
    some = table.iloc[[simulator.NEWSLETTER[0] - 1, *simulator.NEWSLETTER, *range(simulator.DECLINE - 1, OVER)]]
    stage.claim(
        "each hour has an estimate without labels, and later the clicks that show whether it was right",
        wrong < 0.005 and known < 1e-9 and np.mean(inside) > 0.85,
        f"{some.drop(columns=['in scikit-learn', 'in pandas']).round(3).rename('hour {}'.format).to_string()}\n"
        f"AUC as estimated with scikit-learn, within {wrong:.3f}; the click rate known later was in the interval\n"
        f"of the estimate in {sum(inside)} of {len(inside)} hours",
    )
    limit = ALLOWED * reference
    below = table.index[table["AUC estimated"] < limit].tolist()
    stage.claim(
        "the estimate is 5 % below the baseline in the two hours of the newsletter, and in each hour of the decline",
        below == [*simulator.NEWSLETTER, *range(simulator.DECLINE, len(windows))],
        f"below {limit:.3f}: hours {', '.join(map(str, below))}",
    )


def check_event(stage: Stage, kafka: str, before: list, events: list, clicks_known: int) -> None:
    stage.claim(
        "two hours below the limit, and five hours of the decline, send no event",
        not before,
        f"{len(before)} events after hour {OVER - 2}",
    )
    bodies = [json.loads(value) for _, value in events]
    since = [(pd.Timestamp(one["data"]["since"]) - simulator.START) // pd.Timedelta("1h") for one in bodies]
    stage.claim(
        "six hours in a row send exactly one event to Kafka, before any click of the decline is known",
        since == [simulator.DECLINE] and clicks_known < simulator.DECLINE,
        f"{kafka}, events on {TOPIC}: {len(events)}, sent when clicks until hour {clicks_known} were known\n"
        + "\n".join(f"since hour {hour}: {one['data']['finding']}" for one, hour in zip(bodies, since, strict=True)),
    )


def check_run(stage: Stage, github: GitHub, events: list[dict], log: str) -> None:
    stage.claim(
        "the consumer starts one run of the workflow, also if the event comes twice",
        [one["message"] for one in github.inputs] == [one["id"] for one in events] and len(github.runs) == 1,
        "\n".join([*(f"GitHub: {name}" for name in github.runs), *(f"consumer: {line}" for line in log.splitlines())]),
    )
