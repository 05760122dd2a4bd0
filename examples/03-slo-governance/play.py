"""Replay five days of 52 models, and check who was told and what was rolled back. Run it with `driftline demo 3`."""

import re
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pandas as pd
import simulator
from driftline_processor.demo.peers.deployer import Deployer
from driftline_processor.demo.peers.recorder import Asked, service
from driftline_processor.demo.stage import Stage, as_json
from simulator import DAY, HOUR, START, SWAPPED, USUAL
from sklearn.metrics import roc_auc_score

PICTURE = "/review?quarter=2026Q1"
"""The page whose picture is in the README."""

TOKEN, ACTION, QUARTER = "a-token-of-the-deployer", "http/rollback", "2026Q1"
BACKLOG = 3
"""Days that all models send at once; the others follow one by one."""
BURN = 14.4
"""As in `driftline.yaml`."""


class Backlog:
    """Where tier 3 goes: keeps each message once for each `Idempotency-Key`."""

    def __init__(self) -> None:
        self.messages: dict[str, dict] = {}

    def __call__(self, asked: Asked) -> tuple[int, None]:
        self.messages.setdefault(asked.headers["idempotency-key"], asked.json)
        return 202, None


class Fleet:
    """The rows of all models, and what the model server answered."""

    def __init__(self, stage: Stage, deployer: Deployer) -> None:
        self.models, random = simulator.fleet(), np.random.default_rng(33)
        self.rows = pd.concat(
            simulator.traffic(name, team, tier, random).assign(model=name)
            for name, team, tier in self.models.itertuples()
        ).reset_index(drop=True)
        self.rows["score"], self.rows["version"] = np.nan, ""
        self._stage, self._deployer = stage, deployer

    def send(self, server, since: pd.Timestamp, until: pd.Timestamp) -> None:
        """Send rows and outcomes of some days, one model after the other."""
        self._stage.say(f"Sending {since:%-d} to {until - HOUR:%-d %B %Y}", len(self.models))
        for number, name in enumerate(self.models.index):
            of = self.rows[self.rows["model"] == name]
            cuts = [since, simulator.SHIPPED, until] if name == "card-fraud" and since == START else [since, until]
            for start, end in pairwise(cuts):
                if name == "card-fraud" and start == simulator.SHIPPED:
                    self._deployer.serving[name] = SWAPPED
                self._send(server, name, of[(of["time"] >= start) & (of["time"] < end)])
            self._stage.go_on(number + 1)

    def _send(self, server, name: str, rows: pd.DataFrame) -> None:
        columns = [*simulator.FEATURES[self.models.loc[name, "team"]], "id", "time"]
        fails = simulator.fails(name, rows)
        for row in as_json(rows.loc[fails, columns].drop(columns="distance_km", errors="ignore")):
            assert server.post(f"/score/{name}", json=[row]).status_code == 422
        answered = rows[~fails]
        self.rows.loc[answered.index, "version"] = self._deployer.serving[name]
        answer = server.post(f"/score/{name}", json=as_json(answered[columns])).raise_for_status()
        self.rows.loc[answered.index, "score"] = answer.json()
        known = answered[["id", "actual"]].assign(time=answered["time"] + pd.Timedelta("30min"))
        server.post(f"/outcomes/{name}", json=as_json(known)).raise_for_status()


def play(stage: Stage) -> None:
    models = simulator.fleet()
    deployer = Deployer({name: simulator.versions(name, tier) for name, _, tier in models.itertuples()}, TOKEN)
    deployer.serving["card-fraud"] = USUAL
    backlog, fleet = Backlog(), Fleet(stage, deployer)
    stage.host("deployer.example.com", deployer)
    stage.host("backlog.example.com", backlog)
    stage.say("Training 52 models")
    stage.run("train.py")
    stage.say("Starting the processor and the model server")
    stage.start_processor({"DEPLOYER_TOKEN": TOKEN})
    stage.environment["DEPLOYER_URL"] = stage.enter(service(deployer)).url
    server = stage.serve("service.py")

    fleet.send(server, START, START + BACKLOG * DAY)
    stage.say("Waiting for the page and the rollback of card-fraud")
    wait(stage, lambda: delivered(stage, "card-fraud") >= {"oncall", "slack", ACTION})
    waiting = pending(stage)
    for day in range(BACKLOG, simulator.DAYS):
        fleet.send(server, START + day * DAY, START + (day + 1) * DAY)
        if day == BACKLOG:
            stage.say("Waiting for the page and the rollback of churn")
            wait(stage, lambda: delivered(stage, "churn") >= {"oncall", "slack", ACTION})
    fleet.send(server, START + simulator.DAYS * DAY, START + (simulator.DAYS + 1) * DAY)
    arrived, answered = len(fleet.rows), int(fleet.rows["score"].notna().sum())
    stage.say("Evaluating", arrived)
    wait(stage, lambda: total(stage, "outcomes") == answered and total(stage, "rows") == arrived and not pending(stage))
    stage.wait_until_quiet()
    check_backlog(stage, fleet, waiting)
    check_recovery(stage, fleet, deployer)
    check_rollbacks(stage, fleet, deployer)
    check_tiers(stage, backlog)
    check_burn(stage, fleet)
    check_healthy(stage, fleet, backlog)
    check_review(stage, fleet, deployer)


