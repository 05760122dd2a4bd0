"""Replay six days of 21 models, and check who was told what. Run it with `driftline demo 15`."""

import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import pairwise

import httpx
import numpy as np
import pandas as pd
import simulator
from driftline_processor.demo.processes import free_port
from driftline_processor.demo.stage import Stage, as_json

PICTURE = "/models/credit-risk/performance?window=1d#fairness"
"""The page whose picture is in the README."""

WIKI = "https://wiki.example.com/"
"""Where the team publishes `runbooks/`; here each link leads to its file."""

LIMIT, LATENCY, BUDGET = 0.1, 0.1, 0.001
FIRST, AFTER = f"{simulator.START:%Y-%m-%d}", f"{simulator.START + simulator.DAYS * simulator.DAY:%Y-%m-%d}"
TOLD_AT = {
    simulator.SLOW_TWICE[1] + 3 * simulator.HOUR: "latency",
    simulator.FAILS[1] + 2 * simulator.HOUR: "availability",
}
"""Where the replay stops until somebody is paged: an hour counts once a later one has begun."""
STEPS = sorted({*pd.date_range(simulator.START, periods=simulator.DAYS + 1), *TOLD_AT})


def play(stage: Stage) -> None:
    random, fleet = np.random.default_rng(15), simulator.fleet()
    traffic = {
        name: simulator.traffic(name, team, tier, random)
        for name, tier, team in fleet[["model", "tier", "team"]].itertuples(index=False)
    }

    stage.say("Training 21 models")
    stage.run("train.py")
    stage.say("Starting the processor and three services")
    stage.start_processor()
    services = {}
    for team in simulator.FEATURES:
        stage.environment["TEAM"] = team
        services[team] = stage.serve("service.py", port=free_port())
    calls = replay(stage, services, fleet, traffic)
    evaluate(stage, len(calls))
    stage.say("Waiting for the messages about unequal groups")
    stage.wait_for(
        lambda: all(
            told(stage, *asked)
            for asked in (("selection-by-age", simulator.UNFAIR), ("opportunity-by-gender", simulator.UNEQUAL))
        )
    )
    stage.wait_until_quiet()
    check_tiers(stage, fleet, calls)
    check_calls(stage, calls)
    check_fairness(stage, fleet, calls)
    check_labels(stage, fleet)
    check_runbooks(stage)
    check_nothing_else(stage)
    check_drills(stage, calls)
    check_review(stage, fleet, calls)
    check_audit(stage)


def replay(
    stage: Stage, services: dict[str, httpx.Client], fleet: pd.DataFrame, traffic: dict[str, pd.DataFrame]
) -> pd.DataFrame:
    """Send the cases of each day, and what is known at its end; return all calls with their scores."""
    total, answered = sum(map(len, traffic.values())), []
    for begin, end in pairwise(STEPS):
        stage.say("Replaying", total)
        for name, team in fleet[["model", "team"]].itertuples(index=False):
            service, cases = services[team], traffic[name]
            known = cases.loc[cases["known"].between(begin, end, "left"), ["id", "actual", "known"]]
            step = cases[cases["time"].between(begin, end, "left")].drop(columns=["actual", "known"])
            cases = [{key: value for key, value in case.items() if value is not None} for case in as_json(step)]
            for batch in batched(cases, simulator.BATCH if name == simulator.SLOW else 1):
                started = time.perf_counter()
                answer = service.post(f"/score/{name}", json=batch)
                took = time.perf_counter() - started
                scores = answer.json() if answer.status_code == 200 else [None] * len(batch)
                answered += [
                    {"model": name, "id": case["id"], "score": score, "took": took}
                    for case, score in zip(batch, scores, strict=True)
                ]
            service.post(f"/outcomes/{name}", json=as_json(known)).raise_for_status()
            stage.go_on(len(answered), f"Replaying {end:%-d %B %Y, %H:%M}")
        evaluate(stage, len(answered))
        if policy := TOLD_AT.get(end):
            stage.wait_until_told(policy, ("oncall", "opened"))
    return pd.DataFrame(answered).merge(pd.concat(traffic.values()), on="id")


def batched(cases: list[dict], size: int) -> Iterator[list[dict]]:
    return (cases[at : at + size] for at in range(0, len(cases), size))


def evaluate(stage: Stage, rows: int) -> None:
    """Wait until all rows have arrived, and no window waits."""
    stage.say("Evaluating", rows)

    def there() -> tuple[int, int]:
        models = stage.get("/api/v1/models", limit=100)["models"]
        pending = sum(one["pending_windows"] for one in models)
        stage.go_on(sum(one["rows"] for one in models), f"Evaluating; {pending} windows wait")
        return sum(one["rows"] for one in models), pending

    stage.wait_for(lambda: there() == (rows, 0), there)


