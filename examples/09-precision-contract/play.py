"""Replay eight hours of payments, go on live, and check who was called how soon. Run it with `driftline demo 9`."""

import re
from collections.abc import Callable
from typing import Any

import httpx
import numpy as np
import pandas as pd
import simulator
from bank import Bank
from driftline_processor.demo.peers.deployer import Deployer
from driftline_processor.demo.peers.kafka import Topics, broker
from driftline_processor.demo.peers.recorder import Asked, service
from driftline_processor.demo.stage import Stage
from scipy.stats import beta, binom

PICTURE = "/models/fraud?window=1h&version=2026-03"
"""The page whose picture is in the README."""

HOUR, LIMIT = pd.Timedelta("1h"), 0.95
NEW, BEFORE, TOKEN = "2026-03", "2026-02", "a-token-of-the-deployer"
DEPLOYER = "deployer.example.com"
USUAL, CHARGED, AFTER = 20, 150, 20
"""Seconds of the live part: before the merchant charges, how long it charges, and after the rollback."""


class Queue:
    """The review queue: keeps the rows to review, once for each `Idempotency-Key`."""

    def __init__(self) -> None:
        self.rows: dict[str, pd.DataFrame] = {}

    def __call__(self, asked: Asked) -> tuple[int, Any]:
        self.rows.setdefault(asked.headers["idempotency-key"], pd.DataFrame(asked.json["rows"]))
        return 202, None


def play(stage: Stage) -> None:
    now, random = pd.Timestamp.now("UTC").floor("s"), np.random.default_rng(9)
    began = now.floor("h") - simulator.HOURS * HOUR
    stage.say("Training two versions on the payments of a day")
    simulator.payments(began - 504 * HOUR, 24, "labelled", random).to_parquet(stage.folder / "labelled.parquet")
    stage.run("train.py")
    stage.say("Starting Kafka, the processor and the service")
    kafka = stage.enter(broker(stage.folder / "kafka", "payments", "decisions", "fraud-reviews"))
    deployer, queue = Deployer({"fraud": [BEFORE, NEW]}, TOKEN), Queue()
    stage.host(DEPLOYER, deployer)
    stage.host("reviews.example.com", queue)
    stage.start_processor({"KAFKA": kafka.address, "DEPLOYER_TOKEN": TOKEN})
    serving = stage.enter(service(deployer)).url
    stage.work("the service", "service.py", variables={"KAFKA": kafka.address, "DEPLOYER_URL": serving})
    bank = Bank(kafka.address, began + simulator.LATE * HOUR)

    for hour in range(simulator.HOURS + 1):
        stage.say(f"Replaying hour {hour}")
        replay(bank, hour, began, now, random)
        if hour in (simulator.LATE + 1, simulator.TAKEN_OVER + 1, simulator.HOURS):  # while each fault is there
            windows = stage.wait_until_evaluated("fraud", "1h", len(bank.paid), len(bank.reviewed))
            stage.wait_until_quiet()
    before = [*stage.pagerduty.events]
    check_hours(stage, bank.known(), windows)
    check_without_weights(stage, bank.known())

    charged = go_live(stage, bank, now, random)
    stage.say("Waiting for a page")
    run_until(bank, lambda: bool(pages(stage)) or bank.now() > charged + pd.Timedelta(CHARGED, "s"))
    paged, waited = bank.now(), len(deployer.done)
    alerts = stage.alerts("precision")
    if alerts:
        stage.say("Approving the rollback, as a person would")
        why = "subscribers are taken for thieves"
        stage.driftline("incidents", "approve", alerts[0]["id"], "http/rollback", "--url", stage.web, "--why", why)
        approved = bank.now()
        run_until(bank, lambda: bank.now() > approved + pd.Timedelta(AFTER, "s"))
        stage.wait_for(lambda: all(one["result"] == "delivered" for one in stage.alerts("precision")[0]["messages"]))
        alerts = stage.alerts("precision")
    stage.wait_until_quiet()

    check_reviews(stage, bank, kafka)
    check_severities(stage, before, began)
    check_page(stage, bank.known(), charged, paged)
    check_rollback(stage, bank.known(), deployer, waited)
    check_queue(stage, bank.known(), queue, charged, paged)
    check_report(stage, deployer, alerts)


