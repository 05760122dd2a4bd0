"""Replay two weeks of payments, and check each hour's scores and volume, and who was told: `driftline demo 10`."""

import json
import re
from html import unescape

import httpx
import pandas as pd
from driftline_processor.demo.stage import Stage, as_json
from simulator import ATTACK, FEATURES, LOSS, SERVED, START, payments

PICTURE = "/models/fraud/drift?window=1d&at=2025-03-12T00:00:00Z"
"""The page whose picture is in the README."""

WEEK = pd.Timedelta("7D")


def play(stage: Stage) -> None:
    served = payments(0, SERVED, seed=2)
    stage.say("Training on the payments of February")
    stage.run("train.py")
    stage.say("Starting the processor and the service")
    stage.start_processor()
    service = stage.serve("service.py")
    quiet = served["at"] < START + WEEK
    scores = replay(stage, service, served[quiet], 0)
    stage.wait_until_quiet()
    told_in_quiet_week = [*stage.slack.titles]
    scores += replay(stage, service, served[~quiet], len(scores))
    served["score"], served["hour"] = scores, served["at"].dt.floor("h")
    stage.wait_until_told("scores-drift", ("slack", "opened"))
    stage.wait_until_quiet()
    check_hours(stage, served)
    check_policies(stage, served, told_in_quiet_week)
    check_metrics(stage, len(served))


def replay(stage: Stage, service, rows: pd.DataFrame, sent: int) -> list[float]:
    """Send the payments of each hour, as the gateway does; wait for the processor each evening. Return the scores."""
    scores = []
    for day, of_day in rows.groupby(rows["at"].dt.floor("D")):
        stage.say(f"Replaying the payments of {day:%-d %B}", len(of_day))
        done = 0
        for hour, batch in of_day[["payment", "at", *FEATURES]].groupby(of_day["at"].dt.floor("h")):
            answer = service.post("/score", json={"payments": as_json(batch)}).raise_for_status().json()
            scores += [one["fraud"] for one in answer["payments"]]
            stage.go_on(done := done + len(batch))
            if hour == LOSS[-1]:
                stage.wait_until_told("volume-falls", ("slack", "opened"))
        stage.wait_until_evaluated("fraud", "1d", sent + len(scores))
    return scores


def check_hours(stage: Stage, served: pd.DataFrame) -> None:
    """Compare volume and scores of each hour with the same payments in pandas."""
    hours = stage.wait_until_evaluated("fraud", "1h", len(served))
    volume = served.groupby("hour").size()
    shown = {pd.Timestamp(one["start"]): one["rows"] for one in hours}
    stage.claim(
        "each hour has its volume on the dashboard",
        shown == volume.to_dict(),
        f"{len(shown)} hours as in pandas, {volume.min()} to {volume.max()} payments each",
    )
    edges = json.loads((stage.folder / "fraud.baseline.json").read_text())["bins"]["score"]["edges"]
    stage.say("Reading the pages of each hour", len(volume))
    wrong, bars = [], 0
    with httpx.Client(base_url=stage.web, trust_env=False) as pages:
        for number, (hour, rows) in enumerate(served.groupby("hour")):
            page = pages.get("/models/fraud/drift", params={"window": "1h", "at": f"{hour:%Y-%m-%dT%H:%M:%SZ}"}).text
            drawn = histogram(page)
            bars += len(drawn)
            if not drawn or not all(fits(rows["score"], edge, share, edges) for edge, share in drawn.items()):
                wrong.append(f"{hour}: {drawn}")
            stage.go_on(number + 1)
    stage.claim(
        "each hour has its distribution of scores on the dashboard",
        not wrong,
        wrong[0] if wrong else f"{bars:,} edges of histograms as in pandas, to the width of a bin of the baseline",
    )


def histogram(page: str) -> dict[float, float]:
    """Return edge → fraction of the hour's scores below it, as the drawing of the page *Drift* says."""
    card = page[page.index('id="score"') :]
    below, total = {}, 0.0
    for bar in re.findall(r"<title>(.*?)</title>", card[: card.index("</article>")]):
        found = re.match(r"(?:< |[\d.]+ – )([\d.]+): .*window ([\d.]+)\s%", unescape(bar))
        if found:
            total += float(found[2]) / 100
            below[float(found[1])] = total
    return below


