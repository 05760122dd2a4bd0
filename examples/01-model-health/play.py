"""Replay four months of calls day by day, and check who was told what. Run it with `driftline demo 1`."""

import pandas as pd
from driftline_processor.demo.stage import Stage, as_json

PICTURE = "/models/deposit?window=1d"
"""The page whose picture is in the README."""

LIMIT, OVER = 0.85, 0.87
DELAY = pd.Timedelta("2D")
BROKEN = "2008-11-20"
"""Seeded: on this day every tenth call comes without an age, and the service fails."""


def play(stage: Stage) -> None:
    calls = pd.read_csv(stage.folder / "calls.csv.gz", parse_dates=["time"])
    calls = calls[calls["split"] == "production"].drop(columns="split").reset_index(drop=True)
    calls["id"] = "call-" + calls["id"].astype(str)
    stage.say("Training on the calls of May to August 2008")
    stage.run("train.py")
    stage.say("Starting the processor and the service")
    stage.start_processor(
        {"EMAIL": f"mailto://127.0.0.1:{stage.mail.port}?from=driftline@example.com&to=retention@example.com"}
    )
    service = stage.serve("service.py")
    answered, slowest = replay(stage, service, calls)
    windows = stage.wait_until_evaluated("deposit", "1d", len(calls), len(answered))
    check_dashboard(stage, calls, answered, slowest, windows)
    check_messages(stage, answered)


def replay(stage: Stage, service, calls: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, float]]:
    """Ask the service about each call, tell it of contracts two days later.

    Returns the calls that it answered, and the seconds of the slowest answer of each day.
    """
    stage.say("Replaying calls", len(calls))
    rows, scores, slowest = as_json(calls.drop(columns="subscribed")), {}, {}
    signed = as_json(calls[["id", "subscribed"]].assign(time=calls["time"] + DELAY))
    days = calls.groupby(calls["time"].dt.date).indices
    due = 0
    for day, at in days.items():
        while due < len(signed) and signed[due]["time"][:10] <= f"{day}":
            due += 1
        report(service, signed[:due], scores)
        signed, due = signed[due:], 0
        for number in at:
            row = rows[number]
            if f"{day}" == BROKEN and number % 10 == 0:
                del row["age"]
            answer = service.post("/score", json=row)
            slowest[f"{day}"] = max(slowest.get(f"{day}", 0.0), answer.elapsed.total_seconds())
            if answer.status_code == 200:
                scores[row["id"]] = answer.json()["subscribes"]
        stage.go_on(int(at[-1]) + 1, f"Replaying {day:%-d %B %Y}")
    report(service, signed, scores)
    return calls.assign(score=calls["id"].map(scores)).dropna(subset="score"), slowest


def report(service, signed: list[dict], scores: dict[str, float]) -> None:
    known = [one for one in signed if one["id"] in scores]
    if known:
        service.post("/contracts", json=known).raise_for_status()


def accuracy_by_day(answered: pd.DataFrame) -> pd.Series:
    right = (answered["score"] >= 0.5) == (answered["subscribed"] == 1)
    return right.groupby(answered["time"].dt.date).mean()


def check_dashboard(
    stage: Stage, calls: pd.DataFrame, answered: pd.DataFrame, slowest: dict[str, float], windows: list[dict]
) -> None:
    """Compare each day with the same calls in pandas, and its latency with what the caller waited."""
    accuracy = accuracy_by_day(answered)
    volume, served = (of["time"].dt.date.value_counts().to_dict() for of in (calls, answered))
    service = {one["start"][:10]: one["service"] for one in windows}
    shown = {
        one["start"][:10]: (one["performance"]["realized"]["accuracy"]["value"], one["rows"], one["service"]["failed"])
        for one in windows
    }
    expected = {f"{day}": (value, volume[day], volume[day] - served[day]) for day, value in accuracy.items()}
    same = all(abs(shown[day][0] - of[0]) < 1e-9 and shown[day][1:] == of[1:] for day, of in expected.items())
    latency = {day: one["values"]["latency_p95"]["value"] for day, one in service.items()}
    stage.claim(
        "accuracy, volume, errors and latency of each day are on the dashboard",
        same and shown.keys() == expected.keys() and all(0 < latency[day] <= slowest[day] for day in expected),
        f"{len(shown)} days as in pandas, {sum(one['failed'] for one in service.values())} failed calls,\n"
        f"95th percentile of latency at most {max(latency.values()):.3f} s, "
        f"below what the slowest caller of its day waited",
    )


def check_messages(stage: Stage, answered: pd.DataFrame) -> None:
    accuracy = accuracy_by_day(answered)
    stage.wait_for(lambda: any(alert["policy"] == "accuracy" for alert in stage.alerts()))
    stage.wait_until_quiet()
    falls = stage.alerts("accuracy")
    begun = [accuracy[pd.Timestamp(one["since"]).date()] for one in falls]
    first = falls[0]["since"][:10] if falls else "never"
    quiet = accuracy[: pd.Timestamp("2009-02-28").date()]
    stage.claim(
        "an accuracy below 85 % causes a message, and no day above it does",
        bool(falls) and max(begun) < LIMIT and first > "2009-02-28",
        f"falls: {len(falls)}, the first on {first}; {len(quiet)} days before it with {quiet.mean():.1%} on average",
    )
    told = [(one["channel"], one["result"]) for fall in falls for one in fall["messages"] if one["kind"] != "resolved"]
    letters = [letter.get_content() for letter in stage.mail.letters]
    stage.claim(
        "each fall is reported once in Slack and once by e-mail",
        bool(falls)
        and sorted(told) == sorted([("slack", "delivered"), ("email", "delivered")] * len(falls))
        and len(letters) == len(falls)
        and all("below 85 %" in letter for letter in letters),
        "\n".join(f"email: {letter['Subject']}" for letter in stage.mail.letters),
    )
    errors = stage.alerts("errors")
    named = [title for title, text in stage.slack.messages if "'errors'" in title + text]
    stage.claim(
        "a day with failing calls is reported",
        [one["since"][:10] for one in errors] == [BROKEN] and bool(named),
        "\n".join(f"Slack: {title}" for title in named),
    )