def replay(bank: Bank, hour: int, began: pd.Timestamp, now: pd.Timestamp, random: np.random.Generator) -> None:
    """Send the payments of an hour, or of what is over of it, and wait until they are decided."""
    start, taken_over = began + hour * HOUR, simulator.SHARE_TAKEN_OVER * (hour == simulator.TAKEN_OVER)
    end = min(start + HOUR, now)
    bank.plan(simulator.payments(start, (end - start) / HOUR, str(hour), random, taken_over))
    bank.step(end)
    run_until(bank, lambda: len(bank.decided) == len(bank.paid), end)


def go_live(stage: Stage, bank: Bank, since: pd.Timestamp, random: np.random.Generator) -> pd.Timestamp:
    """Plan payments from here on; return when the merchant begins to charge."""
    stage.say("Going live")
    live = bank.now().floor("s")
    charged = live + pd.Timedelta(USUAL, "s")
    bank.plan(simulator.payments(since, (charged - since) / HOUR + 0.1, "live", random))
    bank.plan(simulator.subscriptions(charged, CHARGED, random))
    run_until(bank, lambda: bank.now() > charged)
    return charged


def run_until(bank: Bank, condition: Callable[[], bool], at: pd.Timestamp | None = None) -> None:
    """Let the bank go on until a condition holds; ``at``: what time it is for the bank, None = by the clock."""
    while not condition():
        bank.step(at or bank.now())


def pages(stage: Stage) -> list[dict[str, Any]]:
    """Return the events of PagerDuty about the broken contract."""
    triggered = [one for one in stage.pagerduty.events if one["event_action"] == "trigger"]
    return [one for one in triggered if one["payload"]["class"] == "precision"]


def estimated(hits: pd.Series, weights: pd.Series) -> tuple[float, float, float, float]:
    """Return the share of hits with weights (Horvitz-Thompson), its exact 95 % interval, and Kish's effective rows."""
    share, rows = float(np.average(hits, weights=weights)), float(weights.sum() ** 2 / (weights**2).sum())
    tail, right, wrong = 0.025, share * rows, (1 - share) * rows
    low = beta.ppf(tail, right, wrong + 1) if right > 0 else 0.0
    high = beta.ppf(1 - tail, right + 1, wrong) if wrong > 0 else 1.0
    return share, float(low), float(high), rows


def check_hours(stage: Stage, known: pd.DataFrame, windows: list[dict]) -> None:
    """Compare precision and recall of each hour with those of the same reviews in numpy, and with the truth."""
    rows = []
    for hour in windows[: simulator.HOURS]:  # not the hour that has just begun: it may have no review yet
        paid = known[known["time"].dt.floor("h") == hour["start"]]
        for metric, of, hit in (("precision", "flagged", "fraud"), ("recall", "fraud", "flagged")):
            shown, counts = hour["performance"]["realized"][metric], paid[paid[of] == 1]
            reviewed = counts[counts["weight"].notna()]
            own = np.average(reviewed[hit], weights=reviewed["weight"])
            values = shown["value"], shown["low"], shown["high"], counts[hit].mean(), abs(shown["value"] - own)
            rows.append([hour["start"][11:16], metric, len(reviewed), *values])
    columns = ["hour", "metric", "reviews", "value", "low", "high", "truth", "difference"]
    table = pd.DataFrame(rows, columns=columns).set_index("hour")
    some = table[table.index.isin([f"{one['start'][11:16]}" for one in windows[simulator.TAKEN_OVER - 1 :][:3]])]
    stage.claim(
        "precision and recall of each hour are those of numpy, from the same weighted reviews",
        table["difference"].max() < 1e-6 and len(windows) >= simulator.HOURS,
        f"{some.drop(columns='difference').round(3).to_string()}\n"
        f"in {len(windows)} hours {known['weight'].notna().sum():,} of {len(known):,} payments were reviewed; "
        f"largest difference {table['difference'].max():.1g}",
    )
    inside = int(table["truth"].between(table["low"], table["high"]).sum())
    fewest = len(table) - int(binom.ppf(0.999, len(table), 0.05))
    stage.claim(
        "the intervals contain the truth, which only the simulator knows",
        inside >= fewest,
        f"{inside} of {len(table)} intervals do; with 95 % confidence, fewer than {fewest} would be no chance",
    )


