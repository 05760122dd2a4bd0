"""The palette of the pages: contrast by WCAG 2.2, and states that stay apart for readers who see no green."""

from __future__ import annotations

import itertools
import re

import numpy as np
import pytest
from driftline.tables.table import F64

from tests.support.paths import ROOT

SHEET = ROOT / "collector_processor/driftline_processor/web/static/driftline.css"
THEMES = ("light", "dark")
TEXTS = [(ink, under) for ink in ("ink", "quiet", "accent", "bad") for under in ("ground", "card", "wash")]
TEXTS += [("on-risk", "risk"), ("on-accent", "accent"), ("card", "bad"), ("card", "shift")]
STATES = ("healthy", "risk", "bad")
"""Colours of the states of a model. Unknown is a hatch, whose colour need not be far from theirs."""
SIZES = ("small", "moderate", "large")
MARKS = (*STATES, *SIZES, "unsure", "steady", "shift", "was", "now", "line", "cover", "beside")

DEUTERANOPIA = np.array(
    [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
)
"""Machado, Oliveira and Fernandes 2009, table 1, severity 1.0: over linear red, green and blue."""

XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
WHITE = np.array([0.95047, 1.0, 1.08883])


def palette(theme: str) -> dict[str, str]:
    """Return name → ``#rrggbb`` of the variables of a theme."""
    blocks = re.findall(r":root \{(.*?)\}", SHEET.read_text(encoding="utf-8"), re.DOTALL)
    return dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})\b", blocks[THEMES.index(theme)]))


def linear(colour: str) -> F64:
    """Return linear red, green and blue: float64 (3,)."""
    shares = np.array([int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)])
    return np.where(shares <= 0.04045, shares / 12.92, ((shares + 0.055) / 1.055) ** 2.4)


def contrast(one: str, other: str) -> float:
    """Return the contrast ratio of two colours."""
    darker, lighter = sorted(float(XYZ[1] @ linear(colour)) for colour in (one, other))
    return (lighter + 0.05) / (darker + 0.05)


def lab(colour: str, seen: F64) -> F64:
    """Return CIELAB of a colour as it is seen: float64 (3,)."""
    share = XYZ @ np.clip(seen @ linear(colour), 0, 1) / WHITE
    root = np.where(share > 216 / 24389, np.cbrt(share), (24389 / 27 * share + 16) / 116)
    return np.array([116 * root[1] - 16, 500 * (root[0] - root[1]), 200 * (root[1] - root[2])])


def test_black_on_white_has_the_greatest_contrast() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21.0)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.005)


def test_red_and_green_of_one_lightness_are_near_for_a_deuteranope() -> None:
    """The simulation finds what it is for."""
    red, green = "#c24a3f", "#6f7f1f"
    apart = [float(np.linalg.norm(lab(red, seen) - lab(green, seen))) for seen in (np.eye(3), DEUTERANOPIA)]
    assert apart[1] < apart[0] / 3


@pytest.mark.parametrize("theme", THEMES)
def test_text_has_a_contrast_of_4_5(theme: str) -> None:
    colours = palette(theme)
    low = {pair: contrast(*(colours[name] for name in pair)) for pair in TEXTS}
    assert {pair: ratio for pair, ratio in low.items() if ratio < 4.5} == {}


@pytest.mark.parametrize("theme", THEMES)
def test_marks_have_a_contrast_of_3(theme: str) -> None:
    colours = palette(theme)
    low = {(mark, on): contrast(colours[mark], colours[on]) for mark in MARKS for on in ("ground", "card")}
    assert {pair: ratio for pair, ratio in low.items() if ratio < 3} == {}


@pytest.mark.parametrize("seen", [np.eye(3), DEUTERANOPIA], ids=["all colours", "deuteranopia"])
@pytest.mark.parametrize("theme", THEMES)
def test_states_and_sizes_stay_apart_for_everyone(theme: str, seen: F64) -> None:
    """A difference of 2 is just seen side by side (CIE 1976); small marks apart from each other need far more."""
    colours = {name: lab(colour, seen) for name, colour in palette(theme).items()}
    apart = {pair: float(np.linalg.norm(colours[pair[0]] - colours[pair[1]])) for pair in _pairs()}
    assert {pair: far for pair, far in apart.items() if far < _least(pair)} == {}


def _least(pair: tuple[str, str]) -> float:
    if set(pair) <= set(SIZES) or "unsure" in pair:
        return 12  # unsure is always hatched, too
    return 18 if set(pair) == {"risk", "bad"} else 30  # a sign stands on each badge of these two


def _pairs() -> list[tuple[str, str]]:
    data = [*itertools.combinations(SIZES, 2), ("now", "large"), ("steady", "shift"), ("line", "beside")]
    return [*itertools.combinations((*STATES, "unsure"), 2), *data]


def test_colours_of_states_mean_states_and_nothing_else() -> None:
    rules = re.findall(r"([^{}]+)\{([^{}]*)\}", SHEET.read_text(encoding="utf-8"))
    of_states = ("verdict", "grade", "severity", ".live", ":root")
    others = {
        selector.strip()
        for selector, body in rules
        if re.search(r"var\(--(healthy|risk)\)", body) and not any(word in selector for word in of_states)
    }
    assert others == set()


def test_text_has_five_sizes() -> None:
    text = SHEET.read_text(encoding="utf-8")
    assert set(re.findall(r"--text-\d", text)) == {f"--text-{size}" for size in range(1, 6)}
    fixed = {size for size in re.findall(r"font-size: ([^;}]+)", text) if not size.startswith("var(--text-")}
    assert fixed == {"0.86em", "1em", "10.5px", "15px", "75%"}  # code, text of drawings, phones and paper


@pytest.mark.parametrize("state", ["ok", "within_normal_variation", "drift", "inconclusive", "no_baseline"])
def test_each_state_has_a_sign_beside_its_colour(state: str) -> None:
    assert re.search(rf"\.badge\.state-{state}::before[^}}]*content: \"\S\"", SHEET.read_text(encoding="utf-8"))


@pytest.mark.parametrize("state", ["healthy", "degraded", "at_risk", "unknown", "no_data", "lagging"])
def test_each_verdict_has_a_sign_beside_its_colour(state: str) -> None:
    text = SHEET.read_text(encoding="utf-8")
    for kind in ("badge", "answer"):
        assert re.search(rf"\.{kind}\.verdict-{state}::before[^}}]*content: \"\S\"", text)


def test_every_page_has_the_hatch_that_charts_refer_to() -> None:
    folder = SHEET.parent.parent / "templates"
    assert 'id="hatch"' in (folder / "hatch.html").read_text(encoding="utf-8")
    assert '{% include "hatch.html" %}' in (folder / "base.html").read_text(encoding="utf-8")
