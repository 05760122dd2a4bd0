"""Replay three weeks of viewers, and check the ticket and the nightly job. Run it with `driftline demo 2`."""

import ast
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import simulator
from driftline_processor.demo.peers.jira import Jira
from driftline_processor.demo.peers.real_airflow import airflow_program
from driftline_processor.demo.stage import Stage, as_json

PICTURE = "/models/films?window=1d&at=2026-03-13T00:00:00Z"
"""The page whose picture is in the README: a day in the shift."""

FEATURES = ["age", "minutes", "drama", "genre"]
LIMIT = 0.2
"""Of PSI, as in `driftline.yaml` and in the DAG."""
CROSSED = 3
"""Exit code of `driftline evaluate` if a condition of `--fail-on` is true."""
QUIET, SHIFTED = 4, 12
NIGHTS = {
    QUIET: "on a quiet night",
    simulator.HOLIDAY: "on the holiday",
    SHIFTED: "in the shift",
    18: "when tastes are back",
}


def play(stage: Stage) -> None:
    random = np.random.default_rng(2)
    month = pd.concat([simulator.viewers(day, random) for day in range(-simulator.REFERENCE, 0)], ignore_index=True)
    month["watched"] = simulator.watched(month, random)
    month.to_parquet(stage.folder / "february.parquet")
    stage.say("Training on February, and storing the reference")
    stage.run("train.py")
    stage.say("Starting the processor and the service")
    jira = Jira(3, "REC")
    stage.host("example.atlassian.net", jira)
    stage.start_processor()
    service = stage.serve("service.py")
    days = replay(stage, service, random)
    windows = stage.wait_until_evaluated("films", "1d", simulator.DAYS * simulator.VIEWERS)
    stage.wait_until_told("tastes-shift", ("jira/retrain", "opened"), ("jira/retrain", "resolved"))
    stage.wait_for(lambda: bool(stage.slack.titles))
    stage.wait_until_quiet()
    check(stage, jira, month, days, [one for one in windows if one["closed"]])
    check_nightly_job(stage)


def replay(stage: Stage, service, random: np.random.Generator) -> pd.DataFrame:
    """Ask the recommender for each viewer; return the viewers."""
    stage.say("Replaying viewers", simulator.DAYS * simulator.VIEWERS)
    days = []
    for day in range(simulator.DAYS):
        viewers = simulator.viewers(day, random)
        for viewer in as_json(viewers):
            service.post("/films", json=viewer).raise_for_status()
        days.append(viewers.assign(day=day))
        stage.go_on((day + 1) * simulator.VIEWERS, f"Replaying day {day}")
    return pd.concat(days, ignore_index=True)


def stability(month: pd.Series, day: pd.Series) -> float:
    """Return the PSI in pandas: deciles of the reference or categories, and half a row more in each."""
    if month.dtype.kind in "fi":
        edges = np.unique(month.quantile(np.arange(1, 10) / 10))
        month, day = (pd.Series(np.searchsorted(edges, one, "right")) for one in (month, day))
    counts = pd.DataFrame({"was": month.value_counts(), "now": day.value_counts()}).fillna(0) + 0.5
    share = counts / counts.sum()
    return float(((share["now"] - share["was"]) * np.log(share["now"] / share["was"])).sum())


def check(stage: Stage, jira: Jira, month: pd.DataFrame, days: pd.DataFrame, windows: list[dict]) -> None:
    shown = pd.DataFrame(
        {
            day: {name: one["drift"]["features"][name]["methods"]["psi"]["value"] for name in FEATURES}
            for day, one in enumerate(windows)
        }
    )
    expected = pd.DataFrame(
        {day: {name: stability(month[name], rows[name]) for name in FEATURES} for day, rows in days.groupby("day")}
    )[shown.columns]
    largest = (shown - expected).abs().max().max()
    first, last = simulator.SERIAL.start, simulator.SERIAL.stop
    table = shown[[simulator.HOLIDAY, first - 1, first, last - 1, last]].round(2).rename(columns="day {}".format)
    (films,) = stage.get("/api/v1/models")["models"]
    stored = films["baseline"]
    stage.claim(
        "each night compares the key features with the reference that was stored once",
        largest < 1e-9 and stored["rows"] == len(month) and all(one["baseline"]["is_own"] for one in windows),
        f"{table.to_string()}\nall {shown.size} PSI are those of pandas",
    )
    above = [day for day in shown if shown[day].max() > LIMIT]
    stage.claim(
        "the holiday and each day of the serial are above the limit",
        above == [simulator.HOLIDAY, *simulator.SERIAL],
        f"PSI above {LIMIT} on the days {', '.join(map(str, above))}",
    )
    made = [one.json["fields"]["summary"] for one in stage.left if one.path.endswith("/issue")]
    since = [(pd.Timestamp(one["since"]) - simulator.START).days for one in stage.alerts("tastes-shift")]
    stage.claim(
        "one unusual day opens no ticket, and the whole shift opens exactly one",
        since == [first] and len(made) == len(jira.issues) == 1,
        "\n".join(f"{key}: {summary}" for key, summary in zip(jira.issues, made, strict=True)),
    )
    until = [
        (pd.Timestamp(one["until"]) - simulator.START).days for one in stage.alerts("tastes-shift") if one["until"]
    ]
    stage.claim(
        "the ticket is done when tastes have been back for three days",
        until == [last]
        and [*jira.issues.values()] == ["Done"]
        and [len(jira.comments[key]) for key in jira.issues] == [1],
        "\n".join(f"{key}: {status}, with a comment" for key, status in jira.issues.items()),
    )
    begun = [title for title in stage.slack.titles if not title.startswith("Resolved: ")]
    stage.claim(
        "Slack is notified once that the model is at risk",
        len(begun) == 1 and "at risk" in begun[0],
        "\n".join(f"Slack: {title}" for title in begun),
    )


