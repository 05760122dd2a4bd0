"""The table of drift: the figures of the simulations (evidence/drift.json) and of the peers (evidence/peers.json)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from simulations.drift.claims import CLAIMS, Claim
from simulations.frame import EVIDENCE, Figures, Table, markdown, percent

PEERS = EVIDENCE / "peers.json"
NAMES = ("evidently", "nannyml", "whylogs")


def text(figures: Mapping[str, Figures]) -> str:
    """Return the table."""
    peers = json.loads(PEERS.read_text(encoding="utf-8"))
    lines = []
    for claim in CLAIMS.values():
        if claim.name in figures:
            beside = [_said(claim, peers[name]["figures"].get(claim.name)) for name in NAMES]
            own = _said(claim, figures[claim.name], peer=False)
            lines.append([f"`{claim.name}`", claim.what, claim.promised, own, *beside])
    told = markdown(["row", "what", "promised", "Driftline", *TITLES.values()], lines)
    return f"{told}\n{_costs(peers)}\n"


TITLES = {"evidently": "Evidently", "nannyml": "NannyML", "whylogs": "whylogs"}
COSTS = ("quiet-1000-1", "quiet-1000-20", "quiet-1000-200")


def _costs(peers: Mapping[str, Any]) -> str:
    """Say how long a peer takes for a window."""
    said = []
    for name in NAMES:
        figures = peers[name]["figures"]
        seconds = [f"{figures[row]['seconds']:.2g}" for row in COSTS if "seconds" in figures.get(row, {})]
        said.append(f"{TITLES[name]} {peers[name]['version']} {' / '.join(seconds) or '–'}")
    rows = "CPU seconds for a window of 1,000 rows and 1 / 20 / 200 numbers, its reference being read once"
    return f"({rows}: {', '.join(said)}.)"


def _said(claim: Claim, figures: Mapping[str, Any] | None, *, peer: bool = True) -> str:
    if figures is None:
        return "–"
    many = f" of {figures['windows']:,.0f}"
    if "value" in figures:
        return f"{figures['value']:.2g}, {'drift' if figures['found'] else '**no drift**'}"
    if "a quarter" in figures:
        return f"{figures['a quarter']:.2g} in 90 days ({percent(figures['alarm'])}{many} windows drift)"
    unsure = f", unsure {percent(figures['unsure'])}" if figures.get("unsure") else ""
    if "ok" in figures:
        return f"found {percent(figures['found'])}{unsure}{many}, `ok` {percent(figures['ok'])}"
    if claim.least is not None:
        certain = figures["alarm" if "unsure" in figures else "found"]  # without the note that days are too few
        return f"{percent(certain)}{unsure}{many}"
    alone = f", alone {percent(figures['alone'])}" if not peer and figures["alone"] > figures["alarm"] else ""
    return f"{percent(figures['alarm'])}{alone}{unsure}{many}"


DRIFT = Table("drift", CLAIMS, text)
