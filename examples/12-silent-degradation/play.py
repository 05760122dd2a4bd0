"""Replay three months of applications, and check what was told and done. Run it with `driftline demo 12`."""

import numpy as np
import pandas as pd
import simulator
from driftline_processor.demo.peers.deployer import Deployer
from driftline_processor.demo.peers.jaeger import Traces
from driftline_processor.demo.stage import Stage, as_json
from sklearn.metrics import roc_auc_score

PICTURE = "/models/credit?window=1w"
"""The page whose picture is in the README."""

WHY = "the version before reads no utilisation"
ACTIONS, DEPLOYER = ("http/rollback", "http/canary"), "deployer.example.com"
DAY = pd.Timedelta("1D")
AGREED, WITHIN = 0.4, 14 * DAY
FEW = 100
"""Outcomes of a week below which it has no AUC worth a comparison in a region: the last week is only some days old."""


def play(stage: Stage) -> None:
    random, deployer = np.random.default_rng(12), Deployer({"credit": ["2025-08", "2026-02"]})
    stage.host(DEPLOYER, deployer)
    stage.say("Training on the applications of autumn")
    simulator.applications(simulator.START - 182 * DAY, 140, random).to_parquet(stage.folder / "autumn.parquet")
    simulator.applications(simulator.START - 42 * DAY, 42, random).to_parquet(stage.folder / "winter.parquet")
    stage.run("train.py")
    stage.say("Starting Jaeger, the processor and the service")
    jaeger = stage.start_jaeger()
    stage.start_processor(jaeger.variables)
    service = stage.serve("service.py")
    applied = simulator.applications(simulator.START, 7 * simulator.WEEKS, random)
    known = simulator.outcomes(applied, random)
    scores, failed = replay(stage, service, simulator.as_served(applied), known)
    applied = applied.assign(score=scores)
    known = known[known["time"] <= applied["time"].max()]
    windows = stage.wait_until_evaluated("credit", "1w", len(applied), len(known))
    falls = stage.wait_until_told("auc-falls", ("slack", "opened"))
    stage.wait_until_quiet()
    waiting = [results(fall) for fall in falls], len(deployer.done)
    if falls:
        stage.say("Approving the rollback, as a person would")
        stage.driftline("incidents", "approve", falls[0]["id"], ACTIONS[0], "--url", stage.web, "--why", WHY)
        falls = stage.wait_until_told("auc-falls", ("slack", "opened"), (ACTIONS[0], "opened"))
        stage.wait_until_quiet()
    check_performance(stage, applied.merge(known[["id"]]), windows, failed)
    check_trace(stage, jaeger, known)
    check_features(stage, windows)
    check_fall(stage, falls)
    check_late_outcomes(stage, applied, known)
    check_actions(stage, deployer, falls, waiting)


def results(alert: dict) -> list[str]:
    """Return what became of the two actions of an alert."""
    return [one["result"] for action in ACTIONS for one in alert["messages"] if one["channel"] == action]


def replay(stage: Stage, service, applied: pd.DataFrame, known: pd.DataFrame) -> tuple[list[float], int]:
    """Ask about each application, report instalments each morning; return the scores and how many calls failed."""
    stage.say("Replaying applications", len(applied))
    rows, reported = as_json(applied.drop(columns="defaulted")), known.sort_values("time")
    scores, failed, before = [], 0, simulator.START
    for day, at in applied.groupby(applied["time"].dt.floor("D")).indices.items():
        due = reported[(reported["time"] >= before) & (reported["time"] < day)]
        service.post("/instalments", json=as_json(due)).raise_for_status()
        before = day
        for number in at:
            answer = service.post("/decide", json=rows[number])
            failed += answer.status_code != 200
            scores.append(answer.json()["risk"])
        stage.go_on(len(scores), f"Replaying {day:%-d %B %Y}")
    due = reported[(reported["time"] >= before) & (reported["time"] <= applied["time"].max())]
    service.post("/instalments", json=as_json(due)).raise_for_status()
    return scores, failed


def lift(scores: pd.Series, actual: pd.Series, top: float = 0.1) -> float:
    """Return how many times more frequent positives are among the highest scores; the last row counts in part."""
    places = np.clip(top * len(scores) - np.arange(len(scores)), 0, 1)
    return float(actual[scores.sort_values(ascending=False).index] @ places / places.sum() / actual.mean())


def check_performance(stage: Stage, joined: pd.DataFrame, windows: list[dict], failed: int) -> None:
    rows = []
    for week in windows:
        of = joined[(joined["time"] >= week["start"]) & (joined["time"] < week["end"])]
        south = of[of["region"] == "south"]
        shown, in_slices = week["performance"]["realized"], week["performance"]["slices"]
        own = [roc_auc_score(of["defaulted"], of["score"]), lift(of["score"], of["defaulted"])]
        both = [shown["roc_auc"]["value"], shown["lift@0.1"]["value"]]
        if len(of) >= FEW:
            own.append(roc_auc_score(south["defaulted"], south["score"]))
            both.append(in_slices["region=south"]["metrics"]["roc_auc"]["value"])
            difference = np.abs(np.array(both) - own)
            rows.append([week["start"][:10], len(of), *both, *difference])
    table = pd.DataFrame(rows, columns=["week", "outcomes", "AUC", "lift", "AUC south", *"123"]).set_index("week")
    worst = table[[*"123"]].max()
    stage.claim(
        "no call fails",
        failed == 0 and len(windows) == simulator.WEEKS,
        f"{sum(week['rows'] for week in windows):,} applications in {len(windows)} weeks, {failed} failed",
    )
    stage.claim(
        "AUC and lift of each week are those of scikit-learn, to the width of a bin of the score",
        worst["1"] < 0.001 and worst["2"] < 0.05 and worst["3"] < 0.005,
        f"{table.drop(columns=[*'123']).round(3).to_string()}\n"
        f"largest difference: {worst['1']:.4f} of AUC, {worst['2']:.3f} of lift, {worst['3']:.4f} of AUC in the south",
    )