def check_nightly_job(stage: Stage) -> None:
    """Run the commands of the DAG's tasks for some nights, and the DAG itself if there is an Airflow."""
    shifted = [simulator.HOLIDAY, *simulator.SERIAL]
    codes, lines = {}, []
    for day, what in NIGHTS.items():
        stage.say(f"The nightly job, {what}")
        fetch, compare = commands(stage, day)
        subprocess.run(fetch, env=environment(stage), capture_output=True, check=True)
        done = subprocess.run(compare, env=environment(stage), capture_output=True, text=True, check=False)
        codes[day] = done.returncode
        reason = done.stderr.strip().rpartition(" where the value is ")[2] if done.returncode == CROSSED else "quiet"
        lines.append(f"exit code {done.returncode} {what} (day {day}): {reason}")
    stage.claim(
        "the command of the nightly job ends with 3 if tastes have shifted, and otherwise with 0",
        all(code == (CROSSED if day in shifted else 0) for day, code in codes.items()),
        "\n".join(lines),
    )
    airflow = airflow_program()
    if airflow is None:
        stage.console.print("Airflow is not installed (`make airflow`): the DAG's commands ran, and not the DAG.")
        return
    stage.say("Starting Airflow")
    subprocess.run([airflow, "db", "migrate"], env=environment(stage), capture_output=True, check=True)
    states = {}
    for day in (QUIET, SHIFTED):
        stage.say(f"The DAG in Airflow, {NIGHTS[day]}")
        test = [airflow, "dags", "test", "nightly_drift", night(day)]
        done = subprocess.run(test, env=environment(stage), capture_output=True, text=True, check=False)
        ended = re.findall(r"DagRun Finished: .*?, state=(\w+)", done.stdout + done.stderr)
        states[day] = ended[-1] if ended else f"exit code {done.returncode}"
    stage.claim(
        "in a real Airflow the DAG succeeds on a quiet night, and fails in the shift",
        states == {QUIET: "success", SHIFTED: "failed"},
        "\n".join(f"the night of {night(day)}: {state}" for day, state in states.items()),
    )


def night(day: int) -> str:
    """Return the date on which the nightly job compares a day, which is the next one."""
    return f"{simulator.START + pd.Timedelta(days=day + 1):%Y-%m-%d}"


def environment(stage: Stage) -> dict[str, str]:
    """Return the environment of the nightly job: Airflow's own, and the command `driftline`."""
    return {
        **stage.environment,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "AIRFLOW_HOME": str(stage.folder / "airflow"),
        "AIRFLOW__CORE__DAGS_FOLDER": str(stage.folder / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW_VAR_FILMS": str(stage.folder),
        "AIRFLOW_VAR_DRIFTLINE": stage.web,
    }


def commands(stage: Stage, day: int) -> list[list[str]]:
    """Return the commands of the DAG's tasks, read from its file as Airflow fills it in, without Airflow."""
    text = (stage.folder / "dags" / "nightly_drift.py").read_text(encoding="utf-8")
    said = {"var.value.driftline": stage.web, "var.value.films": str(stage.folder)}
    said |= {"ds": night(day), "macros.ds_add(ds, -1)": night(day - 1)}
    for name, value in said.items():
        text = text.replace(f"{{{{ {name} }}}}", value)
    calls = [one for one in ast.walk(ast.parse(text)) if isinstance(one, ast.Call)]
    keys = {
        one.func.id: {key.arg: ast.literal_eval(key.value) for key in one.keywords}
        for one in calls
        if isinstance(one.func, ast.Name) and one.func.id.endswith("Operator")
    }
    drift = keys["EvaluateOperator"]
    conditions = [part for one in drift["fail_on"] for part in ("--fail-on", one)]
    return [
        shlex.split(keys["BashOperator"]["bash_command"]),
        ["driftline", "evaluate", *drift["data"], "--baseline", drift["baseline"], "--json", *conditions],
    ]
