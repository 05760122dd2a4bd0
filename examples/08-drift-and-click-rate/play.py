"""Replay forty days of a feed, and check which day is told. Run it with `driftline demo 8`."""

import numpy as np
import pandas as pd
import simulator
from driftline_processor.demo.stage import Stage, as_json

PICTURE = "/models/feed?window=1d"
"""The page whose picture is in the README."""

MINUTE = pd.Timedelta("1min")


def play(stage: Stage) -> None:
    random = np.random.default_rng(8)
    stage.say("Two weeks of pages for the training")
    launch(random).to_parquet(stage.folder / "launch.parquet")
    stage.run("train.py")
    stage.say("Starting the processor and the service")
    stage.start_processor()
    service = stage.serve("service.py")
    clicked = replay(stage, service, random)
    pages = simulator.DAYS * simulator.READERS
    stage.wait_until_evaluated("feed", "1d", pages, outcomes=None)  # a page without a click has one, too
    stage.wait_until_told("tastes-shift", ("slack", "opened"))
    stage.wait_until_quiet()
    check(stage, clicked)


def launch(random: np.random.Generator) -> pd.DataFrame:
    """Return the pages of two weeks before, whose articles stood in an order of chance; a row for each article."""
    rows = []
    for day in range(14):
        for reader in simulator.readers(0, random).to_dict("records"):
            for article in simulator.articles(random):
                chance = simulator.chance_of_click(reader, article["topic"], article["hours"], rank=0, day=0)
                likes = article["topic"] == reader["favourite"]
                rows.append({**reader, **article, "page": f"{day}-{reader['id']}", "likes": likes, "chance": chance})
    shown = pd.DataFrame(rows)
    return shown.assign(clicked=random.random(len(shown)) < shown["chance"])


def replay(stage: Stage, service, random: np.random.Generator) -> pd.DataFrame:
    """Show each reader a page, and click; return the pages with a click, with their day."""
    stage.say("Replaying pages", simulator.DAYS * simulator.READERS)
    clicks = []
    for day in range(simulator.DAYS):
        readers = simulator.readers(day, random)
        for reader, time in zip(as_json(readers), readers["time"], strict=True):
            articles = simulator.articles(random)
            of = {article["article"]: article for article in articles}
            page = service.post("/page", json={"reader": reader, "articles": articles}).json()
            for rank, name in enumerate(page):
                chance = simulator.chance_of_click(reader, of[name]["topic"], of[name]["hours"], rank, day)
                if random.random() < chance:
                    said = {"id": reader["id"], "article": name, "time": (time + MINUTE).isoformat()}
                    service.post("/click", json=said).raise_for_status()
                    clicks.append({"id": reader["id"], "day": day})
                    break
        # An hour of `outcome_delay` takes less than a second here: pages whose clicks come later count as not clicked.
        sent = len(clicks)
        stage.wait_for(lambda sent=sent: arrived(stage) >= sent, lambda: arrived(stage))
        stage.go_on((day + 1) * simulator.READERS, f"Replaying day {day + 1}")
    return pd.DataFrame(clicks)


def arrived(stage: Stage) -> int:
    """Return the number of clicks that the processor has."""
    return sum(model["outcomes"] for model in stage.get("/api/v1/models")["models"])


def check(stage: Stage, clicked: pd.DataFrame) -> None:
    windows = [one for one in stage.windows("feed", "1d") if one["closed"]]
    rate = (clicked.groupby("day").size() / simulator.READERS).to_dict()
    shown = {day: one["performance"]["realized"]["ctr"]["value"] for day, one in enumerate(windows)}
    stage.claim(
        "the click rate of each day is the fraction of pages with a click",
        all(abs(shown[day] - rate[day]) < 1e-9 for day in shown),
        " ".join(f"{shown[day]:.0%}" for day in shown),
    )
    drifts = {
        day: {name for name, one in window["drift"]["features"].items() if one["state"] == "drift"}
        for day, window in enumerate(windows)
    }
    drifted = [day for day in drifts if drifts[day]]
    stage.claim(
        "each day is compared with the 30 days before it: the holiday drifts, and so do the new readers",
        drifted == [*simulator.HOLIDAY, *range(simulator.NEW, len(windows))],
        "\n".join(f"day {day}: {', '.join(sorted(drifts[day]))}" for day in drifted),
    )
    stage.claim(
        "the click rate alone falls on the slow day",
        shown[simulator.SLOW] < 0.9 * np.mean([shown[simulator.SLOW - back] for back in range(1, 8)]),
        f"day {simulator.SLOW}: {shown[simulator.SLOW]:.0%}",
    )
    alerts = stage.alerts("tastes-shift")
    since = [(pd.Timestamp(one["since"]) - simulator.START).days for one in alerts]
    stage.claim(
        "Slack is notified once, when features drift and the click rate falls significantly, and of nothing else",
        since in ([simulator.TIRED], [simulator.TIRED + 1]) and len(stage.slack.messages) == 1,
        "\n".join([*(f"day {day}" for day in since), *(f"Slack: {title}" for title in stage.slack.titles)]),
    )