def told(stage: Stage, policy: str, model: str) -> list[str]:
    """Return who was told when an alert of a policy about a model began; the alerts one after the other."""
    alerts = [alert for alert in stage.alerts(policy) if alert["model"] == model]
    messages = [one for alert in alerts for one in alert["messages"] if one["result"] == "delivered"]
    return sorted(one["channel"] for one in messages if one["kind"] != "resolved")


def since(stage: Stage, policy: str) -> list[tuple[str, pd.Timestamp]]:
    return [(alert["model"], pd.Timestamp(alert["since"])) for alert in stage.alerts(policy)]


def check_tiers(stage: Stage, fleet: pd.DataFrame, calls: pd.DataFrame) -> None:
    reported, drifts = {}, {}
    for name in fleet.loc[fleet["tier"] < 3, "model"]:
        days = [one for one in stage.windows(name, "1d") if one["drift"]["features"]]
        reported[name] = len(days)
        drifts[name] = [one["start"][:10] for one in days if (one["drift"]["fraction"] or 0) > 0.3]
    faulty = {name: days for name, days in drifts.items() if days}
    sent = calls.groupby("model").size()
    by_tier = fleet.groupby("tier")["model"].agg(["size", lambda names: int(sent[names].sum())])
    stage.claim(
        "each model of tiers 1 and 2 has its drift of each day, also on days on which nothing drifts",
        {*reported.values()} == {simulator.DAYS},
        "\n".join(f"tier {tier}: {models} models, {rows:,} calls" for tier, models, rows in by_tier.itertuples()),
    )
    shift = f"{simulator.DRIFTS_FROM:%Y-%m-%d}"
    stage.claim(
        "three inputs of a model of tier 2 in other units notify model risk, once, and page nobody",
        [*faulty] == [simulator.DRIFTING]
        and min(faulty[simulator.DRIFTING]) == shift
        and since(stage, "drift") == [(simulator.DRIFTING, simulator.DRIFTS_FROM)]
        and told(stage, "drift", simulator.DRIFTING) == ["risk"],
        f"more than 0.3 of the inputs drift: {faulty}",
    )


def check_calls(stage: Stage, calls: pd.DataFrame) -> None:
    """Compare latency and availability with what the callers saw."""
    slow = calls[calls["slow"]]
    hours = slow["time"].dt.floor("h")
    shown = {pd.Timestamp(one["start"]): one["service"]["values"] for one in stage.windows(simulator.SLOW, "1h")}
    p99 = {hour: shown[hour]["latency_p99"]["value"] for hour in sorted({*hours})}
    stage.claim(
        "two slow hours in a row page once, one slow hour pages nobody",
        since(stage, "latency") == [(simulator.SLOW, simulator.SLOW_TWICE[0])]
        and told(stage, "latency", simulator.SLOW) == ["oncall"]
        and [*p99] == [*simulator.SLOW_ONCE, *simulator.SLOW_TWICE]
        and all(LATENCY < value <= 1.1 * slow.loc[hours == hour, "took"].max() for hour, value in p99.items()),
        "\n".join(
            [f"{hour:%-d %B, %H:%M}: p99 of {1000 * value:.0f} ms" for hour, value in p99.items()]
            + [f"PagerDuty: {title}" for title in stage.pagerduty.triggered if "latency" in title]
        ),
    )
    failing = calls[calls["model"] == simulator.FAILING]
    failed = failing[failing["score"].isna()]
    of_day = failing[failing["time"].dt.floor("D") == failed["time"].min().floor("D")]
    burn = of_day["score"].isna().mean() / BUDGET
    counted = {one["start"][:10]: one["service"]["failed"] for one in stage.windows(simulator.FAILING, "1d")}
    stage.claim(
        "calls that spend the error budget more than 14.4 times too fast page once",
        burn > 14.4
        and [model for model, _ in since(stage, "availability")] == [simulator.FAILING]
        and told(stage, "availability", simulator.FAILING) == ["oncall"]
        and counted == {**dict.fromkeys(counted, 0), f"{failed['time'].min():%Y-%m-%d}": len(failed)},
        f"{len(failed)} of {len(of_day)} calls of the day failed: {burn:.0f} times as many as agreed\n"
        + "\n".join(f"PagerDuty: {title}" for title in stage.pagerduty.triggered if simulator.FAILING in title),
    )


def differences(calls: pd.DataFrame, attribute: str) -> pd.Series:
    """Return the greatest less the smallest fraction of refusals of the groups, by day; as Fairlearn has it."""
    rates = (calls["score"] >= 0.5).groupby([calls["time"].dt.strftime("%Y-%m-%d"), calls[attribute]]).mean().unstack()
    return rates.max(axis=1) - rates.min(axis=1)


