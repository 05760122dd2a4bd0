"""Concept drift: found soon where the errors rise, silent where they do not, and the same over any restart."""

from __future__ import annotations

import re
from itertools import pairwise

import msgspec
import numpy as np
import pytest
from driftline.tables.row_losses import losses_of_rows
from driftline.tables.table import F64, Column
from driftline.tables.task import Task
from driftline_processor.core.concept.losses import CLIP, standardised
from driftline_processor.core.concept.result import Change, ConceptDrift, error_rise
from driftline_processor.core.concept.stream import ChangeSums, Stream, decode_stream, encode_stream
from driftline_processor.present.sections.concept import concept_sentence
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.facts import lacking

BINARY = Task("binary", ("0", "1"), "1")


def stream_of(kind: str = "error") -> Stream:
    return Stream("error" if kind == "error" else "loss", None if kind == "error" else (0.0, 1.0))


def feed(stream: Stream, values: F64, first: int = 1) -> Stream:
    times = np.arange(first, first + len(values))
    stream.feed(values, times, times + 1_000_000)
    return stream


def errors(seed: int, *levels: tuple[int, float]) -> F64:
    rng = np.random.default_rng(seed)
    return np.concatenate([np.empty(0), *((rng.random(n) < rate).astype(np.float64) for n, rate in levels)])


def losses(seed: int, n: int, shift: float = 0.0) -> F64:
    """Absolute errors of a normal regression, in standard deviations."""
    rng = np.random.default_rng(seed)
    return (np.abs(rng.normal(size=n)) - 0.79788) / 0.60281 + shift


class TestTheDetector:
    def test_finds_errors_that_double(self) -> None:
        n = 1_500
        found = feed(stream_of(), errors(1, (n, 0.2), (1_000, 0.4))).concept()
        assert found.state == "drift"
        assert found.changes[0].since == pytest.approx(n + 1, abs=120)
        assert found.changes[0].detected_at <= 1_000_000 + n + 600
        assert found.before == pytest.approx(0.2, abs=0.03)
        assert found.after == pytest.approx(0.4, abs=0.04)

    def test_is_silent_where_nothing_changes(self) -> None:
        assert feed(stream_of(), errors(2, (20_000, 0.2))).concept().state == "ok"
        assert feed(stream_of(), errors(3, (20_000, 0.5))).concept().changes == ()

    def test_goes_on_from_its_state_as_if_never_interrupted(self) -> None:
        values = errors(4, (1_200, 0.1), (700, 0.5), (500, 0.1))
        whole = feed(stream_of(), values)
        assert len(whole.concept().changes) >= 1
        for cut in (0, 1, 29, 31, 32, 397, 401, 1_250, 1_600, len(values)):
            one = feed(stream_of(), values[:cut])
            two = decode_stream(encode_stream(one))
            assert encode_stream(feed(two, values[cut:], cut + 1)) == encode_stream(whole), cut


def test_a_state_that_cannot_be_read_is_invalid() -> None:
    with pytest.raises(msgspec.ValidationError):
        decode_stream('{"kind": "error", "watch": {"stretch": 7}}')


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(0, 3_000), max_size=6), st.sampled_from(["error", "loss", "unscaled"]), st.integers(0, 9))
def test_however_the_stream_is_cut_the_same_is_found(cuts: list[int], kind: str, seed: int) -> None:
    if kind == "error":
        values = errors(seed, (1_500, 0.1), (1_000, 0.35), (500, 0.1))
    else:
        values = np.concatenate([losses(seed, 1_500), losses(seed + 10, 1_000, 1.0), losses(seed + 20, 500)])
    values[::97] = np.nan
    new = Stream("loss") if kind == "unscaled" else stream_of(kind)
    whole = feed(Stream("loss") if kind == "unscaled" else stream_of(kind), values)
    places = [0, *sorted(cuts), len(values)]
    for first, last in pairwise(places):
        feed(new, values[first:last], first + 1)
        new = decode_stream(encode_stream(new))
    assert encode_stream(new) == encode_stream(whole)
    assert new.concept() == whole.concept()


class TestTheState:
    def test_is_learning_before_a_hundred_outcomes_and_unknown_before_the_first(self) -> None:
        stream = stream_of()
        assert stream.concept().state == "unknown"
        assert feed(stream, errors(1, (99, 0.5))).concept().state == "learning"
        assert feed(stream, errors(1, (1, 0.5)), 100).concept().state == "ok"

    def test_is_drift_until_the_rise_has_half_gone(self) -> None:
        stream = feed(stream_of(), errors(1, (5_000, 0.1), (5_000, 0.3)))
        assert (stream.concept().state, len(stream.concept().changes)) == ("drift", 1)
        began = stream.concept().since
        feed(stream, errors(2, (6_000, 0.25)), 10_001)
        assert (stream.concept().state, len(stream.concept().changes)) == ("drift", 2)
        assert stream.concept().since == began
        assert stream.concept().before == pytest.approx(0.1, abs=0.01)
        assert stream.concept().after == pytest.approx(0.25, abs=0.01)
        feed(stream, errors(3, (5_000, 0.12)), 16_001)
        assert (stream.concept().state, len(stream.concept().changes)) == ("ok", 3)
        assert stream.concept().since == pytest.approx(16_001, abs=100)
        assert stream.concept().before is None

    def test_of_errors_that_become_fewer_is_ok_and_the_change_is_told(self) -> None:
        concept = feed(stream_of(), errors(1, (5_000, 0.3), (5_000, 0.1))).concept()
        assert concept.state == "ok"
        [change] = concept.changes
        assert change.since == pytest.approx(5_001, abs=60)
        assert [change.before, change.after] == pytest.approx([0.3, 0.1], abs=0.03)


