"""Replay fifteen days of 54 models, and check who was told what. Run it with `driftline demo 6`."""

import base64
import os
import sqlite3
import time
from importlib.resources import files

import numpy as np
import pandas as pd
import simulator
import yaml
from driftline_processor.demo.peers.elasticsearch import Document, Elasticsearch
from driftline_processor.demo.processes import free_port
from driftline_processor.demo.stage import Stage, as_json

PICTURE = "/scorecard"
"""The page whose picture is in the README."""

ELASTIC, KEY = "elastic.example.com", base64.b64encode(b"id-of-the-key:secret").decode()
MODELS, RISK = "T0123456/B0123456/recording", "T0123456/B0123456/risk"
STREAM = "logs-generic.otel-"
"""What the names of all data streams begin with."""

WINDOWS = {1: "1d", 2: "1d", 3: "1w"}
ESCALATED_AFTER = 30
"""As in `driftline.yaml`: minutes."""

PAGED, AT_ONCE, IN_DIGEST = (
    {simulator.UNIT, simulator.FAILING},
    {simulator.TASTE, simulator.LONGER},
    {*simulator.ANOTHER},
)


class Clock:
    """The clock of all processes: the machine's, moved on. It is eight o'clock at first."""

    def __init__(self, stage: Stage) -> None:
        self._file = stage.folder / "clock.txt"
        self._ahead = (8 * 3600 - time.time()) % (24 * 3600)
        self.move_to(self.now)
        path = [str(stage.folder / "clock"), *filter(None, [os.environ.get("PYTHONPATH")])]
        stage.environment |= {"PYTHONPATH": os.pathsep.join(path), "REPLAY_CLOCK": str(self._file)}

    @property
    def now(self) -> pd.Timestamp:
        return pd.Timestamp(time.time() + self._ahead, unit="s", tz="UTC")

    def move_to(self, moment: pd.Timestamp) -> None:
        self._ahead = moment.timestamp() - time.time()
        self._file.write_text(str(round(self._ahead)), encoding="utf-8")


def play(stage: Stage) -> None:
    random, clock, elastic = np.random.default_rng(2026), Clock(stage), Elasticsearch(KEY)
    stage.host(ELASTIC, elastic)
    fleet = simulator.fleet()
    stage.say("Training 54 models")
    stage.run("train.py")
    traffic = {one.model: simulator.traffic(one.model, one.team, random) for one in fleet.itertuples()}
    days = sell(stage, traffic[simulator.TASTE], random)
    stage.say("Starting the processor and the services of three teams")
    stage.start_processor(
        {"ELASTIC_OTLP": f"https://{ELASTIC}/_otlp", "ELASTIC_API_KEY": KEY, "RISK_SLACK_TOKEN": RISK}
    )
    services = {}
    for team in simulator.FEATURES:
        stage.environment["TEAM"] = team
        services[team] = stage.serve("service.py", port=free_port())
    failed = replay(stage, services, fleet, traffic)
    for one in fleet.sort_values("tier").itertuples():
        stage.wait_until_evaluated(one.model, WINDOWS[one.tier], len(traffic[one.model]), None)
    stage.wait_until_told("high-risk", *(("oncall", "opened") for _ in PAGED))
    stage.wait_until_told("health", *(("slack", "opened") for _ in AT_ONCE))
    stage.wait_until_told("late-labels", ("risk", "opened"))
    stage.wait_until_quiet()
    check_tiers(stage, fleet)
    check_escalation(stage, clock)
    check_digest(stage, clock)
    check_store(stage, elastic, traffic)
    check_business(stage, days)
    check_scorecard(stage, fleet, traffic, failed)
    check_healthy(stage, fleet)


def sell(stage: Stage, shown: pd.DataFrame, random: np.random.Generator) -> pd.DataFrame:
    """Write what the shop knows of each day into its database: pages, orders and revenue."""
    orders = simulator.orders(shown, random).groupby("day")["amount"]
    pages = shown.groupby(shown["time"].dt.strftime("%Y-%m-%d")).size()
    days = pd.DataFrame({"pages": pages, "orders": orders.size(), "revenue": orders.sum()}).fillna(0).rename_axis("day")
    with sqlite3.connect(stage.folder / "shop.db") as shop:
        days.to_sql("days", shop)
    return days


