"""Panes merge by addition and refuse what cannot be added."""

from __future__ import annotations

import numpy as np
import pytest
from driftline.panes.pane import Pane, merge


def test_merging_adds_part_by_part_and_leaves_its_inputs_alone() -> None:
    one, other = Pane({"rows": np.array([1.0, 1.0, 1.0])}), Pane({"rows": np.ones(3), "class": np.array([2.0])})
    total = merge([one, other])
    assert total.rows == 2
    assert total.parts["class"].tolist() == [2]
    assert one.parts["rows"].tolist() == [1, 1, 1]
    total.parts["class"][0] = 9
    assert other.parts["class"].tolist() == [2]


def test_nothing_merges_to_the_empty_pane() -> None:
    assert merge([]).parts == {}
    assert Pane().rows == 0


def test_panes_of_other_bins_are_refused() -> None:
    with pytest.raises(ValueError, match=r"part 'score' has 3 and 4 entries; .*same bins"):
        merge([Pane({"score": np.zeros(3)}), Pane({"score": np.zeros(4)})])
