"""``driftline demo``: start the processes, replay the flights, print the findings.

The flights are sent to the service over HTTP in event time, and each outcome when its flight has landed. The
findings are the processor's verdicts, and one experiment that only the demo can make.

No result is hard-coded: months are selected by rules over the verdicts, and a finding whose condition is false
is not printed. ``tests/end_to_end/demo`` recomputes the numbers with pandas and scikit-learn alone.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd
import yaml
from msgspec import Struct
from rich.console import Console, Group
from sklearn.metrics import log_loss

from driftline_processor.present.numbers import count, many, number
from driftline_processor.terminal.console import Text
from driftline_processor.terminal.model_view import decode_sections
from driftline_processor.terminal.sections import section_views

from . import data, train
from .data import FEATURES, replayed_rows, training_rows
from .evaluated import Windows, wait_until_evaluated
from .processes import Ports, await_answer, choose_ports, running
from .steps import Steps

LARGE_PSI = 0.25


class Month(Struct, frozen=True):
    """One evaluated month, from the JSON of ``/api``.

    Attributes:
        name: Its name.
        state: State of its verdict.
        sentence: The verdict's headline and cause.
        advice: The verdict's advice.
        score_psi: PSI of the scores against the winter's.
        over_constant: Log loss of the model minus that of a constant.
    """

    name: str
    state: str
    sentence: str
    advice: str
    score_psi: float
    over_constant: float


def month_of(window: Mapping[str, Any]) -> Month | None:
    """Return one window; None if it lacks data for the findings."""
    realized, score, verdict = window["performance"]["realized"], window["drift"]["score"], window["verdict"]
    loss, constant = ((realized.get(name) or {}).get("value") for name in ("log_loss", "log_loss_constant"))
    if verdict is None or score is None or loss is None or constant is None or not window["closed"]:
        return None
    # Windows start at local midnight and are given in UTC; one day later the month is the same in every zone.
    start = pd.Timestamp(window["start"]) + pd.Timedelta(days=1)
    return Month(
        name=start.strftime("%B"),
        state=verdict["state"],
        sentence=_in_words(verdict),
        advice=verdict["action"],
        score_psi=score["methods"]["psi"]["value"],
        over_constant=loss - constant,
    )


def _in_words(verdict: Mapping[str, Any]) -> str:
    return " ".join(filter(None, (f"{verdict['headline']}.", verdict["cause"])))


def findings_of(answer: Mapping[str, Any], loss_with_frozen_weather: Callable[[str], float]) -> list[str]:
    """Return the verdict on the model, then on the most notable months.

    Args:
        answer: Response of ``/api`` about the months.
        loss_with_frozen_weather: Name of a month → the model's log loss in it with the weather of the winter.
    """
    verdict = answer["verdict"]
    sentences = [] if verdict is None else [f"{_in_words(verdict)} {verdict['action']}"]
    months = [month for window in answer["windows"] if (month := month_of(window)) is not None]
    warned = [month for month in months if month.state == "at_risk"]
    wrong = [month for month in months if month.state == "degraded"]
    if warned and wrong and months.index(warned[0]) < months.index(wrong[0]):
        sentences.append(f"{warned[0].name} gave a warning before the performance dropped. {warned[0].sentence}")
    if wrong:
        worst = max(wrong, key=lambda month: month.over_constant)
        sentences.append(f"{worst.name} was the worst month. {worst.sentence} {worst.advice}")
        mended = loss_with_frozen_weather(worst.name)
        sentences.append(
            f"For {worst.name}, with temp and dewp set to their training means, the same model has a log loss of "
            f"{number(mended)}: the cause was weather that was not in the training data."
        )
    calm = [month for month in months if month.state == "healthy" and month.score_psi >= LARGE_PSI]
    if calm:
        furthest = max(calm, key=lambda month: month.score_psi)
        sentences.append(f"{furthest.name} shows drift without a drop in performance. {furthest.sentence}")
    unseen = [month for month in wrong if month.score_psi < LARGE_PSI / 2]
    if unseen:
        nearest = min(unseen, key=lambda month: month.score_psi)
        sentences.append(f"{nearest.name} shows a drop in performance without drift of the scores. {nearest.sentence}")
    return sentences


def log_loss_with_frozen_weather(model: Any, flights: pd.DataFrame, month: str) -> float:
    """Return the model's log loss in one month with ``temp`` and ``dewp`` fixed at their training means."""
    rows = replayed_rows(flights)
    rows = rows[rows["late"].notna() & (rows["time"].dt.month_name() == month)]
    means = training_rows(flights)[["temp", "dewp"]].mean()
    frozen = rows[FEATURES].assign(temp=means["temp"], dewp=means["dewp"])
    return float(log_loss(rows["late"], model.predict_proba(frozen)[:, 1]))