def replay(stage: Stage, services: dict, fleet: pd.DataFrame, traffic: dict[str, pd.DataFrame]) -> list[str]:
    """Report each morning what became known the day before, and send the day; return ids of rows whose calls failed."""
    done, reported, rows_in_all, failed = 0, 0, sum(map(len, traffic.values())), []
    stage.say("Replaying", rows_in_all)
    for day in pd.date_range(simulator.START, periods=simulator.DAYS):
        for one in fleet.itertuples():
            rows, service = traffic[one.model], services[one.team]
            known = rows[(rows["known"] >= day - simulator.DAY) & (rows["known"] < day)]
            if len(known):
                body = as_json(known[["id", "actual", "known"]])
                service.post(f"/outcomes/{one.model}", json=body).raise_for_status()
                reported += int((~known["id"].isin(failed)).sum())
        stage.wait_for(lambda so_far=reported: joined(stage) >= so_far, lambda: joined(stage))
        for one in fleet.itertuples():
            rows, service = traffic[one.model], services[one.team]
            today = rows[(rows["time"] >= day) & (rows["time"] < day + simulator.DAY)]
            asked = today.drop(columns=["actual", "known"])
            by_hour = [call for _, call in asked.groupby(asked["time"].dt.floor("h"))]
            for call in by_hour if one.model == simulator.FAILING else [asked]:
                arrived = call.dropna(axis=1, how="all")
                answer = service.post(f"/score/{one.model}", json=as_json(arrived))
                failed += [] if answer.status_code == 200 else [*call["id"]]
            done += len(today)
        stage.go_on(done, f"Replaying {day:%-d %B %Y}")
    return failed


def joined(stage: Stage) -> int:
    """Return how many outcomes have found their prediction: a day takes a second here, and late is no outcome."""
    lines = [line for line in stage.metrics() if line.startswith("driftline_outcomes_total{")]
    return round(sum(float(line.split()[-1]) for line in lines))


def in_slack(stage: Stage, token: str) -> list[dict]:
    """Return the messages that came by a webhook: title and text of each."""
    return [
        message
        for asked in stage.left
        if asked.headers["host"] == stage.slack.host and asked.path == f"/services/{token}"
        for message in asked.json["attachments"]
    ]


def titles(stage: Stage, token: str) -> list[str]:
    return [message["title"] for message in in_slack(stage, token)]


def named(fleet: pd.DataFrame, texts: list[str]) -> set[str]:
    """Return the models that some texts are about: each begins with the name of its model."""
    return {name for name in fleet["model"] for text in texts if text.split(":")[0].split(" ")[0] == name}


def check_tiers(stage: Stage, fleet: pd.DataFrame) -> None:
    pages, risk, slack = stage.pagerduty.triggered, titles(stage, RISK), titles(stage, MODELS)
    stage.claim(
        "tier 1 pages, once for each of its two models with a fault",
        named(fleet, pages) == PAGED and len(pages) == len(PAGED),
        "\n".join(f"PagerDuty: {page}" for page in pages),
    )
    stage.claim(
        "tier 2 notifies the teams in Slack at once, and tier 3 notifies nobody yet",
        named(fleet, slack) == AT_ONCE and len(slack) == len(AT_ONCE),
        "\n".join(f"Slack, #models: {title}" for title in slack),
    )
    stage.claim(
        "late outcomes of tier 1 notify model risk, and page nobody",
        named(fleet, risk) == {simulator.LATE} and len(risk) == 1,
        "\n".join(f"Slack, #model-risk: {title}" for title in risk),
    )


def check_escalation(stage: Stage, clock: Clock) -> None:
    """Acknowledge one of two pages, move the clock on, and look who is notified."""
    before = len(titles(stage, RISK))
    pages = {one["model"]: one for one in stage.alerts("high-risk")}
    stage.say("Acknowledging one of the two pages, as a person would")
    if taken := pages.get(simulator.FAILING):
        why = "the tokenizer is repaired"
        stage.driftline("incidents", "ack", taken["id"], "--url", stage.web, "--why", why)
    notified = [pd.Timestamp(one["notified"]) for one in pages.values()] or [clock.now]
    clock.move_to(max(clock.now, min(notified) + pd.Timedelta(minutes=ESCALATED_AFTER - 1)))
    stage.wait_until_quiet()
    early = len(titles(stage, RISK)) - before
    clock.move_to(max(notified) + pd.Timedelta(minutes=ESCALATED_AFTER, seconds=1))
    stage.say("Waiting for the escalation")
    stage.wait_for(lambda: len(titles(stage, RISK)) > before)
    stage.wait_until_quiet()
    escalated = titles(stage, RISK)[before:]
    alerts = stage.alerts("high-risk")
    to = {one["model"]: one["escalated_to"] for one in alerts}
    stage.claim(
        "model risk is notified after 30 minutes, not after 29, and only about the unacknowledged page",
        early == 0 and len(escalated) == 1 and simulator.UNIT in escalated[0] and to.get(simulator.UNIT) == ["risk"],
        f"after 29 minutes: {early} messages\n" + "\n".join(f"Slack, #model-risk: {title}" for title in escalated),
    )
    stage.claim(
        "the page that somebody acknowledged is not escalated, and PagerDuty is notified of it",
        to.get(simulator.FAILING) == [] and "acknowledge" in [one["event_action"] for one in stage.pagerduty.events],
        "\n".join(
            f"{one['model']}: acknowledged by {one['acknowledged']['by']}, because {one['acknowledged']['why']}"
            for one in alerts
            if one["acknowledged"]
        ),
    )


