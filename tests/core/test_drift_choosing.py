"""The documentation's "How to choose a method": each recommendation cites rows of a table that a simulation makes."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

from tests.benchmarks.simulate_methods import (
    BEGIN,
    EMBEDDINGS,
    END,
    GOLDEN,
    PAGE,
    WORLDS,
    simulate,
    simulate_vectors,
    table,
)

FIGURES: dict[str, dict[str, float]] = json.loads(GOLDEN.read_text(encoding="utf-8"))
TEXT = PAGE.read_text(encoding="utf-8")


def test_the_table_of_the_page_is_what_was_simulated() -> None:
    assert TEXT.split(BEGIN)[1].split(END)[0] == table(FIGURES)


def test_every_recommendation_cites_rows_that_there_are() -> None:
    section = TEXT.split(END)[1].split("\n### ")[0]
    recommendations = [part for part in re.split(r"\n- ", section)[1:] if not part.startswith("What has no p-value")]
    cited = [re.findall(r"`(choose-[a-z-]+)`", recommendation) for recommendation in recommendations]
    assert len(recommendations) >= 8
    assert all(cited)
    assert {name for names in cited for name in names} - FIGURES.keys() == set()


def test_the_rows_say_what_the_recommendations_make_of_them() -> None:
    rows = FIGURES
    for row in ("choose-shift", "choose-part", "choose-skewed", "choose-spread"):
        assert rows[row]["anderson_darling"] > rows[row]["ks"]
    assert rows["choose-spread"]["anderson_darling"] > 7 * rows["choose-spread"]["ks"]
    assert max(rows["choose-shift"], key=lambda name: rows["choose-shift"][name]) == "mean_shift"
    assert rows["choose-spread"]["mean_shift"] + rows["choose-humps"]["mean_shift"] < 0.01
    for row in ("choose-humps", "choose-spread", "choose-default"):
        assert max(rows[row], key=lambda name: rows[row][name]) == "psi"
    assert rows["choose-flag"]["proportion"] > 1.7 * rows["choose-flag"]["chi2"]
    assert rows["choose-rare-flag"]["proportion"] < 0.2 * rows["choose-rare-flag"]["chi2"]
    assert max(rows["choose-tails"].values()) < 0.01
    assert rows["choose-topic"]["domain_classifier"] > rows["choose-topic"]["mmd"]
    assert rows["choose-narrow"]["mmd"] > rows["choose-narrow"]["domain_classifier"]
    assert max(rows["choose-quiet"].values()) < 0.02


@pytest.mark.parametrize("name", ["choose-shift", "choose-humps", "choose-rare-flag", "choose-topic"])
def test_a_few_windows_say_what_the_table_says(name: str) -> None:
    windows = 40
    found = simulate(WORLDS[name], windows, 9) if name in WORLDS else simulate_vectors(EMBEDDINGS[name], windows, 9)
    for method, share in FIGURES[name].items():
        slack = 3.5 * np.sqrt(share * (1 - share) / windows) + 1.5 / windows
        assert found[method] == pytest.approx(share, abs=float(slack)), method
