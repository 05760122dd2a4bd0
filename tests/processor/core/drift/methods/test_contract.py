"""What every drift method promises: one list of checks, through which each that is discovered is put."""

from __future__ import annotations

import inspect
import math
from importlib import import_module

import numpy as np
import pytest
from driftline.panes.embedding_projection import AXES, Projection
from driftline.panes.embedding_projection import WIDTH as FEATURES
from driftline.tables.table import F64
from driftline_processor.core.drift.methods import DECIDING, METHODS, Counts, Measured, Method
from driftline_processor.core.drift.methods.method import Sums
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from msgspec.structs import replace

from tests.support.unwrap import unwrap

ALL = [pytest.param(method, id=name) for name, method in METHODS.items()]
DECIDERS = [pytest.param(METHODS[name], id=name) for name in DECIDING]
WIDTH = 12
SAMPLES = arrays.arrays(np.float64, (3, WIDTH), elements=st.integers(0, 300).map(float), fill=st.nothing())


def counts_for(method: Method, reference: F64, current: F64) -> Counts:
    """The counts as numbers for a method of numbers, else as categories; an empty sample gets a row."""
    reference, current = reference.copy(), current.copy()
    for sample in (reference, current):
        sample[sample.sum(axis=-1) == 0, 0] = 1
    edges = np.cumsum(np.linspace(0.5, 1.5, reference.shape[1] - 1)) - 4.0
    wanted = np.tile(edges, (len(reference), 1)) if "number" in method.kinds else None
    return counted(method, reference, current, wanted)


def counted(method: Method, reference: F64, current: F64, edges: F64 | None = None) -> Counts:
    """Counts over given edges; for a method of embeddings, with the sums of their vectors."""
    return Counts(reference, current, edges, sums=sums_of(reference, current) if "embedding" in method.kinds else None)


def sums_of(reference: F64, current: F64) -> Sums:
    """The sums of vectors, one for each bin, of which so many rows are."""
    vectors = np.random.default_rng(0).normal(size=(reference.shape[1], 4)).astype(np.float32)
    features = Projection(4, 2.0).features(vectors)
    n, m = reference.sum(axis=-1), current.sum(axis=-1)
    was, now = reference @ features / n[:, np.newaxis], current @ features / m[:, np.newaxis]
    spectrum, axes = np.zeros((len(n), FEATURES)), np.zeros((len(n), AXES, FEATURES))
    for row, rows in enumerate(reference):
        centred = (features - was[row]) * np.sqrt(rows / n[row])[:, np.newaxis]
        _, deviations, directions = np.linalg.svd(centred, full_matrices=False)
        some = np.flatnonzero(deviations**2 > 1e-9)
        spectrum[row, some] = deviations[some] ** 2
        axes[row, some[:AXES]] = directions[some[:AXES]]
    return Sums(was, now, n, m, spectrum, axes)


def drawn(method: Method, seed: int, rows: int = 2_000, k: int = 8) -> Counts:
    """k pairs of samples of shares that differ."""
    rng = np.random.default_rng(seed)
    was, now = rng.dirichlet(np.full(WIDTH, 5.0), (2, k))
    return counts_for(method, *(rng.multinomial(rows, shares).astype(np.float64) for shares in (was, now)))


def with_p_value(method: Method, counts: Counts) -> Measured:
    """What a method says where it decides."""
    found = method.counts(counts)
    return found if method.p_value is None else found._replace(p_value=method.p_value(counts))


def same(one: Measured, other: Measured, tolerance: float = 1e-9) -> bool:
    return all(
        (a is None and b is None)
        or (a is not None and b is not None and np.allclose(a, b, rtol=tolerance, atol=1e-12, equal_nan=True))
        for a, b in zip(one, other, strict=True)
    )


def test_the_methods_are_those_of_the_package() -> None:
    assert {"ks", "psi", "js", "chi2"} <= METHODS.keys()
    assert {"ks", "chi2"} <= set(DECIDING)