def check_digest(stage: Stage, clock: Clock) -> None:
    before, nine = len(titles(stage, MODELS)), clock.now.floor("D") + pd.Timedelta(hours=9)
    too_early = clock.now < nine and before == len(AT_ONCE)
    clock.move_to(nine + pd.Timedelta(seconds=1))
    stage.say("Waiting for the digest of nine o'clock")
    stage.wait_for(lambda: len(titles(stage, MODELS)) > before)
    stage.wait_until_quiet()
    digests = in_slack(stage, MODELS)[before:]
    lines = [line for digest in digests for line in digest["text"].splitlines()]
    about = {name for name in simulator.fleet()["model"] for line in lines if f"{name} " in line or f"{name}:" in line}
    stage.claim(
        "tier 3 is notified in one digest at nine, and not before",
        too_early and len(digests) == 1 and about == IN_DIGEST,
        "\n".join([*(f"Slack, #models: {digest['title']}" for digest in digests), *(f"  {line}" for line in lines)]),
    )


def registered() -> dict[str, tuple[set[str], set[str]]]:
    """Return each event of Driftline's registry: the names of attributes that it may have, and that it must have."""
    events: dict[str, tuple[set[str], set[str]]] = {}
    folder = files("driftline.semconv") / "registry"
    for name in ("core.yaml", "events.yaml", "additions/events.yaml"):
        for group in yaml.safe_load((folder / name).read_text(encoding="utf-8"))["groups"]:
            if event := group.get("name") or group.get("extends", "").removeprefix("event."):
                may, must = events.setdefault(event, (set(), set()))
                for attribute in group["attributes"]:
                    may.add(attribute["ref"])
                    must |= {attribute["ref"]} if attribute["requirement_level"] == "required" else set()
    return events


def check_store(stage: Stage, elastic: Elasticsearch, traffic: dict[str, pd.DataFrame]) -> None:
    events, documents = registered(), elastic.documents
    unknown: tuple[set[str], set[str]] = (set(), set())
    strange = {(one.event, name) for one in documents for name in {*one.attributes} - events.get(one.event, unknown)[0]}
    missing = {(one.event, name) for one in documents for name in events.get(one.event, unknown)[1] - {*one.attributes}}
    types: dict[str, set[str]] = {}
    for fields in elastic.fields.values():
        for name, kind in fields.items():
            types.setdefault(name, set()).add(kind)
    ambiguous = {name: kinds for name, kinds in types.items() if len(kinds) > 1}
    ignored = {name for one in documents for name in one.ignored}
    streams = [(one.event, one.stream.removeprefix(STREAM)) for one in documents]
    table = pd.DataFrame(streams, columns=["event", f"in {STREAM}"])
    stage.claim(
        "one schema: every record in the store has attributes of Driftline's registry, and each value fits its field",
        bool(documents) and not (strange or missing or ignored or elastic.rejected or ambiguous),
        f"{pd.crosstab(*(table[name] for name in table)).to_string()}\n"
        f"{len(types)} names of attributes in {len(elastic.fields)} data streams: {len(strange)} not registered, "
        f"{len(missing)} missing; {len(elastic.rejected)} records rejected, {len(ignored)} values dropped\n"
        + "\n".join(f"{name}: {' in some, '.join(sorted(kinds))} in others" for name, kinds in ambiguous.items())
        + "".join(f"\nnot registered: {event} {name}" for event, name in sorted(strange)),
    )
    sent = count(documents, "driftline.prediction.batch", "ml.prediction.count")
    known = count(documents, "ml.outcome", None)
    last = simulator.START + (simulator.DAYS - 1) * simulator.DAY
    stage.claim(
        "the store has every prediction and every outcome of the 54 models, each once",
        sent == {name: len(rows) for name, rows in traffic.items()}
        and known == {name: int((rows["known"] < last).sum()) for name, rows in traffic.items()},
        f"{sum(sent.values()):,} predictions and {sum(known.values()):,} outcomes of {len(sent)} models",
    )
    changes = {
        one.attributes["ml.model.name"] for one in documents if one.attributes.get("driftline.state") == "degraded"
    }
    stage.claim(
        "it has a record of each model that became degraded, and of no other",
        changes == PAGED | AT_ONCE | IN_DIGEST,
        ", ".join(sorted(changes)),
    )


