"""The service of the README and of examples/service, started by the README's commands: what they promise comes."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import packages_distributions, requires
from pathlib import Path
from typing import Any

import httpx
from packaging.requirements import Requirement

from tests.support.paths import ROOT
from tests.support.processes import addresses, process

EXAMPLE = ROOT / "examples/service"
RECORDED = (
    "driftline: churn.score: recorded a dict with keys ['customer', 'age', 'visits'] as one row, a float64 as the "
    "score of class '1' (threshold 0.5)"
)
NO_BASELINE = (
    "churn 1 has no baseline: learning 1 of 1,000 rows for a provisional one; pass one to "
    "driftline.Model('churn', baseline=...), or set it in driftline.yaml: models.churn.baseline."
)
TRAINED = (
    "churn.joblib: trained on 1,000 customers, of whom 439 left\n"
    "churn.baseline.json: the other 1,000 customers\n"
)  # fmt: skip
PATIENCE = 60.0
"""Seconds until what has not come is a failure; a machine under load is slow, not wrong."""


def section() -> str:
    """Return the part of the README about a service."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    return text[text.index("## A service in fifteen lines") : text.index("| you add")]


def commands() -> dict[str, list[list[str]]]:
    """Return the README's commands, by the program that they start."""
    found: dict[str, list[list[str]]] = {}
    for block in re.findall(r"```bash\n(.*?)```", section(), re.DOTALL):
        for line in block.splitlines():
            words = shlex.split(line, comments=True)
            found.setdefault(words[0], []).append(words)
    return found


def post(words: list[str], servers: dict[str, str]) -> httpx.Response:
    """Send what a curl command sends, to where its server really listens."""
    _, url, header, content_type, data, body = words
    assert (header, data) == ("-H", "-d")
    host, slash, path = url.partition("/")
    kind, _, value = content_type.partition(": ")
    return httpx.post(servers[host] + slash + path, content=body, headers={kind: value}, timeout=60, trust_env=False)


def eventually(look: Callable[[], Any]) -> Any:
    """Return what is found once there is something to find."""
    deadline = time.monotonic() + PATIENCE
    while not (found := look()):
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.1)
    return found


@contextmanager
def served(folder: Path, words: list[str], **environment: str) -> Iterator[tuple[str, Path]]:
    """Start a server on a free port; yield its URL, and the file of what it says."""
    assert words[-2] == "--port"
    log = folder / "log"
    with log.open("w") as out:
        child = subprocess.Popen(
            [sys.executable, "-m", *words[:-1], "0"],
            cwd=folder,
            env={**os.environ, **environment},
            stdout=out,
            stderr=out,
        )
        try:
            found = eventually(
                lambda: child.poll() is not None or re.search(r"running on (http://\S+)", log.read_text())
            )
            assert found is not True, log.read_text()
            yield found[1], log
        finally:
            child.terminate()
            child.wait(PATIENCE)


def test_the_code_of_the_readme_is_the_file_of_the_example() -> None:
    (code,) = re.findall(r"```python\n(.*?)```", section(), re.DOTALL)
    assert code == (EXAMPLE / "shop.py").read_text(encoding="utf-8")
    readme = (EXAMPLE / "README.md").read_text(encoding="utf-8")
    assert [words for words in commands()["curl"] if shlex.join(words) not in shlex.join(shlex.split(readme))] == []


def test_the_extras_of_the_readme_install_all_that_the_example_imports() -> None:
    """Of what is installed here, only what the extras of its pip command bring."""
    (install,) = [words for words in commands()["pip"] if words[1] == "install"]
    extras = re.findall(r"\w+", install[2])
    waiting, brought = [("driftline", tuple(extras))], set[str]()
    while waiting:
        name, extras_of = waiting.pop()
        brought.add(name)
        for text in requires(name) or []:
            need = Requirement(text)
            wanted = need.marker is None or any(need.marker.evaluate({"extra": extra}) for extra in (*extras_of, ""))
            if wanted and (need.name.lower() not in brought or need.extras):
                waiting.append((need.name.lower(), tuple(need.extras)))

    source = "".join(file.read_text(encoding="utf-8") for file in EXAMPLE.glob("*.py"))
    imported = {
        name for name in re.findall(r"^(?:import|from) (\w+)", source, re.M) if name not in sys.stdlib_module_names
    }
    of = packages_distributions()
    assert {
        name for name in imported - {"driftline"} | {"uvicorn"} if brought.isdisjoint(map(str.lower, of[name]))
    } == set()
    assert imported == {"driftline", "fastapi", "joblib", "sklearn"}