def check_fairness(stage: Stage, fleet: pd.DataFrame, calls: pd.DataFrame) -> None:
    """Compare the differences of groups with the same calls in pandas."""
    largest, compared, noise = 0.0, 0, []
    kinds = (
        ("demographic_parity", "age_group", "selection-by-age", simulator.UNFAIR, simulator.UNFAIR_FROM),
        ("equal_opportunity", "gender", "opportunity-by-gender", simulator.UNEQUAL, simulator.UNEQUAL_FROM),
    )
    for criterion, attribute, policy, faulty, begin in kinds:
        saw = []
        for name in fleet.loc[(fleet["tier"] == 1) & (fleet["team"] != "payments"), "model"]:
            own = calls[calls["model"] == name]
            expected = differences(own if criterion == "demographic_parity" else own[own["actual"] == 1], attribute)
            for window in stage.windows(name, "1d"):
                day, fairness = window["start"][:10], (window["performance"] or {}).get("fairness") or []
                groups = {one["attribute"]: one for one in fairness}
                if attribute not in groups:  # the last day is not over
                    continue
                found = groups[attribute]["criteria"][criterion]
                if criterion == "demographic_parity" or window["outcomes"]["rows"] == window["rows"]:
                    largest, compared = max(largest, abs(found["difference"] - expected[day])), compared + 1
                if name == faulty and day >= f"{begin:%Y-%m-%d}":
                    saw.append(expected[day])
                elif expected[day] > LIMIT:
                    noise.append((name, attribute, day))
        finding = [alert["finding"] for alert in stage.alerts(policy)]
        stage.claim(
            f"groups that are significantly further apart notify model risk, with their rates: {policy}",
            [(model, at >= begin) for model, at in since(stage, policy)] == [(faulty, True)]
            and told(stage, policy, faulty) == ["risk"]
            and min(saw) > LIMIT,
            "\n".join(finding),
        )
    stage.claim(
        "all differences are those of pandas; a difference that may be noise causes no message",
        compared > 0 and largest < 1e-9 and bool(noise),
        f"largest deviation of {compared}: {largest:.0e}\n"
        f"{len(noise)} times a day's difference was above {LIMIT:.0%} by chance",
    )


def check_labels(stage: Stage, fleet: pd.DataFrame) -> None:
    states = {
        (name, one["start"][:10]): (one["outcomes"]["sla"] or {}).get("state")
        for name in fleet.loc[fleet["tier"] == 1, "model"]
        for one in stage.windows(name, "1d")
    }
    broken = [key for key, state in states.items() if state == "broken"]
    stage.claim(
        "model risk is notified of the day with late outcomes, and of no other day",
        broken == [(simulator.LATE, f"{simulator.LATE_DAY:%Y-%m-%d}")]
        and since(stage, "labels-late") == [(simulator.LATE, simulator.LATE_DAY)]
        and told(stage, "labels-late", simulator.LATE) == ["risk"],
        f"{sum(state == 'met' for state in states.values())} of {len(states)} days of tier 1 met\n"
        + "\n".join(f"Slack: {title}" for title in stage.slack.titles if "labels-late" in title),
    )


def check_runbooks(stage: Stage) -> None:
    """Follow the links in what was sent, as whoever is called would."""
    sent = [text for _, text in stage.slack.messages] + [json.dumps(one) for one in stage.pagerduty.events]
    linked = {link for text in sent for link in re.findall(rf"{WIKI}([\w/-]+)", text)}
    pages = {link: stage.folder / f"{link}.md" for link in sorted(linked)}
    headings = {
        link: page.read_text(encoding="utf-8").splitlines()[0] if page.exists() else "missing"
        for link, page in pages.items()
    }
    pages_sent = [one for one in stage.pagerduty.events if one["event_action"] == "trigger"]
    without = [one for one in pages_sent if not any(link["text"] == "runbook" for link in one["links"])]
    stage.claim(
        "each message links to a runbook, and each of these is there",
        bool(headings)
        and all(heading.startswith("# ") for heading in headings.values())
        and not without
        and all(WIKI in text for _, text in stage.slack.messages),
        "\n".join(f"{link}: {heading}" for link, heading in headings.items()),
    )


def check_nothing_else(stage: Stage) -> None:
    """Check that a model without a seeded fault causes no notification."""
    seeded = {
        simulator.UNFAIR,
        simulator.UNEQUAL,
        simulator.SLOW,
        simulator.FAILING,
        simulator.LATE,
        simulator.DRIFTING,
    }
    found = {alert["model"] for alert in stage.alerts()}
    stage.claim(
        "15 models have no fault, and cause no message",
        found == seeded,
        f"{len(stage.alerts())} alerts about {len(found)} models, {len(stage.slack.messages)} messages in Slack, "
        f"{len(stage.pagerduty.triggered)} pages",
    )


