"""Measure Driftline and its peers, each in an environment of its own, and print one table.

    make bench-peers [ARGS="whylogs logfire"]     # only these

No interpreter can hold all of them: whylogs needs numpy 1, and bentoml and traceloop pin what they need. So each
environment (``.venv-peers/``, made once, thrown away at will) measures a bare span of its own in the same rounds, and
the table says how many of these a call costs. A peer that cannot be installed or imported is in it with the reason.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .jobs import JOBS
from .ways import WAYS

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENTS = ROOT / ".venv-peers"
COMMON = ("opentelemetry-sdk", "pandas")
BESIDE = {
    "whylogs": ("numpy<2", "pyarrow<20", "scikit-learn<1.6"),
    "traceloop-sdk": ("httpx",),
    "evidently": ("pandas<3", "pyarrow"),
    "nannyml": (
        *(
            "numpy<2",
            "pandas<2.2",
            "scikit-learn<1.6",
            "scipy<1.13",
            "statsmodels",
            "category_encoders<2.7",
            "pyarrow<20",
        ),
    ),
}
"""What a peer needs beyond what it requires: whylogs uses names that numpy 2 took away; traceloop imports httpx;
evidently breaks with pandas 3; rows of files are Parquet; nannyml uses what its libraries had in 2024."""
VERSIONS = {"evidently": "0.7.23", "nannyml": "0.13.1", "rotel": "0.0.1a15"}
"""Versions whose answers a table cites."""
PATIENCE_SECONDS = 900
HEAD = (
    "| | times a bare span, on the caller's thread (quartiles) | with what was put off | measured | kept |",
    "|---|---|---|---|---|",
)


def main(arguments: Sequence[str]) -> int:
    """Print the table; 1 when a peer has no figures."""
    peers = [peer for peer in WAYS if not arguments or peer in arguments]
    pythons = {peer: sys.executable if peer == "driftline" else environment(peer) for peer in peers}
    answers = {(peer, job): run(pythons[peer], peer, job) for job in JOBS for peer in peers}
    print(table(answers))
    return int(any(isinstance(answer, str) for answer in answers.values()))


def environment(peer: str) -> str:
    """Return the interpreter of a peer's environment, made if it is not there; or why there is none."""
    home = ENVIRONMENTS / peer
    python, stamp = home / "bin" / "python", home / "installed"
    wanted = [f"{peer}=={VERSIONS[peer]}" if peer in VERSIONS else peer, *BESIDE.get(peer, ()), *COMMON]
    if stamp.exists() and stamp.read_text() == " ".join(wanted):
        return str(python)
    print(f"Setting up {home.relative_to(ROOT)} (once) ...", file=sys.stderr)
    venv.create(home, clear=True, with_pip=True)
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run(
        [*pip, "--upgrade", "pip>=25.1"], check=False
    )  # an older one had not resolved traceloop-sdk after ten minutes
    done = subprocess.run([*pip, *wanted], capture_output=True, text=True, check=False)
    if done.returncode:
        return f"pip: {last_error(done.stderr)}"
    stamp.write_text(" ".join(wanted))
    return str(python)


def run(python: str, peer: str, job: str) -> dict[str, Any] | str:
    """Return what one interpreter found of one job, or why it found nothing."""
    if python.startswith("pip: "):
        return python
    command = [python, "-m", "benchmarks.peers.one", peer, job]
    variables = {**os.environ, "WHYLOGS_NO_ANALYTICS": "True", "BENTOML_DO_NOT_TRACK": "True"}
    print(f"{peer}: {JOBS[job]} ...", file=sys.stderr)
    try:
        done = subprocess.run(
            command, cwd=ROOT, env=variables, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return f"took more than {PATIENCE_SECONDS} s"
    if done.returncode:
        return last_error(done.stderr)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def table(answers: dict[tuple[str, str], dict[str, Any] | str]) -> str:
    """Return the answers as Markdown, jobs below each other, the quickest way first."""
    lines = list(HEAD)
    for job, words in JOBS.items():
        lines.append(f"| **{words}** | | | | |")
        found = {peer: answer for (peer, one), answer in answers.items() if one == job and not _has_no_way(answer)}
        for peer, answer in sorted(found.items(), key=lambda item: _ratio(item[1])):
            if isinstance(answer, str):
                lines.append(f"| {peer} | - | - | | {answer} |")
                continue
            it = answer["found"]
            lines.append(
                f"| {peer} {answer['version']} "
                f"| **{_short(it['caller_ratio'])}** ({_short(it['low'])}-{_short(it['high'])}) "
                f"| {_short(it['all_ratio'])} | {_short(it['caller'])} µs of {_short(it['bare'])} | {it['kept']} |"
            )
    return "\n".join(lines)


def _has_no_way(answer: dict[str, Any] | str) -> bool:
    return not isinstance(answer, str) and answer["found"] is None


def _ratio(answer: dict[str, Any] | str) -> float:
    return float("inf") if isinstance(answer, str) else float(answer["found"]["caller_ratio"])


def _short(value: float) -> str:
    """Return a number with two digits that count.

    >>> _short(0.1361), _short(1.847), _short(23.4), _short(12345.6)
    ('0.14', '1.85', '23', '12,346')
    """
    return f"{value:.2f}" if value < 10 else f"{value:,.0f}"


def last_error(words: str) -> str:
    """Return the line that says what went wrong."""
    lines = [line.strip() for line in words.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR")]
    return (errors or lines or ["nothing was said"])[-1][:200].replace("|", "/")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