def count(documents: list[Document], event: str, attribute: str | None) -> dict[str, int]:
    """Return how many records of an event each model has; ``attribute``: what tells how many one stands for."""
    counted: dict[str, int] = {}
    for one in documents:
        if one.event == event:
            name = one.attributes["ml.model.name"]
            counted[name] = counted.get(name, 0) + (one.attributes[attribute] if attribute else 1)
    return counted


def check_business(stage: Stage, days: pd.DataFrame) -> None:
    page = stage.get(f"/models/{simulator.TASTE}", window="1d", format="json")
    shown = pd.DataFrame(page["windows"])
    shown = shown[shown["closed"]].assign(day=lambda table: table["start"].str[:10]).set_index("day").sort_index()
    names = ["business conversion", "business revenue", "roc_auc"]
    shown = shown.reindex(columns=names).astype(float)
    own = pd.DataFrame({names[0]: days["orders"] / days["pages"], names[1]: days["revenue"]}).loc[shown.index]
    difference = (shown[names[:2]] - own).abs().max()
    stage.claim(
        "conversion and revenue of each day are shown with the model, as the shop's database has them",
        len(shown) == simulator.DAYS - 1 and bool((difference < [1e-9, 0.01]).all()),
        shown.round(3).iloc[[0, 8, 9, 10, 11, 12, 13]].to_string(),
    )


def check_scorecard(stage: Stage, fleet: pd.DataFrame, traffic: dict[str, pd.DataFrame], failed: list[str]) -> None:
    page = stage.get("/scorecard", format="json")
    cards = pd.DataFrame(page["models"]).set_index("model")
    declared = fleet.set_index("model")
    fits = (
        cards[["tier", "owner"]]
        .sort_index()
        .equals(declared[["tier", "team"]].rename(columns={"team": "owner"}).sort_index().rename_axis("model"))
    )
    degraded = {*cards.index[cards["verdict"] == "broken"]}
    late = {*cards.index[cards["labels"] == "broken"]}
    lines = {(one["model"], one["subject"]): one["reason"] for one in page["lines"]}
    words = ["tier", "owner", "verdict", "objectives", "drift", "labels", "service"]
    bad = cards.loc[[name for name in cards.index if name in simulator.FAULTY], words]
    stage.claim(
        "the scorecard has a row for each of the 54 models: tier, team, and the verdict that the replay seeded",
        fits and len(cards) == len(fleet) == 54 and degraded == PAGED | AT_ONCE | IN_DIGEST,
        f"{bad.to_string()}\nverdicts of all: "
        + ", ".join(f"{number} {word}" for word, number in cards["verdict"].value_counts().items()),
    )
    calls = traffic[simulator.FAILING].set_index("id")["time"]
    hours = {time.floor("h") for time in calls[failed]}
    objective = lines.get((simulator.FAILING, "objectives"), "")
    stage.claim(
        "only the model whose outcomes are late breaks the agreement on outcomes, and only failing calls the objective",
        late == {simulator.LATE} and {*cards.index[cards["objectives"] == "broken"]} == {simulator.FAILING},
        f"{simulator.LATE}: {lines.get((simulator.LATE, 'labels'), '')}\n"
        f"{simulator.FAILING}: {objective}\ncalls failed in {len(hours)} hours",
    )


def check_healthy(stage: Stage, fleet: pd.DataFrame) -> None:
    alerted = {one["model"] for one in stage.alerts()}
    healthy = {*fleet["model"]} - {*simulator.FAULTY}
    stage.claim(
        f"the {len(healthy)} models without a fault cause no notification",
        alerted == {*simulator.FAULTY},
        f"{len(stage.alerts())} alerts, of {', '.join(sorted(alerted))}",
    )