SINGLE_EVERY = 10
"""One request in this number is a single prediction."""
BATCH_HOURS = 6
"""Length in hours of the batches of flights."""


class Progress(Struct, frozen=True):
    """Progress of the replay: event time, predictions and outcomes sent so far."""

    time: pd.Timestamp
    predictions: int
    outcomes: int


def _payload(rows: pd.DataFrame) -> list[dict[str, object]]:
    table = rows[["id", *FEATURES]].assign(time=rows["time"].dt.strftime("%Y-%m-%dT%H:%M:%SZ"))
    parsed: list[dict[str, object]] = json.loads(table.to_json(orient="records"))
    return parsed


def _send(client: httpx.Client, path: str, body: object) -> None:
    client.post(path, json=body).raise_for_status()


def replay(flights: pd.DataFrame, client: httpx.Client) -> Iterator[Progress]:
    """Replay the rows of :func:`data.replayed_rows`; yields after each request.

    Before each batch, the outcomes of all flights that have landed are sent. Raises ``httpx.HTTPError`` if the
    service fails a request.
    """
    landings = flights.dropna(subset=["landed"]).sort_values("landed", kind="stable")
    landed_at = landings["landed"].to_numpy(dtype="datetime64[ns]")
    reports = (
        landings[["id"]].assign(late=landings["late"] == 1.0, time=landings["landed"].dt.strftime("%Y-%m-%dT%H:%M:%SZ"))
    ).to_dict(orient="records")
    slot = flights["time"].dt.floor(f"{BATCH_HOURS}h")
    reported = predicted = 0
    for index, (_, batch) in enumerate(flights.groupby(slot, sort=True)):
        first = batch["time"].iloc[0].tz_localize(None).to_datetime64()
        due = int(np.searchsorted(landed_at, first, side="right"))
        if due > reported:
            _send(client, "/landed", reports[reported:due])
            reported = due
        rows = _payload(batch)
        if index % SINGLE_EVERY == 0:
            _send(client, "/predict", rows.pop(0))
        if rows:
            _send(client, "/predict/batch", rows)
        predicted += len(batch)
        yield Progress(batch["time"].iloc[-1], predicted, reported)
    if reported < len(reports):
        _send(client, "/landed", reports[reported:])
    yield Progress(flights["time"].iloc[-1], predicted, len(reports))


TIMEZONE = "America/New_York"


def _configuration(directory: Path, ports: Ports, forward: str | None) -> Path:
    """Write the processor's ``driftline.yaml``."""
    config: dict[str, Any] = {
        "receivers": {
            "otlp": {
                "protocols": {
                    "grpc": {"endpoint": f"127.0.0.1:{ports.grpc}"},
                    "http": {"endpoint": f"127.0.0.1:{ports.http}"},
                }
            }
        },
        "web": {"endpoint": f"127.0.0.1:{ports.web}"},
        "storage": {"directory": str(directory / "state")},
        "models": {train.MODEL_NAME: {"windows": ["1w", "1mo"], "timezone": TIMEZONE}},
    }
    if forward:
        kind = "otlp_http" if forward.startswith("http") else "otlp_grpc"
        tls = {} if kind == "otlp_http" else {"tls": {"insecure": True}}
        config["exporters"] = {
            f"{kind}/backend": {
                "endpoint": forward,
                **tls,
                "forward": ["traces", "metrics", "logs"],
                "derived": ["traces", "metrics"],
            }
        }
    path = directory / "driftline.yaml"
    path.write_text(yaml.safe_dump(config, sort_keys=False))
    return path


def _months(pages: httpx.Client) -> dict[str, Any]:
    answer = pages.get(f"/api/v1/models/{train.MODEL_NAME}/evaluations", params={"window": "1mo"})
    parsed: dict[str, Any] = answer.raise_for_status().json()
    return parsed


def _settle(pages: httpx.Client, predictions: int, outcomes: int, steps: Steps) -> dict[str, Any]:
    """Wait until every row and every outcome is in the evaluated months; return these and the verdict."""

    def windows() -> Windows:
        try:
            months: Windows = _months(pages)["windows"]
        except httpx.HTTPStatusError:
            return []
        return months

    def progress(rows: int, arrived: int) -> None:
        steps.go_on(rows, f"Evaluating, with {count(arrived)} of {count(outcomes)} outcomes")

    wait_until_evaluated(windows, predictions, outcomes, progress)
    return _months(pages)


class Finding(Struct, frozen=True):
    """Results of the replay: the evaluated months from ``/api``, the findings, and the addresses of the pages."""

    months: dict[str, Any]
    sentences: list[str]
    page: str


