"""The table of the documentation, made of what the simulations and the peers said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from .claims import CLAIMS, Claim

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests" / "golden"
RESULTS = GOLDEN / "simulated.json"
PEERS = GOLDEN / "simulated_peers.json"
PAGE = ROOT / "docs" / "methods.md"
BEGIN, END = "<!-- simulated: begin -->\n", "<!-- simulated: end -->\n"
NAMES = ("evidently", "nannyml", "whylogs")


def write() -> None:
    """Put the table into the page, between its markers."""
    page = PAGE.read_text()
    before, rest = page.split(BEGIN)
    PAGE.write_text(f"{before}{BEGIN}{table()}{END}{rest.split(END)[1]}")


def table() -> str:
    """Return the table."""
    own, peers = json.loads(RESULTS.read_text()), json.loads(PEERS.read_text())
    lines = ["| row | what | promised | Driftline | Evidently | NannyML | whylogs |", "|---|---|---|---|---|---|---|"]
    for claim in CLAIMS.values():
        if claim.name in own:
            beside = [_said(claim, peers[name]["figures"].get(claim.name)) for name in NAMES]
            cells = [f"`{claim.name}`", claim.what, claim.promised, _said(claim, own[claim.name], peer=False), *beside]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _said(claim: Claim, figures: dict[str, Any] | None, *, peer: bool = True) -> str:
    if figures is None:
        return "–"
    many = f" of {figures['windows']:,.0f}"
    if "value" in figures:
        return f"{figures['value']:.2g}, {'drift' if figures['found'] else '**no drift**'}"
    if "a quarter" in figures:
        return f"{figures['a quarter']:.2g} in 90 days ({_percent(figures['alarm'])}{many} windows drift)"
    if claim.name.startswith(("moved", "unseen")):
        return _percent(figures["found"]) + many
    alone = f", alone {_percent(figures['alone'])}" if not peer and figures["alone"] > figures["alarm"] else ""
    return f"{_percent(figures['alarm'])}{alone}{many}"


def _percent(share: float) -> str:
    return f"{share * 100:.2g} %" if share < 0.0995 else f"{share * 100:.3g} %"