def ask(stage: Stage, *command: str) -> tuple[int, str, str]:
    """Run ``driftline`` and return its exit code, what it prints, and its errors."""
    line = [sys.executable, "-m", "driftline_processor", *command]
    done = subprocess.run(line, cwd=stage.folder, env=stage.environment, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


def check_drills(stage: Stage, calls: pd.DataFrame) -> None:
    """Inject two faults into the calls of a model, and keep a log of the results."""
    stage.say("Drilling")
    sent, log = len(stage.left), stage.folder / "drills.jsonl"
    columns = [*simulator.FEATURES["payments"], "id", "time", "score", "actual", "took"]
    calls.loc[calls["model"] == simulator.DRILLED, columns].to_parquet(stage.folder / "calls.parquet")
    recorded = ["--records", "calls.parquet", "--baseline", f"payments/{simulator.DRILLED}.baseline.json"]
    recorded += ["--latency", "took", "--size", "200"]  # rows in the store have no durations
    for fault, rows in (("slow-model", recorded), ("unit-change", [])):
        chosen = ["--model", simulator.DRILLED, "--config", "up.yaml", "--at", "3d", *rows, "--json"]
        _, printed, _ = ask(stage, "drill", fault, *chosen)
        with log.open("a", encoding="utf-8") as lines:
            lines.writelines(json.dumps(one) + "\n" for one in json.loads(printed)["drills"])
    drills = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    notified = [[channel for fired in one["fired"] for channel in fired["notified"]] for one in drills]
    stage.claim(
        "two drills are detected within three days, and name whom they would notify, without a notification",
        all(0 < (one["found_after_seconds"] or 0) <= 3 * 86_400 and one["quiet"] for one in drills)
        and len(drills) == 2
        and all("risk" in channels for channels in notified)
        and len(stage.left) == sent,
        "\n".join(
            f"{one['sentence']} Notified: {', '.join(dict.fromkeys(channels))}."
            for one, channels in zip(drills, notified, strict=True)
        ),
    )


def check_review(stage: Stage, fleet: pd.DataFrame, calls: pd.DataFrame) -> None:
    """Compare the report for the auditor with what was sent."""
    stage.driftline("review", "--from", FIRST, "--to", AFTER, "--url", stage.web, "-o", "review.html")
    page = (stage.folder / "review.html").read_text(encoding="utf-8")
    reviewed, not_well = {}, {}
    for row in re.findall(r'<tr class="reviewed-model.*?</tr>', page, re.DOTALL):
        name = re.search(r'<th scope="row"[^>]*>([\w-]+)</th>', row)[1]
        number, thousand = re.search(r"</td><td>([\d.]+)(k?)</td>", row).groups()
        reviewed[name] = float(number) * (1_000 if thousand else 1)
        not_well[name] = re.sub(r"<.*?>", "", re.search(r'<td class="words">(.*?)</td>', row, re.DOTALL)[1])
    over = calls[calls["time"] < pd.Timestamp(AFTER, tz="UTC") - simulator.DAY]  # the last day is not over
    sent = over.groupby("model").size()
    same = reviewed.keys() == {*fleet["model"]} and all(abs(reviewed[name] / n - 1) < 0.05 for name, n in sent.items())
    failing_calls = {name for name, words in not_well.items() if "calls" in words}
    stage.claim(
        "the compliance report has every model with the calls that were sent, and those that broke their agreements",
        same and failing_calls == {simulator.FAILING},
        f"{len(reviewed)} of {len(fleet)} models, {sum(reviewed.values()):,.0f} predictions, rounded\n"
        + "\n".join(f"{name}: {' '.join(words.split())}" for name, words in not_well.items() if words not in ("", "–")),
    )


def check_audit(stage: Stage) -> None:
    """Verify the log of who did what; then change one byte of a copy."""
    stage.driftline("audit", "export", "--url", stage.web, "-o", "audit.jsonl")
    intact = ask(stage, "audit", "verify", "audit.jsonl")
    lines = (stage.folder / "audit.jsonl").read_bytes().splitlines(keepends=True)
    at = len(lines) // 2
    number, position = json.loads(lines[at])["sequence"], lines[at].index(b'"words": "') + 10
    changed = bytearray(lines[at])
    changed[position] ^= 1
    (stage.folder / "changed.jsonl").write_bytes(b"".join([*lines[:at], bytes(changed), *lines[at + 1 :]]))
    broken = ask(stage, "audit", "verify", "changed.jsonl")
    stage.claim(
        "the audit log is intact, and one changed byte in a copy is found, with the number of its entry",
        intact[0] == 0 and broken[0] == 1 and f"entry {number}:" in broken[2],
        f"{intact[1].strip()}\nafter the change: {broken[2].strip()}",
    )