def run(console: Console, once: bool = False, forward: str | None = None, port: int | None = None) -> int:
    """Run the demo; returns the exit code.

    ``once``: exit after the findings instead of serving until Ctrl-C. ``forward``: an OTLP destination (a Jaeger, a
    Collector) that gets everything the service sends and everything Driftline derives. ``port``: see
    :func:`choose_ports`.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # the processor and the service end with the demo
    try:
        with (
            tempfile.TemporaryDirectory(prefix="driftline-demo-") as name,
            play(Path(name), console, forward, port) as finding,
        ):
            if once:
                console.print("\nThe pages are not served any more. Without --once, they are served until Ctrl-C.")
            else:
                _links(finding.page, console)
                console.print("Serving until Ctrl-C.")
                signal.pause()
    except (FileNotFoundError, RuntimeError, httpx.HTTPError) as error:
        Console(stderr=True).print(f"driftline demo: {error}", style="red")
        return 2
    except KeyboardInterrupt:
        return 0
    return 0


@contextlib.contextmanager
def play(directory: Path, console: Console, forward: str | None = None, port: int | None = None) -> Iterator[Finding]:
    """Train, start processor and service, replay, and yield the findings; both processes run until the context ends."""
    started = time.monotonic()
    ports, note = choose_ports(port)
    if note:
        console.print(note)
    page, service = f"http://127.0.0.1:{ports.web}", f"http://127.0.0.1:{ports.service}"
    configuration = _configuration(directory, ports, forward)
    processor_command = [sys.executable, "-m", "driftline_processor", "up", "--config", str(configuration)]
    service_command = [sys.executable, "-m", "driftline_processor.demo.service", str(directory), str(ports.service)]
    environment = {**os.environ, "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{ports.http}"}
    with contextlib.ExitStack() as processes:
        with Steps(console) as steps:
            steps.begin("Reading a year of flights")
            flights = data.load()
            steps.begin("Training on January and February")
            model = train.fit(flights)
            steps.begin("Building the baseline")
            train.write(model, train.baseline_of(model, flights), directory)
            replayed = data.replayed_rows(flights)
            console.print(
                f"Trained on {count(len(data.training_rows(flights)))} flights of January and February. The baseline "
                f"has {count(len(data.reference_rows(flights)))} other flights. Replaying {count(len(replayed))} "
                "flights of March to December over HTTP."
            )
            steps.begin("Starting the processor and the service")
            processor = processes.enter_context(running(processor_command, environment, directory / "processor.log"))
            predictor = processes.enter_context(running(service_command, environment, directory / "service.log"))
            await_answer(f"{page}/readyz", processor, "the processor")
            await_answer(f"{service}/healthz", predictor, "the service")
            console.print(f"Watch it live: [link={page}]{page}[/]  (or: driftline top {page})")
            with httpx.Client(base_url=service, timeout=60) as client:
                _replay(replayed, client, steps)
            steps.begin("Evaluating", len(replayed))
            with httpx.Client(base_url=page, timeout=30) as pages:
                settled = _settle(pages, len(replayed), int(replayed["late"].notna().sum()), steps)
                sections = pages.get(f"/api/v1/models/{train.MODEL_NAME}/sections", params={"window": "1mo"})
            steps.begin("Evaluating the worst month again")
            sentences = findings_of(settled, partial(log_loss_with_frozen_weather, model, flights))
        laid_out = decode_sections(sections.raise_for_status().content).sections
        console.print(Group(*section_views(section for section in laid_out if section.key == "windows")))
        console.print("\n[bold]Findings[/]")
        for sentence in sentences:
            console.print(Text(f" • {sentence}"))
        seconds = round(time.monotonic() - started)
        predictions = many(len(replayed), "prediction")
        console.print(f"\n{predictions} and their outcomes in {many(seconds, 'second')}.")
        yield Finding(settled, sentences, page)


def _replay(replayed: pd.DataFrame, client: httpx.Client, steps: Steps) -> None:
    steps.begin("Replaying", len(replayed))
    for step in replay(replayed, client):
        day = f"{step.time.tz_convert(TIMEZONE):%-d %B}"
        steps.go_on(step.predictions, f"Replaying {day}, {count(step.outcomes)} flights landed")


def _links(page: str, console: Console) -> None:
    model = f"{page}/models/{train.MODEL_NAME}"
    console.print("\n[bold]Pages[/]")
    for name, url in (
        ("all models", page),
        ("month by month", f"{model}?window=1mo"),
        ("week by week", f"{model}?window=1w"),
        ("drift", f"{model}/drift?window=1mo"),
        ("worst predictions", f"{model}/predictions?window=1mo"),
        ("metrics", f"{page}/metrics"),
        ("JSON", f"{page}/api/v1/models/{train.MODEL_NAME}/evaluations?window=1mo"),
    ):
        console.print(f"  {name:<19}{url}", soft_wrap=True)
