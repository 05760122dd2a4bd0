"""What was relevant in a list: any clicks, corrections and retractions, against the rules read one by one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from driftline.baseline.baseline import Baseline
from driftline.baseline.ranking_outcomes import ListStatements, read_actuals, read_relevant, relevance_in
from driftline.tables.ranked_items import items_of
from driftline.tables.table import Column, Items
from driftline_processor.cli.commands import app
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

Statement = tuple[int, str, Any]
"""Which list, which item ("" = the whole list), and what: a number, a mapping, or None: taken back."""


def said(statements: Sequence[Statement]) -> ListStatements:
    labels = tuple(dict.fromkeys(item for _, item, _ in statements if item))
    sets = [actual for _, _, actual in statements if isinstance(actual, dict)]
    numbers = [np.nan if actual is None or isinstance(actual, dict) else float(actual) for _, _, actual in statements]
    places = iter(range(len(sets)))
    return ListStatements(
        np.array([row for row, _, _ in statements], np.int64),
        Column(
            codes=np.array([labels.index(item) if item else -1 for _, item, _ in statements], np.int32),
            categories=labels,
        ),
        np.array(numbers),
        np.array([actual is None for _, _, actual in statements], np.bool_),
        np.array([next(places) if isinstance(one[2], dict) else -1 for one in statements], np.int32),
        sets,
    )


def by_the_rules(ranked: Sequence[str], statements: Sequence[Statement]) -> tuple[Any, Any, Any]:
    """Return clicked, gains by rank (None: not known), and the gains of what was missed, of one list."""
    items: dict[str, float] = {}
    known, somewhere = False, False
    for _, item, actual in statements:
        if item and actual is None:
            items.pop(item, None)
        elif item:
            items[item] = float(actual)
        elif actual is None:
            items, known, somewhere = {}, False, False
        elif isinstance(actual, dict):
            items, known, somewhere = {key: float(gain) for key, gain in actual.items()}, True, False
        elif actual > 0:
            somewhere = True
        else:
            items, known, somewhere = {}, True, False
    if not (known or items or somewhere):
        return None, None, []
    gains = [items.get(item, 0.0) if item not in ranked[:rank] else 0.0 for rank, item in enumerate(ranked)]
    missed = sorted(gain for item, gain in items.items() if gain > 0 and item not in ranked)
    which = not somewhere or any(gain > 0 for gain in items.values())
    return float(somewhere or any(gain > 0 for gain in gains)), gains if which else None, missed


def lists_of(ranked: Sequence[Sequence[str]]) -> Items:
    return items_of([(tuple(one), None) for one in ranked])


ITEM = st.sampled_from("abcdz")
GAIN = st.sampled_from([0, 1, 1, 3, -1])
ACTUAL = st.one_of(GAIN, st.none())
STATEMENT = st.one_of(
    st.tuples(st.integers(0, 2), ITEM, ACTUAL),
    st.tuples(st.integers(0, 2), st.just(""), st.one_of(ACTUAL, st.dictionaries(ITEM, GAIN, max_size=3))),
)


@given(st.lists(st.lists(ITEM, max_size=5), min_size=3, max_size=3), st.lists(STATEMENT, max_size=12))
def test_any_statements_come_to_what_the_rules_say(ranked: list[list[str]], statements: list[Statement]) -> None:
    found = relevance_in(lists_of(ranked), said(statements))
    for row, items in enumerate(ranked):
        clicked, gains, missed = by_the_rules(items, [one for one in statements if one[0] == row])
        assert (None if np.isnan(found.clicked[row]) else found.clicked[row]) == clicked
        assert found.ranked[row] == (gains is not None)
        if gains is not None:
            assert found.gains[found.offsets[row] : found.offsets[row + 1]].tolist() == gains
            lost = found.missed[found.missed_offsets[row] : found.missed_offsets[row + 1]]
            assert sorted(lost.tolist()) == missed


def test_a_click_beyond_what_is_known_of_a_list_is_a_click_of_the_list() -> None:
    lists, clicks = lists_of([["a"], ["a"]]), said([(0, "x", 1), (1, "x", 1)])
    assert relevance_in(lists, clicks, np.array([0, 7])).clicked.tolist() == [0, 1]


def test_nothing_was_said_or_ranked() -> None:
    assert np.isnan(relevance_in(lists_of([["a"], []]), said([])).clicked).all()
    assert len(relevance_in(lists_of([]), said([]))) == 0
    found = relevance_in(lists_of([[]]), said([(0, "a", 2)]))
    assert (found.clicked.tolist(), found.missed.tolist()) == ([0], [2])


def test_a_set_of_relevant_items_is_a_json_array_or_object_of_ids() -> None:
    assert read_relevant("[]") == read_relevant(" {}") == {}
    assert read_relevant("[17.0, 17]") == {"17": 1}
    for text in ("", "late", "[", '[["a"]]', '[""]', "[null]", "[true]", '{"a": null}', '{"a": NaN}', "[" * 9999):
        assert read_relevant(text) is None


def test_actuals_of_a_ranking_are_numbers_in_any_spelling_or_sets() -> None:
    column = Column(
        np.array([2.0, np.nan, np.nan, np.inf, np.nan]),
        np.array([-1, 0, 1, -1, 2], np.int32),
        ("3.0", '{"a": 2}', "late"),
    )
    gains, which, sets = read_actuals(column)
    np.testing.assert_array_equal(gains, [2, 3, np.nan, np.nan, np.nan])
    assert (which.tolist(), sets) == ([-1, -1, 0, -1, -1], [{"a": 2.0}])


def test_baselines_of_frames_and_of_files_know_the_same_of_lists(tmp_path: Path) -> None:
    shown = [["a", "b"], ["b", "c"], [], ["c"], ["a", "b", "c"]] * 8
    clicked = [["b"], [], ["a"], None, ["c", "z"]] * 8
    frame = pd.DataFrame({"items": shown, "clicked": clicked, "u": range(40)})
    frame.to_parquet(tmp_path / "lists.parquet")
    said = ["--task", "ranking", "--items", "items", "--actual", "clicked", "--model", "feed"]
    target = tmp_path / "feed.json"
    run = CliRunner().invoke(app, ["baseline", "build", str(tmp_path / "lists.parquet"), *said, "-o", str(target)])
    assert run.exit_code == 0, run.stderr
    built = Baseline.load(target)
    for X in (frame, pd.read_parquet(tmp_path / "lists.parquet"), frame.to_dict("list")):
        made = Baseline.from_frame(X, predicted="items", actual="clicked", model="feed", task="ranking")
        assert made.pane.parts.keys() == built.pane.parts.keys()
        assert made.pane.parts["clicks"].tolist() == built.pane.parts["clicks"].tolist() == [16.0, 16.0]
        for name in ("ranking@1", "ranking@5", "outcomes"):
            assert made.pane.parts[name].tolist() == pytest.approx(built.pane.parts[name].tolist())
        assert made.columns == built.columns
    parts = [frame[:7], frame[7:]]
    again = Baseline.from_frame(lambda: parts, predicted="items", actual="clicked", model="feed", task="ranking")
    assert again.pane.parts["ranking@5"].tolist() == pytest.approx(built.pane.parts["ranking@5"].tolist())


def test_lists_say_how_much_their_items_are_worth() -> None:
    frame = {"u": [1.0, 2.0, 3.0], "items": [["a", "b"], [("b", 0.5), ("a", 0.25)], ["a"]]}
    actual = [{"b": 3}, [("b", 2.0)], 1]
    made = Baseline.from_frame(frame, predicted="items", actual=actual, model="feed", task="ranking")
    assert made.pane.parts["clicks"].tolist() == [3.0, 3.0]
    assert made.pane.parts["ranking@1"][6] == 1.0  # of the two lists of which it is known, the second has a hit at 1
    with pytest.raises(ValueError, match="different lengths"):
        Baseline.from_frame(frame, predicted="items", actual=[1], model="feed", task="ranking")
