"""Set the scene, run the replay, show the result: ``driftline demo``."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pandas as pd
import yaml
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from driftline_processor.terminal.api_tables import windows_table

from . import data, findings, replay, train

START_SECONDS = 60
SETTLE_SECONDS = 300
"""Without anything new. The processor rests twice as long as it evaluated: on a busy machine that is minutes."""
LOOK_EVERY = 1.0
TIMEZONE = "America/New_York"


def _port(preferred: int) -> int:
    """Return the preferred port when it is free, else one that is."""
    for port in (preferred, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", port))
                return int(probe.getsockname()[1])
    raise OSError("no free port on 127.0.0.1")


def _await(url: str, process: subprocess.Popen[bytes], what: str) -> None:
    """Wait until ``url`` answers 200; raises ``RuntimeError`` when the process ends or time runs out."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"{what} ended with exit code {process.returncode} before it was ready (see above)")
        with contextlib.suppress(httpx.HTTPError):
            if httpx.get(url, timeout=2).status_code == 200:
                return
        time.sleep(0.1)
    raise RuntimeError(f"{what} did not answer at {url} within {START_SECONDS} s")


@contextlib.contextmanager
def _running(command: list[str], environment: dict[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a child process and end it gently."""
    with log.open("wb") as output:
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=subprocess.STDOUT)
    try:
        yield process
    except RuntimeError:
        sys.stderr.write(log.read_text(errors="replace"))
        raise
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _configuration(directory: Path, ports: dict[str, int], forward: str | None) -> Path:
    """Write the processor's ``driftline.yaml``."""
    config: dict[str, Any] = {
        "receivers": {
            "otlp": {
                "protocols": {
                    "grpc": {"endpoint": f"127.0.0.1:{ports['grpc']}"},
                    "http": {"endpoint": f"127.0.0.1:{ports['http']}"},
                }
            }
        },
        "web": {"endpoint": f"127.0.0.1:{ports['web']}"},
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


def _settle(pages: httpx.Client, predictions: int, outcomes: int) -> dict[str, Any]:
    """Wait until every row and every outcome is in the evaluated months; give up when nothing moves any more."""
    shown = (-1, -1)
    deadline = time.monotonic() + SETTLE_SECONDS
    while time.monotonic() < deadline:
        with contextlib.suppress(httpx.HTTPStatusError):
            found = _months(pages)
            now = (
                sum(window["rows"] for window in found["windows"]),
                sum(window["outcomes"]["rows"] for window in found["windows"]),
            )
            if now == (predictions, outcomes) and (found["verdict"] or {}).get("state") != "behind":
                return found
            if now != shown:
                shown, deadline = now, time.monotonic() + SETTLE_SECONDS
        time.sleep(LOOK_EVERY)
    raise RuntimeError(
        f"the processor shows {shown[0]} of {predictions} predictions and {shown[1]} of {outcomes} outcomes, "
        f"and nothing new for {SETTLE_SECONDS} s"
    )


@dataclass(frozen=True, slots=True)
class Finding:
    """Results of the replay: the evaluated months as ``/api`` gives them, the story, and the addresses of its pages."""

    months: dict[str, Any]
    sentences: list[str]
    page: str


def run(once: bool = False, forward: str | None = None) -> int:
    """Run the demo; returns the exit code.

    ``once``: end when the story is told, instead of serving until Ctrl-C. ``forward``: an OTLP destination (a Jaeger, a
    Collector) that gets everything the service sends and everything Driftline derives.
    """
    console = Console(highlight=False)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # the processor and the service end with the demo
    try:
        with (
            tempfile.TemporaryDirectory(prefix="driftline-demo-") as name,
            play(Path(name), console, forward) as finding,
        ):
            if once:
                console.print("\nThe pages end here; without --once they are served until Ctrl-C.")
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
def play(directory: Path, console: Console, forward: str | None = None) -> Iterator[Finding]:
    """Train, start processor and service, replay, tell; both keep serving until the context ends."""
    started = time.monotonic()
    console.print(
        "[bold]Late flights.[/] A model learns from two winter months which flights arrive late; then the year goes on."
    )
    flights = data.load()
    model = train.fit(flights)
    train.write(model, train.baseline_of(model, flights), directory)
    replayed = data.replayed_rows(flights)
    console.print(
        f"Trained on {len(data.training_rows(flights)):,} flights of January and February; baseline from "
        f"{len(data.reference_rows(flights)):,} others; replaying {len(replayed):,} of March to December over HTTP."
    )
    ports = {"grpc": _port(4317), "http": _port(4318), "web": _port(8780), "service": _port(8000)}
    page, service = f"http://127.0.0.1:{ports['web']}", f"http://127.0.0.1:{ports['service']}"
    configuration = _configuration(directory, ports, forward)
    processor_command = [sys.executable, "-m", "driftline_processor", "up", "--config", str(configuration)]
    service_command = [sys.executable, "-m", "driftline_processor.demo.service", str(directory), str(ports["service"])]
    environment = {**os.environ, "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{ports['http']}"}
    with (
        _running(processor_command, environment, directory / "processor.log") as processor,
        _running(service_command, environment, directory / "service.log") as predictor,
    ):
        _await(f"{page}/readyz", processor, "the processor")
        _await(f"{service}/healthz", predictor, "the service")
        console.print(f"Watch it live: [link={page}]{page}[/]  (or: driftline top {page})")
        with httpx.Client(base_url=service, timeout=60) as client:
            _replay(replayed, client, console)
        with httpx.Client(base_url=page, timeout=30) as pages:
            found = _settle(pages, len(replayed), int(replayed["late"].notna().sum()))
        console.print(windows_table(found))
        sentences = findings.findings_of(found, partial(findings.log_loss_with_frozen_weather, model, flights))
        console.print("\n[bold]What was found[/]")
        for sentence in sentences:
            console.print(f" • {sentence}")
        seconds = time.monotonic() - started
        console.print(f"\n{len(replayed):,} predictions, with every outcome there is, in {seconds:.0f} s.")
        yield Finding(found, sentences, page)


def _replay(replayed: pd.DataFrame, client: httpx.Client, console: Console) -> None:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("March", total=len(replayed))
        for step in replay.replay(replayed, client):
            said = f"{step.time.tz_convert(TIMEZONE):%B %d}, {step.outcomes:,} landed"
            progress.update(task, completed=step.predictions, description=said)


def _links(page: str, console: Console) -> None:
    model = f"{page}/models/{train.MODEL_NAME}"
    console.print("\n[bold]Look[/]")
    for what, url in (
        ("all models", page),
        ("month by month", f"{model}?window=1mo"),
        ("week by week", f"{model}?window=1w"),
        ("what drifts", f"{model}/drift?window=1mo"),
        ("wrong flights", f"{model}/predictions?window=1mo"),
        ("for Prometheus", f"{page}/metrics"),
        ("as JSON", f"{page}/api/v1/models/{train.MODEL_NAME}/evaluations?window=1mo"),
    ):
        console.print(f"  {what:<16}{url}", soft_wrap=True)