def check_without_weights(stage: Stage, known: pd.DataFrame) -> None:
    """Show what the same reviews would say if each counted once."""
    flagged = known[known["flagged"]]
    reviewed = flagged[flagged["weight"].notna()]
    weighted, low, high, _ = estimated(reviewed["fraud"], reviewed["weight"])
    naive, naive_low, naive_high, _ = estimated(reviewed["fraud"], reviewed["weight"] ** 0)
    truth = flagged["fraud"].mean()
    stage.claim(
        "without weights the same reviews would have broken the contract, although it was kept",
        naive_high < LIMIT <= truth and low <= truth <= high,
        f"precision of the history: {truth:.1%}; with weights {weighted:.1%} ({low:.1%} to {high:.1%})\n"
        f"without weights {naive:.1%} ({naive_low:.1%} to {naive_high:.1%}), all of it below {LIMIT:.0%}",
    )


def check_reviews(stage: Stage, bank: Bank, kafka: Topics) -> None:
    messages, delays = kafka.read("fraud-reviews"), []
    for name, sent in bank.reviewed[["id", "sent"]].tail(20).itertuples(index=False):
        (outcome,) = stage.get("/api/v1/models/fraud/outcomes", id=name)["outcomes"]
        delays.append((pd.Timestamp(outcome["received"]) - sent).total_seconds())
    stage.claim(
        "payments and reviews arrive through Kafka, and a review is evaluated seconds later",
        len(messages) == len(bank.reviewed) and np.median(delays) < 10,
        f"{kafka.broker}: {len(bank.paid):,} payments, {len(messages):,} reviews\n"
        f"the last {len(delays)} reviews were stored {np.median(delays):.1f} s (median) after they were sent",
    )


def check_severities(stage: Stage, before: list[dict], began: pd.Timestamp) -> None:
    triggered = [one["payload"] for one in stage.pagerduty.events if one["event_action"] == "trigger"]
    early = [one["payload"] for one in before if one["event_action"] == "trigger"]
    late, missed = (f"{began + hour * HOUR:%Y-%m-%dT%H:%M:%SZ}" for hour in (simulator.LATE, simulator.TAKEN_OVER))
    seen = sorted((one["severity"], one["class"], one["custom_details"]["since"]) for one in early)
    stage.claim(
        "in the history PagerDuty gets late reviews as information and missed frauds as a warning, and no page",
        seen == [("info", "reviews-late", late), ("warning", "recall", missed)],
        "\n".join(f"{one['severity']}: {one['summary']}" for one in early),
    )
    later = triggered[len(early) :]
    stage.claim(
        "the broken contract pages people once, as critical",
        [(one["severity"], one["class"]) for one in later] == [("critical", "precision")],
        "\n".join(f"{one['severity']}: {one['summary']}" for one in later),
    )


def check_page(stage: Stage, known: pd.DataFrame, charged: pd.Timestamp, paged: pd.Timestamp) -> None:
    """Compare what the page says with the reviews that were known, and measure how long it took."""
    seen = known[known["flagged"] & (known["sent"] < paged)].sort_values("sent", kind="stable")
    broken = None  # the first review of the fault from which on the hour is below the limit
    for at in range(len(seen) - 1, -1, -1):
        share = weighted_share(seen[: at + 1], seen["time"].iloc[at] - HOUR)
        if share >= LIMIT or seen["sent"].iloc[at] < charged:
            break
        broken = seen["sent"].iloc[at]
    events = pages(stage)
    if broken is None or not events:
        stage.claim("the page came within two minutes", False, f"{len(events)} pages until {paged:%H:%M:%S}")
        return
    decided = known[known["flagged"] & known["time"].between(paged - HOUR, paged)]
    seconds, share, truth = (
        (paged - broken).total_seconds(),
        weighted_share(seen, paged - HOUR),
        decided["fraud"].mean(),
    )
    stage.claim(
        "the page came within two minutes of the first review that breaks the contract",
        seconds < 120 and share < LIMIT and truth < LIMIT,
        f"the merchant charges from {charged:%H:%M:%S} on; from the review at {broken:%H:%M:%S} on the hour is below "
        f"{LIMIT:.0%}\npaged at {paged:%H:%M:%S}, after {seconds:.0f} s; "
        f"the hour then: {share:.1%} with weights, {truth:.1%} in truth",
    )
    check_message(stage, events[0]["payload"]["custom_details"], seen, known, paged)


