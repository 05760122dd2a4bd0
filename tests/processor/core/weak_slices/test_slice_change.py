"""A slice is named if the model became worse in it, more than on all other rows; a harder slice is not."""

from __future__ import annotations

from typing import Any

import driftline
import numpy as np
import pandas as pd
import pytest

DAYS, ROWS = 35, 250
COLUMNS: dict[str, Any] = {"score": "score", "actual": "y", "id": "id", "time": "time", "positive_class": "1"}


def world(fault: str, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A baseline of 21 days, and 14 days of which the last seven may have a fault; Belgium was always harder."""
    rng = np.random.default_rng(seed)
    n = DAYS * ROWS
    day = np.repeat(np.arange(DAYS), ROWS)
    rows = pd.DataFrame({"x": rng.normal(size=n), "z": rng.normal(size=n)})
    rows["country"] = rng.choice(["NL", "DE", "FR", "BE"], n, p=[0.4, 0.3, 0.2, 0.1])
    odds = 2.5 * rows.x + np.sin(2 * rows.z) + rng.normal(0, 0.3, DAYS)[day]
    chance = 1 / (1 + np.exp(-odds))
    rows["y"] = (rng.random(n) < np.where(rows.country == "BE", 0.5, chance)).astype(int)
    rows["score"] = 1 / (1 + np.exp(-(2.2 * rows.x + 0.5 * rows.z)))
    rows["time"] = pd.Timestamp("2026-01-01", tz="UTC") + pd.to_timedelta(day + rng.random(n) * 0.99, unit="D")
    rows["id"] = [f"r{at}" for at in range(n)]
    late = pd.Series(day >= 28)
    if fault == "proportions":
        rows = rows[~late | (rows.y == 1) | (rng.random(n) < 0.2)]
    if fault == "rare":  # each code has too few rows in the baseline for a bin of its own
        codes = pd.Series([f"c{at}" for at in range(n)])
        rows["country"] = rows.country.where(rows.country != "FR", codes)
    wrong = {"country": rows.country == "FR", "range": rows.z > 1.2, "all": late, "rare": rows.country.str.len() > 2}
    where = wrong.get(fault, late & ~late)
    rows["y"] = rows.y.where(~(late & where), 1 - rows.y)
    day = day[rows.index]
    return rows[day < 21], rows[day >= 21]


def told(fault: str, seed: int) -> dict[str, Any]:
    reference, rows = world(fault, seed)
    found: dict[str, Any] = driftline.evaluate(
        rows, baseline=reference, task="binary", window="1d", progress=False, **COLUMNS
    ).to_dict()
    return found


@pytest.mark.parametrize(("fault", "feature"), [("country", "country"), ("range", "z")])
def test_the_reversed_slice_is_in_the_verdict_its_cause_and_its_advice(fault: str, feature: str) -> None:
    found = told(fault, 3)
    verdict, change = found["verdict"], found["windows"][-1]["performance"]["slice_change"]
    assert (verdict["state"], verdict["advice"], verdict["slice"]) == ("degraded", "retrain_with_slice", change["name"])
    assert change["features"] == [feature]
    assert change["now"] > change["was"] + 0.5
    assert (change["since"], change["since_earliest"]) == ("2026-01-29T00:00:00Z", None)
    assert (verdict["since"], verdict["since_earliest"]) == (change["since"], None)
    assert change["share"] > 0.5
    if fault == "country":
        assert change["name"] == "country=FR"
        assert "FR" in verdict["cause"]


def test_categories_that_the_baseline_lacks_are_compared_with_the_other_rows() -> None:
    found = told("rare", 3)
    assert found["verdict"]["slice"] == "country=rare or new category"
    assert "rose from" not in found["verdict"]["sentence"]
    assert "for all other rows" in found["verdict"]["sentence"]


@pytest.mark.parametrize("fault", ["", "all", "proportions"])
def test_no_slice_is_named_if_nothing_or_everything_changed(fault: str) -> None:
    found = told(fault, 6)
    assert [window["performance"]["slice_change"] for window in found["windows"]] == [None] * 14
    assert found["verdict"]["slice"] is None


@pytest.mark.slow
def test_a_slice_that_has_recovered_is_not_named() -> None:
    reference, rows = world("country", 5)
    day = (rows.time - rows.time.min()).dt.days
    back = (day >= 11) & (rows.country == "FR")
    rows = rows.assign(y=rows.y.where(~back, 1 - rows.y))
    found = driftline.evaluate(rows, baseline=reference, task="binary", window="1d", progress=False, **COLUMNS)
    named = [window["performance"]["slice_change"] is not None for window in found.to_dict()["windows"]]
    assert named[10]
    assert not named[13]