def test_the_commands_of_the_readme_bring_a_prediction_and_its_outcome_to_the_pages(tmp_path: Path) -> None:
    said = commands()
    (directory,), (train,), (serve,), (predict, outcome) = said["cd"], said["python"], said["uvicorn"], said["curl"]
    folder = tmp_path / directory[1]
    shutil.copytree(ROOT / directory[1], folder, ignore=shutil.ignore_patterns("*.joblib", "__pycache__"))
    assert ["driftline", "up"] in said["driftline"]

    with process(tmp_path) as driftline:
        otlp, pages = addresses(driftline)
        trained = subprocess.run([sys.executable, *train[1:]], cwd=folder, capture_output=True, text=True, check=False)
        assert (trained.returncode, trained.stdout) == (
            0,
            TRAINED,
        ), trained.stderr
        with served(folder, serve, OTEL_EXPORTER_OTLP_ENDPOINT=otlp) as (url, log):
            answer = post(predict, {"localhost:8000": url})
            assert answer.status_code == 200
            assert 0.0 < answer.json() < 1.0
            eventually(lambda: RECORDED in log.read_text())

            def model(key: str, value: object) -> Any:
                models = httpx.get(f"{pages}/api/v1/models", timeout=60, trust_env=False).json()["models"]
                return [one for one in models if one[key] == value]

            (seen,) = eventually(lambda: model("rows", 1))
            kept = post(outcome, {"localhost:8780": pages})
            assert kept.json() == {"accepted": 1, "rejected": []}
            (joined,) = eventually(lambda: model("outcomes", 1))
    assert (seen["model"], seen["version"], seen["task"], seen["positive_class"]) == ("churn", "1", "binary", "1")
    assert joined["pending"] == 0
    assert [text for text in joined["hints"] if "baseline" in text] == [NO_BASELINE]


def test_traffic_is_compared_with_the_baseline_of_the_training(tmp_path: Path) -> None:
    page = (ROOT / "docs/start/fastapi-to-grafana.md").read_text(encoding="utf-8")
    assert TRAINED in page
    folder = tmp_path / "service"
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns("churn.*", "__pycache__"))
    assert (folder / "driftline.yaml").read_text() in page
    subprocess.run([sys.executable, "train.py"], cwd=folder, check=True)
    configuration = (
        (folder / "driftline.yaml").read_text().replace("churn.baseline.json", f"{folder}/churn.baseline.json")
    )
    with process(tmp_path, configuration) as driftline:
        otlp, pages = addresses(driftline)
        serve = ["uvicorn", "shop:app", "--port", "8000"]
        with served(folder, serve, OTEL_EXPORTER_OTLP_ENDPOINT=otlp) as (url, _):
            traffic = [sys.executable, "traffic.py", "--seconds", "5", "--rate", "40", "--service", url]
            done = subprocess.run([*traffic, "--driftline", pages, "--older", "15"], cwd=folder, capture_output=True)
            assert done.returncode == 0, done.stderr
            sent = int(done.stdout.split()[0])
            assert sent > 10

            def joined() -> Any:
                models = httpx.get(f"{pages}/api/v1/models", timeout=60, trust_env=False).json()["models"]
                return [one for one in models if (one["rows"], one["outcomes"]) == (sent, sent)]

            (model,) = eventually(joined)
            assert not [text for text in model["hints"] if "baseline" in text]
            metrics = eventually(lambda: [line for line in scraped(pages) if 'driftline_feature_name="age"' in line])
    assert max(float(line.rpartition(" ")[2]) for line in metrics if 'driftline_drift_method="psi"' in line) > 0.25


def scraped(pages: str) -> list[str]:
    """Return the lines of open windows that Prometheus scrapes."""
    text = httpx.get(f"{pages}/metrics", timeout=60, trust_env=False).text
    return [line for line in text.splitlines() if line.startswith("driftline_drift_open_window_value{")]


def test_the_readme_says_nothing_twice() -> None:
    """Two changes of one paragraph, merged, can leave both: the second time as it was before."""
    paragraphs = [one.strip() for one in (ROOT / "README.md").read_text(encoding="utf-8").split("\n\n")]
    assert [one for one in set(paragraphs) if paragraphs.count(one) > 1] == []