def weighted_share(flagged: pd.DataFrame, since: pd.Timestamp) -> float:
    """Return the precision of reviewed payments from a moment on."""
    rows = flagged[flagged["time"] > since]
    return float(np.average(rows["fraud"], weights=rows["weight"]))


def check_message(stage: Stage, details: dict, seen: pd.DataFrame, known: pd.DataFrame, paged: pd.Timestamp) -> None:
    """Find the reviews that were known when the message was written; it is about the last minutes of the hour."""
    told = re.search(r"not met: (\S+) \((\S+) to (\S+)\) on (\d+) rows", details["text"])
    value, low, high, rows = map(float, told.groups() if told else ["nan"] * 4)
    part = seen[seen["time"] >= details["since"]]
    own = [estimated(part["fraud"][:many], part["weight"][:many]) for many in range(1, len(part) + 1)]
    same = [at for at, one in enumerate(own) if abs(one[0] - value) < 1e-4 and round(one[3]) == rows]
    decided = known[known["flagged"] & known["time"].between(details["since"], paged)]
    truth = decided["fraud"].mean()
    shown = [
        f"in numpy {own[at][0]:.4g} ({own[at][1]:.3g} to {own[at][2]:.4g}) from {at + 1} reviews" for at in same[-1:]
    ]
    stage.claim(
        "precision in the page is that of numpy from the reviews known then, and its interval contains the truth",
        bool(shown) and low <= truth <= high < LIMIT and own[same[-1]][2] < LIMIT,
        f"PagerDuty: {value:.4g} ({low:.3g} to {high:.4g}) since {details['since'][11:19]}; truth {truth:.4g}\n"
        + "\n".join(shown),
    )


def check_rollback(stage: Stage, known: pd.DataFrame, deployer: Deployer, waited: int) -> None:
    charges = known[known["id"].str.startswith("subscription")]
    flagged = {version: charges["flagged"][charges["version"] == version] for version in (NEW, BEFORE)}
    posts = [one for one in stage.left if one.headers["host"] == DEPLOYER]
    stage.claim(
        "the rollback waits for a person; then the deployer switches once, and subscribers are no longer flagged",
        waited == 0
        and len(posts) == len(deployer.done) == 1
        and all(map(len, flagged.values()))
        and flagged[BEFORE].mean() < 0.2 < flagged[NEW].mean(),
        f"{waited} requests before the approval, then "
        + ", ".join(f"{one.method} {one.path}, Idempotency-Key {one.headers['idempotency-key']}" for one in posts)
        + "\n"
        + "\n".join(f"{one.sum()} of {len(one)} subscriptions flagged by {at}" for at, one in flagged.items()),
    )


def check_queue(stage: Stage, known: pd.DataFrame, queue: Queue, charged: pd.Timestamp, paged: pd.Timestamp) -> None:
    rows = pd.concat(queue.rows.values()) if queue.rows else pd.DataFrame({"id": [], "time": []})
    asked = known[known["id"].isin(rows["id"])]
    hour = (charged.floor("h"), paged) if asked["time"].min() >= charged.floor("h") else (paged - HOUR, paged)
    stage.claim(
        "fifty payments of that hour, which nobody has reviewed, are sent to review",
        len(queue.rows) == 1
        and len(rows) == len(asked) == 50
        and asked["time"].between(*hour).all()
        and not (asked["sent"] < paged - pd.Timedelta("5s")).any(),
        f"{len(rows)} payments, {asked['id'].str.startswith('subscription').sum()} of them subscriptions",
    )


def check_report(stage: Stage, deployer: Deployer, alerts: list[dict]) -> None:
    links = [asked.json["report"] for asked in deployer.done.values()]
    reports = [httpx.get(link, trust_env=False).raise_for_status().text for link in links]
    stage.driftline("report", "fraud", "--window", "1h", "--version", NEW, "-o", "report.html", "--url", stage.web)
    reports.append((stage.folder / "report.html").read_text(encoding="utf-8"))
    since = [pd.Timestamp(one["since"]) for one in alerts]
    names = [f"Degraded since {one:%-d %B %Y, %H:%M}" for one in since]
    stage.claim(
        "the diagnostic report says since when: behind the link in the request, and as a file of `driftline report`",
        len(reports) == 2 and len(names) == 1 and all(names[0] in one for one in reports),
        "\n".join([*links, *names]),
    )
