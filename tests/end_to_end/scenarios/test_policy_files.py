"""The policies of the examples, from predictions over OTLP to what leaves the machine, over ``kill -9``.

Each processor runs with the very file of its example. What leaves is compared whole: how often, where to, and what.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from driftline.baseline.baseline import Baseline
from driftline_processor.demo.peers.airflow import Airflow
from driftline_processor.demo.peers.elasticsearch import Elasticsearch
from driftline_processor.demo.peers.jira import Jira
from driftline_processor.demo.peers.kafka import mock_broker
from driftline_processor.demo.peers.mail import mail

from tests.support.facts import lacking
from tests.support.waiting import wait_until

from .policy_files import (
    DAY,
    HOUR,
    KEY,
    PAGERDUTY,
    START,
    attachment,
    decided,
    identified,
    moments,
    outcomes,
    scene,
    shuffled,
)

MINUTE, WEEK = pd.Timedelta("1min"), pd.Timedelta("7D")
KEY_OF_ELASTIC = "aWQ6c2VjcmV0"

pytestmark = pytest.mark.slow


def test_1_slack_and_email_are_told_once_of_accuracy_below_85_percent_and_once_when_it_is_over(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    days = [decided(rng, moments([day], 200), 0.7 if day in (5, 6) else 0.95) for day in range(13)]
    days = [rows.assign(contact="cellular") for rows in days]
    with mail() as post:
        email = f"mailto://127.0.0.1:{post.port}?from=driftline@example.com&to=retention@example.com"
        with scene("01-model-health", tmp_path, variables={"EMAIL": email}) as there:
            post.down = True
            there.live("deposit", days[:9], DAY, slices=["contact"])
            there.die_while_it_sends(lambda: bool(there.world.asked) and bool(post.asked))
            post.down = False
            begun = [("slack", "opened", "delivered"), ("email", "opened", "delivered")]
            (alert,) = there.wait_for("accuracy", *begun)
            assert lacking(alert["finding"], "70 %", "61.5 %", "77.6 %", "below", "85 %") == []
            there.live("deposit", days[9:], DAY, slices=["contact"])
            there.wait_for("accuracy", *begun, ("slack", "resolved", "delivered"), ("email", "resolved", "delivered"))
    told = [attachment(one) for one in there.world.taken]
    titles = [
        "deposit: accuracy has been below 85 % since 7 March 2026 (policy 'accuracy')",
        "Resolved: deposit: accuracy was below 85 % from 7 March 2026 until 8 March 2026 (policy 'accuracy')",
    ]
    assert [title for title, _ in told] == titles
    numbers = ["70 %", "61.5 %", "77.6 %", "85 %"]
    assert [re.findall(r"[\d.]+ %", lines[0]) for _, lines in told] == [numbers, numbers]
    assert [str(letter["Subject"]) for letter in post.letters] == titles
    assert {(letter["From"], letter["To"]) for letter in post.letters} == {
        ("driftline@example.com", "retention@example.com")
    }
    for (_, lines), letter in zip(told, post.letters, strict=True):
        assert letter.get_content().splitlines()[0] == lines[0]
        assert f"page: {there.processor.web}/models/deposit?" in letter.get_content()


def viewers(rng: np.random.Generator, days: range, rows: int, older: float) -> pd.DataFrame:
    """Return viewers of films, so many years older than they were, with the list that each got."""
    times = moments(days, rows)
    size = len(times)
    return pd.DataFrame(
        {
            "id": identified(times),
            "time": times,
            "age": rng.normal(40 + older, 10, size),
            "minutes": rng.exponential(30, size),
            "drama": rng.random(size),
            "genre": rng.choice(["drama", "comedy", "crime"], size),
            "items": [[("Blue Hour", 0.9), ("Up North", 0.5), ("The Cut", 0.1)]] * size,
        }
    )


def test_2_one_ticket_is_made_of_tastes_that_shift_and_it_is_done_when_they_are_back(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    known = viewers(rng, range(14), 100, 0)
    features = known[["age", "minutes", "drama", "genre"]]
    keys: dict[str, Any] = {"model": "films", "task": "ranking", "version": "1"}
    reference = Baseline.from_frame(features, score=np.ones(len(known)), **keys)
    odd_day = [viewers(rng, range(day, day + 1), 200, 15 * (day == 3)) for day in range(5)]
    shifted, back = viewers(rng, range(5, 9), 200, 15), viewers(rng, range(9, 15), 200, 0)
    jira = Jira(3, "REC")
    with scene("02-automated-drift", tmp_path, jira, loses="/issue") as there:
        there.send("films", pd.concat([*odd_day, shifted]), "ranking", baseline=reference)
        there.die_while_it_sends(lambda: bool(there.world.lost))
        (alert,) = there.wait_for("tastes-shift", ("jira/retrain", "opened", "delivered"))
        assert (alert["since"], alert["fired"]) == ("2026-03-07T00:00:00Z", "2026-03-09T00:00:00Z")
        there.send("films", back, "ranking", baseline=reference)
        there.wait_for(
            "tastes-shift", ("jira/retrain", "opened", "delivered"), ("jira/retrain", "resolved", "delivered")
        )
    assert (jira.issues, [*jira.labels.values()]) == ({"REC-1": "Done"}, [[f"driftline-{alert['id']}", "retrain"]])
    (made,) = there.world.lost
    assert made.json["fields"]["summary"] == f"retrain films: {alert['finding']}"
    assert len(jira.comments["REC-1"]) == 1


def test_5_three_days_of_drift_start_one_run_of_the_dag(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)

    def stations(days: range, drifts: bool) -> pd.DataFrame:
        rows = decided(rng, moments(days, 200), 0.9).drop(columns=["tenure", "charges"])
        numbers = {"temperature": (24 - 9 * drifts, 4), "night_minimum": (15 - 8 * drifts, 4)}
        numbers |= {"humidity": (50, 9), "pressure": (1015, 5), "wind": (18, 6)}
        return rows.assign(**{name: rng.normal(mean, spread, len(rows)) for name, (mean, spread) in numbers.items()})

    known = stations(range(14), False)
    features = ["temperature", "night_minimum", "humidity", "pressure", "wind"]
    reference = Baseline.from_frame(
        known[features], score=known["score"], model="rain-tomorrow", task="binary", version="1"
    )
    odd_days = [stations(range(day, day + 1), day in (2, 3)) for day in range(5)]
    tokens = tuple(f"token-{number}" for number in range(1, 100))  # a slow machine asks again and again
    airflow = Airflow(2, tokens, "retrain_rain")
    with scene("05-drift-to-retraining", tmp_path, airflow, loses="/dagRuns") as there:
        there.send("rain-tomorrow", pd.concat([*odd_days, stations(range(5, 9), True)]), baseline=reference)
        there.die_while_it_sends(lambda: bool(there.world.lost))
        (alert,) = there.wait_for("dataset-drift", ("airflow/retrain", "opened", "delivered"))
        assert (alert["since"], alert["fired"]) == ("2026-03-07T00:00:00Z", "2026-03-10T00:00:00Z")
        assert alert["messages"][0]["detail"] == f"driftline-{alert['id']}-airflow-retrain already exists"
    conf = {"model": "rain-tomorrow", "version": "1", "since": "2026-03-07T00:00:00Z", "alert": alert["id"]}
    assert airflow.runs == {f"driftline-{alert['id']}-airflow-retrain": conf}


def test_7_a_fall_below_the_moving_average_is_told_once_and_a_quiet_day_below_it_is_not(tmp_path: Path) -> None:
    rng = np.random.default_rng(7)
    known = (0.9, 0.89, 0.91, 0.9, 0.88, 0.91, 0.9, 0.87, 0.89, 0.9, 0.78, 0.77, 0.9, 0.9)
    words = {True: "refund please my parcel never arrived", False: "how do I change my address thanks"}
    days = [decided(rng, moments([day], 200), right) for day, right in enumerate(known)]
    days = [rows.assign(text=[words[score > 0.5] for score in rows["score"]]) for rows in days]
    with mail() as post:
        email = f"mailto://127.0.0.1:{post.port}?from=driftline@example.com&to=support@example.com"
        with scene("07-text-classifier", tmp_path, variables={"EMAIL": email}) as there:
            bodies = there.send("tickets", pd.concat(days), text_features=["text"])
            assert not [body for body in bodies if b"parcel" in body or b"address" in body]
            there.processor.post(outcomes(pd.concat(days), DAY), "tickets")
            there.die_while_it_sends(lambda: bool(there.world.asked))
            begun = [("slack", "opened", "delivered"), ("email", "opened", "delivered")]
            (alert,) = there.wait_for("accuracy-falls", *begun)
            assert there.alerts("accuracy-falls-as-asked") == []
    assert (alert["since"], alert["fired"]) == ("2026-03-12T00:00:00Z", "2026-03-14T00:00:00Z")
    (told,) = there.world.taken
    title, lines = attachment(told)
    assert lacking(title, "tickets", "12 March 2026") == []
    assert lacking("\n".join(lines), "'accuracy-falls'", "accuracy is 77 % (") == []


def lists(rng: np.random.Generator, day: int, clicked: float, older: float, later: float) -> pd.DataFrame:
    """Return the lists of a day of a feed and who clicked; readers are so much older than they were, and come later."""
    times = moments([day], 200)
    size = len(times)
    ranked = [rng.permutation(30)[:5] for _ in range(size)]
    return pd.DataFrame(
        {
            "id": identified(times),
            "time": times,
            "age": rng.normal(40 + older, 10, size),
            "minutes": rng.normal(20 + later, 5, size),
            "items": [[(f"p{item}", 1 / (rank + 1)) for rank, item in enumerate(items)] for items in ranked],
            "actual": shuffled(rng, size, clicked),
        }
    )


def clicks(shown: pd.DataFrame) -> pd.DataFrame:
    """Return the clicks on lists: the first item of each that was clicked, a minute later."""
    chosen = shown[shown["actual"]]
    first = [items[0][0] for items in chosen["items"]]
    return pd.DataFrame({"id": chosen["id"], "item": first, "actual": 1.0, "time": chosen["time"] + MINUTE})


def test_8_only_a_day_on_which_features_drift_and_the_click_rate_falls_is_told(tmp_path: Path) -> None:
    rng = np.random.default_rng(8)
    fewer, older, later = {10: 0.3, 13: 0.25}, {13: 12.0}, {8: 6.0}
    days = [lists(rng, day, fewer.get(day, 0.5), older.get(day, 0.0), later.get(day, 0.0)) for day in range(15)]
    launch = lists(rng, 0, 0.5, 0.0, 0.0)
    keys: dict[str, Any] = {"model": "feed", "task": "ranking", "version": "1"}
    reference = Baseline.from_frame(launch[["age", "minutes"]], score=np.ones(len(launch)), **keys)
    with scene("08-drift-and-click-rate", tmp_path) as there:
        there.send("feed", pd.concat(days), "ranking", baseline=reference)
        there.processor.post(clicks(pd.concat(days)), "feed")
        there.die_while_it_sends(lambda: bool(there.world.asked))
        (alert,) = there.wait_for("tastes-shift", ("slack", "opened", "delivered"))
    assert (alert["since"], alert["fired"]) == ("2026-03-15T00:00:00Z", "2026-03-16T00:00:00Z")
    (told,) = there.world.taken
    title, lines = attachment(told)
    assert lacking(title, "feed", "15 March 2026") == []
    assert lacking("\n".join(lines), "'tastes-shift'", "age drifts; ctr is 25 % (") == []


def payments(rng: np.random.Generator, hour: int, right: float, found: float) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the payments of an hour, of which half are flagged and so many of these rightly, and a sample of reviews.

    Every third of the flagged is reviewed and every tenth of the others; ``found``: how many of the frauds are flagged.
    """
    times = moments([hour], 600, HOUR)
    flagged = np.arange(len(times)) % 2 == 0
    missed = right * (1 - found) / found
    actual = np.where(flagged, rng.random(len(times)) < right, rng.random(len(times)) < missed).astype(int)
    score = np.where(flagged, rng.uniform(0.6, 0.95, len(times)), rng.uniform(0.05, 0.4, len(times)))
    rows = pd.DataFrame(
        {"id": identified(times), "time": times, "amount": rng.normal(0, 1, len(times)), "score": score}
    )
    every = np.where(flagged, 3, 10)
    chosen = (np.arange(len(times)) // 2) % every == 0
    reviews = rows.loc[chosen, ["id"]].assign(
        actual=actual[chosen], weight=every[chosen].astype(float), time=times[chosen] + MINUTE
    )
    return rows, reviews


def test_9_an_hour_of_less_precision_calls_people_once_and_less_recall_warns_them(tmp_path: Path) -> None:
    rng = np.random.default_rng(9)
    hours = [payments(rng, hour, 1.0 if hour < 4 else 0.75, 0.95 if hour < 6 else 0.45) for hour in range(9)]
    rows, reviews = ([one[at] for one in hours] for at in (0, 1))
    called = "pagerduty", "opened", "delivered"
    more = "label_queue/review-more", "opened", "delivered"
    with scene("09-precision-contract", tmp_path) as there:
        there.processor.post(pd.concat(reviews[:6]), "fraud")
        there.send("fraud", pd.concat(rows[:6]))
        there.die_while_it_sends(lambda: len({one.headers["host"] for one in there.world.asked}) == 2)
        (alert,) = there.wait_for("precision", called, more, ("http/rollback", "opened", "awaits_approval"))
        assert there.world.taken_by("deployer.example.com") == []
        there.approve(alert["id"], "http/rollback")
        there.wait_for("precision", called, more, ("http/rollback", "opened", "delivered"))
        there.processor.post(pd.concat(reviews[6:]), "fraud")
        there.send("fraud", pd.concat(rows[6:]))
        there.wait_for("recall", ("pagerduty", "joined", "collected"))
    sent = [one.json for one in there.world.taken_by("events.pagerduty.com")]
    events = [one for one in sent if one.get("payload", {}).get("class") in ("precision", "recall")]
    assert {(one["routing_key"], one["event_action"]) for one in events} == {(PAGERDUTY, "trigger")}
    assert {one["dedup_key"] for one in events} == {alert["id"]}
    (event,) = events
    summary = event["payload"]["summary"]
    assert event["payload"]["severity"] == "critical"
    assert lacking(summary, "fraud", "2 March 2026, 04:00") == []
    (back,) = there.world.taken_by("deployer.example.com")
    assert (back.path, back.headers[KEY]) == ("/models/fraud/rollback", f"{alert['id']}-http/rollback")
    assert {name: back.json[name] for name in ("from_version", "reason")} == {"from_version": "1", "reason": summary}
    assert back.json["report"].startswith(f"{there.processor.web}/models/fraud/report?")
    (review,) = there.world.taken_by("reviews.example.com")
    assert (review.method, review.path) == ("POST", "/queues/fraud")
    assert review.headers[KEY] == f"{alert['id']}-label_queue/review-more"
    assert (review.json["model"], len(review.json["rows"])) == ("fraud", 50)


def test_9_a_rolling_hour_that_straddles_two_windows_calls_people(tmp_path: Path) -> None:
    rng = np.random.default_rng(19)
    hours = [payments(rng, hour, 1.0, 0.95) for hour in range(8)]
    rows, reviews = (pd.concat([one[at] for one in hours], ignore_index=True) for at in (0, 1))
    odd = reviews["time"].between(START + 4.5 * HOUR + MINUTE, START + 5.5 * HOUR + MINUTE, inclusive="left")
    flagged = reviews.index[odd & (reviews["weight"] == 3)]
    reviews.loc[flagged[::4], "actual"] = 0  # of 100 reviews 25 in the hour from half past four, 12 or 13 in a window
    with scene("09-precision-contract", tmp_path) as there:
        there.world.down = False
        there.processor.post(reviews, "fraud")
        there.send("fraud", rows)
        called, more = ("pagerduty", "opened", "delivered"), ("label_queue/review-more", "opened", "delivered")
        there.wait_for("precision", called, more, ("http/rollback", "opened", "awaits_approval"))
        (alert,) = there.alerts("precision")
    assert len(flagged) == 100
    assert "2026-03-02T04:30:00Z" <= alert["since"] < "2026-03-02T05:00:00Z"
    assert alert["since"] < alert["fired"] <= "2026-03-02T05:30:00Z"


def test_12_a_fall_of_auc_in_late_outcomes_rolls_back_as_approved_and_late_outcomes_are_told(tmp_path: Path) -> None:
    rng = np.random.default_rng(12)
    weeks = [decided(rng, moments([week], 250, WEEK), 0.6 if week >= 4 else 0.95) for week in range(8)]
    weeks = [rows.assign(region="south") for rows in weeks]
    known = decided(rng, moments(range(10), 200), 0.95)
    keys: dict[str, Any] = {"model": "credit", "task": "binary", "version": "1"}
    features = ["tenure", "charges"]
    reference = Baseline.from_frame(known[features], score=known["score"], actual=known["actual"], **keys)
    later = [outcomes(rows.iloc[: 50 if week == 3 else 150], 5 * DAY) for week, rows in enumerate(weeks)]
    waiting = ("http/rollback", "opened", "awaits_approval"), ("http/canary", "opened", "awaits_approval")
    with scene("12-silent-degradation", tmp_path) as there:
        there.world.down = False
        there.send("credit", pd.concat(weeks[:7]), baseline=reference, slices=["region"])
        there.processor.post(pd.concat(later[:4]), "credit")
        (late,) = there.wait_for("outcomes-late", ("slack", "opened", "delivered"))
        there.world.down = True
        there.send("credit", weeks[7], baseline=reference, slices=["region"])
        there.processor.post(later[4], "credit")
        there.die_while_it_sends(lambda: len(there.world.asked) > 1)
        (alert,) = there.wait_for("auc-falls", ("slack", "opened", "delivered"), *waiting)
        others = ("hooks.slack.com", "jaeger.example.com")
        assert [one.headers["host"] for one in there.world.taken if one.headers["host"] not in others] == []
        there.approve(alert["id"], "http/rollback")
        there.wait_for(
            "auc-falls", ("slack", "opened", "delivered"), ("http/rollback", "opened", "delivered"), waiting[1]
        )
        there.wait_for("outcomes-late", ("slack", "opened", "delivered"), ("slack", "resolved", "delivered"))
    assert (late["since"], alert["since"]) == ("2026-03-23T00:00:00Z", "2026-03-30T00:00:00Z")
    titles = [attachment(one)[0] for one in there.world.taken_by("hooks.slack.com")]
    resolved, fell, began = sorted(titles)
    assert lacking(resolved, "'outcomes-late'", "23 March 2026", "29 March 2026") == []
    assert lacking(began, "'outcomes-late'", "23 March 2026") == []
    assert lacking(fell, "credit", "30 March 2026") == []
    (back,) = there.world.taken_by("deployer.example.com")
    assert (back.path, back.headers[KEY]) == ("/models/credit/rollback", f"{alert['id']}-http/rollback")
    assert back.json == {"from_version": "1", "reason": fell, "since": "2026-03-30T00:00:00Z"}


def test_14_six_hours_of_a_lower_estimate_ask_once_for_a_retraining_before_any_click_is_known(tmp_path: Path) -> None:
    rng = np.random.default_rng(14)

    def impressions(hours: range, sharp: float) -> pd.DataFrame:
        times = moments([*hours], 300, HOUR)
        age = rng.normal(0, 1, len(times))
        score = 1 / (1 + np.exp(-sharp * age))
        actual = (rng.random(len(times)) < score).astype(int)
        return pd.DataFrame({"id": identified(times), "time": times, "age": age, "score": score, "actual": actual})

    known = impressions(range(10), 2.5)
    keys: dict[str, Any] = {"model": "clicks", "task": "binary", "version": "1"}
    reference = Baseline.from_frame(known[["age"]], score=known["score"], actual=known["actual"], **keys)
    hours = [impressions(range(hour, hour + 1), 0.8 if hour in (3, 4) or hour >= 6 else 2.5) for hour in range(14)]
    with mock_broker() as broker:
        with scene("14-closed-loop", tmp_path, variables={"KAFKA": broker.address}) as there:
            there.send("clicks", pd.concat(hours[:12]), baseline=reference)
            wait_until(lambda: there.closed("clicks", "1h") == 11)
            assert broker.read("model-events") == []
            there.send("clicks", hours[12], baseline=reference)
            wait_until(lambda: bool(broker.read("model-events")))
            there.processor.kill()
            (alert,) = there.wait_for("expected-to-fall", ("cloudevents/retrain", "opened", "delivered"))
            there.send("clicks", hours[13], baseline=reference)
            wait_until(lambda: there.closed("clicks", "1h") == 13)
        sent = broker.read("model-events")
    assert (alert["since"], alert["fired"]) == ("2026-03-02T06:00:00Z", "2026-03-02T12:00:00Z")
    assert {key for key, _ in sent} == {alert["id"].encode()}
    (event,) = {body.decode() for _, body in sent}
    said = json.loads(event)
    assert said["data"] == {
        "model": "clicks",
        "version": "1",
        "since": "2026-03-02T06:00:00Z",
        "finding": alert["finding"],
        "page": said["data"]["page"],
    }
    assert (said["id"], said["type"], said["subject"]) == (
        f"{alert['id']}-cloudevents/retrain",
        "io.driftline.alert.opened",
        "clicks",
    )


def test_3_a_wrong_model_of_each_tier_reaches_whom_its_tier_says_and_tier_1_is_rolled_back(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    with scene("03-slo-governance", tmp_path) as there:
        for model in ("card-fraud", "also-bought", "coupon"):
            days = [decided(rng, moments([day], 40, DAY, HOUR), 0.95 if day < 14 else 0.5) for day in range(24)]
            known = decided(rng, moments(range(10), 200), 0.95)
            keys: dict[str, Any] = {"model": model, "task": "binary", "version": "1"}
            features = known[["tenure", "charges"]]
            reference = Baseline.from_frame(features, score=known["score"], actual=known["actual"], **keys)
            there.live(model, days, HOUR, baseline=reference)
        there.die_while_it_sends(lambda: len({one.headers["host"] for one in there.world.asked}) == 4)
        (first,) = there.wait_for(
            "tier-1",
            ("oncall", "opened", "delivered"),
            ("slack", "opened", "delivered"),
            ("http/rollback", "opened", "delivered"),
        )
        (second,) = there.wait_for("health", ("slack", "opened", "delivered"))
        (third,) = there.wait_for("tier-3", ("backlog", "opened", "delivered"))
        assert there.alerts("tier-1-budget") == []
    told = {host: there.world.taken_by(host) for host in {one.headers["host"] for one in there.world.taken}}
    assert {host: len(asked) for host, asked in told.items()} == {
        "events.pagerduty.com": 1,
        "hooks.slack.com": 2,
        "backlog.example.com": 1,
        "deployer.example.com": 1,
    }
    called = told["events.pagerduty.com"][0].json
    assert (called["routing_key"], called["dedup_key"]) == (PAGERDUTY, first["id"])
    assert called["payload"]["severity"] == "critical"
    assert called["payload"]["summary"].startswith("card-fraud has been degraded since ")
    titles = sorted(attachment(one)[0].partition(" since ")[0] for one in told["hooks.slack.com"])
    assert titles == ["also-bought has been degraded", "card-fraud has been degraded"]
    (noted,), (back,) = told["backlog.example.com"], told["deployer.example.com"]
    assert (noted.path, noted.headers[KEY]) == ("/models", f"{third['id']}-1-backlog")
    said = {name: noted.json[name] for name in ("kind", "policy", "model", "severity", "owner", "tier", "state")}
    assert said == {
        "kind": "opened",
        "policy": "tier-3",
        "model": "coupon",
        "severity": "info",
        "owner": "shop",
        "tier": 3,
        "state": "degraded",
    }
    assert (back.path, back.headers[KEY]) == ("/models/card-fraud/rollback", f"{first['id']}-http/rollback")
    assert (back.json["from_version"], back.json["alert"]) == ("1", first["id"])
    assert second["owner"] == "shop"


def test_06_a_wrong_model_of_each_tier_reaches_whom_its_tier_says_and_all_records_reach_elasticsearch(
    tmp_path: Path,
) -> None:
    rng, elastic = np.random.default_rng(6), Elasticsearch(KEY_OF_ELASTIC)
    variables = {"ELASTIC_OTLP": "https://elastic.example.com/_otlp", "ELASTIC_API_KEY": KEY_OF_ELASTIC}
    with scene("06-company-wide", tmp_path, elastic, variables=variables) as there:
        for model in ("application-score", "early-arrears", "cross-sell"):
            days = [decided(rng, moments([day], 40, DAY, HOUR), 0.95 if day < 14 else 0.5) for day in range(24)]
            known = decided(rng, moments(range(10), 200), 0.95)
            keys: dict[str, Any] = {"model": model, "task": "binary", "version": "1"}
            features = known[["tenure", "charges"]]
            reference = Baseline.from_frame(features, score=known["score"], actual=known["actual"], **keys)
            there.live(model, days, HOUR, baseline=reference)
        there.die_while_it_sends(lambda: len({one.headers["host"] for one in there.world.asked}) == 3)
        (first,) = there.wait_for("high-risk", ("oncall", "opened", "delivered"))
        there.wait_for("health", ("slack", "opened", "delivered"), ("slack", "opened", "held"))
        wait_until(lambda: sum(_batches(elastic).values()) == 3 * 24 * 40)
    called = [one.json for one in there.world.taken_by("events.pagerduty.com")]
    assert [one["dedup_key"] for one in called] == [first["id"]]
    assert called[0]["payload"]["summary"].startswith("application-score has been degraded since ")
    (told,) = there.world.taken_by("hooks.slack.com")
    assert attachment(told)[0].startswith("early-arrears has been degraded since ")
    assert elastic.rejected == []


def _batches(elastic: Elasticsearch) -> dict[str, int]:
    """Return the rows of each batch, which may come again after a kill."""
    records = [one.attributes for one in elastic.documents if one.event == "driftline.prediction.batch"]
    return {one["driftline.batch.id"]: one["ml.prediction.count"] for one in records}


def test_15_a_broken_agreement_calls_people_with_its_runbook_and_late_labels_are_told(tmp_path: Path) -> None:
    rng = np.random.default_rng(15)
    answered = decided(rng, moments(range(22), 60), 0.95)
    in_time = answered["time"] < START + 12 * DAY
    per_hour, day_2 = 20, 24 * 20
    scored = decided(rng, moments(range(3), 80), 0.95)
    older = rng.random(len(scored)) < np.where(scored["score"] > 0.5, 0.15, 0.85)
    scored = scored.assign(age_group=np.where(older, "60 or more", "below 60"))
    with scene("15-regulated", tmp_path) as there:
        there.processor.post(outcomes(answered[in_time], 2 * DAY), "affordability")
        there.send("affordability", answered)
        there.send("credit-risk", scored, slices=["age_group"])
        calls = moments(range(51), per_hour, HOUR)
        there.call("sanctions-match", calls, fails=lambda at: at >= day_2 and at % 10 == 0)
        there.die_while_it_sends(lambda: len({one.headers["host"] for one in there.world.asked}) == 2)
        (late,) = there.wait_for("labels-late", ("risk", "opened", "delivered"))
        (unequal,) = there.wait_for("selection-by-age", ("risk", "opened", "delivered"))
        there.wait_until_delivered("availability", "oncall")
        there.wait_until_delivered("critical-model", "oncall", "risk")
        (failing,), (wrong,) = there.alerts("availability"), there.alerts("critical-model")
    assert (late["model"], late["since"]) == ("affordability", "2026-03-14T00:00:00Z")
    assert {failing["model"], wrong["model"]} == {"sanctions-match"}
    assert unequal["model"] == "credit-risk"
    assert re.fullmatch(
        r"demographic parity difference of age_group is [\d.]+ % \([\d.]+ % to [\d.]+ %\), above 10 %: "
        r"selection rate is [\d.]+ % for 60 or more and [\d.]+ % for below 60",
        unequal["finding"],
    )
    told = dict(attachment(one) for one in there.world.taken_by("hooks.slack.com"))
    assert {title.partition(" since ")[0]: lines[-1] for title, lines in told.items()} == {
        "affordability: outcomes have been late": "runbook: https://wiki.example.com/runbooks/late-labels",
        "credit-risk: demographic parity difference of age_group has been above 10 %": "runbook: "
        "https://wiki.example.com/runbooks/unequal-treatment",
        "sanctions-match has been degraded": "runbook: https://wiki.example.com/runbooks/critical-model",
    }
    events = [one.json for one in there.world.taken_by("events.pagerduty.com")]
    assert {one["dedup_key"] for one in events} in ({failing["id"]}, {wrong["id"]})
    assert {one["payload"]["severity"] for one in events} == {"critical"}
    runbook = {"text": "runbook", "href": "https://wiki.example.com/runbooks/critical-model"}
    assert [one for one in events if runbook in one["links"]] != []
