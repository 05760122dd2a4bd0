"""What peers call by the same name, of the same rows: where they agree, and where a difference is what the docs say."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from driftline.panes.bins import count, number_bins
from driftline.tables.table import Column
from driftline_processor.core.drift.methods import METHODS, Counts
from driftline_processor.core.drift.methods.method import counts_of_rows

from tests.golden.drift_methods import GOLDEN, samples

SAID: dict[str, dict[str, Any]] = json.loads(GOLDEN.read_text(encoding="utf-8"))
SAMPLES = samples()


def counts(case: str) -> Counts:
    """Of labels: the counts of each. Of numbers: over the bins of a baseline."""
    was, now = SAMPLES[case]
    if case in ("labels", "flag"):
        labels = sorted(set(was.tolist()))
        one, other = (np.array([[np.sum(side == label) for label in labels]], dtype=np.float64) for side in (was, now))
        return Counts(one, other)
    bins = number_bins(was)
    one, other = (count(bins, Column(numbers=side))[np.newaxis, : bins.size] for side in (was, now))
    return Counts(one, other, bins.edges[np.newaxis])


def ours(method: str, case: str, *, exact: bool = False) -> float:
    of = counts_of_rows(*SAMPLES[case], number_bins(SAMPLES[case][0])) if exact else counts(case)
    return float(METHODS[method].counts(of).value[0])


def p_value(method: str, case: str, *, exact: bool = False) -> float:
    of = counts_of_rows(*SAMPLES[case], number_bins(SAMPLES[case][0])) if exact else counts(case)
    p, decides = METHODS[method].counts(of).p_value, METHODS[method].p_value
    if p is None and decides is not None:
        p = decides(of)
    assert p is not None
    return float(p[0])


@pytest.mark.parametrize("case", ["labels", "flag"])
@pytest.mark.parametrize("method", ["js", "hellinger", "l_infinity"])
def test_distances_of_categories_are_those_of_nannyml(case: str, method: str) -> None:
    assert ours(method, case) == pytest.approx(SAID["nannyml"][case][method], abs=1e-9)


def test_chi_square_is_that_of_nannyml_which_corrects_where_there_are_two_labels() -> None:
    assert ours("chi2", "labels") == pytest.approx(SAID["nannyml"]["labels"]["chi2"], rel=1e-9)
    assert SAID["nannyml"]["flag"]["chi2"] < ours("chi2", "flag") == pytest.approx(9.609271, abs=1e-6)


@pytest.mark.parametrize("case", ["labels", "flag"])
def test_distances_of_categories_are_those_of_evidently_but_for_the_logarithm(case: str) -> None:
    said = SAID["evidently"][case]
    assert ours("hellinger", case) == pytest.approx(said["hellinger"], abs=1e-9)
    assert ours("js", case) * math.sqrt(math.log(2)) == pytest.approx(said["js"], abs=1e-9)
    assert ours("psi", case) == pytest.approx(said["psi"], rel=0.005)  # half a row in each label


def test_the_proportion_test_is_evidentlys_z() -> None:
    assert p_value("proportion", "flag") == pytest.approx(SAID["evidently"]["flag"]["proportion p"], abs=1e-9)


def test_evidently_and_whylogs_take_the_reference_for_known_and_are_too_sure() -> None:
    for peer in ("evidently", "whylogs"):
        assert SAID[peer]["labels"]["chi2 p"] < 0.03 * p_value("chi2", "labels")


@pytest.mark.parametrize("case", ["normal", "skewed", "large"])
def test_distances_of_rows_are_those_of_nannyml(case: str) -> None:
    assert ours("ks", case, exact=True) == pytest.approx(SAID["nannyml"][case]["ks"], abs=1e-4)
    assert ours("wasserstein", case, exact=True) == pytest.approx(SAID["nannyml"][case]["wasserstein"], rel=0.02)
    assert ours("wasserstein_scaled", case) == pytest.approx(SAID["evidently"][case]["wasserstein_scaled"], rel=0.03)


@pytest.mark.parametrize("case", ["normal", "skewed"])
def test_p_values_of_rows_are_those_of_evidently_but_for_its_caps(case: str) -> None:
    said = SAID["evidently"][case]
    assert p_value("cramer_von_mises", case, exact=True) == pytest.approx(said["cramer_von_mises p"], rel=1e-5)
    assert p_value("ks", case, exact=True) == pytest.approx(said["ks p"], rel=0.01)
    assert p_value("anderson_darling", case, exact=True) < said["anderson_darling p"] == 0.001


def test_where_scipys_series_ends_evidently_is_never_sure() -> None:
    assert SAID["evidently"]["large"]["cramer_von_mises p"] > 1e-8  # a standard deviation, in 10,000 rows
    assert p_value("cramer_von_mises", "large") < 1e-100


def test_one_stray_value_blinds_the_peers_and_changes_nothing_here() -> None:
    for method in ("ks", "wasserstein_scaled", "hellinger", "js", "psi"):
        assert ours(method, "stray") == pytest.approx(ours(method, "large"), rel=0.06)
    assert p_value("mean_shift", "stray") < 1e-100
    nannyml, evidently, whylogs = (SAID[peer]["stray"] for peer in ("nannyml", "evidently", "whylogs"))
    assert nannyml["ks"] == pytest.approx(0.00002)
    assert nannyml["wasserstein"] > 19_000
    assert evidently["wasserstein_scaled"] < 0.005
    assert evidently["mean_shift p"] > 0.5
    assert evidently["psi"] < 0.1
    assert max(said["hellinger"] for said in (nannyml, evidently, whylogs)) < 0.01
