"""The documentation's "How to choose a method" says what its rows say; that it cites them is in ``test_tables``."""

from __future__ import annotations

import numpy as np
import pytest

from simulations.drift.methods import METHODS

FIGURES = METHODS.figures()


def shares(row: str) -> dict[str, float]:
    """Return what the row says of each method."""
    return {name: value for name, value in FIGURES[row].items() if name not in ("windows", "cpu_seconds")}


def test_the_rows_say_what_the_recommendations_make_of_them() -> None:
    rows = {row: shares(row) for row in FIGURES}
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


@pytest.mark.parametrize("name", ["choose-shift", "choose-humps", "choose-rare-flag", "choose-narrow"])
def test_a_few_windows_say_what_the_table_says(name: str) -> None:
    windows = 15 if name == "choose-narrow" else 40
    found = METHODS.rows[name].run(windows, 9)
    for method, share in shares(name).items():
        slack = 3.5 * np.sqrt(share * (1 - share) / windows) + 1.5 / windows
        assert found[method] == pytest.approx(share, abs=float(slack)), method