class TestErrors:
    def test_of_classes_are_wrong_decisions_and_nothing_where_nobody_can_tell(self) -> None:
        scores = np.array([[0.9], [0.2], [0.7], [np.nan], [0.6]])
        actual = Column(numbers=np.array([1.0, 1.0, 0.0, 1.0, 7.0]))
        assert losses_of_rows(BINARY, scores, None, actual).tolist() == pytest.approx(
            [0, 1, 1, np.nan, np.nan], nan_ok=True
        )

    def test_of_a_regression_are_absolute(self) -> None:
        actual = Column(numbers=np.array([1.0, 5.0, np.nan, 1e300]))
        found = losses_of_rows(Task("regression"), np.array([[3.0], [4.0], [1.0], [0.0]]), None, actual)
        assert found.tolist() == pytest.approx([2, 1, np.nan, np.nan], nan_ok=True)

    def test_one_stray_loss_counts_as_four_standard_deviations(self) -> None:
        assert standardised(np.array([1e300, -1e300]), (0.0, 1.0)).tolist() == [CLIP, -CLIP]
        assert standardised(np.array([2.0, 3.0]), (2.0, 0.0)).tolist() == [0.0, CLIP]

    def test_without_a_reference_the_first_hundred_losses_are_it(self) -> None:
        values = losses(1, 3_000) * 5 + 20
        concept = feed(Stream("loss"), np.concatenate([values, losses(2, 1_000) * 5 + 25])).concept()
        assert concept.measure == "absolute_error"
        assert concept.state == "drift"
        assert concept.before == pytest.approx(20, abs=0.7)
        assert concept.after == pytest.approx(25, abs=0.7)


class TestTheStretch:
    def test_keeps_few_places_of_many_values(self) -> None:
        stretch = ChangeSums()
        stretch.add(np.ones(1_000_000), np.arange(1_000_000))
        assert (stretch.n, stretch.total, stretch.began) == (1_000_000, 1e6, 0)
        assert len(stretch.at) < 300
        gaps, ages = np.diff(stretch.at), stretch.n - stretch.at[1:]
        assert (gaps <= np.maximum(8, ages / 15)).all()

    def test_cuts_where_the_means_differ_most(self) -> None:
        stretch = ChangeSums()
        stretch.add(np.repeat([0.0, 1.0], [400, 160]), np.arange(560) * 10)
        assert stretch.split() == (0.0, 1.0)
        assert (stretch.n, stretch.total, stretch.began) == (160, 160.0, 4_000)

    def test_of_a_few_values_begins_anew(self) -> None:
        stretch = ChangeSums()
        stretch.add(np.ones(8), np.arange(8))
        assert stretch.split() is None
        assert (stretch.n, stretch.total, len(stretch.at)) == (0, 0.0, 0)


def test_a_sentence_tells_it() -> None:
    def told(*levels: tuple[int, float]) -> str:
        return concept_sentence(feed(stream_of(), errors(1, *levels)).concept(), lambda time: f"row {time}")

    drifted = told((5_000, 0.1), (5_000, 0.3))
    assert lacking(drifted, "concept drift", "error rate", "10 %", "29.4 %", "row 5001") == []
    assert lacking(told((5_000, 0.3), (5_000, 0.1)), "dropped", "30.") == []
    assert lacking(told((99, 0.1)), "learning", "99 outcomes") == []
    assert "unknown" in told()


@pytest.mark.parametrize(
    ("concept", "facts"),
    [
        (
            ConceptDrift("drift", since=7, before=0.0271, after=0.0187, changes=(Change(7, 9, 0.0271, 0.041),)),
            ["drift", "2.71 %", "4.1 %", "row 7", "1.87 %"],
        ),
        (ConceptDrift("drift", since=7, before=0.0271, after=0.0187), ["drift", "2.71 %", "row 7", "1.87 %"]),
        (
            ConceptDrift("ok", since=7, after=0.05, changes=(Change(7, 9, 0.04, 0.02),)),
            ["dropped", "4 %", "2 %", "row 7", "5 %"],
        ),
    ],
)
def test_a_sentence_takes_both_levels_of_the_change_where_now_is_another(
    concept: ConceptDrift, facts: list[str]
) -> None:
    told = concept_sentence(concept, lambda time: f"row {time}")
    assert re.findall(r"drift|dropped|fell|row 7|[\d.]+ %", told) == facts
    assert error_rise(concept) == 0.0