def fits(scores: pd.Series, edge: float, share: float, edges: list[float]) -> bool:
    """Return whether a fraction below an edge is possible: it is known only at the edges of the baseline's bins."""
    before, after = [one for one in edges if one <= edge], [one for one in edges if one >= edge]
    low = (scores < before[-1]).mean() if before else 0.0
    high = (scores < after[0]).mean() if after else 1.0
    return bool(low - 0.005 <= share <= high + 0.005)  # each bar is rounded to three digits


def check_policies(stage: Stage, served: pd.DataFrame, told_in_quiet_week: list[str]) -> None:
    drift = {pd.Timestamp(one["start"]): one["drift"]["score"] for one in stage.windows("fraud", "1d")}
    of_day = served.groupby(served["at"].dt.floor("D"))["score"]
    days = pd.DataFrame(
        {
            "payments": of_day.size(),
            "scores of 0.5 or more": of_day.agg(lambda scores: f"{(scores >= 0.5).mean():.1%}"),
            "KS": {day: f"{one['methods']['ks']['value']:.2f}" for day, one in drift.items()},
            "drifts": {day: "yes" if one["state"] == "drift" else "no" for day, one in drift.items()},
        }
    )
    days.index = days.index.strftime("%Y-%m-%d")
    alerts, messages = stage.alerts("scores-drift"), told(stage, "scores-drift")
    stage.claim(
        "scores that drift on two days in a row are reported once",
        [one["since"] for one in alerts] == [f"{ATTACK[0]:%Y-%m-%dT%H:%M:%SZ}"]
        and [day for day, one in drift.items() if one["state"] == "drift"] == [*ATTACK]
        and len(messages) == 1,
        "\n".join([*days.iloc[6:12].to_string().splitlines(), *(f"Slack: {title}" for title, _ in messages)]),
    )
    volume = served.groupby("hour").size()
    few = [hour for hour, rows in volume.items() if hour - WEEK in volume and rows < 0.5 * volume[hour - WEEK]]
    second = few[1] if len(few) > 1 else None
    alerts, messages = stage.alerts("volume-falls"), told(stage, "volume-falls")
    expected = second and f"is {volume[second]}, below {0.5 * volume[second - WEEK]:g}, "
    stage.claim(
        "less than half of the payments of the same hours a week before is reported once, and its end once",
        few == [*LOSS]
        and [one["since"] for one in alerts] == [f"{few[0]:%Y-%m-%dT%H:%M:%SZ}"]
        and [title.startswith("Resolved: ") for title, _ in messages] == [False, True]
        and all(expected in text for _, text in messages),
        "\n".join(f"Slack: {title}\n       {text.splitlines()[0]}" for title, text in messages),
    )
    quiet = [one for one in stage.alerts() if pd.Timestamp(one["since"]) < START + WEEK]
    stage.claim(
        "the quiet week causes no message, and no other message follows it",
        not told_in_quiet_week and not quiet and len(stage.slack.titles) == 3,
        f"{len(told_in_quiet_week)} messages until {START + WEEK:%-d %B}, {len(stage.slack.titles)} after it",
    )


def told(stage: Stage, policy: str) -> list[tuple[str, str]]:
    """Return title and text of each message to Slack in which a policy is named."""
    return [(title, text) for title, text in stage.slack.messages if f"'{policy}'" in f"{title}\n{text}"]


def check_metrics(stage: Stage, sent: int) -> None:
    metrics = stage.metrics()
    scores = [one for one in metrics if one.startswith('driftline_drift_value{driftline_drift_column="score"')]
    features = [one for one in metrics if one.startswith("driftline_drift_value{") and "driftline_feature_name" in one]
    counted = sum(float(one.split()[-1]) for one in metrics if one.startswith("driftline_predictions_total{"))
    stage.claim(
        "Grafana can show the volume, and the drift of scores and features",
        counted == sent and bool(scores) and all(any(f'"{name}"' in one for one in features) for name in FEATURES),
        f"/metrics: {counted:,.0f} payments, and drift in {len(scores)} series of scores, {len(features)} of features",
    )
