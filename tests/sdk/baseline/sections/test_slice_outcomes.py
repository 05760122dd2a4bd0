"""How right the model was in each slice of a baseline: its sums, by stretch of time, and what may leave."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from driftline.baseline.baseline import Baseline
from driftline.baseline.codec import to_json
from driftline.baseline.sections.slices import MIN_OUTCOMES, SliceOutcomes
from driftline.panes.outcome_sums import fold_outcomes
from driftline.tables.table import Column
from driftline.tables.task import Task

BINARY = Task("binary", ("0", "1"), "1")
RNG = np.random.default_rng(3)
N = 2_000
COUNTRY = RNG.choice(["NL", "BE", "FR", "LU"], N, p=[0.5, 0.3, 0.18, 0.02])
SCORE, ACTUAL = RNG.random(N), RNG.integers(0, 2, N)
TIME = np.datetime64("2026-01-01T00:00:00") + np.arange(N) * 864_000 // N


def built(**changed: Any) -> Baseline:
    frame = {"x": RNG.normal(size=N), "country": COUNTRY, "p": SCORE, "y": ACTUAL, "t": TIME}
    roles: dict[str, Any] = {"score": "p", "actual": "y", "time": "t", "features": ["x"], "slices": ["country"]}
    roles |= {"task": "binary", **changed}
    return Baseline.from_frame(frame, model="m", **roles)


def known(baseline: Baseline) -> SliceOutcomes:
    assert baseline.extras.slice_outcomes is not None
    return baseline.extras.slice_outcomes


def test_a_slice_has_the_decisions_of_its_rows_in_each_stretch_of_time() -> None:
    found = known(built())
    assert list(found.by_slice) == ["country=BE", "country=FR", "country=NL"]
    assert np.count_nonzero(COUNTRY == "LU") < MIN_OUTCOMES
    own = np.equal(COUNTRY, "NL")
    whole = fold_outcomes(BINARY, SCORE[own, np.newaxis], None, Column(numbers=ACTUAL[own].astype(np.float64)))
    for part in ("outcomes", "confusion"):
        assert found.pane("country=NL").parts[part].tolist() == whole.parts[part].tolist()
    blocks = found.blocks("country=NL")
    assert (found.length, len(blocks)) == (86_400 * 10**9, 10)
    first = own & (np.arange(N) < N // 10)
    assert blocks[0].parts["outcomes"][0] == np.count_nonzero(first)
    assert (found.blocks("country=LU"), found.pane("country=LU").parts) == ([], {})


def test_of_a_regression_a_slice_has_errors_and_how_far_they_vary_in_all() -> None:
    found = known(built(task="regression"))
    own = np.equal(COUNTRY, "BE")
    error = (SCORE - ACTUAL)[own]
    pane, blocks = found.pane("country=BE"), found.blocks("country=BE")
    assert pane.parts["losses"][1] == pytest.approx(error.sum(), rel=1e-5)
    assert pane.parts["spread"][6] == pytest.approx((error**4).sum(), rel=1e-5)
    assert sum(one.parts["losses"][1] for one in blocks) == pytest.approx(error.sum(), rel=1e-5)
    assert all("spread" not in one.parts for one in blocks)


def test_it_comes_back_from_json_without_slices_outcomes_or_keys_there_is_none_and_rules_are_told() -> None:
    whole = built()
    again = Baseline.from_json(whole.to_json())
    assert to_json(known(again)) == to_json(known(whole))
    assert again.digest == whole.digest
    assert built(slices=[]).extras.slice_outcomes is None
    assert built(actual=None).extras.slice_outcomes is None
    assert known(built(time=None)).count == 1
    assert known(whole).without(["country"]) is None
    root = json.loads(whole.to_json())
    outcomes = root["extras"]["slice_outcomes"]
    good = outcomes["by_slice"]["country=BE"]
    for change, place in (
        ({"length": -1}, ": length"),
        ({"count": 99}, ": length must not be negative, and count"),
        ({"by_slice": {"a=b": {}}}, ": 'a=b' must have outcomes"),
        ({"by_slice": {"a=b": good | {"other": good["outcomes"]}}}, ": 'a=b' must have outcomes"),
        ({"by_slice": {"a=b": good}, "count": 1}, ": 'confusion' of 'a=b'"),
        ({"by_slice": {"a=b": {"outcomes": [1, 2]}}}, ".by_slice.a=b.outcomes: "),
    ):
        root["extras"]["slice_outcomes"] = outcomes | change
        with pytest.raises(ValueError, match=f"extras.slice_outcomes{place}"):
            Baseline.from_json(json.dumps(root))
