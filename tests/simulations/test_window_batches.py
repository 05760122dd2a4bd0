"""Many windows judged at once are judged as ``drift()`` and ``incident()`` judge each of them."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from driftline.baseline.baseline import Baseline
from driftline.inputs.dataframes import column_of
from driftline.panes.bins import Bins
from driftline.panes.fold import groups_of
from driftline.panes.model_bins import ModelBins
from driftline.tables.table import ModelKey
from driftline.tables.task import Task
from driftline_processor.core.drift.incident import incident
from driftline_processor.core.drift.method_choice import Choice, Choices
from driftline_processor.core.drift.rule import ALPHA, drift
from driftline_processor.core.evaluation import Evaluation
from driftline_processor.core.windows.window import Window

from simulations.drift.counts import HOUR, decides, next_hour
from simulations.drift.window_batches import verdicts
from simulations.drift.worlds import (
    EDGES,
    REFERENCE,
    ZIPF,
    Counted,
    Customers,
    Drawn,
    Many,
    binned,
    folded,
    normal,
    pane_of,
    unseen,
)

WINDOWS = 16
SHARES, MOVED = unseen(np.array([0.6, 0.3, 0.1]), 0.03)
BESIDE = {"customers": normal(0.75), "customers without a key": normal(0.3)}
"""What their references are drawn from: these worlds do not move by themselves."""

WORLDS: dict[str, tuple[Many, str]] = {
    "numbers": (Counted(200, 5, moved=normal(0.27)), ""),
    "numbers in many rows": (Counted(10_000, 2, moved=normal(0.104)), ""),
    "few rows": (Counted(50, 5, moved=normal(0.8)), ""),
    "alike": (Counted(1_000, 4, alike=0.9, moved=normal(0.13)), ""),
    "labels": (Counted(200, 4, shares=SHARES, moved=MOVED), ""),
    "many labels": (Counted(200, 2, shares=ZIPF, moved=ZIPF[::-1] * 0.1 + ZIPF * 0.9), ""),
    "customers": (Customers(0.5, known=True, customers=20, features=3), ""),
    "customers without a key": (Customers(0.5, known=False, customers=20, features=3), ""),
    "psi": (Counted(500, 3, moved=normal(0.3)), "psi"),
    "anderson_darling": (Counted(500, 3, moved=normal(0.15)), "anderson_darling"),
    "mean_shift": (Counted(500, 3, moved=normal(0.22)), "mean_shift"),
}


BOUNDED = 1e-4
"""Corrected p-values up to which one of a window may stand on the limit law, which begins below 1e-7."""


def baseline_of(counts: np.ndarray, bins: Bins) -> Baseline:
    over = ModelBins({f"x{at}": bins for at in range(len(counts))})
    return Baseline("m", "", Task("regression"), over, pane_of(counts))


@pytest.mark.parametrize("name", WORLDS)
def test_both_say_the_same_of_every_window(name: str) -> None:
    world, method = WORLDS[name]
    rng = np.random.default_rng(5)
    references = world.references(rng)
    reference = np.stack([next(references) for _ in range(WINDOWS)])
    if name in BESIDE:
        reference = rng.multinomial(REFERENCE, BESIDE[name], size=reference.shape[:2])
    drawn = world.draw(rng, WINDOWS)
    said = verdicts(reference, drawn, world.over, method or decides(world), exact=True)
    sooner = verdicts(reference, drawn, world.over, method or decides(world))
    choices = Choices(Choice((method,) if method else ()))
    states = set()
    for at in range(WINDOWS):
        groups = None if drawn.groups is None else drawn.groups[at]
        one = drift(pane_of(drawn.current[at], groups), baseline_of(reference[at], world.over), choices=choices)
        drifts = [target.state == "drift" for target in one.features.values()]
        p = [target.methods[target.decided_by].p_value for target in one.features.values()]
        assert said.drift[at].tolist() == drifts
        assert sooner.drift[at].tolist() == drifts
        assert (sooner.p[at] <= ALPHA).tolist() == (said.p[at] <= ALPHA).tolist()
        sure = [1.0 if value is None else value for value in p]
        near = [at for at, value in enumerate(sure) if value <= ALPHA]
        assert np.flatnonzero(said.p[at] <= ALPHA).tolist() == near
        told = [one for one in near if sure[one] > BOUNDED]
        assert said.p[at, told].tolist() == pytest.approx([sure[one] for one in told], rel=1e-9)
        states.add(drifts[0])
    assert states == {True, False}  # the world is one in which both happen


def test_one_reference_serves_all_windows() -> None:
    world, _ = WORLDS["numbers"]
    rng = np.random.default_rng(6)
    reference = next(world.references(rng))[np.newaxis]
    drawn = world.draw(rng, 10)
    together = verdicts(reference, drawn, world.over, "ks")
    alone = [verdicts(reference, Drawn(one[np.newaxis]), world.over, "ks") for one in drawn.current]
    assert together.drift.tolist() == [one.drift[0].tolist() for one in alone]


def test_rows_are_counted_as_the_product_folds_them() -> None:
    world = Customers(0.5, known=True, features=2)
    values = world.values(np.random.default_rng(1), 1)
    names = [f"customer-{at}" for at in range(world.customers)]
    drawn = world.counted(values.copy(), groups_of(column_of(names))[np.newaxis])
    baseline = baseline_of(next(world.references(np.random.default_rng(2))), world.over)
    pane = folded(values[0].T.astype(np.float64), baseline, np.repeat(names, world.each))
    assert drawn.groups is not None
    ours = pane_of(drawn.current[0], drawn.groups[0]).parts
    for part in ("feature:x0", "feature:x1", "clusters:feature:x0", "clusters:feature:x1"):
        assert ours[part].tolist() == pane.parts[part].tolist()


def test_a_table_tells_the_bin_of_a_value() -> None:
    values = np.concatenate([np.random.default_rng(3).normal(size=20_000), EDGES, [-9.0, 9.0]]).astype(np.float32)
    assert binned(values.copy()).tolist() == np.searchsorted(EDGES, values, side="right").tolist()


def test_features_that_correlate_do() -> None:
    values = Counted(1, features=3, alike=0.9).values(np.random.default_rng(4), 1, 20_000)[0]
    assert np.corrcoef(values)[np.triu_indices(3, 1)] == pytest.approx(0.9, abs=0.01)


def test_incidents_are_those_of_whole_evaluations() -> None:
    world = Counted(200, 3, moved=normal(0.22))
    rng = np.random.default_rng(8)
    reference = next(world.references(rng))
    drawn = world.draw(rng, 60)
    said = verdicts(reference[np.newaxis], drawn, world.over, "ks", exact=True)
    baseline = baseline_of(reference, world.over)
    ours: list[Evaluation] = [Evaluation(ModelKey("m"), Window("1h", -HOUR, 0), 0, closed=True)]
    whole: Evaluation | None = None
    for hour, (p, drifts) in enumerate(zip(said.p, said.drift, strict=True)):
        ours.append(next_hour(ours[-1], hour, p, drifts))
        features = drift(pane_of(drawn.current[hour]), baseline).features
        current = Evaluation(ModelKey("m"), ours[-1].window, 0, closed=True, features=features)
        current.incident = incident(current, whole)
        assert ours[-1].incident == current.incident
        whole = current
    assert any(before.incident and not after.incident for before, after in pairwise(ours))
    assert any(after.incident and not before.incident for before, after in pairwise(ours))
