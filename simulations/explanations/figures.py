"""The results of the planted faults, kept in evidence/explanations.json, and their table."""

from __future__ import annotations

import json
from collections.abc import Mapping

from simulations.frame import EVIDENCE

from .faults import FAULTS, Planted, quiet

RUNS = 50
KEPT = EVIDENCE / "explanations.json"

Figures = Mapping[str, float]


def measure(planted: Planted, runs: int) -> dict[str, float]:
    """Return the shares of runs in which the explanation is right."""
    outcomes = [planted.run(seed) for seed in range(runs)]
    return {
        "runs": runs,
        "first": sum(one.first for one in outcomes) / runs,
        "worded": sum(one.worded for one in outcomes) / runs,
        "dated": sum(one.dated for one in outcomes) / runs,
    }


def measure_quiet(runs: int) -> dict[str, float]:
    """Return the shares of quiet streams of which something is said, and of features with an onset."""
    outcomes = [quiet(seed) for seed in range(runs)]
    return {
        "runs": runs,
        "explained": sum(one.explained for one in outcomes) / runs,
        "dated": sum(one.dated for one in outcomes) / runs,
        "onsets": sum(one.onsets for one in outcomes) / sum(one.features for one in outcomes),
    }


def read() -> dict[str, Figures]:
    """Return the figures that were kept."""
    return dict(json.loads(KEPT.read_text())) if KEPT.exists() else {}


def write(known: Mapping[str, Figures]) -> None:
    """Keep the figures."""
    KEPT.write_text(json.dumps({name: {k: round(v, 5) for k, v in one.items()} for name, one in known.items()}) + "\n")


def table(known: Mapping[str, Figures]) -> str:
    """Return the table as Markdown."""
    lines = ["| fault, from a random day on | runs | right feature first | in the right words | onset within a day |"]
    lines.append("|---|---|---|---|---|")
    for name, planted in FAULTS.items():
        if name in known:
            one = known[name]
            cells = (f"{one['runs']:.0f}", *(f"{one[key]:.0%}" for key in ("first", "worded", "dated")))
            lines.append(f"| {planted.title} | {' | '.join(cells).replace('%', ' %')} |")
    if "quiet" in known:
        one = known["quiet"]
        said = f"something is said of {one['explained']:.1%} of them, with a date of {one['dated']:.1%}"
        asked = f"asked of every feature, drift or not, an onset is claimed of {one['onsets']:.2%}"
        lines += ["", f"Of {one['runs']:.0f} quiet streams: {said}; {asked}.".replace("%", " %")]
    return "\n".join(lines) + "\n"
