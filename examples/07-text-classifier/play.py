"""Replay five weeks of tickets; check texts, accuracy and who was told, live and from the log: `driftline demo 7`."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pandas as pd
import yaml
from driftline_processor.demo.peers.recorder import Asked, service
from driftline_processor.demo.stage import Stage, as_json
from simulator import ITEMS, SERVED, SHIFT, tickets
from sklearn.metrics import accuracy_score

PICTURE = "/models/tickets?window=1d"
"""The page whose picture is in the README."""

DESCRIPTORS = ["text.length", "text.words", "text.unknown", "text.script", "text.topic"]
PLANTED = "555-0142"
"""A telephone number that one customer in eight leaves in a ticket."""
CLOSED_AFTER = pd.Timedelta("20h")


def play(stage: Stage) -> None:
    served = tickets(0, SERVED, seed=2)
    served["closed"] = served["time"] + CLOSED_AFTER
    stage.say("Training on the tickets of May")
    stage.run("train.py")
    stage.say("Starting the processor and the service")
    stage.start_processor(
        {"EMAIL": f"mailto://127.0.0.1:{stage.mail.port}?from=driftline@example.com&to=support@example.com"}
    )
    with recording(stage) as sent:
        service = stage.serve("service.py")
        quiet = served["time"] < SHIFT
        predicted = replay(stage, service, served[quiet])
        stage.wait_until_evaluated("tickets", "1d", int(quiet.sum()), int(quiet.sum()))
        predicted += replay(stage, service, served[~quiet])
        windows = stage.wait_until_evaluated("tickets", "1d", len(served), len(served))
        stage.wait_until_told("accuracy-falls", ("slack", "opened"), ("email", "opened"))
        stage.wait_until_quiet()
    served["predicted"] = predicted
    check_texts(stage, served, sent)
    check_drift(stage, windows)
    check_accuracy(stage, served, windows)
    check_rule(stage, served)
    check_log(stage, windows)


@contextmanager
def recording(stage: Stage) -> Iterator[list[Asked]]:
    """Stand between the service and the processor, and keep all that the service sends."""
    processor = httpx.Client(base_url=stage.otlp, timeout=60, trust_env=False)

    def pass_on(asked: Asked) -> tuple[int, bytes]:
        headers = {name: asked.headers[name] for name in ("content-type", "content-encoding") if name in asked.headers}
        answer = processor.request(asked.method, asked.path, content=asked.body, headers=headers)
        return answer.status_code, answer.content

    with processor, service(pass_on) as between:
        stage.environment["OTEL_EXPORTER_OTLP_ENDPOINT"] = between.url
        yield between.asked


def replay(stage: Stage, service: httpx.Client, rows: pd.DataFrame) -> list[str]:
    """Send the tickets of each hour, and close each twenty hours later; return the queues that were predicted."""
    stage.say("Replaying tickets", len(rows))
    predicted = []
    closes = rows["closed"].dt.floor("D")
    for day in pd.date_range(rows["time"].min().floor("D"), closes.max()):
        of_day = rows[rows["time"].dt.floor("D") == day]
        for _, inbox in of_day.groupby(of_day["time"].dt.floor("h")):
            answer = service.post("/tickets", json=as_json(inbox[["id", "time", "text"]])).raise_for_status()
            predicted += answer.json()
        known = rows.loc[closes == day, ["id", "queue", "closed"]].rename(columns={"closed": "time"})
        service.post("/closed", json=as_json(known)).raise_for_status()
        stage.go_on(len(predicted), f"Replaying tickets of {day:%-d %B}")
    return predicted


def check_texts(stage: Stage, served: pd.DataFrame, sent: list[Asked]) -> None:
    bodies = b"\n".join(one.unpacked for one in sent)
    ids = sum(one.encode() in bodies for one in served["id"])
    texts = served["text"].unique()
    left = [text for text in [*texts, *ITEMS] if text.encode() in bodies]
    kept = [path.read_bytes() for path in (stage.folder / "state").rglob("*") if path.is_file()]
    told = [f"{title} {text}" for title, text in stage.slack.messages]
    told += [letter.get_content() for letter in stage.mail.letters]
    found = [one for one in (bodies, *kept, *(one.encode() for one in told)) if PLANTED.encode() in one]
    planted = int(served["text"].str.contains(PLANTED, regex=False).sum())
    stage.claim(
        "no text of a ticket leaves the service",
        ids == len(served) and planted > 0 and not left and not found,
        f"in {len(sent)} requests of {len(bodies):,} bytes: {ids:,} ids, "
        f"{len(left):,} of {len(texts) + len(ITEMS):,} texts and names of products\n"
        f"the number {PLANTED}, in {planted:,} tickets: {len(found)} times in requests, state and messages",
    )


def check_drift(stage: Stage, windows: list[dict]) -> None:
    features = {one["start"][:10]: one["drift"]["features"] for one in windows}
    drifts = {day: [name for name in DESCRIPTORS if of[name]["state"] == "drift"] for day, of in features.items()}
    first = f"{SHIFT:%Y-%m-%d}"
    shown = pd.DataFrame({day: {name: of[name]["state"] for name in DESCRIPTORS} for day, of in features.items()})
    stage.claim(
        "the style drifts from the first day of the chat on, and on no day before",
        all(bool(names) == (day >= first) for day, names in drifts.items())
        and all("text.unknown" in names for day, names in drifts.items() if day >= first),
        shown.loc[:, f"{SHIFT - pd.Timedelta('2D'):%Y-%m-%d}" : f"{SHIFT + pd.Timedelta('1D'):%Y-%m-%d}"].to_string(),
    )


def check_accuracy(stage: Stage, served: pd.DataFrame, windows: list[dict]) -> None:
    accuracy = by_day(served)
    shown = {one["start"][:10]: one["performance"]["realized"]["accuracy"]["value"] for one in windows}
    first = f"{SHIFT:%Y-%m-%d}"
    stage.claim(
        "the accuracy of each day is that of scikit-learn",
        [*shown] == [*accuracy.index] and all(abs(shown[day] - value) < 1e-9 for day, value in accuracy.items()),
        f"{len(shown)} days; {accuracy[:first].iloc[:-1].mean():.1%} on average before the chat, "
        f"{accuracy[first:].mean():.1%} with it",
    )
    (alert,) = stage.alerts("accuracy-falls") or [{"since": "", "messages": []}]
    told = sorted((one["channel"], one["kind"], one["result"]) for one in alert["messages"])
    stage.claim(
        "an accuracy below the average of seven days less their deviation is reported once in Slack and once by e-mail",
        alert["since"][:10] == first
        and told == [("email", "opened", "delivered"), ("slack", "opened", "delivered")]
        and len(stage.slack.titles) == len(stage.mail.letters) == len(stage.alerts()) == 1,
        "\n".join(
            [
                *(f"Slack: {title}" for title in stage.slack.titles),
                *(f"email: {letter['Subject']}" for letter in stage.mail.letters),
                *(line for _, text in stage.slack.messages for line in text.splitlines() if "'accuracy-falls'" in line),
            ]
        ),
    )


def by_day(served: pd.DataFrame) -> pd.Series:
    """Return the accuracy of each day."""
    days = served.groupby(served["time"].dt.strftime("%Y-%m-%d"))
    return days.apply(lambda rows: accuracy_score(rows["queue"], rows["predicted"]))


def check_rule(stage: Stage, served: pd.DataFrame) -> None:
    """Try the rule as people ask for it over the same windows, and compare with pandas."""
    accuracy = by_day(served)[: f"{SHIFT - pd.Timedelta('1D'):%Y-%m-%d}"]
    before = accuracy.shift(1).rolling(7, min_periods=3)
    below = (accuracy < before.mean() - before.std())[before.mean().notna()]
    both = yaml.safe_load((stage.folder / "driftline.yaml").read_text())
    del both["policies"]["accuracy-falls-as-asked"]["enabled"]
    (stage.folder / "both.yaml").write_text(yaml.safe_dump(both))
    stage.say("Trying the rule as people ask for it")
    answer = json.loads(stage.driftline("policies", "test", "both.yaml", "--url", stage.web, "--json"))
    (model,) = answer["models"]
    rules = {one["policy"]: one["false_alarms"] for one in model["policies"]}
    ours, asked = rules["accuracy-falls"], rules["accuracy-falls-as-asked"]
    stage.claim(
        "the simple rule is true on days without a change, and the rule of this file on none",
        ours["fired"] == 0
        and ours["share_of_quiet_windows"]["value"] == 0
        and below.any()
        and asked["fired"] > 0
        and abs(asked["share_of_quiet_windows"]["value"] - below.mean()) < 1e-9,
        f"pandas: below the line on {below.sum()} of {len(below)} quiet days\n"
        f"accuracy-falls-as-asked: {asked['sentence']}\naccuracy-falls: {ours['sentence']}",
    )


def check_log(stage: Stage, windows: list[dict]) -> None:
    """Evaluate the service's own log, as somebody does who runs no processor."""
    stage.say("Evaluating the log of the service")
    command = ["evaluate", "tickets.sqlite", "--baseline", "tickets.baseline.json", "--window", "1d"]
    answer = json.loads(stage.driftline(*command, "--json", "--html", "report.html"))
    live, logged = ([numbers(one) for one in rows] for rows in (windows, answer["windows"]))
    report = (stage.folder / "report.html").read_text()
    stage.claim(
        "the log in SQLite has the same days without a processor, and a report to send",
        live == logged and "<svg" in report and "text.unknown" in report,
        f"driftline {' '.join(command)} --html report.html\n"
        f"{len(logged)} days as live, a report of {len(report) / 1000:.0f} kB: {answer['verdict']['headline']}",
    )


def numbers(window: dict) -> dict[str, object]:
    """Return what a window says of texts and accuracy."""
    features = window["drift"]["features"]
    return {
        "day": window["start"][:10],
        "accuracy": round(window["performance"]["realized"]["accuracy"]["value"], 9),
        **{f"{name} drifts": features[name]["state"] for name in DESCRIPTORS},
        **{f"{name} PSI": round(features[name]["methods"]["psi"]["value"], 9) for name in DESCRIPTORS},
    }