@pytest.mark.parametrize("method", ALL)
def test_a_method_says_what_it_is_and_shows_an_example(method: Method) -> None:
    module = import_module(method.counts.__module__)
    assert method.title
    assert method.kinds
    assert method.unit
    assert method.source
    definition = getattr(module, method.name)
    documented = inspect.getdoc(definition) or ""
    assert ">>> " in documented
    assert "Source:" in documented
    assert (method.min_effect is None) == (method.name not in DECIDING)


@pytest.mark.slow
@pytest.mark.parametrize("method", ALL)
@given(samples=SAMPLES)
@settings(max_examples=12, deadline=None)
def test_equal_samples_have_the_least_value_and_no_effect(method: Method, samples: F64) -> None:
    found = with_p_value(method, counts_for(method, samples, samples))
    least = max(method.minimum, 0.0)
    assert found.value == pytest.approx(np.full(3, least), abs=1e-7)
    if found.p_value is not None:
        assert (found.p_value >= 0.5).all()
    if found.effect is not None:
        assert found.effect == pytest.approx(np.zeros(3), abs=1e-7)


@pytest.mark.parametrize("method", ALL)
@given(reference=SAMPLES, current=SAMPLES)
@settings(max_examples=20, deadline=None)
def test_values_stay_in_their_range_and_p_values_are_probabilities(
    method: Method, reference: F64, current: F64
) -> None:
    found = with_p_value(method, counts_for(method, reference, current))
    assert np.isfinite(found.value).all()
    assert (found.value >= method.minimum - 1e-12).all()
    assert (found.value <= method.maximum + 1e-12).all()
    if found.p_value is not None:
        assert ((found.p_value >= 0) & (found.p_value <= 1)).all()
    if found.effect is not None:
        assert (found.effect >= 0).all()
        assert np.isfinite(found.effect).all()


@pytest.mark.parametrize("method", DECIDERS)
def test_a_method_that_may_decide_has_p_value_effect_and_a_least_effect(method: Method) -> None:
    found = with_p_value(method, drawn(method, 1))
    assert found.p_value is not None
    assert found.effect is not None
    assert unwrap(method.min_effect) > 0


@pytest.mark.parametrize("method", ALL)
@given(reference=SAMPLES, current=SAMPLES)
@settings(max_examples=12, deadline=None)
def test_samples_may_be_exchanged_where_that_is_declared(method: Method, reference: F64, current: F64) -> None:
    counts = counts_for(method, reference, current)
    edges = None if "category" in method.kinds else counts.edges  # over deciles, which are the reference's, it matters
    forth = method.counts(counted(method, counts.reference, counts.current, edges))
    back = method.counts(counted(method, counts.current, counts.reference, edges))
    assert np.allclose(forth.value, back.value, rtol=1e-9, atol=1e-9) or not method.symmetric


@pytest.mark.parametrize("method", ALL)
@pytest.mark.parametrize("factor", [2.0, 10.0])
def test_more_rows_of_the_same_shares_change_no_distance(method: Method, factor: float) -> None:
    counts = drawn(method, 2)
    before = method.counts(counts).value
    after = method.counts(counted(method, counts.reference * factor, counts.current * factor, counts.edges)).value
    if method.scaling == "grows":
        assert (np.abs(after) > np.abs(before)).all()
    else:
        faded = 0.0 if method.scaling == "none" else 0.06
        assert after == pytest.approx(before, rel=faded + 1e-9, abs=1e-12)


@pytest.mark.parametrize("method", ALL)
@given(reference=SAMPLES, current=SAMPLES)
@settings(max_examples=12, deadline=None)
def test_empty_bins_at_the_end_change_nothing(method: Method, reference: F64, current: F64) -> None:
    counts = counts_for(method, reference, current)
    padding = ((0, 0), (0, 5))
    wider = counted(
        method,
        np.pad(counts.reference, padding),
        np.pad(counts.current, padding),
        None if counts.edges is None else np.pad(counts.edges, padding, mode="edge"),
    )
    assert same(method.counts(counts), method.counts(wider))