def versions(stage: Stage) -> list[dict]:
    return stage.get("/api/v1/models", limit=1000)["models"]


def total(stage: Stage, key: str) -> int:
    return sum(one[key] for one in versions(stage))


def pending(stage: Stage) -> dict[str, int]:
    """Return how many windows of each model wait to be evaluated."""
    return {one["model"]: one["pending_windows"] for one in versions(stage) if one["pending_windows"]}


def wait(stage: Stage, condition: Callable[[], bool]) -> bool:
    """Wait as the stage does, as long as windows are evaluated."""
    return stage.wait_for(condition, lambda: (sum(pending(stage).values()), len(stage.left)))


def alerts(stage: Stage, model: str) -> list[dict]:
    return [one for one in stage.alerts() if one["model"] == model]


def delivered(stage: Stage, model: str, kind: str = "opened") -> set[str]:
    """Return the channels and actions that the alerts of a model have reached."""
    sent = [one for alert in alerts(stage, model) for one in alert["messages"]]
    return {one["channel"] for one in sent if one["kind"] == kind and one["result"] == "delivered"}


def check_backlog(stage: Stage, fleet: Fleet, waiting: dict[str, int]) -> None:
    (alert,) = alerts(stage, "card-fraud") or [{"since": "never"}]
    stage.claim(
        "a degraded model of tier 1 is paged and rolled back while the backlog of the fleet waits to be evaluated",
        delivered(stage, "card-fraud") == {"oncall", "slack", ACTION} and bool(waiting),
        f"card-fraud, since {alert['since'][:10]}: PagerDuty, Slack and {ACTION} were done when "
        f"{sum(waiting.values())} windows of {len(waiting)} of {len(fleet.models)} models were not evaluated yet",
    )


def auc_by_day(stage: Stage, fleet: Fleet, model: str) -> pd.DataFrame:
    """Return the AUC of each whole day by version, as evaluated and as scikit-learn has it."""
    of = fleet.rows[(fleet.rows["model"] == model) & (fleet.rows["time"] < START + simulator.DAYS * DAY)]
    table = []
    for (day, version), rows in of.groupby([of["time"].dt.floor("D"), "version"]):
        answer = stage.get(f"/api/v1/models/{model}/evaluations", window="1d", version=version)
        shown = {pd.Timestamp(one["start"]): one["performance"]["realized"] for one in answer["windows"]}
        auc = [shown[day]["roc_auc"]["value"], roc_auc_score(rows["actual"], rows["score"])]
        table.append([f"{day:%a %-d %B}", version, *auc])
    return pd.DataFrame(table, columns=["day", "version", "AUC", "in scikit-learn"]).set_index("day")


def check_recovery(stage: Stage, fleet: Fleet, deployer: Deployer) -> None:
    table = auc_by_day(stage, fleet, "card-fraud")
    bad, good = table["AUC"][table["version"] == SWAPPED], table["AUC"][table["version"] == USUAL]
    stage.claim(
        "the deployer switches the version, the service predicts with it, and the AUC is back",
        [*table["version"]] == [USUAL, SWAPPED, SWAPPED, USUAL, USUAL]
        and deployer.serving["card-fraud"] == USUAL
        and bad.max() < good.min() - 0.05
        and (table["AUC"] - table["in scikit-learn"]).abs().max() < 0.005,
        table.round(3).to_string(),
    )


def check_rollbacks(stage: Stage, fleet: Fleet, deployer: Deployer) -> None:
    ids = [f"{alerts(stage, name)[0]['id']}-{ACTION}" for name in ("card-fraud", "churn") if alerts(stage, name)]
    stage.claim(
        "an alert sends one rollback, which needs no approval",
        sorted(deployer.done) == sorted(ids) and len(ids) == 2 and posts(stage) == 2,
        "\n".join(
            f"POST {one.path}, Idempotency-Key {key}: {one.json['reason']}" for key, one in deployer.done.items()
        ),
    )
    table = auc_by_day(stage, fleet, "churn")
    after = table["AUC"][table["version"] == "2026-01"]
    stage.claim(
        "a rollback that does not help is not repeated",
        len(after) == 2 and after.max() < 0.6 and deployer.serving["churn"] == "2026-01",
        f"churn after its rollback to 2026-01: AUC {', '.join(f'{auc:.3f}' for auc in after)}",
    )
    third = [one for alert in alerts(stage, "transfer-fraud") for one in alert["messages"] if one["channel"] == ACTION]
    stage.claim(
        "a third rollback within a day is held back, and the deployer gets no request",
        {one["result"] for one in third} == {"held_back"}  # on a busy machine first because its window has few rows yet
        and any("rate_limit" in one["detail"] for one in third)
        and deployer.serving["transfer-fraud"] == USUAL,
        "\n".join(f"transfer-fraud: {ACTION} {one['result']}, {one['detail']}" for one in third),
    )


