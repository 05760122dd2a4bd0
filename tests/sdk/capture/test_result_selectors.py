"""The fix that the log advises works: each part of a result is what its selector returns for this result."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import driftline
import driftline.testing
import pytest
from driftline.capture.result_selectors import parts_of
from driftline.capture.snapshot import select
from driftline.outputs.result_copy import copy_separate
from hypothesis import given, settings
from hypothesis import strategies as st

BINARY = driftline.Model("m", task="binary")
THREE = driftline.Model("m", task="multiclass", classes=("a", "b", "c"))
PRICE = driftline.Model("m", task="regression")


@dataclass
class Answer:
    label: Any
    probability: Any


class Pair(NamedTuple):
    prediction: Any
    score: Any


_NAMES = st.sampled_from(("label", "score", "probability", "prediction", "data", "labels", "scores", "id"))
_VALUES = st.one_of(
    st.floats(0.0, 1.0), st.integers(0, 2), st.sampled_from(("a", "b", "c", "")), st.none(), st.booleans()
)
RESULTS = st.recursive(
    _VALUES,
    lambda inner: st.one_of(
        st.dictionaries(_NAMES, inner, max_size=3),
        st.lists(inner, max_size=3),
        st.tuples(inner, inner),
        st.builds(Answer, inner, inner),
        st.builds(Pair, inner, inner),
        st.dictionaries(_NAMES, inner, min_size=1, max_size=2).flatmap(
            lambda row: st.lists(st.fixed_dictionaries(dict.fromkeys(row, inner)), min_size=1, max_size=3)
        ),
    ),
    max_leaves=12,
)


def selected(code: str, result: Any) -> Any:
    """Apply the code of a selector, as a reader of the log would paste it."""
    return select(eval(code), result)


@pytest.mark.slow
@given(RESULTS)
@settings(max_examples=500)
def test_the_selector_of_a_part_returns_the_part(result: Any) -> None:
    for part in parts_of(result, copy_separate):
        assert repr(copy_separate(selected(part.selector(as_path=False), result))) == repr(part.value), part


CASES: dict[str, tuple[driftline.Model, Any, Any]] = {
    "an object in each row": (
        BINARY,
        [{"prediction": {"probability": 0.1}}, {"prediction": {"probability": 0.2}}],
        [0.1, 0.2],
    ),
    "an object in an object in each row": (
        BINARY,
        [{"data": {"out": {"score": 0.1}}}, {"data": {"out": {"score": 0.2}}}],
        [0.1, 0.2],
    ),
    "rows under a key": (
        BINARY,
        {"predictions": [{"output": {"score": 0.1}}, {"output": {"score": 0.2}}]},
        [0.1, 0.2],
    ),
    "an object of Python in each row": (
        BINARY,
        [{"answer": Answer("1", 0.1)}, {"answer": Answer("0", 0.2)}],
        [0.1, 0.2],
    ),
    "a value in an object in each row": (
        PRICE,
        [{"prediction": {"value": 3.5}}, {"prediction": {"value": 4.5}}],
        [3.5, 4.5],
    ),
    "pairs of class and score in each row": (
        THREE,
        [
            {"data": [{"label": "b", "score": 0.75}, {"label": "a", "score": 0.25}, {"label": "c", "score": 0.0}]},
            {"data": [{"label": "c", "score": 0.5}, {"label": "a", "score": 0.5}, {"label": "b", "score": 0.0}]},
        ],
        [(0.25, 0.75, 0.0), (0.5, 0.0, 0.5)],
    ),
    "pairs of class and score in an object in each row": (
        THREE,
        [{"out": {"labels": ["b", "a", "c"], "scores": [0.75, 0.25, 0.0]}}] * 2,
        [(0.25, 0.75, 0.0)] * 2,
    ),
    "a class and its score in an object in each row": (
        BINARY,
        [{"prediction": {"label": "1", "score": 0.75}}, {"prediction": {"label": "0", "score": 0.875}}],
        [0.75, 0.125],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_the_fix_of_the_log_reads_the_result(name: str) -> None:
    model, result, scores = CASES[name]

    def predict(rows: Any) -> Any:  # noqa: ARG001
        return result

    rows = [{"x": 1.0}, {"x": 2.0}]
    with driftline.testing.capture(raising=False) as capture:
        model.predict(predict)(rows)
    _, is_advised, code = capture.log[0].partition("specify how to read the result: @m.predict")
    assert is_advised
    with driftline.testing.capture() as capture:
        eval(f"model.predict{code}", {"model": model})(predict)(rows)
    assert [prediction.score for prediction in capture.predictions] == scores