def check_trace(stage: Stage, jaeger: Traces, known: pd.DataFrame) -> None:
    """Look at the trace of the first application whose outcome has a span: there are at most a hundred a second."""
    traces = (found for id in known["id"] for found in jaeger.traces("credit-desk", "ml.prediction.id", id))
    spans = next((found for found in traces if any(one.name == "outcome credit" for one in found)), [])
    names = {one.id: one.name for one in spans}
    parts = [one.name for one in spans if names.get(one.parent) == "predict credit"]
    outcome = next((one.attributes for one in spans if one.name == "outcome credit"), {})
    truth = known.set_index("id")["defaulted"].get(outcome.get("ml.prediction.id"))
    stage.claim(
        "the trace of an application has its stages, and weeks later its outcome",
        sorted(parts) == ["features credit", "model credit", "outcome credit"]
        and int(outcome["ml.outcome.actual"]) == truth,
        f"{jaeger.name}: {', '.join(names.values())}\nthe outcome: {outcome.get('ml.outcome.actual')}",
    )


def check_features(stage: Stage, windows: list[dict]) -> None:
    drifted = {
        week["start"][:10]: [name for name, one in week["drift"]["features"].items() if one["state"] == "drift"]
        for week in windows
    }
    since = f"{simulator.BROKEN_FROM:%Y-%m-%d}"
    stage.claim(
        "three months of live features against training data: the broken one drifts from its first week on, no other",
        all(names == (["utilisation"] if week >= since else []) for week, names in drifted.items()),
        "\n".join(f"{week}: {', '.join(names) or 'none'}" for week, names in [*drifted.items()][-6:]),
    )


def check_fall(stage: Stage, falls: list[dict]) -> None:
    broken = f"{simulator.BROKEN_FROM:%Y-%m-%d}"
    told = [(title, text) for title, text in stage.slack.messages if "auc-falls" in title + text]
    cause = next(
        (line for _, text in told for line in text.splitlines() if line.startswith("Likely because")), "nothing"
    )
    stage.claim(
        "the fall is reported once in Slack, with the week in which it began",
        [one["since"][:10] for one in falls] == [broken] and len(told) == 1,
        "\n".join(f"Slack: {title}" for title, _ in told),
    )
    stage.claim(
        "the message names the feature and the slice",
        "utilisation" in cause and "region = south" in cause,
        f"Slack: {cause}",
    )
    stage.claim(
        "there is no other message",
        {one["policy"] for one in stage.alerts()} == {"auc-falls", "outcomes-late"},
        f"{len(stage.slack.messages)} messages in Slack, of {len(stage.alerts())} alerts",
    )


def check_late_outcomes(stage: Stage, applied: pd.DataFrame, known: pd.DataFrame) -> None:
    """Compare with the weeks of which all outcomes have had their time."""
    arrived = applied.merge(known[["id", "time"]], on="id", how="left", suffixes=("", " known"))
    weeks = simulator.START + (arrived["time"] - simulator.START) // simulator.WEEK * simulator.WEEK
    in_time = (arrived["time known"] - arrived["time"] <= WITHIN).groupby(weeks).mean()
    in_time = in_time[in_time.index + simulator.WEEK + WITHIN <= applied["time"].max()]
    late = [f"{week:%Y-%m-%d}" for week in in_time[in_time < AGREED].index]
    alerts = stage.alerts("outcomes-late")
    stage.claim(
        "late outcomes are reported once, and only for the week in which they were late",
        [one["since"][:10] for one in alerts] == late == [f"{simulator.LATE_WEEK:%Y-%m-%d}"],
        f"in time: {in_time.min():.0%} in the week of {', '.join(late)}, {in_time.drop(late).min():.0%} in others\n"
        + "\n".join(f"Slack: {title}" for title in stage.slack.titles if "'outcomes-late'" in title),
    )


def check_actions(stage: Stage, deployer: Deployer, falls: list[dict], waiting: tuple[list[list[str]], int]) -> None:
    stage.claim(
        "rollback and canary both wait for a person",
        waiting == ([["awaits_approval", "awaits_approval"]], 0),
        f"before the approval: {', '.join(ACTIONS)} wait, and the deployer got {waiting[1]} requests",
    )
    posts = [one for one in stage.left if one.headers["host"] == DEPLOYER]
    stage.claim(
        "an approval sends exactly one POST, and the canary stays",
        len(posts) == 1
        and deployer.serving == {"credit": "2025-08"}
        and [*deployer.done] == [f"{fall['id']}-{ACTIONS[0]}" for fall in falls]
        and [results(fall) for fall in falls] == [["delivered", "awaits_approval"]],
        "\n".join(f"POST {one.path}, Idempotency-Key {key}\n{one.json}" for key, one in deployer.done.items())
        + f"\nserves now: {deployer.serving['credit']}",
    )