def posts(stage: Stage) -> int:
    return sum(one.headers["host"] == "deployer.example.com" for one in stage.left)


def check_tiers(stage: Stage, backlog: Backlog) -> None:
    told = {name: sorted(delivered(stage, name) - {ACTION}) for name in simulator.FAULTY}
    both, slack, json = ["oncall", "slack"], ["slack"], ["backlog"]
    stage.claim(
        "tier 1 goes to PagerDuty and Slack, tier 2 to Slack alone, tier 3 as JSON to the backlog alone",
        told == {"card-fraud": both, "churn": both, "transfer-fraud": both, "also-bought": slack, "coupon": json}
        and {one["model"]: one["tier"] for one in backlog.messages.values()} == {"coupon": 3},
        "\n".join(
            [f"PagerDuty: {summary}" for summary in stage.pagerduty.triggered]
            + [f"Slack: {title}" for title in stage.slack.titles]
            + [f"backlog: {one['title']}" for one in backlog.messages.values()]
        ),
    )


def check_burn(stage: Stage, fleet: Fleet) -> None:
    calls = fleet.rows[fleet.rows["model"] == simulator.FAILING[0]]
    failed = calls["score"].isna().groupby(calls["time"].dt.floor("h")).agg(["sum", "size"])
    day = failed.rolling("1D").sum()
    both = np.minimum(failed["sum"] / failed["size"], day["sum"] / day["size"]) / 0.001
    burning = stage.alerts("tier-1-budget")
    stage.claim(
        "the burn rate of an error budget above 14.4 over an hour and a day pages, and no other model burns",
        len(burning) == 1
        and [(one["model"], pd.Timestamp(one["since"])) for one in burning]
        == [(simulator.FAILING[0], hour) for hour in both.index[both > BURN][:1]]
        and "oncall" in {message["channel"] for one in burning for message in one["messages"]},
        "\n".join(f"{one['model']} since {one['since']}: {one['finding']}" for one in burning)
        + f"\nin pandas: {both.max():.3g} in the worst hour, {int(failed['sum'].sum())} of {len(calls)} calls failed",
    )


def check_healthy(stage: Stage, fleet: Fleet, backlog: Backlog) -> None:
    others = [name for name in fleet.models.index if name not in simulator.FAULTY]
    said = [*stage.slack.titles, *stage.pagerduty.triggered, *(one["title"] for one in backlog.messages.values())]
    named = [name for name in others if any(re.search(rf"(?<![\w-]){name}(?![\w-])", text) for text in said)]
    alerted = sorted({one["model"] for one in stage.alerts()} - {*simulator.FAULTY})
    stage.claim(
        f"there is no notification about the other {len(others)} models",
        not named and not alerted,
        ", ".join([*named, *alerted]) or f"{len(said)} messages, all about {', '.join(simulator.FAULTY)}",
    )


def check_review(stage: Stage, fleet: Fleet, deployer: Deployer) -> None:
    stage.say("Writing the review of the quarter")
    written = stage.driftline("review", "--quarter", QUARTER, "-o", "review.html", "--url", stage.web)
    page = (stage.folder / "review.html").read_text(encoding="utf-8")
    sections = re.findall(r'<section class="tier" id="tier-(\d)">(.*?)</section>', page, re.DOTALL)
    listed = {
        name: int(tier)
        for tier, section in sections
        for name in re.findall(r'class="reviewed-model[^>]*>.*?<th scope="row"[^>]*>([^<]+)</th>', section)
    }
    whole = fleet.rows[fleet.rows["time"] < START + simulator.DAYS * DAY]
    served = whole[whole["version"].isin(["", *deployer.serving.values()])]
    served = served[(served["version"] == "") | (served["version"] == served["model"].map(deployer.serving))]
    review = stage.get("/review", quarter=QUARTER, format="json")
    counted = {one["model"]: one["predictions"] for one in review["trends"]}
    incidents = pd.Series([one["model"] for one in review["incidents"]], dtype=str).value_counts()
    stage.claim(
        f"the review of {QUARTER} has each model in its tier, with the predictions of its version and its incidents",
        listed == fleet.models["tier"].to_dict()
        and counted == served.groupby("model").size().to_dict()
        and {*simulator.FAULTY} <= {*incidents.index},
        f"{written.strip()}, {len(listed)} models, {sum(counted.values()):,} predictions in whole days as in pandas\n"
        f"incidents: {', '.join(f'{name} {count}' for name, count in incidents.items())}",
    )