@pytest.mark.parametrize("method", ALL)
@given(reference=SAMPLES, current=SAMPLES)
@settings(max_examples=12, deadline=None)
def test_each_pair_is_measured_as_if_alone(method: Method, reference: F64, current: F64) -> None:
    counts = counts_for(method, reference, current)
    together = method.counts(counts)
    for row in range(3):
        edges = None if counts.edges is None else counts.edges[row : row + 1]
        alone = method.counts(counted(method, counts.reference[row : row + 1], counts.current[row : row + 1], edges))
        value, p, effect = (None if part is None else part[row : row + 1] for part in together)
        assert value is not None
        assert same(alone, Measured(value, p, effect))


ODD: dict[str, tuple[list[float], list[float]]] = {
    "one row against one": ([1, 0, 0], [0, 0, 1]),
    "one row against many": ([0, 1_000, 0], [0, 0, 1]),
    "constant": ([0, 500, 0], [0, 50, 0]),
    "a constant that changed": ([0, 500, 0], [0, 0, 50]),
    "two bins that share no row": ([300, 0, 0], [0, 0, 400]),
    "everything beyond the edges": ([1, 998, 1], [25, 0, 25]),
    "a part of a row": ([0.2, 0.3, 0.1], [0.5, 0, 0]),
    "very many rows": ([1e12, 2e12, 1e12], [1e12, 1e12, 1e12]),
}


@pytest.mark.parametrize("method", ALL)
@pytest.mark.parametrize("odd", ODD)
def test_odd_samples_have_finite_values(method: Method, odd: str) -> None:
    reference, current = (np.array([sample], dtype=np.float64) for sample in ODD[odd])
    found = method.counts(counts_for(method, reference, current))
    for part in found:
        assert part is None or np.isfinite(part).all()
    assert method.minimum <= found.value[0] <= method.maximum


@pytest.mark.parametrize("method", [param for param in ALL if "category" in METHODS[str(param.id)].kinds])
def test_the_order_of_categories_means_nothing(method: Method) -> None:
    counts = replace(drawn(method, 3), edges=None)
    order = np.random.default_rng(4).permutation(WIDTH)
    permuted = counted(method, counts.reference[:, order], counts.current[:, order])
    assert same(method.counts(counts), method.counts(permuted))


@pytest.mark.parametrize("method", ALL)
def test_a_method_leaves_its_input_as_it_is(method: Method) -> None:
    counts = drawn(method, 5)
    for part in (counts.reference, counts.current, counts.edges):
        if part is not None:
            part.flags.writeable = False
    assert same(method.counts(counts), method.counts(counts))


@pytest.mark.slow
@pytest.mark.parametrize("method", DECIDERS)
def test_without_drift_small_p_values_are_no_more_frequent_than_they_say(method: Method) -> None:
    rng = np.random.default_rng(6)
    shares = np.full(100, 0.01) if "number" in method.kinds else np.array([0.5, 0.3, 0.15, 0.05])
    if method.kinds == {"boolean"}:
        shares = np.array([0.7, 0.3])
    windows = 4_000
    reference, current = (rng.multinomial(n, shares, windows).astype(np.float64) for n in (20_000, 1_000))
    p = unwrap(with_p_value(method, counts_for(method, reference, current)).p_value)
    for level in (0.01, 0.05, 0.2, 0.5):
        slack = 4 * math.sqrt(level * (1 - level) / windows)
        assert np.mean(p <= level) <= level + slack, level
    assert np.mean(p <= 0.2) >= 0.1  # a test that never fires is broken too


@pytest.mark.parametrize("method", DECIDERS)
def test_a_large_change_is_certain(method: Method) -> None:
    width = 2 if method.kinds == {"boolean"} else 10
    was = np.linspace(2.0, 1.0, width) * 500
    found = with_p_value(method, counts_for(method, was[np.newaxis], was[np.newaxis, ::-1]))
    assert unwrap(found.p_value)[0] < 1e-6
    assert unwrap(found.effect)[0] > (method.min_effect or math.inf)
